//! A mail to be sent → its bytes: made once, kept, and the same at every attempt.
//!
//! The header is written here, because what it says comes from people and other programs: every value
//! is checked for what could start a line of its own, and every line is folded. The parts and their
//! encodings are lettre's. The same mail gives the same bytes: boundaries are made from its identifier
//! and content, not by chance.

mod adopt;
mod check;
mod header;
mod parts;

use jiff::tz::TimeZone;

pub use self::{
    adopt::{Adopted, adopt},
    check::{ComposeError, Field, address},
};
use self::{
    check::{identifier, lines},
    header::HeaderWriter,
};
use crate::model::{
    ids::ActivityId,
    message::{Party, PartyRole},
    outbox::{Draft, OutboxParty},
    timestamp::Timestamp,
};

/// The field by which a mail is found again in the Sent folder. Its value is the activity's identifier.
pub const ID_FIELD: &str = "X-Mailsyncd-Id";

/// Longest subject, in bytes of UTF-8.
const SUBJECT_BYTES: usize = 2_000;
/// Longest References, in bytes: more identifiers than that tell a reader nothing new.
const REFERENCES_BYTES: usize = 10_000;
/// Most addresses: more make a header that receivers refuse.
const PARTIES: usize = 1_000;

/// What holds for all mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComposeRules {
    /// What Date says.
    pub now: Timestamp,
    /// Larger mails, in encoded bytes, are refused.
    pub maximum_size: u64,
}

/// A mail as it will be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComposedBytes {
    /// Without brackets.
    pub message_id: String,
    /// RFC 5322: CRLF at the end of every line, no line over 998 bytes, no other CR or LF. Bcc is not in it.
    pub bytes: Vec<u8>,
}

/// Writes a mail. Allocates about three times its size, so large ones belong on a blocking thread.
///
/// The sender's name is that of a party with role From, where there is one.
///
/// # Errors
/// A value that cannot stand in a mail (named), no recipient, or too many bytes.
pub fn compose(
    activity: ActivityId,
    parties: &[OutboxParty],
    draft: Draft,
    rules: &ComposeRules,
) -> Result<ComposedBytes, ComposeError> {
    recipients(parties.iter().map(|party| party.party.role))?;
    let attached: usize = draft.attachments.iter().map(|attachment| attachment.content.len()).sum();
    fits(attached, rules.maximum_size)?;
    let message_id = message_id(activity, &draft.sender);
    let mut header = HeaderWriter::default();
    header.field("Date", [date(rules.now)]);
    write_parties(&mut header, parties, &draft.sender)?;
    header.text("Subject", &check::text(&draft.subject, Field::Subject, SUBJECT_BYTES)?);
    header.field("Message-ID", [format!("<{message_id}>")]);
    write_thread(&mut header, &draft);
    header.field(ID_FIELD, [activity.to_string()]);
    header.field("MIME-Version", ["1.0".to_owned()]);
    let mut bytes = header.into_bytes();
    bytes.extend_from_slice(&parts::write(activity, draft)?);
    fits(bytes.len(), rules.maximum_size)?;
    lines(&bytes)?;
    Ok(ComposedBytes { message_id, bytes })
}

fn recipients(roles: impl Iterator<Item = PartyRole> + Clone) -> Result<(), ComposeError> {
    let receives = |role: &PartyRole| matches!(role, PartyRole::To | PartyRole::Cc | PartyRole::Bcc);
    match roles.clone().filter(receives).count() {
        0 => Err(ComposeError::NoRecipient),
        _ if roles.count() > PARTIES => Err(ComposeError::TooManyAddresses(PARTIES)),
        _ => Ok(()),
    }
}

fn fits(size: usize, maximum: u64) -> Result<(), ComposeError> {
    let size = u64::try_from(size).unwrap_or(u64::MAX);
    if size > maximum { Err(ComposeError::TooLarge { size, maximum }) } else { Ok(()) }
}

/// In the sender's domain, as receivers expect; an internationalized one would need SMTPUTF8 even here.
fn message_id(activity: ActivityId, from: &str) -> String {
    let domain = from.rsplit_once('@').map(|(_, domain)| domain).filter(|domain| domain.is_ascii());
    format!("{activity}@{}", domain.unwrap_or("mailsyncd.invalid").to_ascii_lowercase())
}

fn write_parties(header: &mut HeaderWriter, parties: &[OutboxParty], sender: &str) -> Result<(), ComposeError> {
    let of = |role: PartyRole| parties.iter().map(|party| &party.party).filter(move |party| party.role == role);
    let display_name = of(PartyRole::From).next().map(|party| party.display_name.clone()).unwrap_or_default();
    header.addresses("From", [&Party { role: PartyRole::From, address: sender.to_owned(), display_name }])?;
    for (name, role) in [("Reply-To", PartyRole::ReplyTo), ("To", PartyRole::To), ("Cc", PartyRole::Cc)] {
        header.addresses(name, of(role))?;
    }
    for hidden in of(PartyRole::Bcc) {
        address(&hidden.address, Field::Address(PartyRole::Bcc))?;
    }
    Ok(())
}

fn write_thread(header: &mut HeaderWriter, draft: &Draft) {
    let answered = draft.in_reply_to.as_deref().filter(|id| identifier(id));
    if let Some(answered) = answered {
        header.field("In-Reply-To", [format!("<{answered}>")]);
    }
    let thread = thread(&draft.references, answered);
    if !thread.is_empty() {
        header.field("References", thread.into_iter().map(|id| format!("<{id}>")));
    }
}

/// The thread's root and its newest identifiers, as far as there is room. They come from received mail:
/// one that cannot stand in a header is left out, so that everything can be answered.
fn thread<'m>(references: &'m [String], answered: Option<&'m str>) -> Vec<&'m str> {
    let mut all: Vec<&str> = references.iter().map(String::as_str).filter(|id| identifier(id)).collect();
    if let Some(answered) = answered.filter(|answered| all.last() != Some(answered)) {
        all.push(answered);
    }
    let mut room = REFERENCES_BYTES.saturating_sub(all.first().map_or(0, |root| root.len()));
    let newest = all.iter().skip(1).rev().take_while(|id| {
        let fits = id.len() <= room;
        room = room.saturating_sub(id.len() + 3);
        fits
    });
    let newest = newest.count();
    let dropped = all.len().saturating_sub(newest + 1);
    if dropped > 0 {
        all.drain(1..=dropped);
    }
    all
}

/// As RFC 5322 wants it, in UTC.
fn date(now: Timestamp) -> String {
    let time = jiff::Timestamp::from_microsecond(now.as_micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}
