//! Messages whose listing a server breaks: they are found by halving what is listed, and known from
//! then on. Pure.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::model::{
    cursor::ListedMessage,
    failure::{Failure, FailureCode},
    ids::MailboxId,
    timestamp::Timestamp,
    uid::{Uid, UidSet, UidValidity},
};

use super::batch::blames_message;

/// Connections lost in a row while something was listed, after which it is what was listed.
const LOST_IN_A_ROW: u32 = 3;
/// Parts that are asked for in one search, if these are enough to find one message; another visit goes on.
const MOST_PARTS: u32 = 48;
/// Parts that may break, beyond those that halving takes, before any message was listed.
const PATIENCE: u32 = 6;
/// After a search that found nothing the server is not searched again for so long.
const PAUSE: Duration = Duration::from_secs(6 * 3_600);

/// What is known of a mailbox.
#[derive(Debug, Default)]
struct Known {
    uid_validity: Option<UidValidity>,
    uids: BTreeSet<Uid>,
    lost: u32,
    not_before: Option<Timestamp>,
}

/// What is known of all mailboxes. A restart forgets it, and a search finds it again.
#[derive(Debug, Default)]
pub(super) struct Unlisted {
    of: Mutex<BTreeMap<MailboxId, Known>>,
}

impl Unlisted {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<MailboxId, Known>> {
        // Each change is complete before the lock is let go, so a panic elsewhere spoils nothing.
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages that are not to be listed, and the UIDVALIDITY under which they are called so.
    pub(super) fn of(&self, mailbox: MailboxId) -> Option<(UidValidity, BTreeSet<Uid>)> {
        let all = self.lock();
        let known = all.get(&mailbox)?;
        known.uid_validity.filter(|_| !known.uids.is_empty()).map(|validity| (validity, known.uids.clone()))
    }

    /// A listing of the mailbox was complete.
    pub(super) fn listed(&self, mailbox: MailboxId) {
        if let Some(known) = self.lock().get_mut(&mailbox) {
            (known.lost, known.not_before) = (0, None);
        }
    }

    /// Whether a listing that ended so may have been broken by a message in it.
    pub(super) fn blames(&self, mailbox: MailboxId, failure: &Failure, now: Timestamp) -> bool {
        if !may_be_a_message(failure) {
            return false;
        }
        let lost = !blames_message(failure);
        let mut all = self.lock();
        let known = all.entry(mailbox).or_default();
        known.lost = known.lost.saturating_add(u32::from(lost));
        (!lost || known.lost >= LOST_IN_A_ROW) && known.not_before.is_none_or(|time| time <= now)
    }

    /// What a search found; nothing, and it was all in vain: the server breaks whatever it lists.
    pub(super) fn found(&self, mailbox: MailboxId, validity: UidValidity, search: &Search, now: Timestamp) {
        let mut all = self.lock();
        let known = all.entry(mailbox).or_default();
        if known.uid_validity != Some(validity) {
            *known = Known { uid_validity: Some(validity), lost: known.lost, ..Known::default() };
        }
        if search.is_in_vain() {
            known.not_before = Some(now.plus(PAUSE));
        } else {
            known.uids.extend(&search.alone);
            known.not_before = None;
        }
    }
}

/// Whether a listing may end so for a message in it; a time that ran out, or a pause that the server
/// asks for, has other reasons.
pub(super) fn may_be_a_message(failure: &Failure) -> bool {
    blames_message(failure) || matches!(failure.code, FailureCode::ConnectionLost | FailureCode::ServerClosed)
}

/// A message of which nothing is known but that it is there: what it holds may be readable all the same.
pub(super) const fn nothing_known(uid: Uid) -> ListedMessage {
    ListedMessage { uid, size: 0, internal_date: None, uidl: None }
}

/// Halves a set of UIDs until what breaks its listing stands alone.
#[derive(Debug)]
pub(super) struct Search {
    waiting: VecDeque<UidSet>,
    listed: BTreeMap<Uid, ListedMessage>,
    alone: BTreeSet<Uid>,
    /// Parts that may still be asked for.
    left: u32,
    /// Parts that may still break before any message was listed.
    patience: u32,
}

impl Search {
    /// Of a set whose listing broke. All of it is asked for once more: it may have been for no reason.
    pub(super) fn new(uids: UidSet) -> Self {
        let depth = uids.len().checked_ilog2().unwrap_or(0);
        let (patience, left) = (PATIENCE + depth, MOST_PARTS.max(2 * depth + 3));
        let (listed, alone) = (BTreeMap::new(), BTreeSet::new());
        Self { waiting: VecDeque::from([uids]), listed, alone, left, patience }
    }

    /// What is listed next; `None` where all is done, or it is no use.
    pub(super) fn next_part(&mut self) -> Option<UidSet> {
        let hopeless = self.listed.is_empty() && self.patience == 0;
        if self.left == 0 || hopeless {
            return None;
        }
        self.left -= 1;
        self.waiting.pop_front().filter(|part| !part.is_empty())
    }

    /// A part was listed.
    pub(super) fn answered(&mut self, listed: Vec<ListedMessage>) {
        self.listed.extend(listed.into_iter().map(|message| (message.uid, message)));
    }

    /// The listing of a part broke.
    pub(super) fn broke(&mut self, part: &UidSet) {
        self.patience = self.patience.saturating_sub(1);
        if part.len() <= 1 {
            self.alone.extend(part.iter());
            return;
        }
        // Into the depth: the first that is alone is known before the search ends, however many there are.
        let (lower, upper) = part.halves();
        self.waiting.push_front(upper);
        self.waiting.push_front(lower);
    }

    /// Whether all of the set is known now.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether it ended without an answer: what stands alone then says nothing of a message.
    fn is_in_vain(&self) -> bool {
        !self.is_done() && (self.listed.is_empty() || self.alone.is_empty())
    }

    /// Everything that is there, ascending.
    pub(super) fn into_listed(mut self) -> Vec<ListedMessage> {
        self.listed.extend(self.alone.into_iter().map(|uid| (uid, nothing_known(uid))));
        self.listed.into_values().collect()
    }
}

#[cfg(test)]
#[path = "unlisted_tests.rs"]
mod tests;
