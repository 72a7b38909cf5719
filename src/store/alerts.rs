//! Alerts as they are listed, and what may become one.

use std::{collections::BTreeSet, time::Duration};

use serde::Serialize;

use super::OpenAlert;
use crate::model::{
    alert::Severity,
    failure::FailureCode,
    ids::{AlertId, MailboxId, ProfileId},
    mailbox::Workload,
    timestamp::Timestamp,
};

/// Which alerts are listed.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    /// Those that are closed too.
    pub closed_too: bool,
    /// Only those about the mailbox with this address and about its mails.
    pub mailbox: Option<String>,
    /// Only those about the profile of this name, about its mailboxes and their mails.
    pub profile: Option<String>,
    /// Only those of this severity.
    pub severity: Option<Severity>,
    /// Only those with this code.
    pub code: Option<FailureCode>,
    /// Only those that belong to the person with this address.
    pub owner: Option<String>,
    /// Whether the alerts of a profile belong to the owners of its mailboxes too.
    pub copied: bool,
}

/// An alert with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlertDetail {
    /// Its identifier.
    pub id: AlertId,
    /// What it is about, what happened, since when, how often.
    #[serde(flatten)]
    pub alert: OpenAlert,
    /// The workloads that raised it and still fail; of a closed one those that failed last.
    pub workloads: Vec<Workload>,
    /// Address of the person it belongs to: the mailbox's owner, or the profile's.
    pub owner: Option<String>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// When a mail told somebody of it.
    pub mailed_at: Option<Timestamp>,
}

/// An alert about daemons and their machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonAlert {
    /// What is the matter.
    pub code: FailureCode,
    /// Where, and in words.
    pub text: String,
    /// When it was raised last.
    pub last_seen: Timestamp,
    /// Whether it still is.
    pub is_open: bool,
}

/// Mailboxes of one profile that are processed and fare alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whose they are.
    pub profile: ProfileId,
    /// How many.
    pub mailboxes: u64,
    /// What reading fails with, and whether that is the first transient failure in a row.
    pub incoming: Option<(FailureCode, bool)>,
    /// The same of sending.
    pub outgoing: Option<(FailureCode, bool)>,
    /// Whether all of that began within the time asked for.
    pub is_lately: bool,
}

impl Health {
    /// What they fail with: being asked to wait is no failure, nor is a hiccup.
    pub fn failures(&self) -> BTreeSet<FailureCode> {
        let both = [self.incoming, self.outgoing].into_iter().flatten();
        both.filter(|(code, is_first)| !is_first && !code.is_throttling()).map(|(code, _)| code).collect()
    }
}

/// A workload that has not got on for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// Whose.
    pub mailbox: MailboxId,
    /// Which.
    pub workload: Workload,
    /// Reading: since the last success, or since the mailbox was made; sending: since the first mail was due.
    pub since: Timestamp,
    /// What lies between two polls by its profile; nothing for sending.
    pub interval: Duration,
    /// How many mails wait; 0 for reading.
    pub mails: u64,
    /// What it, or its profile, failed with last.
    pub code: Option<FailureCode>,
    /// The words for that.
    pub words: Option<String>,
    /// When the open alert about this was raised last.
    pub alerted_at: Option<Timestamp>,
}

/// A profile of whose mail servers refused some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwanted {
    /// Which.
    pub profile: ProfileId,
    /// Mails that were refused for what they are.
    pub refused: u64,
    /// Mails that were sent or given up, those included; counted no further than it matters.
    pub tried: u64,
    /// Whether an alert tells of it.
    pub is_open: bool,
}
