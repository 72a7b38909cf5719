//! Profiles, users, queues, mailboxes.

use super::Sql;

statements! {
    PROFILES = [
        "SELECT "
        {profile}
        " FROM server_profiles ORDER BY name"];
    // A hold is about a server: another one is tried at once.
    PUT_PROFILE = [
        "INSERT INTO server_profiles (id, name, description, server_type, authenticate_using, username, \
         credential_source, credential_name, incoming_host, incoming_port, incoming_security, incoming_auth, \
         process_email_from, minimum_polling_interval, maximum_concurrent_connections, connection_timeout, \
         is_default, state, managed_by, outgoing_host, outgoing_port, outgoing_security, outgoing_auth, \
         save_to_sent, in_doubt, owner, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
         $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28) ON \
         CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description, server_type = \
         excluded.server_type, authenticate_using = excluded.authenticate_using, username = \
         excluded.username, credential_source = excluded.credential_source, credential_name = \
         excluded.credential_name, incoming_host = excluded.incoming_host, incoming_port = \
         excluded.incoming_port, incoming_security = excluded.incoming_security, incoming_auth = \
         excluded.incoming_auth, process_email_from = excluded.process_email_from, minimum_polling_interval = \
         excluded.minimum_polling_interval, maximum_concurrent_connections = \
         excluded.maximum_concurrent_connections, connection_timeout = excluded.connection_timeout, \
         is_default = excluded.is_default, state = excluded.state, managed_by = excluded.managed_by, \
         outgoing_host = excluded.outgoing_host, outgoing_port = excluded.outgoing_port, outgoing_security = \
         excluded.outgoing_security, outgoing_auth = excluded.outgoing_auth, save_to_sent = \
         excluded.save_to_sent, in_doubt = excluded.in_doubt, owner = excluded.owner, updated_at = excluded.updated_at, hold_until = CASE \
         WHEN server_profiles.hold_until > excluded.updated_at AND (server_profiles.incoming_host <> \
         excluded.incoming_host OR server_profiles.incoming_port <> excluded.incoming_port OR \
         server_profiles.incoming_security <> excluded.incoming_security OR server_profiles.incoming_auth <> \
         excluded.incoming_auth) THEN excluded.updated_at ELSE server_profiles.hold_until END, outgoing_hold_until \
         = CASE WHEN server_profiles.outgoing_hold_until > excluded.updated_at AND (server_profiles.outgoing_host \
         <> excluded.outgoing_host OR server_profiles.outgoing_port <> excluded.outgoing_port OR \
         server_profiles.outgoing_security <> excluded.outgoing_security OR server_profiles.outgoing_auth <> \
         excluded.outgoing_auth) THEN excluded.updated_at ELSE server_profiles.outgoing_hold_until END"];
    RETIRE_PROFILE = [
        "UPDATE server_profiles SET state = 'inactive', is_default = FALSE, updated_at = $2 WHERE id = $1"];
    USERS = [
        "SELECT "
        {owner}
        " FROM users ORDER BY name"];
    PUT_USER = [
        "INSERT INTO users (id, name, email_address, external_id, filter_method, state, managed_by, \
         created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE \
         SET name = excluded.name, email_address = excluded.email_address, external_id = \
         excluded.external_id, filter_method = excluded.filter_method, state = excluded.state, managed_by \
         = excluded.managed_by, updated_at = excluded.updated_at"];
    RETIRE_USER = [
        "UPDATE users SET state = 'inactive', updated_at = $2 WHERE id = $1"];
    QUEUES = [
        "SELECT "
        {owner}
        " FROM queues ORDER BY name"];
    PUT_QUEUE = [
        "INSERT INTO queues (id, name, email_address, external_id, filter_method, state, managed_by, \
         created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE \
         SET name = excluded.name, email_address = excluded.email_address, external_id = \
         excluded.external_id, filter_method = excluded.filter_method, state = excluded.state, managed_by \
         = excluded.managed_by, updated_at = excluded.updated_at"];
    RETIRE_QUEUE = [
        "UPDATE queues SET state = 'inactive', updated_at = $2 WHERE id = $1"];
    MAILBOXES = [
        "SELECT "
        {mailbox}
        " FROM mailboxes m ORDER BY m.email_address"];
    PUT_MAILBOX = [
        "INSERT INTO mailboxes (id, name, email_address, kind, owner, server_profile, username, \
         credential_source, credential_name, incoming_method, process_email_received_after, approval, state, \
         managed_by, incoming_enabled, incoming_postponed_until, incoming_transient_failures, \
         incoming_confirmations, incoming_failing_since, incoming_failure_code, incoming_last_error, \
         incoming_last_success_at, incoming_next_due_at, outgoing_method, delete_after_processing, \
         outgoing_enabled, outgoing_postponed_until, outgoing_transient_failures, outgoing_confirmations, \
         outgoing_failing_since, outgoing_failure_code, outgoing_last_error, outgoing_last_success_at, \
         outgoing_next_due_at, declared_enabled, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
         $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, \
         $32, $33, $34, $35, $36, $37) ON CONFLICT (id) DO UPDATE SET name = excluded.name, email_address = \
         excluded.email_address, kind = excluded.kind, owner = excluded.owner, server_profile = \
         excluded.server_profile, username = excluded.username, credential_source = \
         excluded.credential_source, credential_name = excluded.credential_name, incoming_method = \
         excluded.incoming_method, process_email_received_after = excluded.process_email_received_after, \
         approval = excluded.approval, state = excluded.state, managed_by = excluded.managed_by, \
         outgoing_method = excluded.outgoing_method, delete_after_processing = \
         excluded.delete_after_processing, declared_enabled = excluded.declared_enabled, updated_at = \
         excluded.updated_at"];
    CLEAR_GRANTS = [
        "DELETE FROM send_grants WHERE mailbox = $1"];
    ADD_GRANT = [
        "INSERT INTO send_grants (mailbox, address) VALUES ($1, $2) ON CONFLICT (mailbox, address) DO NOTHING"];
    RETIRE_MAILBOX = [
        "UPDATE mailboxes SET state = 'inactive', updated_at = $2 WHERE id = $1"];
    ENABLE_INCOMING = [
        "UPDATE mailboxes SET incoming_enabled = TRUE, incoming_postponed_until = NULL, \
         incoming_transient_failures = 0, incoming_confirmations = 0, incoming_failing_since = NULL, \
         incoming_failure_code = NULL, incoming_last_error = NULL, incoming_next_due_at = NULL, updated_at = $2 \
         WHERE id = $1"];
    ENABLE_OUTGOING = [
        "UPDATE mailboxes SET outgoing_enabled = TRUE, outgoing_postponed_until = NULL, \
         outgoing_transient_failures = 0, outgoing_confirmations = 0, outgoing_failing_since = NULL, \
         outgoing_failure_code = NULL, outgoing_last_error = NULL, outgoing_next_due_at = NULL, outgoing_care = \
         NULL, updated_at = $2 WHERE id = $1"];
    // A person wants it so: nothing fails any more.
    DISABLE_INCOMING = [
        "UPDATE mailboxes SET incoming_enabled = FALSE, incoming_postponed_until = NULL, incoming_transient_failures = 0, \
         incoming_confirmations = 0, incoming_failing_since = NULL, incoming_failure_code = NULL, incoming_last_error = NULL, \
         incoming_next_due_at = NULL, incoming_test_status = CASE incoming_test_status WHEN 'failure' THEN 'not_run' ELSE \
         incoming_test_status END, updated_at = $2 WHERE id = $1"];
    DISABLE_OUTGOING = [
        "UPDATE mailboxes SET outgoing_enabled = FALSE, outgoing_postponed_until = NULL, outgoing_transient_failures = 0, \
         outgoing_confirmations = 0, outgoing_failing_since = NULL, outgoing_failure_code = NULL, outgoing_last_error = NULL, \
         outgoing_next_due_at = NULL, outgoing_care = NULL, outgoing_test_status = CASE outgoing_test_status WHEN \
         'failure' THEN 'not_run' ELSE outgoing_test_status END, updated_at = $2 WHERE id = $1"];
    SET_APPROVAL = [
        "UPDATE mailboxes SET approval = $3, updated_at = $2 WHERE id = $1"];
    PROFILE = [
        "SELECT "
        {profile}
        " FROM server_profiles WHERE id = $1"];
    USER = [
        "SELECT "
        {owner}
        " FROM users WHERE id = $1"];
    QUEUE = [
        "SELECT "
        {owner}
        " FROM queues WHERE id = $1"];
    MAILBOX = [
        "SELECT "
        {mailbox}
        " FROM mailboxes m WHERE m.id = $1"];
    LOCK_PROFILE = [
        "SELECT id FROM server_profiles WHERE id = $1 "
        {lock}];
    LOCK_USER = [
        "SELECT id FROM users WHERE id = $1 "
        {lock}];
    LOCK_QUEUE = [
        "SELECT id FROM queues WHERE id = $1 "
        {lock}];
    LOCK_MAILBOX = [
        "SELECT id FROM mailboxes WHERE id = $1 "
        {lock}];
}
