//! What goes on around a mailbox, and who is at work.

use super::Sql;

statements! {
    BEAT = [
        "INSERT INTO daemons (node, version, started_at, seen_at, key_ids, paused_since, paused_code, paused_text, \
         machine) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (node) DO UPDATE SET seen_at = excluded.seen_at, key_ids \
         = excluded.key_ids, paused_since = excluded.paused_since, paused_code = excluded.paused_code, paused_text = \
         excluded.paused_text"];
    BURY_DAEMONS = [ "DELETE FROM daemons WHERE seen_at < $1"];
    LEAVE = [ "DELETE FROM daemons WHERE node = $1"];
    DAEMONS = [
        "SELECT node, version, started_at, seen_at, key_ids, paused_since, paused_code, paused_text, machine FROM \
         daemons ORDER BY started_at, node"];
    LEASES_OF = [
        "SELECT m.lease_expires, r.seen_at, m.outgoing_lease_expires, s.seen_at FROM mailboxes m LEFT JOIN daemons r ON r.node = \
         m.lease_owner LEFT JOIN daemons s ON s.node = m.outgoing_lease_owner WHERE m.id = $1"];
    OUTBOX_OF = [
        "SELECT w.status, w.in_doubt, w.failure_code, min(w.failure_detail) AS words, count(*) AS mails, min(w.created_at) AS oldest, \
         min(w.due) AS due FROM (SELECT status, FALSE AS in_doubt, failure_code, failure_detail, created_at, "
        {later "coalesce(send_after, created_at), coalesce(postponed_until, created_at)"}
        " AS due FROM email_activities WHERE status = 'pending_send' AND mailbox = $1 UNION ALL SELECT status, dot_at IS NOT \
         NULL, failure_code, failure_detail, created_at, coalesce(postponed_until, created_at) FROM email_activities \
         WHERE status = 'sending' AND mailbox = $1 UNION ALL SELECT status, FALSE, failure_code, failure_detail, created_at, \
         created_at FROM email_activities WHERE status = 'held' AND mailbox = $1 UNION ALL SELECT status, FALSE, failure_code, failure_detail, created_at, \
         created_at FROM email_activities WHERE direction = 'outgoing' AND created_at >= $2 AND status = 'failed' AND mailbox = $1) w GROUP BY w.status, w.in_doubt, \
         w.failure_code ORDER BY w.status, w.in_doubt, w.failure_code"];
    OPEN_ALERTS = [
        "SELECT severity, count(*) FROM alerts WHERE closed_at IS NULL GROUP BY severity ORDER BY severity"];
    OLDEST_SUCCESS = [
        "SELECT min(coalesce(m.incoming_last_success_at, m.created_at)) FROM mailboxes m JOIN server_profiles p ON p.id = \
         m.server_profile WHERE m.state = 'active' AND p.state = 'active' AND m.incoming_method = 'server_side_sync' AND \
         m.incoming_enabled AND m.approval IN ('empty', 'approved')"];
    ALERTS_ABOUT = [
        "SELECT al.subject_kind, coalesce(m.email_address, p.name, CASE al.subject_kind WHEN 'daemon' THEN 'mailsyncd' ELSE \
         CAST(al.subject AS TEXT) END) AS subject_name, al.severity, al.code, al.text, al.hint, al.first_seen, al.last_seen, al.count FROM alerts al LEFT JOIN mailboxes m ON \
         m.id = al.subject LEFT JOIN server_profiles p ON p.id = al.subject WHERE al.closed_at IS NULL AND al.subject \
         IN ($1, $2, $3) ORDER BY CASE al.severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, al.last_seen \
         DESC, al.id"];
}
