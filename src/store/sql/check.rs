//! Examining the database.

use super::Sql;

statements! {
    PING = [ "SELECT 1"];
    SCHEMA_VERSION = [ "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success"];
    CHECK_OWNERS = [
        "SELECT email_address FROM mailboxes m WHERE m.owner IS NOT NULL AND NOT EXISTS (SELECT 1 FROM \
         users u WHERE u.id = m.owner AND m.kind = 'user') AND NOT EXISTS (SELECT 1 FROM queues q WHERE \
         q.id = m.owner AND m.kind = 'queue') ORDER BY email_address"];
    CHECK_CURSORS = [
        "SELECT m.email_address FROM inbox_cursors c JOIN mailboxes m ON m.id = c.mailbox WHERE \
         c.last_uid < (SELECT coalesce(max(l.uid), 0) FROM inbox_ledger l WHERE l.mailbox = c.mailbox AND \
         l.uid_validity = c.uid_validity AND l.generation = c.generation) ORDER BY m.email_address"];
    CHECK_ACTIVITIES = [
        "SELECT id FROM email_activities a WHERE a.direction = 'incoming' AND NOT EXISTS (SELECT 1 FROM \
         inbox_ledger l WHERE l.activity = a.id) ORDER BY id LIMIT 20"];
    CHECK_SOURCES = [
        "SELECT id FROM email_activities WHERE direction = 'incoming' AND source IS NULL ORDER BY id \
         LIMIT 20"];
    CHECK_SENT = [
        "SELECT id FROM email_activities WHERE direction = 'outgoing' AND status = 'sent' AND (dot_at IS NULL OR sent_at \
         IS NULL OR source IS NULL) ORDER BY id LIMIT 20"];
    CHECK_COMPOSED = [
        "SELECT id FROM email_activities WHERE direction = 'outgoing' AND (source IS NULL) <> (message_id IS NULL) ORDER \
         BY id LIMIT 20"];
    CHECK_DEFAULTS = [
        "SELECT name FROM server_profiles WHERE is_default AND state = 'active' ORDER BY name"];
}
