//! What a [`Store`] can do for messages that were set aside.

use super::*;

impl Store {
    /// Asks that messages be tried again, with a row in the audit log for each mailbox. Returns those
    /// that are; who asks again gives them as many attempts again. The next cycle of a mailbox does it.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn request_retries(
        &self,
        request: &RetryRequest,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Vec<SetAsideRow>, StoreError> {
        let (wish, who) = (|| request.clone(), || actor.to_string());
        write!(self, Durable, 0, retry::request(request = wish(), who = who(), now = now))
    }

    /// The messages of a mailbox that are to be tried again, of whatever numbering, in its order.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn retries(&self, mailbox: MailboxId) -> Result<Vec<Aside>, StoreError> {
        read!(self, retry::retries(mailbox))
    }

    /// Counts an attempt, before it is begun. Lazy: it must survive the death of this process, not of the machine.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`].
    pub async fn begin_retry(&self, fence: Fence, numbering: Numbering, uid: Uid) -> Result<(), StoreError> {
        write!(self, Lazy, 0, retry::begin_retry(fence = fence, numbering = numbering, uid = uid))
    }

    /// Bytes of mail that are kept.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn kept(&self, sha256: Sha256) -> Result<Option<NewSource>, StoreError> {
        read!(self, retry::kept(sha256))
    }
}
