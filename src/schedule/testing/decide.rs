//! What an attempt of a test means: tried again then, or over, and what that does to the mailbox. Pure.
//!
//! A test has five attempts. What works is not tried again; what will not work by waiting (a refused
//! password, a certificate that nobody vouches for, a name that does not exist) ends its workload's
//! test at once: somebody is waiting for the answer. Everything else is tried again after 10 s, 30 s,
//! 1 min and 5 min, or when the server asks for, and has failed after the fifth.
//!
//! The flag `enabled` follows the result. Success enables, and forgets all failures. A permanent failure
//! of the mailbox disables. Any other failure leaves a mailbox that works as it is, and one that is not
//! enabled not enabled: a refused password is confirmed by the schedule before it disables a mailbox
//! that worked, and no fault of a server or of one mail disables any.

use std::time::Duration;

use crate::model::{
    alert::{AlertChange, AlertSubject, NewAlert, Severity},
    failure::{Failure, FailureCode, Persistence, Scope},
    mailbox::{TestStatus, Workload},
    testing::{Change, ClaimedTest, Enabling, Preview, StageReport, TestFailure, TestResult, TestSettlement, uses},
    timestamp::Timestamp,
};

/// What lies between attempts; there is one attempt more.
const WAITS: [Duration; 4] =
    [Duration::from_secs(10), Duration::from_secs(30), Duration::from_secs(60), Duration::from_secs(300)];
/// A server that asks for less is not believed, nor one that asks for more.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(24 * 3_600));

/// How an attempt ended, for each workload that was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Reading.
    pub incoming: Option<Result<(), Failure>>,
    /// Sending.
    pub outgoing: Option<Result<(), Failure>>,
    /// What would be imported.
    pub preview: Option<Preview>,
}

impl Attempt {
    const fn of(&self, workload: Workload) -> Option<&Result<(), Failure>> {
        match workload {
            Workload::Incoming => self.incoming.as_ref(),
            Workload::Outgoing => self.outgoing.as_ref(),
        }
    }
}

/// The workloads that an attempt of `test` tries: those the mailbox has, less those whose result is known.
pub fn open_workloads(test: &ClaimedTest) -> Vec<Workload> {
    let open = |workload: &Workload| uses(&test.mailbox, *workload) && test.run.results.of(*workload).is_none();
    [Workload::Incoming, Workload::Outgoing].into_iter().filter(open).collect()
}

/// The end of a test that may not be run after all.
pub fn refuse(test: &ClaimedTest, why: &str) -> TestSettlement {
    TestSettlement { refused: Some(why.to_owned()), ..unchanged(test) }
}

fn unchanged(test: &ClaimedTest) -> TestSettlement {
    TestSettlement {
        mailbox: test.run.mailbox,
        run: test.run.run,
        node: test.node,
        next_attempt_at: None,
        results: test.run.results.clone(),
        stages: Vec::new(),
        preview: test.run.preview,
        refused: None,
        enabling: Vec::new(),
        alerts: Vec::new(),
    }
}

/// The end of an attempt at `now`, with all its `stages`.
pub fn decide(test: &ClaimedTest, attempt: &Attempt, stages: Vec<StageReport>, now: Timestamp) -> TestSettlement {
    let mut settled = TestSettlement { stages, ..unchanged(test) };
    settled.preview = attempt.preview.or(settled.preview);
    let tried = usize::try_from(test.run.attempts).unwrap_or(usize::MAX);
    let planned = WAITS.get(tried.saturating_sub(1)).copied();
    let mut next: Option<Duration> = None;
    for workload in open_workloads(test) {
        match (attempt.of(workload), planned) {
            (Some(Ok(())), _) => conclude(&mut settled, test, workload, None),
            (Some(Err(failure)), Some(planned)) if may_pass(failure) => {
                next = next.max(Some(wait(failure, planned)));
            }
            (Some(Err(failure)), _) => conclude(&mut settled, test, workload, Some(failure)),
            // The program stopped before it was its turn.
            (None, _) => next = next.max(Some(Duration::ZERO)),
        }
    }
    settled.next_attempt_at = next.map(|wait| now.plus(wait));
    if next.is_none() && !test.run.request.dry_run {
        settled.alerts.extend(connected(&settled));
    }
    settled
}

/// Why a test is not tried once more: every attempt that it had ended with the program that made it, and
/// perhaps it was their cause.
pub fn worn_out(test: &ClaimedTest) -> Option<Failure> {
    let most = WAITS.len().saturating_add(1);
    let too_many = usize::try_from(test.run.attempts).unwrap_or(usize::MAX) > most;
    let text = format!("the program died in each of {most} attempts");
    too_many.then(|| Failure::new(FailureCode::InternalError, Scope::Mailbox, Persistence::Transient, &text))
}

/// Whether waiting may help, while somebody waits for the answer.
fn may_pass(failure: &Failure) -> bool {
    use FailureCode as Code;
    let is_for_a_person = matches!(
        failure.code,
        Code::DnsNotFound
            | Code::TlsExpired
            | Code::TlsUntrusted
            | Code::TlsWrongName
            | Code::TlsBadCertificate
            | Code::TlsHandshakeFailed
    );
    matches!(failure.persistence, Persistence::Transient | Persistence::Throttled) && !is_for_a_person
}

fn wait(failure: &Failure, planned: Duration) -> Duration {
    let (least, most) = RETRY_AFTER;
    failure.retry_after.map_or(planned, |asked| asked.clamp(least, most))
}

/// The result of one workload is known.
fn conclude(settled: &mut TestSettlement, test: &ClaimedTest, workload: Workload, failure: Option<&Failure>) {
    let result = failure.map_or(TestResult::Success, |failure| TestResult::Failure(TestFailure::from(failure)));
    settled.results.set(workload, result);
    if test.run.request.dry_run {
        return;
    }
    let (status, change) = match failure {
        None => (TestStatus::Success, Some(Change::Enable)),
        Some(failure) => {
            let is_final = failure.scope == Scope::Mailbox && failure.persistence == Persistence::Permanent;
            (TestStatus::Failure, is_final.then(|| Change::Disable(TestFailure::from(failure))))
        }
    };
    settled.enabling.push(Enabling { workload, status, change });
    let subject = AlertSubject::Mailbox(settled.mailbox);
    settled.alerts.push(AlertChange::Over { subject, workload, but: failure.map(|failure| failure.code) });
    if let Some(failure) = failure {
        let (code, text, workload) = (failure.code, failure.text.clone(), Some(workload));
        let alert = NewAlert { subject, severity: Severity::Error, code, text, workload };
        settled.alerts.push(AlertChange::Raise(alert));
    }
}

/// Tells of a test that is over and found nothing wrong; takes that back where it did.
fn connected(settled: &TestSettlement) -> Option<AlertChange> {
    let (subject, code) = (AlertSubject::Mailbox(settled.mailbox), FailureCode::MailboxConnected);
    let results = [(Workload::Incoming, "reading"), (Workload::Outgoing, "sending")];
    let known = results.map(|(workload, name)| settled.results.of(workload).map(|result| (result, name)));
    let known = known.into_iter().flatten();
    if known.clone().any(|(result, _)| matches!(result, TestResult::Failure(_))) {
        return Some(AlertChange::Close(subject, code));
    }
    let works: Vec<&str> = known.map(|(_, name)| name).collect();
    let text = format!("tested and enabled: {}", works.join(" and "));
    let raise = NewAlert { subject, severity: Severity::Information, code, text, workload: None };
    (!works.is_empty()).then_some(AlertChange::Raise(raise))
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
