//! What goes on around a mailbox.

use serde::Serialize;

use super::{HeldProfile, OpenAlert, OutboxCounts};
use crate::model::{
    activity::ActivityStatus, alert::Severity, failure::FailureCode, mailbox::Workload, presence::is_lately,
    timestamp::Timestamp, view::ViewCounts,
};

/// What the record of a mailbox does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The lease for reading, where somebody took it.
    pub reading: Option<HeldLease>,
    /// The lease for sending, where somebody took it.
    pub sending: Option<HeldLease>,
    /// Its mail that is to be sent, by what keeps it, and what failed lately.
    pub outbox: Vec<WaitingMail>,
    /// Open alerts about the mailbox and about its profile, the most urgent first.
    pub alerts: Vec<OpenAlert>,
}

/// That a daemon took a workload of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldLease {
    /// Until when nobody else does.
    pub until: Timestamp,
    /// When that daemon was last heard of; `None`: it is forgotten.
    pub heard: Option<Timestamp>,
}

impl HeldLease {
    /// Whether that daemon is at work.
    pub fn is_heard(&self, now: Timestamp) -> bool {
        self.heard.is_some_and(|heard| is_lately(heard, now))
    }
}

impl Surroundings {
    /// Who holds a workload now.
    pub fn lease(&self, workload: Workload, now: Timestamp) -> Option<&HeldLease> {
        let lease = match workload {
            Workload::Incoming => self.reading.as_ref(),
            Workload::Outgoing => self.sending.as_ref(),
        };
        lease.filter(|lease| lease.until > now)
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
