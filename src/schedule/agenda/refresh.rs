//! Taking over what the database says: mailboxes, profiles, holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{super::jitter::share, Agenda, Entry, Mode, Phase, ProfileTerms, Refreshed, SHORTEST_INTERVAL};
use crate::model::{
    ids::{MailboxId, ProfileId},
    lease::{ProfileHold, ScheduleEntry},
    timestamp::Timestamp,
};

impl Agenda {
    pub(super) fn refreshed(&mut self, refreshed: Refreshed, now: Timestamp) {
        let first = self.generation == 0;
        if self.mode == Mode::Once && !first {
            return; // What was done would come back.
        }
        self.generation = self.generation.wrapping_add(1).max(1);
        self.take_profiles(refreshed.profiles, now);
        self.take_holds(refreshed.holds, now);

        let mut overdue: BTreeMap<ProfileId, Vec<MailboxId>> = BTreeMap::new();
        for entry in &refreshed.entries {
            if !self.turns.knows(entry.profile) {
                continue;
            }
            let is_new = self.take_entry(entry, now);
            if is_new && entry.due.is_none_or(|due| due <= now) {
                overdue.entry(entry.profile).or_default().push(entry.mailbox);
            }
        }
        let gone = |entry: &&Entry| entry.generation != self.generation && entry.phase != Phase::Running;
        let gone: Vec<_> = self.entries.iter().filter(|(_, entry)| gone(entry)).map(|(id, _)| *id).collect();
        gone.into_iter().for_each(|mailbox| self.forget(mailbox));

        if first && self.mode == Mode::Daemon {
            let count = overdue.values().map(Vec::len).sum();
            for (profile, mailboxes) in overdue {
                let window = self.window(profile, count);
                for mailbox in mailboxes {
                    self.schedule(mailbox, now.plus(share(mailbox, Timestamp::EPOCH, window)));
                }
            }
        }
    }

    fn take_profiles(&mut self, profiles: Vec<ProfileTerms>, now: Timestamp) {
        let keep: BTreeSet<ProfileId> = profiles.iter().map(|terms| terms.id).collect();
        self.turns.retain(&keep);
        for terms in profiles {
            let (id, interval) = (terms.id, terms.interval.max(SHORTEST_INTERVAL));
            if self.turns.put_terms(terms, now) {
                self.bring_closer(id, interval, now);
            }
        }
    }

    /// Nobody waits for longer than an interval, unless postponed.
    fn bring_closer(&mut self, profile: ProfileId, interval: Duration, now: Timestamp) {
        let latest = now.plus(interval);
        let late = |entry: &&Entry| {
            let postponed = entry.hint_floor >= entry.due;
            entry.profile == profile && entry.phase == Phase::Waiting && entry.due > latest && !postponed
        };
        let late: Vec<_> = self.entries.iter().filter(|(_, entry)| late(entry)).map(|(id, _)| *id).collect();
        for mailbox in late {
            self.schedule(mailbox, now.plus(share(mailbox, Timestamp::EPOCH, interval)));
        }
    }

    /// Times that were set by a clock that ran ahead are hours or years away: without this,
    /// everything would wait for them in silence.
    pub(super) fn clock_was_set_back(&mut self, now: Timestamp) {
        for (profile, interval) in self.turns.intervals() {
            self.bring_closer(profile, interval.max(SHORTEST_INTERVAL), now);
        }
        for profile in self.turns.held() {
            if let Some(hold) = self.turns.hold(profile).filter(|hold| hold.since > now).cloned() {
                self.turns.put_hold(profile, ProfileHold { until: now, ..hold });
            }
        }
    }

    /// The database's holds are the truth: another node, or a person, may have changed them.
    fn take_holds(&mut self, holds: Vec<(ProfileId, ProfileHold)>, now: Timestamp) {
        let named: BTreeSet<ProfileId> = holds.iter().map(|(id, _)| *id).collect();
        for profile in self.turns.held().into_iter().filter(|profile| !named.contains(profile)) {
            self.release(profile, now);
        }
        for (profile, mut hold) in holds {
            // Somebody asks for it now, or the hold is from a clock that ran ahead: one probe tells.
            if self.mode == Mode::Once || hold.since > now {
                hold.until = now;
            }
            if self.turns.hold(profile) != Some(&hold) {
                self.turns.put_hold(profile, hold);
            }
        }
    }

    /// Returns whether it was not known.
    fn take_entry(&mut self, given: &ScheduleEntry, now: Timestamp) -> bool {
        let generation = self.generation;
        let Some(entry) = self.entries.get_mut(&given.mailbox) else {
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
            self.entries.insert(given.mailbox, entry);
            self.timeline.insert((due, given.mailbox));
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
            self.unschedule(given.mailbox);
            if let Some(entry) = self.entries.get_mut(&given.mailbox) {
                entry.profile = given.profile;
                entry.stored = given.due;
                entry.hint_floor = if redated { Timestamp::EPOCH } else { entry.hint_floor };
                entry.due = due;
                entry.phase = Phase::Waiting;
                self.timeline.insert((due, given.mailbox));
            }
        }
        false
    }
}
