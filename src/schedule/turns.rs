//! Who may start next: limits per profile, per host and over everything, in fair turns. Pure.
//!
//! A profile with due mailboxes stands in one line: in `queue`, or, where its host is full, in
//! that host's `waiting`. One mailbox starts per turn, the longest due first; then the profile
//! goes to the end. So neither a large profile nor a slow one keeps the others from their slots.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use crate::model::{
    ids::{MailboxId, ProfileId},
    lease::ProfileHold,
    profile::{AuthenticateUsing, ServerProfile},
    rules::Limits,
    timestamp::Timestamp,
};

/// What the schedule needs to know of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileTerms {
    /// Which profile.
    pub id: ProfileId,
    /// The host mail is read from, lower case.
    pub host: String,
    /// From the end of one poll to the next.
    pub interval: Duration,
    /// Cycles that may run at a time over all its mailboxes; `None`: counted per mailbox, of which
    /// each runs one.
    pub together: Option<u32>,
}

impl ProfileTerms {
    /// The terms of `profile`.
    pub fn of(profile: &ServerProfile) -> Self {
        let together = match profile.authenticate_using {
            AuthenticateUsing::Mailbox => None,
            AuthenticateUsing::Profile => Some(u32::from(profile.maximum_concurrent_connections).max(1)),
        };
        Self {
            id: profile.id,
            host: profile.incoming.host.to_ascii_lowercase(),
            interval: profile.minimum_polling_interval,
            together,
        }
    }
}

/// A profile in the schedule.
#[derive(Debug)]
struct Line {
    terms: ProfileTerms,
    /// Its due mailboxes that do not run, the longest due first.
    ready: BTreeSet<(Timestamp, MailboxId)>,
    running: u32,
    hold: Option<ProfileHold>,
    /// The mailbox that tries, while the profile is held, whether the host is back.
    probe: Option<MailboxId>,
    /// Whether it stands in a queue.
    queued: bool,
}

impl Line {
    fn startable(&self, now: Timestamp) -> bool {
        let within_limit = self.terms.together.is_none_or(|together| self.running < together);
        let free = match &self.hold {
            None => true,
            Some(hold) => hold.until <= now && self.probe.is_none(),
        };
        within_limit && free && !self.ready.is_empty()
    }
}

#[derive(Debug, Default)]
struct Host {
    running: u32,
    waiting: VecDeque<ProfileId>,
}

/// The profiles, their due mailboxes and the slots these may take.
#[derive(Debug, Default)]
pub(super) struct Turns {
    limits: Limits,
    lines: BTreeMap<ProfileId, Line>,
    hosts: BTreeMap<String, Host>,
    queue: VecDeque<ProfileId>,
    /// When held profiles may be probed.
    hold_ends: BTreeSet<(Timestamp, ProfileId)>,
    running: u32,
}

