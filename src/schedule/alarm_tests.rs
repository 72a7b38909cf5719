use super::*;
use crate::model::{
    ids::{MailboxId, ProfileId},
    mailbox::Workload,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros((1_000_000 + seconds) * 1_000_000)
}

fn duty() -> Duty {
    Duty::new(Workload::Incoming, MailboxId(uuid::Uuid::from_u128(7)))
}

fn state(failures: u32, since: i64) -> WorkloadState {
    WorkloadState {
        enabled: true,
        transient_failures: failures,
        failing_since: Some(at(since)),
        ..WorkloadState::default()
    }
}

fn failure(code: FailureCode, scope: Scope, persistence: Persistence) -> Failure {
    Failure::new(code, scope, persistence, "the words")
}

fn report(failure: Option<Failure>) -> Report {
    Report::Received(CycleReport { failure, ..CycleReport::default() })
}

/// What is raised, as `severity code workload`.
fn raised(change: &AlertChange) -> String {
    match change {
        AlertChange::Raise(alert) => {
            assert_eq!(alert.text, "the words");
            format!("{:?} {} {:?}", alert.severity, alert.code, alert.workload.unwrap())
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn what_a_mailbox_fails_with_decides_how_loud_it_is() {
    use FailureCode::*;
    use Persistence::*;
    let off = || WorkloadState { enabled: false, ..state(0, -60) };
    let cases = [
        ("a hiccup is no news", state(1, 0), Timeout, Transient, None),
        ("a second one is", state(2, -300), Timeout, Transient, Some("Warning timeout Incoming")),
        ("some are given time", state(2, -300), AuthUnavailable, Transient, None),
        ("but not for ever", state(9, -3_600), AuthUnavailable, Transient, Some("Warning auth-unavailable Incoming")),
        ("a lock is given a quarter", state(3, -899), MailboxInUse, Transient, None),
        ("and no more", state(3, -900), MailboxInUse, Transient, Some("Warning mailbox-in-use Incoming")),
        ("a faulty server a day", state(30, -86_399), ServerFault, Transient, None),
        ("and no more", state(30, -86_400), ServerFault, Transient, Some("Warning server-fault Incoming")),
        ("given up after all", off(), Timeout, Transient, Some("Error timeout Incoming")),
        ("refused, to be confirmed", state(0, 0), AuthRejected, UntilConfirmed, Some("Warning auth-rejected Incoming")),
        ("refused for good", off(), AuthRejected, UntilConfirmed, Some("Error auth-rejected Incoming")),
        ("nothing helps", off(), AuthExpired, Permanent, Some("Error auth-expired Incoming")),
        ("throttled", state(0, 0), LoginThrottled, Throttled, Some("Information login-throttled Incoming")),
        ("for long", state(0, -3_600), LoginThrottled, Throttled, Some("Warning login-throttled Incoming")),
        ("for a reason", state(0, 0), SendingBlocked, Throttled, Some("Warning sending-blocked Incoming")),
    ];
    for (name, after, code, persistence, expected) in cases {
        let failure = failure(code, Scope::Mailbox, persistence);
        let changes = after_cycle(duty(), &after, &report(Some(failure)), at(0));
        assert_eq!(changes.iter().map(raised).collect::<Vec<_>>(), Vec::from_iter(expected), "{name}");
    }
}

#[test]
fn a_cycle_that_went_well_ends_what_its_own_workload_raised() {
    let over = |workload| AlertChange::Over { subject: AlertSubject::Mailbox(duty().mailbox), workload, but: None };
    let settled = WorkloadState { enabled: true, ..WorkloadState::default() };
    for workload in [Workload::Incoming, Workload::Outgoing] {
        let duty = Duty::new(workload, duty().mailbox);
        assert_eq!(after_cycle(duty, &settled, &report(None), at(0)), [over(workload)]);
        let one_mail = failure(FailureCode::MailDeferred, Scope::Message, Persistence::Transient);
        assert_eq!(after_cycle(duty, &settled, &report(Some(one_mail)), at(0)), [over(workload)]);
    }
}

#[test]
fn the_failure_of_a_profile_or_of_the_daemon_says_nothing_of_the_mailbox() {
    for scope in [Scope::Profile, Scope::Daemon] {
        let failure = failure(FailureCode::HostUnreachable, scope, Persistence::Transient);
        assert_eq!(after_cycle(duty(), &state(5, -9_000), &report(Some(failure)), at(0)), []);
    }
}

#[test]
fn a_hold_is_one_alert_that_grows_louder() {
    use FailureCode::*;
    let side = Side::new(Workload::Outgoing, ProfileId(uuid::Uuid::from_u128(9)));
    let (subject, workload) = (AlertSubject::Profile(side.profile), side.workload);
    let cases = [
        (HostUnreachable, 0, "Warning host-unreachable Outgoing"),
        (HostUnreachable, 899, "Warning host-unreachable Outgoing"),
        (HostUnreachable, 900, "Error host-unreachable Outgoing"),
        (TlsUntrusted, 0, "Error tls-untrusted Outgoing"),
        (DnsNotFound, 0, "Error dns-not-found Outgoing"),
        (SecurityDowngrade, 0, "Error security-downgrade Outgoing"),
        (ServerThrottled, 1_800, "Information server-throttled Outgoing"),
        (ServerThrottled, 3_600, "Warning server-throttled Outgoing"),
    ];
    for (code, lasted, expected) in cases {
        let hold = ProfileHold { since: at(-lasted), until: at(30), failures: 0, code, text: "the words".into() };
        let changes = held(side, &hold, at(0));
        assert_eq!(changes[0], AlertChange::Over { subject, workload, but: Some(code) });
        assert_eq!(raised(&changes[1]), expected);
        assert_eq!(changes.len(), 2);
    }
    assert_eq!(released(side), [AlertChange::Over { subject, workload, but: None }]);
}

#[test]
fn an_inbox_that_was_renumbered_is_reported_with_what_became_of_its_messages() {
    let report = CycleReport {
        started_over: Some("uid_validity_changed"),
        recorded: 2,
        linked: 40,
        ignored: 1,
        ..CycleReport::default()
    };
    let settled = WorkloadState { enabled: true, ..WorkloadState::default() };
    let told = |report: CycleReport| match after_cycle(duty(), &settled, &Report::Received(report), at(0)).pop() {
        Some(AlertChange::Raise(alert)) => {
            assert_eq!((alert.severity, alert.code), (Severity::Information, FailureCode::InboxRenumbered));
            assert_eq!(alert.workload, None, "no poll that goes well ends it");
            alert.text
        }
        other => panic!("{other:?}"),
    };
    let all = "uid validity changed: 40 found again, 2 new, 1 ignored, 0 set aside";
    assert_eq!(told(report.clone()), all);
    assert_eq!(told(CycleReport { more: true, ..report }), format!("{all} so far; reading goes on"));
}

#[test]
fn messages_that_cannot_be_told_apart_are_an_alert_for_as_long_as_it_lasts() {
    let subject = AlertSubject::Mailbox(duty().mailbox);
    let torn = CycleReport { left_out: Some("2 name".into()), ..CycleReport::default() };
    let changes = after_cycle(duty(), &WorkloadState::default(), &Report::Received(torn), at(0));
    let [over, AlertChange::Raise(alert)] = changes.as_slice() else { panic!("{changes:?}") };
    let code = FailureCode::ProtocolViolation;
    assert_eq!(*over, AlertChange::Over { subject, workload: Workload::Incoming, but: Some(code) });
    assert_eq!((alert.subject, alert.code, alert.severity), (subject, code, Severity::Warning));
    assert!(alert.text.contains("all others are read") && alert.text.contains("2 name"), "{}", alert.text);
    let well = Report::Received(CycleReport::default());
    let over = AlertChange::Over { subject, workload: Workload::Incoming, but: None };
    assert_eq!(after_cycle(duty(), &WorkloadState::default(), &well, at(0)), [over]);
}

#[test]
fn a_notice_of_the_provider_is_passed_on_beside_everything_else() {
    let settled = WorkloadState { enabled: true, ..WorkloadState::default() };
    let report = CycleReport { notice: Some("maintenance on Sunday".into()), ..CycleReport::default() };
    let changes = after_cycle(duty(), &settled, &Report::Received(report), at(0));
    assert!(matches!(changes[0], AlertChange::Over { .. }));
    let AlertChange::Raise(alert) = &changes[1] else { panic!("{changes:?}") };
    assert_eq!((alert.severity, alert.code), (Severity::Information, FailureCode::ProviderNotice));
    assert_eq!((alert.text.as_str(), alert.workload), ("maintenance on Sunday", None));
}
