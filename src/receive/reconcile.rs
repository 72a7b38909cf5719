//! After UIDs changed their meaning: which listed messages are recorded already. Pure.

use std::collections::BTreeMap;

use crate::{
    model::{
        activity::{LedgerEntry, Verdict},
        cursor::ListedMessage,
        uid::Uid,
    },
    store::KnownCopy,
};

use super::batch::row;

/// The rows of those of `listed` that have the date, the size *and* the Message-ID of a recorded
/// message. `copies` have the first two in common with a listed one; `message_ids` are what the
/// server says now. Everything else has to be read: a message without a Message-ID, and one that was
/// ignored or set aside, which may fare better today.
pub fn relink(
    listed: &[ListedMessage],
    copies: &[KnownCopy],
    message_ids: &[(Uid, Option<String>)],
) -> BTreeMap<Uid, LedgerEntry> {
    let now: BTreeMap<Uid, &str> =
        message_ids.iter().filter_map(|(uid, id)| id.as_deref().map(|id| (*uid, id))).collect();
    let mut linked = BTreeMap::new();
    for copy in copies {
        let same = copy.message_id.is_some() && copy.message_id.as_deref() == now.get(&copy.uid).copied();
        let message = listed.iter().find(|message| message.uid == copy.uid);
        let (true, Some(activity), Some(message)) = (same, copy.activity, message) else { continue };
        linked.entry(copy.uid).or_insert_with(|| LedgerEntry {
            key: copy.key,
            message_id: copy.message_id.clone(),
            ..row(*message, Verdict::Link(activity))
        });
    }
    linked
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
