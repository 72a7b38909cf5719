//! What a [`Store`] can do with mail on its way out.

use super::*;
use crate::{
    model::{
        activity::ActivityStatus,
        outbox::{
            ClaimedMails, Composed, DoubtfulMail, MailSettlement, NewContent, NewMail, OutboxMail, RecipientResult,
            Recovered,
        },
    },
    store::mails::{Dot, End, MailWrite},
};

impl Store {
    /// Queues a mail. Durable. With an idempotency key that its mailbox has seen, nothing is written
    /// and the mail that has the key is the answer. A mailbox that is not enabled or not approved
    /// gets it all the same; it waits, and says why.
    ///
    /// # Errors
    /// [`StoreError::Unsendable`] says what is wrong with it.
    pub async fn queue_mail(&self, mail: &NewMail, now: Timestamp) -> Result<ActivityId, StoreError> {
        let bytes = match &mail.content {
            NewContent::Draft(attachments) => attachments.iter().map(|file| file.content.len()).sum(),
            NewContent::Composed { source, .. } => source.bytes.len(),
        };
        write!(self, Durable, bytes, doors::queue_mail(mail = mail.clone(), now = now))
    }

    /// A person keeps a mail back that is not being sent yet. Durable.
    ///
    /// # Errors
    /// [`StoreError::IllegalMove`], or [`StoreError::Conflict`] where there is no such activity.
    pub async fn hold_mail(&self, activity: ActivityId, actor: &Actor, now: Timestamp) -> Result<(), StoreError> {
        self.move_mail(activity, ActivityStatus::Held, actor, now).await
    }

    /// A person has a mail sent (again): as if it had just been queued, to those recipients whom the
    /// server has not accepted. Its bytes stay. Durable.
    ///
    /// # Errors
    /// [`StoreError::IllegalMove`]; [`StoreError::Unsendable`] where no recipient is left;
    /// [`StoreError::Conflict`] where there is no such activity.
    pub async fn retry_mail(&self, activity: ActivityId, actor: &Actor, now: Timestamp) -> Result<(), StoreError> {
        self.move_mail(activity, ActivityStatus::PendingSend, actor, now).await
    }

    /// A person withdraws a mail that is not being sent yet. Durable.
    ///
    /// # Errors
    /// [`StoreError::IllegalMove`], or [`StoreError::Conflict`] where there is no such activity.
    pub async fn cancel_mail(&self, activity: ActivityId, actor: &Actor, now: Timestamp) -> Result<(), StoreError> {
        self.move_mail(activity, ActivityStatus::Canceled, actor, now).await
    }

    async fn move_mail(
        &self,
        activity: ActivityId,
        to: ActivityStatus,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let who = || actor.to_string();
        write!(self, Durable, 0, doors::move_mail(activity = activity, to = to, who = who(), now = now))
    }

