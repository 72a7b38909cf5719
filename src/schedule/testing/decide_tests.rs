use super::*;
use crate::model::{
    ids::NodeId,
    mailbox::{Approval, Mailbox, MailboxKind, SyncMethod},
    samples,
    testing::{Stage, TestRun},
};

const NOW: Timestamp = Timestamp::from_seconds(9_000);
const SECOND: Duration = Duration::from_secs(1);

/// A test at its attempt of this number.
fn test(attempts: u32) -> ClaimedTest {
    let mailbox = Mailbox {
        kind: MailboxKind::User,
        outgoing_method: SyncMethod::ServerSideSync,
        approval: Approval::Approved,
        ..samples::mailbox("a@x", NOW)
    };
    let run = TestRun { attempts, running: true, ..samples::test_run(mailbox.id, NOW) };
    ClaimedTest { run, mailbox, profile: None, node: NodeId::generate(NOW) }
}

fn failure(code: FailureCode, scope: Scope, persistence: Persistence) -> Failure {
    Failure::new(code, scope, persistence, "in its words")
}

fn both(incoming: Result<(), Failure>, outgoing: Result<(), Failure>) -> Attempt {
    Attempt { incoming: Some(incoming), outgoing: Some(outgoing), preview: None }
}

fn raised(settled: &TestSettlement) -> Vec<(FailureCode, Severity)> {
    let raised = |change: &AlertChange| match change {
        AlertChange::Raise(alert) => Some((alert.code, alert.severity)),
        AlertChange::Close(..) | AlertChange::Over { .. } => None,
    };
    settled.alerts.iter().filter_map(raised).collect()
}

#[test]
fn what_works_is_enabled_and_told() {
    let test = test(1);
    let stage = StageReport { workload: Workload::Incoming, stage: Stage::Dns, milliseconds: 3, failure: None };
    let settled = decide(&test, &both(Ok(()), Ok(())), vec![stage.clone()], NOW);
    let enabled = |workload| Enabling { workload, status: TestStatus::Success, change: Some(Change::Enable) };
    assert_eq!(settled.enabling, [enabled(Workload::Incoming), enabled(Workload::Outgoing)]);
    assert_eq!(settled.next_attempt_at, None);
    assert_eq!(raised(&settled), [(FailureCode::MailboxConnected, Severity::Information)]);
    let subject = AlertSubject::Mailbox(test.mailbox.id);
    for workload in [Workload::Incoming, Workload::Outgoing] {
        assert!(settled.alerts.contains(&AlertChange::Over { subject, workload, but: None }));
    }
    assert_eq!((settled.run, settled.node, settled.stages), (test.run.run, test.node, vec![stage]));
}

/// What each failure of reading means, at the first attempt and at the last: when it is tried again
/// (seconds), and whether it disables.
#[test]
fn every_row_of_the_table() {
    use Persistence::{Permanent, Throttled, Transient, UntilConfirmed};
    let rows = [
        (FailureCode::HostUnreachable, Scope::Profile, Transient, Some(10), false),
        (FailureCode::Timeout, Scope::Mailbox, Transient, Some(10), false),
        (FailureCode::DatabaseUnavailable, Scope::Daemon, Transient, Some(10), false),
        (FailureCode::LoginThrottled, Scope::Mailbox, Throttled, Some(10), false),
        (FailureCode::AuthUnavailable, Scope::Mailbox, Transient, Some(10), false),
        // Somebody waits for the answer, and waiting does not change it.
        (FailureCode::AuthRejected, Scope::Mailbox, UntilConfirmed, None, false),
        (FailureCode::DnsNotFound, Scope::Profile, Transient, None, false),
        (FailureCode::TlsUntrusted, Scope::Profile, Transient, None, false),
        (FailureCode::TlsExpired, Scope::Profile, Transient, None, false),
        (FailureCode::TlsNotSpoken, Scope::Profile, Permanent, None, false),
        (FailureCode::PortNotAllowed, Scope::Profile, Permanent, None, false),
        // A mail that is refused says nothing of the mailbox.
        (FailureCode::SenderRefused, Scope::Message, Permanent, None, false),
        // Only this disables one that worked.
        (FailureCode::AuthExpired, Scope::Mailbox, Permanent, None, true),
        (FailureCode::AuthInteractive, Scope::Mailbox, Permanent, None, true),
    ];
    for (code, scope, persistence, again, disables) in rows {
        let failure = failure(code, scope, persistence);
        let first = decide(&test(1), &both(Err(failure.clone()), Ok(())), Vec::new(), NOW);
        assert_eq!(first.next_attempt_at, again.map(|seconds| NOW.plus(SECOND * seconds)), "{code}");
        assert_eq!(first.results.outgoing, Some(TestResult::Success), "{code}");
        let last = decide(&test(5), &both(Err(failure.clone()), Ok(())), Vec::new(), NOW);
        assert_eq!(last.next_attempt_at, None, "{code}");
        assert_eq!(last.results.incoming, Some(TestResult::Failure(TestFailure::from(&failure))), "{code}");
        let expected = Enabling {
            workload: Workload::Incoming,
            status: TestStatus::Failure,
            change: disables.then(|| Change::Disable(TestFailure::from(&failure))),
        };
        assert_eq!(last.enabling.first(), Some(&expected), "{code}");
        assert_eq!(raised(&last), [(code, Severity::Error)], "{code}");
        if again.is_none() {
            assert_eq!(first.enabling, last.enabling, "{code}");
        } else {
            assert_eq!(first.results.incoming, None, "{code}");
            assert_eq!(raised(&first), [], "{code}: not yet worth an alert");
        }
    }
}

