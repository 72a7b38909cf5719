//! The listing of a POP3 maildrop and what it held before → messages with numbers. Pure.
//!
//! POP3 has no UIDs: a message is called by its UIDL, which any server makes as it likes. The ledger
//! gives each one a number when it is first seen, and from there on a maildrop is a folder like any
//! other: numbers only ascend, and mean the same message for ever.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use crate::model::{
    cursor::FolderView,
    maildrop::{KnownMail, Maildrop, Uidl, UidlName},
    uid::Uid,
};

/// With fewer new names than this nobody asks whether they are old messages.
const RENAMED_AT_LEAST: usize = 20;

/// One message as the server lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedMail {
    /// Its number in this session.
    pub number: u32,
    /// In bytes.
    pub size: u64,
    /// Its UIDL.
    pub name: UidlName,
    /// Whether its UIDL is nothing but its number in this session.
    pub is_place: bool,
}

/// A message of the maildrop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its number in this session.
    pub number: u32,
    /// In bytes.
    pub size: u64,
    /// What it is called.
    pub uidl: Uidl,
    /// Whether it has no row in the ledger.
    pub is_new: bool,
}

/// A maildrop as this session sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// As a folder.
    pub view: FolderView,
    /// Its messages.
    pub mails: BTreeMap<Uid, Mail>,
    /// What it held before and holds no more.
    pub gone: Vec<Uid>,
    /// Whether most of it may be recorded under other names: then a look at a header may spare a
    /// download.
    pub starts_over: bool,
}

/// The session numbers of messages whose header must be looked at before they are taken for known:
/// those that share their name, and all of a server that calls messages by their place in the
/// listing, once something has moved.
pub fn doubtful(before: &Maildrop, listed: &[ListedMail]) -> Vec<u32> {
    let (found, gone) = find(&before.known, listed, &BTreeMap::new());
    let numbered = !gone.is_empty() && listed.iter().all(|mail| mail.is_place);
    let mut now: BTreeMap<UidlName, usize> = BTreeMap::new();
    listed.iter().for_each(|mail| *now.entry(mail.name).or_default() += 1);
    let mut then: BTreeMap<UidlName, usize> = BTreeMap::new();
    before.known.iter().for_each(|mail| *then.entry(mail.uidl.name).or_default() += 1);
    let several = |names: &BTreeMap<UidlName, usize>, name: &UidlName| names.get(name).is_some_and(|count| *count > 1);
    let is_doubtful = |mail: &ListedMail| numbered || several(&now, &mail.name) || several(&then, &mail.name);
    let known = listed.iter().zip(found).filter(|(mail, found)| found.is_some() && is_doubtful(mail));
    known.map(|(mail, _)| mail.number).collect()
}

/// Finds the messages of `listed` among those that the maildrop held `before`, and numbers the others.
///
/// A message is known by its UIDL *and* its size, and by its Message-ID where that was looked at
/// (`message_ids`, by session number): should a server give a name again, or give many the same one,
/// no message is taken for another. One that is read twice is found to be a copy.
pub fn identify(before: &Maildrop, listed: &[ListedMail], message_ids: &BTreeMap<u32, Option<String>>) -> Seen {
    let (found, gone) = find(&before.known, listed, message_ids);
    if are_renamed(&before.known, listed, &found) {
        let nothing =
            Maildrop { uid_validity: before.uid_validity.next_maildrop(), starts_over: true, ..Maildrop::NEW };
        let none_found = vec![None; listed.len()];
        return number(&nothing, listed, &none_found, Vec::new());
    }
    number(before, listed, &found, gone)
}

