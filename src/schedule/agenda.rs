//! When what runs for which mailbox: a value that takes events and says what to start. Pure.
//!
//! ```text
//!            due                slot               Finished
//! waiting ─────────▶ ready ─────────────▶ running ─────────▶ waiting | gone
//!    ▲  Hinted ────────▲                      │ ClaimLost
//!    └────────────────────────────────────────┘
//! ```
//!
//! Reading is due again and again, by the profile's interval; sending where the outbox holds mail:
//! a mailbox without any is not known here. Both share the slots.
//!
//! It knows due times, never tasks. What is written to the database is decided in
//! [`backoff`](super::backoff) and written by the driver; the agenda follows.

mod evidence;
mod landing;
mod refresh;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

pub use super::turns::ProfileTerms;
use super::{
    backoff::{Outcome, Traffic},
    duty::{Duty, Side},
    heard::Heard,
    machine::Machine,
    storm::Storm,
    turns::Turns,
    waits,
};
use crate::model::{
    failure::FailureCode,
    ids::{MailboxId, ProfileId},
    lease::{ProfileHold, ScheduleEntry},
    mailbox::{Approval, Mailbox, Workload},
    rules::{FailureRules, Limits, Polling},
    testing::uses,
    timestamp::Timestamp,
};

/// First polls after a start, and polls after a hold, are spread over at most this.
const SPREAD: Duration = Duration::from_secs(120);
/// Polls of one mailbox never follow each other faster, even where the interval is 0.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// A clock that goes back by more was set; what lies between is measuring.
const SET_BACK: Duration = Duration::from_secs(60);
/// A single run waits so long for a mailbox that must be left alone before it goes on, as after a log-in.
pub const ONCE_WAITS: Duration = Duration::from_secs(60);
/// Quiet polls in a row after which the interval is doubled, and doubled again.
const QUIET_POLLS: u8 = 4;

/// What the agenda is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Mailboxes are polled again and again.
    Daemon,
    /// Every mailbox is brought up to date, and its outbox emptied, at once and once.
    Once,
}

/// What the database says about the schedule of one workload.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// Which one.
    pub workload: Workload,
    /// Every mailbox that may be polled, or that has mail to send.
    pub entries: Vec<ScheduleEntry>,
    /// This side of every active profile.
    pub profiles: Vec<ProfileTerms>,
    /// The profiles whose side is held.
    pub holds: Vec<(ProfileId, ProfileHold)>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The database was read.
    Refreshed(Refreshed),
    /// Somebody knows of new mail, or asks for a poll.
    Hinted(Duty),
    /// A cycle ended, and this was heard of its server.
    Finished(Duty, Outcome, Heard),
    /// The mailbox could not be started: another node has its lease.
    ClaimLost(Duty),
    /// The mailbox could not be started: its due time in the database is another one by now.
    Moved(Duty, Option<Timestamp>),
    /// The daemon itself is in trouble: nothing may start.
    Paused,
    /// It is well again.
    Resumed,
    /// The configuration changed.
    LimitsChanged(Limits, Polling),
    /// The end: nothing starts any more.
    Stopping,
    /// Time has passed.
    Woke,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run a cycle.
    Start(Duty),
    /// Write the hold of this side of a profile.
    Hold(Side, ProfileHold),
    /// Delete it.
    Release(Side),
    /// Take back what mailboxes of this side were charged since then for failures with these codes.
    TakeBack(Side, &'static [FailureCode], Timestamp),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting,
    Ready,
    Running,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    Paused,
    Stopping,
}

/// One workload of one mailbox. There are many of these: keep it small.
#[derive(Clone, Debug)]
struct Entry {
    profile: ProfileId,
    /// When it is next to run, here.
    due: Timestamp,
    /// When it is due by the database, as far as known.
    stored: Option<Timestamp>,
    /// No hint makes it run before.
    hint_floor: Timestamp,
    /// The refresh that named it last.
    generation: u32,
    phase: Phase,
    /// A hint came while it ran.
    hinted: bool,
    /// Polls in a row that found nothing.
    quiet: u8,
    /// Claims in a row that failed.
    unclaimed: u8,
}

impl Entry {
    fn side(&self, duty: Duty) -> Side {
        Side::new(duty.workload, self.profile)
    }
}

