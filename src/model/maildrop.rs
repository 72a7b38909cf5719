//! Messages as they lie on a server: how POP3 names them, and what becomes of them once recorded.

use std::fmt;

use super::{
    message::Sha256,
    timestamp::Timestamp,
    uid::{Uid, UidValidity},
};

/// Stands for a UIDL, which may be of any length: how it begins, and 16 bytes of its digest. What servers name one
/// after the other lies together in an index, where digests alone would be all over it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UidlName(pub [u8; 32]);

impl UidlName {
    /// Of a UIDL with this digest.
    pub fn new(uidl: &[u8], Sha256(mut name): Sha256) -> Self {
        let (beginning, _) = name.split_at_mut(16);
        beginning.fill(0);
        beginning.iter_mut().zip(uidl).for_each(|(byte, of_uidl)| *byte = *of_uidl);
        Self(name)
    }
}

impl fmt::Debug for UidlName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UidlName({})", Sha256(self.0))
    }
}

/// Names a message of a POP3 maildrop, where there are no UIDs: its UIDL, and its place among those that
/// have the same one (RFC 1939 §7 lets copies of one message share it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uidl {
    /// Its UIDL.
    pub name: UidlName,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lie_in_the_order_of_what_they_stand_for_and_tell_long_ones_apart() {
        let digest = |uidl: &[u8]| Sha256([uidl.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)); 32]);
        let name = |uidl: &[u8]| UidlName::new(uidl, digest(uidl));
        let listed: [&[u8]; 4] = [b"1", b"0000000a5f3c21d4", b"0000000b5f3c21d4", b"0000000c5f3c21d4"];
        assert!(listed[1..].windows(2).all(|pair| name(pair[0]) < name(pair[1])));
        assert_ne!(name(b"the same sixteen, and one"), name(b"the same sixteen, and two"));
        assert_eq!(name(listed[0]).0[1..16], [0; 15]);
    }
}
