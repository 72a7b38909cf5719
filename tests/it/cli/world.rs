//! A database with one of everything.

use std::{fs, path::Path, time::Duration};

use mailsyncd::{
    admin::declared::reconcile,
    base::{clock::Clock, secret::Kek},
    config::Config,
    mime,
    model::{
        activity::{BatchCommit, Fence, LedgerEntry, NewActivity, NewAttachment, Verdict},
        audit::Actor,
        cursor::Cursor,
        failure::{Failure, FailureCode, Persistence, Scope},
        ids::{ActivityId, MailboxId, NodeId},
        lease::{ProfileHold, Settlement},
        mailbox::{Workload, WorkloadState},
        presence::{AHEAD_AT_MOST, Heartbeat},
        record::RecordChange,
        timestamp::Timestamp,
        uid::{Uid, UidValidity},
    },
    store::{Role, Store},
};

/// A mail that would like to take the terminal over.
pub(super) const MAIL: &[u8] = b"Message-ID: <1@example.com>\r\nDate: Sun, 01 Mar 2026 10:00:00 +0100\r\n\
From: =?utf-8?Q?Zo=C3=AB=1B[31m?= <zoe@example.com>\r\nTo: ok@contoso.example\r\n\
Subject: Red =?utf-8?Q?=1B[2J=E2=80=AEtxet?= alert\r\nMIME-Version: 1.0\r\n\
Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
First line\r\n  indented \x1b[31mred\r\n\r\n--b\r\nContent-Type: application/x-msdownload\r\n\
Content-Disposition: attachment; filename=\"run me.exe\"\r\n\r\nMZ\r\n--b--\r\n";

/// A directory with a configuration, a key and a database.
pub(super) struct World {
    directory: tempfile::TempDir,
    /// Identifier of the activity of [`MAIL`].
    pub(super) activity: String,
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl World {
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The configuration as it was written.
    pub(super) fn config(&self) -> String {
        fs::read_to_string(self.directory().join("mailsyncd.toml")).unwrap()
    }

    /// One of everything; the times lie far from now on either side.
    pub(super) fn full() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/mail.db", directory.path().display());
        fs::write(directory.path().join("mailsyncd.toml"), CONFIG.replace("DATABASE", &url)).unwrap();
        Kek::create(&directory.path().join("key")).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let activity = runtime.block_on(fill(directory.path()));
        Self { directory, activity: activity.to_string() }
    }
}

const CONFIG: &str = r#"
[database]
url = "DATABASE"
[secrets]
key_file = "key"
[email_settings]
default_profile = "contoso"
[[profile]]
name = "contoso"
incoming = { host = "imap.contoso.example" }
[[profile]]
name = "fabrikam"
description = "Fabrikam's own"
owner = "postmaster@fabrikam.example"
authenticate_using = "profile"
username = "sync"
incoming = { host = "imap.fabrikam.example", port = 995 }
process_email_from = 2026-01-01T00:00:00Z
[[queue]]
name = "Support"
email_address = "ok@contoso.example"
[[user]]
name = "Ada"
email_address = "pending@contoso.example"
[[mailbox]]
email_address = "ok@contoso.example"
owner = "queue:Support"
approved = true
enabled = true
[[mailbox]]
email_address = "disabled@contoso.example"
kind = "forward"
#password_file = "password"
[[mailbox]]
email_address = "postponed@contoso.example"
kind = "forward"
enabled = true
[[mailbox]]
email_address = "new@contoso.example"
kind = "forward"
enabled = true
[[mailbox]]
email_address = "held@fabrikam.example"
kind = "forward"
profile = "fabrikam"
enabled = true
"#;

async fn fill(directory: &Path) -> ActivityId {
    let config = Config::load_with(&directory.join("mailsyncd.toml"), None).unwrap();
    let start = at("2026-03-01T08:00:00Z");
    let clock = Clock::manual(start);
    let (store, _) = Store::open_and_migrate(&config.database_url, Role::Tool).await.unwrap();
    reconcile(&store, &config, &clock).await.unwrap();
    let again = reconcile(&store, &config, &clock).await.unwrap();
    assert_eq!(again.lines, [""; 0], "the store gives back what it was given");
    let records = store.records().await.unwrap();
    let id = |address: &str| {
        let found = records.mailboxes.iter().find(|(mailbox, _)| mailbox.email_address == address);
        found.unwrap().0.id
    };
    let fabrikam = records.profiles.iter().find(|(profile, _)| profile.name == "fabrikam").unwrap().0.id;
    let hold = ProfileHold {
        since: at("2026-03-01T09:00:00Z"),
        until: at("2099-01-01T00:00:00Z"),
        failures: 3,
        code: FailureCode::HostUnreachable,
        text: "connection refused".to_owned(),
    };
    store.put_hold(Workload::Incoming, fabrikam, &hold, &[], start).await.unwrap();

    let fence = claim(&store, id("ok@contoso.example"), start).await;
    let activity = record(&store, fence, start).await;
    let healthy = WorkloadState {
        enabled: true,
        last_success_at: Some(at("2026-03-01T10:00:00.25Z")),
        next_due_at: Some(at("2026-03-01T10:05:00Z")),
        ..WorkloadState::default()
    };
    settle(&store, fence, healthy.clone()).await;
    let enabled = RecordChange::EnableIncoming(id("disabled@contoso.example"));
    store.apply(&[enabled], &Actor::Configuration, start).await.unwrap();
    let disabled = WorkloadState {
        enabled: false,
        confirmations: 3,
        failing_since: Some(at("2026-03-01T11:00:00Z")),
        failure_code: Some(FailureCode::AuthRejected),
        last_error: Some("NO [AUTHENTICATIONFAILED] Invalid credentials".to_owned()),
        next_due_at: None,
        ..healthy.clone()
    };
    settle(&store, claim(&store, id("disabled@contoso.example"), start).await, disabled).await;
    let postponed = WorkloadState {
        postponed_until: Some(at("2099-01-01T00:00:00Z")),
        transient_failures: 2,
        failing_since: Some(at("2026-03-01T12:00:00Z")),
        failure_code: Some(FailureCode::Timeout),
        last_error: Some("no answer to LOGIN within 60 s".to_owned()),
        ..healthy
    };
    settle(&store, claim(&store, id("postponed@contoso.example"), start).await, postponed).await;
    let version = "1".to_owned();
    let heartbeat = Heartbeat {
        node: NodeId::generate(start),
        version,
        machine: "mail1".to_owned(),
        started_at: start,
        key_ids: Vec::new(),
        pause: None,
    };
    // As late as it is believed: the commands of a test take their time.
    store.beat(&heartbeat, Clock::System.now().plus(AHEAD_AT_MOST)).await.unwrap();
    store.close().await;
    activity
}

async fn claim(store: &Store, mailbox: MailboxId, now: Timestamp) -> Fence {
    let claimed =
        store.claim(Workload::Incoming, NodeId::generate(now), &[mailbox], now, Duration::from_secs(60)).await.unwrap();
    claimed.first().expect("the mailbox is free").fence
}

async fn settle(store: &Store, fence: Fence, state: WorkloadState) {
    store.settle(&[Settlement { fence, state, alerts: Vec::new() }], at("2026-03-01T10:00:00Z")).await.unwrap();
}

/// One mail recorded, one set aside.
async fn record(store: &Store, fence: Fence, now: Timestamp) -> ActivityId {
    let message = mime::parse(MAIL, &mime::Limits::default()).unwrap();
    let uid = |number| Uid::new(number).unwrap();
    let id = ActivityId::generate(now);
    let attachments = message.attachments.iter().cloned();
    let activity = NewActivity {
        id,
        received_at: at("2026-03-01T09:00:01Z"),
        attachments: attachments.map(|attachment| NewAttachment { attachment, blocked: Some("file type") }).collect(),
        notifications: "run me.exe is not offered: its type is blocked".to_owned(),
        message: message.clone(),
    };
    let recorded = LedgerEntry {
        uid: uid(1),
        internal_date: Some(at("2026-03-01T09:00:01Z")),
        uidl: None,
        size: MAIL.len() as u64,
        key: Some(message.key),
        message_id: message.message_id,
        source: Some(mime::compress(MAIL.to_vec(), message.source)),
        verdict: Verdict::Record(Box::new(activity)),
    };
    let words = "60123456 bytes\u{1b}[31m, over 50000000";
    let failure = Failure::new(FailureCode::MessageTooLarge, Scope::Message, Persistence::Permanent, words);
    let set_aside = LedgerEntry {
        uid: uid(2),
        size: 60_123_456,
        key: None,
        message_id: None,
        source: None,
        verdict: Verdict::SetAside(failure),
        ..recorded.clone()
    };
    let cursor = Cursor {
        uid_validity: UidValidity::new(7).unwrap(),
        generation: 0,
        last_uid: 0,
        exists: 0,
        compared_at: None,
        starting_point: Timestamp::EPOCH,
        starts_over: 0,
        in_flight: None,
    };
    store.start_cursor(fence, &cursor).await.unwrap();
    let commit = BatchCommit {
        entries: vec![recorded, set_aside],
        delete: false,
        again: None,
        cursor: Cursor { last_uid: 2, ..cursor },
    };
    store.commit_batch(fence, &commit, now).await.unwrap();
    id
}
