//! The log lines of the schedule: one per cycle that did something, one per hold, one per pause.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use tracing::{debug, error, info, warn};

use super::{
    backoff::Outcome,
    duty::{Duty, Side},
    leap::Leap,
};
use crate::{
    model::{
        activity::ActivityStatus,
        alert::Severity,
        failure::{Failure, FailureCode},
        lease::ProfileHold,
        mailbox::Workload,
        profile::{Endpoint, ServerProfile},
        report::{CycleReport, Report, SendReport},
        testing::{ClaimedTest, TestResult, TestSettlement},
        timestamp::Timestamp,
    },
    store::Stuck,
};

/// Which cycle a line is about.
#[derive(Clone, Debug)]
pub(super) struct CycleName {
    pub(super) duty: Duty,
    pub(super) address: String,
    pub(super) profile: String,
    /// The lease's epoch: counts the cycles of a mailbox.
    pub(super) cycle: i64,
}

/// One line with the same fields at whatever level.
macro_rules! cycle_line {
    ($level:ident, $name:expr, $report:expr, $took:expr, { $($field:tt)* }, $($message:tt)+) => {
        match $report {
            Report::Received(report) => name_line!($level, $name, $took, {
                count = report.recorded,
                linked = report.linked,
                ignored = report.ignored,
                set_aside = report.set_aside,
                deleted = report.deleted,
                bytes = report.bytes,
                $($field)*
            }, $($message)+),
            Report::Sent(report) => name_line!($level, $name, $took, {
                count = report.sent,
                deferred = report.deferred,
                failed = report.failed,
                in_doubt = report.in_doubt,
                held = report.held,
                bytes = report.bytes,
                $($field)*
            }, $($message)+),
        }
    };
}

macro_rules! name_line {
    ($level:ident, $name:expr, $took:expr, { $($field:tt)* }, $($message:tt)+) => {
        $level!(
            mailbox = %$name.address,
            mailbox.id = %$name.duty.mailbox,
            profile = %$name.profile,
            workload = $name.duty.workload.name(),
            cycle = $name.cycle,
            $($field)*
            duration_ms = u64::try_from($took.as_millis()).unwrap_or(u64::MAX),
            $($message)+
        )
    };
}

macro_rules! stuck_line {
    ($level:ident, $mail:expr) => {
        $level!(
            mailbox = %$mail.mailbox,
            profile = $mail.profile.as_deref(),
            workload = Workload::Outgoing.name(),
            activity.id = %$mail.activity,
            code = $mail.code.name(),
            words = %$mail.failure().text,
            hint = $mail.code.hint(),
            "mail {}", match $mail.status {
                ActivityStatus::Failed => "given up",
                ActivityStatus::Held => "held for a person",
                _ => "waits: its mailbox does not send",
            }
        )
    };
}

macro_rules! further_line {
    ($level:ident, $code:expr, $count:expr) => {
        $level!(
            workload = Workload::Outgoing.name(),
            code = $code.name(),
            words = $code.text(),
            hint = $code.hint(),
            count = $count,
            "further mails cannot be sent; each says why: mailsyncd activity list"
        )
    };
}

pub(super) fn cycle_ended(name: &CycleName, report: &Report, outcome: &Outcome, took: Duration) {
    let Some(failure) = report.failure() else {
        return went_well(name, report, took);
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
        Outcome::ProfileFailed(_)
        | Outcome::Interrupted
        | Outcome::Polled { .. }
        | Outcome::Emptied
        | Outcome::More(_) => {
            cycle_line!(debug, name, report, took, { code, words, }, "the cycle ended early");
        }
    }
}

