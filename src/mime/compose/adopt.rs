//! A finished mail, written by another program: taken as it is, where it can be sent so.

use super::{
    ComposeRules, ComposedBytes, ID_FIELD,
    check::{self, ComposeError},
    date, fits, message_id, recipients,
};
use crate::{
    mime::{Limits, parse},
    model::{
        ids::ActivityId,
        message::{Party, PartyRole, ReceivedMessage},
    },
};

/// Fields that RFC 5322 §3.6 allows once.
const ONCE: &[&str] =
    &["Date", "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Message-ID", "In-Reply-To", "References", "Subject"];

/// A finished mail, as it will be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// The bytes: the given ones, but for Bcc, line ends, and the fields that were missing.
    pub composed: ComposedBytes,
    /// What they say. Its parties have those of Bcc too.
    pub message: ReceivedMessage,
    /// The address in From.
    pub from: Party,
}

/// Takes a finished RFC 5322 mail. LF line ends become CRLF; Bcc moves into the envelope; Date and
/// Message-ID are added where they are missing; a field that marks it as ours is added.
///
/// # Errors
/// It breaks RFC 5322, has no recipient, or is too large.
pub fn adopt(raw: &[u8], activity: ActivityId, rules: &ComposeRules) -> Result<Adopted, ComposeError> {
    fits(raw.len(), rules.maximum_size)?;
    let raw = with_line_ends(raw);
    check::lines(&raw)?;
    let (fields, body) = split(&raw)?;
    unique(&fields)?;
    let limits = Limits::default();
    let malformed = |_| ComposeError::BadField("header".to_owned(), "is longer or has more fields than any mail needs");
    let original = parse(&raw, &limits).map_err(malformed)?;
    recipients(original.parties.iter().map(|party| party.role))?;
    let from = sender(&original.parties)?;
    let message_id = match &original.message_id {
        Some(id) if check::identifier(id) => id.clone(),
        Some(_) => return Err(ComposeError::BadField("Message-ID".to_owned(), "is no identifier")),
        None => message_id(activity, &from.address),
    };
    let mut bytes = Vec::with_capacity(raw.len() + 200);
    let has = |name: &str| fields.iter().any(|field| field.name.eq_ignore_ascii_case(name));
    if !has("Date") {
        bytes.extend_from_slice(format!("Date: {}\r\n", date(rules.now)).as_bytes());
    }
    if original.message_id.is_none() {
        bytes.extend_from_slice(format!("Message-ID: <{message_id}>\r\n").as_bytes());
    }
    bytes.extend_from_slice(format!("{ID_FIELD}: {activity}\r\n").as_bytes());
    let replaced = |name: &str| {
        let empty_id = original.message_id.is_none() && name.eq_ignore_ascii_case("Message-ID");
        empty_id || name.eq_ignore_ascii_case("Bcc") || name.eq_ignore_ascii_case(ID_FIELD)
    };
    for field in fields.iter().filter(|field| !replaced(field.name)) {
        bytes.extend_from_slice(field.raw);
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    fits(bytes.len(), rules.maximum_size)?;
    let message = ReceivedMessage { parties: original.parties, ..parse(&bytes, &limits).map_err(malformed)? };
    Ok(Adopted { composed: ComposedBytes { message_id, bytes }, message, from })
}

/// A file on a disk ends its lines with LF. The last line may lack its end.
fn with_line_ends(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + raw.len() / 32 + 2);
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        out.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
        out.extend_from_slice(b"\r\n");
    }
    out
}

struct RawField<'r> {
    name: &'r str,
    /// With its continuation lines and line ends.
    raw: &'r [u8],
}

/// The header's fields, and the body.
fn split(raw: &[u8]) -> Result<(Vec<RawField<'_>>, &[u8]), ComposeError> {
    let mut fields = Vec::new();
    let mut rest = raw;
    let mut number = 1;
    while !rest.is_empty() {
        if let Some(body) = rest.strip_prefix(b"\r\n") {
            return Ok((fields, body));
        }
        let mut end = 0;
        let mut ended = rest.len();
        for line in rest.split_inclusive(|byte| *byte == b'\n') {
            if end > 0 && !matches!(line.first(), Some(b' ' | b'\t')) {
                ended = end;
                break;
            }
            end += line.len();
            number += 1;
        }
        let (raw, after) = rest.split_at(ended);
        fields.push(field(raw, number - 1)?);
        rest = after;
    }
    Ok((fields, &[]))
}

fn field(raw: &[u8], last_line: usize) -> Result<RawField<'_>, ComposeError> {
    let text = std::str::from_utf8(raw);
    let text = text.map_err(|_| ComposeError::BadLine(last_line, "of the header is not UTF-8"))?;
    let name = text.split_once(':').map(|(name, _)| name).unwrap_or_default();
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ComposeError::BadLine(last_line, "belongs to no header field"));
    }
    if text.split("\r\n").skip(1).any(|line| !line.is_empty() && line.trim().is_empty()) {
        return Err(ComposeError::BadLine(last_line, "of the header is blank but not empty"));
    }
    Ok(RawField { name, raw })
}

fn unique(fields: &[RawField<'_>]) -> Result<(), ComposeError> {
    for name in ONCE {
        if fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).count() > 1 {
            return Err(ComposeError::BadField((*name).to_owned(), "occurs more than once"));
        }
    }
    let resent = |field: &&RawField<'_>| field.name.get(..7).is_some_and(|name| name.eq_ignore_ascii_case("Resent-"));
    match fields.iter().find(resent) {
        Some(field) => Err(ComposeError::BadField(field.name.to_owned(), "belongs to a mail that was sent before")),
        None => Ok(()),
    }
}

fn sender(parties: &[Party]) -> Result<Party, ComposeError> {
    let mut from = parties.iter().filter(|party| party.role == PartyRole::From);
    let bad = |what| ComposeError::BadField("From".to_owned(), what);
    let sender = from.next().ok_or_else(|| bad("is missing or has no address"))?;
    if from.next().is_some() {
        return Err(bad("has more than one address"));
    }
    for party in parties {
        check::address(&party.address, check::Field::Address(party.role))?;
    }
    Ok(sender.clone())
}