    /// Writes on mail that waits in vain why it does: its mailbox cannot send. What waiting cannot help
    /// (no such mailbox, no recipient, an address it may not send as) becomes `failed`, with an alert.
    /// What was under way when its mailbox stopped sending, and is under nobody's lease, waits with
    /// them; where its last line may have been sent it is held, with an alert.
    /// Returns those that say so for the first time. Where there are none, nothing is written.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn explain_stuck(&self, now: Timestamp) -> Result<Vec<Stuck>, StoreError> {
        let stranded = read!(self, stuck::find_stranded(now))?;
        let mut held: Vec<Stuck> = match stranded.is_empty() {
            true => Vec::new(),
            false => write!(self, Durable, 0, stuck::release(stranded = stranded.clone(), now = now))?,
        };
        let stuck = read!(self, stuck::find())?;
        if stuck.is_empty() {
            return Ok(held);
        }
        let explained: Vec<Stuck> = write!(self, Lazy, 0, stuck::explain(stuck = stuck.clone(), now = now))?;
        held.extend(explained);
        Ok(held)
    }

    /// Takes over what an earlier holder of the lease left `sending`: pending again where its last
    /// line was never sent; else in doubt, with an alert, to be looked for. Lazy: done again, it
    /// comes to the same.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`].
    pub async fn recover_outbox(&self, fence: Fence, now: Timestamp) -> Result<Recovered, StoreError> {
        write!(self, Lazy, 0, outbox::recover_outbox(fence = fence, now = now))
    }

    /// Takes up to `limit` mails of the mailbox that are due, oldest first: each becomes `sending`
    /// under this lease, and the attempt is counted. Together they have at most `max_bytes`, or
    /// there is only one. One that cannot be read is given up. Lazy: [`Store::mark_dot`] takes it to the disk before anything counts.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`].
    pub async fn claim_mails(
        &self,
        fence: Fence,
        now: Timestamp,
        limit: u32,
        max_bytes: u64,
    ) -> Result<ClaimedMails, StoreError> {
        let most = max_bytes;
        write!(self, Lazy, 0, outbox::claim_mails(fence = fence, now = now, limit = limit, max_bytes = most))
    }

    /// What [`Store::claim_mails`] would take, as it would give it; nothing is written.
    ///
    /// # Errors
    /// The database cannot be read, or one of the mails cannot.
    pub async fn due_mails(
        &self,
        mailbox: MailboxId,
        now: Timestamp,
        limit: u32,
        max_bytes: u64,
    ) -> Result<Vec<OutboxMail>, StoreError> {
        read!(self, claim::due_mails(mailbox, now, (limit, max_bytes)))
    }

    /// Takes those of the mails out of [`Store::due_mails`] that are due and the same still, as
    /// [`Store::claim_mails`] does, and writes the bytes and the Message-IDs of those that are
    /// `composed`, which never change again. Returns which were taken. Lazy, as [`Store::claim_mails`].
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`].
    pub async fn claim_composed(
        &self,
        fence: Fence,
        now: Timestamp,
        due: Arc<[OutboxMail]>,
        composed: &[Composed],
    ) -> Result<Vec<ActivityId>, StoreError> {
        let bytes = composed.iter().map(|mail| mail.source.bytes.len()).sum();
        write!(
            self,
            Lazy,
            bytes,
            claim::claim_composed(fence = fence, now = now, due = due.clone(), composed = composed.to_vec())
        )
    }

    /// Writes the bytes and the Message-ID of claimed mails, which never change again; the contents
    /// of attachments live on in the bytes. Lazy, as [`Store::claim_mails`].
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]; [`StoreError::Conflict`] where a mail is not being sent under this
    /// lease, or has other bytes already: then none is written.
    pub async fn put_composed(&self, fence: Fence, mails: &[Composed]) -> Result<(), StoreError> {
        let bytes = mails.iter().map(|mail| mail.source.bytes.len()).sum();
        write!(self, Lazy, bytes, outbox::put_composed(fence = fence, mails = mails.to_vec()))
    }

    /// Marks that the last line of a mail is about to be sent, and what the server said to `recipients`
    /// before it. Durable: from here on it is not sent again unless it is known that the server did not
    /// take it. The same mark may be made again, to see that the lease is still held.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] unless the mail is composed and `sending` under this lease: the last
    /// line must not be sent.
    pub async fn mark_dot(
        &self,
        fence: Fence,
        activity: ActivityId,
        recipients: &[RecipientResult],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_mail(MailWrite::Dot(Dot { fence, activity, recipients: recipients.to_vec(), at: now })).await
    }

    /// On SQLite together with what else waits to be said of other mails.
    async fn write_mail(&self, write: MailWrite) -> Result<(), StoreError> {
        match &*self.inner {
            Inner::Sqlite(db) => db.writer()?.mail(write).await,
            Inner::Postgres(db) => {
                let written: Result<Vec<_>, StoreError> =
                    on_postgres!(db, Durable, mails::write_mails("", std::slice::from_ref(&write)));
                written?.pop().unwrap_or(Err(StoreError::LeaseLost))
            }
        }
    }

    /// Mails of the mailbox that were queued after `since` and that the server took, with their
    /// Message-IDs, the newest first; at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn sent_since(
        &self,
        mailbox: MailboxId,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<(ActivityId, String)>, StoreError> {
        read!(self, outbox::sent_since(mailbox, since, limit))
    }

    /// Sent mails of the mailbox, queued after `since`, of which no copy was put into the Sent folder,
    /// with their Message-IDs, the oldest first; at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn unfiled_mails(
        &self,
        mailbox: MailboxId,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<(ActivityId, String)>, StoreError> {
        read!(self, outbox::unfiled_mails(mailbox, since, limit))
    }

    /// Notes that a copy of a sent mail lies in the Sent folder. Lazy: who forgets it looks again.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`].
    pub async fn copy_filed(&self, fence: Fence, activity: ActivityId, now: Timestamp) -> Result<(), StoreError> {
        write!(self, Lazy, 0, outbox::copy_filed(fence = fence, activity = activity, now = now))
    }

    /// Writes what became of a mail, of each recipient, and the alerts that follow: in doubt, a
    /// warning; failed or held, an error; some recipients refused, a warning; whatever was open
    /// before is closed. Durable. May be repeated: a mail that stands there already under this lease
    /// is left as it is.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]; [`StoreError::IllegalMove`] where the mail is not `sending` under
    /// this lease.
    pub async fn settle_mail(
        &self,
        fence: Fence,
        settlement: &MailSettlement,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_mail(MailWrite::End(End { fence, settlement: settlement.clone(), at: now })).await
    }

    /// Mails of the mailbox whose last line may have been sent, and which are to be looked for now.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn doubtful_mails(&self, fence: Fence, now: Timestamp) -> Result<Vec<DoubtfulMail>, StoreError> {
        read!(self, outbox::doubtful_mails(fence, now))
    }
}
