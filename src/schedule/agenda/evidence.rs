//! What the end of a cycle says of the server, and who waits because of it.
//!
//! A hold is about the server (its code [concerns it](super::super::heard::concerns_server)): then everybody waits who talks to
//! that host and port, whichever profile says so, and one mailbox of all of them tries. Or it is
//! about one side of one profile: its credentials, its settings.

use std::time::Duration;

use super::{
    super::{
        backoff::{Outcome, hold_after, server_hold_after},
        duty::{Duty, Side},
        heard::{Heard, Sign, is_refusal},
        storm::{Breaks, WINDOW},
    },
    Agenda, Command, Entry, Mode, Phase,
};
use crate::model::{
    failure::{Failure, FailureCode, Persistence, Scope},
    ids::MailboxId,
    lease::ProfileHold,
    mailbox::Workload,
    timestamp::Timestamp,
};

/// A probe that was for the profile and did not reach the server is repeated after this.
const PROBE_AGAIN: Duration = Duration::from_secs(60);

/// Whether a host finds that there are too many of us.
fn is_crowded(failure: &Failure) -> bool {
    matches!(failure.code, FailureCode::TooManyConnections | FailureCode::LoginThrottled)
}

/// A cycle that ended, as a witness.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) side: Side,
    pub(super) duty: Duty,
    pub(super) heard: Heard,
    /// Whether it was to find out whether a hold may end.
    pub(super) was_probe: bool,
}

impl Agenda {
    pub(super) fn weigh(&mut self, evidence: Evidence, outcome: &Outcome, now: Timestamp, commands: &mut Vec<Command>) {
        let sign = evidence.heard.sign();
        let Evidence { side, duty, heard, was_probe } = evidence;
        let opens = self.turns.opens(side, duty.mailbox, sign, now);
        let breaks = self.storm(side, duty.mailbox, &heard, now);
        self.look_at_the_machine(side, sign, &heard, now);
        match &heard {
            Heard::Failed { failure, .. } if failure.code == FailureCode::ResourcesExhausted => self.turns.short(now),
            Heard::Welcome => self.turns.speed_up(side),
            Heard::Failed { failure, .. } if failure.scope == Scope::Profile && is_crowded(failure) => {
                self.turns.slow_down(side);
            }
            _ => {}
        }
        match (sign, heard, outcome) {
            (_, Heard::Failed { failure, .. }, _) if breaks.is_some() && self.turns.hold(side).is_none() => {
                let Some(Breaks { code, taken_back }) = breaks else { return };
                let failure = Failure { code, scope: Scope::Profile, persistence: Persistence::Transient, ..failure };
                self.put(side, hold_after(None, &failure, now), commands);
                commands.push(Command::TakeBack(side, taken_back, now.minus(WINDOW)));
            }
            (Sign::Down | Sign::Ill | Sign::Lost, Heard::Failed { failure, .. }, _) => {
                let held = self.turns.hold(side).is_some();
                if held && was_probe {
                    self.probe_failed(side, &failure, now, commands);
                } else if !held && opens {
                    self.hold_server(side, &failure, now, commands);
                }
            }
            (_, _, Outcome::ProfileFailed(failure)) => {
                if was_probe && self.turns.waits_for_server(side) {
                    self.release_server(side, now, commands);
                }
                // What began before the hold says nothing new.
                if was_probe || self.turns.hold(side).is_none() {
                    let hold = hold_after(self.turns.hold(side), failure, now);
                    self.put(side, hold, commands);
                }
            }
            (Sign::Answered | Sign::Refused, ..) if was_probe => self.probe_went_well(side, now, commands),
            _ => {}
        }
    }

    /// Whether all servers have something in common. When that is over, all are tried at once.
    fn look_at_the_machine(&mut self, side: Side, sign: Sign, heard: &Heard, now: Timestamp) {
        let Some(peer) = self.turns.terms(side).map(|terms| terms.peer.clone()) else { return };
        match (sign, heard) {
            (Sign::Down, Heard::Failed { failure, .. }) => self.machine.failed(&peer, failure.code, now),
            (Sign::Answered | Sign::Refused, _) => self.machine.answered(&peer, now),
            _ => return,
        }
        self.look_again(now);
    }

