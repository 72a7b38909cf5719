//! Test & Enable: what is asked for, how far it has come, what came out.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    alert::AlertChange,
    failure::{Failure, FailureCode},
    ids::{MailboxId, NodeId, RunId},
    mailbox::{Approval, Mailbox, SyncMethod, TestStatus, Workload},
    profile::ServerProfile,
    timestamp::Timestamp,
};

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TestRequest {
    /// The test mail must also arrive.
    pub round_trip: bool,
    /// Nothing is sent and nothing is enabled; what would be imported is counted.
    pub dry_run: bool,
}

/// One step of a test, in the order in which they are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// There is a password.
    Password,
    /// The host has an address.
    Dns,
    /// It answers at the port.
    Tcp,
    /// The connection is as secure as the profile demands.
    Tls,
    /// The server says hello.
    Greeting,
    /// It takes name and password.
    LogIn,
    /// It opens the Inbox.
    Inbox,
    /// It takes the test mail.
    Send,
    /// The test mail is in the Inbox.
    Arrival,
}

impl Stage {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Dns => "DNS",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Greeting => "greeting",
            Self::LogIn => "log-in",
            Self::Inbox => "Inbox",
            Self::Send => "send",
            Self::Arrival => "arrival",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A failure as a test keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestFailure {
    /// What to call it.
    pub code: FailureCode,
    /// The server's words, cleaned and cut.
    pub text: String,
}

impl From<&Failure> for TestFailure {
    fn from(failure: &Failure) -> Self {
        Self { code: failure.code, text: failure.text.clone() }
    }
}

/// A stage that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageReport {
    /// Of which workload.
    pub workload: Workload,
    /// Which.
    pub stage: Stage,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// Why it failed; `None`: it went well.
    pub failure: Option<TestFailure>,
}

/// What a test says of one workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum TestResult {
    /// It works.
    Success,
    /// It does not.
    Failure(TestFailure),
}

/// What a test says of each workload; `None`: not known yet, or not tested.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResults {
    /// Of reading.
    pub incoming: Option<TestResult>,
    /// Of sending.
    pub outgoing: Option<TestResult>,
}

impl TestResults {
    /// Of one workload.
    pub const fn of(&self, workload: Workload) -> Option<&TestResult> {
        match workload {
            Workload::Incoming => self.incoming.as_ref(),
            Workload::Outgoing => self.outgoing.as_ref(),
        }
    }

    /// Notes what is known of a workload.
    pub fn set(&mut self, workload: Workload, result: TestResult) {
        match workload {
            Workload::Incoming => self.incoming = Some(result),
            Workload::Outgoing => self.outgoing = Some(result),
        }
    }
}

/// What reading would import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// Messages.
    pub count: u64,
    /// Their size as listed, in bytes.
    pub bytes: u64,
    /// When the oldest of them was received, as far as the server says.
    pub oldest: Option<Timestamp>,
    /// Messages of which only the content tells when they were received: those among them that are
    /// too old are left out when they are read.
    pub undated: u64,
}

/// The test mail of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestMail {
    /// Without brackets.
    pub message_id: String,
    /// When the server took it; `None`: not known to be sent.
    pub sent_at: Option<Timestamp>,
}

/// The last test of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestRun {
    /// Whose.
    pub mailbox: MailboxId,
    /// Which.
    pub run: RunId,
    /// What was asked for.
    #[serde(flatten)]
    pub request: TestRequest,
    /// When.
    pub requested_at: Timestamp,
    /// By whom.
    pub requested_by: String,
    /// Attempts that were begun.
    pub attempts: u32,
    /// When the next one is due; `None`: it is over.
    pub next_attempt_at: Option<Timestamp>,
    /// Whether an attempt is under way.
    pub running: bool,
    /// The stages of the last attempt that are over.
    pub stages: Vec<StageReport>,
    /// What is known of each workload.
    pub results: TestResults,
    /// What would be imported.
    pub preview: Option<Preview>,
    /// Its mail, once there is one.
    pub mail: Option<TestMail>,
    /// Why it was not run after all.
    pub refused: Option<String>,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
}

