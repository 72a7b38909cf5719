//! What a person should know: one open alert for each subject and code.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    failure::FailureCode,
    ids::{ActivityId, MailboxId, ProfileId},
    mailbox::Workload,
};

/// How urgent it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Information,
    /// It will be tried again.
    Warning,
    /// Somebody must act.
    Error,
}

impl Severity {
    /// Every one, ascending.
    pub const ALL: [Self; 3] = [Self::Information, Self::Warning, Self::Error];

    /// The name, as in the database and `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Information => "information",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertSubject {
    /// A mailbox.
    Mailbox(MailboxId),
    /// A server profile.
    Profile(ProfileId),
    /// One mail.
    Activity(ActivityId),
    /// The daemon itself.
    Daemon,
}

impl AlertSubject {
    /// The word for its kind, in the database and in `--json`.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Mailbox(_) => "mailbox",
            Self::Profile(_) => "profile",
            Self::Activity(_) => "activity",
            Self::Daemon => "daemon",
        }
    }

    /// Its identifier; the nil UUID for the daemon.
    pub const fn id(self) -> Uuid {
        match self {
            Self::Mailbox(id) => id.0,
            Self::Profile(id) => id.0,
            Self::Activity(id) => id.0,
            Self::Daemon => Uuid::nil(),
        }
    }
}

/// An alert to be raised. Raised again while it is open, it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAlert {
    /// What it is about.
    pub subject: AlertSubject,
    /// How urgent.
    pub severity: Severity,
    /// What happened; its hint says what to do.
    pub code: FailureCode,
    /// What happened, in words.
    pub text: String,
    /// The workload whose failure it is: the end of the failure closes it. `None`: only a
    /// [`AlertChange::Close`] does.
    pub workload: Option<Workload>,
}

/// What is to become of alerts; data of what is written with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlertChange {
    /// Raise it, or count it where it is open: then it is as severe as the worse of the workloads that
    /// raised it. A severity that is switched off raises nothing.
    Raise(NewAlert),
    /// Close it, whoever raised it.
    Close(AlertSubject, FailureCode),
    /// A workload fails no more (or only with the code `but`): what it raised about the subject is
    /// closed. Where both workloads raised an alert, it stays until both are over, as severe as the other
    /// one said.
    Over {
        /// Whose alerts.
        subject: AlertSubject,
        /// What works again.
        workload: Workload,
        /// What it still fails with.
        but: Option<FailureCode>,
    },
}

impl AlertChange {
    /// Whether it tells how a workload fares.
    pub const fn is_of_a_workload(&self) -> bool {
        match self {
            Self::Raise(alert) => alert.workload.is_some(),
            Self::Over { .. } => true,
            Self::Close(..) => false,
        }
    }
}