impl Turns {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        let waiting = self.hosts.values_mut().flat_map(|host| host.waiting.drain(..));
        self.queue.extend(waiting);
    }

    pub(super) fn running(&self) -> u32 {
        self.running
    }

    pub(super) fn knows(&self, profile: ProfileId) -> bool {
        self.lines.contains_key(&profile)
    }

    pub(super) fn interval(&self, profile: ProfileId) -> Option<Duration> {
        self.lines.get(&profile).map(|line| line.terms.interval)
    }

    pub(super) fn intervals(&self) -> Vec<(ProfileId, Duration)> {
        self.lines.iter().map(|(id, line)| (*id, line.terms.interval)).collect()
    }

    /// Takes over the terms of a profile; returns whether its polls now lie closer together.
    pub(super) fn put_terms(&mut self, terms: ProfileTerms, now: Timestamp) -> bool {
        let id = terms.id;
        let Some(line) = self.lines.get_mut(&id) else {
            let line = Line { terms, ready: BTreeSet::new(), running: 0, hold: None, probe: None, queued: false };
            self.lines.insert(id, line);
            return false;
        };
        if line.terms.host != terms.host {
            let running = line.running;
            if let Some(old) = self.hosts.get_mut(&line.terms.host) {
                old.running = old.running.saturating_sub(running);
                if let Some(at) = old.waiting.iter().position(|waiting| *waiting == id) {
                    old.waiting.remove(at);
                    line.queued = false;
                }
            }
            self.hosts.entry(terms.host.clone()).or_default().running += running;
        }
        let closer = terms.interval < line.terms.interval;
        line.terms = terms;
        self.enqueue(id, now);
        closer
    }

    /// Forgets the profiles that `keep` does not name and that have no mailbox running.
    pub(super) fn retain(&mut self, keep: &BTreeSet<ProfileId>) {
        self.lines.retain(|id, line| keep.contains(id) || line.running > 0);
        let lines = &self.lines;
        self.hold_ends.retain(|(_, id)| lines.contains_key(id));
        self.queue.retain(|id| lines.contains_key(id));
        for host in self.hosts.values_mut() {
            host.waiting.retain(|id| lines.contains_key(id));
        }
        self.hosts.retain(|_, host| host.running > 0 || !host.waiting.is_empty());
    }

    /// A mailbox is due.
    pub(super) fn ready(&mut self, profile: ProfileId, due: Timestamp, mailbox: MailboxId, now: Timestamp) {
        if let Some(line) = self.lines.get_mut(&profile) {
            line.ready.insert((due, mailbox));
            self.enqueue(profile, now);
        }
    }

    /// A due mailbox is not due any more.
    pub(super) fn unready(&mut self, profile: ProfileId, due: Timestamp, mailbox: MailboxId) {
        if let Some(line) = self.lines.get_mut(&profile) {
            line.ready.remove(&(due, mailbox));
        }
    }

    /// The next mailbox to start, if there is one and a slot for it; the slot is taken.
    pub(super) fn start_next(&mut self, now: Timestamp) -> Option<MailboxId> {
        while self.running < self.limits.connections {
            let id = self.queue.pop_front()?;
            let Some(line) = self.lines.get_mut(&id) else { continue };
            line.queued = false;
            let startable = line.startable(now);
            let host = self.hosts.entry(line.terms.host.clone()).or_default();
            if !startable {
                // It does not use the slot that it was called for: the next one of its host may.
                self.queue.extend(host.waiting.pop_front());
                continue;
            }
            if host.running >= self.limits.connections_per_host {
                line.queued = true;
                host.waiting.push_back(id);
                continue;
            }
            let (_, mailbox) = line.ready.pop_first()?;
            line.running += 1;
            host.running += 1;
            self.running += 1;
            if line.hold.is_some() {
                line.probe = Some(mailbox);
            }
            self.enqueue(id, now);
            return Some(mailbox);
        }
        None
    }

    /// Gives a slot back; returns whether it was the probe's.
    pub(super) fn ended(&mut self, profile: ProfileId, mailbox: MailboxId, now: Timestamp) -> bool {
        let Some(line) = self.lines.get_mut(&profile) else { return false };
        self.running = self.running.saturating_sub(1);
        line.running = line.running.saturating_sub(1);
        let was_probe = line.probe.take_if(|probe| *probe == mailbox).is_some();
        if let Some(host) = self.hosts.get_mut(&line.terms.host) {
            host.running = host.running.saturating_sub(1);
            self.queue.extend(host.waiting.pop_front());
        }
        self.enqueue(profile, now);
        was_probe
    }

    pub(super) fn hold(&self, profile: ProfileId) -> Option<&ProfileHold> {
        self.lines.get(&profile)?.hold.as_ref()
    }

    pub(super) fn put_hold(&mut self, profile: ProfileId, hold: ProfileHold) {
        let Some(line) = self.lines.get_mut(&profile) else { return };
        if let Some(old) = line.hold.take() {
            self.hold_ends.remove(&(old.until, profile));
        }
        self.hold_ends.insert((hold.until, profile));
        line.hold = Some(hold);
    }

    /// Ends a hold and hands out the mailboxes that waited for it: they are not ready any more.
    pub(super) fn release(&mut self, profile: ProfileId) -> BTreeSet<(Timestamp, MailboxId)> {
        let Some(line) = self.lines.get_mut(&profile) else { return BTreeSet::new() };
        line.probe = None;
        let Some(hold) = line.hold.take() else { return BTreeSet::new() };
        self.hold_ends.remove(&(hold.until, profile));
        std::mem::take(&mut line.ready)
    }

    pub(super) fn held(&self) -> Vec<ProfileId> {
        self.lines.iter().filter(|(_, line)| line.hold.is_some()).map(|(id, _)| *id).collect()
    }

    /// Calls the profiles whose hold has come to its probe.
    pub(super) fn advance(&mut self, now: Timestamp) {
        while let Some(&(until, profile)) = self.hold_ends.first()
            && until <= now
        {
            self.hold_ends.pop_first();
            self.enqueue(profile, now);
        }
    }

    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        self.hold_ends.first().map(|(until, _)| *until)
    }

    fn enqueue(&mut self, profile: ProfileId, now: Timestamp) {
        if let Some(line) = self.lines.get_mut(&profile)
            && !line.queued
            && line.startable(now)
        {
            line.queued = true;
            self.queue.push_back(profile);
        }
    }
}
