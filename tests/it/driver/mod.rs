//! The driver with real SQL, simulated servers and real time.

mod clock;
mod reading;
mod sending;
mod testing;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use mailsyncd::{
    base::{clock::Clock, hints::Hints, tasks::Tasks},
    means::budget::Budget,
    model::{
        activity::ActivityStatus,
        audit::Actor,
        failure::{Failure, FailureCode, Persistence, Scope},
        ids::{ActivityId, MailboxId, NodeId},
        mailbox::{Mailbox, SyncMethod, Workload, WorkloadState},
        message::{Party, PartyRole},
        outbox::{NewContent, NewMail},
        profile::{AuthMethod, Endpoint, Security, ServerProfile},
        record::{CredentialSource, RecordChange},
        rules::Limits,
        timestamp::Timestamp,
    },
    receive::policy::Steps,
    schedule::{
        agenda::Mode,
        driver::{Driver, Settings},
        limits::LoginRate,
        progress::Progress,
        reading::Reading,
        sending::Sending,
        summary::Summary,
    },
    send::{judge::Refusal, policy::SendSteps},
    store::{AlertFilter, Role, Store},
};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::support::{
    records::{mailbox, profile},
    sim_post::{PostFault, PostStep, SimPost},
    sim_server::{Fault, SimServer, Step},
};

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

struct World {
    store: Store,
    server: SimServer,
    post: SimPost,
    clock: Clock,
    hints: Hints,
    progress: Progress,
    settings: watch::Sender<Settings>,
    stop: CancellationToken,
    mailboxes: BTreeMap<String, MailboxId>,
    stop_within: Duration,
    _dir: TempDir,
}

type Running = JoinHandle<Result<Summary, Failure>>;

impl World {
    /// `count` mailboxes, in turn on each of the profiles.
    async fn new(profiles: &[ServerProfile], count: usize) -> Self {
        let dir = TempDir::new().unwrap();
        let url = format!("sqlite:{}", dir.path().join("test.db").display());
        let (store, _) = Store::open_and_migrate(&url, Role::Daemon).await.unwrap();
        let mut changes: Vec<_> = profiles
            .iter()
            .map(|profile| RecordChange::PutProfile(profile.clone(), CredentialSource::Stored))
            .collect();
        let mut mailboxes = BTreeMap::new();
        for number in 0..count {
            let address = format!("m{number}@example.org");
            let mailbox = sender(mailbox(&address, profiles[number % profiles.len()].id, NOW));
            mailboxes.insert(address, mailbox.id);
            changes.push(RecordChange::PutMailbox(Box::new(mailbox), CredentialSource::Stored));
        }
        store.apply(&changes, &Actor::Configuration, NOW).await.unwrap();
        let limits = Limits { logins_per_host_per_second: 10_000, ..Limits::default() };
        let steps = Steps { batch_messages: 3, maximum_batches: 2, ..Steps::default() };
        Self {
            store,
            server: SimServer::new(),
            post: SimPost::new(),
            clock: Clock::manual(NOW),
            hints: Hints::new(),
            progress: Progress::default(),
            settings: watch::Sender::new(Settings { limits, steps, ..Settings::default() }),
            stop: CancellationToken::new(),
            mailboxes,
            stop_within: Duration::from_secs(30),
            _dir: dir,
        }
    }

    fn deliver(&self, address: &str, count: usize) {
        self.server.inbox(address, |inbox| {
            for _ in 0..count {
                let name = format!("{}.{address}", inbox.next_uid);
                let mail = format!("Message-ID: <{name}>\r\nFrom: a@b.example\r\nSubject: {name}\r\n\r\nText\r\n");
                inbox.deliver(mail, NOW);
            }
        });
    }