/// For each of `listed` the message that it is, and those that are not there any more.
fn find<'k>(
    known: &'k [KnownMail],
    listed: &[ListedMail],
    message_ids: &BTreeMap<u32, Option<String>>,
) -> (Vec<Option<&'k KnownMail>>, Vec<Uid>) {
    let mut there: BTreeMap<(UidlName, u64), Vec<&KnownMail>> = BTreeMap::new();
    for mail in known {
        there.entry((mail.uidl.name, mail.size)).or_default().push(mail);
    }
    // Taken from the end: the lowest rank first.
    there.values_mut().for_each(|same| same.sort_unstable_by_key(|mail| Reverse(mail.uidl.rank)));
    let take = |mail: &ListedMail| {
        let same = there.get_mut(&(mail.name, mail.size))?;
        let at = match message_ids.get(&mail.number) {
            // What was not read has no Message-ID in the ledger: there the name has to do.
            Some(id) => {
                let with = |id: &Option<String>| same.iter().rposition(|known| known.message_id == *id);
                with(id).or_else(|| with(&None))?
            }
            None => same.len().checked_sub(1)?,
        };
        Some(same.remove(at))
    };
    let found = listed.iter().map(take).collect();
    let mut gone: Vec<Uid> = there.into_values().flatten().map(|mail| mail.uid).collect();
    gone.sort_unstable();
    (found, gone)
}

/// Whether the server seems to have given its messages other names, as after a move to another
/// program: most of what it lists is new, and for at least half of that a message of the same size
/// has disappeared.
fn are_renamed(known: &[KnownMail], listed: &[ListedMail], found: &[Option<&KnownMail>]) -> bool {
    let new: Vec<u64> =
        listed.iter().zip(found).filter(|(_, found)| found.is_none()).map(|(mail, _)| mail.size).collect();
    if new.len() < RENAMED_AT_LEAST || new.len() * 2 <= listed.len() {
        return false;
    }
    let there: BTreeSet<Uid> = found.iter().flatten().map(|mail| mail.uid).collect();
    let mut gone: BTreeMap<u64, usize> = BTreeMap::new();
    for mail in known.iter().filter(|mail| !there.contains(&mail.uid)) {
        *gone.entry(mail.size).or_default() += 1;
    }
    let like_gone = |size: &&u64| gone.get_mut(*size).filter(|left| **left > 0).map(|left| *left -= 1).is_some();
    new.iter().filter(like_gone).count() * 2 >= new.len()
}

/// Gives what was not found numbers above all that were given, in the order of the listing, so that
/// a visit that is repeated gives the same ones.
fn number(before: &Maildrop, listed: &[ListedMail], found: &[Option<&KnownMail>], gone: Vec<Uid>) -> Seen {
    let mut ranks: BTreeMap<UidlName, BTreeSet<u32>> = BTreeMap::new();
    for mail in found.iter().flatten() {
        ranks.entry(mail.uidl.name).or_default().insert(mail.uidl.rank);
    }
    // Their rows are still there, and must not be in the way.
    for mail in before.known.iter().filter(|mail| gone.binary_search(&mail.uid).is_ok()) {
        ranks.entry(mail.uidl.name).or_default().insert(mail.uidl.rank);
    }
    let mut last = before.last_uid;
    let mut mails = BTreeMap::new();
    for (mail, found) in listed.iter().zip(found) {
        let ListedMail { number, size, name, .. } = *mail;
        let (uid, uidl) = match found {
            Some(known) => (Some(known.uid), known.uidl),
            None => {
                last = last.saturating_add(1);
                let taken = ranks.entry(name).or_default();
                let rank = (0..).find(|rank| !taken.contains(rank)).unwrap_or(u32::MAX);
                taken.insert(rank);
                (Uid::new(last), Uidl { name, rank })
            }
        };
        if let Some(uid) = uid {
            mails.insert(uid, Mail { number, size, uidl, is_new: found.is_none() });
        }
    }
    let exists = u32::try_from(listed.len()).unwrap_or(u32::MAX);
    let view = FolderView { uid_validity: before.uid_validity, uid_next: Uid::new(last.saturating_add(1)), exists };
    Seen { view, mails, gone, starts_over: before.starts_over }
}

#[cfg(test)]
#[path = "maildrop_tests.rs"]
mod tests;
