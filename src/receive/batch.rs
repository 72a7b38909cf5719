//! Listed messages → batches: what is fetched, and what is entered without. Pure.

use crate::model::{
    activity::{IgnoreReason, LedgerEntry, Verdict},
    cursor::{InFlight, ListedMessage},
    failure::{Failure, FailureCode, Persistence, Scope},
    message::Sha256,
    timestamp::Timestamp,
    uid::{Uid, UidSet},
};

use super::{
    again::Again,
    policy::{ReceivePolicy, Steps},
};

/// Rows that need no download, per message of the batch limit.
const ROWS_PER_MESSAGE: usize = 10;

/// Batches that are marked before they are there. While one is committed the two that follow are parsed,
/// so their marker, and that of the one after them, stands in the database before.
const MARKED_AHEAD: usize = 3;

/// So many times a message may have been begun before it is set aside: unparsed, or without having
/// been received.
pub const MAXIMUM_ATTEMPTS: u32 = 3;

/// What is done about one listed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Todo {
    /// Fetch, parse, judge.
    Read,
    /// Fetch and keep the source, but do not parse: set aside for this.
    Keep(Failure),
    /// Parse and judge the source that is kept; nothing is fetched.
    Reread(Sha256),
    /// Enter this row; nothing is fetched.
    Enter(Box<LedgerEntry>),
}

/// One listed message and what is done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The message.
    pub listed: ListedMessage,
    /// Bytes that it may have: as listed, or the limit where the server told no size.
    pub room: u64,
    /// What is done.
    pub todo: Todo,
}

/// What is recorded in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The messages, ascending.
    pub items: Vec<Item>,
    /// Once this batch is committed, every message up to here has its row.
    pub through: u32,
    /// How many times it will have been begun; more than 1: one message alone, suspect.
    pub attempts: u32,
    /// Where a message that was set aside is tried again, alone: its row.
    pub again: Option<Again>,
}

impl Batch {
    /// Bytes that the messages may take in memory.
    pub fn bytes(&self) -> u64 {
        let held = self.items.iter().filter(|item| !matches!(item.todo, Todo::Enter(_)));
        held.map(|item| item.room).fold(0, u64::saturating_add)
    }

    /// The messages to be fetched, ascending, each with the size that it may have.
    pub fn asked(&self) -> Vec<ListedMessage> {
        let asked = self.items.iter().filter(|item| matches!(item.todo, Todo::Read | Todo::Keep(_)));
        asked.map(|item| ListedMessage { size: item.room, ..item.listed }).collect()
    }
}

/// The marker of the next ones of `batches`, which follow each other and are begun for the first time.
pub fn marker_of<'b>(batches: impl Iterator<Item = &'b Batch>) -> Option<InFlight> {
    let read = batches.take(MARKED_AHEAD).filter(|batch| batch.attempts == 1).flat_map(|batch| &batch.items);
    let uids: Vec<Uid> =
        read.filter(|item| matches!(item.todo, Todo::Read | Todo::Reread(_))).map(|item| item.listed.uid).collect();
    Some(InFlight { first: *uids.iter().min()?, last: *uids.iter().max()?, attempts: 1 })
}

/// A row for a message of which only the listing is known.
pub fn row(listed: ListedMessage, verdict: Verdict) -> LedgerEntry {
    LedgerEntry {
        uid: listed.uid,
        internal_date: listed.internal_date,
        uidl: listed.uidl,
        size: listed.size,
        key: None,
        message_id: None,
        source: None,
        verdict,
    }
}

/// A permanent failure of one message.
pub fn message_failure(code: FailureCode, text: &str) -> Failure {
    Failure::new(code, Scope::Message, Persistence::Permanent, text)
}

/// Whether a failed request may be the fault of a message asked for: the server gave it in a form
/// that cannot be read, or refused it. A connection lost or a time run out proves nothing.
pub fn blames_message(failure: &Failure) -> bool {
    use FailureCode::{CommandRefused, MailboxCorrupt, ProtocolViolation, ServerFault};
    matches!(failure.code, ProtocolViolation | CommandRefused | ServerFault | MailboxCorrupt)
}

