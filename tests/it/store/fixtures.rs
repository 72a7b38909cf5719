//! Records and mails to write.

use std::time::Duration;

use mailsyncd::{
    model::{
        activity::{BatchCommit, Fence, LedgerEntry, NewActivity, NewAttachment, NewSource, SourceEncoding, Verdict},
        audit::Actor,
        cursor::Cursor,
        failure::{Failure, FailureCode, Persistence, Scope},
        ids::{ActivityId, MailboxId, NodeId, OwnerId, ProfileId},
        mailbox::{Mailbox, MailboxKind, SyncMethod, Workload, WorkloadState},
        message::{Attachment, MessageKey, Party, PartyRole, ReceivedMessage, Sha256},
        outbox::InDoubt,
        profile::{AuthMethod, AuthenticateUsing, Endpoint, Security, ServerProfile, ServerType},
        record::{CredentialSource, FilterMethod, Owner, RecordChange},
        timestamp::Timestamp,
        uid::{Uid, UidValidity},
    },
    store::Store,
};

use crate::support::records;

/// 2026-01-01T00:00:00Z and `seconds` more.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_767_225_600 + seconds)
}

pub fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

pub fn hash(number: u64) -> Sha256 {
    let mut bytes = [7u8; 32];
    // Spread like real hashes.
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    Sha256(bytes)
}

pub fn key(number: u64) -> MessageKey {
    MessageKey(hash(number).0)
}

pub const HOUR: Duration = Duration::from_secs(3_600);

pub fn profile(name: &str) -> ServerProfile {
    ServerProfile {
        id: ProfileId::generate(at(0)),
        name: name.into(),
        description: "łódź".into(),
        owner: Some("postmaster@example.org".into()),
        server_type: ServerType::ImapSmtp,
        authenticate_using: AuthenticateUsing::Mailbox,
        username: None,
        incoming: Endpoint {
            host: "imap.example.org".into(),
            port: 993,
            security: Security::Tls,
            auth: AuthMethod::Auto,
        },
        outgoing: Some(Endpoint {
            host: "smtp.example.org".into(),
            port: 587,
            security: Security::Starttls,
            auth: AuthMethod::Login,
        }),
        save_to_sent: true,
        in_doubt: Some(InDoubt::Hold),
        process_email_from: Some(at(-1)),
        minimum_polling_interval: Duration::from_micros(300_000_001),
        maximum_concurrent_connections: 10,
        connection_timeout: Duration::from_millis(30_500),
        is_default: false,
        managed_by: Some("config:/etc/mailsyncd.toml:3".into()),
        active: true,
    }
}

pub fn owner(name: &str, kind: MailboxKind) -> Owner {
    Owner {
        id: OwnerId::generate(at(0)),
        kind,
        name: name.into(),
        email_address: format!("{name}@example.org"),
        external_id: Some("crm-1".into()),
        filter_method: FilterMethod::All,
        managed_by: None,
        active: true,
    }
}

pub fn state() -> WorkloadState {
    WorkloadState { enabled: true, ..WorkloadState::default() }
}

pub fn mailbox(address: &str, profile: &ServerProfile) -> Mailbox {
    Mailbox {
        outgoing_method: SyncMethod::ServerSideSync,
        delete_after_processing: true,
        may_send_as: vec!["sales@example.org".into(), "support@example.org".into()],
        outgoing: state(),
        ..records::mailbox(address, profile.id, at(0))
    }
}

pub fn put(mailbox: &Mailbox) -> RecordChange {
    RecordChange::PutMailbox(Box::new(mailbox.clone()), CredentialSource::Stored)
}

/// One profile with a mailbox for each address.
pub async fn with_mailboxes(store: &Store, addresses: &[&str]) -> Vec<Mailbox> {
    let profile = profile("example");
    let mailboxes: Vec<Mailbox> = addresses.iter().map(|address| mailbox(address, &profile)).collect();
    let mut changes = vec![RecordChange::PutProfile(profile, CredentialSource::Stored)];
    changes.extend(mailboxes.iter().map(put));
    store.apply(&changes, &Actor::Configuration, at(0)).await.unwrap();
    mailboxes
}

/// Claims one mailbox for a new node.
pub async fn claim(store: &Store, mailbox: MailboxId, now: Timestamp) -> Fence {
    let node = NodeId::generate(now);
    let claimed = store.claim(Workload::Incoming, node, &[mailbox], now, Duration::from_secs(60)).await.unwrap();
    assert_eq!(claimed.len(), 1, "the lease is free");
    claimed[0].fence
}

pub fn cursor(last_uid: u32) -> Cursor {
    Cursor {
        uid_validity: UidValidity::new(7).unwrap(),
        generation: 0,
        last_uid,
        exists: last_uid,
        compared_at: None,
        starting_point: at(-1_000),
        starts_over: 0,
        in_flight: None,
    }
}

pub fn source(number: u64, size: usize) -> NewSource {
    let bytes: Vec<u8> = (0..size).map(|index| (index as u64 ^ number).to_le_bytes()[index % 3]).collect();
    NewSource { sha256: hash(number), size: size as u64, encoding: SourceEncoding::None, bytes: bytes.into() }
}

fn party(role: PartyRole, address: &str) -> Party {
    Party { role, address: address.into(), display_name: "Zoë \"Z\"".into() }
}

/// A mail whose key, source and identifiers follow from `number`.
pub fn activity(number: u64) -> NewActivity {
    NewActivity {
        id: ActivityId::generate(at(i64::try_from(number).unwrap())),
        message: ReceivedMessage {
            key: key(number),
            source: hash(number),
            message_id: Some(format!("{number}@example.org")),
            in_reply_to: Some("0@example.org".into()),
            references: vec!["a@example.org".into(), "b@example.org".into()],
            subject: format!("subject {number}"),
            date: Some(at(-5)),
            parties: vec![
                party(PartyRole::From, "from@example.org"),
                party(PartyRole::To, "to@example.org"),
                party(PartyRole::Cc, "cc@example.org"),
            ],
            text: Some("the text".into()),
            html: Some("<p>the text</p>".into()),
            attachments: Vec::new(),
            notes: Vec::new(),
        },
        received_at: at(i64::try_from(number).unwrap()),
        attachments: vec![NewAttachment {
            attachment: Attachment {
                part: 3,
                file_name: "żółw.pdf".into(),
                content_type: "application/pdf".into(),
                content_id: None,
                size: 12,
                sha256: hash(99),
            },
            blocked: Some("its type is blocked"),
        }],
        notifications: String::new(),
    }
}

pub fn entry(number: u32, verdict: Verdict) -> LedgerEntry {
    LedgerEntry {
        uid: uid(number),
        internal_date: Some(at(i64::from(number))),
        uidl: None,
        size: 1_000 + u64::from(number),
        key: None,
        message_id: None,
        source: None,
        verdict,
    }
}

/// UID `number` with the mail `mail`, to be recorded.
pub fn record(number: u32, mail: u64) -> LedgerEntry {
    LedgerEntry {
        key: Some(key(mail)),
        message_id: Some(format!("{mail}@example.org")),
        source: Some(source(mail, 40)),
        ..entry(number, Verdict::Record(Box::new(activity(mail))))
    }
}

pub fn failure(code: FailureCode) -> Failure {
    Failure::new(code, Scope::Message, Persistence::Permanent, "the words")
}

pub fn commit(entries: Vec<LedgerEntry>, last_uid: u32) -> BatchCommit {
    BatchCommit { entries, delete: false, again: None, cursor: cursor(last_uid) }
}
