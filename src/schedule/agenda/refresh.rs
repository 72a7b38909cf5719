//! Taking over what the database says: mailboxes, profiles, holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    super::{
        duty::{Duty, Side},
        jitter::share,
        waits,
    },
    Agenda, Entry, Mode, Phase, ProfileTerms, Refreshed, SHORTEST_INTERVAL,
};
use crate::model::{
    ids::ProfileId,
    lease::{ProfileHold, ScheduleEntry},
    mailbox::Workload,
    timestamp::Timestamp,
};

impl Agenda {
    pub(super) fn refreshed(&mut self, refreshed: Refreshed, now: Timestamp) {
        let Refreshed { workload, entries, profiles, holds } = refreshed;
        let first = !self.scheduled.contains_key(&workload);
        if self.mode == Mode::Once && !first {
            return; // What was done would come back.
        }
        self.scheduled.entry(workload).or_default();
        self.generation = self.generation.wrapping_add(1);
        self.take_profiles(workload, profiles, now);
        self.take_holds(workload, holds, now);
        self.look_again(now);

        let mut overdue: BTreeMap<Side, Vec<Duty>> = BTreeMap::new();
        for entry in &entries {
            let (duty, side) = (Duty::new(workload, entry.mailbox), Side::new(workload, entry.profile));
            // What the outbox keeps for later is not for a single run.
            let later = workload == Workload::Outgoing && entry.due.is_some_and(|due| due > now);
            if !self.turns.knows(side) || (self.mode == Mode::Once && later) {
                continue;
            }
            let is_new = self.take_entry(duty, entry, now);
            if is_new && entry.due.is_none_or(|due| due <= now) {
                overdue.entry(side).or_default().push(duty);
            }
        }
        self.forget_unnamed(workload);
        if first {
            self.doubt_what_is_far(workload, now);
        }
        if first && self.mode == Mode::Daemon {
            let count = overdue.values().map(Vec::len).sum();
            for (side, duties) in overdue {
                let window = self.window(side, count);
                for duty in duties {
                    self.schedule(duty, now.plus(share(duty.mailbox, Timestamp::EPOCH, window)));
                }
            }
        }
    }

    /// Forgets what the last refresh did not name and what does not run.
    fn forget_unnamed(&mut self, workload: Workload) {
        let gone = |duty: &Duty, entry: &Entry| {
            duty.workload == workload && entry.generation != self.generation && entry.phase != Phase::Running
        };
        let gone: Vec<Duty> =
            self.entries.iter().filter(|(duty, entry)| gone(duty, entry)).map(|(duty, _)| *duty).collect();
        gone.into_iter().for_each(|duty| self.forget(duty));
    }

    fn take_profiles(&mut self, workload: Workload, profiles: Vec<ProfileTerms>, now: Timestamp) {
        let keep: BTreeSet<Side> = profiles.iter().map(|terms| terms.side).collect();
        self.turns.retain(workload, &keep);
        self.storms.retain(|side, _| side.workload != workload || keep.contains(side));
        for terms in profiles {
            let (side, interval) = (terms.side, terms.interval.max(SHORTEST_INTERVAL));
            if self.turns.put_terms(terms, now) {
                // Nobody waits for longer than an interval, unless postponed.
                self.bring_closer(side, interval, now, |entry| {
                    entry.due > now.plus(interval) && entry.hint_floor < entry.due
                });
            }
        }
    }

    /// Lets all of `side` that are late be due within an interval.
    fn bring_closer(&mut self, side: Side, interval: Duration, now: Timestamp, is_late: impl Fn(&Entry) -> bool) {
        let late =
            |duty: &Duty, entry: &Entry| entry.side(*duty) == side && entry.phase == Phase::Waiting && is_late(entry);
        let late: Vec<Duty> =
            self.entries.iter().filter(|(duty, entry)| late(duty, entry)).map(|(duty, _)| *duty).collect();
        for duty in late {
            self.schedule(duty, now.plus(share(duty.mailbox, Timestamp::EPOCH, interval)));
        }
    }

