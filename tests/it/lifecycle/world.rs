//! A database, its files, and the steps that commands, tests and cycles make in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use mailsyncd::{
    admin::{declared::reconcile, edit::Desk, error::AdminError, selection::Selection},
    base::{clock::Clock, secret::Kek},
    config::Config,
    model::{
        activity::Fence,
        audit::Actor,
        ids::{ActivityId, NodeId},
        lease::{Claimed, LEASE_TTL},
        mailbox::{Mailbox, MailboxKind},
        message::{Party, PartyRole},
        outbox::{NewContent, NewMail},
        rules::{FailureRules, Limits, Polling},
        timestamp::Timestamp,
    },
    schedule::{
        agenda::{Agenda, Event, Mode, ProfileTerms, Refreshed},
        duty::Duty,
    },
    store::{AlertFilter, AuditFilter, Store},
};
use tempfile::TempDir;

use super::rules::{Did, Facts, Snapshot, WORKLOADS, forbidden};
use crate::sim::chance::Chance;

const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
pub const QUEUE: &str = "queue@contoso.example";
pub const USER: &str = "user@contoso.example";
pub const FORWARD: &str = "forward@contoso.example";
pub const DECLARED: &str = "declared@contoso.example";

/// What the file says of the declared mailbox; `None`: it is not declared.
pub const DECLARATIONS: [Option<&str>; 6] = [
    None,
    Some("enabled = true"),
    Some("enabled = true\napproved = true"),
    Some("enabled = false"),
    Some("enabled = \"test\"\napproved = true"),
    Some("outgoing = \"none\"\napproved = false"),
];

pub struct World {
    pub chance: Chance,
    pub store: Store,
    pub config: Config,
    pub clock: Clock,
    pub rules: FailureRules,
    pub declared: Option<&'static str>,
    pub running: BTreeMap<Duty, Claimed>,
    agenda: Agenda,
    /// What was scheduled when that was last looked at.
    pub entries: BTreeSet<Duty>,
    node: NodeId,
    pub seen: Facts,
    pub tally: Tally,
    pub history: Vec<String>,
    directory: TempDir,
}

/// How much happened: rules that are never put to the test hold always.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub began: usize,
    pub complete: usize,
    pub failed: usize,
    pub proven: usize,
    pub felled: usize,
}

pub fn root() -> Actor {
    Actor::CommandLine("root".to_owned())
}

pub fn one(mailbox: &Mailbox) -> Selection {
    Selection::Addresses(vec![mailbox.email_address.clone()])
}

