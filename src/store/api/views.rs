//! What a [`Store`] shows to people.

use super::*;

impl Store {
    /// How things stand. An enabled mailbox is late where it is due and was not read for `late_after`, nor for
    /// [`StatusView::LATE_INTERVALS`] of its intervals.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn status(&self, now: Timestamp, late_after: Duration) -> Result<StatusView, StoreError> {
        let known = (self.backend().name(), self.schema_version().await?);
        read!(self, views::status(known, now, late_after))
    }

    /// Activities, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn activities(&self, filter: &ActivityFilter) -> Result<Vec<ActivityRow>, StoreError> {
        read!(self, activities::activities(filter))
    }

    /// One activity with all that belongs to it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn activity(&self, id: ActivityId) -> Result<Option<ActivityDetail>, StoreError> {
        read!(self, activities::activity(id))
    }

    /// The source of an activity, encoded as it is kept.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn source(&self, activity: ActivityId) -> Result<Option<NewSource>, StoreError> {
        read!(self, activities::source(activity))
    }

    /// Messages set aside, of one mailbox or of all.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn set_aside(&self, mailbox: Option<MailboxId>) -> Result<Vec<SetAsideRow>, StoreError> {
        read!(self, views::set_aside(mailbox))
    }
}
