//! What a finished cycle means for its mailbox and its profile: next due time, postponement,
//! confirmation, disabling, hold. Pure.

use std::time::Duration;

use super::{
    care,
    heard::is_lost,
    jitter::jittered,
    waits::{self, Growing},
};
use crate::model::{
    failure::{Failure, FailureCode, Persistence, Scope},
    ids::MailboxId,
    lease::ProfileHold,
    mailbox::WorkloadState,
    report::Report,
    rules::FailureRules,
    timestamp::Timestamp,
};

/// A server that asks for less is not believed, nor one that asks for more.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(5), waits::ASKED_AT_MOST);
/// A session that dies sooner may die again as soon: it counts, whatever it got done.
const STABLE: Duration = Duration::from_secs(5 * 60);
/// A mailbox that worked so short ago is no matter for confirmations, but for patience.
const WORKED_RECENTLY: Duration = Duration::from_secs(24 * 3_600);

/// The end of a cycle, decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The new state of the workload.
    pub state: WorkloadState,
    /// What the agenda must know.
    pub outcome: Outcome,
}

/// What the end of a cycle means for the schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All mail is read; due again at the time.
    Polled {
        /// When.
        due: Timestamp,
        /// Whether there was anything new.
        traffic: Traffic,
    },
    /// All mail that was due is sent; due again when there is more.
    Emptied,
    /// It stopped at its limit: due again at once, behind those that wait already.
    More(Timestamp),
    /// The mailbox failed; not before the time.
    Postponed(Timestamp),
    /// The mailbox failed for good: a person must act.
    Disabled,
    /// The host, not the mailbox, failed; the mailbox stays due.
    ProfileFailed(Failure),
    /// The daemon failed, or the cycle was cut: nothing was learned, the mailbox stays due.
    Interrupted,
}

impl Outcome {
    /// The word for it, in metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Polled { .. } | Self::Emptied => "ok",
            Self::More(_) => "more",
            Self::Postponed(_) => "postponed",
            Self::Disabled => "disabled",
            Self::ProfileFailed(_) => "profile_failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Whether a poll found anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Nothing new.
    Quiet,
    /// Something new.
    Busy,
}

/// A cycle of `mailbox` that ended `now`.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// Whose.
    pub mailbox: MailboxId,
    /// What lies between its polls.
    pub interval: Duration,
    /// How long it took.
    pub took: Duration,
    /// When it ended.
    pub now: Timestamp,
}

/// Decides the end of a cycle that found the workload in `state`.
pub fn settle(state: &WorkloadState, report: &Report, rules: &FailureRules, ending: Ending) -> Settled {
    let mut settled = end(state, report, rules, ending);
    if let Report::Sent(sending) = report {
        // A visit at which the server took nothing is no sign that anything was sent.
        settled.state.last_success_at = if sending.sent > 0 { Some(ending.now) } else { state.last_success_at };
    }
    settled.state.care = care::after(&state.care, report, ending.now);
    let not_before = ending.now.plus(report.login_delay());
    if let Outcome::Postponed(until) = &mut settled.outcome
        && *until < not_before
    {
        *until = not_before;
        settled.state.postponed_until = Some(not_before);
        settled.state.next_due_at = Some(not_before);
    }
    settled
}

fn end(state: &WorkloadState, report: &Report, rules: &FailureRules, ending: Ending) -> Settled {
    let Ending { mailbox, interval, took, now } = ending;
    let Some(failure) = report.failure().filter(|failure| failure.scope != Scope::Message) else {
        return succeeded(state, report, interval, mailbox, now);
    };
    match failure.scope {
        Scope::Message | Scope::Mailbox if report.got_on() && took >= STABLE && is_lost(failure.code) => {
            // Servers end long sessions for reasons of their own.
            let state = WorkloadState { transient_failures: 0, failing_since: None, ..state.clone() };
            let state = WorkloadState { postponed_until: None, next_due_at: Some(now), ..state };
            Settled { state, outcome: Outcome::More(now) }
        }
        Scope::Message | Scope::Mailbox if report.got_on() => {
            // As long as each visit gets further, a mailbox is not given up.
            failed(&WorkloadState { failing_since: None, ..state.clone() }, failure, rules, mailbox, now)
        }
        Scope::Message | Scope::Mailbox => failed(state, failure, rules, mailbox, now),
        Scope::Profile => {
            Settled { state: unreached(state, failure), outcome: Outcome::ProfileFailed(failure.clone()) }
        }
        Scope::Daemon => Settled { state: state.clone(), outcome: Outcome::Interrupted },
    }
}

/// The mailbox says what its server failed with, though nothing is counted and it stays due; what it failed with by
/// itself before, and how often, keeps its place.
fn unreached(state: &WorkloadState, failure: &Failure) -> WorkloadState {
    if state.failing_since.is_some() {
        return state.clone();
    }
    let (failure_code, last_error) = (Some(failure.code), Some(failure.text.clone()));
    WorkloadState { failure_code, last_error, ..state.clone() }
}

