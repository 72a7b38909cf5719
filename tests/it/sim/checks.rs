//! The invariants, and what is remembered for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mailsyncd::{
    model::{
        ids::MailboxId,
        lease::{Claimed, ScheduleEntry},
        mailbox::Workload,
        profile::AuthenticateUsing,
        report::Report,
        timestamp::Timestamp,
    },
    schedule::{
        backoff::Outcome,
        duty::{Duty, Side},
    },
    store::ActivityFilter,
};

use super::world::World;

/// Spread, a dead node's lease and the tries in between: no mailbox is called late before.
const PATIENCE: Duration = Duration::from_secs(240);

#[derive(Default)]
pub struct Checks {
    subjects: u32,
    /// Every mail there ever was.
    delivered: BTreeSet<String>,
    /// Removed, or never given by the server: recorded or not.
    may_be_missing: BTreeSet<String>,
    /// Hidden once: may show below the cursor.
    late: BTreeSet<(String, u32)>,
    /// UIDVALIDITY, generation and last UID when last seen.
    cursors: BTreeMap<MailboxId, (u32, u32, u32)>,
    /// When each mailbox that does not run is due, as the outcome of its last cycle said.
    due: BTreeMap<Duty, Timestamp>,
    /// How many cycles have started since it was first seen to be late.
    late_since: BTreeMap<Duty, usize>,
    starts: usize,
    /// What was started while its side was held.
    probes: BTreeSet<Duty>,
    history: Vec<String>,
    outcomes: BTreeMap<&'static str, u32>,
    recorded: u64,
}

impl Checks {
    pub fn new_subject(&mut self) -> String {
        self.subjects += 1;
        format!("mail-{}", self.subjects)
    }

    pub fn delivered(&mut self, subject: &str) {
        self.delivered.insert(subject.to_owned());
    }

    pub fn may_be_missing(&mut self, raw: &[u8]) {
        let text = String::from_utf8_lossy(raw);
        let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap();
        self.may_be_missing.insert(subject.to_owned());
    }

    pub fn hidden(&mut self, address: &str, uid: u32) {
        self.late.insert((address.to_owned(), uid));
    }

    /// UIDs mean other messages now, and these do not show yet.
    pub fn renumbered(&mut self, address: &str, hidden: Vec<u32>) {
        self.late.retain(|(of, _)| of != address);
        self.late.extend(hidden.into_iter().map(|uid| (address.to_owned(), uid)));
    }

    pub fn started(&mut self, duty: Duty) {
        self.starts += 1;
        self.due.remove(&duty);
        self.late_since.remove(&duty);
    }

    pub fn restarted(&mut self, now: Timestamp) {
        self.probes.clear();
        self.late_since.clear();
        self.due.values_mut().for_each(|due| *due = (*due).max(now));
        *self.outcomes.entry("restarted").or_default() += 1;
    }

    /// The outbox was looked into: what is late is what is due by the outbox itself.
    pub fn looked(&mut self, entries: &[ScheduleEntry], now: Timestamp, runs: impl Fn(Duty) -> bool) {
        let named: BTreeMap<Duty, Timestamp> = entries
            .iter()
            .map(|entry| (Duty::new(Workload::Outgoing, entry.mailbox), entry.due.unwrap_or(now)))
            .filter(|(duty, _)| !runs(*duty))
            .collect();
        self.due.retain(|duty, _| duty.workload == Workload::Incoming || named.contains_key(duty));
        for (duty, due) in named {
            let known = self.due.entry(duty).or_insert(now);
            if due > now {
                *known = due;
            }
        }
    }

    pub fn ended(&mut self, now: Timestamp, duty: Duty, report: &Report, outcome: &Outcome) {
        let (name, due) = match outcome {
            Outcome::Polled { due, .. } => ("polled", Some(*due)),
            Outcome::Emptied => ("emptied", None),
            Outcome::More(due) => ("more", Some(*due)),
            Outcome::Postponed(until) => ("postponed", Some(*until)),
            Outcome::Disabled => ("disabled", None),
            Outcome::ProfileFailed(_) => ("profile failed", Some(now)),
            Outcome::Interrupted => ("interrupted", Some(now)),
        };
        if let Some(due) = due {
            self.due.insert(duty, due);
        }
        *self.outcomes.entry(name).or_default() += 1;
        if let Report::Received(report) = report {
            self.recorded += report.recorded;
        }
        self.history.push(format!("{now} {duty:?} {name} {report:?}"));
    }
}

