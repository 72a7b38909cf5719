//! Schedule, leases, holds.

use super::Sql;

statements! {
    SCHEDULE_ENTRIES = [
        "SELECT m.id, m.server_profile, m.incoming_next_due_at, m.incoming_postponed_until FROM mailboxes \
         m JOIN server_profiles p ON p.id = m.server_profile WHERE m.state = 'active' AND p.state = \
         'active' AND m.incoming_method = 'server_side_sync' AND m.incoming_enabled AND m.approval IN \
         ('empty', 'approved') ORDER BY m.id"];
    SCHEDULE_ENTRIES_OUTGOING = [
        "SELECT m.id, m.server_profile, w.due, m.outgoing_postponed_until FROM (SELECT d.mailbox, min(d.due) \
         AS due FROM (SELECT mailbox, "
        {later "coalesce(send_after, created_at), coalesce(postponed_until, created_at)"}
        " AS due FROM email_activities WHERE status = 'pending_send' UNION ALL SELECT mailbox, \
         coalesce(postponed_until, created_at) FROM email_activities WHERE status = 'sending') d GROUP BY d.mailbox) w JOIN mailboxes m ON m.id = \
         w.mailbox JOIN server_profiles p ON p.id = m.server_profile WHERE "
        {sends}
        " ORDER BY m.id"];
    REQUEST_POLLS = [
        "UPDATE mailboxes SET poll_requested_at = $2, incoming_next_due_at = CASE WHEN \
         incoming_postponed_until IS NULL THEN incoming_next_due_at ELSE $2 END, incoming_postponed_until = \
         NULL, incoming_confirmations = 0, outgoing_confirmations = 0, outgoing_postponed_until = CASE WHEN \
         outgoing_failure_code IN ('auth-rejected', 'auth-unclear', 'auth-expired', 'auth-interactive', \
         'login-guarded', 'credentials-missing') THEN NULL ELSE outgoing_postponed_until END WHERE id "
        {ids "$1"}];
    REQUESTED_POLLS = [
        "SELECT id, poll_requested_at FROM mailboxes WHERE poll_requested_at IS NOT NULL ORDER BY poll_requested_at"];
    CLAIM = [
        "UPDATE mailboxes SET lease_owner = $2, lease_epoch = lease_epoch + 1, lease_expires = $4, \
         poll_requested_at = NULL WHERE id "
        {ids "$1"}
        " AND (lease_expires IS NULL OR lease_expires <= $3) RETURNING id, lease_epoch"];
    CLAIM_OUTGOING = [
        "UPDATE mailboxes SET outgoing_lease_owner = $2, outgoing_lease_epoch = outgoing_lease_epoch + 1, \
         outgoing_lease_expires = $4 WHERE id "
        {ids "$1"}
        " AND (outgoing_lease_expires IS NULL OR outgoing_lease_expires <= $3) RETURNING id, \
         outgoing_lease_epoch"];
    LOCK_MAILBOXES = [
        "SELECT id FROM mailboxes WHERE id "
        {ids "$1"}
        " ORDER BY id "
        {lock}];
    CLAIMED = [
        "SELECT "
        {mailbox}
        ", m.lease_epoch, c.uid_validity, c.generation, c.last_uid, c.message_count, c.compared_at, \
         c.starting_point, c.starts_over, c.in_flight_first, c.in_flight_last, c.in_flight_attempts, EXISTS \
         (SELECT 1 FROM inbox_ledger r WHERE r.mailbox = m.id AND r.retry_requested_at IS NOT NULL) AS retries FROM \
         mailboxes m LEFT JOIN inbox_cursors c ON c.mailbox = m.id WHERE m.id "
        {ids "$1"}
        " ORDER BY m.id"];
    CLAIMED_OUTGOING = [
        "SELECT "
        {mailbox}
        ", m.outgoing_lease_epoch AS lease_epoch FROM mailboxes m WHERE m.id "
        {ids "$1"}
        " ORDER BY m.id"];
    RENEW = [
        "UPDATE mailboxes SET lease_expires = CASE WHEN lease_owner = $1 THEN $2 ELSE lease_expires END, \
         outgoing_lease_expires = CASE WHEN outgoing_lease_owner = $1 THEN $2 ELSE outgoing_lease_expires END \
         WHERE lease_owner = $1 OR outgoing_lease_owner = $1"];
    // Who disabled, rejected or removed the mailbox while a cycle ran has the last word; that it worked
    // stays true.
    SETTLE = [
        "UPDATE mailboxes SET incoming_enabled = $3, incoming_postponed_until = $4, incoming_transient_failures = $5, \
         incoming_confirmations = $6, incoming_failing_since = $7, incoming_failure_code = $8, incoming_last_error = $9, \
         incoming_last_success_at = $10, incoming_next_due_at = $11, updated_at = $12, incoming_care = $13, lease_owner = NULL, \
         lease_expires = NULL WHERE id = $1 AND lease_epoch = $2 AND lease_owner IS NOT NULL AND \
         incoming_enabled AND incoming_method = 'server_side_sync' AND state = 'active' AND approval IN ('empty', 'approved') \
         RETURNING EXISTS (SELECT 1 FROM alerts WHERE subject = $1 AND closed_at IS NULL AND incoming_severity IS NOT NULL) AS \
         alerts"];
    SETTLE_OUTGOING = [
        "UPDATE mailboxes SET outgoing_enabled = $3, outgoing_postponed_until = $4, outgoing_transient_failures = $5, \
         outgoing_confirmations = $6, outgoing_failing_since = $7, outgoing_failure_code = $8, outgoing_last_error = $9, \
         outgoing_last_success_at = $10, outgoing_next_due_at = $11, updated_at = $12, outgoing_care = $13, outgoing_lease_owner = NULL, \
         outgoing_lease_expires = NULL WHERE id = $1 AND outgoing_lease_epoch = $2 AND outgoing_lease_owner IS NOT NULL AND \
         outgoing_enabled AND outgoing_method = 'server_side_sync' AND state = 'active' AND approval IN ('empty', 'approved') \
         RETURNING EXISTS (SELECT 1 FROM alerts WHERE subject = $1 AND closed_at IS NULL AND outgoing_severity IS NOT NULL) AS \
         alerts"];
    GIVE_BACK = [
        "UPDATE mailboxes SET incoming_last_success_at = $3, lease_owner = NULL, lease_expires = NULL WHERE id = $1 \
         AND lease_epoch = $2 AND lease_owner IS NOT NULL"];
    GIVE_BACK_OUTGOING = [
        "UPDATE mailboxes SET outgoing_last_success_at = $3, outgoing_lease_owner = NULL, outgoing_lease_expires = NULL WHERE id = $1 \
         AND outgoing_lease_epoch = $2 AND outgoing_lease_owner IS NOT NULL"];
    RELEASE_NODE = [
        "UPDATE mailboxes SET lease_owner = NULL, lease_expires = NULL WHERE lease_owner = $1"];
    RELEASE_NODE_OUTGOING = [
        "UPDATE mailboxes SET outgoing_lease_owner = NULL, outgoing_lease_expires = NULL WHERE \
         outgoing_lease_owner = $1"];
    FENCE = [
        "SELECT lease_epoch FROM mailboxes WHERE id = $1 AND lease_epoch = $2 AND lease_owner IS NOT NULL "
        {lock}];
    FENCE_OUTGOING = [
        "SELECT outgoing_lease_epoch FROM mailboxes WHERE id = $1 AND outgoing_lease_epoch = $2 AND \
         outgoing_lease_owner IS NOT NULL "
        {lock}];
    HOLDS = [
        "SELECT id, hold_since, hold_until, hold_failures, hold_code, hold_text FROM server_profiles \
         WHERE hold_since IS NOT NULL ORDER BY id"];
    HOLDS_OUTGOING = [
        "SELECT id, outgoing_hold_since AS hold_since, outgoing_hold_until AS hold_until, \
         outgoing_hold_failures AS hold_failures, outgoing_hold_code AS hold_code, outgoing_hold_text AS \
         hold_text FROM server_profiles WHERE outgoing_hold_since IS NOT NULL ORDER BY id"];
    PUT_HOLD = [
        "UPDATE server_profiles SET hold_since = $2, hold_until = $3, hold_failures = $4, hold_code = $5, \
         hold_text = $6 WHERE id = $1"];
    PUT_HOLD_OUTGOING = [
        "UPDATE server_profiles SET outgoing_hold_since = $2, outgoing_hold_until = $3, \
         outgoing_hold_failures = $4, outgoing_hold_code = $5, outgoing_hold_text = $6 WHERE id = $1"];
    CLEAR_HOLD = [
        "UPDATE server_profiles SET hold_since = NULL, hold_until = NULL, hold_failures = 0, hold_code = \
         NULL, hold_text = NULL WHERE id = $1"];
    CLEAR_HOLD_OUTGOING = [
        "UPDATE server_profiles SET outgoing_hold_since = NULL, outgoing_hold_until = NULL, \
         outgoing_hold_failures = 0, outgoing_hold_code = NULL, outgoing_hold_text = NULL WHERE id = $1"];
    // Whoever dismisses the alert of what may be an attack has had a look.
    ACKNOWLEDGE = [
        "UPDATE server_profiles SET hold_until = $2 WHERE hold_until > $2 AND hold_code IN ('security-downgrade', \
         'tls-required') AND EXISTS (SELECT 1 FROM alerts a WHERE a.id = $1 AND a.subject_kind = 'profile' AND a.subject = \
         server_profiles.id AND a.code = server_profiles.hold_code)"];
    ACKNOWLEDGE_OUTGOING = [
        "UPDATE server_profiles SET outgoing_hold_until = $2 WHERE outgoing_hold_until > $2 AND outgoing_hold_code IN \
         ('security-downgrade', 'tls-required') AND EXISTS (SELECT 1 FROM alerts a WHERE a.id = $1 AND a.subject_kind = \
         'profile' AND a.subject = server_profiles.id AND a.code = server_profiles.outgoing_hold_code)"];
}