    /// Servers that nobody asks any more say nothing.
    pub(super) fn look_again(&mut self, now: Timestamp) {
        let before = std::mem::replace(&mut self.trouble, self.machine.trouble(now));
        if before.is_some() && self.trouble.is_none() {
            for side in self.turns.held() {
                let hold = self.turns.hold(side).filter(|_| self.turns.waits_for_server(side)).cloned();
                if let Some(hold) = hold {
                    self.turns.put_hold(side, ProfileHold { until: hold.until.min(now), ..hold });
                }
            }
        }
    }

    /// Whether this is the refusal that shows that it is not the mailboxes.
    fn storm(&mut self, side: Side, mailbox: MailboxId, heard: &Heard, now: Timestamp) -> Option<Breaks> {
        match heard {
            Heard::Nothing => None,
            Heard::Welcome => {
                if let Some(storm) = self.storms.get_mut(&side) {
                    storm.let_in(mailbox);
                }
                None
            }
            Heard::Failed { failure, .. } if failure.scope != Scope::Mailbox || !is_refusal(failure.code) => None,
            Heard::Failed { failure, proven } => {
                let terms = self.turns.terms(side)?;
                let (let_in, shared) = (terms.let_in, terms.together.is_some());
                self.storms.entry(side).or_default().refused(mailbox, (failure.code, *proven), let_in, shared, now)
            }
        }
    }

    /// A probe met trouble of the server's.
    fn probe_failed(&mut self, side: Side, failure: &Failure, now: Timestamp, commands: &mut Vec<Command>) {
        if self.turns.waits_for_server(side) {
            return self.hold_server(side, failure, now, commands);
        }
        // What it was to find out, it could not.
        if let Some(hold) = self.turns.hold(side).cloned() {
            self.put(side, ProfileHold { until: now.plus(PROBE_AGAIN), ..hold }, commands);
        }
    }

    fn probe_went_well(&mut self, side: Side, now: Timestamp, commands: &mut Vec<Command>) {
        self.storms.remove(&side);
        if self.turns.waits_for_server(side) {
            return self.release_server(side, now, commands);
        }
        if self.turns.hold(side).is_some() {
            let window = self.window(side, self.turns.ready_count(side));
            self.release(side, window, now);
            commands.push(Command::Release(side));
        }
    }

    /// Everybody who talks to the server of `side` waits, all to the same time.
    fn hold_server(&mut self, side: Side, failure: &Failure, now: Timestamp, commands: &mut Vec<Command>) {
        let sides = self.turns.neighbours(side);
        let longest = sides.iter().filter(|side| self.turns.waits_for_server(**side));
        let longest = longest.filter_map(|side| self.turns.hold(*side)).max_by_key(|hold| hold.failures);
        let read = sides.iter().filter(|side| side.workload == Workload::Incoming);
        let interval = read.filter_map(|side| self.turns.interval(*side)).min();
        let hold = server_hold_after(longest, failure, interval, now);
        for side in sides {
            // What a profile waits for itself is not over when the server is back.
            if self.turns.hold(side).is_none() || self.turns.waits_for_server(side) {
                self.put(side, hold.clone(), commands);
            }
        }
    }

    fn put(&mut self, side: Side, hold: ProfileHold, commands: &mut Vec<Command>) {
        self.turns.put_hold(side, hold.clone());
        commands.push(Command::Hold(side, hold));
        if self.mode == Mode::Once {
            let idle = |duty: &Duty, entry: &Entry| entry.side(*duty) == side && entry.phase != Phase::Running;
            let left: Vec<Duty> =
                self.entries.iter().filter(|(duty, entry)| idle(duty, entry)).map(|(duty, _)| *duty).collect();
            self.skipped += left.len();
            left.into_iter().for_each(|duty| self.forget(duty));
        }
    }

    /// The server is back: those who waited for it are spread, no faster than they may log in.
    fn release_server(&mut self, side: Side, now: Timestamp, commands: &mut Vec<Command>) {
        let mut sides = self.turns.neighbours(side);
        sides.retain(|side| self.turns.waits_for_server(*side));
        let count: usize = sides.iter().map(|side| self.turns.ready_count(*side)).sum();
        let logins = u64::try_from(count).unwrap_or(u64::MAX) / u64::from(self.turns.login_rate());
        for side in sides {
            let window = match self.mode {
                Mode::Once => Duration::ZERO,
                Mode::Daemon => self.window(side, count).max(Duration::from_secs(logins)),
            };
            self.release(side, window, now);
            commands.push(Command::Release(side));
        }
    }
}
