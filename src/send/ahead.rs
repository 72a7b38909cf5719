//! The next mails, read and composed while those before them are sent: nothing of it is written, and
//! the claim sees to it that they are still due and the same.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::{
    means::{Context, budget::Share},
    model::{failure::Failure, outbox::OutboxMail},
};

use super::{
    outbox::Outbox,
    policy::SendPolicy,
    prepare::{Prepared, prepare},
};

/// Mails that are due, ready to be claimed.
#[derive(Debug)]
pub struct Found {
    /// As they were read; never none.
    pub due: Arc<[OutboxMail]>,
    /// What was made of them.
    pub prepared: Prepared,
    /// The memory they have.
    pub share: Share,
}

/// Who looks for mails that are due.
#[derive(Clone, Copy)]
pub struct Ahead<'a> {
    /// What it works with.
    pub context: &'a Context,
    /// How many at a time, and how large.
    pub policy: &'a SendPolicy,
    /// Whose.
    pub outbox: Outbox<'a>,
}

/// What there is to be sent.
#[derive(Debug)]
pub enum Look {
    /// Nothing is due.
    Nothing,
    /// These are.
    Found(Box<Found>),
    /// Something is, but one of them cannot be read: the claim gives it up.
    Unreadable(Share),
}

impl Ahead<'_> {
    /// Looks for what is due, and composes it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn look(&self, share: Share) -> Result<Look, Failure> {
        let (steps, largest) = (self.policy.steps, self.policy.terms.rules.maximum_message_size);
        let Some(due) = self.outbox.due(steps.mails, steps.bytes).await? else { return Ok(Look::Unreadable(share)) };
        if due.is_empty() {
            return Ok(Look::Nothing);
        }
        let prepared = prepare(self.context, due.to_vec(), largest).await?;
        Ok(Look::Found(Box::new(Found { due, prepared, share })))
    }

    /// Looks as soon as it is told to, if there is memory to spare. Whatever fails is found again by
    /// who has to know.
    ///
    /// # Cancel safety
    /// May be dropped: nothing was written.
    pub async fn look_once(&self, told: oneshot::Receiver<()>) -> Option<Box<Found>> {
        told.await.ok()?;
        let share = self.context.budget.try_take(self.policy.steps.bytes)?;
        let look = self.context.stop.run_until_cancelled(self.look(share)).await?;
        match look {
            Ok(Look::Found(found)) => Some(found),
            Ok(Look::Nothing | Look::Unreadable(_)) | Err(_) => None,
        }
    }
}