impl TestRun {
    /// Whether it is over, was run, and found nothing wrong.
    pub fn went_well(&self) -> bool {
        let failed = |result: &Option<TestResult>| matches!(result, Some(TestResult::Failure(_)));
        self.finished_at.is_some()
            && self.refused.is_none()
            && !failed(&self.results.incoming)
            && !failed(&self.results.outgoing)
    }
}

/// A test that this node now runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedTest {
    /// The test, this attempt counted.
    pub run: TestRun,
    /// The mailbox as it is now.
    pub mailbox: Mailbox,
    /// Its profile as it is now.
    pub profile: Option<ServerProfile>,
    /// Who runs it.
    pub node: NodeId,
}

/// What the end of an attempt does to one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enabling {
    /// Which.
    pub workload: Workload,
    /// What its test says.
    pub status: TestStatus,
    /// Whether it is enabled or disabled; `None`: it stays as it is.
    pub change: Option<Change>,
}

/// What becomes of the flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Enabled; its failures are forgotten.
    Enable,
    /// Disabled, for this.
    Disable(TestFailure),
}

/// The end of an attempt as it is written; the lease is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestSettlement {
    /// Whose test.
    pub mailbox: MailboxId,
    /// Which; where another was asked for meanwhile, nothing is written.
    pub run: RunId,
    /// Who ran it.
    pub node: NodeId,
    /// When the next attempt is due; `None`: it is over.
    pub next_attempt_at: Option<Timestamp>,
    /// What is known of each workload.
    pub results: TestResults,
    /// The stages of this attempt.
    pub stages: Vec<StageReport>,
    /// What would be imported.
    pub preview: Option<Preview>,
    /// Why it was not run after all.
    pub refused: Option<String>,
    /// What it does to the workloads.
    pub enabling: Vec<Enabling>,
    /// What becomes of alerts.
    pub alerts: Vec<AlertChange>,
}

/// Why a mailbox cannot be tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untestable {
    /// It is not declared any more, or was switched off.
    #[error("it is inactive")]
    Inactive,
    /// Somebody must decide first.
    #[error("it waits for approval: mailsyncd mailbox approve")]
    Pending,
    /// Somebody decided.
    #[error("it was rejected")]
    Rejected,
    /// Nobody knows its server.
    #[error("it has no profile")]
    NoProfile,
    /// Its profile is not declared any more, or was switched off.
    #[error("its profile is inactive")]
    InactiveProfile,
    /// It is neither read nor does it send.
    #[error("it is neither read nor does it send: its methods are none")]
    NoMethod,
    /// Its profile sends no mail, but the mailbox should.
    #[error("it should send, but its profile names no outgoing server")]
    NoOutgoingServer,
    /// A round trip goes out and comes in.
    #[error("for a round trip it must both be read and send")]
    NoRoundTrip,
}

/// Whether `mailbox` may be tested so, with the profile it has.
///
/// # Errors
/// Not, and why.
pub fn testable(mailbox: &Mailbox, profile: Option<&ServerProfile>, request: TestRequest) -> Result<(), Untestable> {
    let profile = profile.ok_or(Untestable::NoProfile);
    let (reads, sends) = (uses(mailbox, Workload::Incoming), uses(mailbox, Workload::Outgoing));
    match mailbox.approval {
        _ if !mailbox.active => Err(Untestable::Inactive),
        Approval::Pending => Err(Untestable::Pending),
        Approval::Rejected => Err(Untestable::Rejected),
        Approval::Empty | Approval::Approved if !profile?.active => Err(Untestable::InactiveProfile),
        Approval::Empty | Approval::Approved if !reads && !sends => Err(Untestable::NoMethod),
        Approval::Empty | Approval::Approved if sends && profile?.outgoing.is_none() => {
            Err(Untestable::NoOutgoingServer)
        }
        Approval::Empty | Approval::Approved if request.round_trip && !(reads && sends) => Err(Untestable::NoRoundTrip),
        Approval::Empty | Approval::Approved => Ok(()),
    }
}

/// Whether the mailbox has this workload at all.
pub fn uses(mailbox: &Mailbox, workload: Workload) -> bool {
    let method = match workload {
        Workload::Incoming => mailbox.incoming_method,
        Workload::Outgoing => mailbox.outgoing_method,
    };
    method == SyncMethod::ServerSideSync
}

/// What every test mail's Subject says, before the organization's name.
pub const SUBJECT: &str = "Your mailbox is now connected to";
