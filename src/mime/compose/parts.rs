//! The body: lettre's parts, put together.

use lettre::message::{
    Attachment, Body, MultiPart, MultiPartBuilder, SinglePart,
    header::{ContentTransferEncoding, ContentType},
};

use super::check::{self, ComposeError, Field, identifier};
use crate::{
    mime::keep::digest,
    model::{
        ids::ActivityId,
        outbox::{Draft, OutboxAttachment},
    },
};

const OCTETS: &str = "application/octet-stream";
/// Longest file name, in bytes of UTF-8.
const FILE_NAME_BYTES: usize = 255;
const CONTENT_TYPE_BYTES: usize = 255;

/// The fields that describe the content, the empty line, and the content.
pub(super) fn write(activity: ActivityId, draft: Draft) -> Result<Vec<u8>, ComposeError> {
    let boundaries = Boundaries::of(activity, &draft);
    let text = draft.text.map(|text| lines(&text, Field::Text)).transpose()?;
    let html = draft.html.map(|html| lines(&html, Field::Html)).transpose()?;
    let has_html = html.is_some();
    let mut shown = Vec::new();
    let mut attached = Vec::new();
    for (index, attachment) in draft.attachments.into_iter().enumerate() {
        let in_html = has_html && attachment.content_id.is_some();
        let list = if in_html { &mut shown } else { &mut attached };
        list.push(file(attachment, index + 1)?);
    }
    let html = html.map(|html| with_images(SinglePart::html(html), shown, &boundaries));
    let body = match (text, html) {
        (text, None) => Part::Single(SinglePart::plain(text.unwrap_or_default())),
        (None, Some(html)) => html,
        (Some(text), Some(html)) => {
            let both = MultiPart::alternative().boundary(boundaries.name("alternative"));
            Part::Multi(html.into(both.singlepart(SinglePart::plain(text))))
        }
    };
    if attached.is_empty() {
        return Ok(body.formatted());
    }
    let mixed = body.begin(MultiPart::mixed().boundary(boundaries.name("mixed")));
    Ok(attached.into_iter().fold(mixed, MultiPart::singlepart).formatted())
}

enum Part {
    Single(SinglePart),
    Multi(MultiPart),
}

impl Part {
    fn begin(self, multipart: MultiPartBuilder) -> MultiPart {
        self.into(multipart.build())
    }

    fn into(self, multipart: MultiPart) -> MultiPart {
        match self {
            Self::Single(part) => multipart.singlepart(part),
            Self::Multi(part) => multipart.multipart(part),
        }
    }

    fn formatted(&self) -> Vec<u8> {
        match self {
            Self::Single(part) => part.formatted(),
            Self::Multi(part) => part.formatted(),
        }
    }
}

fn with_images(html: SinglePart, images: Vec<SinglePart>, boundaries: &Boundaries) -> Part {
    if images.is_empty() {
        return Part::Single(html);
    }
    let related = MultiPart::related().boundary(boundaries.name("related")).singlepart(html);
    Part::Multi(images.into_iter().fold(related, MultiPart::singlepart))
}

/// CRLF between lines, whatever stood there.
fn lines(text: &str, field: Field) -> Result<String, ComposeError> {
    if text.contains('\0') {
        return Err(ComposeError::ControlCharacter(field, 0));
    }
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    let mut rest = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    while let Some((line, after)) = rest.split_once(['\r', '\n']) {
        out.push_str(line);
        let carriage = rest.as_bytes().get(line.len()) == Some(&b'\r');
        rest = if carriage { after.strip_prefix('\n').unwrap_or(after) } else { after };
        out.push_str("\r\n");
    }
    out.push_str(rest);
    Ok(out)
}

fn file(attachment: OutboxAttachment, number: usize) -> Result<SinglePart, ComposeError> {
    let OutboxAttachment { file_name, content_type, content_id, content } = attachment;
    let name = check::text(&file_name, Field::FileName(number), FILE_NAME_BYTES)?;
    let name = if name.is_empty() { format!("attachment-{number}") } else { name };
    let content_type = check_type(&content_type, number)?;
    let builder = match content_id {
        Some(id) if !identifier(&id) || id.len() > FILE_NAME_BYTES => {
            return Err(ComposeError::BadContentId(Field::ContentId(number), id));
        }
        Some(id) => Attachment::new_inline_with_name(id, name),
        None => Attachment::new(name),
    };
    let is = |kind: &str| content_type.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind));
    if !is("message/") && !is("multipart/") {
        return Ok(builder.body(encoded(content), parsed(&content_type, number)?));
    }
    // RFC 2046 §5.2: no base64 for these. What cannot go without goes as a plain file.
    if content_type.eq_ignore_ascii_case("message/rfc822") && content.is_ascii() && check::lines(&content).is_ok() {
        let body = Body::dangerous_pre_encoded(content, ContentTransferEncoding::SevenBit);
        return Ok(builder.body(body, parsed(&content_type, number)?));
    }
    Ok(builder.body(encoded(content), parsed(OCTETS, number)?))
}

/// Always base64: a file's bytes stay what they are, its line ends too.
fn encoded(content: Vec<u8>) -> Body {
    Body::new_with_encoding(content, ContentTransferEncoding::Base64).unwrap_or_else(Body::new)
}

fn check_type(written: &str, number: usize) -> Result<String, ComposeError> {
    let field = Field::ContentType(number);
    let written = check::text(written, field, CONTENT_TYPE_BYTES)?;
    if written.is_empty() {
        return Ok(OCTETS.to_owned());
    }
    if !written.is_ascii() {
        return Err(ComposeError::BadContentType(field, written));
    }
    Ok(written)
}

fn parsed(content_type: &str, number: usize) -> Result<ContentType, ComposeError> {
    ContentType::parse(content_type)
        .map_err(|_| ComposeError::BadContentType(Field::ContentType(number), content_type.to_owned()))
}

/// Boundaries that nothing in the mail can contain: whoever writes it would have to know the digest
/// of what is being written.
struct Boundaries(String);

impl Boundaries {
    fn of(activity: ActivityId, draft: &Draft) -> Self {
        let mut all = activity.to_string().into_bytes();
        for text in [&draft.text, &draft.html] {
            all.extend_from_slice(&digest(text.as_deref().unwrap_or_default().as_bytes()).0);
        }
        for attachment in &draft.attachments {
            all.extend_from_slice(&digest(&attachment.content).0);
        }
        let digest = digest(&all).to_string();
        Self(digest.get(..32).unwrap_or(&digest).to_owned())
    }

    fn name(&self, of: &str) -> String {
        format!("{of}-{}", self.0)
    }
}
