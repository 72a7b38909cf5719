//! Test & Enable.

use super::Sql;

statements! {
    QUEUE_TEST = [
        "INSERT INTO mailbox_tests (mailbox, run, requested_at, requested_by, round_trip, dry_run, attempts, \
         next_attempt_at, stages, results) VALUES ($1, $2, $3, $4, $5, $6, 0, $3, $7, $8) ON CONFLICT \
         (mailbox) DO UPDATE SET run = excluded.run, requested_at = excluded.requested_at, requested_by = \
         excluded.requested_by, round_trip = excluded.round_trip, dry_run = excluded.dry_run, attempts = 0, \
         next_attempt_at = excluded.next_attempt_at, lease_owner = NULL, lease_expires = NULL, stages = \
         excluded.stages, results = excluded.results, preview = NULL, message_id = NULL, sent_at = NULL, \
         refused = NULL, finished_at = NULL"];
    TESTS = [
        "SELECT mailbox, run, requested_at, requested_by, round_trip, dry_run, attempts, next_attempt_at, \
         lease_expires, CAST(stages AS TEXT) AS stages, CAST(results AS TEXT) AS results, CAST(preview AS \
         TEXT) AS preview, message_id, sent_at, refused, finished_at FROM mailbox_tests WHERE mailbox "
        {ids "$1"}];
    DUE_TESTS = [
        "SELECT t.mailbox, lower(p.incoming_host) FROM mailbox_tests t JOIN mailboxes m ON m.id = t.mailbox LEFT \
         JOIN server_profiles p ON p.id = m.server_profile WHERE t.next_attempt_at <= $1 AND (t.lease_expires IS NULL OR t.lease_expires <= $1) ORDER BY \
         t.next_attempt_at, t.mailbox"];
    CLAIM_TEST = [
        "UPDATE mailbox_tests SET lease_owner = $2, lease_expires = $4, attempts = attempts + 1, stages = $5 \
         WHERE mailbox = $1 AND next_attempt_at <= $3 AND (lease_expires IS NULL OR lease_expires <= $3)"];
    RENEW_TESTS = [
        "UPDATE mailbox_tests SET lease_expires = $2 WHERE lease_owner = $1"];
    RELEASE_TESTS = [
        "UPDATE mailbox_tests SET lease_owner = NULL, lease_expires = NULL, attempts = attempts - 1 WHERE \
         lease_owner = $1"];
    NOTE_STAGES = [
        "UPDATE mailbox_tests SET stages = $4 WHERE mailbox = $1 AND run = $2 AND lease_owner = $3"];
    NOTE_TEST_MAIL = [
        "UPDATE mailbox_tests SET message_id = $4 WHERE mailbox = $1 AND run = $2 AND lease_owner = $3"];
    NOTE_SENT = [
        "UPDATE mailbox_tests SET sent_at = $4 WHERE mailbox = $1 AND run = $2 AND lease_owner = $3"];
    ADD_TEST_MAIL = [
        "INSERT INTO test_mails (message_id, mailbox, made_at) VALUES ($1, $2, $3)"];
    TEST_MAIL = [
        "SELECT made_at FROM test_mails WHERE message_id = $1"];
    SETTLE_TEST = [
        "UPDATE mailbox_tests SET next_attempt_at = $4, lease_owner = NULL, lease_expires = NULL, results = \
         $5, stages = $6, preview = $7, refused = $8, finished_at = $9 WHERE mailbox = $1 AND run = $2 AND \
         lease_owner = $3"];
    // Of one that would enable something.
    CALL_OFF_TEST = [
        "UPDATE mailbox_tests SET next_attempt_at = NULL, lease_owner = NULL, lease_expires = NULL, refused = \
         $3, finished_at = $2 WHERE mailbox = $1 AND next_attempt_at IS NOT NULL AND NOT dry_run"];
    // Without its lease an attempt under way can write nothing more.
    START_TEST_OVER = [
        "UPDATE mailbox_tests SET next_attempt_at = $2, lease_owner = NULL, lease_expires = NULL, attempts = 0, \
         stages = $3, results = $4, preview = NULL, message_id = NULL, sent_at = NULL WHERE next_attempt_at IS NOT NULL AND \
         attempts > 0 AND mailbox = $1"];
    START_TESTS_OVER = [
        "UPDATE mailbox_tests SET next_attempt_at = $2, lease_owner = NULL, lease_expires = NULL, attempts = 0, \
         stages = $3, results = $4, preview = NULL, message_id = NULL, sent_at = NULL WHERE next_attempt_at IS NOT NULL AND \
         attempts > 0 AND mailbox IN (SELECT id FROM mailboxes WHERE server_profile = $1)"];
    OPEN_TESTS = [
        "SELECT mailbox FROM mailbox_tests WHERE next_attempt_at IS NOT NULL AND NOT dry_run"];
    TEST_STATUS_INCOMING = [
        "UPDATE mailboxes SET incoming_test_status = $3, test_completed_at = $2 WHERE id = $1"];
    TEST_STATUS_OUTGOING = [
        "UPDATE mailboxes SET outgoing_test_status = $3, test_completed_at = $2 WHERE id = $1"];
    FAIL_INCOMING = [
        "UPDATE mailboxes SET incoming_enabled = FALSE, incoming_failure_code = $3, incoming_last_error = $4, \
         incoming_failing_since = coalesce(incoming_failing_since, $2), updated_at = $2 WHERE id = $1"];
    FAIL_OUTGOING = [
        "UPDATE mailboxes SET outgoing_enabled = FALSE, outgoing_failure_code = $3, outgoing_last_error = $4, \
         outgoing_failing_since = coalesce(outgoing_failing_since, $2), updated_at = $2 WHERE id = $1"];
}
