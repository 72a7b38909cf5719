//! What a [`Store`] knows of the messages as they lie on their servers.

use super::*;
use crate::model::maildrop::{CopyState, DueCopy, Maildrop};

impl Store {
    /// What the maildrop of `mailbox` held when it was last seen; `None` where it was never seen as
    /// one: not at all, or over IMAP since.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn maildrop(&self, mailbox: MailboxId) -> Result<Option<Maildrop>, StoreError> {
        read!(self, maildrop::maildrop(mailbox))
    }

    /// Messages that are to be deleted from the server and were recorded at `recorded_before` or
    /// earlier, of the cursor's UIDVALIDITY and generation; those recorded first come first, `limit`
    /// at most.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn due_copies(
        &self,
        mailbox: MailboxId,
        cursor: &Cursor,
        recorded_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueCopy>, StoreError> {
        read!(self, maildrop::due_copies(mailbox, cursor, recorded_before, limit))
    }

    /// Notes what becomes of messages on the server, of the cursor's UIDVALIDITY and generation.
    /// Lazy: what was recorded is safe before, and the server is looked at again anyway.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`].
    pub async fn mark_copies(
        &self,
        fence: Fence,
        cursor: &Cursor,
        uids: &[Uid],
        state: CopyState,
    ) -> Result<(), StoreError> {
        write!(
            self,
            Lazy,
            0,
            maildrop::mark_copies(fence = fence, cursor = cursor.clone(), uids = uids.to_vec(), state = state)
        )
    }
}
