//! A mailbox of its own in a database, its Inbox on a simulated server, and what became of both.

use std::{
    collections::BTreeMap,
    future::{Ready, ready},
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
        ids::{MailboxId, NodeId},
        lease::Claimed,
        mailbox::Workload,
        profile::ServerProfile,
        record::{CredentialSource, RecordChange},
        report::CycleReport,
        rules::ReceiveRules,
        timestamp::Timestamp,
    },
    receive::{
        cycle::receive,
        policy::{ReceivePolicy, Steps},
    },
};
use tokio_util::sync::CancellationToken;

use super::database::Database;
use crate::support::{
    records::{mailbox, profile},
    sim_server::{SimInbox, SimServer, SimSource},
};

/// What these cycles do with a source that is not needed any more: they leave it.
pub fn leave(_: SimSource, _: bool) -> Ready<()> {
    ready(())
}

/// When everything happens, unless the clock is moved.
pub const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
/// Before this nothing is recorded.
pub const START: Timestamp = Timestamp::from_seconds(1_780_000_000);

static WORLDS: AtomicU32 = AtomicU32::new(0);

pub struct World {
    pub database: Arc<Database>,
    pub server: SimServer,
    pub context: Context,
    pub policy: ReceivePolicy,
    pub mailbox: MailboxId,
    pub address: String,
    /// Tells this world's mail from that of the others in the database.
    pub name: String,
    node: NodeId,
}

impl World {
    /// A new mailbox, never polled.
    pub async fn new(database: &Arc<Database>) -> Self {
        let name = format!("w{}", WORLDS.fetch_add(1, Ordering::Relaxed));
        let clock = Clock::manual(NOW);
        let store = database.store.clone();
        let context = Context { store, clock, budget: Budget::new(1 << 20), stop: CancellationToken::new() };
        let profile = ServerProfile { process_email_from: Some(START), ..profile(&name, "imap.example.org", NOW) };
        let address = format!("{name}@example.org");
        let mailbox = mailbox(&address, profile.id, NOW);
        let steps =
            Steps { batch_messages: 2, batch_bytes: 20_000, window: 100, maximum_batches: 100, ..Steps::default() };
        let rules = ReceiveRules { maximum_message_size: 10_000, ..ReceiveRules::default() };
        let policy = ReceivePolicy::new(&profile, &mailbox, Arc::new(rules), steps);
        let id = mailbox.id;
        let changes = [
            RecordChange::PutProfile(profile, CredentialSource::Stored),
            RecordChange::PutMailbox(Box::new(mailbox), CredentialSource::Stored),
        ];
        context.store.apply(&changes, &Actor::Configuration, NOW).await.unwrap();
        let world = Self {
            database: Arc::clone(database),
            server: SimServer::new(),
            context,
            policy,
            mailbox: id,
            address,
            name,
            node: NodeId::generate(NOW),
        };
        world.inbox(|_| ());
        world
    }

    /// A second mailbox in the same database, whose mail has the same names.
    pub async fn beside(other: &Self) -> Self {
        let mut world = Self::new(&other.database).await;
        world.name = other.name.clone();
        world
    }

    pub fn inbox<T>(&self, change: impl FnOnce(&mut SimInbox) -> T) -> T {
        self.server.inbox(&self.address, change)
    }

    /// A mail with Message-ID and Date; its subject is made of the world's name and `subject`.
    pub fn mail(&self, subject: &str) -> String {
        format!(
            "Message-ID: <{subject}.{name}@example.org>\r\nDate: Mon, 14 Sep 2026 10:00:00 +0000\r\n{rest}",
            name = self.name,
            rest = self.plain_mail(subject),
        )
    }

    /// One without either.
    pub fn plain_mail(&self, subject: &str) -> String {
        format!(
            "From: Ann <ann@example.org>\r\nTo: {}\r\nSubject: {} {subject}\r\n\r\nText of {subject}.\r\n",
            self.address, self.name,
        )
    }

    /// Delivers [`World::mail`]s, minutes apart.
    pub fn deliver(&self, subjects: &[&str]) {
        for subject in subjects {
            let raw = self.mail(subject);
            self.inbox(|inbox| {
                let at = NOW.minus(Duration::from_secs(86_400 - 60 * inbox.messages.len() as u64));
                inbox.deliver(raw, at)
            });
        }
    }

    /// Takes the mailbox's lease, as the schedule would.
    pub async fn claim(&self) -> Claimed {
        let store = &self.context.store;
        store.release_node(self.node).await.unwrap();
        let claimed = store
            .claim(Workload::Incoming, self.node, &[self.mailbox], self.context.clock.now(), Duration::from_secs(60))
            .await
            .unwrap();
        claimed.into_iter().next().expect("the mailbox can be claimed")
    }

