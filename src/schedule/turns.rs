//! Who may start next: limits per profile, per host and over everything, in fair turns. Pure.
//!
//! A side of a profile with due mailboxes stands in one line: in `queue`, or, where its host is
//! full, in that host's `waiting`. One mailbox starts per turn, the longest due first; then the side
//! goes to the end. So neither a large profile nor a slow one keeps the others from their slots, and
//! neither does reading keep sending.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use super::{
    breaker::Breaker,
    duty::{Duty, Peer, Side},
    heard::{Sign, concerns_server},
    strain::Strain,
};
use crate::model::{
    ids::MailboxId,
    lease::ProfileHold,
    mailbox::Workload,
    profile::{AuthenticateUsing, ServerProfile},
    rules::Limits,
    timestamp::Timestamp,
};

/// What the schedule needs to know of a side of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileTerms {
    /// Which side of which profile.
    pub side: Side,
    /// The server it talks to.
    pub peer: Peer,
    /// From the end of one poll to the next; zero for what is not polled.
    pub interval: Duration,
    /// Cycles of this side that may run at a time over all its mailboxes; `None`: counted per mailbox, of which
    /// each runs one.
    pub together: Option<u32>,
    /// How many of its mailboxes got through a cycle within the last day.
    pub let_in: usize,
}

impl ProfileTerms {
    /// The terms of `profile` for `workload`, of which `let_in` mailboxes worked within the last day; `None`:
    /// it has no server for that.
    pub fn of(workload: Workload, profile: &ServerProfile, let_in: usize) -> Option<Self> {
        let (endpoint, interval) = match workload {
            Workload::Incoming => (&profile.incoming, profile.minimum_polling_interval),
            // Mail is sent when there is some, not every so often.
            Workload::Outgoing => (profile.outgoing.as_ref()?, Duration::ZERO),
        };
        let together = match profile.authenticate_using {
            AuthenticateUsing::Mailbox => None,
            AuthenticateUsing::Profile => Some(u32::from(profile.maximum_concurrent_connections).max(1)),
        };
        let peer = Peer { host: endpoint.host.to_ascii_lowercase(), port: endpoint.port };
        Some(Self { side: Side::new(workload, profile.id), peer, interval, together, let_in })
    }
}

/// A side of a profile in the schedule.
#[derive(Debug)]
struct Line {
    terms: ProfileTerms,
    /// Its due mailboxes that do not run, the longest due first.
    ready: BTreeSet<(Timestamp, MailboxId)>,
    running: u32,
    hold: Option<ProfileHold>,
    /// Whether it stands in a queue.
    queued: bool,
}

impl Line {
    /// `probed`: a mailbox tries already whether its server is back.
    fn startable(&self, probed: bool, now: Timestamp) -> bool {
        let within_limit = self.terms.together.is_none_or(|together| self.running < together);
        let free = self.hold.as_ref().is_none_or(|hold| hold.until <= now && !probed);
        within_limit && free && !self.ready.is_empty()
    }

    /// Whether it waits for its server, and not for something of its own.
    fn waits_for_server(&self) -> bool {
        self.hold.as_ref().is_some_and(|hold| concerns_server(hold.code))
    }
}

/// What is known of a server, by all sides that talk to it.
#[derive(Debug, Default)]
struct Known {
    breaker: Breaker,
    /// The one that tries, for all of them, whether it is back.
    probe: Option<(Side, MailboxId)>,
}

#[derive(Debug, Default)]
struct Host {
    running: u32,
    waiting: VecDeque<Side>,
    /// Cycles that may run at a time, where the host said that there were too many; grows back.
    most: Option<u32>,
}

/// The sides, their due mailboxes and the slots these may take.
#[derive(Debug, Default)]
pub(super) struct Turns {
    limits: Limits,
    lines: BTreeMap<Side, Line>,
    hosts: BTreeMap<String, Host>,
    peers: BTreeMap<Peer, Known>,
    queue: VecDeque<Side>,
    /// When held sides may be probed.
    hold_ends: BTreeSet<(Timestamp, Side)>,
    running: u32,
    /// Fewer than the limits allow, where the machine gives too little.
    strain: Strain,
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

    pub(super) fn knows(&self, side: Side) -> bool {
        self.lines.contains_key(&side)
    }

    pub(super) fn interval(&self, side: Side) -> Option<Duration> {
        self.lines.get(&side).map(|line| line.terms.interval)
    }

    pub(super) fn intervals(&self) -> Vec<(Side, Duration)> {
        self.lines.iter().map(|(side, line)| (*side, line.terms.interval)).collect()
    }

