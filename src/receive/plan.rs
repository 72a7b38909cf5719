//! Cursor and folder view → what to read.

use std::time::Duration;

use crate::model::{
    cursor::{Cursor, FolderView},
    timestamp::Timestamp,
};

use super::policy::ReceivePolicy;

/// So many UIDs below the last recorded one are compared with the ledger: clustered servers show
/// messages late, below UIDs that were seen already.
pub const TRAILING: u32 = 500;

/// The comparison is made at least so often, also where nothing seems to be new.
pub const COMPARE_EVERY: Duration = Duration::from_secs(3_600);

/// Starts over in a row after which the server is taken to be one that does not keep UIDs.
pub const MAXIMUM_STARTS_OVER: u32 = 5;

/// What a cycle does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceivePlan {
    /// Nothing: all there is is recorded.
    UpToDate,
    /// The first visit: commit this cursor, then plan again with it.
    First(Cursor),
    /// The UIDs mean other messages now: commit this cursor, then plan again with it.
    StartOver(StartOverReason, Cursor),
    /// The server renumbered the folder at every visit: give up until a person looks.
    UidsNotKept,
    /// Read.
    Read(Reading),
}

/// Why a folder is read from the start again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartOverReason {
    /// UIDVALIDITY is another one.
    UidValidityChanged,
    /// The messages of a POP3 maildrop are called otherwise than before.
    UidlsChanged,
    /// The mailbox is read over POP3 instead of IMAP, or the other way round.
    ProtocolChanged,
    /// UIDNEXT went down: UIDs were given out again without a new UIDVALIDITY.
    UidNextDecreased,
}

impl StartOverReason {
    /// The name in reports and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UidValidityChanged => "uid_validity_changed",
            Self::UidlsChanged => "uidls_changed",
            Self::ProtocolChanged => "protocol_changed",
            Self::UidNextDecreased => "uid_next_decreased",
        }
    }
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The first UID that may be new; below it is the trailing window.
    pub first: u32,
    /// The last UID that may be there; `first - 1` where nothing can be new.
    pub last: u32,
    /// Whether `last` is what the server said. Otherwise it is a bound, and the cursor must not
    /// follow it past the messages that were listed.
    pub last_is_known: bool,
    /// The first UID of the trailing window, which ends before `first`; equal to `first` where empty.
    pub compare_from: u32,
    /// By how many the folder has grown since it was last up to date. Where new and late messages
    /// are fewer, one has turned up far below, and everything is compared.
    pub grown: u32,
    /// The starting point was moved back: messages skipped since then are judged again.
    pub judge_again_since: Option<Timestamp>,
    /// Whether messages that were set aside are tried again.
    pub retries: bool,
}

/// Decides what to do about a folder that looks like `view` and is recorded as far as `cursor` says.
/// Where messages that were set aside are to be tried again (`retries`), something is to be done in any case.
pub fn plan(
    cursor: Option<&Cursor>,
    view: &FolderView,
    policy: &ReceivePolicy,
    retries: bool,
    now: Timestamp,
) -> ReceivePlan {
    let Some(cursor) = cursor else { return ReceivePlan::First(new_cursor(view, policy, 0, 0)) };
    if let Some(reason) = start_over(cursor, view) {
        if cursor.starts_over >= MAXIMUM_STARTS_OVER {
            return ReceivePlan::UidsNotKept;
        }
        let generation = cursor.generation.saturating_add(1);
        return ReceivePlan::StartOver(reason, new_cursor(view, policy, generation, cursor.starts_over + 1));
    }
    if !retries && is_up_to_date(cursor, view, policy, now) {
        return ReceivePlan::UpToDate;
    }
    let first = cursor.last_uid.saturating_add(1);
    let last = view.uid_next.map(|next| next.get() - 1);
    ReceivePlan::Read(Reading {
        first,
        last: last.unwrap_or(u32::MAX),
        last_is_known: last.is_some(),
        compare_from: first.saturating_sub(TRAILING).max(1),
        grown: view.exists.saturating_sub(cursor.exists),
        judge_again_since: (policy.starting_point < cursor.starting_point).then_some(policy.starting_point),
        retries,
    })
}

fn new_cursor(view: &FolderView, policy: &ReceivePolicy, generation: u32, starts_over: u32) -> Cursor {
    Cursor {
        uid_validity: view.uid_validity,
        generation,
        last_uid: 0,
        exists: 0,
        compared_at: None,
        starting_point: policy.starting_point,
        starts_over,
        in_flight: None,
    }
}

fn start_over(cursor: &Cursor, view: &FolderView) -> Option<StartOverReason> {
    if view.uid_validity != cursor.uid_validity {
        return Some(match (cursor.uid_validity.is_maildrop(), view.uid_validity.is_maildrop()) {
            (false, false) => StartOverReason::UidValidityChanged,
            (true, true) => StartOverReason::UidlsChanged,
            (true, false) | (false, true) => StartOverReason::ProtocolChanged,
        });
    }
    let went_down = view.uid_next.is_some_and(|next| next.get() <= cursor.last_uid);
    went_down.then_some(StartOverReason::UidNextDecreased)
}

/// UIDNEXT alone is not enough: a message that shows late raises only the number of messages, and
/// one that shows late while another is deleted raises nothing, hence the hourly comparison.
fn is_up_to_date(cursor: &Cursor, view: &FolderView, policy: &ReceivePolicy, now: Timestamp) -> bool {
    let nothing_new = view.uid_next.is_some_and(|next| next.get() - 1 == cursor.last_uid);
    let compared = cursor.compared_at.is_some_and(|at| at <= now && now.since(at) < COMPARE_EVERY);
    nothing_new
        && view.exists == cursor.exists
        && (compared || cursor.last_uid == 0)
        && cursor.in_flight.is_none()
        && policy.starting_point >= cursor.starting_point
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
