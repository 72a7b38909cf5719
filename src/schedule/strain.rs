//! How much runs at a time where this machine is out of file descriptors or ports. Pure.

use std::time::Duration;

use crate::model::timestamp::Timestamp;

/// One shortage is met by many cycles at once: after a cut no other follows for so long.
const SETTLES: Duration = Duration::from_secs(10);
/// After so long without a shortage twice as much may run.
const GROWS: Duration = Duration::from_secs(300);

/// A limit that a shortage halves and quiet doubles, until it limits nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strain {
    cut: Option<Cut>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    most: u32,
    /// When the first shortage was.
    since: Timestamp,
    /// When the limit was changed last.
    changed: Timestamp,
}

impl Strain {
    /// There was too little for `running` cycles.
    pub fn short(&mut self, running: u32, now: Timestamp) {
        let before = self.cut;
        if before.is_some_and(|cut| cut.changed <= now && now.since(cut.changed) < SETTLES) {
            return;
        }
        let most = before.map_or(running, |cut| cut.most.min(running)) / 2;
        let since = before.map_or(now, |cut| cut.since);
        self.cut = Some(Cut { most: most.max(1), since, changed: now });
    }

    /// Time has passed: how many may run of `limit`.
    pub fn most(&mut self, limit: u32, now: Timestamp) -> u32 {
        if let Some(cut) = &mut self.cut
            && (now.since(cut.changed) >= GROWS || cut.changed > now.plus(GROWS))
        {
            (cut.most, cut.changed) = (cut.most.saturating_mul(2), now);
        }
        self.cut = self.cut.filter(|cut| cut.most < limit);
        self.cut.map_or(limit, |cut| cut.most)
    }

    /// Since when fewer run.
    pub fn since(&self) -> Option<Timestamp> {
        self.cut.map(|cut| cut.since)
    }

    /// When more may run.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.cut.map(|cut| cut.changed.plus(GROWS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    #[test]
    fn a_shortage_halves_what_runs_and_quiet_gives_it_back() {
        let mut strain = Strain::default();
        assert_eq!((strain.most(500, at(0)), strain.since()), (500, None));
        // Forty cycles meet one shortage.
        (1..=40).rev().for_each(|running| strain.short(running, at(0)));
        assert_eq!((strain.most(500, at(1)), strain.since()), (20, Some(at(0))));
        strain.short(12, at(10));
        assert_eq!(strain.most(500, at(11)), 6, "still too many");
        assert_eq!(strain.next_wake(), Some(at(310)));
        assert_eq!((strain.most(500, at(309)), strain.most(500, at(310))), (6, 12));
        assert_eq!(strain.since(), Some(at(0)));
        assert_eq!(strain.most(20, at(610)), 20);
        assert_eq!((strain.since(), strain.next_wake()), (None, None), "it limits nothing any more");
    }

    #[test]
    fn one_may_always_run() {
        let mut strain = Strain::default();
        (0..5).for_each(|number| strain.short(1, at(20 * number)));
        assert_eq!(strain.most(500, at(100)), 1);
    }
}
