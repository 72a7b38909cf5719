//! Why a mailbox is in the state it is in, what will happen next, and what a person should do. Pure
//! but for [`mod@ask`].

mod ask;
mod words;

use serde::Serialize;

pub use ask::ask;

use super::status::WorkloadStatus;
use crate::{
    model::{
        failure::FailureCode,
        lease::ProfileHold,
        mailbox::{Mailbox, TestStatus, Workload, WorkloadState},
        presence::DaemonState,
        profile::{AuthMethod, ServerProfile},
        rules::FailureRules,
        testing::{Stage, TestFailure, TestRun},
        timestamp::Timestamp,
    },
    store::{HeldLease, OpenAlert, Surroundings, WaitingMail},
};

/// What an explanation is made of.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The time that all of it is true for.
    pub now: Timestamp,
    /// The mailbox.
    pub mailbox: &'a Mailbox,
    /// Its profile, where it has one.
    pub profile: Option<&'a ServerProfile>,
    /// Why its profile waits with reading, where it does.
    pub incoming_hold: Option<&'a ProfileHold>,
    /// Why its profile waits with sending, where it does.
    pub outgoing_hold: Option<&'a ProfileHold>,
    /// Leases, outbox, alerts.
    pub around: &'a Surroundings,
    /// Its last test, where it had one.
    pub test: Option<&'a TestRun>,
    /// Since when the stored password that it logs in with waits to be entered again, where it does.
    pub password_locked_at: Option<Timestamp>,
    /// Whether anybody does the work.
    pub daemon: &'a DaemonState,
    /// How failures are met.
    pub rules: &'a FailureRules,
}

/// How a mailbox stands, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Why {
    /// Its address.
    pub mailbox: String,
    /// Its profile's name.
    pub profile: Option<String>,
    /// Reading.
    pub incoming: Explanation,
    /// Sending.
    pub outgoing: Explanation,
    /// Its mail that is to be sent, by what keeps it.
    pub outbox: Vec<WaitingMail>,
    /// Open alerts about it, its profile and the daemon.
    pub alerts: Vec<OpenAlert>,
}

/// How one workload stands, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// In one word.
    pub state: State,
    /// Why it is so.
    pub because: String,
    /// What shows it.
    pub evidence: Option<Evidence>,
    /// What will happen.
    pub next: String,
    /// When, where that is known.
    pub next_at: Option<Timestamp>,
    /// What a person should do, if anything.
    pub remedy: Option<String>,
}

/// What a server, or the machine, said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// What to call it.
    pub code: FailureCode,
    /// What that means.
    pub meaning: &'static str,
    /// The words.
    pub words: Option<String>,
    /// When it began.
    pub first: Option<Timestamp>,
    /// When it was seen last, where that is known.
    pub last: Option<Timestamp>,
    /// How often in a row.
    pub times: u64,
}

/// How one workload stands, the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The mailbox is retired or switched off.
    Inactive,
    /// It has no profile, or that is inactive.
    NoProfile,
    /// By method.
    Off,
    /// Its profile has no server to hand mail to.
    NoServer,
    /// An administrator refused it.
    Rejected,
    /// Somebody must approve it.
    PendingApproval,
    /// A test has been asked for, or runs.
    TestUnderWay,
    /// Its last test failed.
    TestFailed,
    /// A failure disabled it.
    Disabled,
    /// Nobody enabled it.
    NotEnabled,
    /// It is under way at this moment.
    Running,
    /// A daemon has it that is not heard of any more.
    Abandoned,
    /// No daemon runs.
    NotRunning,
    /// The daemon is in trouble of its own.
    Paused,
    /// Its profile waits for its host.
    Held,
    /// Its password is not sent to the server that its profile names now.
    Locked,
    /// It waits because its server asked for that.
    Throttled,
    /// It waits for the next try, which may confirm that the failure is permanent.
    Confirming,
    /// It waits after a failure of its own.
    Postponed,
    /// It should have run a while ago.
    Late,
    /// It runs as soon as there is room.
    Due,
    /// All is well.
    Ok,
}

/// What is due and has not begun for so long is late.
const LATE_AFTER: std::time::Duration = std::time::Duration::from_secs(300);