    /// Takes over the terms of a side; returns whether its polls now lie closer together.
    pub(super) fn put_terms(&mut self, terms: ProfileTerms, now: Timestamp) -> bool {
        let side = terms.side;
        let Some(line) = self.lines.get_mut(&side) else {
            let line = Line { terms, ready: BTreeSet::new(), running: 0, hold: None, queued: false };
            self.lines.insert(side, line);
            return false;
        };
        if line.terms.peer != terms.peer
            && let Some(known) = self.peers.get_mut(&line.terms.peer)
        {
            // Whatever it finds, it finds of the server that was.
            known.probe.take_if(|(of, _)| *of == side);
        }
        if line.terms.peer.host != terms.peer.host {
            let running = line.running;
            if let Some(old) = self.hosts.get_mut(&line.terms.peer.host) {
                old.running = old.running.saturating_sub(running);
                if let Some(at) = old.waiting.iter().position(|waiting| *waiting == side) {
                    old.waiting.remove(at);
                    line.queued = false;
                }
            }
            self.hosts.entry(terms.peer.host.clone()).or_default().running += running;
        }
        let closer = terms.interval < line.terms.interval;
        line.terms = terms;
        self.enqueue(side, now);
        closer
    }

    /// Forgets the sides for `workload` that `keep` does not name and that have no mailbox running.
    pub(super) fn retain(&mut self, workload: Workload, keep: &BTreeSet<Side>) {
        self.lines.retain(|side, line| side.workload != workload || keep.contains(side) || line.running > 0);
        let lines = &self.lines;
        self.hold_ends.retain(|(_, side)| lines.contains_key(side));
        self.queue.retain(|side| lines.contains_key(side));
        for host in self.hosts.values_mut() {
            host.waiting.retain(|side| lines.contains_key(side));
        }
        self.hosts.retain(|_, host| host.running > 0 || !host.waiting.is_empty() || host.most.is_some());
        let named: BTreeSet<&Peer> = lines.values().map(|line| &line.terms.peer).collect();
        self.peers.retain(|peer, _| named.contains(peer));
    }

    /// A mailbox is due.
    pub(super) fn ready(&mut self, side: Side, due: Timestamp, mailbox: MailboxId, now: Timestamp) {
        if let Some(line) = self.lines.get_mut(&side) {
            line.ready.insert((due, mailbox));
            self.enqueue(side, now);
        }
    }

    /// A due mailbox is not due any more.
    pub(super) fn unready(&mut self, side: Side, due: Timestamp, mailbox: MailboxId) {
        if let Some(line) = self.lines.get_mut(&side) {
            line.ready.remove(&(due, mailbox));
        }
    }

    /// The next mailbox to start, if there is one and a slot for it; the slot is taken.
    pub(super) fn start_next(&mut self, now: Timestamp) -> Option<Duty> {
        while self.running < self.strain.most(self.limits.connections, now) {
            let side = self.queue.pop_front()?;
            let Some(line) = self.lines.get_mut(&side) else { continue };
            line.queued = false;
            let known = self.peers.entry(line.terms.peer.clone()).or_default();
            let startable = line.startable(known.probe.is_some(), now);
            let host = self.hosts.entry(line.terms.peer.host.clone()).or_default();
            if !startable {
                // It does not use the slot that it was called for: the next one of its host may.
                self.queue.extend(host.waiting.pop_front());
                continue;
            }
            if host.running >= host.most.unwrap_or(u32::MAX).min(self.limits.connections_per_host) {
                line.queued = true;
                host.waiting.push_back(side);
                continue;
            }
            let (_, mailbox) = line.ready.pop_first()?;
            line.running += 1;
            host.running += 1;
            self.running += 1;
            if line.hold.is_some() {
                known.probe = Some((side, mailbox));
            }
            self.enqueue(side, now);
            return Some(Duty::new(side.workload, mailbox));
        }
        None
    }

    /// Gives a slot back; returns whether it was the probe's.
    pub(super) fn ended(&mut self, side: Side, mailbox: MailboxId, now: Timestamp) -> bool {
        let Some(line) = self.lines.get_mut(&side) else { return false };
        self.running = self.running.saturating_sub(1);
        line.running = line.running.saturating_sub(1);
        let peer = line.terms.peer.clone();
        if let Some(host) = self.hosts.get_mut(&peer.host) {
            host.running = host.running.saturating_sub(1);
            self.queue.extend(host.waiting.pop_front());
        }
        let known = self.peers.entry(peer.clone()).or_default();
        let was_probe = known.probe.take_if(|probe| *probe == (side, mailbox)).is_some();
        if was_probe {
            self.sides_of(&peer).into_iter().for_each(|side| self.enqueue(side, now));
        }
        self.enqueue(side, now);
        was_probe
    }

