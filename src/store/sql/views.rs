//! What people are shown.

use super::Sql;

statements! {
    ACTIVITIES = [
        "SELECT a.id, a.direction, a.status, a.subject, a.sender, NULL AS recipient, a.message_id, a.received_at, \
         a.created_at, NULL AS failure_code, m.email_address FROM email_activities a JOIN mailboxes m ON m.id = a.mailbox WHERE \
         a.received_at >= $1 ORDER BY a.received_at DESC, a.id DESC LIMIT $2"];
    ACTIVITIES_OF = [
        "SELECT a.id, a.direction, a.status, a.subject, a.sender, NULL AS recipient, a.message_id, a.received_at, \
         a.created_at, NULL AS failure_code, m.email_address FROM email_activities a JOIN mailboxes m ON m.id = a.mailbox WHERE \
         a.received_at >= $1 AND a.id IN (SELECT l.activity FROM inbox_ledger l JOIN mailboxes o ON o.id \
         = l.mailbox WHERE o.email_address = $3) ORDER BY a.received_at DESC, a.id DESC LIMIT $2"];
    ACTIVITIES_OUT = [
        "SELECT a.id, a.direction, a.status, a.subject, CASE a.sender WHEN '' THEN coalesce(a.send_as, \
         m.email_address, '') ELSE a.sender END AS sender, (SELECT p.address FROM email_parties p WHERE p.activity = a.id \
         AND p.role IN ('to', 'cc', 'bcc') ORDER BY p.position LIMIT 1) AS recipient, a.message_id, a.received_at, \
         a.created_at, a.failure_code, coalesce(m.email_address, CAST(a.mailbox AS TEXT)) AS email_address FROM \
         email_activities a LEFT JOIN mailboxes m ON m.id = a.mailbox \
         WHERE a.direction = 'outgoing' AND a.created_at >= $1 AND (CAST($3 AS TEXT) IS NULL OR m.email_address = \
         $3) AND (CAST($4 AS TEXT) IS NULL OR a.status = $4) ORDER BY a.created_at DESC, a.id DESC LIMIT $2"];
    ACTIVITY = [
        "SELECT a.id, a.direction, a.status, a.subject, CASE a.sender WHEN '' THEN coalesce(a.send_as, \
         m.email_address, '') ELSE a.sender END AS sender, CASE a.direction WHEN 'outgoing' THEN (SELECT p.address FROM \
         email_parties p WHERE p.activity = a.id AND p.role IN ('to', 'cc', 'bcc') ORDER BY p.position LIMIT 1) END AS recipient, \
         a.message_id, a.received_at, a.created_at, a.failure_code, coalesce(m.email_address, CAST(a.mailbox AS TEXT)) AS email_address, a.in_reply_to, a.message_references, a.sent_at, a.body_text, a.body_html, \
         a.notifications, a.source, s.size AS source_size, a.send_as, a.send_after, a.answers, a.idempotency_key, \
         a.delivery_attempts, a.postponed_until, a.dot_at, a.verifications, a.failure_detail, a.server_reply FROM email_activities a LEFT JOIN \
         mailboxes m ON m.id = a.mailbox LEFT JOIN email_sources s ON s.sha256 = a.source WHERE a.id = $1"];
    PARTIES = [
        "SELECT role, address, display_name, result, reply_code, enhanced_code, reply_text FROM email_parties WHERE activity = $1 ORDER BY position"];
    ATTACHMENTS = [
        "SELECT position, part, file_name, content_type, content_id, size, sha256, blocked FROM \
         email_attachments WHERE activity = $1 ORDER BY position"];
    SEEN_IN = [
        "SELECT m.email_address, l.uid_validity, l.uid, l.judged_at FROM inbox_ledger l JOIN mailboxes m \
         ON m.id = l.mailbox WHERE l.activity = $1 ORDER BY l.judged_at, m.email_address, l.uid"];
    SOURCE = [
        "SELECT s.sha256, s.size, s.encoding, s.bytes FROM email_activities a JOIN email_sources s ON \
         s.sha256 = a.source WHERE a.id = $1"];
    SET_ASIDE = [
        "SELECT m.email_address, l.mailbox, l.uid_validity, l.generation, l.uid, l.internal_date, l.size, \
         l.message_id, l.failure_code, l.failure_detail, l.source, l.judged_at, l.retry_requested_at FROM inbox_ledger l JOIN mailboxes m ON \
         m.id = l.mailbox WHERE l.verdict = 'set_aside' ORDER BY l.judged_at, l.uid"];
    SET_ASIDE_OF = [
        "SELECT m.email_address, l.mailbox, l.uid_validity, l.generation, l.uid, l.internal_date, l.size, \
         l.message_id, l.failure_code, l.failure_detail, l.source, l.judged_at, l.retry_requested_at FROM inbox_ledger l JOIN mailboxes m ON \
         m.id = l.mailbox WHERE l.verdict = 'set_aside' AND l.mailbox = $1 ORDER BY l.judged_at, l.uid"];
    STATUS_OUTBOX = [
        "SELECT (SELECT count(*) FROM email_activities WHERE status = 'pending_send') AS pending, (SELECT count(*) \
         FROM email_activities WHERE status = 'sending' AND dot_at IS NULL) AS sending, (SELECT count(*) FROM \
         email_activities WHERE status = 'sending' AND dot_at IS NOT NULL) AS in_doubt, (SELECT count(*) FROM \
         email_activities WHERE status = 'held') AS held, (SELECT min(created_at) FROM email_activities WHERE status \
         = 'pending_send') AS oldest_pending"];
    STATUS_OPEN_ALERTS = [
        "SELECT count(*) FROM alerts WHERE closed_at IS NULL"];
    STATUS_ALERTS = [
        "SELECT al.subject_kind, CASE al.subject_kind WHEN 'daemon' THEN 'mailsyncd' ELSE coalesce(m.email_address, \
         p.name, CAST(al.subject AS TEXT)) END AS subject_name, al.severity, al.code, al.text, al.hint, al.first_seen, al.last_seen, al.count FROM alerts al LEFT JOIN mailboxes m ON m.id \
         = al.subject LEFT JOIN server_profiles p ON p.id = al.subject WHERE al.closed_at IS NULL ORDER BY CASE \
         al.severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, al.last_seen DESC, al.id LIMIT $1"];
    STATUS_MAILBOXES = [
        "SELECT count(*) AS total, count(CASE WHEN state = 'active' THEN 1 END) AS active, count(CASE \
         WHEN state = 'active' AND incoming_enabled THEN 1 END) AS enabled, count(CASE WHEN state = \
         'active' AND NOT incoming_enabled AND incoming_failure_code IS NOT NULL THEN 1 END) AS \
         disabled_by_failure, count(CASE WHEN state = 'active' AND incoming_enabled AND \
         incoming_failure_code IS NOT NULL THEN 1 END) AS failing, count(CASE WHEN state = 'active' AND \
         incoming_enabled AND incoming_postponed_until > $1 THEN 1 END) AS postponed, count(CASE WHEN \
         state = 'active' AND incoming_enabled AND incoming_last_success_at IS NULL THEN 1 END) AS \
         never_succeeded, count(CASE WHEN lease_expires > $1 AND \
         lease_owner IN (SELECT node FROM daemons WHERE seen_at > $2) THEN 1 END) AS running, min(CASE WHEN state \
         = 'active' AND incoming_enabled THEN incoming_last_success_at END) AS oldest_success FROM \
         mailboxes"];
    STATUS_COUNTS = [
        "SELECT (SELECT count(*) FROM server_profiles WHERE state = 'active') AS profiles, (SELECT \
         count(*) FROM email_activities) AS activities, (SELECT count(*) FROM inbox_ledger WHERE verdict \
         = 'set_aside') AS set_aside, (SELECT max(created_at) FROM email_activities) AS last_recorded_at"];
    STATUS_HOLDS = [
        "SELECT name, 'incoming' AS workload, hold_since, hold_until, hold_failures, hold_code, hold_text FROM \
         server_profiles WHERE hold_since IS NOT NULL AND state = 'active' UNION ALL SELECT name, 'outgoing', \
         outgoing_hold_since, outgoing_hold_until, outgoing_hold_failures, outgoing_hold_code, outgoing_hold_text FROM \
         server_profiles WHERE outgoing_hold_since IS NOT NULL AND state = 'active' ORDER BY name, workload"];
    STATUS_TROUBLE = [
        "SELECT email_address, 'incoming' AS workload, incoming_enabled AS enabled, incoming_failure_code AS \
         failure_code, incoming_last_error AS last_error, incoming_failing_since AS failing_since, \
         incoming_transient_failures AS transient_failures, incoming_postponed_until AS postponed_until FROM mailboxes \
         WHERE state = 'active' AND incoming_failure_code IS NOT NULL UNION ALL SELECT email_address, 'outgoing', \
         outgoing_enabled, outgoing_failure_code, outgoing_last_error, outgoing_failing_since, \
         outgoing_transient_failures, outgoing_postponed_until FROM mailboxes WHERE state = 'active' AND \
         outgoing_failure_code IS NOT NULL ORDER BY enabled, failing_since, email_address, workload LIMIT $1"];
    VIEW = [
        "SELECT v.id FROM "
        {views}
        " WHERE CASE $3 WHEN 'active' THEN v.is_active WHEN 'test-and-enable-failed' THEN v.is_failed WHEN 'disabled' THEN \
         v.is_disabled WHEN 'postponed' THEN v.is_postponed WHEN 'held' THEN v.is_held WHEN 'pending-approval' THEN \
         v.is_pending WHEN 'stale' THEN v.is_stale ELSE FALSE END"];
    VIEW_COUNTS = [
        "SELECT count(CASE WHEN v.is_active THEN 1 END) AS active, count(CASE WHEN v.is_failed THEN 1 END) AS failed, \
         count(CASE WHEN v.is_disabled THEN 1 END) AS disabled, count(CASE WHEN v.is_postponed THEN 1 END) AS postponed, \
         count(CASE WHEN v.is_held THEN 1 END) AS held, count(CASE WHEN v.is_pending THEN 1 END) AS pending, count(CASE \
         WHEN v.is_stale THEN 1 END) AS stale FROM "
        {views}];
    STATUS_LATE = [
        "SELECT m.email_address, coalesce(m.incoming_last_success_at, m.created_at) AS since, \
         p.minimum_polling_interval, coalesce(m.incoming_failure_code, p.hold_code) AS failure_code, CASE \
         WHEN m.incoming_failure_code IS NULL THEN p.hold_text ELSE m.incoming_last_error END AS words \
         FROM mailboxes m JOIN server_profiles p ON p.id = m.server_profile WHERE m.state = 'active' AND \
         p.state = 'active' AND m.incoming_method = 'server_side_sync' AND m.incoming_enabled AND \
         m.approval IN ('empty', 'approved') AND coalesce(m.incoming_last_success_at, m.created_at) < $2 \
         AND (m.incoming_failure_code IS NOT NULL OR m.incoming_next_due_at IS NULL OR \
         m.incoming_next_due_at <= $1) ORDER BY since, m.email_address"];
}