impl World {
    /// A queue's, a user's and a forward mailbox made by command, on an IMAP profile, beside which there is a
    /// POP3 profile; mail waits to be sent from each that sends.
    pub async fn new(store: Store, seed: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Kek::create(&directory.path().join("key")).unwrap();
        let mut world = Self {
            chance: Chance::new(seed << 32),
            store,
            config: load(&directory, None),
            clock: Clock::manual(START),
            // Few enough that a short history reaches the end of them.
            rules: FailureRules {
                maximum_transient: 3,
                transient_grace: Duration::from_secs(3_600),
                ..FailureRules::default()
            },
            declared: None,
            running: BTreeMap::new(),
            agenda: Agenda::new(Mode::Daemon, Limits::default(), Polling::default()),
            entries: BTreeSet::new(),
            node: NodeId::generate(START),
            seen: Facts::default(),
            tally: Tally::default(),
            history: Vec::new(),
            directory,
        };
        let imap =
            [("incoming_host", "imap.contoso.example"), ("outgoing_host", "smtp.contoso.example"), ("default", "true")];
        let pop3 = [
            ("server_type", "pop3_smtp"),
            ("incoming_host", "pop.contoso.example"),
            ("outgoing_host", "smtp.contoso.example"),
        ];
        world.edit(|desk| desk.add_profile("imap", &imap)).await.unwrap();
        world.edit(|desk| desk.add_profile("pop3", &pop3)).await.unwrap();
        for (kind, name, address) in [(MailboxKind::Queue, "Support", QUEUE), (MailboxKind::User, "Ada", USER)] {
            world.edit(|desk| desk.add_owner(kind, name, &[("email_address", address)], true)).await.unwrap();
        }
        world.edit(|desk| desk.add_mailbox(FORWARD, &[("kind", "forward"), ("outgoing", "none")])).await.unwrap();
        world.declare(DECLARATIONS[1]).await.unwrap();
        for mailbox in world.facts().await.mailboxes.into_values().filter(|it| it.kind != MailboxKind::Forward) {
            world.store.queue_mail(&mail(&mailbox), START).await.unwrap();
        }
        world.seen = world.facts().await;
        world
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A command of this kind; how many changes it made.
    pub async fn edit<P: Into<mailsyncd::admin::edit::Plan>>(
        &self,
        decide: impl Fn(&Desk<'_>) -> Result<P, AdminError>,
    ) -> Result<usize, AdminError> {
        let edited = mailsyncd::admin::edit::edit(&self.store, &self.config, &self.clock, &root(), decide).await?;
        Ok(edited.changes.len())
    }

    /// Writes another file and reads it, as a reload does.
    pub async fn declare(&mut self, says: Option<&'static str>) -> Result<usize, AdminError> {
        (self.config, self.declared) = (load(&self.directory, says), says);
        Ok(reconcile(&self.store, &self.config, &self.clock).await?.lines.len())
    }

    /// What an error says, wherever the files lie.
    pub fn words(&self, error: &AdminError) -> String {
        error.to_string().replace(&*self.directory.path().to_string_lossy(), "")
    }

    pub async fn facts(&self) -> Facts {
        let records = self.store.records().await.unwrap();
        let mut scheduled = BTreeSet::new();
        for workload in WORKLOADS {
            let entries = self.store.schedule_entries(workload).await.unwrap();
            scheduled.extend(entries.into_iter().map(|entry| Duty::new(workload, entry.mailbox)));
        }
        let all = AuditFilter { subjects: None, since: Timestamp::EPOCH, limit: 1_000_000 };
        Facts {
            mailboxes: records.mailboxes.into_iter().map(|(mailbox, _)| (mailbox.id, mailbox)).collect(),
            profiles: records.profiles.into_iter().map(|(it, _)| (it.id, (it.server_type, it.active))).collect(),
            scheduled,
            open_alerts: self.store.alerts(&AlertFilter::default()).await.unwrap(),
            audit_rows: self.store.audit(&all).await.unwrap().len(),
        }
    }

    /// What the driver does now and then: what it schedules is as old as this.
    pub async fn refresh(&mut self) {
        let (profiles, now) = (self.store.profiles().await.unwrap(), self.now());
        self.entries.clear();
        for workload in WORKLOADS {
            let entries = self.store.schedule_entries(workload).await.unwrap();
            self.entries.extend(entries.iter().map(|entry| Duty::new(workload, entry.mailbox)));
            let profiles = profiles.iter().filter(|it| it.active);
            let profiles = profiles.filter_map(|it| ProfileTerms::of(workload, it, 0)).collect();
            let refreshed = Refreshed { workload, entries, profiles, holds: Vec::new() };
            let _starts = self.agenda.on(Event::Refreshed(refreshed), now);
        }
    }

    /// Claims what was scheduled when that was last looked at, and begins a cycle unless the agenda objects.
    pub async fn begin(&mut self, duty: Duty) -> Did {
        let mut did = Did::default();
        if self.running.contains_key(&duty) || !self.entries.contains(&duty) {
            return did;
        }
        let (now, ids) = (self.now(), [duty.mailbox]);
        let claimed = self.store.claim(duty.workload, self.node, &ids, now, LEASE_TTL).await.unwrap().pop();
        let Some(claimed) = claimed else { return did };
        // Due or not is not the question here.
        let mut due = claimed.mailbox.clone();
        for state in [&mut due.incoming, &mut due.outgoing] {
            (state.postponed_until, state.next_due_at) = (None, None);
        }
        if self.agenda.objection(duty.workload, &due, &self.rules, now).is_none() {
            did.began = Some(duty);
            self.running.insert(duty, claimed);
        } else {
            self.give_back(claimed.fence, &claimed.mailbox).await;
        }
        did
    }

    async fn give_back(&self, fence: Fence, mailbox: &Mailbox) {
        let state = mailbox.state(fence.workload).clone();
        let settlement = mailsyncd::model::lease::Settlement { fence, state, alerts: Vec::new() };
        self.store.settle(&[settlement], self.now()).await.unwrap();
    }

    /// Looks at what a step did; its words go into the history.
    pub async fn check(&mut self, words: String, did: &Did) -> Result<(), String> {
        self.history.push(words);
        let after = self.facts().await;
        let settings = self.config.email_settings.clone();
        assert!(settings.approve_users && settings.approve_queues, "what the rules say of approval");
        let approval_required = |kind| kind != MailboxKind::Forward;
        let snapshot = Snapshot { before: &self.seen, did, after: &after, approval_required };
        let wrong = forbidden(&snapshot);
        let ended = did.ended.as_ref();
        self.tally.began += usize::from(did.began.is_some());
        self.tally.complete += usize::from(ended.is_some_and(|end| end.failure.is_none()));
        self.tally.failed += usize::from(ended.is_some_and(|end| end.failure.is_some()));
        self.tally.proven += did.proven.len();
        self.tally.felled += after.mailboxes.values().filter(|it| is_felled(it)).count();
        self.seen = after;
        wrong.map_or(Ok(()), |wrong| Err(format!("{wrong}\n{}", self.history.join("\n"))))
    }
}

fn is_felled(mailbox: &Mailbox) -> bool {
    [&mailbox.incoming, &mailbox.outgoing].into_iter().any(|it| !it.enabled && it.failure_code.is_some())
}

fn load(directory: &TempDir, says: Option<&str>) -> Config {
    let declared = says.map(|says| {
        let kind = format!("[[queue]]\nname = \"Declared\"\nemail_address = \"{DECLARED}\"\n");
        format!("{kind}[[mailbox]]\nemail_address = \"{DECLARED}\"\nowner = \"queue:Declared\"\nprofile = \"filed\"\n{says}\n")
    });
    let text = format!(
        "[secrets]\nkey_file = \"key\"\n[email_settings]\noutgoing = \"server_side_sync\"\n[[profile]]\nname = \"filed\"\n\
         incoming = {{ host = \"imap.filed.example\" }}\noutgoing = {{ host = \"smtp.filed.example\" }}\n{}",
        declared.unwrap_or_default()
    );
    let file = directory.path().join("mailsyncd.toml");
    fs::write(&file, text).unwrap();
    Config::load_with(&file, None).unwrap()
}

fn mail(mailbox: &Mailbox) -> NewMail {
    let to = Party { role: PartyRole::To, address: "to@example.com".to_owned(), display_name: String::new() };
    NewMail {
        id: ActivityId::generate(START),
        mailbox: mailbox.id,
        send_as: None,
        subject: "waits".to_owned(),
        text: Some("the text".to_owned()),
        html: None,
        parties: vec![to],
        content: NewContent::Draft(Vec::new()),
        answers: None,
        send_after: None,
        idempotency_key: None,
    }
}
