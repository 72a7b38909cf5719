//! Cursors and the ledger.

use super::Sql;

statements! {
    CURSOR = [
        "SELECT uid_validity, generation, last_uid, message_count, compared_at, starting_point, starts_over, \
         in_flight_first, in_flight_last, in_flight_attempts FROM inbox_cursors WHERE mailbox = $1"];
    FACTS = [
        "SELECT message_key, id FROM email_activities WHERE direction = 'incoming' AND message_key "
        {hashes "$1"}];
    START_CURSOR = [
        "INSERT INTO inbox_cursors (mailbox, uid_validity, generation, last_uid, message_count, \
         compared_at, starting_point, starts_over, in_flight_first, in_flight_last, in_flight_attempts) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (mailbox) DO UPDATE SET \
         uid_validity = excluded.uid_validity, generation = excluded.generation, last_uid = \
         excluded.last_uid, message_count = excluded.message_count, compared_at = excluded.compared_at, \
         starting_point = excluded.starting_point, starts_over = excluded.starts_over, in_flight_first = \
         excluded.in_flight_first, in_flight_last = excluded.in_flight_last, in_flight_attempts = \
         excluded.in_flight_attempts"];
    ADVANCE_CURSOR = [
        "INSERT INTO inbox_cursors (mailbox, uid_validity, generation, last_uid, message_count, \
         compared_at, starting_point, starts_over, in_flight_first, in_flight_last, in_flight_attempts) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (mailbox) DO UPDATE SET \
         uid_validity = excluded.uid_validity, generation = excluded.generation, last_uid = \
         excluded.last_uid, message_count = excluded.message_count, compared_at = excluded.compared_at, \
         starting_point = excluded.starting_point, starts_over = excluded.starts_over, in_flight_first = \
         excluded.in_flight_first, in_flight_last = excluded.in_flight_last, in_flight_attempts = \
         excluded.in_flight_attempts WHERE NOT (inbox_cursors.uid_validity = excluded.uid_validity AND \
         inbox_cursors.generation = excluded.generation AND inbox_cursors.last_uid > excluded.last_uid)"];
    SAVE_CURSOR = [
        "UPDATE inbox_cursors SET message_count = $5, compared_at = $6, starting_point = $7, starts_over \
         = $8, in_flight_first = $9, in_flight_last = $10, in_flight_attempts = $11 WHERE mailbox = $1 \
         AND uid_validity = $2 AND generation = $3 AND last_uid = $4"];
    MARK_IN_FLIGHT = [
        "UPDATE inbox_cursors SET in_flight_first = $2, in_flight_last = $3, in_flight_attempts = $4 \
         WHERE mailbox = $1"];
    JUDGED = [
        "SELECT uid, reason, retry_requested_at IS NOT NULL AS again FROM inbox_ledger WHERE mailbox = $1 AND uid_validity = $2 AND generation = \
         $3 AND uid BETWEEN $4 AND $5"];
    LEDGER_UIDS = [
        "SELECT uid FROM inbox_ledger WHERE mailbox = $1 AND uid_validity = $2 AND generation = $3 AND \
         uid BETWEEN $4 AND $5 AND NOT (verdict = 'ignored' AND reason = 'vanished') ORDER BY uid"];
    SKIPPED_SINCE = [
        "SELECT uid FROM inbox_ledger WHERE mailbox = $1 AND uid_validity = $2 AND generation = $3 AND \
         internal_date >= $4 AND verdict = 'ignored' AND reason = 'before_starting_point' ORDER BY uid"];
    KNOWN_COPIES = [
        "SELECT internal_date, size, message_id, message_key, verdict, reason, activity, failure_code, \
         failure_detail, source FROM inbox_ledger "
        {indexed "inbox_ledger_dates"}
        " WHERE mailbox = $1 AND NOT (uid_validity = $2 AND \
         generation = $3) AND internal_date "
        {ids "$4"}
        " ORDER BY generation DESC, uid_validity DESC, uid"];
}
