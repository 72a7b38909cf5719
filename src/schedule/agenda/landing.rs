//! What becomes of a mailbox whose cycle ended, or could not start.

use std::time::Duration;

use super::{
    super::{
        backoff::{Outcome, Traffic},
        duty::{Duty, Side},
        heard::Heard,
        jitter::share,
    },
    Agenda, Command, Gate, Mode, ONCE_WAITS, Phase, SPREAD,
    evidence::Evidence,
};
use crate::model::timestamp::Timestamp;

/// A few mailboxes need no wide spread: one a second on average is no herd.
const SPREAD_EACH: Duration = Duration::from_secs(1);
/// When a mailbox whose lease another node holds is tried again.
const LEASED_RETRY: Duration = Duration::from_secs(15);
/// How often that is tried where the agenda runs only once: longer than a dead node's lease lives.
const LEASED_TRIES: u8 = 5;
/// When a mailbox that could not reach a server that others reach is tried again.
const UNREACHED_RETRY: Duration = Duration::from_secs(30);
/// When a mailbox whose cycle was cut, through no fault of its own, is tried again.
const CUT_RETRY: Duration = Duration::from_secs(5);

impl Agenda {
    /// Takes a running mailbox's slot back; `None`: it was not running.
    fn end(&mut self, duty: Duty, now: Timestamp) -> Option<(Side, bool)> {
        let entry = self.entries.get_mut(&duty).filter(|entry| entry.phase == Phase::Running)?;
        entry.phase = Phase::Waiting;
        let side = entry.side(duty);
        Some((side, self.turns.ended(side, duty.mailbox, now)))
    }

    pub(super) fn finished(
        &mut self,
        duty: Duty,
        outcome: Outcome,
        heard: Heard,
        now: Timestamp,
        commands: &mut Vec<Command>,
    ) {
        let Some((side, was_probe)) = self.end(duty, now) else { return };
        self.reschedule(duty, &outcome, now);
        self.weigh(Evidence { side, duty, heard, was_probe }, &outcome, now, commands);
        // One that could not reach its server, which others reach: soon again, and nothing is counted.
        if matches!(outcome, Outcome::ProfileFailed(_)) && self.turns.hold(side).is_none() {
            self.schedule(duty, now.plus(UNREACHED_RETRY).plus(share(duty.mailbox, now, UNREACHED_RETRY / 10)));
        }
    }

    fn reschedule(&mut self, duty: Duty, outcome: &Outcome, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(&duty) else { return };
        entry.unclaimed = 0;
        entry.hint_floor = now.plus(self.polling.push_minimum);
        let hinted = std::mem::take(&mut entry.hinted);
        let due = match outcome {
            Outcome::Polled { due, traffic } => {
                entry.stored = Some(*due);
                entry.quiet = match traffic {
                    Traffic::Quiet => entry.quiet.saturating_add(1),
                    Traffic::Busy => 0,
                };
                if hinted { entry.hint_floor.min(*due) } else { *due }
            }
            Outcome::More(due) => {
                entry.stored = Some(*due);
                *due
            }
            Outcome::Postponed(until) => {
                entry.stored = Some(*until);
                entry.hint_floor = *until;
                *until
            }
            // The next refresh finds it again, should more mail have come.
            Outcome::Emptied | Outcome::Disabled => return self.forget(duty),
            Outcome::ProfileFailed(_) => now,
            Outcome::Interrupted => now.plus(CUT_RETRY),
        };
        // What a stop cut stays: somebody wants to know what was left.
        let cut = matches!(outcome, Outcome::Interrupted) && self.gate == Gate::Stopping;
        // Who has to go slowly is not waited for: what is left is for another run.
        let slowly = matches!(outcome, Outcome::More(due) if *due > now.plus(ONCE_WAITS));
        let done = self.mode == Mode::Once && !cut && (slowly || !matches!(outcome, Outcome::More(_)));
        self.skipped += usize::from(done && slowly);
        if done { self.forget(duty) } else { self.schedule(duty, due) }
    }

    /// Ends a hold; those that waited are spread over `window`.
    pub(super) fn release(&mut self, side: Side, window: Duration, now: Timestamp) {
        for (due, mailbox) in self.turns.release(side) {
            let duty = Duty::new(side.workload, mailbox);
            if let Some(entry) = self.entries.get_mut(&duty) {
                entry.phase = Phase::Waiting;
                entry.due = due.max(now.plus(share(mailbox, Timestamp::EPOCH, window)));
                self.timeline.insert((entry.due, duty));
            }
        }
    }

    /// Over what `count` mailboxes are spread that are all due, of `side` or of all that talk to its server.
    pub(super) fn window(&self, side: Side, count: usize) -> Duration {
        match self.mode {
            Mode::Once => Duration::ZERO,
            Mode::Daemon => {
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                let interval = self.turns.interval(side).unwrap_or(SPREAD);
                interval.min(SPREAD).min(SPREAD_EACH.saturating_mul(count))
            }
        }
    }

    pub(super) fn claim_lost(&mut self, duty: Duty, now: Timestamp) {
        if self.end(duty, now).is_none() {
            return;
        }
        let Some(entry) = self.entries.get_mut(&duty) else { return };
        entry.unclaimed = entry.unclaimed.saturating_add(1);
        if self.mode == Mode::Once && entry.unclaimed >= LEASED_TRIES {
            self.skipped += 1;
            return self.forget(duty);
        }
        self.schedule(duty, now.plus(LEASED_RETRY).plus(share(duty.mailbox, now, LEASED_RETRY / 10)));
    }

    pub(super) fn moved(&mut self, duty: Duty, stored: Option<Timestamp>, now: Timestamp) {
        if self.end(duty, now).is_none() {
            return;
        }
        if self.mode == Mode::Once {
            return self.forget(duty);
        }
        if let Some(entry) = self.entries.get_mut(&duty) {
            entry.stored = stored;
        }
        self.schedule(duty, stored.unwrap_or(now));
    }
}