#[test]
fn the_waits_grow_or_are_the_servers() {
    let busy = failure(FailureCode::HostUnreachable, Scope::Profile, Persistence::Transient);
    let after = |attempts, failure: &Failure| {
        let settled = decide(&test(attempts), &both(Err(failure.clone()), Ok(())), Vec::new(), NOW);
        settled.next_attempt_at.map(|next| next.since(NOW).as_secs())
    };
    let waits: Vec<_> = (1..=6).map(|attempts| after(attempts, &busy)).collect();
    assert_eq!(waits, [Some(10), Some(30), Some(60), Some(300), None, None]);
    let asking = |seconds| {
        let failure = failure(FailureCode::LoginThrottled, Scope::Mailbox, Persistence::Throttled);
        Failure { retry_after: Some(Duration::from_secs(seconds)), ..failure }
    };
    assert_eq!(after(1, &asking(120)), Some(120));
    assert_eq!(after(1, &asking(1)), Some(5));
    assert_eq!(after(1, &asking(1_000_000)), Some(86_400));
    assert_eq!(after(5, &asking(120)), None);
    // Of two, the later counts.
    let settled = decide(&test(1), &both(Err(busy), Err(asking(120))), Vec::new(), NOW);
    assert_eq!(settled.next_attempt_at, Some(NOW.plus(SECOND * 120)));
}

#[test]
fn what_is_known_is_not_tried_again() {
    let mut second = test(2);
    second.run.results.incoming = Some(TestResult::Success);
    assert_eq!(open_workloads(&second), [Workload::Outgoing]);
    let attempt = Attempt { outgoing: Some(Ok(())), ..Attempt::default() };
    let settled = decide(&second, &attempt, Vec::new(), NOW);
    assert_eq!(settled.enabling.len(), 1);
    assert_eq!(settled.results.incoming, Some(TestResult::Success));
    assert_eq!(raised(&settled), [(FailureCode::MailboxConnected, Severity::Information)]);

    let mut reads = test(1);
    reads.mailbox.outgoing_method = SyncMethod::None;
    assert_eq!(open_workloads(&reads), [Workload::Incoming]);
    // The half that failed before keeps the whole from being connected.
    let why = TestFailure { code: FailureCode::AuthRejected, text: String::new() };
    second.run.results.incoming = Some(TestResult::Failure(why));
    let settled = decide(&second, &attempt, Vec::new(), NOW);
    let subject = AlertSubject::Mailbox(second.mailbox.id);
    assert_eq!(raised(&settled), []);
    assert!(settled.alerts.contains(&AlertChange::Close(subject, FailureCode::MailboxConnected)));
}

#[test]
fn a_test_that_its_programs_do_not_survive_ends() {
    assert_eq!(worn_out(&test(5)), None);
    let failure = worn_out(&test(6)).unwrap();
    let settled = decide(&test(6), &both(Err(failure.clone()), Err(failure)), Vec::new(), NOW);
    assert_eq!(settled.next_attempt_at, None);
    assert!(settled.enabling.iter().all(|one| one.change.is_none() && one.status == TestStatus::Failure));
    assert_eq!(raised(&settled), [(FailureCode::InternalError, Severity::Error); 2]);
}

#[test]
fn a_dry_run_changes_nothing() {
    let mut dry = test(1);
    dry.run.request.dry_run = true;
    let refused = failure(FailureCode::AuthExpired, Scope::Mailbox, Persistence::Permanent);
    let preview = Some(Preview { count: 3, ..Preview::default() });
    for incoming in [Ok(()), Err(refused)] {
        let attempt = Attempt { preview, ..both(incoming, Ok(())) };
        let settled = decide(&dry, &attempt, Vec::new(), NOW);
        assert_eq!((settled.enabling.len(), settled.alerts.len()), (0, 0));
        assert_eq!((settled.preview, settled.next_attempt_at), (preview, None));
        assert!(settled.results.incoming.is_some());
    }
}

#[test]
fn a_workload_whose_turn_did_not_come_is_still_open() {
    let settled = decide(&test(1), &Attempt { incoming: Some(Ok(())), ..Attempt::default() }, Vec::new(), NOW);
    assert_eq!((settled.next_attempt_at, settled.results.outgoing), (Some(NOW), None));
}

#[test]
fn a_test_that_may_not_be_run_says_why_and_changes_nothing() {
    let settled = refuse(&test(1), "it was rejected");
    assert_eq!((settled.refused.as_deref(), settled.next_attempt_at), (Some("it was rejected"), None));
    assert_eq!((settled.enabling.len(), settled.alerts.len()), (0, 0));
}
