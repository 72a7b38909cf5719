//! Every statement but the inserts of many rows: one text, with the few words that differ.

/// One statement in both dialects.
#[derive(Clone, Copy, Debug)]
pub struct Sql {
    /// For SQLite.
    pub sqlite: &'static str,
    /// For PostgreSQL.
    pub postgres: &'static str,
}

macro_rules! sqlite {
    ({ ids $list:literal }) => {
        concat!("IN (SELECT value FROM json_each(", $list, "))")
    };
    ({ hashes $list:literal }) => {
        concat!("IN (SELECT unhex(value) FROM json_each(", $list, "))")
    };
    ({ indexed $index:literal }) => {
        concat!("INDEXED BY ", $index)
    };
    ({ lock }) => {
        ""
    };
    ($text:literal) => {
        $text
    };
}

macro_rules! postgres {
    ({ ids $list:literal }) => {
        concat!("= ANY (", $list, ")")
    };
    ({ hashes $list:literal }) => {
        concat!("= ANY (", $list, ")")
    };
    ({ indexed $index:literal }) => {
        ""
    };
    ({ lock }) => {
        "FOR NO KEY UPDATE"
    };
    ($text:literal) => {
        $text
    };
}

/// Names statements and lists them. Pieces: text; `{ids "$1"}`, `{hashes "$1"}`: one of a list
/// parameter; `{indexed "name"}`: by this index, where SQLite would guess wrong; `{lock}`: keep the rows from other writers (on SQLite the transaction does).
macro_rules! statements {
    ($($name:ident = [$($piece:tt)+];)+) => {
        $(pub const $name: Sql =
            Sql { sqlite: concat!($(sqlite!($piece)),+), postgres: concat!($(postgres!($piece)),+) };)+

        /// All of them.
        pub const ALL: &[(&str, Sql)] = &[$((stringify!($name), $name)),+];
    };
}

