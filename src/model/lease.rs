//! What the schedule reads from and writes to the database.

use std::time::Duration;

use serde::Serialize;

use super::{
    activity::Fence,
    alert::AlertChange,
    cursor::Cursor,
    failure::FailureCode,
    ids::{MailboxId, ProfileId},
    mailbox::{Mailbox, WorkloadState},
    timestamp::Timestamp,
};

/// A mailbox one workload of which may be scheduled: active, approved or approval not needed, method
/// `server_side_sync`, profile there and active, enabled; of sending: with a server to hand mail to,
/// and mail to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleEntry {
    /// Which mailbox.
    pub mailbox: MailboxId,
    /// Which profile.
    pub profile: ProfileId,
    /// Of reading: `next_due_at`, or `postponed_until` where that is later; `None`: never run. Of
    /// sending: when the first of its mails is due, not before `postponed_until`; may be long past.
    pub due: Option<Timestamp>,
}

/// A mailbox whose lease this node now holds, with what a cycle needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The mailbox.
    pub mailbox: Mailbox,
    /// The lease.
    pub fence: Fence,
    /// How far it is recorded; `None` before the first cycle, and for sending.
    pub cursor: Option<Cursor>,
    /// Whether messages that were set aside are to be tried again.
    pub retries: bool,
}

/// The end of a cycle as it is written: the workload's new state, and alerts; the lease is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The lease; where it is lost, nothing is written.
    pub fence: Fence,
    /// The new state of the workload.
    pub state: WorkloadState,
    /// What follows for alerts, in order.
    pub alerts: Vec<AlertChange>,
}

/// A profile that waits because its host, not a mailbox, fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileHold {
    /// Since when.
    pub since: Timestamp,
    /// When the next probe is due.
    pub until: Timestamp,
    /// Probes that failed.
    pub failures: u32,
    /// Why.
    pub code: FailureCode,
    /// The words of the last failure.
    pub text: String,
}

impl ProfileHold {
    /// When the next probe is due; `None`: when a person has had a look.
    pub fn next_probe(&self) -> Option<Timestamp> {
        Some(self.until).filter(|until| *until < Timestamp::FAR_FUTURE)
    }
}

/// How long a lease holds, and how often it is renewed.
pub const LEASE_TTL: Duration = Duration::from_secs(60);
