//! What is read from the parts: texts and attachments.

use std::borrow::Cow;

use mail_parser::{ContentType, MessagePart, MessageRef, PartFlags, PartKind, html_to_text};
use memchr::memmem;

use super::{keep::digest, limits::Limits, text};
use crate::model::message::Attachment;

/// What the body says, nothing cut yet.
#[derive(Default)]
pub(super) struct Body {
    /// The plain text, with LF between lines; made from `html` where `plain` is false.
    pub(super) text: Option<String>,
    /// Whether `text` was in the message.
    pub(super) plain: bool,
    pub(super) html: Option<String>,
    pub(super) attachments: Vec<Attachment>,
    /// Something of it was not read.
    pub(super) incomplete: bool,
}

/// Reads the parts of a message; those of messages attached to it stay closed.
pub(super) fn read(message: MessageRef<'_>, limits: &Limits, notes: &mut Vec<String>) -> Body {
    let mut body = Body { html: html(message), ..Body::default() };
    (body.text, body.plain) = plain(message);
    let mut damaged = false;
    for part in message.parts() {
        body.incomplete |= part.flags().contains(PartFlags::LIMIT_REACHED);
        damaged |= part.flags().intersects(PartFlags::UNTERMINATED | PartFlags::MISSING_DELIMITER);
        let shown = part.is_text() && (part.in_text_body() || part.in_html_body());
        if part.is_multipart() || shown {
            continue;
        }
        if body.text.is_none() && body.html.is_none() && is_broken_multipart(part) {
            // Without its parts the whole of it is all there is to read.
            let text = part.text().unwrap_or_else(|| String::from_utf8_lossy(part.raw_body()));
            (body.text, body.plain) = (Some(lines(text)), true);
            damaged = true;
            continue;
        }
        body.attachments.push(attachment(part, limits));
    }
    if body.incomplete {
        notes.push(format!(
            "The message has more than {} parts or nests them deeper than {}: the rest was not read.",
            limits.parts, limits.depth
        ));
    }
    if damaged {
        notes.push("The MIME structure of the message is damaged.".to_owned());
    }
    body
}

/// A multipart without a boundary, or whose boundary is nowhere: the parser gives it as a part that
/// nobody shows.
fn is_broken_multipart(part: MessagePart<'_>) -> bool {
    let is_multipart = |kind: ContentType<'_>| kind.ctype().eq_ignore_ascii_case("multipart");
    part.parent().is_none() && part.content_type().is_some_and(is_multipart)
}

fn plain(message: MessageRef<'_>) -> (Option<String>, bool) {
    let mut joined = None;
    let mut plain = false;
    for part in message.text_body() {
        match part.kind() {
            PartKind::Text => {
                plain = true;
                join(&mut joined, lines(part.text().unwrap_or_default()));
            }
            PartKind::Html => join(&mut joined, text::clean(html_to_text(&part.text().unwrap_or_default()).into())),
            _ => {}
        }
    }
    (joined, plain)
}

fn html(message: MessageRef<'_>) -> Option<String> {
    let mut joined = None;
    for part in message.html_body().filter(|part| matches!(part.kind(), PartKind::Html)) {
        join(&mut joined, text::clean(part.text().unwrap_or_default()));
    }
    joined
}

/// With LF between lines.
fn lines(text: Cow<'_, str>) -> String {
    let mut ends = memmem::find_iter(text.as_bytes(), b"\r\n").peekable();
    if ends.peek().is_none() {
        return text::clean(text);
    }
    let (mut joined, mut from) = (String::with_capacity(text.len()), 0);
    for end in ends {
        joined.push_str(text.get(from..end).unwrap_or_default());
        from = end + 1;
    }
    joined.push_str(text.get(from..).unwrap_or_default());
    text::clean(joined.into())
}

fn join(joined: &mut Option<String>, more: String) {
    match joined {
        Some(text) => {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&more);
        }
        None => *joined = Some(more),
    }
}

fn attachment(part: MessagePart<'_>, limits: &Limits) -> Attachment {
    let line = |value: Option<&str>| text::line(value.unwrap_or_default(), limits.name_bytes);
    let bytes = part.decoded();
    Attachment {
        part: part.id(),
        file_name: text::joined(line(part.attachment_name()), part.raw_headers()),
        content_type: content_type(part, limits),
        content_id: Some(line(part.content_id())).filter(|id| !id.is_empty()),
        size: bytes.len() as u64,
        sha256: digest(&bytes),
    }
}

fn content_type(part: MessagePart<'_>, limits: &Limits) -> String {
    let written = part.content_type().and_then(|kind| Some(format!("{}/{}", kind.ctype(), kind.subtype()?)));
    let written = written.map(|kind| text::line(&kind, limits.name_bytes).to_lowercase());
    written.unwrap_or_else(|| {
        let kind = match part.kind() {
            PartKind::Message(_) => "message/rfc822",
            PartKind::Text => "text/plain",
            PartKind::Html => "text/html",
            _ => "application/octet-stream",
        };
        kind.to_owned()
    })
}