    /// Times that were set by a clock that ran ahead are hours or years away: without this,
    /// everything would wait for them in silence. What is postponed is looked at too: its row says whether it
    /// may be for so long.
    pub(super) fn clock_was_set_back(&mut self, now: Timestamp) {
        for (side, interval) in self.turns.intervals() {
            let interval = interval.max(SHORTEST_INTERVAL);
            self.bring_closer(side, interval, now, |entry| entry.due > now.plus(interval));
        }
        for side in self.turns.held() {
            if let Some(hold) = self.turns.hold(side).filter(|hold| is_ahead(hold, now)).cloned() {
                self.turns.put_hold(side, ProfileHold { until: now, ..hold });
            }
        }
    }

    /// Such times may lie in the database when a daemon starts: nothing is due so late, but mail that somebody
    /// wants sent then, for which one look in vain is no harm.
    fn doubt_what_is_far(&mut self, workload: Workload, now: Timestamp) {
        let idle = self.polling.idle_maximum.unwrap_or_default();
        for (side, interval) in self.turns.intervals().into_iter().filter(|(side, _)| side.workload == workload) {
            let longest = interval.max(idle).max(waits::ASKED_AT_MOST);
            let latest = now.plus(longest.saturating_add(longest / 10));
            self.bring_closer(side, interval.max(SHORTEST_INTERVAL), now, |entry| entry.due > latest);
        }
    }

    /// The database's holds are the truth: another node, or a person, may have changed them.
    fn take_holds(&mut self, workload: Workload, holds: Vec<(ProfileId, ProfileHold)>, now: Timestamp) {
        let named: BTreeSet<ProfileId> = holds.iter().map(|(id, _)| *id).collect();
        let is_over = |side: &Side| side.workload == workload && !named.contains(&side.profile);
        for side in self.turns.held().into_iter().filter(is_over) {
            let window = self.window(side, self.turns.ready_count(side));
            self.release(side, window, now);
        }
        for (profile, mut hold) in holds {
            let side = Side::new(workload, profile);
            // Somebody asks for it now, or the hold is from a clock that ran ahead: one probe tells.
            if self.mode == Mode::Once || is_ahead(&hold, now) {
                hold.until = now;
            }
            if self.turns.hold(side) != Some(&hold) {
                self.turns.put_hold(side, hold);
            }
        }
    }

    /// Returns whether it was not known.
    fn take_entry(&mut self, duty: Duty, given: &ScheduleEntry, now: Timestamp) -> bool {
        let generation = self.generation;
        let Some(entry) = self.entries.get_mut(&duty) else {
            let due = match self.mode {
                Mode::Once => given.due.unwrap_or(Timestamp::EPOCH).min(now),
                Mode::Daemon => given.due.unwrap_or(now),
            };
            let entry = Entry {
                profile: given.profile,
                due,
                stored: given.due,
                hint_floor: Timestamp::EPOCH,
                generation,
                phase: Phase::Waiting,
                hinted: false,
                quiet: 0,
                unclaimed: 0,
            };
            self.entries.insert(duty, entry);
            *self.scheduled.entry(duty.workload).or_default() += 1;
            self.timeline.insert((due, duty));
            return true;
        };
        entry.generation = generation;
        if entry.phase == Phase::Running {
            return false;
        }
        let elsewhere = entry.profile != given.profile;
        let redated = entry.stored != given.due;
        if elsewhere || redated {
            let due = if redated { given.due.unwrap_or(now) } else { entry.due };
            self.unschedule(duty);
            if let Some(entry) = self.entries.get_mut(&duty) {
                entry.profile = given.profile;
                entry.stored = given.due;
                entry.hint_floor = if redated { Timestamp::EPOCH } else { entry.hint_floor };
                entry.due = due;
                entry.phase = Phase::Waiting;
                self.timeline.insert((due, duty));
            }
        }
        false
    }
}

/// Whether a hold is of a clock that ran ahead.
fn is_ahead(hold: &ProfileHold, now: Timestamp) -> bool {
    hold.since > now || waits::longest_held(hold.code).is_some_and(|longest| hold.until > now.plus(longest))
}
