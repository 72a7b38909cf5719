//! The log lines of the schedule: one per cycle that did something, one per hold, one per pause.

use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::backoff::Outcome;
use crate::model::{
    failure::Failure,
    ids::{MailboxId, ProfileId},
    lease::ProfileHold,
    mailbox::Workload,
    profile::ServerProfile,
    report::CycleReport,
};

/// Which cycle a line is about.
#[derive(Clone, Debug)]
pub(super) struct CycleName {
    pub(super) mailbox: MailboxId,
    pub(super) address: String,
    pub(super) profile: String,
    /// The lease's epoch: counts the cycles of a mailbox.
    pub(super) cycle: i64,
}

/// One line with the same fields at whatever level.
macro_rules! cycle_line {
    ($level:ident, $name:expr, $report:expr, $took:expr, { $($field:tt)* }, $($message:tt)+) => {
        $level!(
            mailbox = %$name.address,
            mailbox.id = %$name.mailbox,
            profile = %$name.profile,
            workload = Workload::Incoming.name(),
            cycle = $name.cycle,
            count = $report.recorded,
            linked = $report.linked,
            ignored = $report.ignored,
            set_aside = $report.set_aside,
            bytes = $report.bytes,
            duration_ms = u64::try_from($took.as_millis()).unwrap_or(u64::MAX),
            $($field)*
            $($message)+
        )
    };
}

pub(super) fn cycle_ended(name: &CycleName, report: &CycleReport, outcome: &Outcome, took: Duration) {
    let Some(failure) = &report.failure else {
        return match report.started_over {
            Some(why) => cycle_line!(warn, name, report, took, { why, }, "the Inbox was read from the start again"),
            None if report.did_something() => cycle_line!(info, name, report, took, {}, "mail read"),
            None => cycle_line!(debug, name, report, took, {}, "nothing new"),
        };
    };
    let (code, hint, words) = (failure.code.name(), failure.code.hint(), failure.text.as_str());
    match outcome {
        Outcome::Postponed(until) => cycle_line!(
            warn, name, report, took, { code, words, hint, until = %until, },
            "the mailbox failed; it is tried again at {until}"
        ),
        Outcome::Disabled => cycle_line!(
            error, name, report, took, { code, words, hint, },
            "the mailbox failed and is disabled: {hint}"
        ),
        // Said once, where the profile is held or the daemon paused, and not for each mailbox.
        Outcome::ProfileFailed(_) | Outcome::Interrupted | Outcome::Polled { .. } | Outcome::More(_) => {
            cycle_line!(debug, name, report, took, { code, words, }, "the cycle ended early");
        }
    }
}

/// The state after a cycle could not be written; the lease ends by itself, the next cycle repeats it.
pub(super) fn unsettled(mailbox: MailboxId, failure: &Failure) {
    let (code, words, hint) = (failure.code.name(), failure.text.as_str(), failure.code.hint());
    error!(mailbox.id = %mailbox, code, words, hint, "the end of a cycle could not be written");
}

/// The mailbox's row cannot be read; it is tried again.
pub(super) fn unclaimed(mailbox: MailboxId, failure: &Failure) {
    let (code, words, hint) = (failure.code.name(), failure.text.as_str(), failure.code.hint());
    error!(mailbox.id = %mailbox, code, words, hint, "a mailbox could not be claimed");
}

/// Without it a restart forgets the hold, and the next failure finds it again.
pub(super) fn unwritten(profile: ProfileId, failure: &Failure) {
    let (code, words, hint) = (failure.code.name(), failure.text.as_str(), failure.code.hint());
    error!(profile.id = %profile, code, words, hint, "the hold of a profile could not be written");
}

/// Leases that are not given back end by themselves.
pub(super) fn unreleased(failure: &Failure) {
    let (code, words) = (failure.code.name(), failure.text.as_str());
    warn!(code, words, "leases could not be given back; they end within a minute");
}

pub(super) fn held(profile: &ServerProfile, hold: &ProfileHold) {
    warn!(
        profile = %profile.name,
        profile.id = %profile.id,
        host = %profile.incoming.host,
        code = hold.code.name(),
        words = %hold.text,
        hint = hold.code.hint(),
        count = hold.failures,
        until = %hold.until,
        "the profile's server fails: its mailboxes wait, one tries again at {}", hold.until
    );
}

pub(super) fn released(profile: &ServerProfile) {
    info!(profile = %profile.name, profile.id = %profile.id, "the profile's server answers: its mailboxes go on");
}

pub(super) fn paused(failure: &Failure) {
    error!(
        code = failure.code.name(),
        words = %failure.text,
        hint = failure.code.hint(),
        "synchronization pauses, nothing is lost: {}", failure.code.hint()
    );
}

pub(super) fn resumed(after: Duration) {
    info!(duration_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX), "synchronization goes on");
}