impl World {
    /// What happened, in order.
    pub fn history(&self) -> &[String] {
        &self.checks.history
    }

    pub fn tally(&self) -> String {
        let Checks { recorded, starts, outcomes, .. } = &self.checks;
        let (sent, post) = (self.post.taken().len(), &self.post_tally);
        format!(
            "{starts} cycles, {recorded} activities, {sent} mails taken, {post} of {}, {outcomes:?}, limits {:?}",
            self.written.len(),
            self.limits
        )
    }

    /// How many mails the servers took without our hearing of it.
    pub fn answers_lost(&self) -> usize {
        self.post.taken().iter().filter(|mail| !mail.told).count()
    }

    /// A simulation in which nothing happens proves nothing.
    pub fn assert_that_much_happened(&self, steps: u32) {
        let outcomes = &self.checks.outcomes;
        assert!(self.checks.recorded > u64::from(steps) / 10, "{}", self.tally());
        assert!(self.post.taken().len() > steps as usize / 30, "{}", self.tally());
        for name in ["polled", "emptied", "more", "postponed", "profile failed", "restarted", "probes"] {
            assert!(outcomes.contains_key(name), "{name} never happened: {}", self.tally());
        }
    }

    /// I1, I2 and I5, for a mailbox that is about to run.
    pub async fn check_claimed(&mut self, duty: Duty, claimed: &Claimed) {
        let (mailbox, now) = (&claimed.mailbox, self.now());
        let state = mailbox.state(duty.workload);
        assert!(state.enabled, "I5: a disabled mailbox runs");
        assert!(state.postponed_until.is_none_or(|until| until <= now), "I5: a postponed mailbox runs");

        let (Workload::Incoming, Some(cursor)) = (duty.workload, &claimed.cursor) else { return };
        let seen = (cursor.uid_validity.get(), cursor.generation, cursor.last_uid);
        if let Some(before) = self.checks.cursors.insert(mailbox.id, seen) {
            let same = (before.0, before.1) == (seen.0, seen.1);
            assert!(if same { before.2 <= seen.2 } else { before.1 < seen.1 }, "I2: {before:?} became {seen:?}");
        }
        self.check_recorded(claimed).await;
    }

    /// I9: at a server that somebody waits for, one cycle at a time finds out whether it is back.
    pub fn check_probe(&mut self, duty: Duty) {
        let server = |duty: Duty| {
            let profile = &self.profiles[&self.inbox_of(duty.mailbox).profile];
            let endpoint = match duty.workload {
                Workload::Incoming => &profile.incoming,
                Workload::Outgoing => profile.outgoing.as_ref().unwrap(),
            };
            (endpoint.host.clone(), endpoint.port)
        };
        if !self.agenda.held().contains(&Side::new(duty.workload, self.inbox_of(duty.mailbox).profile)) {
            return;
        }
        let others: Vec<Duty> = self.checks.probes.iter().copied().filter(|probe| self.runs(*probe)).collect();
        for other in &others {
            assert_ne!(server(*other), server(duty), "I9: {duty:?} probes while {other:?} does");
        }
        self.checks.probes = others.into_iter().chain([duty]).collect();
        *self.checks.outcomes.entry("probes").or_default() += 1;
    }

    /// I1: every message at or below the cursor has its row (the database keeps it to one).
    async fn check_recorded(&self, claimed: &Claimed) {
        let (Some(cursor), address) = (&claimed.cursor, &claimed.mailbox.email_address) else { return };
        let rows = self.store().ledger_uids(claimed.mailbox.id, cursor, 1, cursor.last_uid.max(1)).await.unwrap();
        let rows: BTreeSet<u32> = rows.into_iter().map(|uid| uid.get()).collect();
        let (uid_validity, there) = self.server.inbox(address, |inbox| {
            let shown = inbox.messages.values().filter(|message| !message.hidden).map(|message| message.uid);
            (inbox.uid_validity, shown.collect::<Vec<u32>>())
        });
        if uid_validity != cursor.uid_validity.get() {
            return;
        }
        for uid in there.into_iter().filter(|uid| *uid <= cursor.last_uid) {
            let late = self.checks.late.contains(&(address.clone(), uid));
            assert!(late || rows.contains(&uid), "I1: UID {uid} of {address} has no row below {cursor:?}");
        }
    }

