//! Messages that were set aside are tried again.

use std::collections::BTreeSet;

use super::{
    error::AdminError,
    selection::{Selection, select},
    views::{MailboxView, request_poll},
};
use crate::{
    model::{audit::Actor, failure::FailureCode, timestamp::Timestamp, uid::Uid},
    store::{RetryRequest, SetAsideRow, Store},
};

/// Which messages are to be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Those of the mailbox with this address; `None`: of all.
    pub mailbox: Option<String>,
    /// Only those with these numbers; empty: all.
    pub uids: BTreeSet<Uid>,
    /// Only those that were set aside for this.
    pub code: Option<FailureCode>,
}

/// What is tried again.
#[derive(Clone, Debug, PartialEq)]
pub struct Retried {
    /// The messages.
    pub messages: Vec<SetAsideRow>,
    /// Their mailboxes, as they stand.
    pub mailboxes: Vec<MailboxView>,
}

/// Asks that messages be tried again, and that their mailboxes be polled at once. The next visit to a mailbox
/// does it; one that is not read keeps the wish until it is.
///
/// # Errors
/// There is no such mailbox, one of the numbers is of no message that is set aside (then nothing is asked for),
/// or the database did not answer.
pub async fn retry(store: &Store, wanted: &Wanted, actor: &Actor, now: Timestamp) -> Result<Retried, AdminError> {
    let selection = wanted.mailbox.clone().map_or(Selection::All, |address| Selection::Addresses(vec![address]));
    let mailboxes: BTreeSet<_> = select(store, &selection).await?.into_iter().map(|mailbox| mailbox.id).collect();
    let request = RetryRequest { mailboxes, uids: wanted.uids.clone(), code: wanted.code };
    let found = store.set_aside(None).await?;
    let there: BTreeSet<Uid> = found.iter().filter(|row| request.names(row)).map(|row| row.uid).collect();
    let unknown: Vec<String> = wanted.uids.difference(&there).map(Uid::to_string).collect();
    if !unknown.is_empty() {
        let name = unknown.join(", ");
        return Err(AdminError::Unknown { what: "message set aside with the UID", name, suggestion: None });
    }
    let messages = store.request_retries(&request, actor, now).await?;
    let addresses: BTreeSet<String> = messages.iter().map(|row| row.mailbox.clone()).collect();
    let mailboxes = request_poll(store, &Selection::Addresses(addresses.into_iter().collect()), now).await?;
    Ok(Retried { messages, mailboxes })
}
