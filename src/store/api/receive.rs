//! What a [`Store`] can do for a receive cycle.

use super::*;

impl Store {
    /// Incoming activities that have one of these keys.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn facts(&self, keys: &[MessageKey]) -> Result<BTreeMap<MessageKey, ActivityId>, StoreError> {
        read!(self, inbox::facts(keys.to_vec()))
    }

    /// Writes the first cursor of a mailbox, or the one it starts over with. Lazy: whatever is
    /// recorded by it comes later and takes it to the disk; until then it is as well made again.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`].
    pub async fn start_cursor(&self, fence: Fence, cursor: &Cursor) -> Result<(), StoreError> {
        write!(self, Lazy, 0, inbox::start_cursor(fence = fence, cursor = cursor.clone()))
    }

    /// Writes a cursor that has not moved: everything but where it stands. Lazy.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]; [`StoreError::Conflict`] where UIDVALIDITY, generation or last
    /// UID are not those in the database.
    pub async fn save_cursor(&self, fence: Fence, cursor: &Cursor) -> Result<(), StoreError> {
        write!(self, Lazy, 0, inbox::save_cursor(fence = fence, cursor = cursor.clone()))
    }

    /// Writes or clears the marker that a parse is about to begin. Lazy: it must survive the death
    /// of this process, not of the machine.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]; [`StoreError::Conflict`] where there is no cursor yet.
    pub async fn mark_in_flight(&self, fence: Fence, marker: Option<InFlight>) -> Result<(), StoreError> {
        write!(self, Lazy, 0, inbox::mark_in_flight(fence = fence, marker = marker))
    }

    /// Records a batch in one transaction: ledger, sources, activities with parties, attachments
    /// and events, and the cursor. Durable.
    ///
    /// Entries the ledger has already are left as they are (but one skipped as before the starting
    /// point gets its new verdict), so running a commit again changes nothing. An activity whose
    /// key exists, perhaps since a moment ago through another mailbox, becomes a link to it. The
    /// answer counts what this run did.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]; [`StoreError::Conflict`] where a linked activity does not exist.
    pub async fn commit_batch(
        &self,
        fence: Fence,
        commit: &BatchCommit,
        now: Timestamp,
    ) -> Result<Committed, StoreError> {
        let bytes = Batch::weight(commit);
        write!(self, Durable, bytes, commit::commit_batch(fence = fence, batch = Batch::of(commit), now = now))
    }

    /// Which of the UIDs from `first` to `last` the ledger has under the cursor's UIDVALIDITY and
    /// generation.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn ledger_uids(
        &self,
        mailbox: MailboxId,
        cursor: &Cursor,
        first: u32,
        last: u32,
    ) -> Result<BTreeSet<Uid>, StoreError> {
        read!(self, inbox::ledger_uids(mailbox, cursor, first, last))
    }

    /// Messages skipped as before the starting point whose INTERNALDATE is `since` or later, of
    /// the cursor's UIDVALIDITY and generation, ascending.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn skipped_since(
        &self,
        mailbox: MailboxId,
        cursor: &Cursor,
        since: Timestamp,
    ) -> Result<Vec<Uid>, StoreError> {
        read!(self, inbox::skipped_since(mailbox, cursor, since))
    }

    /// For each of `listed` the ledger rows of another UIDVALIDITY or generation than `before`'s
    /// (the new cursor) with equal INTERNALDATE and size, newest generation first. A message may
    /// have several, or none.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn known_copies(
        &self,
        mailbox: MailboxId,
        before: &Cursor,
        listed: &[ListedMessage],
    ) -> Result<Vec<KnownCopy>, StoreError> {
        read!(self, inbox::known_copies(mailbox, before, listed))
    }
}
