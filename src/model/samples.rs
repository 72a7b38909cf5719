//! Records for the unit tests of all modules: what a test does not care for.

use std::time::Duration;

use super::{
    ids::{MailboxId, ProfileId, RunId},
    mailbox::{Approval, Mailbox, MailboxKind, SyncMethod, WorkloadState},
    profile::{AuthMethod, AuthenticateUsing, Endpoint, Security, ServerProfile, ServerType},
    testing::{TestRequest, TestResults, TestRun},
    timestamp::Timestamp,
};

/// TLS from the first byte, any way to log in.
pub fn endpoint(host: &str, port: u16) -> Endpoint {
    Endpoint { host: host.to_owned(), port, security: Security::Tls, auth: AuthMethod::Auto }
}

/// IMAP only, each mailbox with its own password.
pub fn profile(name: &str, now: Timestamp) -> ServerProfile {
    ServerProfile {
        id: ProfileId::generate(now),
        name: name.to_owned(),
        description: String::new(),
        owner: None,
        server_type: ServerType::ImapSmtp,
        authenticate_using: AuthenticateUsing::Mailbox,
        username: None,
        incoming: endpoint("imap.example", 993),
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

/// A forward mailbox of no profile that is to be read, and is not enabled yet.
pub fn mailbox(address: &str, now: Timestamp) -> Mailbox {
    Mailbox {
        id: MailboxId::generate(now),
        name: address.to_owned(),
        email_address: address.to_owned(),
        kind: MailboxKind::Forward,
        owner: None,
        profile: None,
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

/// A test of a mailbox that is due, and was not begun.
pub fn test_run(mailbox: MailboxId, now: Timestamp) -> TestRun {
    TestRun {
        mailbox,
        run: RunId::generate(now),
        request: TestRequest::default(),
        requested_at: now,
        requested_by: "cli:root".to_owned(),
        attempts: 0,
        next_attempt_at: Some(now),
        running: false,
        stages: Vec::new(),
        results: TestResults::default(),
        preview: None,
        mail: None,
        refused: None,
        finished_at: None,
    }
}