    fn start(&self, mode: Mode) -> Running {
        let driver = Driver {
            store: self.store.clone(),
            lines: vec![
                Arc::new(Reading {
                    store: self.store.clone(),
                    clock: self.clock.clone(),
                    budget: Budget::new(1 << 24),
                    sources: Arc::new(self.server.clone()),
                }),
                Arc::new(Sending::new(
                    self.store.clone(),
                    self.clock.clone(),
                    Budget::new(1 << 24),
                    Arc::new(self.post.clone()),
                )),
            ],
            clock: self.clock.clone(),
            node: NodeId::generate(NOW),
            logins: LoginRate::new(10_000),
            mode,
            settings: self.settings.subscribe(),
            hints: self.hints.clone(),
            progress: self.progress.clone(),
            stop_within: self.stop_within,
        };
        Tasks::new().spawn("driver", driver.run(self.stop.clone()))
    }

    async fn once(&self) -> Summary {
        self.start(Mode::Once).await.unwrap().unwrap()
    }

    async fn state(&self, address: &str) -> WorkloadState {
        self.mailbox(address).await.incoming
    }

    async fn mailbox(&self, address: &str) -> Mailbox {
        let records = self.store.records().await.unwrap();
        let id = self.mailboxes[address];
        records.mailboxes.into_iter().find(|(mailbox, _)| mailbox.id == id).unwrap().0
    }

    /// A mail from `address` to two people, queued now.
    async fn queue(&self, address: &str, subject: &str) -> ActivityId {
        self.queue_after(address, subject, self.clock.now()).await
    }

    async fn queue_after(&self, address: &str, subject: &str, send_after: Timestamp) -> ActivityId {
        let to = |position: u32| Party {
            role: PartyRole::To,
            address: format!("{position}.{subject}@there.example"),
            display_name: String::new(),
        };
        let mail = NewMail {
            id: ActivityId::generate(self.clock.now()),
            mailbox: self.mailboxes[address],
            send_as: None,
            subject: subject.to_owned(),
            text: Some("Text".to_owned()),
            html: None,
            parties: vec![to(0), to(1)],
            content: NewContent::Draft(Vec::new()),
            answers: None,
            send_after: Some(send_after),
            idempotency_key: None,
        };
        self.store.queue_mail(&mail, self.clock.now()).await.unwrap()
    }

    async fn status(&self, mail: ActivityId) -> ActivityStatus {
        self.store.activity(mail).await.unwrap().unwrap().row.status
    }

    async fn wait(&self, what: &str, mut is_so: impl AsyncFnMut(&Self) -> bool) {
        for _ in 0..6_000 {
            if is_so(self).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited in vain: {what}");
    }

    async fn polled(&self, address: &str, times: usize) {
        let what = format!("{times} polls of {address}");
        self.wait(&what, async |world| world.server.inbox(address, |inbox| inbox.times(Step::Look)) >= times).await;
    }

    /// Nothing is leased any more.
    async fn assert_released(&self) {
        let all: Vec<MailboxId> = self.mailboxes.values().copied().collect();
        for workload in [Workload::Incoming, Workload::Outgoing] {
            let (node, ttl) = (NodeId::generate(NOW), Duration::from_secs(60));
            let claimed = self.store.claim(workload, node, &all, self.clock.now(), ttl).await.unwrap();
            assert_eq!(claimed.len(), all.len());
        }
    }
}

fn three_profiles() -> Vec<ServerProfile> {
    ["a", "b", "c"].map(sending_profile).to_vec()
}

/// A profile that reads and sends.
fn sending_profile(name: &str) -> ServerProfile {
    let host = format!("smtp.{name}.example");
    let outgoing = Endpoint { host, port: 465, security: Security::Tls, auth: AuthMethod::Auto };
    ServerProfile { outgoing: Some(outgoing), ..profile(name, &format!("{name}.example"), NOW) }
}

/// The same mailbox, allowed to send.
fn sender(mailbox: Mailbox) -> Mailbox {
    let outgoing = WorkloadState { enabled: true, ..WorkloadState::default() };
    Mailbox { outgoing_method: SyncMethod::ServerSideSync, outgoing, ..mailbox }
}

fn refusal(code: FailureCode, scope: Scope, persistence: Persistence) -> Fault {
    Fault::Refuse(Failure::new(code, scope, persistence, "no"))
}