/// Whether a message received then lies before the starting point. One without a readable
/// INTERNALDATE does not: what it says of itself in its Date field proves nothing.
pub fn is_before(internal_date: Option<Timestamp>, starting_point: Timestamp) -> bool {
    internal_date.is_some_and(|date| date < starting_point)
}

/// Decides by the listing alone.
pub fn decide(listed: ListedMessage, policy: &ReceivePolicy, in_flight: Option<InFlight>) -> Item {
    let enter = |verdict| Todo::Enter(Box::new(row(listed, verdict)));
    let limit = policy.rules.maximum_message_size;
    let todo = if is_before(listed.internal_date, policy.starting_point) {
        enter(Verdict::Ignore(IgnoreReason::BeforeStartingPoint))
    } else if listed.size > limit {
        let text = format!("the message has {} bytes, the limit is {limit}", listed.size);
        enter(Verdict::SetAside(message_failure(FailureCode::MessageTooLarge, &text)))
    } else if in_flight.is_some_and(|marker| marker.attempts >= MAXIMUM_ATTEMPTS && is_alone(marker, listed)) {
        let text = format!("the process died {MAXIMUM_ATTEMPTS} times while parsing the message");
        Todo::Keep(message_failure(FailureCode::MessagePoison, &text))
    } else {
        Todo::Read
    };
    let room = if listed.size == 0 { limit } else { listed.size };
    Item { listed, room, todo }
}

/// Whether the marker names the message.
pub fn is_suspect(in_flight: Option<InFlight>, uid: Uid) -> bool {
    in_flight.is_some_and(|marker| (marker.first..=marker.last).contains(&uid))
}

/// Whether the marker names the message and no other.
pub fn is_alone(marker: InFlight, listed: ListedMessage) -> bool {
    marker.first == listed.uid && marker.last == listed.uid
}

/// Cuts `items` into batches. Suspects go one message at a time, so that the next death of the
/// process, or of the conversation, names its message. `through` is reached with the last batch.
pub fn batches(items: Vec<Item>, steps: &Steps, in_flight: Option<InFlight>, through: u32) -> Vec<Batch> {
    let mut done: Vec<Batch> = Vec::new();
    let mut open = Open::default();
    let mut limit = steps.first_batch_bytes.min(steps.batch_bytes);
    for item in items {
        let before = in_flight.filter(|_| is_suspect(in_flight, item.listed.uid));
        let attempts = match before {
            Some(marker) if !matches!(item.todo, Todo::Enter(_)) => marker.attempts.saturating_add(1),
            Some(_) | None => 1,
        };
        if attempts > 1 || !open.has_room_for(&item, steps, limit) {
            done.extend(open.close());
            limit = limit.saturating_mul(2).min(steps.batch_bytes);
        }
        open.take(item);
        if attempts > 1 {
            done.extend(open.close().map(|batch| Batch { attempts, ..batch }));
        }
    }
    done.extend(open.close());
    if let Some(last) = done.last_mut() {
        last.through = last.through.max(through);
    }
    done
}

/// The batch being filled.
#[derive(Default)]
struct Open {
    items: Vec<Item>,
    fetched: usize,
    bytes: u64,
}

impl Open {
    fn has_room_for(&self, item: &Item, steps: &Steps, bytes: u64) -> bool {
        let fits = self.bytes.saturating_add(item.room) <= bytes || self.fetched == 0;
        match item.todo {
            Todo::Enter(_) => self.items.len() < steps.batch_messages.saturating_mul(ROWS_PER_MESSAGE).max(1),
            Todo::Read | Todo::Keep(_) | Todo::Reread(_) => self.fetched < steps.batch_messages.max(1) && fits,
        }
    }

    fn take(&mut self, item: Item) {
        if !matches!(item.todo, Todo::Enter(_)) {
            self.fetched += 1;
            self.bytes = self.bytes.saturating_add(item.room);
        }
        self.items.push(item);
    }

    fn close(&mut self) -> Option<Batch> {
        let items = std::mem::take(self).items;
        let through = items.last()?.listed.uid.get();
        Some(Batch { items, through, attempts: 1, again: None })
    }
}

/// The UIDs of `listed`, in sets small enough for one command line.
pub fn uid_sets(listed: &[ListedMessage]) -> impl Iterator<Item = UidSet> {
    listed.chunks(1_000).map(|chunk| chunk.iter().map(|message| message.uid).collect())
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
