//! Records as a test needs them.

use std::time::Duration;

use mailsyncd::model::{
    ids::{MailboxId, ProfileId},
    mailbox::{Approval, Mailbox, MailboxKind, SyncMethod, WorkloadState},
    profile::{AuthMethod, AuthenticateUsing, Endpoint, Security, ServerProfile, ServerType},
    timestamp::Timestamp,
};

/// A profile at `host`, polled every five minutes.
pub fn profile(name: &str, host: &str, now: Timestamp) -> ServerProfile {
    ServerProfile {
        id: ProfileId::generate(now),
        name: name.to_owned(),
        description: String::new(),
        owner: None,
        server_type: ServerType::ImapSmtp,
        authenticate_using: AuthenticateUsing::Mailbox,
        username: None,
        incoming: Endpoint { host: host.to_owned(), port: 993, security: Security::Tls, auth: AuthMethod::Auto },
        outgoing: None,
        save_to_sent: false,
        in_doubt: None,
        process_email_from: None,
        minimum_polling_interval: Duration::from_secs(300),
        maximum_concurrent_connections: 10,
        connection_timeout: Duration::from_secs(30),
        is_default: false,
        managed_by: None,
        active: true,
    }
}

/// A mailbox that may be polled, and never was.
pub fn mailbox(address: &str, profile: ProfileId, now: Timestamp) -> Mailbox {
    Mailbox {
        id: MailboxId::generate(now),
        name: address.to_owned(),
        email_address: address.to_owned(),
        kind: MailboxKind::Forward,
        owner: None,
        profile: Some(profile),
        username: address.to_owned(),
        incoming_method: SyncMethod::ServerSideSync,
        outgoing_method: SyncMethod::None,
        delete_after_processing: false,
        may_send_as: Vec::new(),
        process_email_received_after: None,
        approval: Approval::Approved,
        active: true,
        managed_by: None,
        declared_enabled: None,
        test_completed_at: None,
        incoming: WorkloadState { enabled: true, ..WorkloadState::default() },
        outgoing: WorkloadState::default(),
    }
}
