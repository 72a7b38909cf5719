//! Records for the tests of this module.

use std::time::Duration;

use crate::model::{
    ids::{MailboxId, ProfileId},
    mailbox::{Approval, Mailbox, MailboxKind, SyncMethod, WorkloadState},
    profile::{AuthMethod, AuthenticateUsing, Endpoint, Security, ServerProfile, ServerType},
    record::{CredentialSource, Records, SecretOwner, StoredPassword},
    timestamp::Timestamp,
};

pub const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// IMAP and SMTP, each mailbox with its own password.
pub fn profile(name: &str) -> ServerProfile {
    let endpoint = |host: &str, port| Endpoint {
        host: format!("{host}.{name}.example"),
        port,
        security: Security::Tls,
        auth: AuthMethod::Auto,
    };
    ServerProfile {
        id: ProfileId::generate(NOW),
        name: name.to_owned(),
        description: String::new(),
        owner: None,
        server_type: ServerType::ImapSmtp,
        authenticate_using: AuthenticateUsing::Mailbox,
        username: None,
        incoming: endpoint("imap", 993),
        outgoing: Some(endpoint("smtp", 465)),
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

/// A forward mailbox that is read.
pub fn mailbox(address: &str, profile: Option<&ServerProfile>) -> Mailbox {
    Mailbox {
        id: MailboxId::generate(NOW),
        name: address.to_owned(),
        email_address: address.to_owned(),
        kind: MailboxKind::Forward,
        owner: None,
        profile: profile.map(|profile| profile.id),
        username: address.to_owned(),
        incoming_method: SyncMethod::ServerSideSync,
        outgoing_method: SyncMethod::None,
        delete_after_processing: false,
        may_send_as: Vec::new(),
        process_email_received_after: None,
        approval: Approval::Empty,
        active: true,
        managed_by: None,
        declared_enabled: None,
        test_completed_at: None,
        incoming: WorkloadState::default(),
        outgoing: WorkloadState::default(),
    }
}

/// Without owners, every password in the database.
pub fn records(profiles: &[ServerProfile], mailboxes: &[Mailbox]) -> Records {
    let stored = |id| StoredPassword { owner: SecretOwner::Mailbox(id), locked_at: None };
    let with_source = |profile: &ServerProfile| (profile.clone(), CredentialSource::Stored);
    Records {
        profiles: profiles.iter().map(with_source).collect(),
        owners: Vec::new(),
        mailboxes: mailboxes.iter().map(|mailbox| (mailbox.clone(), CredentialSource::Stored)).collect(),
        passwords: mailboxes.iter().map(|mailbox| stored(mailbox.id)).collect(),
    }
}
