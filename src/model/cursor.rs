//! What the server shows of a folder, and how far we have recorded it.

use serde::Serialize;

use super::{
    maildrop::Uidl,
    timestamp::Timestamp,
    uid::{Uid, UidValidity},
};

/// What STATUS or EXAMINE said about the Inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderView {
    /// UIDVALIDITY; a server that gives none is refused before.
    pub uid_validity: UidValidity,
    /// UIDNEXT, where the server gave it (163.com and Winmail leave it out).
    pub uid_next: Option<Uid>,
    /// How many messages are in it.
    pub exists: u32,
}

/// How far the Inbox of a mailbox is *recorded*. Moves only in the transaction that records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cursor {
    /// The UIDVALIDITY the numbers below belong to.
    pub uid_validity: UidValidity,
    /// Counts the starts over; keeps ledger rows of one UIDVALIDITY apart when a server reuses UIDs.
    pub generation: u32,
    /// Every message up to here has its ledger row; 0 before the first.
    pub last_uid: u32,
    /// Messages in the folder when it was last seen to be up to date.
    pub exists: u32,
    /// When the trailing window was last compared with the ledger.
    pub compared_at: Option<Timestamp>,
    /// The starting point that the ledger's `before_starting_point` rows were judged by.
    pub starting_point: Timestamp,
    /// Starts over without a complete cycle between them.
    pub starts_over: u32,
    /// The messages that were being received or parsed when the marker was written.
    pub in_flight: Option<InFlight>,
}

/// Which numbering of an Inbox a UID belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Numbering {
    /// UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// See [`Cursor`].
    pub generation: u32,
}

impl Cursor {
    /// The numbering of the Inbox as it is now.
    pub const fn numbering(&self) -> Numbering {
        Numbering { uid_validity: self.uid_validity, generation: self.generation }
    }
}

/// Messages one of which may be poison: it makes the parser die, or the server break off.
///
/// Committed before a parse, so that a death inside the parser is seen by the next start, and after
/// a conversation that broke where they were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct InFlight {
    /// First UID of the batch.
    pub first: Uid,
    /// Last UID of the batch.
    pub last: Uid,
    /// How many times they were begun.
    pub attempts: u32,
}

/// One message as a listing shows it: everything but its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedMessage {
    /// Its number.
    pub uid: Uid,
    /// RFC822.SIZE in bytes, 0 where the server gave none; the literal's length is the truth, this
    /// only plans.
    pub size: u64,
    /// INTERNALDATE; `None` where the server gave none that can be read.
    pub internal_date: Option<Timestamp>,
    /// What it is called in a POP3 maildrop; `None` over IMAP.
    pub uidl: Option<Uidl>,
}

/// A message as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedMessage {
    /// Its number.
    pub uid: Uid,
    /// When the server received it, where only its content tells.
    pub received: Option<Timestamp>,
    /// RFC 5322 bytes, exactly as the server gave them.
    pub raw: Vec<u8>,
}