    /// Takes a sign of the server of `side` in; says whether all must leave it alone now.
    pub(super) fn opens(&mut self, side: Side, mailbox: MailboxId, sign: Sign, now: Timestamp) -> bool {
        let Some(line) = self.lines.get(&side) else { return false };
        self.peers.entry(line.terms.peer.clone()).or_default().breaker.opens(mailbox, sign, now)
    }

    /// This machine has too little for what runs, and for the one that just ended.
    pub(super) fn short(&mut self, now: Timestamp) {
        self.strain.short(self.running.saturating_add(1), now);
    }

    /// Since when fewer run because of that.
    pub(super) fn strained_since(&self) -> Option<Timestamp> {
        self.strain.since()
    }

    /// The host of `side` finds that there are too many of us: half as many at a time.
    pub(super) fn slow_down(&mut self, side: Side) {
        let limit = self.limits.connections_per_host;
        if let Some(line) = self.lines.get(&side) {
            let host = self.hosts.entry(line.terms.peer.host.clone()).or_default();
            host.most = Some((host.most.unwrap_or(limit).min(limit) / 2).max(1));
        }
    }

    /// A mailbox got through at the host of `side`: one more at a time.
    pub(super) fn speed_up(&mut self, side: Side) {
        let limit = self.limits.connections_per_host;
        let Some(line) = self.lines.get(&side) else { return };
        let Some(host) = self.hosts.get_mut(&line.terms.peer.host) else { return };
        let Some(most) = host.most else { return };
        host.most = Some(most.saturating_add(1)).filter(|most| *most < limit);
        self.queue.extend(host.waiting.pop_front());
    }

    fn sides_of(&self, peer: &Peer) -> Vec<Side> {
        self.lines.iter().filter(|(_, line)| line.terms.peer == *peer).map(|(side, _)| *side).collect()
    }

    /// All sides that talk to the same server as `side`, itself too.
    pub(super) fn neighbours(&self, side: Side) -> Vec<Side> {
        self.lines.get(&side).map_or(Vec::new(), |line| self.sides_of(&line.terms.peer))
    }

    /// Whether `side` waits for its server.
    pub(super) fn waits_for_server(&self, side: Side) -> bool {
        self.lines.get(&side).is_some_and(Line::waits_for_server)
    }

    /// Its terms.
    pub(super) fn terms(&self, side: Side) -> Option<&ProfileTerms> {
        self.lines.get(&side).map(|line| &line.terms)
    }

    /// How many of its mailboxes are due.
    pub(super) fn ready_count(&self, side: Side) -> usize {
        self.lines.get(&side).map_or(0, |line| line.ready.len())
    }

    /// How fast log-ins may begin at one host, per second.
    pub(super) fn login_rate(&self) -> u32 {
        self.limits.logins_per_host_per_second.max(1)
    }

    pub(super) fn hold(&self, side: Side) -> Option<&ProfileHold> {
        self.lines.get(&side)?.hold.as_ref()
    }

    pub(super) fn put_hold(&mut self, side: Side, hold: ProfileHold) {
        let Some(line) = self.lines.get_mut(&side) else { return };
        if let Some(old) = line.hold.take() {
            self.hold_ends.remove(&(old.until, side));
        }
        self.hold_ends.insert((hold.until, side));
        line.hold = Some(hold);
    }

    /// Ends a hold and hands out the mailboxes that waited for it: they are not ready any more.
    pub(super) fn release(&mut self, side: Side) -> BTreeSet<(Timestamp, MailboxId)> {
        let Some(line) = self.lines.get_mut(&side) else { return BTreeSet::new() };
        if let Some(known) = self.peers.get_mut(&line.terms.peer) {
            known.breaker.reset();
        }
        let Some(hold) = line.hold.take() else { return BTreeSet::new() };
        self.hold_ends.remove(&(hold.until, side));
        std::mem::take(&mut line.ready)
    }

    pub(super) fn held(&self) -> Vec<Side> {
        self.lines.iter().filter(|(_, line)| line.hold.is_some()).map(|(side, _)| *side).collect()
    }

    /// Calls the sides whose hold has come to its probe.
    pub(super) fn advance(&mut self, now: Timestamp) {
        while let Some(&(until, side)) = self.hold_ends.first()
            && until <= now
        {
            self.hold_ends.pop_first();
            self.enqueue(side, now);
        }
    }

    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        let hold_end = self.hold_ends.first().map(|(until, _)| *until);
        [hold_end, self.strain.next_wake()].into_iter().flatten().min()
    }

    fn enqueue(&mut self, side: Side, now: Timestamp) {
        if let Some(line) = self.lines.get_mut(&side)
            && !line.queued
            && line.startable(self.peers.get(&line.terms.peer).is_some_and(|known| known.probe.is_some()), now)
        {
            line.queued = true;
            self.queue.push_back(side);
        }
    }
}
