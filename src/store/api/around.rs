//! What a [`Store`] knows of daemons at work, and of what goes on around a mailbox.

use super::*;
use crate::model::{
    lease::LEASE_TTL,
    presence::{Heartbeat, Presence, SILENT_AFTER},
    view::{View, ViewCounts},
};

impl Store {
    /// Writes down that a daemon is at work, and forgets those that died and whose leases have run out: they concern
    /// nobody while another works. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn beat(&self, heartbeat: &Heartbeat, now: Timestamp) -> Result<(), StoreError> {
        let before = now.minus(LEASE_TTL);
        write!(self, Lazy, 0, around::beat(heartbeat = heartbeat.clone(), now = now, before = before))
    }

    /// Writes down that a daemon is not at work any more, and forgets those that died before. Lazy.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn leave(&self, node: NodeId, now: Timestamp) -> Result<(), StoreError> {
        let before = now.minus(SILENT_AFTER);
        write!(self, Lazy, 0, around::leave(node = node, before = before))
    }

    /// The daemons that are at work, or did not say that they ended.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn daemons(&self) -> Result<Vec<Presence>, StoreError> {
        read!(self, around::daemons())
    }

    /// What goes on around a mailbox of this profile; of its mail that failed, what was queued since then.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn surroundings(
        &self,
        mailbox: MailboxId,
        profile: Option<ProfileId>,
        failed_since: Timestamp,
    ) -> Result<Surroundings, StoreError> {
        read!(self, around::surroundings(mailbox, profile, failed_since))
    }

    /// The mailboxes in a view; of [`View::Mine`], which is not a matter of state, none.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn view(
        &self,
        view: View,
        now: Timestamp,
        stale_after: Duration,
    ) -> Result<BTreeSet<MailboxId>, StoreError> {
        read!(self, around::view(view, now, stale_after))
    }

    /// How many mailboxes are in each view.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn view_counts(&self, now: Timestamp, stale_after: Duration) -> Result<ViewCounts, StoreError> {
        read!(self, around::view_counts(now, stale_after))
    }

    /// What a monitor looks at.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn pulse(&self, now: Timestamp, stale_after: Duration) -> Result<Pulse, StoreError> {
        read!(self, around::pulse(now, stale_after))
    }
}
