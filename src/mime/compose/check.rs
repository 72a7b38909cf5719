//! What may stand in a mail that we send.

use std::{fmt, str::FromStr as _};

use crate::model::{failure::is_unsafe, message::PartyRole};

/// Longest line without its end (RFC 5322 §2.1.1).
const LINE_BYTES: usize = 998;
/// Longest identifier: with brackets and the space before, it must fit a line.
const IDENTIFIER_BYTES: usize = 990;
/// Longest address (RFC 5321 §4.5.3.1: 64 and 255, and the at).
const ADDRESS_BYTES: usize = 320;

/// Which value of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The subject.
    Subject,
    /// An address.
    Address(PartyRole),
    /// A display name.
    Name(PartyRole),
    /// The plain text.
    Text,
    /// The HTML.
    Html,
    /// File name of an attachment, counted from 1.
    FileName(usize),
    /// Content type of an attachment, counted from 1.
    ContentType(usize),
    /// Content-ID of an attachment, counted from 1.
    ContentId(usize),
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject => f.write_str("the subject"),
            Self::Address(role) => write!(f, "an address in {}", name(*role)),
            Self::Name(role) => write!(f, "a display name in {}", name(*role)),
            Self::Text => f.write_str("the text"),
            Self::Html => f.write_str("the HTML"),
            Self::FileName(number) => write!(f, "the file name of attachment {number}"),
            Self::ContentType(number) => write!(f, "the content type of attachment {number}"),
            Self::ContentId(number) => write!(f, "the content id of attachment {number}"),
        }
    }
}

const fn name(role: PartyRole) -> &'static str {
    match role {
        PartyRole::From => "From",
        PartyRole::To => "To",
        PartyRole::Cc => "Cc",
        PartyRole::Bcc => "Bcc",
        PartyRole::ReplyTo => "Reply-To",
    }
}

/// Why a mail cannot be sent as it is. Only a correction of its content helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// It could begin a header line of its own, or hide one.
    #[error("{0} contains a control character: U+{1:04X}")]
    ControlCharacter(Field, u32),
    /// A receiver that decodes twice would read something else.
    #[error("{0} contains an encoded word (RFC 2047): give it decoded")]
    EncodedWord(Field),
    /// Longer than any receiver takes.
    #[error("{0} is longer than {1} bytes")]
    TooLong(Field, usize),
    /// Not an address.
    #[error("{0} is not valid: {1:?}")]
    BadAddress(Field, String),
    /// Not `type/subtype`.
    #[error("{0} is not valid: {1:?}")]
    BadContentType(Field, String),
    /// Not an identifier.
    #[error("{0} is not valid: {1:?}")]
    BadContentId(Field, String),
    /// Nobody to send it to.
    #[error("there is no recipient")]
    NoRecipient,
    /// More addresses than a header holds.
    #[error("there are more than {0} addresses")]
    TooManyAddresses(usize),
    /// Over `sending.maximum_message_size`.
    #[error("the mail has {size} bytes, {maximum} are allowed")]
    TooLarge {
        /// Its size in bytes, or that of its attachments alone where they are too large already.
        size: u64,
        /// The limit.
        maximum: u64,
    },
    /// The bytes of a finished mail break RFC 5322.
    #[error("line {0}: {1}")]
    BadLine(usize, &'static str),
    /// A field of a finished mail.
    #[error("the field {0} {1}")]
    BadField(String, &'static str),
}

/// `text`, made ready for a line of a header: tabs become spaces, the ends are trimmed.
pub(super) fn text(text: &str, field: Field, longest: usize) -> Result<String, ComposeError> {
    let text = text.trim().replace('\t', " ");
    if let Some(control) = text.chars().find(|c| is_control(*c)) {
        return Err(ComposeError::ControlCharacter(field, u32::from(control)));
    }
    if has_encoded_word(&text) {
        return Err(ComposeError::EncodedWord(field));
    }
    if text.len() > longest {
        return Err(ComposeError::TooLong(field, longest));
    }
    Ok(text)
}

/// Bidirectional marks are writing, not control, where Arabic and Hebrew stand beside Latin.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Whether `=?charset?B or Q?text?=` stands anywhere in it.
fn has_encoded_word(text: &str) -> bool {
    text.match_indices("=?").any(|(at, start)| {
        let mut parts = text.get(at + start.len()..).unwrap_or_default().splitn(3, '?');
        let charset = parts.next().is_some_and(|charset| !charset.is_empty() && !charset.contains(' '));
        let encoding =
            parts.next().is_some_and(|word| word.eq_ignore_ascii_case("b") || word.eq_ignore_ascii_case("q"));
        charset && encoding && parts.next().is_some_and(|rest| rest.contains("?="))
    })
}

/// An address as it may stand in a header and in the envelope.
///
/// # Errors
/// It is none, or contains what could be taken for something else.
pub fn address(address: &str, field: Field) -> Result<&str, ComposeError> {
    if let Some(control) = address.chars().find(|c| is_unsafe(*c)) {
        return Err(ComposeError::ControlCharacter(field, u32::from(control)));
    }
    if address.len() > ADDRESS_BYTES {
        return Err(ComposeError::TooLong(field, ADDRESS_BYTES));
    }
    // A quoted local part may contain all of these, and nobody has one; receivers read them differently.
    let strange = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';' | '"' | '\\' | '(' | ')');
    let (local, domain) = address.rsplit_once('@').unwrap_or_default();
    let colon = local.contains(':') || (domain.contains(':') && !domain.starts_with("[IPv6:"));
    if lettre::Address::from_str(address).is_err() || address.contains(strange) || colon {
        return Err(ComposeError::BadAddress(field, address.to_owned()));
    }
    Ok(address)
}

