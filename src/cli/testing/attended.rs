//! Whether somebody runs the tests that one waits for. Pure.

use std::time::Duration;

use crate::model::{testing::TestRun, timestamp::Timestamp};

/// A running daemon begins within a second what is due; where nobody has for so long, nobody will.
const NOBODY_AFTER: Duration = Duration::from_secs(5);

/// What looks at tests have shown so far.
#[derive(Default)]
pub(super) struct Attended {
    /// Since when some are due and nobody is at any.
    alone_since: Option<Timestamp>,
}

/// That nobody runs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nobody {
    /// Nor did anybody before.
    Begun,
    /// Whoever began them runs them no more.
    GoesOn,
}

impl Nobody {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Begun => "no running daemon has begun the tests: they are run by this command",
            Self::GoesOn => "the daemon that had begun the tests runs them no more: they go on in this command",
        }
    }
}

impl Attended {
    /// What a look at `now` at all that is waited for tells: `Some`, where they have waited for
    /// somebody for so long that nobody will come.
    pub(super) fn look(&mut self, runs: &[TestRun], now: Timestamp) -> Option<Nobody> {
        let is_due = |run: &TestRun| run.next_attempt_at.is_some_and(|next| next <= now);
        if runs.iter().any(|run| run.running) || !runs.iter().any(is_due) {
            self.alone_since = None;
            return None;
        }
        let since = *self.alone_since.get_or_insert(now);
        let begun = runs.iter().any(|run| run.attempts > 0);
        let nobody = if begun { Nobody::GoesOn } else { Nobody::Begun };
        (now.since(since) >= NOBODY_AFTER).then_some(nobody)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        ids::{MailboxId, RunId},
        testing::{TestRequest, TestResults},
    };

    /// A test that was begun so often, is under way or not, and is due then.
    fn run(attempts: u32, running: bool, due: Option<i64>) -> TestRun {
        TestRun {
            mailbox: MailboxId::generate(at(0)),
            run: RunId::generate(at(0)),
            request: TestRequest::default(),
            requested_at: at(0),
            requested_by: "cli:root".to_owned(),
            attempts,
            next_attempt_at: due.map(at),
            running,
            stages: Vec::new(),
            results: TestResults::default(),
            preview: None,
            mail: None,
            refused: None,
            finished_at: None,
        }
    }

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn five_seconds_without_anybody_are_enough() {
        let (waiting, gone) = (run(0, false, Some(0)), run(2, false, Some(0)));
        for (runs, expected) in [(vec![waiting.clone()], Nobody::Begun), (vec![waiting, gone], Nobody::GoesOn)] {
            let mut attended = Attended::default();
            let looks: Vec<_> = [100, 104, 105].map(|seconds| attended.look(&runs, at(seconds))).into();
            assert_eq!(looks, [None, None, Some(expected)]);
        }
    }

    #[test]
    fn what_is_under_way_over_or_not_yet_due_needs_nobody() {
        let due = run(1, false, Some(0));
        for other in
            [vec![run(1, true, Some(0)), due.clone()], vec![run(1, false, Some(9_999))], vec![run(1, false, None)]]
        {
            let mut attended = Attended::default();
            assert_eq!(attended.look(std::slice::from_ref(&due), at(0)), None);
            assert_eq!(attended.look(&other, at(60)), None);
            // And what was waited before counts no more.
            assert_eq!(attended.look(std::slice::from_ref(&due), at(61)), None);
        }
    }
}
