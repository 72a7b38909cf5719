//! What a finished cycle means for the care that is taken in the next ones. Pure.

use std::time::Duration;

use crate::model::{care::Care, failure::FailureCode, report::Report, timestamp::Timestamp};

/// So long a mailbox that was too fast for its server goes slowly.
const SLOW_FOR: Duration = Duration::from_secs(24 * 3_600);

/// The care after a cycle that took `before` and ended `now`.
pub fn after(before: &Care, report: &Report, now: Timestamp) -> Care {
    let Report::Sent(sent) = report else { return before.clone() };
    let throttled = sent.failure.as_ref().is_some_and(|failure| failure.code == FailureCode::SendingThrottled);
    Care {
        slow_until: if throttled { Some(now.plus(SLOW_FOR)) } else { before.slow_until.filter(|until| *until > now) },
        // Where no mail met the server, nothing was learned.
        senders_refused: if sent.got_on() { sent.senders_refused } else { before.senders_refused },
    }
}

#[cfg(test)]
#[path = "care_tests.rs"]
mod tests;
