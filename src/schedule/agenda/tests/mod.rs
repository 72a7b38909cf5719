//! The agenda in a world of its own.

mod changes;
mod holds;
mod limits;
mod polls;
mod sending;
mod storms;

use uuid::Uuid;

use super::*;
use crate::{
    model::failure::{Failure, FailureCode, Persistence, Scope},
    schedule::{backoff::hold_after, duty::Peer},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn mailbox_id(number: usize) -> MailboxId {
    MailboxId(Uuid::from_u128(number as u128 + 1))
}

/// Reading of a mailbox.
fn mailbox(number: usize) -> Duty {
    Duty::new(Workload::Incoming, mailbox_id(number))
}

/// Sending of a mailbox.
fn outbox(number: usize) -> Duty {
    Duty::new(Workload::Outgoing, mailbox_id(number))
}

/// The number of a duty's mailbox.
fn number(duty: Duty) -> usize {
    duty.mailbox.0.as_u128() as usize - 1
}

fn side(number: usize) -> Side {
    Side::new(Workload::Incoming, profile(number))
}

fn profile(number: usize) -> ProfileId {
    ProfileId(Uuid::from_u128(number as u128 + 1))
}

fn peer(host: &str) -> Peer {
    Peer { host: host.to_owned(), port: 993 }
}

fn terms(number: usize, host: &str) -> ProfileTerms {
    ProfileTerms { side: side(number), peer: peer(host), interval: 5 * MINUTE, together: None, let_in: 10 }
}

/// The terms of the side of a profile that sends.
fn sending(number: usize, host: &str) -> ProfileTerms {
    let side = Side::new(Workload::Outgoing, profile(number));
    ProfileTerms { side, peer: peer(host), interval: Duration::ZERO, together: None, let_in: 10 }
}

fn entry(number: usize, of: usize, due: Option<Timestamp>) -> ScheduleEntry {
    ScheduleEntry { mailbox: mailbox_id(number), profile: profile(of), due }
}

fn limits(connections: u32, per_host: u32) -> Limits {
    Limits { connections, connections_per_host: per_host, ..Limits::default() }
}

fn down() -> Outcome {
    let text = "connection refused";
    Outcome::ProfileFailed(Failure::new(FailureCode::HostUnreachable, Scope::Profile, Persistence::Transient, text))
}

/// The end of a cycle, with what was heard of the server.
fn ended(duty: Duty, outcome: Outcome) -> Event {
    let heard = match &outcome {
        Outcome::ProfileFailed(failure) => Heard::Failed { failure: failure.clone(), proven: true },
        Outcome::Interrupted => Heard::Nothing,
        _ => Heard::Welcome,
    };
    Event::Finished(duty, outcome, heard)
}

/// An agenda, a clock, and cycles that take a while.
struct World {
    agenda: Agenda,
    now: Timestamp,
    running: BTreeSet<(Timestamp, Duty)>,
    starts: Vec<(Timestamp, Duty)>,
    holds: BTreeMap<Side, ProfileHold>,
    taken_back: Vec<(Side, &'static [FailureCode], Timestamp)>,
    took: Duration,
}

impl World {
    fn new(mode: Mode, limits: Limits) -> Self {
        let agenda = Agenda::new(mode, limits, Polling::default());
        let (running, starts, holds) = (BTreeSet::new(), Vec::new(), BTreeMap::new());
        Self { agenda, now: START, running, starts, holds, taken_back: Vec::new(), took: SECOND }
    }

    fn on(&mut self, event: Event) {
        for command in self.agenda.on(event, self.now) {
            match command {
                Command::Start(duty) => {
                    assert!(self.running.iter().all(|(_, running)| *running != duty), "started twice");
                    self.running.insert((self.now.plus(self.took), duty));
                    self.starts.push((self.now, duty));
                }
                Command::Hold(side, hold) => drop(self.holds.insert(side, hold)),
                Command::Release(side) => assert!(self.holds.remove(&side).is_some()),
                Command::TakeBack(side, codes, since) => self.taken_back.push((side, codes, since)),
            }
        }
        assert_eq!(self.agenda.running() as usize, self.running.len());
    }

    fn refresh(&mut self, entries: Vec<ScheduleEntry>, profiles: Vec<ProfileTerms>) {
        self.refresh_line(Workload::Incoming, entries, profiles);
    }

    fn refresh_outbox(&mut self, entries: Vec<ScheduleEntry>, profiles: Vec<ProfileTerms>) {
        self.refresh_line(Workload::Outgoing, entries, profiles);
    }

    fn refresh_line(&mut self, workload: Workload, entries: Vec<ScheduleEntry>, profiles: Vec<ProfileTerms>) {
        let holds = self.holds.iter().filter(|(side, _)| side.workload == workload);
        let holds = holds.map(|(side, hold)| (side.profile, hold.clone())).collect();
        self.on(Event::Refreshed(Refreshed { workload, entries, profiles, holds }));
    }

    /// The next thing happens, if it does until `end`.
    fn step(&mut self, end: Timestamp, outcome: &mut impl FnMut(&Self, Duty) -> Outcome) -> bool {
        let ends = self.running.first().map(|(at, _)| *at);
        let Some(at) = [ends, self.agenda.next_wake()].into_iter().flatten().min().filter(|at| *at <= end) else {
            self.now = end;
            return false;
        };
        assert!(at >= self.now, "woken for the past");
        self.now = at;
        match self.running.first().copied() {
            Some((ends, duty)) if ends == at => {
                self.running.pop_first();
                let outcome = outcome(self, duty);
                self.on(ended(duty, outcome));
            }
            _ => self.on(Event::Woke),
        }
        true
    }

    fn run(&mut self, span: Duration, mut outcome: impl FnMut(&Self, Duty) -> Outcome) {
        let end = self.now.plus(span);
        while self.step(end, &mut outcome) {}
    }

    /// All is well, whichever it was.
    fn went_well(&self, duty: Duty) -> Outcome {
        match duty.workload {
            Workload::Incoming => self.polled(duty),
            Workload::Outgoing => Outcome::Emptied,
        }
    }

    fn polled(&self, duty: Duty) -> Outcome {
        let interval = self.agenda.interval(duty.mailbox, Traffic::Quiet);
        Outcome::Polled { due: self.now.plus(interval), traffic: Traffic::Quiet }
    }

    fn starts_of(&self, duty: Duty) -> Vec<Timestamp> {
        self.starts.iter().filter(|(_, started)| *started == duty).map(|(at, _)| *at).collect()
    }
}
