//! How often a login may be refused before it is left alone, so that no server locks the account.
//! Pure.
//!
//! An account is one login at one host, whichever protocol, profile or mailbox it is used by: servers
//! count so, too.

use std::time::Duration;

use super::timestamp::Timestamp;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Never more refusals of an account within an hour.
pub const AN_HOUR: usize = 4;
/// Never more refusals of an account within a day.
pub const A_DAY: usize = 10;
/// A password refused so often is from then on only sent to confirm it, seldom.
pub const SAME: usize = 3;
/// A password refused so often is not sent again until it changes.
pub const SPENT: usize = 6;
/// Refusals older than this are forgotten.
pub const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Tells one password of an account from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark(pub Vec<u8>);

/// A log-in that a server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedLogIn {
    /// When.
    pub at: Timestamp,
    /// With which password.
    pub mark: Mark,
}

/// Whether an account may be logged in to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Free,
    /// Not before, as it was refused so often within an hour, a day, or with this same password.
    Wait {
        /// When it may be.
        until: Timestamp,
        /// How often it was refused.
        refused: usize,
        /// Within how long; `None`: with this password.
        within: Option<Duration>,
    },
    /// Not with this password.
    Spent,
}

/// Decides by the refusals of an account, in any order. `seldom` is what must lie between a password's last
/// refusal and its confirmation, once it was refused [`SAME`] times.
pub fn verdict(refused: &[RefusedLogIn], mark: &Mark, seldom: Duration, now: Timestamp) -> Verdict {
    // What lies ahead was noted by a clock that was set back since: as if it were now.
    let mut all: Vec<(Timestamp, bool)> =
        refused.iter().map(|log_in| (log_in.at.min(now), log_in.mark == *mark)).collect();
    all.sort_unstable_by(|a, b| b.cmp(a));
    let same = all.iter().filter(|(_, same)| *same).count();
    if same >= SPENT {
        return Verdict::Spent;
    }
    let limits = [(AN_HOUR, HOUR), (A_DAY, DAY)];
    let by_time = limits.into_iter().filter_map(|(most, within)| {
        // The newest so many: when the oldest of them is long enough ago, there is room for one more.
        let (oldest, _) = all.get(most - 1)?;
        Some(Verdict::Wait { until: oldest.plus(within), refused: most, within: Some(within) })
    });
    let last = all.iter().find(|(_, same)| *same).map(|(at, _)| *at).filter(|_| same >= SAME);
    let by_password = last.map(|last| Verdict::Wait { until: last.plus(seldom), refused: same, within: None });
    let waits = by_time.chain(by_password).filter(|wait| end(wait) > now);
    waits.max_by_key(end).unwrap_or(Verdict::Free)
}

fn end(verdict: &Verdict) -> Timestamp {
    match verdict {
        Verdict::Wait { until, .. } => *until,
        Verdict::Free | Verdict::Spent => Timestamp::EPOCH,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const SELDOM: Duration = Duration::from_secs(2 * 3_600);

    fn minutes(minutes: u64) -> Timestamp {
        START.plus(Duration::from_secs(minutes * 60))
    }

    fn mark(of: u8) -> Mark {
        Mark(vec![of; 16])
    }

    fn refused(log_ins: &[(u64, u8)]) -> Vec<RefusedLogIn> {
        log_ins.iter().map(|(at, of)| RefusedLogIn { at: minutes(*at), mark: mark(*of) }).collect()
    }

    #[test]
    fn the_rules_one_by_one() {
        let wait = |until, refused, within| Verdict::Wait { until: minutes(until), refused, within };
        for (rule, log_ins, now, expected) in [
            ("nothing known", &[][..], 0, Verdict::Free),
            ("twice is no danger", &[(0, 1), (5, 1)], 6, Verdict::Free),
            ("the same a third time", &[(0, 1), (5, 1), (35, 1)], 36, wait(155, 3, None)),
            ("is confirmed once", &[(0, 1), (5, 1), (35, 1)], 155, Verdict::Free),
            ("and seldom", &[(0, 1), (5, 1), (35, 1), (155, 1)], 156, wait(275, 4, None)),
            ("six times the same", &[(0, 1), (5, 1), (35, 1), (155, 1), (500, 1), (900, 1)], 90_000, Verdict::Spent),
            ("another password", &[(0, 2), (5, 2), (35, 2), (155, 2), (500, 2), (900, 2)], 1_000, Verdict::Free),
            ("four in an hour", &[(0, 2), (5, 3), (10, 4), (15, 5)], 20, wait(60, 4, Some(HOUR))),
            ("until one is an hour ago", &[(0, 2), (5, 3), (10, 4), (15, 5)], 60, Verdict::Free),
            (
                "ten in a day",
                &[(0, 2), (70, 3), (140, 4), (210, 5), (280, 6), (350, 7), (420, 8), (490, 9), (560, 10), (630, 11)],
                700,
                wait(1_440, 10, Some(DAY)),
            ),
            ("noted by a clock that ran ahead", &[(900, 2), (901, 2), (902, 2), (903, 2)], 0, wait(60, 4, Some(HOUR))),
        ] {
            assert_eq!(verdict(&refused(log_ins), &mark(1), SELDOM, minutes(now)), expected, "{rule}");
        }
    }

    proptest! {
        /// Whoever tries, whenever, with whatever passwords: the limits hold.
        #[test]
        fn no_account_is_refused_more_often(tries in prop::collection::vec((0_u64..90, 0_u8..4), 1..400)) {
            let (mut refused, mut now) = (Vec::new(), START);
            for (minutes, password) in tries {
                now = now.plus(Duration::from_secs(minutes * 60));
                match verdict(&refused, &mark(password), SELDOM, now) {
                    Verdict::Free => refused.push(RefusedLogIn { at: now, mark: mark(password) }),
                    Verdict::Wait { until, .. } => prop_assert!(until > now && until.since(now) <= DAY),
                    Verdict::Spent => {}
                }
                let within = |span| refused.iter().filter(|log_in| now.since(log_in.at) < span).count();
                prop_assert!(within(HOUR) <= AN_HOUR && within(DAY) <= A_DAY);
                for password in 0..4 {
                    prop_assert!(refused.iter().filter(|log_in| log_in.mark == mark(password)).count() <= SPENT);
                }
            }
        }
    }
}
