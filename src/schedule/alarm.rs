//! What the end of a cycle, a hold and a release mean for alerts. Pure.
//!
//! Alerts of a mailbox and of a profile carry the workload that raised them: reading that works
//! again does not close what sending raised. An alert stays open as long as the row of failures
//! lasts in which it was raised, whatever else fails meanwhile.

use std::time::Duration;

use super::duty::{Duty, Side};
use crate::model::{
    alert::{AlertChange, AlertSubject, NewAlert, Severity},
    failure::{Failure, FailureCode, Persistence, Scope},
    lease::ProfileHold,
    mailbox::WorkloadState,
    report::{CycleReport, Report},
    timestamp::Timestamp,
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// A transient failure is no news before it is there so many times in a row.
const REPEATED: u32 = 2;
/// A host that does not come back within this needs somebody.
const HOST_MAY_BE_DOWN: Duration = MINUTE.saturating_mul(15);
/// Throttling is part of the day; where it lasts, it is worth a look.
const THROTTLING_MAY_LAST: Duration = HOUR;

/// What the end of a cycle that took the workload's state to `after` changes.
pub fn after_cycle(duty: Duty, after: &WorkloadState, report: &Report, now: Timestamp) -> Vec<AlertChange> {
    let state = match left_out(duty, report) {
        Some([over, raise]) if report.failure().is_none() => vec![over, raise],
        _ => of_workload(duty, after, report.failure(), now).into_iter().collect(),
    };
    state.into_iter().chain(renumbered(duty, report)).chain(noticed(duty, report)).collect()
}

/// What the server wanted the user to know.
fn noticed(duty: Duty, report: &Report) -> Option<AlertChange> {
    let Report::Received(CycleReport { notice: Some(words), .. }) = report else { return None };
    Some(AlertChange::Raise(NewAlert {
        subject: AlertSubject::Mailbox(duty.mailbox),
        severity: Severity::Information,
        code: FailureCode::ProviderNotice,
        text: words.clone(),
        workload: None,
    }))
}

/// Messages that could not be told from others: everything else goes well, and this lasts as long as it is so.
fn left_out(duty: Duty, report: &Report) -> Option<[AlertChange; 2]> {
    let Report::Received(CycleReport { left_out: Some(words), .. }) = report else { return None };
    let (subject, code) = (AlertSubject::Mailbox(duty.mailbox), FailureCode::ProtocolViolation);
    let text = format!("some messages are left on the server, all others are read: {words}");
    let alert = NewAlert { subject, severity: Severity::Warning, code, text, workload: Some(duty.workload) };
    Some([AlertChange::Over { subject, workload: duty.workload, but: Some(code) }, AlertChange::Raise(alert)])
}

/// An Inbox that was read from its start again: what became of its messages.
fn renumbered(duty: Duty, report: &Report) -> Option<AlertChange> {
    let Report::Received(CycleReport {
        started_over: Some(why),
        recorded,
        linked,
        ignored,
        set_aside,
        more,
        failure,
        ..
    }) = report
    else {
        return None;
    };
    let why = why.replace('_', " ");
    let rest = if *more || failure.is_some() { " so far; reading goes on" } else { "" };
    Some(AlertChange::Raise(NewAlert {
        subject: AlertSubject::Mailbox(duty.mailbox),
        severity: Severity::Information,
        code: FailureCode::InboxRenumbered,
        text: format!("{why}: {linked} found again, {recorded} new, {ignored} ignored, {set_aside} set aside{rest}"),
        workload: None,
    }))
}

fn of_workload(duty: Duty, after: &WorkloadState, failure: Option<&Failure>, now: Timestamp) -> Option<AlertChange> {
    let subject = AlertSubject::Mailbox(duty.mailbox);
    let Some(failure) = failure.filter(|failure| failure.scope != Scope::Message) else {
        return Some(AlertChange::Over { subject, workload: duty.workload, but: None });
    };
    if failure.scope != Scope::Mailbox {
        return None; // The hold of the profile, or the daemon's trouble, is an alert of its own.
    }
    let severity = mailbox_severity(after, failure, now)?;
    let (code, text, workload) = (failure.code, failure.text.clone(), Some(duty.workload));
    Some(AlertChange::Raise(NewAlert { subject, severity, code, text, workload }))
}

/// How urgent a mailbox's failure is; `None`: not yet worth an alert.
fn mailbox_severity(after: &WorkloadState, failure: &Failure, now: Timestamp) -> Option<Severity> {
    let lasted = after.failing_since.map_or(Duration::ZERO, |since| now.since(since));
    match failure.persistence {
        _ if !after.enabled => Some(Severity::Error),
        Persistence::Permanent => Some(Severity::Error),
        Persistence::UntilConfirmed => Some(Severity::Warning),
        Persistence::Throttled => Some(throttling(failure.code, lasted)),
        Persistence::Transient => {
            let is_news = after.transient_failures >= REPEATED && lasted >= patience(failure.code);
            is_news.then_some(Severity::Warning)
        }
    }
}

/// How long a transient failure lasts before it is worth an alert.
fn patience(code: FailureCode) -> Duration {
    match code {
        // Left behind by a session of ours that broke, or another program's: it ends by itself.
        FailureCode::MailboxInUse => MINUTE.saturating_mul(15),
        FailureCode::AuthUnavailable => HOUR,
        FailureCode::ServerFault => HOUR.saturating_mul(24),
        _ => Duration::ZERO,
    }
}

fn throttling(code: FailureCode, lasted: Duration) -> Severity {
    if code.owner().is_one_of_us() || lasted >= THROTTLING_MAY_LAST { Severity::Warning } else { Severity::Information }
}

/// What the hold of a side of a profile, new or prolonged, changes: one alert tells what fails now.
pub fn held(side: Side, hold: &ProfileHold, now: Timestamp) -> Vec<AlertChange> {
    let (subject, workload, code) = (AlertSubject::Profile(side.profile), side.workload, hold.code);
    let lasted = now.since(hold.since);
    let severity = match code {
        _ if code.is_throttling() => throttling(code, lasted),
        _ if code.owner().is_one_of_us() || lasted >= HOST_MAY_BE_DOWN => Severity::Error,
        _ => Severity::Warning,
    };
    let alert = NewAlert { subject, severity, code, text: hold.text.clone(), workload: Some(workload) };
    vec![AlertChange::Over { subject, workload, but: Some(code) }, AlertChange::Raise(alert)]
}

/// What the release of a side of a profile changes.
pub fn released(side: Side) -> Vec<AlertChange> {
    let (subject, workload) = (AlertSubject::Profile(side.profile), side.workload);
    vec![AlertChange::Over { subject, workload, but: None }]
}

#[cfg(test)]
#[path = "alarm_tests.rs"]
mod tests;
