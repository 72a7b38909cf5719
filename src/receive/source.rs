//! The seam between a receive cycle and a mail server.

use std::{future::Future, time::Duration};

use crate::{
    means::account::Account,
    model::{
        cursor::{FetchedMessage, FolderView, ListedMessage},
        failure::Failure,
        ids::MailboxId,
        uid::{Uid, UidSet},
    },
};

/// An Inbox that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What the server says of it.
    pub view: FolderView,
    /// What was listed ahead, as by [`MailSource::list`]; `None` where the server refused that.
    pub listed: Option<Vec<ListedMessage>>,
}

/// What became of messages that were to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// They are not in the Inbox any more.
    Done,
    /// They go when the source is given back in good order, if the server agrees: the next look shows.
    AtGoodbye,
    /// They, or some of them, were left, and nothing else was changed.
    Refused(Failure),
}

/// The Inbox of one mailbox on its server, logged in.
///
/// After any `Err` the source is dead: it is dropped, not closed, not parked. Every method has its
/// own deadlines and ends within them. Nothing here but [`MailSource::delete`] changes anything on
/// the server.
///
/// # Cancel safety
/// Dropping a future in the middle leaves the connection in an unknown state: drop the source too.
pub trait MailSource: Send {
    /// The cheapest look at the Inbox (STATUS): enough to see that nothing is new.
    fn look(&mut self) -> impl Future<Output = Result<FolderView, Failure>> + Send;

    /// Opens the Inbox for reading (EXAMINE), and asks in the same breath for the listing of `ahead`.
    /// Must come before `list`, `message_ids` and `request`.
    fn open(&mut self, ahead: &UidSet) -> impl Future<Output = Result<Opened, Failure>> + Send;

    /// Lists those of `uids` that exist, ascending, each once, and nothing else.
    fn list(&mut self, uids: &UidSet) -> impl Future<Output = Result<Vec<ListedMessage>, Failure>> + Send;

    /// The Message-ID (without brackets) of each of `uids` that still exists.
    fn message_ids(
        &mut self,
        uids: &UidSet,
    ) -> impl Future<Output = Result<Vec<(Uid, Option<String>)>, Failure>> + Send;

    /// Asks for the content of `batch` without waiting for it. Up to two requests may be outstanding.
    fn request(&mut self, batch: &[ListedMessage]) -> impl Future<Output = Result<(), Failure>> + Send;

    /// The answer to the oldest outstanding request: ascending, each message once, only what was
    /// asked for, never marked as read. A message that is gone, or that the server did not answer,
    /// is left out: the caller finds out which.
    fn receive(&mut self) -> impl Future<Output = Result<Vec<FetchedMessage>, Failure>> + Send;

    /// Messages with a row in the ledger that the last look showed to be there no more. Only where
    /// that is seen anyway.
    fn gone(&self) -> Vec<Uid> {
        Vec::new()
    }

    /// What the server wanted the user to know since this was asked last.
    fn notice(&mut self) -> Option<String> {
        None
    }

    /// What the last look showed of messages that could not be told from others, in words: they are left alone,
    /// and nothing is deleted or taken for gone.
    fn left_out(&self) -> Option<String> {
        None
    }

    /// How long the server wants to be left alone after a log-in.
    fn login_delay(&self) -> Option<Duration> {
        None
    }

    /// Deletes `uids`, which must be recorded, and no other message. Nothing may be outstanding, and
    /// nothing but giving the source back may follow.
    fn delete(&mut self, uids: &UidSet) -> impl Future<Output = Result<Deletion, Failure>> + Send;
}

/// Where cycles get their sources from, and give them back.
pub trait Sources: Send + Sync + 'static {
    /// What it hands out.
    type Source: MailSource;

    /// Whether [`Sources::take`] would probably hand out a parked source instead of logging in:
    /// then no log-in permit is needed.
    fn is_parked(&self, mailbox: MailboxId) -> bool {
        let _ = mailbox;
        false
    }

    /// A live, logged-in source: the one parked for this mailbox, or a new one.
    ///
    /// # Errors
    /// Connecting, TLS, greeting or log-in failed, classified.
    fn take(&self, account: &Account) -> impl Future<Output = Result<Self::Source, Failure>> + Send;

    /// Takes back a source in good order: kept for the mailbox's next poll if that comes within
    /// `next_poll_in` and that is short, watched by IDLE where push is on, else logged out.
    fn park(&self, account: &Account, source: Self::Source, next_poll_in: Duration) -> impl Future<Output = ()> + Send;
}
