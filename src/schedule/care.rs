//! What a finished cycle means for the care that is taken in the next ones. Pure.

use std::time::Duration;

use crate::model::{
    care::Care,
    failure::{FailureCode, Scope},
    report::{CycleReport, Report, SendReport},
    timestamp::Timestamp,
};

/// So long a mailbox that was too fast for its server goes slowly.
const SLOW_FOR: Duration = Duration::from_secs(24 * 3_600);
/// By then a message goes alone.
const MOST_HALVINGS: u32 = 7;

/// The care after a cycle that took `before` and ended `now`.
pub fn after(before: &Care, report: &Report, now: Timestamp) -> Care {
    match report {
        Report::Received(received) => reading(before, received, now),
        Report::Sent(sent) => sending(before, sent, now),
    }
}

/// What was too much is halved, and becomes more again from one complete cycle to the next.
fn reading(before: &Care, report: &CycleReport, now: Timestamp) -> Care {
    let slow_until = before.slow_until.filter(|until| *until > now);
    let halved = before.halvings.saturating_add(1).min(MOST_HALVINGS);
    let failure = report.failure.as_ref().filter(|failure| failure.scope == Scope::Mailbox);
    match failure.map(|failure| failure.code) {
        Some(FailureCode::BandwidthExceeded) => {
            Care { slow_until: Some(now.plus(SLOW_FOR)), halvings: halved, ..before.clone() }
        }
        Some(FailureCode::ServerThrottled) => Care { slow_until, halvings: halved, ..before.clone() },
        Some(FailureCode::MailboxCorrupt) => Care { slow_until, damaged: true, ..before.clone() },
        None if report.failure.is_none() && !report.more => {
            let fewer = u32::from(slow_until.is_none());
            let halvings = before.halvings.saturating_sub(fewer);
            Care { slow_until, halvings, damaged: false, ..before.clone() }
        }
        _ => Care { slow_until, ..before.clone() },
    }
}

fn sending(before: &Care, sent: &SendReport, now: Timestamp) -> Care {
    let throttled = sent.failure.as_ref().is_some_and(|failure| failure.code == FailureCode::SendingThrottled);
    Care {
        slow_until: if throttled { Some(now.plus(SLOW_FOR)) } else { before.slow_until.filter(|until| *until > now) },
        // Where no mail met the server, nothing was learned.
        senders_refused: if sent.got_on() { sent.senders_refused } else { before.senders_refused },
        ..before.clone()
    }
}

#[cfg(test)]
#[path = "care_tests.rs"]
mod tests;