/// The schedule.
#[derive(Debug)]
pub struct Agenda {
    mode: Mode,
    polling: Polling,
    entries: BTreeMap<Duty, Entry>,
    /// What waits for its time.
    timeline: BTreeSet<(Timestamp, Duty)>,
    turns: Turns,
    /// Refused log-ins of the last minutes.
    storms: BTreeMap<Side, Storm>,
    machine: Machine,
    trouble: Option<FailureCode>,
    gate: Gate,
    generation: u32,
    /// The workloads that were refreshed, and how many mailboxes each is scheduled for.
    scheduled: BTreeMap<Workload, usize>,
    skipped: usize,
    /// The time of the last event.
    latest: Timestamp,
}

impl Agenda {
    /// An empty schedule.
    pub fn new(mode: Mode, limits: Limits, polling: Polling) -> Self {
        Self {
            mode,
            polling,
            entries: BTreeMap::new(),
            timeline: BTreeSet::new(),
            turns: Turns::new(limits),
            storms: BTreeMap::new(),
            machine: Machine::default(),
            trouble: None,
            gate: Gate::Open,
            generation: 0,
            scheduled: BTreeMap::new(),
            skipped: 0,
            latest: Timestamp::EPOCH,
        }
    }

    /// Takes one event at `now` and says what to do. Never looks at a clock.
    pub fn on(&mut self, event: Event, now: Timestamp) -> Vec<Command> {
        let mut commands = Vec::new();
        if now.plus(SET_BACK) < self.latest {
            self.clock_was_set_back(now);
        }
        self.latest = now;
        match event {
            Event::Refreshed(refreshed) => self.refreshed(refreshed, now),
            Event::Hinted(duty) => self.hinted(duty, now),
            Event::Finished(duty, outcome, heard) => self.finished(duty, outcome, heard, now, &mut commands),
            Event::ClaimLost(duty) => self.claim_lost(duty, now),
            Event::Moved(duty, stored) => self.moved(duty, stored, now),
            Event::LimitsChanged(limits, polling) => {
                self.turns.set_limits(limits);
                self.polling = polling;
            }
            Event::Paused => self.shut(Gate::Paused),
            Event::Resumed => self.shut(Gate::Open),
            Event::Stopping => self.shut(Gate::Stopping),
            Event::Woke => {}
        }
        self.advance(now, &mut commands);
        commands
    }

    /// When to say [`Event::Woke`] if nothing else happens; `None`: nothing waits for time.
    pub fn next_wake(&self) -> Option<Timestamp> {
        if self.gate != Gate::Open {
            return None;
        }
        let due = self.timeline.first().map(|(due, _)| *due);
        [due, self.turns.next_wake()].into_iter().flatten().min()
    }

    /// What lies between the polls of `mailbox`, after one with this `traffic`: the profile's
    /// interval, stretched where the mailbox is idle and `idle_maximum` allows it.
    pub fn interval(&self, mailbox: MailboxId, traffic: Traffic) -> Duration {
        let duty = Duty::new(Workload::Incoming, mailbox);
        let entry = self.entries.get(&duty);
        let interval = entry.and_then(|entry| self.turns.interval(entry.side(duty))).unwrap_or(SPREAD);
        let interval = interval.max(SHORTEST_INTERVAL);
        let quiet = match traffic {
            Traffic::Busy => 0,
            Traffic::Quiet => entry.map_or(0, |entry| entry.quiet.saturating_add(1)),
        };
        let stretched = interval.saturating_mul(1 << (u32::from(quiet) / u32::from(QUIET_POLLS)).min(16));
        self.polling.idle_maximum.map_or(interval, |most| stretched.min(most).max(interval))
    }

    /// For how many mailboxes `workload` is scheduled.
    pub fn scheduled(&self, workload: Workload) -> usize {
        self.scheduled.get(&workload).copied().unwrap_or(0)
    }

    /// Everything that is scheduled.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is scheduled: the end of [`Mode::Once`].
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many cycles run.
    pub fn running(&self) -> u32 {
        self.turns.running()
    }

