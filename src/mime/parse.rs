//! One message, from its bytes.

use mail_parser::MessageRef;

use super::{
    body::{self, Body},
    header::{self, HeaderText},
    keep::digest,
    key::{Field, KeyHasher},
    limits::{Depth, Limits, Malformed},
    text,
};
use crate::model::message::{MessageKey, PartyRole, ReceivedMessage, Sha256};

/// Reads a message.
///
/// What cannot be read is left out and told in the notes; a message without a header, or that is no
/// message at all, becomes one with an empty subject. Looks at all bytes (two hashes), so it belongs on
/// a blocking thread.
///
/// # Errors
/// The header breaks a limit; such a message is set aside.
pub fn parse(raw: &[u8], limits: &Limits) -> Result<ReceivedMessage, Malformed> {
    let depth = limits.check(raw)?;
    let parser = header::parser(limits);
    let parsed = match depth {
        Depth::Whole => parser.parse(raw),
        Depth::Header => parser.parse_headers(raw),
    };
    let mut notes = Vec::new();
    let (header, body) = match &parsed {
        Some(message) => read(message.root(), depth, limits, &mut notes),
        None => unreadable(raw, limits, &mut notes),
    };
    Ok(received(raw, header, body, limits, notes))
}

fn read(message: MessageRef<'_>, depth: Depth, limits: &Limits, notes: &mut Vec<String>) -> (HeaderText, Body) {
    let header = header::read(message.headers(), limits, notes);
    let body = match depth {
        Depth::Whole => body::read(message, limits, notes),
        Depth::Header => {
            notes.push("The message is too intricate: only its header was read.".to_owned());
            Body { incomplete: true, ..Body::default() }
        }
    };
    (header, body)
}

/// Bytes without a single header field and without an empty line.
fn unreadable(raw: &[u8], limits: &Limits, notes: &mut Vec<String>) -> (HeaderText, Body) {
    notes.push("The message has no header.".to_owned());
    let header = HeaderText::default();
    // One byte may become three; what is longer is cut anyway.
    let shown = raw.get(..limits.text_bytes).unwrap_or(raw);
    let text = text::clean(String::from_utf8_lossy(shown));
    let body = Body { text: Some(text).filter(|text| !text.is_empty()), incomplete: true, ..Body::default() };
    (header, body)
}

fn received(raw: &[u8], header: HeaderText, body: Body, limits: &Limits, mut notes: Vec<String>) -> ReceivedMessage {
    let source = digest(raw);
    let key = key(&header, &body, source);
    let Body { mut text, mut html, attachments, .. } = body;
    for (body, name, bytes) in [(&mut text, "text", limits.text_bytes), (&mut html, "HTML", limits.html_bytes)] {
        if body.as_mut().is_some_and(|body| text::cut(body, bytes)) {
            notes.push(format!("The {name} was cut after {bytes} bytes."));
        }
    }
    ReceivedMessage {
        key,
        source,
        message_id: header.message_id,
        in_reply_to: header.in_reply_to,
        references: header.references,
        subject: header.subject,
        date: header.date,
        parties: header.parties,
        text,
        html,
        attachments,
        notes,
    }
}

/// Over everything that was read, before it is cut. Where that is too little to tell two mails apart
/// (no Message-ID, or a part that was not read) the raw bytes are in it too: two deliveries of such a
/// mail stay two, which is better than losing one.
fn key(header: &HeaderText, body: &Body, source: Sha256) -> MessageKey {
    let mut key = KeyHasher::new();
    if let Some(id) = &header.message_id {
        key.add(Field::MessageId, id.as_bytes());
    }
    match header.date {
        Some(date) => key.add(Field::Date, &date.as_micros().to_le_bytes()),
        None => key.add(Field::Date, &header.date_written),
    }
    for from in header.parties.iter().filter(|party| party.role == PartyRole::From) {
        key.add(Field::From, from.display_name.as_bytes());
        key.add(Field::From, from.address.as_bytes());
    }
    key.add(Field::Subject, header.subject.as_bytes());
    if let Some(text) = body.text.as_ref().filter(|_| body.plain) {
        key.add(Field::Text, text.as_bytes());
    }
    if let Some(html) = &body.html {
        key.add(Field::Html, html.as_bytes());
    }
    for attachment in &body.attachments {
        key.add(Field::AttachmentName, attachment.file_name.as_bytes());
        key.add(Field::Attachment, &attachment.sha256.0);
    }
    if header.message_id.is_none() || body.incomplete {
        key.add(Field::Source, &source.0);
    }
    key.finish(header.date)
}
