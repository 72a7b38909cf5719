//! The outbox as a cycle writes it.

use std::{sync::Arc, time::Duration};

use crate::{
    base::retry::{Retries, retry},
    means::{Context, stored},
    model::{
        activity::Fence,
        failure::{Failure, Scope},
        ids::ActivityId,
        outbox::{ClaimedMails, Composed, DoubtfulMail, MailSettlement, OutboxMail, RecipientResult, Recovered},
        timestamp::Timestamp,
    },
    store::StoreError,
};

use super::sink::Mark;

/// What the server said must reach the database, however long that is ill: whoever forgot it would
/// have to ask whether the mail was sent.
const UNTIL_WRITTEN: Retries =
    Retries { first: Duration::from_millis(100), longest: Duration::from_secs(5), times: u32::MAX };

/// A mail that was sent before says little of how the server files today.
const LATELY: Duration = Duration::from_secs(7 * 86_400);
/// So many of them are looked for.
const WITNESSES: u32 = 3;

/// The outbox of one mailbox, under a lease.
#[derive(Clone, Copy)]
pub struct Outbox<'a> {
    context: &'a Context,
    fence: Fence,
}

impl<'a> Outbox<'a> {
    /// The outbox of the lease's mailbox.
    pub fn new(context: &'a Context, fence: Fence) -> Self {
        Self { context, fence }
    }

    /// Sets right what an earlier holder of the lease left.
    ///
    /// # Errors
    /// The database failed, or the lease is lost; so with the others.
    pub async fn recover(&self) -> Result<Recovered, Failure> {
        let (store, now) = (&self.context.store, self.context.clock.now());
        done(stored::patiently(|| store.recover_outbox(self.fence, now)).await)
    }

    /// The next mails that are due, as [`Outbox::claim`] would give them. `None` where one of them
    /// cannot be read: the claim gives it up.
    pub async fn due(&self, mails: u32, bytes: u64) -> Result<Option<Arc<[OutboxMail]>>, Failure> {
        let (store, now) = (&self.context.store, self.context.clock.now());
        match stored::patiently(|| store.due_mails(self.fence.mailbox, now, mails, bytes)).await {
            Err(StoreError::Corrupt { .. }) => Ok(None),
            due => done(due).map(|due| Some(due.into())),
        }
    }

    /// Takes mails out of [`Outbox::due`] with what was composed of them, in one write: now `sending`
    /// are those that are given. None where the database refuses one of them for what is in it.
    pub async fn claim_composed(
        &self,
        due: &Arc<[OutboxMail]>,
        composed: &[Composed],
    ) -> Result<Vec<ActivityId>, Failure> {
        let (store, now) = (&self.context.store, self.context.clock.now());
        match stored::patiently(|| store.claim_composed(self.fence, now, due.clone(), composed)).await {
            Err(error) if stored::blames_content(&error) || matches!(error, StoreError::Corrupt { .. }) => {
                Ok(Vec::new())
            }
            claimed => done(claimed),
        }
    }

    /// The next mails that are due, now `sending`; those that cannot be read are given up.
    pub async fn claim(&self, mails: u32, bytes: u64) -> Result<ClaimedMails, Failure> {
        let (store, now) = (&self.context.store, self.context.clock.now());
        done(stored::patiently(|| store.claim_mails(self.fence, now, mails, bytes)).await)
    }

    /// Mails in doubt that are due to be looked for.
    pub async fn doubtful(&self) -> Result<Vec<DoubtfulMail>, Failure> {
        let (store, now) = (&self.context.store, self.context.clock.now());
        done(stored::patiently(|| store.doubtful_mails(self.fence, now)).await)
    }

    /// Mails of the mailbox that the server took not long ago, the newest first.
    pub async fn sent_lately(&self) -> Result<Vec<Mark>, Failure> {
        let (store, mailbox) = (&self.context.store, self.fence.mailbox);
        let since = self.context.clock.now().minus(LATELY);
        let sent = done(stored::patiently(|| store.sent_since(mailbox, since, WITNESSES)).await)?;
        Ok(sent.into_iter().map(|(activity, message_id)| Mark { activity, message_id }).collect())
    }

    /// Keeps what was composed. The mails that the database refuses for what is in them are given.
    pub async fn keep(&self, composed: &[Composed]) -> Result<Vec<(ActivityId, Failure)>, Failure> {
        if composed.is_empty() {
            return Ok(Vec::new());
        }
        let store = &self.context.store;
        match stored::patiently(|| store.put_composed(self.fence, composed)).await {
            Err(error) if stored::blames_content(&error) => {}
            result => return done(result.map(|()| Vec::new())),
        }
        let mut refused = Vec::new();
        for one in composed {
            match stored::patiently(|| store.put_composed(self.fence, std::slice::from_ref(one))).await {
                Err(error) if stored::blames_content(&error) => refused.push((one.activity, stored::failure(&error))),
                result => done(result)?,
            }
        }
        Ok(refused)
    }

    /// Commits that the last line of a mail is about to be sent. The mark of the same time may be
    /// made again, to see that the lease still holds.
    pub async fn mark(&self, mail: ActivityId, recipients: &[RecipientResult], at: Timestamp) -> Result<(), Failure> {
        let store = &self.context.store;
        done(stored::patiently(|| store.mark_dot(self.fence, mail, recipients, at)).await)
    }

    /// Writes what became of a mail: however long it takes, unless somebody else holds the lease.
    ///
    /// # Cancel safety
    /// What was not written is in doubt where the mail was marked, and pending again where not.
    pub async fn settle(&self, settlement: &MailSettlement) -> Result<(), Failure> {
        let is_ill = |error: &StoreError| stored::failure(error).scope == Scope::Daemon;
        let store = &self.context.store;
        let settle = || store.settle_mail(self.fence, settlement, self.context.clock.now());
        done(retry(UNTIL_WRITTEN, is_ill, settle).await)
    }

    /// Gives mails back that were not tried, as far as the database takes it: what it does not is
    /// found again under the next lease.
    pub async fn give_back(&self, settlements: &[MailSettlement]) {
        let store = &self.context.store;
        let all = settlements.iter().map(|settlement| async move {
            stored::patiently(|| store.settle_mail(self.fence, settlement, self.context.clock.now())).await
        });
        for error in futures::future::join_all(all).await.into_iter().filter_map(Result::err) {
            tracing::debug!(mailbox.id = %self.fence.mailbox, %error, "a mail could not be given back");
        }
    }
}

fn done<T>(result: Result<T, StoreError>) -> Result<T, Failure> {
    result.map_err(|error| stored::failure(&error))
}
