//! What is done on the server after reading: recorded messages are deleted where that is wanted, and
//! no others. Together with [`super::source::MailSource::delete`] this is the only place from which
//! anything on a mail server changes.
//!
//! A message is deleted when its row was committed at least the safety delay ago, so that a database
//! restored from a backup, or a replica that took over, has it too; and when what lies on the server
//! under its number still has its size, date and Message-ID, so that no other one goes in its place.

use std::collections::BTreeMap;

use crate::{
    means::{Context, stored},
    model::{
        activity::Fence,
        alert::{AlertSubject, NewAlert, Severity},
        cursor::{Cursor, ListedMessage},
        failure::{Failure, FailureCode},
        maildrop::{CopyState, DueCopy},
        uid::{Uid, UidSet},
    },
};

use super::{
    policy::ReceivePolicy,
    source::{Deletion, MailSource},
};

/// Most messages deleted in one visit.
const MOST: u32 = 500;

/// Whether the Inbox is open already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// Only looked at.
    Closed,
    /// [`MailSource::open`] succeeded.
    Open,
}

/// Notes what is gone from the server, and deletes what is due. Nothing may be outstanding. Returns
/// how many messages the server was told to delete; where it refuses, an alert says so.
///
/// # Errors
/// The server or the database failed; the source is dead. Whatever was done is found out, and
/// finished, by the next visit.
///
/// # Cancel safety
/// May be dropped at any await, and the source with it.
pub async fn clean_up<S: MailSource>(
    context: &Context,
    fence: Fence,
    cursor: &Cursor,
    policy: &ReceivePolicy,
    source: &mut S,
    folder: Folder,
) -> Result<u64, Failure> {
    let visit = Visit { context, fence, cursor };
    visit.mark(&source.gone(), CopyState::Gone).await?;
    let due = match policy.delete_after {
        Some(delay) if !context.stop.is_cancelled() && !policy.deletes_nothing && source.left_out().is_none() => {
            let (store, before) = (&context.store, context.clock.now().minus(delay));
            stored::patiently(|| store.due_copies(fence.mailbox, cursor, before, MOST))
                .await
                .map_err(|error| stored::failure(&error))?
        }
        Some(_) | None => Vec::new(),
    };
    if due.is_empty() {
        return Ok(0);
    }
    if folder == Folder::Closed {
        let opened = source.open(&UidSet::default()).await?;
        if opened.view.uid_validity != cursor.uid_validity {
            // The numbers mean other messages now; the next visit starts over.
            return Ok(0);
        }
    }
    visit.delete(source, &due).await
}

struct Visit<'a> {
    context: &'a Context,
    fence: Fence,
    cursor: &'a Cursor,
}

impl Visit<'_> {
    async fn delete<S: MailSource>(&self, source: &mut S, due: &[DueCopy]) -> Result<u64, Failure> {
        let listed = source.list(&due.iter().map(|copy| copy.uid).collect()).await?;
        let ids = source.message_ids(&listed.iter().map(|message| message.uid).collect()).await?;
        let Compared { same, gone } = compare(due, &listed, &ids);
        self.mark(&gone, CopyState::Gone).await?;
        if same.is_empty() {
            return Ok(0);
        }
        self.mark(&same, CopyState::Pending).await?;
        let deleted = same.len() as u64;
        match source.delete(&same.iter().copied().collect()).await? {
            Deletion::Done => self.mark(&same, CopyState::Gone).await?,
            Deletion::AtGoodbye => {}
            Deletion::Refused(failure) => {
                self.alert(&failure).await?;
                return Ok(0);
            }
        }
        self.close_alert().await?;
        Ok(deleted)
    }

    /// Tells somebody, once, that mail stays where it is; reading goes on.
    async fn alert(&self, failure: &Failure) -> Result<(), Failure> {
        let alert = NewAlert {
            subject: self.subject(),
            severity: Severity::Warning,
            code: failure.code,
            text: failure.text.clone(),
            workload: None,
        };
        let (store, now) = (&self.context.store, self.context.clock.now());
        stored::patiently(|| store.raise_alert(&alert, now)).await.map_err(|error| stored::failure(&error))
    }

    async fn close_alert(&self) -> Result<(), Failure> {
        let (store, now) = (&self.context.store, self.context.clock.now());
        stored::patiently(|| store.close_alert(self.subject(), FailureCode::DeletionRefused, now))
            .await
            .map_err(|error| stored::failure(&error))
    }

    fn subject(&self) -> AlertSubject {
        AlertSubject::Mailbox(self.fence.mailbox)
    }

    async fn mark(&self, uids: &[Uid], state: CopyState) -> Result<(), Failure> {
        if uids.is_empty() {
            return Ok(());
        }
        let store = &self.context.store;
        let marked = stored::patiently(|| store.mark_copies(self.fence, self.cursor, uids, state)).await;
        marked.map_err(|error| stored::failure(&error))
    }
}

/// What lies under the numbers of recorded messages.
#[derive(Debug, Default, PartialEq, Eq)]
struct Compared {
    /// Surely they.
    same: Vec<Uid>,
    /// Nothing, or something else.
    gone: Vec<Uid>,
}

/// One that the server gave no header of is neither: it is left for another visit.
fn compare(due: &[DueCopy], listed: &[ListedMessage], ids: &[(Uid, Option<String>)]) -> Compared {
    let listed: BTreeMap<Uid, &ListedMessage> = listed.iter().map(|message| (message.uid, message)).collect();
    let ids: BTreeMap<Uid, &Option<String>> = ids.iter().map(|(uid, id)| (*uid, id)).collect();
    let mut compared = Compared::default();
    for copy in due {
        let same = match (listed.get(&copy.uid), ids.get(&copy.uid)) {
            (None, _) => false,
            (Some(message), _) if !looks_like(copy, message) => false,
            (Some(_), None) => continue,
            (Some(_), Some(id)) => **id == copy.message_id,
        };
        if same { compared.same.push(copy.uid) } else { compared.gone.push(copy.uid) }
    }
    compared
}

fn looks_like(copy: &DueCopy, message: &ListedMessage) -> bool {
    let other_date = copy.internal_date.zip(message.internal_date).is_some_and(|(then, now)| then != now);
    copy.size == message.size && !other_date
}

#[cfg(test)]
#[path = "cleanup_tests.rs"]
mod tests;
