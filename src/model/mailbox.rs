//! Mailboxes and the workloads that are run for them.

use serde::{Deserialize, Serialize};

use super::{
    care::Care,
    failure::FailureCode,
    ids::{MailboxId, OwnerId, ProfileId},
    timestamp::Timestamp,
};

/// What a mailbox belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailboxKind {
    /// A user's.
    User,
    /// A queue's.
    Queue,
    /// A forward mailbox, without an owner.
    Forward,
}

/// How mail of one direction is synchronized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncMethod {
    /// Not at all.
    None,
    /// By this daemon.
    ServerSideSync,
}

/// Whether an administrator let the mailbox be processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// Nobody decided, nobody was asked.
    Empty,
    /// It may be processed.
    Approved,
    /// Somebody must decide.
    Pending,
    /// It must not be processed.
    Rejected,
}

/// What the schedule runs for a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// Reading mail.
    Incoming,
    /// Sending mail.
    Outgoing,
}

impl Workload {
    /// The name in logs, JSON and column prefixes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Incoming => "incoming",
            Self::Outgoing => "outgoing",
        }
    }
}

/// What the last test of a workload said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestStatus {
    /// There was none.
    #[default]
    NotRun,
    /// It works.
    Success,
    /// It did not.
    Failure,
}

/// What a file says of `enabled` in a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclaredEnabled {
    /// Enabled without a test.
    True,
    /// Not enabled.
    False,
    /// Tested once, then enabled.
    Test,
}

/// The state of one workload of one mailbox: data of the database, never of a file. The default is
/// that of one that is not enabled and never ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WorkloadState {
    /// Whether it runs; a permanent failure clears it.
    pub enabled: bool,
    /// Not before; set by a transient failure.
    pub postponed_until: Option<Timestamp>,
    /// Transient failures in a row.
    pub transient_failures: u32,
    /// Refused passwords and the like in a row, awaiting confirmation.
    pub confirmations: u32,
    /// When the present row of failures began.
    pub failing_since: Option<Timestamp>,
    /// The last failure's code; cleared by a success.
    pub failure_code: Option<FailureCode>,
    /// The server's words for it, cleaned and cut.
    pub last_error: Option<String>,
    /// When the last complete cycle ended.
    pub last_success_at: Option<Timestamp>,
    /// When the next cycle is due.
    pub next_due_at: Option<Timestamp>,
    /// What its last test said. No cycle changes it.
    pub test_status: TestStatus,
    /// What is taken care of, whatever became of the last cycle.
    #[serde(skip_serializing_if = "Care::is_none")]
    pub care: Care,
}

/// One address we process; belongs to a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mailbox {
    /// Identifier.
    pub id: MailboxId,
    /// Name for people; the address where none was given.
    pub name: String,
    /// Its address, unique.
    pub email_address: String,
    /// What it belongs to.
    pub kind: MailboxKind,
    /// The user or queue it belongs to; `None` for forward mailboxes.
    pub owner: Option<OwnerId>,
    /// How it is reached.
    pub profile: Option<ProfileId>,
    /// Login name, where its own credentials are used; the address where none was given.
    pub username: String,
    /// Whether and how mail is read.
    pub incoming_method: SyncMethod,
    /// Whether mail is sent.
    pub outgoing_method: SyncMethod,
    /// Whether mail is deleted on the server once it is recorded.
    pub delete_after_processing: bool,
    /// Addresses it may send as, besides its own; ascending.
    pub may_send_as: Vec<String>,
    /// Mail received before is not recorded.
    pub process_email_received_after: Option<Timestamp>,
    /// Whether it may be processed.
    pub approval: Approval,
    /// An inactive mailbox is not processed.
    pub active: bool,
    /// Where it was declared (`config:FILE:LINE`), or `None` where it was made by command.
    pub managed_by: Option<String>,
    /// What the file said of `enabled` when it was last read.
    pub declared_enabled: Option<DeclaredEnabled>,
    /// When the last test ended.
    pub test_completed_at: Option<Timestamp>,
    /// State of reading.
    pub incoming: WorkloadState,
    /// State of sending.
    pub outgoing: WorkloadState,
}

impl Mailbox {
    /// The state of one workload.
    pub const fn state(&self, workload: Workload) -> &WorkloadState {
        match workload {
            Workload::Incoming => &self.incoming,
            Workload::Outgoing => &self.outgoing,
        }
    }
}
