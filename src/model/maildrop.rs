//! Messages as they lie on a server: how POP3 names them, and what becomes of them once recorded.

use super::{
    message::Sha256,
    timestamp::Timestamp,
    uid::{Uid, UidValidity},
};

/// Names a message of a POP3 maildrop, where there are no UIDs: the digest of its UIDL, which may be
/// of any length, and its place among those that have the same one (RFC 1939 §7 lets copies of one
/// message share it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uidl {
    /// Of the characters of the UIDL.
    pub sha256: Sha256,
    /// From 0.
    pub rank: u32,
}

/// A message of a maildrop that has its row in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownMail {
    /// What it is called there.
    pub uidl: Uidl,
    /// The number that it was given.
    pub uid: Uid,
    /// Size in bytes as listed then.
    pub size: u64,
    /// Message-ID without brackets.
    pub message_id: Option<String>,
}

/// A POP3 maildrop as the ledger has it: what it held when it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maildrop {
    /// Under which its messages have their numbers; one of [`UidValidity::is_maildrop`].
    pub uid_validity: UidValidity,
    /// The highest number given away.
    pub last_uid: u32,
    /// Whether it is being compared with what was recorded under other numbers or names.
    pub starts_over: bool,
    /// What it held.
    pub known: Vec<KnownMail>,
}

impl Maildrop {
    /// One that was never seen.
    pub const NEW: Self =
        Self { uid_validity: UidValidity::FIRST_MAILDROP, last_uid: 0, starts_over: false, known: Vec::new() };
}

/// What is to become, or became, of the message on the server that a row of the ledger was made from.
/// Without one it is left there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyState {
    /// It is to be deleted once the safety delay has passed.
    Due,
    /// The server was, or is about to be, told to delete it; whether it did is not known yet.
    Pending,
    /// It is not there any more.
    Gone,
}

/// A recorded message that is to be deleted from its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueCopy {
    /// Its number.
    pub uid: Uid,
    /// Size in bytes as listed.
    pub size: u64,
    /// When the server received it, where that was known.
    pub internal_date: Option<Timestamp>,
    /// Message-ID without brackets.
    pub message_id: Option<String>,
}
