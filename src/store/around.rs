//! What goes on around a mailbox.

use serde::Serialize;

use super::{HeldProfile, OpenAlert, OutboxCounts};
use crate::model::{
    activity::ActivityStatus, alert::Severity, failure::FailureCode, mailbox::Workload, timestamp::Timestamp,
    view::ViewCounts,
};

/// What the record of a mailbox does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Until when somebody holds the lease for reading.
    pub reading_until: Option<Timestamp>,
    /// Until when somebody holds the lease for sending.
    pub sending_until: Option<Timestamp>,
    /// Its mail that is to be sent, by what keeps it.
    pub outbox: Vec<WaitingMail>,
    /// Open alerts about the mailbox and about its profile, the most urgent first.
    pub alerts: Vec<OpenAlert>,
}

impl Surroundings {
    /// Whether a workload runs now.
    pub fn is_running(&self, workload: Workload, now: Timestamp) -> bool {
        let until = match workload {
            Workload::Incoming => self.reading_until,
            Workload::Outgoing => self.sending_until,
        };
        until.is_some_and(|until| until > now)
    }
}

/// Mails of one mailbox that wait for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaitingMail {
    /// Where they stand.
    pub status: ActivityStatus,
    /// Whether their last line may have been sent.
    pub in_doubt: bool,
    /// What keeps them, or what happened to them last.
    pub code: Option<FailureCode>,
    /// The words for it, of one of them.
    pub words: Option<String>,
    /// How many they are.
    pub mails: u64,
    /// When the oldest was queued.
    pub oldest: Timestamp,
    /// When the first is due.
    pub due: Timestamp,
}

/// What a monitor looks at again and again: cheap to look up, however much mail there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// Open alerts by severity; a severity without any may be missing.
    pub alerts: Vec<(Severity, u64)>,
    /// The oldest last success among the mailboxes that are read, or when the mailbox was made.
    pub oldest_success: Option<Timestamp>,
    /// Mailboxes in each view.
    pub views: ViewCounts,
    /// Profiles that wait.
    pub held: Vec<HeldProfile>,
    /// Mail on its way out.
    pub outbox: OutboxCounts,
}