/// Whether it may stand between angle brackets in Message-ID, References and Content-ID.
pub(super) fn identifier(id: &str) -> bool {
    let visible = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>');
    !id.is_empty() && id.len() <= IDENTIFIER_BYTES && id.chars().all(visible) && !has_encoded_word(id)
}

/// Looks at every line of a finished mail.
pub(super) fn lines(bytes: &[u8]) -> Result<(), ComposeError> {
    let wrong = |number: usize, what| Err(ComposeError::BadLine(number, what));
    let mut last = 0;
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let Some(line) = line.strip_suffix(b"\r\n") else { return wrong(number, "does not end with CR and LF") };
        if line.len() > LINE_BYTES {
            return wrong(number, "is longer than 998 bytes");
        }
        if line.iter().any(|byte| matches!(byte, b'\r' | b'\0')) {
            return wrong(number, "contains a CR or NUL");
        }
        last = number;
    }
    if last == 0 { wrong(1, "is missing") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_looks_like_an_encoded_word_is_text() {
        for encoded in ["=?utf-8?q?=0D=0ABcc:x?=", "a =?ISO-8859-1?B?DQo=?= b", "=?=?x?Q??="] {
            assert!(has_encoded_word(encoded), "{encoded}");
        }
        for plain in ["", "=?", "why=?", "a=?b?c?d?=", "=?a b?q?x?=", "=?utf-8?q?x"] {
            assert!(!has_encoded_word(plain), "{plain}");
        }
    }

    #[test]
    fn addresses_that_receivers_read_differently_are_refused() {
        for good in [
            "a@b.example",
            "a.b+c@x-y.example",
            "a'b@example.org",
            "ä@bücher.example",
            "a@[192.0.2.1]",
            "a@[IPv6:2001:db8::1]",
        ] {
            assert_eq!(address(good, Field::Subject), Ok(good));
        }
        for bad in [
            "",
            "a",
            "a@",
            "@b",
            "a b@c.example",
            "<a@b.example>",
            "a@b.example>",
            "\"a b\"@c.example",
            "a@b,c@d",
            "a:b@c.example",
            "a@b.example(x)",
            "a@b\r\nc.example",
            "a@b@c.example",
            "a\u{202e}@b.example",
            "a\\@b.example",
            "a@[1.2.3.4\"]",
            "a@[IPv6:<]",
        ] {
            assert!(address(bad, Field::Subject).is_err(), "{bad:?}");
        }
        assert!(address(&format!("{}@b.example", "a".repeat(320)), Field::Subject).is_err());
    }
}
