//! Mail on its way out.

use super::Sql;

statements! {
    CLAIMABLE = [
        "SELECT a.id, CAST(coalesce(s.size, coalesce(length(a.body_text), 0) + coalesce(length(a.body_html), 0) + \
         coalesce((SELECT sum(length(t.content)) FROM email_attachments t WHERE t.activity = a.id), 0)) AS BIGINT) AS \
         weight FROM email_activities a LEFT JOIN email_sources s ON s.sha256 = a.source WHERE a.mailbox = $1 AND "
        {due "$2"}
        " ORDER BY a.created_at, a.id LIMIT $3"];
    CLAIM_MAILS = [
        "UPDATE email_activities "
        {indexed "sqlite_autoindex_email_activities_1"}
        " SET status = 'sending', send_epoch = $2, delivery_attempts = delivery_attempts + 1, \
         queued_at = coalesce(queued_at, $3), postponed_until = NULL WHERE id "
        {ids "$1"}
        " AND mailbox = $4 AND status = 'pending_send' RETURNING id"];
    STILL_DUE = [
        "SELECT "
        {outgoing}
        " FROM email_activities a "
        {indexed "sqlite_autoindex_email_activities_1"}
        " JOIN mailboxes m ON m.id = a.mailbox LEFT JOIN email_sources s ON s.sha256 = a.source LEFT JOIN \
         email_activities r ON r.id = a.answers WHERE a.id "
        {ids "$1"}
        " AND a.mailbox = $2 AND "
        {due "$3"}
        " ORDER BY a.id "
        {lock "a"}];
    CLAIM_COMPOSED = [
        "UPDATE email_activities "
        {indexed "sqlite_autoindex_email_activities_1"}
        " SET status = 'sending', send_epoch = $2, delivery_attempts = delivery_attempts + 1, queued_at = \
         coalesce(queued_at, $3), postponed_until = NULL, message_id = coalesce(m.name, message_id), source = coalesce("
        {bytes "m.sha256"}
        ", source) FROM "
        {records "$1" as m: activity uuid, name text, sha256 text}
        " WHERE id = m.activity AND mailbox = $4 AND status = 'pending_send'"];
    RETURN_UNREADABLE = [
        "UPDATE email_activities SET status = 'pending_send' WHERE id = $1 AND status = 'sending'"];
    CLAIMED_MAILS = [
        "SELECT "
        {outgoing}
        " FROM email_activities a "
        {indexed "sqlite_autoindex_email_activities_1"}
        " JOIN mailboxes m ON m.id = a.mailbox LEFT JOIN email_sources s ON s.sha256 = a.source LEFT JOIN \
         email_activities r ON r.id = a.answers WHERE a.id "
        {ids "$1"}
        " ORDER BY a.created_at, a.id"];
    PARTIES_OF = [
        "SELECT activity, position, role, address, display_name, result FROM email_parties WHERE activity "
        {ids "$1"}
        " ORDER BY activity, position"];
    CONTENTS_OF = [
        "SELECT activity, file_name, content_type, content_id, content FROM email_attachments WHERE activity "
        {ids "$1"}
        " AND content IS NOT NULL ORDER BY activity, position"];
    SET_COMPOSED = [
        "UPDATE email_activities "
        {indexed "sqlite_autoindex_email_activities_1"}
        " SET message_id = m.name, source = "
        {bytes "m.sha256"}
        " FROM "
        {records "$1" as m: activity uuid, name text, sha256 text}
        " WHERE id = m.activity AND mailbox = $2 AND send_epoch = $3 AND status = 'sending' AND dot_at IS NULL AND \
         (source IS NULL OR source = "
        {bytes "m.sha256"}
        ") RETURNING id"];
    CLEAR_CONTENTS = [
        "UPDATE email_attachments SET size = coalesce(size, length(content)), content = NULL WHERE activity "
        {ids "$1"}
        " AND content IS NOT NULL"];
    MARK_DOTS = [
        "UPDATE email_activities SET dot_at = m.moment FROM "
        {records "$1" as m: activity uuid, box uuid, epoch bigint, moment timestamptz}
        " WHERE id = m.activity AND mailbox = m.box AND send_epoch = m.epoch AND status = 'sending' AND source IS NOT \
         NULL AND (dot_at IS NULL OR dot_at = m.moment) AND "
        {held "m.box" "m.epoch"}];
    SETTLE_MAILS = [
        "UPDATE email_activities SET status = m.becomes, postponed_until = m.due, sent_at = coalesce(m.sent, sent_at), \
         dot_at = CASE WHEN m.keeps_dot THEN coalesce(dot_at, m.doubt) END, queued_at = CASE WHEN m.becomes IN \
         ('pending_send', 'sending') THEN queued_at END, verifications = m.vain, failure_code = m.code, failure_detail \
         = m.detail, server_reply = coalesce(m.reply, server_reply) FROM "
        {records "$1" as m: activity uuid, box uuid, epoch bigint, becomes text, due timestamptz, sent timestamptz,
            keeps_dot boolean, doubt timestamptz, vain integer, code text, detail text, reply text}
        " WHERE id = m.activity AND mailbox = m.box AND send_epoch = m.epoch AND status = 'sending' AND "
        {held "m.box" "m.epoch"}];
    TELL_ENDS = [
        "INSERT INTO events (occurred_at, kind, subject, payload) SELECT m.moment, m.event, m.activity, "
        {json "'{\"mailbox\":\"' || m.box || '\"}'"}
        " FROM "
        {records "$1" as m: activity uuid, box uuid, event text, moment timestamptz}
        " WHERE m.event IS NOT NULL"];
    TOLD_OF = [
        "SELECT DISTINCT t.subject FROM "
        {records "$1" as m: activity uuid}
        " JOIN alerts t ON t.subject = m.activity WHERE t.closed_at IS NULL"];
    RETURN_MAILS = [
        "UPDATE email_activities SET status = 'pending_send', dot_at = NULL, delivery_attempts = delivery_attempts - 1, \
         queued_at = CASE WHEN delivery_attempts > 1 THEN queued_at END FROM "
        {records "$1" as m: activity uuid, box uuid, epoch bigint}
        " WHERE id = m.activity AND mailbox = m.box AND send_epoch = m.epoch AND status = 'sending' AND "
        {held "m.box" "m.epoch"}];
    SETTLED_UNDER = [
        "SELECT status, send_epoch FROM email_activities WHERE id = $1 AND mailbox = $2 "
        {lock}];
    SET_RESULTS = [
        "UPDATE email_parties SET result = m.became, reply_code = m.code, enhanced_code = m.enhanced, reply_text = \
         m.reply FROM "
        {records "$1" as m: party uuid, place bigint, became text, code integer, enhanced text, reply text}
        " WHERE activity = m.party AND position = m.place"];
    SENT_SINCE = [
        "SELECT id, message_id FROM email_activities "
        {indexed "email_activities_outgoing"}
        " WHERE direction = 'outgoing' AND created_at >= $2 AND mailbox = $1 AND \
         status = 'sent' AND message_id IS NOT NULL ORDER BY created_at DESC, id DESC LIMIT $3"];
    UNFILED = [
        "SELECT id, message_id FROM email_activities "
        {indexed "email_activities_outgoing"}
        " WHERE direction = 'outgoing' AND created_at >= $2 AND mailbox = $1 AND \
         status = 'sent' AND copy_filed_at IS NULL AND message_id IS NOT NULL ORDER BY created_at, id LIMIT $3"];
    COPY_FILED = [
        "UPDATE email_activities SET copy_filed_at = $4 WHERE id = $1 AND mailbox = $2 AND status = 'sent' AND "
        {held "$2" "$3"}];
    LEFT_BEHIND = [
        "SELECT id, dot_at, postponed_until FROM email_activities WHERE mailbox = $1 AND status = 'sending' AND \
         send_epoch <> $2 "
        {lock}];
    RECOVER_PENDING = [
        "UPDATE email_activities SET status = 'pending_send' WHERE id = $1 AND status = 'sending' AND dot_at IS NULL"];
    RECOVER_DOUBTFUL = [
        "UPDATE email_activities SET send_epoch = $2, postponed_until = $3, failure_code = coalesce($4, failure_code), \
         failure_detail = coalesce($5, failure_detail) WHERE id = $1 AND status = 'sending' AND dot_at IS NOT NULL"];
    DOUBTFUL = [
        "SELECT id, message_id, delivery_attempts, queued_at, dot_at, verifications FROM email_activities WHERE mailbox \
         = $1 AND status = 'sending' AND send_epoch = $2 AND dot_at IS NOT NULL AND postponed_until <= $3 ORDER BY \
         dot_at, id"];
    STATUS_OF = [
        "SELECT status FROM email_activities WHERE id = $1 "
        {lock}];
    STUCK = [
        "SELECT a.id, m.email_address AS address, p.name AS profile, m.state, m.outgoing_method, m.approval, m.outgoing_enabled, m.outgoing_last_error, p.state AS \
         profile_state, p.outgoing_host, (SELECT count(*) FROM email_parties t WHERE t.activity = a.id AND t.role IN \
         ('to', 'cc', 'bcc')) AS recipients, (SELECT count(*) FROM email_attachments t WHERE t.activity = a.id AND \
         t.content IS NULL AND a.source IS NULL) AS missing, CASE WHEN "
        {granted}
        " THEN NULL ELSE a.send_as END AS not_granted FROM email_activities a "
        {indexed "email_activities_pending"}
        " LEFT JOIN mailboxes m ON m.id = a.mailbox LEFT JOIN server_profiles p ON p.id = m.server_profile WHERE \
         a.status = 'pending_send' AND (m.id IS NULL OR NOT EXISTS (SELECT 1 FROM email_parties t WHERE \
         t.activity = a.id AND t.role IN ('to', 'cc', 'bcc')) OR EXISTS (SELECT 1 FROM email_attachments t WHERE \
         t.activity = a.id AND t.content IS NULL AND a.source IS NULL) OR NOT "
        {granted}
        " OR ("
        {sends}
        " IS NOT TRUE AND coalesce(a.failure_code, '') <> 'sending-off')) ORDER BY a.mailbox, a.created_at LIMIT 1000"];
    STRANDED = [
        "SELECT a.id, a.mailbox, a.send_epoch, a.dot_at, m.email_address, p.name FROM email_activities a "
        {indexed "email_activities_sending"}
        " JOIN mailboxes m ON m.id = a.mailbox LEFT JOIN server_profiles p ON p.id = m.server_profile WHERE a.status = \
         'sending' AND (m.outgoing_lease_expires IS NULL OR \
         m.outgoing_lease_expires <= $1) AND "
        {sends}
        " IS NOT TRUE ORDER BY a.id LIMIT 1000"];
    HOLD_STRANDED = [
        "UPDATE email_activities SET status = 'held', postponed_until = NULL, queued_at = NULL, verifications = 0, \
         failure_code = $3, failure_detail = $4 WHERE id = $1 AND send_epoch = $2 AND status = 'sending' AND dot_at IS \
         NOT NULL"];
    RETURN_STRANDED = [
        "UPDATE email_activities SET status = 'pending_send' WHERE id = $1 AND send_epoch = $2 AND status = 'sending' \
         AND dot_at IS NULL"];
    EXPLAIN_STUCK = [
        "UPDATE email_activities SET status = $2, queued_at = NULL, failure_code = $3, failure_detail = $4 WHERE id = $1 \
         AND status = 'pending_send'"];
    QUEUED_BY_KEY = [
        "SELECT id FROM email_activities WHERE mailbox = $1 AND idempotency_key = $2"];
    QUEUE_MAIL = [
        "INSERT INTO email_activities (id, direction, status, mailbox, subject, sender, message_id, source, body_text, \
         body_html, created_at, send_after, send_as, idempotency_key, answers) VALUES ($1, 'outgoing', \
         'pending_send', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (mailbox, \
         idempotency_key) DO NOTHING"];
    MAY_SEND = [
        "SELECT m.email_address, m.state, m.outgoing_method, p.outgoing_host, "
        {grants "m.id"}
        " FROM mailboxes m LEFT JOIN server_profiles p ON p.id = m.server_profile WHERE m.id = $1"];
    MOVE_MAIL = [
        "UPDATE email_activities SET status = $3, postponed_until = NULL, queued_at = NULL WHERE id = $1 AND status = \
         $2"];
    REQUEUE_MAIL = [
        "UPDATE email_activities SET status = 'pending_send', delivery_attempts = 0, verifications = 0, dot_at = NULL, \
         postponed_until = NULL, queued_at = NULL, failure_code = NULL, failure_detail = NULL, server_reply = NULL \
         WHERE id = $1 AND status = $2"];
    REOPEN_RECIPIENTS = [
        "UPDATE email_parties SET result = NULL, reply_code = NULL, enhanced_code = NULL, reply_text = NULL WHERE \
         activity = $1 AND result IN ('refused', 'deferred', 'unknown')"];
    OPEN_RECIPIENTS = [
        "SELECT count(*) FROM email_parties WHERE activity = $1 AND role IN ('to', 'cc', 'bcc') AND (result IS NULL OR \
         result <> 'accepted')"];
}