fn succeeded(
    state: &WorkloadState,
    report: &Report,
    interval: Duration,
    mailbox: MailboxId,
    now: Timestamp,
) -> Settled {
    let not_before = now.plus(report.login_delay());
    let (due, outcome) = match report {
        // Who must go slowly does not go on at once.
        Report::Received(read) if read.more && state.care.is_slow(now) => {
            let due = not_before.max(now.plus(interval));
            (Some(due), Outcome::More(due))
        }
        _ if report.more() => (Some(not_before), Outcome::More(not_before)),
        Report::Sent(_) => (None, Outcome::Emptied),
        Report::Received(_) => {
            let due = jittered(mailbox, now.plus(interval), interval).max(not_before);
            let traffic = if report.did_something() { Traffic::Busy } else { Traffic::Quiet };
            (Some(due), Outcome::Polled { due, traffic })
        }
    };
    let state = WorkloadState {
        enabled: state.enabled,
        last_success_at: Some(now),
        next_due_at: due,
        ..WorkloadState::default()
    };
    Settled { state, outcome }
}

fn failed(
    state: &WorkloadState,
    failure: &Failure,
    rules: &FailureRules,
    mailbox: MailboxId,
    now: Timestamp,
) -> Settled {
    let failing_since = state.failing_since.unwrap_or(now);
    let lasted = now.since(failing_since);
    // What this code has lasted, not what was before it.
    let throttled_for = if state.failure_code == Some(failure.code) { lasted } else { Duration::ZERO };
    let mut state = WorkloadState {
        failing_since: Some(failing_since),
        failure_code: Some(failure.code),
        last_error: Some(failure.text.clone()),
        ..state.clone()
    };
    let worked = state.last_success_at.is_some_and(|at| now.since(at) < WORKED_RECENTLY);
    let wait = match failure.persistence {
        Persistence::Throttled => Some(throttled(failure, throttled_for)),
        Persistence::Transient => {
            let counts = u32::from(lasted >= waits::uncounted(failure.code));
            state.transient_failures = state.transient_failures.saturating_add(counts);
            transient(&state, failure.code, rules, lasted)
        }
        Persistence::UntilConfirmed if failure.code == FailureCode::InboxNotConnected && worked => {
            state.transient_failures = state.transient_failures.saturating_add(1);
            transient(&state, failure.code, rules, lasted)
        }
        Persistence::UntilConfirmed => {
            let tried = usize::try_from(state.confirmations).unwrap_or(usize::MAX);
            state.confirmations = state.confirmations.saturating_add(1);
            rules.confirmations_of(failure.code).get(tried).copied()
        }
        Persistence::Permanent => None,
    };
    let until = wait.map(|wait| jittered(mailbox, now.plus(wait), wait));
    state.postponed_until = until;
    state.next_due_at = until;
    state.enabled = state.enabled && until.is_some();
    Settled { state, outcome: until.map_or(Outcome::Disabled, Outcome::Postponed) }
}

/// As the server asks; else as long again as it has lasted, which doubles.
fn throttled(failure: &Failure, lasted: Duration) -> Duration {
    match failure.retry_after {
        Some(asked) => asked.clamp(RETRY_AFTER.0, RETRY_AFTER.1),
        None => waits::throttled(failure.code).having_lasted(lasted),
    }
}

/// `None`: it lasted too long, it is permanent.
fn transient(state: &WorkloadState, code: FailureCode, rules: &FailureRules, lasted: Duration) -> Option<Duration> {
    if state.transient_failures >= rules.maximum_transient && lasted >= rules.transient_grace {
        return None;
    }
    let first = if code == FailureCode::Timeout { rules.timeout_backoff } else { rules.transient_backoff };
    let usual = Growing { first, longest: FailureRules::LONGEST_POSTPONEMENT };
    Some(waits::transient(code).unwrap_or(usual).after(state.transient_failures.saturating_sub(1)))
}

/// The hold of a profile after `failure`: a first one, or a longer one after a probe failed.
pub fn hold_after(present: Option<&ProfileHold>, failure: &Failure, now: Timestamp) -> ProfileHold {
    let failures = present.map_or(0, |hold| hold.failures.saturating_add(1));
    let since = present.map_or(now, |hold| hold.since.min(now));
    let until = match (failure.persistence, waits::held(failure.code)) {
        (_, None) => Timestamp::FAR_FUTURE,
        (Persistence::Throttled, _) => now.plus(throttled(failure, now.since(since))),
        (_, Some(growing)) => now.plus(growing.after(failures)),
    };
    ProfileHold { since, until, failures, code: failure.code, text: failure.text.clone() }
}

/// The hold of all who talk to a server that is away, and whose mailboxes are read every `interval`: where they
/// are, one probe asks no more of it than one healthy mailbox does, and within two intervals of its return all
/// are read.
pub fn server_hold_after(
    present: Option<&ProfileHold>,
    failure: &Failure,
    interval: Option<Duration>,
    now: Timestamp,
) -> ProfileHold {
    let hold = hold_after(present, failure, now);
    let (Some(interval), Some(growing)) = (interval, waits::held(failure.code)) else { return hold };
    if failure.persistence == Persistence::Throttled {
        return hold;
    }
    ProfileHold { until: hold.until.min(now.plus(interval.max(growing.first))), ..hold }
}

#[cfg(test)]
#[path = "backoff_tests.rs"]
mod tests;
