//! Whether somebody set the clock. Pure.
//!
//! The wall clock says when something was; how long ago that is, it says only as long as nobody sets
//! it. So it is compared with a clock that nobody can set. What the wall clock said before it was set
//! forward is no measure of patience any more: from then on patience counts from that moment.

use std::{fmt, time::Duration};

use crate::model::timestamp::Timestamp;

/// What is less is measuring, or a clock that is set right by and by.
const SLACK: Duration = Duration::from_secs(60);

/// Both clocks, as they were last looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    wall: Timestamp,
    steady: Duration,
}

/// The clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leap {
    /// By so much.
    Forward(Duration),
    /// By so much.
    Back(Duration),
}

impl Clocks {
    /// The first look.
    pub const fn new(wall: Timestamp, steady: Duration) -> Self {
        Self { wall, steady }
    }

    /// Another look; whether the wall clock was set meanwhile.
    pub fn look(&mut self, wall: Timestamp, steady: Duration) -> Option<Leap> {
        let expected = self.wall.plus(steady.saturating_sub(self.steady));
        *self = Self { wall, steady };
        let (forward, back) = (wall.since(expected), expected.since(wall));
        if forward > SLACK {
            Some(Leap::Forward(forward))
        } else if back > SLACK {
            Some(Leap::Back(back))
        } else {
            None
        }
    }
}

impl fmt::Display for Leap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (by, how) = match self {
            Self::Forward(by) => (by, "forward"),
            Self::Back(by) => (by, "back"),
        };
        write!(f, "the clock was set {how} by {} s; nobody is disabled and nothing given up for it", by.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_runs_is_told_from_one_that_is_set() {
        let at = |seconds: i64| Timestamp::from_seconds(1_800_000_000 + seconds);
        let seconds = Duration::from_secs;
        let mut clocks = Clocks::new(at(0), seconds(100));
        for (what, wall, steady, expected) in [
            ("a second", 1, 101, None),
            ("a busy hour", 3_601, 3_701, None),
            ("slewed", 3_661, 3_702, None),
            ("a day forward", 90_062, 3_703, Some(Leap::Forward(seconds(86_400)))),
            ("as it is now", 90_063, 3_704, None),
            ("back again", 3_664, 3_705, Some(Leap::Back(seconds(86_400)))),
            ("and on", 3_665, 3_706, None),
        ] {
            assert_eq!(clocks.look(at(wall), seconds(steady)), expected, "{what}");
        }
        assert!(Leap::Back(seconds(61)).to_string().starts_with("the clock was set back by 61 s;"));
    }
}
