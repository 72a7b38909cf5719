//! What a [`Store`] can do for the schedule: what is due, leases, holds.

use super::*;

impl Store {
    /// Every mailbox whose reading may be scheduled, or which has mail to be sent and may send it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn schedule_entries(&self, workload: Workload) -> Result<Vec<ScheduleEntry>, StoreError> {
        read!(self, leases::schedule_entries(workload))
    }

    /// Asks whoever runs the schedule to poll `mailboxes` soon: a postponement of theirs ends. Returns
    /// how many of them exist. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn request_polls(&self, mailboxes: &[MailboxId], now: Timestamp) -> Result<u64, StoreError> {
        write!(self, Lazy, 0, leases::request_polls(mailboxes = mailboxes.to_vec(), now = now))
    }

    /// Mailboxes whose poll was asked for since they were last claimed, and when; oldest wish first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn requested_polls(&self) -> Result<Vec<(MailboxId, Timestamp)>, StoreError> {
        read!(self, leases::requested_polls())
    }

    /// Takes the leases for a workload of those of `mailboxes` where nobody holds it, until
    /// `now + ttl`; one for reading answers wishes for a poll. Each lease has a new epoch. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn claim(
        &self,
        workload: Workload,
        node: NodeId,
        mailboxes: &[MailboxId],
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Vec<Claimed>, StoreError> {
        let expires = now.plus(ttl);
        let ids = || mailboxes.to_vec();
        write!(
            self,
            Lazy,
            0,
            leases::claim(workload = workload, node = node, mailboxes = ids(), now = now, expires = expires)
        )
    }

    /// Prolongs all leases of `node`, whatever for, to `now + ttl`. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn renew(&self, node: NodeId, now: Timestamp, ttl: Duration) -> Result<(), StoreError> {
        let expires = now.plus(ttl);
        write!(self, Lazy, 0, leases::renew(node = node, expires = expires))
    }

    /// Writes what cycles ended with, alerts included, and gives their leases back. Where a lease is lost, nothing
    /// is written for that mailbox: whoever holds it now knows better. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn settle(&self, settlements: &[Settlement], now: Timestamp) -> Result<(), StoreError> {
        write!(self, Lazy, 0, leases::settle(settlements = settlements.to_vec(), now = now))
    }

    /// Gives back all leases of `node`, whatever for. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn release_node(&self, node: NodeId) -> Result<(), StoreError> {
        write!(self, Lazy, 0, leases::release_node(node = node))
    }

    /// The profiles of which a workload waits.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn holds(&self, workload: Workload) -> Result<Vec<(ProfileId, ProfileHold)>, StoreError> {
        read!(self, leases::holds(workload))
    }

    /// Lets a workload of a profile wait, or wait longer, and changes alerts in the same transaction. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn put_hold(
        &self,
        workload: Workload,
        profile: ProfileId,
        hold: &ProfileHold,
        alerts: &[AlertChange],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (hold, changes) = (|| hold.clone(), || alerts.to_vec());
        write!(
            self,
            Lazy,
            0,
            leases::put_hold(workload = workload, profile = profile, hold = hold(), changes = changes(), now = now)
        )
    }

    /// Frees a workload of a profile, and changes alerts in the same transaction. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn clear_hold(
        &self,
        workload: Workload,
        profile: ProfileId,
        alerts: &[AlertChange],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let changes = || alerts.to_vec();
        write!(
            self,
            Lazy,
            0,
            leases::clear_hold(workload = workload, profile = profile, changes = changes(), now = now)
        )
    }
}
