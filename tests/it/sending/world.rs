//! A mailbox of its own in a database, its outbox, the server that it sends through.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use mailsyncd::{
    base::clock::Clock,
    means::{Context, budget::Budget},
    model::{
        audit::Actor,
        ids::{ActivityId, MailboxId, NodeId},
        lease::Claimed,
        mailbox::{SyncMethod, Workload, WorkloadState},
        message::{Party, PartyRole},
        outbox::{InDoubt, NewContent, NewMail},
        profile::{AuthMethod, Endpoint, Security, ServerProfile},
        record::{CredentialSource, RecordChange},
        report::SendReport,
        rules::SendRules,
        timestamp::Timestamp,
    },
    send::{
        cycle::send,
        policy::{SendPolicy, SendSteps},
    },
};
use tokio_util::sync::CancellationToken;

use super::server::{Fault, Sent, Server};
use crate::{
    cycle::database::Database,
    support::records::{mailbox, profile},
};

/// When everything begins.
pub const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

static WORLDS: AtomicU32 = AtomicU32::new(0);

pub struct World {
    pub database: Arc<Database>,
    pub server: Server,
    pub context: Context,
    pub policy: SendPolicy,
    pub mailbox: MailboxId,
    /// Begins the subjects of this world's mail.
    pub name: String,
    node: NodeId,
    queued: u32,
}

impl World {
    /// A mailbox with an empty outbox.
    pub async fn new(database: &Arc<Database>, sent: Sent, in_doubt: InDoubt) -> Self {
        Self::saving(database, sent, in_doubt, false).await
    }

    /// As [`World::new`]; with `save_to_sent`, or not.
    pub async fn saving(database: &Arc<Database>, sent: Sent, in_doubt: InDoubt, save_to_sent: bool) -> Self {
        let name = format!("s{}", WORLDS.fetch_add(1, Ordering::Relaxed));
        let store = database.store.clone();
        let clock = Clock::manual(NOW);
        let context = Context { store, clock, budget: Budget::new(1 << 24), stop: CancellationToken::new() };
        let outgoing = Endpoint {
            host: "smtp.example.org".to_owned(),
            port: 465,
            security: Security::Tls,
            auth: AuthMethod::Auto,
        };
        let profile =
            ServerProfile { outgoing: Some(outgoing), save_to_sent, ..profile(&name, "imap.example.org", NOW) };
        let mut mailbox = mailbox(&format!("{name}@example.org"), profile.id, NOW);
        mailbox.outgoing_method = SyncMethod::ServerSideSync;
        mailbox.outgoing = WorkloadState { enabled: true, ..WorkloadState::default() };
        let rules = SendRules { in_doubt, ..SendRules::default() };
        let steps = SendSteps { mails: 2, ..SendSteps::default() };
        let policy = SendPolicy::new(&profile, &mailbox, &rules, steps).expect("the profile sends");
        let id = mailbox.id;
        let changes = [
            RecordChange::PutProfile(profile, CredentialSource::Stored),
            RecordChange::PutMailbox(Box::new(mailbox), CredentialSource::Stored),
        ];
        context.store.apply(&changes, &Actor::Configuration, NOW).await.unwrap();
        Self {
            database: Arc::clone(database),
            server: Server::new(sent),
            context,
            policy,
            mailbox: id,
            name,
            node: NodeId::generate(NOW),
            queued: 0,
        }
    }

    /// Queues a mail to each of `recipients` (local parts).
    pub async fn queue(&mut self, subject: &str, recipients: &[&str]) -> ActivityId {
        self.queued += 1;
        let at = NOW.plus(Duration::from_micros(u64::from(self.queued)));
        let party = |local: &&str| Party {
            role: PartyRole::To,
            address: format!("{local}@example.net"),
            display_name: String::new(),
        };
        let mail = NewMail {
            id: ActivityId::generate(at),
            mailbox: self.mailbox,
            send_as: None,
            subject: format!("{} {subject}", self.name),
            text: Some(format!("Text of {subject}.\n")),
            html: None,
            parties: recipients.iter().map(party).collect(),
            content: NewContent::Draft(Vec::new()),
            answers: None,
            send_after: None,
            idempotency_key: None,
        };
        self.context.store.queue_mail(&mail, at).await.unwrap()
    }

