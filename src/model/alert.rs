//! What a person should know: one open alert for each subject and code.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    failure::FailureCode,
    ids::{ActivityId, MailboxId, ProfileId},
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

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertSubject {
    /// A mailbox.
    Mailbox(MailboxId),
    /// A server profile.
    Profile(ProfileId),
    /// One mail.
    Activity(ActivityId),
}

impl AlertSubject {
    /// The word for its kind, in the database and in `--json`.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Mailbox(_) => "mailbox",
            Self::Profile(_) => "profile",
            Self::Activity(_) => "activity",
        }
    }

    /// Its identifier.
    pub const fn id(self) -> Uuid {
        match self {
            Self::Mailbox(id) => id.0,
            Self::Profile(id) => id.0,
            Self::Activity(id) => id.0,
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
}