    /// What a mailbox's row, read with its lease, says against running `workload` now: somebody else
    /// postponed, disabled, rejected or polled it since the last refresh. The event is to be told instead.
    /// A postponement that is longer than `rules` make any is of a clock that ran ahead.
    pub fn objection(
        &self,
        workload: Workload,
        claimed: &Mailbox,
        rules: &FailureRules,
        now: Timestamp,
    ) -> Option<Event> {
        let (duty, state) = (Duty::new(workload, claimed.id), claimed.state(workload));
        let latest = now.plus(waits::longest(state, rules));
        let postponed = state.postponed_until.filter(|until| *until > now);
        let due = state.next_due_at.max(state.postponed_until);
        let stored = self.entries.get(&duty).and_then(|entry| entry.stored);
        let approved = matches!(claimed.approval, Approval::Approved | Approval::Empty);
        if !state.enabled || !claimed.active || !approved || !uses(claimed, workload) {
            Some(Event::Finished(duty, Outcome::Disabled, Heard::Nothing))
        } else if let Some(until) = postponed.filter(|until| *until <= latest) {
            Some(Event::Finished(duty, Outcome::Postponed(until), Heard::Nothing))
        } else if self.mode == Mode::Daemon && postponed.is_none() && due != stored && due.is_some_and(|due| due > now)
        {
            Some(Event::Moved(duty, due))
        } else if claimed.profile.is_none_or(|profile| !self.turns.knows(Side::new(workload, profile))) {
            Some(Event::Finished(duty, Outcome::Interrupted, Heard::Nothing))
        } else {
            None
        }
    }

    /// The sides of profiles that are held.
    pub fn held(&self) -> Vec<Side> {
        self.turns.held()
    }

    /// What is wrong with this machine, by what is heard of all servers.
    pub const fn trouble(&self) -> Option<FailureCode> {
        self.trouble
    }

    /// The hosts that show it, in words.
    pub fn trouble_words(&self) -> String {
        self.trouble.map_or_else(String::new, |trouble| self.machine.words(trouble))
    }

    /// Since when fewer cycles run than the limits allow because this machine gives too little.
    pub fn strained_since(&self) -> Option<Timestamp> {
        self.turns.strained_since()
    }

    /// Whether the server refuses everybody of `side`: then no refusal is charged to a mailbox.
    pub fn is_in_a_storm(&self, side: Side) -> bool {
        self.turns.hold(side).is_some_and(|hold| hold.code == FailureCode::AuthMassRefused)
    }

    /// How many mailboxes [`Mode::Once`] left out: their profile is held, another node has them, or
    /// what is left in them must be read slowly.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    fn shut(&mut self, gate: Gate) {
        if self.gate != Gate::Stopping {
            self.gate = gate;
        }
    }

    /// Moves what is due from the timeline to the slots, and starts what they have room for.
    fn advance(&mut self, now: Timestamp, commands: &mut Vec<Command>) {
        while let Some(&(due, duty)) = self.timeline.first()
            && due <= now
        {
            self.timeline.pop_first();
            if let Some(entry) = self.entries.get_mut(&duty) {
                entry.phase = Phase::Ready;
                self.turns.ready(entry.side(duty), due, duty.mailbox, now);
            }
        }
        self.turns.advance(now);
        while self.gate == Gate::Open
            && let Some(duty) = self.turns.start_next(now)
        {
            if let Some(entry) = self.entries.get_mut(&duty) {
                entry.phase = Phase::Running;
                commands.push(Command::Start(duty));
            }
        }
    }

    /// Takes a mailbox that does not run out of its queue.
    fn unschedule(&mut self, duty: Duty) {
        let Some(entry) = self.entries.get(&duty) else { return };
        match entry.phase {
            Phase::Waiting => {
                self.timeline.remove(&(entry.due, duty));
            }
            Phase::Ready => self.turns.unready(entry.side(duty), entry.due, duty.mailbox),
            Phase::Running => {}
        }
    }

    fn schedule(&mut self, duty: Duty, due: Timestamp) {
        self.unschedule(duty);
        if let Some(entry) = self.entries.get_mut(&duty) {
            entry.due = due;
            entry.phase = Phase::Waiting;
            self.timeline.insert((due, duty));
        }
    }

    fn forget(&mut self, duty: Duty) {
        self.unschedule(duty);
        if self.entries.remove(&duty).is_some()
            && let Some(count) = self.scheduled.get_mut(&duty.workload)
        {
            *count = count.saturating_sub(1);
        }
    }

    fn hinted(&mut self, duty: Duty, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(&duty) else { return };
        if entry.phase == Phase::Running {
            entry.hinted = true;
            return;
        }
        let due = now.max(entry.hint_floor);
        if due < entry.due {
            self.schedule(duty, due);
        }
    }
}

#[cfg(test)]
mod tests;
