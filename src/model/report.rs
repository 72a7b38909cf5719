//! What one cycle did.

use std::time::Duration;

use serde::Serialize;

use super::failure::{Failure, FailureCode, Persistence};

/// The end of a cycle: goes to the agenda, the log and the mailbox's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Mail was read.
    Received(CycleReport),
    /// Mail was sent.
    Sent(SendReport),
}

impl Report {
    /// What ended it early.
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Received(report) => report.failure.as_ref(),
            Self::Sent(report) => report.failure.as_ref(),
        }
    }

    /// The same, ended by `failure`.
    #[must_use]
    pub fn with_failure(self, failure: Failure) -> Self {
        match self {
            Self::Received(report) => Self::Received(CycleReport { failure: Some(failure), ..report }),
            Self::Sent(report) => Self::Sent(SendReport { failure: Some(failure), ..report }),
        }
    }

    /// Whether it stopped at its limit, and is due again at once.
    pub const fn more(&self) -> bool {
        match self {
            Self::Received(report) => report.more,
            Self::Sent(report) => report.more,
        }
    }

    /// How long the server wants to be left alone after a log-in.
    pub fn login_delay(&self) -> Duration {
        match self {
            Self::Received(report) => report.login_delay.unwrap_or_default(),
            Self::Sent(_) => Duration::ZERO,
        }
    }

    /// Whether anything happened that deserves a log line.
    pub fn did_something(&self) -> bool {
        match self {
            Self::Received(report) => report.did_something(),
            Self::Sent(report) => report.did_something(),
        }
    }

    /// Whether any message was dealt with.
    pub fn got_on(&self) -> bool {
        match self {
            Self::Received(report) => report.got_on(),
            Self::Sent(report) => report.got_on(),
        }
    }
}

/// Failures that each concern one mail alone, counted by what they are called and how long they last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally(Vec<(FailureCode, Persistence, u64)>);

impl Tally {
    /// One more.
    pub fn add(&mut self, failure: &Failure) {
        let is_it =
            |(code, persistence, _): &&mut (_, _, u64)| *code == failure.code && *persistence == failure.persistence;
        match self.0.iter_mut().find(is_it) {
            Some((_, _, count)) => *count += 1,
            None => self.0.push((failure.code, failure.persistence, 1)),
        }
    }

    /// How many of each.
    pub fn counts(&self) -> &[(FailureCode, Persistence, u64)] {
        &self.0
    }
}

/// The end of a cycle that read mail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CycleReport {
    /// New activities.
    pub recorded: u64,
    /// Copies linked to an activity that was there.
    pub linked: u64,
    /// Messages ignored by rule.
    pub ignored: u64,
    /// Messages set aside.
    pub set_aside: u64,
    /// Recorded messages that the server was told to delete.
    pub deleted: u64,
    /// Bytes of mail fetched.
    pub bytes: u64,
    /// It stopped at its batch limit: due again at once.
    pub more: bool,
    /// How long the server wants to be left alone after a log-in.
    pub login_delay: Option<Duration>,
    /// The folder was read from the start again, and why.
    pub started_over: Option<&'static str>,
    /// Why messages were set aside.
    pub mails_failed: Tally,
    /// What the server wanted the user to know.
    pub notice: Option<String>,
    /// What was said of messages that could not be told from others.
    pub left_out: Option<String>,
    /// What ended it early.
    pub failure: Option<Failure>,
}

impl CycleReport {
    /// Whether anything happened that deserves a log line.
    pub fn did_something(&self) -> bool {
        self.got_on() || self.deleted > 0 || self.failure.is_some() || self.started_over.is_some()
    }

    /// Whether any message was dealt with.
    pub fn got_on(&self) -> bool {
        self.recorded + self.linked + self.ignored + self.set_aside > 0
    }
}

/// The end of a cycle that sent mail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SendReport {
    /// Mails that the server took, or that proved to have been taken.
    pub sent: u64,
    /// Mails that are tried again later.
    pub deferred: u64,
    /// Mails given up.
    pub failed: u64,
    /// Mails of which nobody knows yet whether the server took them.
    pub in_doubt: u64,
    /// Mails that wait for a person.
    pub held: u64,
    /// Mails in a row, up to the last one, whose sender the server refused; those of earlier cycles count.
    pub senders_refused: u32,
    /// Why mails were not sent, or not to everybody.
    pub mails_failed: Tally,
    /// Bytes of mail sent.
    pub bytes: u64,
    /// It stopped at its limit: due again at once.
    pub more: bool,
    /// What ended it early, where that concerns more than one mail.
    pub failure: Option<Failure>,
}

impl SendReport {
    /// Whether anything happened that deserves a log line.
    pub fn did_something(&self) -> bool {
        self.got_on() || self.deferred + self.in_doubt > 0 || self.failure.is_some()
    }

    /// Whether any mail was dealt with.
    pub fn got_on(&self) -> bool {
        self.sent + self.failed + self.held > 0
    }
}