/// Explains both workloads.
pub fn explain(facts: &Facts<'_>) -> Why {
    Why {
        mailbox: facts.mailbox.email_address.clone(),
        profile: facts.profile.map(|profile| profile.name.clone()),
        incoming: workload(facts, Workload::Incoming),
        outgoing: workload(facts, Workload::Outgoing),
        outbox: facts.around.outbox.clone(),
        alerts: facts.around.alerts.clone(),
    }
}

fn workload(facts: &Facts<'_>, workload: Workload) -> Explanation {
    let state = facts.state(workload);
    let told = words::Told { facts, workload, state };
    let (next, next_at) = told.next();
    Explanation {
        state,
        because: told.because(),
        evidence: facts.evidence(workload, state),
        next,
        next_at,
        remedy: told.remedy(),
    }
}

impl Facts<'_> {
    fn hold(&self, workload: Workload) -> Option<&ProfileHold> {
        match workload {
            Workload::Incoming => self.incoming_hold,
            Workload::Outgoing => self.outgoing_hold,
        }
    }

    fn lease(&self, workload: Workload) -> Option<&HeldLease> {
        self.around.lease(workload, self.now)
    }

    fn workload_state(&self, workload: Workload) -> &WorkloadState {
        self.mailbox.state(workload)
    }

    /// When it should run next; `None`: at once, or, of sending, when there is mail.
    fn due(&self, workload: Workload) -> Option<Timestamp> {
        let state = self.workload_state(workload);
        let due = match workload {
            Workload::Incoming => state.next_due_at,
            Workload::Outgoing => {
                self.around.outbox.iter().filter(|mail| mail.status.is_in_work()).map(|mail| mail.due).min()
            }
        };
        due.max(state.postponed_until)
    }

    fn state(&self, workload: Workload) -> State {
        let held = self.hold(workload).is_some();
        let standing = standing(WorkloadStatus::of(workload, self.mailbox, self.profile, held, self.now));
        if standing < State::Running {
            return self.tested(workload, standing);
        }
        match self.daemon {
            DaemonState::Absent | DaemonState::Silent { .. } | DaemonState::Died { .. } => State::NotRunning,
            _ if let Some(lease) = self.lease(workload) => match lease.is_heard(self.now) {
                true => State::Running,
                false => State::Abandoned,
            },
            DaemonState::Paused(_) => State::Paused,
            DaemonState::Running | DaemonState::Strained(_) => match standing {
                State::Postponed | State::Due if self.is_locked(workload) => State::Locked,
                State::Postponed => self.postponed(workload),
                State::Due => self.awaited(workload),
                other => other,
            },
        }
    }

    /// Whether it would log in with a password that is locked.
    fn is_locked(&self, workload: Workload) -> bool {
        let logs_in = |profile: &ServerProfile| match workload {
            Workload::Incoming => true,
            Workload::Outgoing => profile.outgoing.as_ref().is_some_and(|endpoint| endpoint.auth != AuthMethod::None),
        };
        self.password_locked_at.is_some() && self.profile.is_some_and(logs_in)
    }

    /// What a test makes of one that does not run.
    fn tested(&self, workload: Workload, standing: State) -> State {
        match (standing, self.test) {
            (State::NotEnabled | State::Disabled, Some(test)) if test.next_attempt_at.is_some() => State::TestUnderWay,
            (State::NotEnabled | State::Disabled, _)
                if self.workload_state(workload).test_status == TestStatus::Failure =>
            {
                State::TestFailed
            }
            (standing, _) => standing,
        }
    }

    /// Where the last test of a workload failed, and of what.
    fn failed_stage(&self, workload: Workload) -> Option<(Stage, &TestFailure)> {
        let stages = self.test.iter().flat_map(|test| &test.stages);
        let own = stages.filter(|stage| stage.workload == workload);
        own.filter_map(|stage| Some((stage.stage, stage.failure.as_ref()?))).next_back()
    }

    /// By which of the failures it waits.
    fn postponed(&self, workload: Workload) -> State {
        let state = self.workload_state(workload);
        match state.failure_code {
            Some(code) if code.is_throttling() => State::Throttled,
            Some(_) if state.confirmations > 0 && state.transient_failures == 0 => State::Confirming,
            _ => State::Postponed,
        }
    }

    /// Whether it is on time.
    fn awaited(&self, workload: Workload) -> State {
        match (self.due(workload), workload) {
            (None, Workload::Outgoing) => State::Ok,
            (None, Workload::Incoming) => State::Due,
            (Some(due), _) if self.now.since(due) > LATE_AFTER => State::Late,
            (Some(due), _) if due > self.now => State::Ok,
            (Some(_), _) => State::Due,
        }
    }

    fn evidence(&self, workload: Workload, state: State) -> Option<Evidence> {
        let seen = |code: FailureCode, words: &str, first, times| {
            Some(Evidence { code, meaning: code.text(), words: Some(words.to_owned()), first, last: None, times })
        };
        match (state, self.daemon, self.hold(workload), self.failed_stage(workload)) {
            (State::Paused, DaemonState::Paused(pause), ..) => seen(pause.code, &pause.text, Some(pause.since), 1),
            (state, DaemonState::Strained(pause), ..) if self.is_strained(workload, state) => {
                seen(pause.code, &pause.text, Some(pause.since), 1)
            }
            (State::Held | State::NotRunning, _, Some(hold), _) => {
                seen(hold.code, &hold.text, Some(hold.since), u64::from(hold.failures) + 1)
            }
            (State::TestUnderWay | State::TestFailed, _, _, Some((_, failure))) => {
                let test = self.test;
                let attempts = test.map_or(1, |test| u64::from(test.attempts.max(1)));
                seen(failure.code, &failure.text, test.map(|test| test.requested_at), attempts)
            }
            (State::Locked | State::NotRunning, ..) if self.is_locked(workload) => Some(Evidence {
                code: FailureCode::CredentialsLocked,
                meaning: FailureCode::CredentialsLocked.text(),
                words: None,
                first: self.password_locked_at,
                last: None,
                times: 1,
            }),
            (State::TestUnderWay, ..) => None,
            _ => self.own_evidence(workload),
        }
    }

    /// Whether the trouble of the daemon's machine is why the workload waits.
    fn is_strained(&self, workload: Workload, state: State) -> bool {
        use FailureCode::{DnsFailed, HostUnreachable, ResourcesExhausted, TlsExpired};
        let DaemonState::Strained(pause) = self.daemon else { return false };
        let is_short = pause.code == ResourcesExhausted;
        match (state, self.hold(workload)) {
            (State::Late | State::Due, _) => is_short && self.workload_state(workload).failure_code.is_none(),
            (State::Held, Some(hold)) => !is_short && matches!(hold.code, DnsFailed | HostUnreachable | TlsExpired),
            _ => false,
        }
    }

    /// What the state of the workload says.
    fn own_evidence(&self, workload: Workload) -> Option<Evidence> {
        let state = self.workload_state(workload);
        let code = state.failure_code?;
        let alert = self.around.alerts.iter().find(|alert| {
            alert.kind == "mailbox" && alert.subject == self.mailbox.email_address && alert.code == code.name()
        });
        Some(Evidence {
            code,
            meaning: code.text(),
            words: state.last_error.clone(),
            first: state.failing_since,
            last: alert.map(|alert| alert.last_seen),
            times: u64::from(state.transient_failures.saturating_add(state.confirmations)).max(1),
        })
    }
}

const fn standing(status: WorkloadStatus) -> State {
    match status {
        WorkloadStatus::Inactive => State::Inactive,
        WorkloadStatus::NotRead | WorkloadStatus::NotSent => State::Off,
        WorkloadStatus::NoProfile => State::NoProfile,
        WorkloadStatus::NoServer => State::NoServer,
        WorkloadStatus::Rejected => State::Rejected,
        WorkloadStatus::PendingApproval => State::PendingApproval,
        WorkloadStatus::Disabled => State::Disabled,
        WorkloadStatus::NotEnabled => State::NotEnabled,
        WorkloadStatus::Held => State::Held,
        WorkloadStatus::Postponed => State::Postponed,
        WorkloadStatus::Failing | WorkloadStatus::New | WorkloadStatus::Ok => State::Due,
    }
}

#[cfg(test)]
#[path = "why_tests.rs"]
mod tests;