/// The server failed, and nobody waits for it yet: others reach it, or did within the last minute.
pub(super) fn unreached(name: &CycleName, profile: &ServerProfile, report: &Report, took: Duration) {
    let Some(failure) = report.failure() else { return };
    let (code, hint, words) = (failure.code.name(), failure.code.hint(), failure.text.as_str());
    let endpoint = endpoint(profile, name.duty.workload);
    let (host, port) = (endpoint.map(|endpoint| endpoint.host.as_str()), endpoint.map(|endpoint| endpoint.port));
    cycle_line!(
        warn, name, report, took, { code, words, hint, host, port, },
        "the server failed; the mailbox is tried again within a minute"
    );
}

fn went_well(name: &CycleName, report: &Report, took: Duration) {
    match report {
        Report::Received(CycleReport { started_over: Some(why), .. }) => {
            cycle_line!(warn, name, report, took, { why, }, "the Inbox was read from the start again");
        }
        _ if !report.did_something() => cycle_line!(debug, name, report, took, {}, "nothing new"),
        Report::Received(_) => cycle_line!(info, name, report, took, {}, "mail read"),
        // What is the matter with a mail stands on its row.
        Report::Sent(SendReport { sent: 0, .. }) => cycle_line!(info, name, report, took, {}, "no mail sent"),
        Report::Sent(_) => cycle_line!(info, name, report, took, {}, "mail sent"),
    }
}

/// A single run ends without all mail of the mailbox.
pub(super) fn left_for_later(name: &CycleName, until: Timestamp) {
    let CycleName { address, profile, .. } = name;
    warn!(mailbox = %address, %profile, %until, "there is more mail, but the server wants it read slowly: not before {until}, by another run");
}

/// The state after a cycle could not be written; the lease ends by itself, the next cycle repeats it.
pub(super) fn unsettled(duty: Duty, failure: &Failure) {
    let (code, words, hint) = (failure.code.name(), failure.text.as_str(), failure.code.hint());
    let workload = duty.workload.name();
    error!(mailbox.id = %duty.mailbox, workload, code, words, hint, "the end of a cycle could not be written");
}

/// The mailbox's row cannot be read; it is tried again.
pub(super) fn unclaimed(duty: Duty, failure: &Failure) {
    let (code, words, hint) = (failure.code.name(), failure.text.as_str(), failure.code.hint());
    let workload = duty.workload.name();
    error!(mailbox.id = %duty.mailbox, workload, code, words, hint, "a mailbox could not be claimed");
}

/// Without it a restart forgets the hold, and the next failure finds it again.
pub(super) fn unwritten(side: Side, failure: &Failure) {
    let (code, words, hint) = (failure.code.name(), failure.text.as_str(), failure.code.hint());
    error!(profile.id = %side.profile, workload = side.workload.name(), code, words, hint, "the hold of a profile could not be written");
}

/// Leases that are not given back end by themselves.
pub(super) fn unreleased(failure: &Failure) {
    let (code, words) = (failure.code.name(), failure.text.as_str());
    warn!(code, words, "leases could not be given back; they end within a minute");
}

/// The server that a workload talks to.
const fn endpoint(profile: &ServerProfile, workload: Workload) -> Option<&Endpoint> {
    match workload {
        Workload::Incoming => Some(&profile.incoming),
        Workload::Outgoing => profile.outgoing.as_ref(),
    }
}

pub(super) fn held(side: Side, profile: &ServerProfile, hold: &ProfileHold) {
    let next = match hold.next_probe() {
        Some(until) => format!("one tries again at {until}"),
        None => "nothing is tried until the profile's alert is dismissed".to_owned(),
    };
    let endpoint = endpoint(profile, side.workload);
    warn!(
        profile = %profile.name,
        profile.id = %profile.id,
        workload = side.workload.name(),
        host = endpoint.map(|endpoint| endpoint.host.as_str()),
        port = endpoint.map(|endpoint| endpoint.port),
        code = hold.code.name(),
        words = %hold.text,
        hint = hold.code.hint(),
        count = hold.failures,
        until = %hold.until,
        "the profile's mailboxes wait: {next}"
    );
}

pub(super) fn released(side: Side, profile: &ServerProfile) {
    info!(
        profile = %profile.name,
        profile.id = %profile.id,
        workload = side.workload.name(),
        "the profile's server answers: its mailboxes go on"
    );
}

