//! What a [`Store`] can do about alerts.

use super::*;
use crate::model::{
    alert::{AlertSubject, NewAlert, Severity},
    failure::FailureCode,
    ids::AlertId,
};

impl Store {
    /// Raises an alert; one that is open for the same subject and code is counted. Where its severity
    /// is switched off, nothing happens. Durable.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn raise_alert(&self, alert: &NewAlert, now: Timestamp) -> Result<(), StoreError> {
        write!(self, Durable, 0, alerts::raise(alert = alert.clone(), now = now))
    }

    /// Closes an alert, where it is open, whoever raised it. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn close_alert(
        &self,
        subject: AlertSubject,
        code: FailureCode,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        write!(self, Lazy, 0, alerts::close(subject = subject, code = code, now = now))
    }

    /// Changes alerts in one transaction, in order. Durable.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn change_alerts(&self, changes: &[AlertChange], now: Timestamp) -> Result<(), StoreError> {
        write!(self, Durable, 0, alerts::change(changes = changes.to_vec(), now = now))
    }

    /// Says alerts of which severities are raised from now on, whoever raises them; those of others
    /// that are open stay until they are closed. Durable.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn set_raised_severities(&self, raised: &BTreeSet<Severity>) -> Result<(), StoreError> {
        write!(self, Durable, 0, alerts::set_severities(raised = raised.clone()))
    }

    /// Alerts: the open ones first, the most urgent first, then the newest.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertDetail>, StoreError> {
        read!(self, alerts::list(filter))
    }

    /// Enabled mailboxes that were not read since `before`, and mailboxes with mail that was due then.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn stale(&self, before: Timestamp) -> Result<Vec<Stale>, StoreError> {
        read!(self, alerts::stale(before))
    }

    /// The mailboxes about which an alert is open that they, or their mails, are stale.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn stale_alerts(&self) -> Result<Vec<(MailboxId, FailureCode)>, StoreError> {
        read!(self, alerts::stale_alerts())
    }

    /// The alerts about daemons and their machines that are open, or were after `since`, but for mere
    /// information.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn daemon_alerts(&self, since: Timestamp) -> Result<Vec<DaemonAlert>, StoreError> {
        read!(self, alerts::daemon_alerts(since))
    }

    /// Profiles of whose mail queued since `since` at least `least` mails were refused, and those with an open alert
    /// about that. Mails that were tried are counted up to a few more than `one_of` for each refused one.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn unwanted(&self, since: Timestamp, least: u64, one_of: u64) -> Result<Vec<Unwanted>, StoreError> {
        read!(self, alerts::unwanted(since, least, one_of))
    }

    /// How the mailboxes of each profile fare that are processed; `lately` is when a failure is a late one.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn health(&self, lately: Timestamp) -> Result<Vec<Health>, StoreError> {
        read!(self, alerts::health(lately))
    }

    /// Notes that a mail tells of these alerts. Durable.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn alerts_mailed(&self, mailed: &[AlertId], now: Timestamp) -> Result<(), StoreError> {
        write!(self, Durable, 0, alerts::mailed(alerts = mailed.to_vec(), now = now))
    }

    /// Closes alerts about what is not there (or not set aside) any more and notices that are older than
    /// `forgotten_before`, and deletes what was closed before then. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn tidy_alerts(&self, now: Timestamp, forgotten_before: Timestamp) -> Result<(), StoreError> {
        write!(self, Lazy, 0, alerts::tidy(now = now, forgotten_before = forgotten_before))
    }
}
