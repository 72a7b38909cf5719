//! What a first reading would import, without importing it.

use super::{batch::is_before, source::MailSource, windows::Windows};
use crate::{
    means::stored,
    model::{
        failure::Failure,
        ids::MailboxId,
        testing::Preview,
        timestamp::Timestamp,
        uid::{Uid, UidSet},
    },
    store::Store,
};

/// UIDs asked for in one listing, to begin with.
const WINDOW: u32 = 10_000;

/// Counts the messages that a poll of `mailbox` would read: those received at the starting point or
/// later that the ledger does not have. After a change of all UIDs everything counts: what is known
/// already shows only when it is read.
///
/// # Errors
/// The server refuses, the connection is lost, or the database cannot be read.
///
/// # Cancel safety
/// As of [`MailSource`]: drop the source too.
pub async fn preview<S: MailSource>(
    source: &mut S,
    store: &Store,
    mailbox: MailboxId,
    starting_point: Option<Timestamp>,
) -> Result<Preview, Failure> {
    let starting_point = starting_point.unwrap_or(Timestamp::EPOCH);
    let view = source.open(&UidSet::default()).await?.view;
    let stored = |error| stored::failure(&error);
    let cursor = stored::patiently(|| store.cursor(mailbox)).await.map_err(stored)?;
    let cursor = cursor.filter(|cursor| cursor.uid_validity == view.uid_validity);
    let last = view.uid_next.map_or(u32::MAX, |next| next.get().saturating_sub(1));
    let mut windows = Windows::new(1, last, WINDOW);
    let (mut preview, mut left) = (Preview::default(), view.exists);
    while let Some(window) = windows.next_window().filter(|_| left > 0) {
        let listed = source.list(&window.uids()).await?;
        windows.held(listed.len());
        left = left.saturating_sub(u32::try_from(listed.len()).unwrap_or(u32::MAX));
        let known = match &cursor {
            Some(cursor) => {
                let asking = || store.ledger_uids(mailbox, cursor, window.first, window.last);
                stored::patiently(asking).await.map_err(stored)?
            }
            None => std::collections::BTreeSet::<Uid>::new(),
        };
        for message in listed.iter().filter(|message| !known.contains(&message.uid)) {
            if !is_before(message.internal_date, starting_point) {
                preview.count += 1;
                preview.bytes = preview.bytes.saturating_add(message.size);
                preview.undated += u64::from(message.internal_date.is_none());
                preview.oldest = match (preview.oldest, message.internal_date) {
                    (Some(oldest), Some(date)) => Some(oldest.min(date)),
                    (oldest, date) => oldest.or(date),
                };
            }
        }
    }
    Ok(preview)
}