/// So many mails that cannot be sent have a line each; of the others only how many there are is said.
const STUCK_LINES: usize = 10;

/// Mail that waits in vain, is given up or is held before anybody tried to send it; said once for each.
pub(super) fn stuck(mut mails: Vec<Stuck>) {
    mails.sort_by_key(|mail| Reverse(mail.severity()));
    for mail in mails.iter().take(STUCK_LINES) {
        match mail.severity() {
            Severity::Error => stuck_line!(error, mail),
            _ => stuck_line!(warn, mail),
        }
    }
    let mut further: BTreeMap<(Severity, FailureCode), u64> = BTreeMap::new();
    for mail in mails.iter().skip(STUCK_LINES) {
        *further.entry((mail.severity(), mail.code)).or_default() += 1;
    }
    for ((severity, code), count) in further {
        match severity {
            Severity::Error => further_line!(error, code, count),
            _ => further_line!(warn, code, count),
        }
    }
}

pub(super) fn paused(failure: &Failure) {
    error!(
        code = failure.code.name(),
        words = %failure.text,
        hint = failure.code.hint(),
        "synchronization pauses, nothing is lost: {}", failure.code.hint()
    );
}

/// What all servers have in common is this machine.
pub(super) fn machine(trouble: Option<FailureCode>) {
    match trouble {
        Some(code) => {
            let (words, hint) = (code.text(), code.hint());
            error!(code = code.name(), words, hint, "this machine seems to be ill, nothing is lost: {hint}");
        }
        None => info!("this machine is well again: servers are tried at once"),
    }
}

/// Somebody set the clock.
pub(super) fn leapt(leap: Leap) {
    let code = FailureCode::ClockWrong;
    warn!(code = code.name(), hint = code.hint(), "{leap}");
}

/// Descriptors or ports run short, or do no longer.
pub(super) fn strained(is_short: bool) {
    if is_short {
        let code = FailureCode::ResourcesExhausted;
        let (words, hint) = (code.text(), code.hint());
        warn!(code = code.name(), words, hint, "less runs at a time, and more by and by: {hint}");
    } else {
        info!("as much runs at a time again as the limits allow");
    }
}

pub(super) fn resumed(after: Duration) {
    info!(duration_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX), "synchronization goes on");
}

/// A test, or an attempt of it, is over. What a failure means for the mailbox follows from its code.
pub(super) fn tested(test: &ClaimedTest, settlement: &TestSettlement) {
    let word = |workload| match settlement.results.of(workload) {
        None => "open",
        Some(TestResult::Success) => "success",
        Some(TestResult::Failure(_)) => "failure",
    };
    let (incoming, outgoing) = (word(Workload::Incoming), word(Workload::Outgoing));
    let last = settlement.stages.iter().rev().find_map(|stage| stage.failure.as_ref().map(|why| (stage, why)));
    let (code, words) = last.map(|(_, why)| (why.code.name(), why.text.as_str())).unzip();
    let hint = last.map(|(_, why)| why.code.hint());
    let stage = last.map(|(stage, _)| stage.stage.name());
    let next = settlement.next_attempt_at.map(|next| next.to_string());
    info!(
        mailbox = %test.mailbox.email_address,
        mailbox.id = %test.mailbox.id,
        profile = test.profile.as_ref().map(|profile| profile.name.as_str()),
        count = test.run.attempts,
        incoming,
        outgoing,
        stage,
        code,
        words,
        hint,
        until = next,
        refused = settlement.refused,
        dry_run = test.run.request.dry_run,
        "mailbox tested"
    );
}

/// Tests wait until the database answers again.
pub(super) fn untested(failure: &Failure) {
    let (code, words, hint) = (failure.code.name(), failure.text.as_str(), failure.code.hint());
    warn!(code, words, hint, "tests cannot be run or written down; they are tried again");
}