    pub fn source(&self) -> SimSource {
        self.server.source(&self.address)
    }

    /// One whole cycle, with a connection and a lease of its own.
    pub async fn cycle(&self) -> CycleReport {
        let claimed = self.claim().await;
        receive(&self.context, &claimed, &self.policy, self.source(), leave).await
    }

    /// A cycle that must not fail.
    pub async fn good_cycle(&self) -> CycleReport {
        let report = self.cycle().await;
        assert_eq!(report.failure, None, "{report:?}");
        report
    }

    /// The ledger, one line a message: `uid_validity.generation/uid verdict reason subject`.
    pub async fn ledger(&self) -> Vec<String> {
        let rows = self.database.rows(LEDGER, &self.mailbox.to_string()).await;
        rows.into_iter().map(|row| self.anonymous(&row)).collect()
    }

    /// The ledger of the present generation, without its numbers: `uid verdict reason subject`.
    pub async fn present(&self) -> Vec<String> {
        let claimed = self.claim().await;
        let cursor = claimed.cursor.expect("there is a cursor");
        let prefix = format!("{}.{}/", cursor.uid_validity, cursor.generation);
        let ledger = self.ledger().await;
        ledger.iter().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
    }

    /// All activities of this world's mail: subject, parties, attachments, whether the source is kept.
    pub async fn activities(&self) -> Vec<String> {
        let rows = self.database.rows(ACTIVITIES, &format!("{} %", self.name)).await;
        rows.into_iter().map(|row| self.anonymous(&row)).collect()
    }

    pub async fn cursor(&self) -> Vec<String> {
        self.database.rows(CURSOR, &self.mailbox.to_string()).await
    }

    /// The marker of what is being parsed: `first last attempts`.
    pub async fn marker(&self) -> Option<String> {
        self.database.rows(MARKER, &self.mailbox.to_string()).await.pop()
    }

    /// Everything that two worlds with the same history must have in common.
    pub async fn everything(&self) -> BTreeMap<&'static str, Vec<String>> {
        BTreeMap::from([
            ("ledger", self.ledger().await),
            ("activities", self.activities().await),
            ("cursor", self.cursor().await),
        ])
    }

    fn anonymous(&self, row: &str) -> String {
        row.replace(&format!("{} ", self.name), "")
    }
}

const LEDGER: &str = "SELECT CAST(l.uid_validity AS TEXT) || '.' || CAST(l.generation AS TEXT) || '/' || \
    CAST(l.uid AS TEXT) || ' ' || l.verdict || coalesce(' ' || l.reason, '') || coalesce(' ' || l.failure_code, '') || \
    coalesce(' ' || a.subject, '') FROM inbox_ledger l LEFT JOIN email_activities a ON a.id = l.activity \
    WHERE CAST(l.mailbox AS TEXT) = $1 ORDER BY l.generation, l.uid";

const ACTIVITIES: &str = "SELECT a.subject || ' parties ' || CAST((SELECT count(*) FROM email_parties p \
    WHERE p.activity = a.id) AS TEXT) || ' attachments ' || CAST((SELECT count(*) FROM email_attachments t \
    WHERE t.activity = a.id) AS TEXT) || CASE WHEN s.sha256 IS NULL THEN ' without source' ELSE '' END \
    FROM email_activities a LEFT JOIN email_sources s ON s.sha256 = a.source WHERE a.subject LIKE $1 \
    ORDER BY a.subject";

const CURSOR: &str = "SELECT CAST(uid_validity AS TEXT) || ' ' || CAST(generation AS TEXT) || ' ' || \
    CAST(last_uid AS TEXT) || ' ' || CAST(message_count AS TEXT) || ' ' || coalesce(CAST(compared_at AS TEXT), '-') || \
    ' ' || CAST(starting_point AS TEXT) || ' ' || CAST(starts_over AS TEXT) || ' ' || \
    coalesce(CAST(in_flight_first AS TEXT), '-') FROM inbox_cursors WHERE CAST(mailbox AS TEXT) = $1";

const MARKER: &str = "SELECT CAST(in_flight_first AS TEXT) || ' ' || CAST(in_flight_last AS TEXT) || ' ' || \
    CAST(in_flight_attempts AS TEXT) FROM inbox_cursors WHERE CAST(mailbox AS TEXT) = $1 AND in_flight_first IS NOT NULL";
