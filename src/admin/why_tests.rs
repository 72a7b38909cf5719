use super::*;
use crate::model::{
    activity::ActivityStatus,
    mailbox::{Approval, MailboxKind, SyncMethod},
    presence::Pause,
    samples,
    testing::StageReport,
};
use crate::store::HeldLease;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_767_225_600 + seconds)
}

/// A lease, and when its daemon was last heard of.
fn lease(until: i64, heard: Option<i64>) -> Option<HeldLease> {
    Some(HeldLease { until: at(until), heard: heard.map(at) })
}

/// Everything that an explanation is made of, as it is when all is well.
struct World {
    mailbox: Mailbox,
    profile: Option<ServerProfile>,
    incoming_hold: Option<ProfileHold>,
    outgoing_hold: Option<ProfileHold>,
    around: Surroundings,
    test: Option<TestRun>,
    locked: Option<Timestamp>,
    daemon: DaemonState,
}

impl World {
    fn well() -> Self {
        let profile = ServerProfile {
            outgoing: Some(samples::endpoint("smtp.example", 465)),
            is_default: true,
            ..samples::profile("contoso", at(0))
        };
        let state = WorkloadState { enabled: true, last_success_at: Some(at(-60)), ..WorkloadState::default() };
        let mailbox = Mailbox {
            kind: MailboxKind::User,
            profile: Some(profile.id),
            outgoing_method: SyncMethod::ServerSideSync,
            approval: Approval::Approved,
            incoming: WorkloadState { next_due_at: Some(at(240)), ..state.clone() },
            outgoing: state,
            ..samples::mailbox("ada@contoso.example", at(0))
        };
        Self {
            mailbox,
            profile: Some(profile),
            incoming_hold: None,
            outgoing_hold: None,
            around: Surroundings::default(),
            test: None,
            locked: None,
            daemon: DaemonState::Running,
        }
    }

    fn both(&mut self, change: impl Fn(&mut WorkloadState)) {
        change(&mut self.mailbox.incoming);
        change(&mut self.mailbox.outgoing);
    }

    /// A failure of both workloads, tried again in ten minutes.
    fn postponed(&mut self, code: FailureCode, transient: u32, confirmations: u32) {
        self.both(|state| {
            state.postponed_until = Some(at(600));
            state.next_due_at = Some(at(600));
            state.failure_code = Some(code);
            state.last_error = Some("the server's words".to_owned());
            state.failing_since = Some(at(-3_600));
            (state.transient_failures, state.confirmations) = (transient, confirmations);
        });
    }

    /// A test that failed at the log-in of reading, and what sending said.
    fn tested(&mut self, attempts: u32, next: Option<i64>) {
        let stage = |workload, stage, failure| StageReport { workload, stage, milliseconds: 3, failure };
        let text = "NO [AUTHENTICATIONFAILED]".to_owned();
        let refused = TestFailure { code: FailureCode::AuthRejected, text };
        let stages = vec![
            stage(Workload::Incoming, Stage::Tls, None),
            stage(Workload::Incoming, Stage::LogIn, Some(refused)),
            stage(Workload::Outgoing, Stage::LogIn, None),
        ];
        self.both(|state| state.enabled = false);
        self.test = Some(TestRun {
            requested_at: at(-60),
            attempts,
            next_attempt_at: next.map(at),
            stages: if attempts == 0 { Vec::new() } else { stages },
            finished_at: next.is_none().then(|| at(-30)),
            ..samples::test_run(self.mailbox.id, at(0))
        });
    }

    fn queued(&mut self, due: i64) {
        self.around.outbox = vec![WaitingMail {
            status: ActivityStatus::PendingSend,
            in_doubt: false,
            code: None,
            words: None,
            mails: 2,
            oldest: at(-1_000),
            due: at(due),
        }];
    }

    fn why(&self) -> Why {
        explain(&Facts {
            now: at(0),
            mailbox: &self.mailbox,
            profile: self.profile.as_ref(),
            incoming_hold: self.incoming_hold.as_ref(),
            outgoing_hold: self.outgoing_hold.as_ref(),
            around: &self.around,
            test: self.test.as_ref(),
            password_locked_at: self.locked,
            daemon: &self.daemon,
            rules: &FailureRules::default(),
        })
    }
}

fn hold() -> ProfileHold {
    let text = "connection refused".to_owned();
    ProfileHold { since: at(-900), until: at(120), failures: 3, code: FailureCode::HostUnreachable, text }
}

/// One line: state | because | evidence | next | to do.
fn line(explained: &Explanation) -> String {
    let evidence = explained.evidence.as_ref().map_or_else(
        || "-".to_owned(),
        |seen| format!("{} x{} {}", seen.code, seen.times, seen.words.as_deref().unwrap_or("-")),
    );
    let at = explained.next_at.map_or_else(String::new, |time| format!("{}: ", time.to_the_second()));
    let remedy = explained.remedy.as_deref().unwrap_or("-");
    format!("{:?} | {} | {evidence} | {at}{} | {remedy}", explained.state, explained.because, explained.next)
}

#[test]
fn every_state_is_explained() {
    let mut wrong = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for (number, (change, reading, sending)) in cases::CASES.iter().enumerate() {
        let mut world = World::well();
        change(&mut world);
        let why = world.why();
        seen.extend([why.incoming.state, why.outgoing.state]);
        for (expected, found) in [(*reading, line(&why.incoming)), (*sending, line(&why.outgoing))] {
            if expected != found {
                wrong.push(format!("case {number}\n  expected: {expected}\n  found:    {found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen.len(), State::Ok as usize + 1, "a state without a case: {seen:?}");
}

#[test]
fn an_alert_tells_when_a_failure_was_seen_last() {
    let mut world = World::well();
    world.postponed(FailureCode::Timeout, 2, 0);
    let alert = |subject: &str, code: FailureCode, last: i64| OpenAlert {
        kind: "mailbox".to_owned(),
        subject: subject.to_owned(),
        severity: "warning".to_owned(),
        code: code.name().to_owned(),
        text: String::new(),
        hint: String::new(),
        first_seen: at(-3_600),
        last_seen: at(last),
        count: 2,
    };
    world.around.alerts = vec![
        alert("ada@contoso.example", FailureCode::AuthRejected, -1),
        alert("ada@contoso.example", FailureCode::Timeout, -20),
    ];
    let why = world.why();
    assert_eq!(why.incoming.evidence.unwrap().last, Some(at(-20)));
    assert_eq!(why.alerts.len(), 2);
}

#[path = "why/cases_tests.rs"]
mod cases;