    /// I6.
    pub fn check_limits(&self) {
        let mut hosts: BTreeMap<&str, u32> = BTreeMap::new();
        let mut profiles: BTreeMap<_, u32> = BTreeMap::new();
        for (duty, inbox) in self.running() {
            let profile = &self.profiles[&inbox.profile];
            let endpoint = match duty.workload {
                Workload::Incoming => &profile.incoming,
                Workload::Outgoing => profile.outgoing.as_ref().unwrap(),
            };
            *hosts.entry(&endpoint.host).or_default() += 1;
            *profiles.entry((inbox.profile, duty.workload)).or_default() += 1;
        }
        let all: u32 = hosts.values().sum();
        assert!(all <= self.limits.connections, "I6: {all} connections");
        for (host, count) in hosts {
            assert!(count <= self.limits.connections_per_host, "I6: {count} connections to {host}");
        }
        for ((id, _), count) in profiles {
            let profile = &self.profiles[&id];
            let counted = profile.authenticate_using == AuthenticateUsing::Profile;
            let most = u32::from(profile.maximum_concurrent_connections);
            assert!(!counted || count <= most, "I6: {count} connections of {}", profile.name);
        }
    }

    /// I7: a mailbox that is late starts before each of the others has started a few times.
    pub fn check_nobody_starves(&mut self) {
        let (now, held, paused) = (self.now(), self.agenda.held(), self.is_paused());
        let late: Vec<(Duty, Timestamp)> =
            self.checks.due.iter().filter(|(_, due)| due.plus(PATIENCE) < now).map(|(id, due)| (*id, *due)).collect();
        for (duty, due) in late {
            if paused || held.contains(&Side::new(duty.workload, self.inbox_of(duty.mailbox).profile)) {
                // It waits for a reason; its time begins when that is gone.
                self.checks.late_since.remove(&duty);
                self.checks.due.insert(duty, now);
                continue;
            }
            let starts = self.checks.starts;
            let waited = starts - *self.checks.late_since.entry(duty).or_insert(starts);
            assert!(waited <= 4 * self.inboxes.len(), "I7: {duty:?} is due since {due}, {waited} others started");
            let idle = self.running().next().is_none() && now.since(due) > 3 * PATIENCE;
            assert!(!idle, "I7: {duty:?} is due since {due} and nothing runs at {now}");
        }
    }

    /// I8: everything drained, nothing lost, nothing doubled.
    pub async fn check_the_end(&mut self, calm_since: Timestamp) {
        assert_eq!(self.store().check().await.unwrap(), Vec::<String>::new());
        for workload in [Workload::Incoming, Workload::Outgoing] {
            assert_eq!(self.store().holds(workload).await.unwrap(), [], "I8: a hold is left");
        }
        self.check_the_post().await;
        self.store().release_node(self.node()).await.unwrap();
        let all: Vec<MailboxId> = self.inboxes.iter().map(|inbox| inbox.id).collect();
        let claimed = self
            .store()
            .claim(Workload::Incoming, self.node(), &all, self.now(), Duration::from_secs(60))
            .await
            .unwrap();
        assert_eq!(claimed.len(), all.len());
        self.checks.late.clear();
        for claimed in &claimed {
            let (state, address) = (&claimed.mailbox.incoming, &claimed.mailbox.email_address);
            assert!(state.last_success_at > Some(calm_since), "I8: {address} was not polled: {state:?}");
            assert!(state.enabled && state.failure_code.is_none(), "I8: {address} still fails: {state:?}");
            let cursor = claimed.cursor.as_ref().unwrap();
            let last = self.server.inbox(address, |inbox| inbox.messages.keys().next_back().copied());
            assert!(cursor.last_uid >= last.unwrap_or(0), "I8: {address} did not drain");
            self.check_recorded(claimed).await;
        }
        let filter = ActivityFilter { limit: 1_000_000, ..ActivityFilter::default() };
        let mut activities = self.store().activities(&filter).await.unwrap();
        activities.retain(|activity| activity.direction == "incoming");
        let subjects: BTreeSet<String> = activities.iter().map(|activity| activity.subject.clone()).collect();
        assert_eq!(subjects.len(), activities.len(), "a mail is recorded twice");
        assert!(subjects.is_subset(&self.checks.delivered));
        let lost: Vec<_> = self
            .checks
            .delivered
            .difference(&subjects)
            .filter(|it| !self.checks.may_be_missing.contains(*it))
            .collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
    }
}