    pub fn script(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.server.state().script.extend(faults);
    }

    pub fn pass(&self, span: Duration) {
        self.context.clock.set(self.context.clock.now().plus(span));
    }

    /// Takes the mailbox's lease, as the schedule would.
    pub async fn claim(&self) -> Claimed {
        let (store, now) = (&self.context.store, self.context.clock.now());
        store.release_node(self.node).await.unwrap();
        let ttl = Duration::from_secs(60);
        let claimed = store.claim(Workload::Outgoing, self.node, &[self.mailbox], now, ttl).await.unwrap();
        claimed.into_iter().next().expect("the mailbox can be claimed")
    }

    /// One whole cycle, under a lease of its own.
    pub async fn cycle(&self) -> SendReport {
        let claimed = self.claim().await;
        send(&self.context, &claimed, &self.policy, &self.server).await
    }

    /// Cycles, with time between them, until nothing is left that a cycle could do.
    pub async fn to_the_end(&self) {
        for _ in 0..20 {
            self.cycle().await;
            self.pass(Duration::from_secs(700));
            if self.mails().await.iter().all(|mail| !mail.contains(" pending_send") && !mail.contains(" sending")) {
                return;
            }
        }
        panic!("still not at rest: {:#?}", self.mails().await);
    }

    /// Every mail: `subject status failure attempts`.
    pub async fn mails(&self) -> Vec<String> {
        self.rows(MAILS).await
    }

    /// Every recipient: `subject > address result`.
    pub async fn recipients(&self) -> Vec<String> {
        self.rows(RECIPIENTS).await
    }

    /// Open alerts of the mails: `subject code severity`.
    pub async fn alerts(&self) -> Vec<String> {
        self.rows(ALERTS).await
    }

    /// Open alerts of the mailbox: `code severity`.
    pub async fn mailbox_alerts(&self) -> Vec<String> {
        self.rows(MAILBOX_ALERTS).await
    }

    /// How often each mail reached each recipient.
    pub fn received(&self) -> BTreeMap<String, u32> {
        let mut times = BTreeMap::new();
        for one in &self.server.state().received {
            *times.entry(one.replace(&format!("{} ", self.name), "").replace("@example.net", "")).or_default() += 1;
        }
        times
    }

    async fn rows(&self, sql: &'static str) -> Vec<String> {
        let rows = self.database.rows(sql, &self.mailbox.to_string()).await;
        rows.into_iter().map(|row| row.replace(&format!("{} ", self.name), "").replace("@example.net", "")).collect()
    }
}

const MAILS: &str = "SELECT subject || ' ' || status || coalesce(' ' || failure_code, '') || ' ' || \
    CAST(delivery_attempts AS TEXT) FROM email_activities WHERE CAST(mailbox AS TEXT) = $1 ORDER BY subject";

const RECIPIENTS: &str = "SELECT a.subject || ' > ' || p.address || ' ' || coalesce(p.result, '-') || \
    coalesce(' ' || CAST(p.reply_code AS TEXT), '') FROM email_activities a JOIN email_parties p ON p.activity = a.id \
    WHERE CAST(a.mailbox AS TEXT) = $1 AND p.role = 'to' ORDER BY a.subject, p.position";

const ALERTS: &str = "SELECT a.subject || ' ' || l.code || ' ' || l.severity FROM alerts l JOIN email_activities a \
    ON l.subject = a.id WHERE CAST(a.mailbox AS TEXT) = $1 AND l.closed_at IS NULL ORDER BY a.subject";

const MAILBOX_ALERTS: &str = "SELECT code || ' ' || severity FROM alerts WHERE CAST(subject AS TEXT) = $1 AND \
    closed_at IS NULL ORDER BY code";
