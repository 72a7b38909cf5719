//! Alerts.

use super::Sql;

statements! {
    // As severe as the worse of the workloads that raised it.
    RAISE_ALERT = [
        "INSERT INTO alerts (id, subject_kind, subject, severity, code, text, hint, first_seen, last_seen, count, \
         incoming_severity, outgoing_severity) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $8, 1, $9, $10 WHERE EXISTS (SELECT 1 \
         FROM alert_severities WHERE severity = $4 AND is_raised) ON CONFLICT (subject, code) WHERE closed_at IS NULL DO \
         UPDATE SET severity = CASE WHEN 'error' IN (excluded.severity, coalesce(excluded.incoming_severity, \
         alerts.incoming_severity), coalesce(excluded.outgoing_severity, alerts.outgoing_severity)) THEN 'error' WHEN \
         'warning' IN (excluded.severity, coalesce(excluded.incoming_severity, alerts.incoming_severity), \
         coalesce(excluded.outgoing_severity, alerts.outgoing_severity)) THEN 'warning' ELSE 'information' END, text = \
         excluded.text, hint = excluded.hint, last_seen = excluded.last_seen, count = alerts.count + 1, incoming_severity \
         = coalesce(excluded.incoming_severity, alerts.incoming_severity), outgoing_severity = \
         coalesce(excluded.outgoing_severity, alerts.outgoing_severity)"];
    CLOSE_ALERT = [
        "UPDATE alerts SET closed_at = $3 WHERE subject = $1 AND code = $2 AND closed_at IS NULL"];
    CLOSE_ALERTS = [
        "UPDATE alerts SET closed_at = $3 WHERE subject = $1 AND code <> $2 AND closed_at IS NULL"];
    // What is closed still says who raised it last.
    END_ALERTS = [
        "UPDATE alerts SET incoming_severity = CASE WHEN outgoing_severity IS NULL THEN incoming_severity END, severity = coalesce(outgoing_severity, severity), closed_at = CASE WHEN \
         outgoing_severity IS NULL THEN $3 ELSE closed_at END WHERE subject = $1 AND code <> $2 AND closed_at IS NULL AND \
         incoming_severity IS NOT NULL"];
    END_ALERTS_OUTGOING = [
        "UPDATE alerts SET outgoing_severity = CASE WHEN incoming_severity IS NULL THEN outgoing_severity END, severity = coalesce(incoming_severity, severity), closed_at = CASE WHEN \
         incoming_severity IS NULL THEN $3 ELSE closed_at END WHERE subject = $1 AND code <> $2 AND closed_at IS NULL AND \
         outgoing_severity IS NOT NULL"];
    SET_SEVERITY = [
        "UPDATE alert_severities SET is_raised = $2 WHERE severity = $1 AND is_raised <> $2"];
    ALERTS = [
        "SELECT al.id, al.subject_kind, coalesce(CASE al.subject_kind WHEN 'mailbox' THEN m.email_address WHEN 'profile' \
         THEN p.name WHEN 'daemon' THEN 'mailsyncd' END, CAST(al.subject AS TEXT)) AS subject_name, al.severity, al.code, al.text, al.hint, al.first_seen, al.last_seen, al.count, al.incoming_severity, al.outgoing_severity, al.closed_at, al.mailed_at, CASE \
         WHEN al.subject_kind = 'profile' THEN p.owner ELSE coalesce(u.email_address, q.email_address) END AS owner \
         FROM alerts al LEFT JOIN email_activities a ON al.subject_kind = 'activity' AND a.id = al.subject LEFT JOIN \
         mailboxes m ON m.id = CASE WHEN al.subject_kind = 'activity' THEN a.mailbox ELSE al.subject END LEFT JOIN \
         server_profiles p ON p.id = CASE WHEN al.subject_kind = 'profile' THEN al.subject ELSE m.server_profile END \
         LEFT JOIN users u ON u.id = m.owner LEFT JOIN queues q ON q.id = m.owner WHERE ($1 OR al.closed_at IS NULL) \
         AND (CAST($2 AS TEXT) IS NULL OR lower(m.email_address) = lower($2)) AND (CAST($3 AS TEXT) IS NULL OR p.name = \
         $3) AND (CAST($4 AS TEXT) IS NULL OR al.severity = $4) AND (CAST($5 AS TEXT) IS NULL OR al.code = $5) AND \
         (CAST($6 AS TEXT) IS NULL OR lower(CASE WHEN al.subject_kind = 'profile' THEN p.owner ELSE \
         coalesce(u.email_address, q.email_address) END) = lower($6) OR ($7 AND al.subject_kind = 'profile' AND EXISTS \
         (SELECT 1 FROM mailboxes x LEFT JOIN users xu ON xu.id = x.owner LEFT JOIN queues xq ON xq.id = x.owner WHERE \
         x.server_profile = al.subject AND x.state = 'active' AND lower(coalesce(xu.email_address, xq.email_address)) = \
         lower($6)))) ORDER BY CASE WHEN al.closed_at IS NULL THEN 0 ELSE 1 END, CASE al.severity WHEN 'error' THEN 0 \
         WHEN 'warning' THEN 1 ELSE 2 END, al.last_seen DESC, al.id"];
    ALERT = [
        "SELECT al.id, al.subject_kind, coalesce(m.email_address, p.name, CAST(al.subject AS TEXT)) AS subject_name, \
         al.severity, al.code, al.text, al.hint, al.first_seen, al.last_seen, \
         al.count, al.incoming_severity, al.outgoing_severity, al.closed_at, al.mailed_at, NULL AS owner FROM alerts al LEFT JOIN mailboxes m ON m.id = \
         al.subject LEFT JOIN server_profiles p ON p.id = al.subject WHERE al.id = $1"];
    DISMISS_ALERT = [
        "UPDATE alerts SET closed_at = $2 WHERE id = $1 AND closed_at IS NULL"];
    STALE_READING = [
        "SELECT m.id, coalesce(m.incoming_last_success_at, m.created_at) AS since, coalesce(p.minimum_polling_interval, \
         CAST(0 AS DOUBLE PRECISION)) AS minimum_polling_interval, CAST(0 AS BIGINT) AS mails, coalesce(m.incoming_failure_code, p.hold_code) AS failure_code, CASE WHEN \
         m.incoming_failure_code IS NULL THEN p.hold_text ELSE m.incoming_last_error END AS words, al.last_seen AS \
         alerted_at FROM mailboxes m LEFT JOIN server_profiles p ON p.id = m.server_profile AND p.state = 'active' LEFT \
         JOIN alerts al ON al.subject = m.id AND al.code = 'mailbox-stale' AND al.closed_at IS NULL WHERE m.state = \
         'active' AND m.incoming_method = 'server_side_sync' AND m.incoming_enabled AND m.approval IN ('empty', \
         'approved') AND coalesce(m.incoming_last_success_at, m.created_at) < $1 ORDER BY m.id"];
    STALE_SENDING = [
        "SELECT m.id, d.since, CAST(0 AS DOUBLE PRECISION) AS minimum_polling_interval, d.mails, coalesce(m.outgoing_failure_code, p.outgoing_hold_code, d.failure_code) AS \
         failure_code, CASE WHEN m.outgoing_failure_code IS NOT NULL THEN m.outgoing_last_error WHEN \
         p.outgoing_hold_code IS NOT NULL THEN p.outgoing_hold_text ELSE d.words END AS words, al.last_seen AS \
         alerted_at FROM (SELECT w.mailbox, min(w.due) AS since, count(*) AS mails, min(w.failure_code) AS failure_code, \
         min(w.failure_detail) AS words FROM (SELECT mailbox, failure_code, failure_detail, "
        {later "coalesce(send_after, created_at), coalesce(postponed_until, created_at)"}
        " AS due FROM email_activities WHERE status = 'pending_send') w WHERE w.due < $1 GROUP BY w.mailbox) d JOIN \
         mailboxes m ON m.id = d.mailbox AND m.state = 'active' LEFT JOIN server_profiles p ON p.id = m.server_profile \
         AND p.state = 'active' LEFT JOIN alerts al ON al.subject = m.id AND al.code = 'outbox-stale' AND al.closed_at \
         IS NULL ORDER BY m.id"];
    HEALTH = [
        "SELECT h.profile, h.incoming_code, h.incoming_first, h.outgoing_code, h.outgoing_first, h.lately, count(*) AS \
         mailboxes FROM (SELECT server_profile AS profile, incoming_failure_code AS incoming_code, \
         incoming_transient_failures = 1 OR (incoming_enabled AND incoming_failing_since IS NULL) AS incoming_first, outgoing_failure_code AS outgoing_code, \
         outgoing_transient_failures = 1 OR (outgoing_enabled AND outgoing_failing_since IS NULL) AS outgoing_first, coalesce(incoming_failing_since, outgoing_failing_since, \
         $1) >= $1 AND coalesce(outgoing_failing_since, incoming_failing_since, $1) >= $1 AS lately FROM mailboxes \
         WHERE state = 'active' AND server_profile IS NOT NULL AND approval IN ('empty', 'approved') AND ((incoming_method \
         = 'server_side_sync' AND (incoming_enabled OR incoming_failure_code IS NOT NULL)) OR (outgoing_method = \
         'server_side_sync' AND (outgoing_enabled OR outgoing_failure_code IS NOT NULL)))) h GROUP BY h.profile, \
         h.incoming_code, h.incoming_first, h.outgoing_code, h.outgoing_first, h.lately ORDER BY h.profile, \
         h.incoming_code, h.outgoing_code"];
    ALERTS_MAILED = [
        "UPDATE alerts SET mailed_at = $2 WHERE id "
        {ids "$1"}];
    STALE_ALERTS = [
        "SELECT subject, code FROM alerts WHERE code IN ('mailbox-stale', 'outbox-stale') AND closed_at IS NULL ORDER BY \
         subject, code"];
    DAEMON_ALERTS = [
        "SELECT code, text, last_seen, closed_at IS NULL FROM alerts WHERE subject = $1 AND (closed_at IS NULL OR \
         closed_at > $2) AND severity <> 'information' ORDER BY code, closed_at"];
    UNWANTED = [
        "SELECT p.id, coalesce(r.refused, 0) AS refused, EXISTS (SELECT 1 FROM alerts al WHERE al.subject = p.id AND \
         al.code = 'mails-refused' AND al.closed_at IS NULL) AS is_open FROM server_profiles p LEFT JOIN (SELECT \
         m.server_profile AS profile, count(*) AS refused FROM email_activities a "
        {indexed "email_activities_refused"}
        " JOIN mailboxes m ON m.id = a.mailbox WHERE a.status = 'failed' AND a.failure_code = 'mail-refused' AND \
         a.created_at >= $1 GROUP BY m.server_profile) r ON r.profile = p.id WHERE coalesce(r.refused, 0) >= $2 OR EXISTS \
         (SELECT 1 FROM alerts al WHERE al.subject = p.id AND al.code = 'mails-refused' AND al.closed_at IS NULL) \
         ORDER BY p.id"];
    TRIED = [
        "SELECT count(*) FROM (SELECT 1 FROM email_activities a "
        {indexed "email_activities_outgoing"}
        " JOIN mailboxes m ON m.id = a.mailbox WHERE a.direction = 'outgoing' AND a.created_at >= $2 AND \
         m.server_profile = $1 AND a.status IN ('sent', 'failed') LIMIT $3) w"];
    // What nobody asks to be done any more needs no alert.
    CLOSE_ORPHANS = [
        "UPDATE alerts SET closed_at = $1 WHERE closed_at IS NULL AND ((subject_kind = 'mailbox' AND NOT EXISTS (SELECT 1 \
         FROM mailboxes m WHERE m.id = alerts.subject AND m.state = 'active')) OR (subject_kind = 'profile' AND NOT \
         EXISTS (SELECT 1 FROM server_profiles p WHERE p.id = alerts.subject AND p.state = 'active')) OR (code = 'mailbox-connected' AND NOT EXISTS (SELECT 1 FROM mailboxes m \
         WHERE m.id = alerts.subject AND (m.incoming_enabled OR m.incoming_test_status <> 'success') AND (m.outgoing_enabled OR \
         m.outgoing_test_status <> 'success'))))"];
    CLOSE_SET_ASIDE = [
        "UPDATE alerts SET closed_at = $1 WHERE closed_at IS NULL AND code IN ('message-too-large', 'message-unparsable', \
         'message-poison', 'message-unanswered') AND subject_kind = 'mailbox' AND NOT EXISTS (SELECT 1 FROM inbox_ledger \
         l WHERE l.verdict = 'set_aside' AND l.mailbox = alerts.subject AND l.failure_code = alerts.code)"];
    CLOSE_SET_ASIDE_OF = [
        "UPDATE alerts SET closed_at = $2 WHERE subject = $1 AND closed_at IS NULL AND incoming_severity IS NULL AND \
         outgoing_severity IS NULL AND code IN ('message-too-large', 'message-unparsable', 'message-poison', \
         'message-unanswered', 'internal-error') AND NOT EXISTS (SELECT 1 FROM inbox_ledger l WHERE l.verdict = 'set_aside' \
         AND l.mailbox = alerts.subject AND l.failure_code = alerts.code)"];
    // That something happened once is over when it is old.
    CLOSE_NOTICES = [
        "UPDATE alerts SET closed_at = $1 WHERE closed_at IS NULL AND severity = 'information' AND incoming_severity \
         IS NULL AND outgoing_severity IS NULL AND last_seen < $2"];
    FORGET_ALERTS = [
        "DELETE FROM alerts WHERE closed_at < $1"];
}
