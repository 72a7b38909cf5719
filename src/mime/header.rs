//! What is read from the fields of the header.

use mail_parser::{Header, HeaderForm, HeaderName, Headers, Mailbox, MessageParser};

use super::{limits::Limits, text};
use crate::model::{
    message::{Party, PartyRole},
    timestamp::Timestamp,
};

/// Fields that the parser would take apart by default and that nobody here reads.
const NOT_READ: [HeaderName<'static>; 18] = [
    HeaderName::Received,
    HeaderName::Sender,
    HeaderName::Comments,
    HeaderName::Keywords,
    HeaderName::ReturnPath,
    HeaderName::ResentTo,
    HeaderName::ResentFrom,
    HeaderName::ResentBcc,
    HeaderName::ResentCc,
    HeaderName::ResentSender,
    HeaderName::ResentDate,
    HeaderName::ResentMessageId,
    HeaderName::ListArchive,
    HeaderName::ListHelp,
    HeaderName::ListId,
    HeaderName::ListOwner,
    HeaderName::ListPost,
    HeaderName::ListSubscribe,
];

/// The parser with the limits applied and only the fields taken apart that are read.
pub(super) fn parser(limits: &Limits) -> MessageParser {
    let all = MessageParser::new()
        .max_depth(limits.depth)
        .max_parts(limits.parts)
        // A message hidden in base64 is not allowed by RFC 2046 and could be inflated level by level.
        .max_encoded_nesting(0)
        .header(HeaderName::ListUnsubscribe, HeaderForm::Ignore);
    NOT_READ.into_iter().fold(all, |parser, name| parser.header(name, HeaderForm::Ignore))
}

/// What the header says.
#[derive(Default)]
pub(super) struct HeaderText {
    pub(super) message_id: Option<String>,
    pub(super) in_reply_to: Option<String>,
    pub(super) references: Vec<String>,
    pub(super) subject: String,
    pub(super) date: Option<Timestamp>,
    /// The Date field as written, trimmed.
    pub(super) date_written: Vec<u8>,
    pub(super) parties: Vec<Party>,
}

/// The Message-ID in a header block, without brackets: the same as [`super::parse()`] would give it.
///
/// For fetching only that field from a server.
pub fn message_id(block: &[u8], limits: &Limits) -> Option<String> {
    limits.check(block).ok()?;
    let parsed = parser(limits).parse_headers(block)?;
    let field = parsed.headers().all(HeaderName::MessageId).next();
    identifiers(field, limits).into_iter().next()
}

/// Reads the fields; of a field that occurs twice but must not, the first counts.
pub(super) fn read(headers: Headers<'_>, limits: &Limits, notes: &mut Vec<String>) -> HeaderText {
    let once = |name: HeaderName<'static>, notes: &mut Vec<String>| {
        let mut all = headers.all(name.clone());
        let first = all.next();
        if all.next().is_some() {
            notes.push(format!("The field {} occurs more than once: the first is used.", name.as_str()));
        }
        first
    };
    let subject = once(HeaderName::Subject, notes)
        .and_then(|field| Some(line(field, field.value().as_text()?, limits)))
        .unwrap_or_default();
    let date = once(HeaderName::Date, notes);
    let message_id = once(HeaderName::MessageId, notes);
    HeaderText {
        message_id: identifiers(message_id, limits).into_iter().next(),
        in_reply_to: identifiers(headers.all(HeaderName::InReplyTo).next(), limits).into_iter().next(),
        references: references(headers, limits, notes),
        subject,
        date: date
            .and_then(|field| field.value().as_datetime())
            .filter(|date| date.is_valid())
            .map(|date| Timestamp::from_seconds(date.to_timestamp())),
        date_written: date.map(|field| field.raw_value().trim_ascii().to_vec()).unwrap_or_default(),
        parties: parties(headers, limits, notes),
    }
}

/// The identifiers in a field, without brackets. One whose brackets are broken is kept as it is.
fn identifiers(field: Option<Header<'_>>, limits: &Limits) -> Vec<String> {
    let Some(field) = field else { return Vec::new() };
    let kept = |id: &str| Some(text::identifier(id, limits.name_bytes)).filter(|id| !id.is_empty());
    match field.value().as_text_list() {
        Some(list) => list.iter().filter_map(kept).collect(),
        None => {
            let raw = String::from_utf8_lossy(field.raw_value());
            kept(raw.trim_matches(|c: char| c.is_whitespace() || matches!(c, '<' | '>'))).into_iter().collect()
        }
    }
}

/// Keeps the first (the thread's root) and the newest where there are too many.
fn references(headers: Headers<'_>, limits: &Limits, notes: &mut Vec<String>) -> Vec<String> {
    let fields = headers.all(HeaderName::References).flat_map(|field| identifiers(Some(field), limits));
    let mut all: Vec<String> =
        fields.flat_map(|id| id.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
    if let Some(surplus) = all.len().checked_sub(limits.references).filter(|surplus| *surplus > 0) {
        all.drain(1..=surplus);
        notes.push(format!("{surplus} identifiers in References were left out."));
    }
    all
}

fn parties(headers: Headers<'_>, limits: &Limits, notes: &mut Vec<String>) -> Vec<Party> {
    let mut surplus = 0_usize;
    let mut parties = Vec::new();
    for field in headers {
        let role = match field.name() {
            HeaderName::From => PartyRole::From,
            HeaderName::To => PartyRole::To,
            HeaderName::Cc => PartyRole::Cc,
            HeaderName::Bcc => PartyRole::Bcc,
            HeaderName::ReplyTo => PartyRole::ReplyTo,
            _ => continue,
        };
        let Some(list) = field.value().as_address() else { continue };
        for party in list.mailboxes().filter_map(|mailbox| party(role, field, mailbox, limits)) {
            if parties.len() < limits.addresses {
                parties.push(party);
            } else {
                surplus += 1;
            }
        }
    }
    if surplus > 0 {
        notes.push(format!("{surplus} addresses beyond the first {} were left out.", limits.addresses));
    }
    parties
}

/// A word where an address should be is kept as the address: better than losing who wrote.
fn party(role: PartyRole, field: Header<'_>, mailbox: Mailbox<'_>, limits: &Limits) -> Option<Party> {
    let written = |part: Option<&str>| part.map(|part| line(field, part, limits)).filter(|part| !part.is_empty());
    let party = |address: String, display_name: String| Some(Party { role, address, display_name });
    match (written(mailbox.address()), written(mailbox.name())) {
        (Some(address), name) => match (address.strip_prefix('@').map(|domain| domain.split_once(':')), name) {
            // The route of RFC 822 before the address: <@relay.example:anna@example.org>.
            (Some(Some((_, routed))), name) => party(routed.to_owned(), name.unwrap_or_default()),
            // The parser takes the quoted local part in "anna b"@example.org for a name.
            (Some(None), Some(local)) => {
                let local = local.replace('\\', r"\\").replace('"', r#"\""#);
                party(format!("\"{local}\"{address}"), String::new())
            }
            (_, name) => party(address, name.unwrap_or_default()),
        },
        (None, Some(name)) => party(name, String::new()),
        (None, None) => None,
    }
}

fn line(field: Header<'_>, decoded: &str, limits: &Limits) -> String {
    text::joined(text::line(decoded, limits.field_bytes), field.raw_value())
}