statements! {
    PING = [ "SELECT 1"];
    SCHEMA_VERSION = [ "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success"];
    PROFILES = [
        "SELECT id, name, description, server_type, authenticate_using, username, credential_source, \
         credential_name, incoming_host, incoming_port, incoming_security, incoming_auth, \
         process_email_from, minimum_polling_interval, maximum_concurrent_connections, \
         connection_timeout, is_default, state, managed_by FROM server_profiles ORDER BY name"];
    PUT_PROFILE = [
        "INSERT INTO server_profiles (id, name, description, server_type, authenticate_using, username, \
         credential_source, credential_name, incoming_host, incoming_port, incoming_security, \
         incoming_auth, process_email_from, minimum_polling_interval, maximum_concurrent_connections, \
         connection_timeout, is_default, state, managed_by, created_at, updated_at) VALUES ($1, $2, $3, \
         $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) ON CONFLICT \
         (id) DO UPDATE SET name = excluded.name, description = excluded.description, server_type = \
         excluded.server_type, authenticate_using = excluded.authenticate_using, username = \
         excluded.username, credential_source = excluded.credential_source, credential_name = \
         excluded.credential_name, incoming_host = excluded.incoming_host, incoming_port = \
         excluded.incoming_port, incoming_security = excluded.incoming_security, incoming_auth = \
         excluded.incoming_auth, process_email_from = excluded.process_email_from, \
         minimum_polling_interval = excluded.minimum_polling_interval, maximum_concurrent_connections = \
         excluded.maximum_concurrent_connections, connection_timeout = excluded.connection_timeout, \
         is_default = excluded.is_default, state = excluded.state, managed_by = excluded.managed_by, \
         updated_at = excluded.updated_at"];
    RETIRE_PROFILE = [
        "UPDATE server_profiles SET state = 'inactive', is_default = FALSE, updated_at = $2 WHERE id = $1"];
    USERS = [
        "SELECT id, name, email_address, external_id, filter_method, state, managed_by FROM users ORDER \
         BY name"];
    PUT_USER = [
        "INSERT INTO users (id, name, email_address, external_id, filter_method, state, managed_by, \
         created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE \
         SET name = excluded.name, email_address = excluded.email_address, external_id = \
         excluded.external_id, filter_method = excluded.filter_method, state = excluded.state, managed_by \
         = excluded.managed_by, updated_at = excluded.updated_at"];
    RETIRE_USER = [
        "UPDATE users SET state = 'inactive', updated_at = $2 WHERE id = $1"];
    QUEUES = [
        "SELECT id, name, email_address, external_id, filter_method, state, managed_by FROM queues ORDER \
         BY name"];
    PUT_QUEUE = [
        "INSERT INTO queues (id, name, email_address, external_id, filter_method, state, managed_by, \
         created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE \
         SET name = excluded.name, email_address = excluded.email_address, external_id = \
         excluded.external_id, filter_method = excluded.filter_method, state = excluded.state, managed_by \
         = excluded.managed_by, updated_at = excluded.updated_at"];
    RETIRE_QUEUE = [
        "UPDATE queues SET state = 'inactive', updated_at = $2 WHERE id = $1"];
    MAILBOXES = [
        "SELECT id, name, email_address, kind, owner, server_profile, username, credential_source, \
         credential_name, incoming_method, process_email_received_after, approval, state, managed_by, \
         incoming_enabled, incoming_postponed_until, incoming_transient_failures, incoming_confirmations, \
         incoming_failing_since, incoming_failure_code, incoming_last_error, incoming_last_success_at, \
         incoming_next_due_at FROM mailboxes ORDER BY email_address"];
    PUT_MAILBOX = [
        "INSERT INTO mailboxes (id, name, email_address, kind, owner, server_profile, username, \
         credential_source, credential_name, incoming_method, process_email_received_after, approval, \
         state, managed_by, incoming_enabled, incoming_postponed_until, incoming_transient_failures, \
         incoming_confirmations, incoming_failing_since, incoming_failure_code, incoming_last_error, \
         incoming_last_success_at, incoming_next_due_at, created_at, updated_at) VALUES ($1, $2, $3, $4, \
         $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, \
         $25) ON CONFLICT (id) DO UPDATE SET name = excluded.name, email_address = \
         excluded.email_address, kind = excluded.kind, owner = excluded.owner, server_profile = \
         excluded.server_profile, username = excluded.username, credential_source = \
         excluded.credential_source, credential_name = excluded.credential_name, incoming_method = \
         excluded.incoming_method, process_email_received_after = excluded.process_email_received_after, \
         approval = excluded.approval, state = excluded.state, managed_by = excluded.managed_by, \
         updated_at = excluded.updated_at"];
    RETIRE_MAILBOX = [
        "UPDATE mailboxes SET state = 'inactive', updated_at = $2 WHERE id = $1"];
    ENABLE_INCOMING = [
        "UPDATE mailboxes SET incoming_enabled = TRUE, incoming_postponed_until = NULL, \
         incoming_transient_failures = 0, incoming_confirmations = 0, incoming_failing_since = NULL, \
         incoming_failure_code = NULL, incoming_last_error = NULL, incoming_next_due_at = NULL, updated_at = $2 \
         WHERE id = $1"];
    DISABLE_INCOMING = [
        "UPDATE mailboxes SET incoming_enabled = FALSE, updated_at = $2 WHERE id = $1"];
    PROFILE = [
        "SELECT id, name, description, server_type, authenticate_using, username, credential_source, \
         credential_name, incoming_host, incoming_port, incoming_security, incoming_auth, \
         process_email_from, minimum_polling_interval, maximum_concurrent_connections, \
         connection_timeout, is_default, state, managed_by FROM server_profiles WHERE id = $1"];
    USER = [
        "SELECT id, name, email_address, external_id, filter_method, state, managed_by FROM users WHERE \
         id = $1"];
    QUEUE = [
        "SELECT id, name, email_address, external_id, filter_method, state, managed_by FROM queues WHERE \
         id = $1"];
    MAILBOX = [
        "SELECT id, name, email_address, kind, owner, server_profile, username, credential_source, \
         credential_name, incoming_method, process_email_received_after, approval, state, managed_by, \
         incoming_enabled, incoming_postponed_until, incoming_transient_failures, incoming_confirmations, \
         incoming_failing_since, incoming_failure_code, incoming_last_error, incoming_last_success_at, \
         incoming_next_due_at FROM mailboxes WHERE id = $1"];
    ADD_AUDIT = [
        "INSERT INTO audit_log (occurred_at, who, what, subject, before, after) VALUES ($1, $2, $3, $4, \
         $5, $6)"];
    SCHEDULE_ENTRIES = [
        "SELECT m.id, m.server_profile, m.incoming_next_due_at, m.incoming_postponed_until FROM mailboxes \
         m JOIN server_profiles p ON p.id = m.server_profile WHERE m.state = 'active' AND p.state = \
         'active' AND m.incoming_method = 'server_side_sync' AND m.incoming_enabled AND m.approval IN \
         ('empty', 'approved') ORDER BY m.id"];
    REQUEST_POLLS = [
        "UPDATE mailboxes SET poll_requested_at = $2, incoming_next_due_at = CASE WHEN \
         incoming_postponed_until IS NULL THEN incoming_next_due_at ELSE $2 END, incoming_postponed_until = \
         NULL WHERE id "
        {ids "$1"}];
    REQUESTED_POLLS = [
        "SELECT id FROM mailboxes WHERE poll_requested_at IS NOT NULL ORDER BY poll_requested_at"];
    CLAIM = [
        "UPDATE mailboxes SET lease_owner = $2, lease_epoch = lease_epoch + 1, lease_expires = $4, \
         poll_requested_at = NULL WHERE id "
        {ids "$1"}
        " AND (lease_expires IS NULL OR lease_expires <= $3) RETURNING id, lease_epoch"];
    LOCK_MAILBOXES = [
        "SELECT id FROM mailboxes WHERE id "
        {ids "$1"}
        " ORDER BY id "
        {lock}];
    CLAIMED = [
        "SELECT m.id, m.name, m.email_address, m.kind, m.owner, m.server_profile, m.username, \
         m.credential_source, m.credential_name, m.incoming_method, m.process_email_received_after, \
         m.approval, m.state, m.managed_by, m.incoming_enabled, m.incoming_postponed_until, \
         m.incoming_transient_failures, m.incoming_confirmations, m.incoming_failing_since, \
         m.incoming_failure_code, m.incoming_last_error, m.incoming_last_success_at, \
         m.incoming_next_due_at, m.lease_epoch, c.uid_validity, c.generation, c.last_uid, \
         c.message_count, c.compared_at, c.starting_point, c.starts_over, c.in_flight_first, \
         c.in_flight_last, c.in_flight_attempts FROM mailboxes m LEFT JOIN inbox_cursors c ON c.mailbox = \
         m.id WHERE m.id "
        {ids "$1"}
        " ORDER BY m.id"];
    RENEW = [
        "UPDATE mailboxes SET lease_expires = $2 WHERE lease_owner = $1"];
    SETTLE = [
        "UPDATE mailboxes SET incoming_enabled = $3, incoming_postponed_until = $4, \
         incoming_transient_failures = $5, incoming_confirmations = $6, incoming_failing_since = $7, \
         incoming_failure_code = $8, incoming_last_error = $9, incoming_last_success_at = $10, \
         incoming_next_due_at = $11, updated_at = $12, lease_owner = NULL, lease_expires = NULL WHERE id = $1 AND \
         lease_epoch = $2 AND lease_owner IS NOT NULL"];
    RELEASE_NODE = [
        "UPDATE mailboxes SET lease_owner = NULL, lease_expires = NULL WHERE lease_owner = $1"];
    FENCE = [
        "SELECT lease_epoch FROM mailboxes WHERE id = $1 AND lease_epoch = $2 AND lease_owner IS NOT NULL "
        {lock}];
    HOLDS = [
        "SELECT id, hold_since, hold_until, hold_failures, hold_code, hold_text FROM server_profiles \
         WHERE hold_since IS NOT NULL ORDER BY id"];
    PUT_HOLD = [
        "UPDATE server_profiles SET hold_since = $2, hold_until = $3, hold_failures = $4, hold_code = $5, \
         hold_text = $6 WHERE id = $1"];
    CLEAR_HOLD = [
        "UPDATE server_profiles SET hold_since = NULL, hold_until = NULL, hold_failures = 0, hold_code = \
         NULL, hold_text = NULL WHERE id = $1"];
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
        "SELECT uid, reason FROM inbox_ledger WHERE mailbox = $1 AND uid_validity = $2 AND generation = \
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
    PUT_SECRET = [
        "INSERT INTO secrets (owner_kind, owner, key_id, data_key, ciphertext, updated_at) VALUES ($1, \
         $2, $3, $4, $5, $6) ON CONFLICT (owner_kind, owner) DO UPDATE SET key_id = excluded.key_id, \
         data_key = excluded.data_key, ciphertext = excluded.ciphertext, updated_at = excluded.updated_at"];
    SECRET = [
        "SELECT key_id, data_key, ciphertext FROM secrets WHERE owner_kind = $1 AND owner = $2"];
    MAILBOX_CREDENTIALS = [
        "SELECT credential_source, credential_name FROM mailboxes WHERE id = $1"];
    PROFILE_CREDENTIALS = [
        "SELECT credential_source, credential_name FROM server_profiles WHERE id = $1"];
    ACTIVITIES = [
        "SELECT a.id, a.direction, a.status, a.subject, a.sender, a.message_id, a.received_at, \
         a.created_at, m.email_address FROM email_activities a JOIN mailboxes m ON m.id = a.mailbox WHERE \
         a.received_at >= $1 ORDER BY a.received_at DESC, a.id DESC LIMIT $2"];
    ACTIVITIES_OF = [
        "SELECT a.id, a.direction, a.status, a.subject, a.sender, a.message_id, a.received_at, \
         a.created_at, m.email_address FROM email_activities a JOIN mailboxes m ON m.id = a.mailbox WHERE \
         a.received_at >= $1 AND a.id IN (SELECT l.activity FROM inbox_ledger l JOIN mailboxes o ON o.id \
         = l.mailbox WHERE o.email_address = $3) ORDER BY a.received_at DESC, a.id DESC LIMIT $2"];
    ACTIVITY = [
        "SELECT a.id, a.direction, a.status, a.subject, a.sender, a.message_id, a.received_at, \
         a.created_at, m.email_address, a.in_reply_to, a.message_references, a.sent_at, a.body_text, \
         a.body_html, a.notifications, a.source, s.size AS source_size FROM email_activities a JOIN \
         mailboxes m ON m.id = a.mailbox LEFT JOIN email_sources s ON s.sha256 = a.source WHERE a.id = $1"];
    PARTIES = [
        "SELECT role, address, display_name FROM email_parties WHERE activity = $1 ORDER BY position"];
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
        "SELECT m.email_address, l.mailbox, l.uid_validity, l.uid, l.internal_date, l.size, l.message_id, \
         l.failure_code, l.failure_detail, l.source, l.judged_at FROM inbox_ledger l JOIN mailboxes m ON \
         m.id = l.mailbox WHERE l.verdict = 'set_aside' ORDER BY l.judged_at, l.uid"];
    SET_ASIDE_OF = [
        "SELECT m.email_address, l.mailbox, l.uid_validity, l.uid, l.internal_date, l.size, l.message_id, \
         l.failure_code, l.failure_detail, l.source, l.judged_at FROM inbox_ledger l JOIN mailboxes m ON \
         m.id = l.mailbox WHERE l.verdict = 'set_aside' AND l.mailbox = $1 ORDER BY l.judged_at, l.uid"];
    STATUS_MAILBOXES = [
        "SELECT count(*) AS total, count(CASE WHEN state = 'active' THEN 1 END) AS active, count(CASE \
         WHEN state = 'active' AND incoming_enabled THEN 1 END) AS enabled, count(CASE WHEN state = \
         'active' AND NOT incoming_enabled AND incoming_failure_code IS NOT NULL THEN 1 END) AS \
         disabled_by_failure, count(CASE WHEN state = 'active' AND incoming_enabled AND \
         incoming_failure_code IS NOT NULL THEN 1 END) AS failing, count(CASE WHEN state = 'active' AND \
         incoming_enabled AND incoming_postponed_until > $1 THEN 1 END) AS postponed, count(CASE WHEN \
         state = 'active' AND incoming_enabled AND incoming_last_success_at IS NULL THEN 1 END) AS \
         never_succeeded, count(CASE WHEN lease_expires > $1 THEN 1 END) AS running, min(CASE WHEN state \
         = 'active' AND incoming_enabled THEN incoming_last_success_at END) AS oldest_success FROM \
         mailboxes"];
    STATUS_COUNTS = [
        "SELECT (SELECT count(*) FROM server_profiles WHERE state = 'active') AS profiles, (SELECT \
         count(*) FROM email_activities) AS activities, (SELECT count(*) FROM inbox_ledger WHERE verdict \
         = 'set_aside') AS set_aside, (SELECT max(created_at) FROM email_activities) AS last_recorded_at"];
    STATUS_HOLDS = [
        "SELECT name, hold_since, hold_until, hold_failures, hold_code, hold_text FROM server_profiles \
         WHERE hold_since IS NOT NULL AND state = 'active' ORDER BY name"];
    STATUS_TROUBLE = [
        "SELECT email_address, incoming_enabled, incoming_failure_code, incoming_last_error, \
         incoming_failing_since, incoming_transient_failures, incoming_postponed_until FROM mailboxes \
         WHERE state = 'active' AND incoming_failure_code IS NOT NULL ORDER BY incoming_enabled, \
         incoming_failing_since, email_address LIMIT $1"];
    STATUS_LATE = [
        "SELECT m.email_address, coalesce(m.incoming_last_success_at, m.created_at) AS since, \
         p.minimum_polling_interval, coalesce(m.incoming_failure_code, p.hold_code) AS failure_code, CASE \
         WHEN m.incoming_failure_code IS NULL THEN p.hold_text ELSE m.incoming_last_error END AS words \
         FROM mailboxes m JOIN server_profiles p ON p.id = m.server_profile WHERE m.state = 'active' AND \
         p.state = 'active' AND m.incoming_method = 'server_side_sync' AND m.incoming_enabled AND \
         m.approval IN ('empty', 'approved') AND coalesce(m.incoming_last_success_at, m.created_at) < $2 \
         AND (m.incoming_failure_code IS NOT NULL OR m.incoming_next_due_at IS NULL OR \
         m.incoming_next_due_at <= $1) ORDER BY since, m.email_address"];
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
    CHECK_DEFAULTS = [
        "SELECT name FROM server_profiles WHERE is_default AND state = 'active' ORDER BY name"];
}
