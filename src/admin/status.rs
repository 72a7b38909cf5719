//! Whether a mailbox is read, and whether it sends.

use serde::Serialize;

use crate::model::{
    mailbox::{Approval, Mailbox, SyncMethod, Workload},
    profile::ServerProfile,
    timestamp::Timestamp,
};

/// Why a workload of a mailbox is done or not, the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkloadStatus {
    /// Retired or switched off.
    Inactive,
    /// Its mail is not read by method.
    NotRead,
    /// It sends nothing by method.
    NotSent,
    /// It has no profile, or that is inactive.
    NoProfile,
    /// Its profile has no server to hand mail to.
    NoServer,
    /// An administrator refused it.
    Rejected,
    /// Somebody must approve it.
    PendingApproval,
    /// A failure disabled it.
    Disabled,
    /// Nobody enabled it.
    NotEnabled,
    /// Its profile waits for its host.
    Held,
    /// It waits after a failure of its own.
    Postponed,
    /// The last cycle failed, and it is due again.
    Failing,
    /// It was never read completely.
    New,
    /// All is well.
    Ok,
}

impl WorkloadStatus {
    pub(super) fn of(
        workload: Workload,
        mailbox: &Mailbox,
        profile: Option<&ServerProfile>,
        held: bool,
        now: Timestamp,
    ) -> Self {
        let state = mailbox.state(workload);
        let profile = profile.filter(|profile| profile.active);
        let (method, off) = match workload {
            Workload::Incoming => (mailbox.incoming_method, Self::NotRead),
            Workload::Outgoing => (mailbox.outgoing_method, Self::NotSent),
        };
        match mailbox.approval {
            _ if !mailbox.active => Self::Inactive,
            _ if method == SyncMethod::None => off,
            _ if profile.is_none() => Self::NoProfile,
            _ if workload == Workload::Outgoing && profile.is_some_and(|profile| profile.outgoing.is_none()) => {
                Self::NoServer
            }
            Approval::Rejected => Self::Rejected,
            Approval::Pending => Self::PendingApproval,
            _ if !state.enabled && state.failure_code.is_some() => Self::Disabled,
            _ if !state.enabled => Self::NotEnabled,
            _ if held => Self::Held,
            _ if state.postponed_until.is_some_and(|until| until > now) => Self::Postponed,
            _ if state.failure_code.is_some() => Self::Failing,
            _ if workload == Workload::Incoming && state.last_success_at.is_none() => Self::New,
            Approval::Approved | Approval::Empty => Self::Ok,
        }
    }

    /// Whether it is done as things stand, be it later.
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Held | Self::Postponed | Self::Failing | Self::New | Self::Ok)
    }

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::NotRead => "not read",
            Self::NotSent => "off",
            Self::NoProfile => "no profile",
            Self::NoServer => "its profile has no outgoing server",
            Self::Rejected => "rejected",
            Self::PendingApproval => "pending approval",
            Self::Disabled => "disabled",
            Self::NotEnabled => "not enabled",
            Self::Held => "held",
            Self::Postponed => "postponed",
            Self::Failing => "failing",
            Self::New => "new",
            Self::Ok => "ok",
        }
    }

    /// What a person should do about it for `mailbox`, where that follows from the status alone: in the file that
    /// declares it, or by command.
    pub fn hint(self, mailbox: &Mailbox) -> Option<String> {
        let (address, declared) = (&mailbox.email_address, mailbox.managed_by.is_some());
        match self {
            Self::NotSent if declared => Some("set outgoing = \"server_side_sync\" in its [[mailbox]]".to_owned()),
            Self::NotSent => Some(format!("mailsyncd mailbox set {address} --outgoing server_side_sync")),
            Self::NoProfile if declared => Some("give profile in its [[mailbox]]".to_owned()),
            Self::NoProfile => Some(format!("mailsyncd mailbox set {address} --to-profile PROFILE")),
            Self::NoServer => Some(
                "give the profile a server: outgoing = { host = \"smtp.example.com\" } in its [[profile]], or: mailsyncd \
                 profile set PROFILE --outgoing-host smtp.example.com"
                    .to_owned(),
            ),
            Self::PendingApproval => Some(format!("approve it: mailsyncd mailbox approve {address}")),
            Self::NotEnabled => Some(format!("test and enable it: mailsyncd mailbox test-enable {address}")),
            _ => None,
        }
    }
}
