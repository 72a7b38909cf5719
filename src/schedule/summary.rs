//! What a run of the schedule did from start to end. Pure.

use crate::model::report::Report;

/// What was done from start to end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cycles that ended.
    pub cycles: u64,
    /// New activities.
    pub recorded: u64,
    /// Copies linked.
    pub linked: u64,
    /// Ignored by rule.
    pub ignored: u64,
    /// Set aside.
    pub set_aside: u64,
    /// Mails sent.
    pub sent: u64,
    /// Attempts to send a mail after which it is tried again.
    pub deferred: u64,
    /// Mails given up.
    pub failed: u64,
    /// Mails of which nobody knew whether the server took them.
    pub in_doubt: u64,
    /// Mails that were left to a person.
    pub held: u64,
    /// Cycles that failed.
    pub failures: u64,
    /// Mailboxes left out: postponed, held with their profile, leased by another daemon, or left with mail
    /// that must be read slowly. Only where the schedule runs once.
    pub left_out: usize,
    /// Mailboxes that a stop kept from being brought up to date. Only where the schedule runs once.
    pub unfinished: usize,
}

impl Summary {
    pub(super) fn add(&mut self, report: &Report) {
        self.cycles += 1;
        self.failures += u64::from(report.failure().is_some());
        match report {
            Report::Received(report) => {
                self.recorded += report.recorded;
                self.linked += report.linked;
                self.ignored += report.ignored;
                self.set_aside += report.set_aside;
            }
            Report::Sent(report) => {
                self.sent += report.sent;
                self.deferred += report.deferred;
                self.failed += report.failed;
                self.in_doubt += report.in_doubt;
                self.held += report.held;
            }
        }
    }
}
