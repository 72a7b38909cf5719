//! What several statements have in common, and both dialects say in the same words.

/// The columns of a `ProfileRow`.
macro_rules! profile_columns {
    () => {
        "id, name, description, server_type, authenticate_using, username, credential_source, \
         credential_name, incoming_host, incoming_port, incoming_security, incoming_auth, process_email_from, \
         minimum_polling_interval, maximum_concurrent_connections, connection_timeout, is_default, state, \
         managed_by, outgoing_host, outgoing_port, outgoing_security, outgoing_auth, save_to_sent, in_doubt, \
         owner"
    };
}

/// The columns of an `OwnerRow`.
macro_rules! owner_columns {
    () => {
        "id, name, email_address, external_id, filter_method, state, managed_by"
    };
}

/// The columns of a `MailboxRow` but for `grants`, of `mailboxes m`.
macro_rules! mailbox_columns {
    () => {
        "m.id, m.name, m.email_address, m.kind, m.owner, m.server_profile, m.username, m.credential_source, \
         m.credential_name, m.incoming_method, m.process_email_received_after, m.approval, m.state, \
         m.managed_by, m.incoming_enabled, m.incoming_postponed_until, m.incoming_transient_failures, \
         m.incoming_confirmations, m.incoming_failing_since, m.incoming_failure_code, m.incoming_last_error, \
         m.incoming_last_success_at, m.incoming_next_due_at, m.outgoing_method, m.delete_after_processing, \
         m.outgoing_enabled, m.outgoing_postponed_until, m.outgoing_transient_failures, \
         m.outgoing_confirmations, m.outgoing_failing_since, m.outgoing_failure_code, m.outgoing_last_error, \
         m.outgoing_last_success_at, m.outgoing_next_due_at, m.incoming_test_status, m.outgoing_test_status, \
         m.test_completed_at, m.declared_enabled, CAST(m.incoming_care AS TEXT) AS incoming_care, \
         CAST(m.outgoing_care AS TEXT) AS outgoing_care"
    };
}

/// The columns of a mail on its way out: of `email_activities a`, its `mailboxes m`, its `email_sources s`
/// and `email_activities r`, which it answers.
macro_rules! outgoing_columns {
    () => {
        "a.id, a.delivery_attempts, a.queued_at, coalesce(a.send_as, m.email_address) AS sender, a.subject, \
         CASE WHEN a.source IS NULL THEN a.body_text END AS body_text, CASE WHEN a.source IS NULL THEN a.body_html END \
         AS body_html, a.message_id, a.in_reply_to, a.message_references, r.message_id AS answered_id, \
         r.message_references AS answered_references, a.source, s.size, s.encoding, s.bytes"
    };
}

/// A lease for sending is held.
macro_rules! held {
    ($mailbox:literal, $epoch:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM mailboxes l WHERE l.id = ",
            $mailbox,
            " AND l.outgoing_lease_epoch = ",
            $epoch,
            " AND l.outgoing_lease_owner IS NOT NULL)"
        )
    };
}

/// A mailbox `m` on the profile `p`, which may be missing, sends; NULL is no.
macro_rules! sends {
    () => {
        "(m.state = 'active' AND m.outgoing_method = 'server_side_sync' AND m.outgoing_enabled AND m.approval IN \
         ('empty', 'approved') AND p.state = 'active' AND p.outgoing_host IS NOT NULL)"
    };
}

/// The mailbox of the mail `a` may send as whom it is to be from.
macro_rules! granted {
    () => {
        "(a.send_as IS NULL OR EXISTS (SELECT 1 FROM mailboxes o WHERE o.id = a.mailbox AND lower(o.email_address) = \
         lower(a.send_as)) OR EXISTS (SELECT 1 FROM send_grants g WHERE g.mailbox = a.mailbox AND lower(g.address) = \
         lower(a.send_as)))"
    };
}

/// The mail `a` may be sent at `$now`.
macro_rules! due {
    ($now:literal) => {
        concat!(
            "a.status = 'pending_send' AND (a.send_after IS NULL OR a.send_after <= ",
            $now,
            ") AND (a.postponed_until IS NULL OR a.postponed_until <= ",
            $now,
            ") AND ",
            granted!(),
            " AND (a.source IS NOT NULL OR NOT EXISTS (SELECT 1 FROM email_attachments t WHERE t.activity = a.id AND \
             t.content IS NULL))"
        )
    };
}

/// One row for each mailbox: in which views it is. `$age`: seconds since the last success.
macro_rules! views {
    ($age:literal) => {
        concat!(
            "(SELECT f.id, f.is_active, f.is_active AND f.test_failed AS is_failed, f.is_active AND f.approved AND \
             (f.reads AND NOT f.incoming_enabled OR f.sends AND NOT f.outgoing_enabled) AS is_disabled, f.is_active AND \
             (f.reads AND f.incoming_enabled AND f.reading_postponed OR f.sends AND f.outgoing_enabled AND \
             f.sending_postponed) AS is_postponed, f.is_active AND f.approved AND (f.reads AND f.incoming_enabled AND \
             f.reading_held OR f.sends AND f.outgoing_enabled AND f.sending_held) AS is_held, f.is_active AND f.pending AS \
             is_pending, f.is_active AND f.approved AND f.reads AND f.incoming_enabled AND f.profile_active AND f.awaited AND \
             f.age > $2 AND f.age > 3 * f.interval AS is_stale FROM (SELECT m.id, m.state = 'active' AS is_active, \
             m.incoming_test_status = 'failure' OR m.outgoing_test_status = 'failure' AS test_failed, m.approval IN \
             ('empty', 'approved') AS approved, m.approval = 'pending' AS pending, m.incoming_method = 'server_side_sync' \
             AS reads, m.outgoing_method = 'server_side_sync' AS sends, m.incoming_enabled, m.outgoing_enabled, \
             coalesce(m.incoming_postponed_until > $1, FALSE) AS reading_postponed, coalesce(m.outgoing_postponed_until > \
             $1, FALSE) AS sending_postponed, p.hold_since IS NOT NULL AS reading_held, p.outgoing_hold_since IS NOT NULL AS \
             sending_held, coalesce(p.state = 'active', FALSE) AS profile_active, coalesce(p.minimum_polling_interval, 0) AS \
             interval, m.incoming_failure_code IS NOT NULL OR coalesce(m.incoming_next_due_at <= $1, TRUE) AS awaited, ",
            $age,
            " AS age FROM mailboxes m LEFT JOIN server_profiles p ON p.id = m.server_profile) f) v"
        )
    };
}
