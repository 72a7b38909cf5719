//! A message after parsing: what is read from its bytes, and nothing else.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::timestamp::Timestamp;

/// A SHA-256 value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(pub [u8; 32]);

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

/// Tells whether two copies are one mail: over Message-ID, Date, From, Subject, the decoded text
/// and the attachments. A Message-ID alone never makes two mails one: a sender could hide mail so.
///
/// It begins with the Date, then comes a digest: mails that are recorded together lie together in an index,
/// where digests alone would be all over it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageKey(pub [u8; 32]);

impl fmt::Debug for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageKey({})", Sha256(self.0))
    }
}

/// In which header field an address stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartyRole {
    /// From.
    From,
    /// To.
    To,
    /// Cc.
    Cc,
    /// Bcc (seen where a server keeps it).
    Bcc,
    /// Reply-To.
    ReplyTo,
}

/// An address in a header field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Party {
    /// Which field.
    pub role: PartyRole,
    /// The address as written, without display name.
    pub address: String,
    /// The decoded display name; empty where there is none.
    pub display_name: String,
}

/// A part that is not the text of the mail. Its bytes stay in the source, never beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// Number of the MIME part within the message, in the parser's order: finds it in the source again.
    pub part: u32,
    /// The decoded file name; empty where there is none.
    pub file_name: String,
    /// As `type/subtype`, lower case.
    pub content_type: String,
    /// Content-ID without brackets, for inline images.
    pub content_id: Option<String>,
    /// Decoded size in bytes.
    pub size: u64,
    /// Of the decoded bytes.
    #[serde(serialize_with = "as_text")]
    pub sha256: Sha256,
}

fn as_text<S: serde::Serializer>(value: &Sha256, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// What a message says, read from its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// Tells copies of one mail.
    pub key: MessageKey,
    /// Of the raw bytes: names the source.
    pub source: Sha256,
    /// Message-ID without brackets.
    pub message_id: Option<String>,
    /// The first In-Reply-To, without brackets.
    pub in_reply_to: Option<String>,
    /// References, oldest first, without brackets.
    pub references: Vec<String>,
    /// Decoded subject; empty where there is none.
    pub subject: String,
    /// The Date field, where it can be read.
    pub date: Option<Timestamp>,
    /// All addresses, in the order of the fields.
    pub parties: Vec<Party>,
    /// The plain text; made from the HTML where there is only that.
    pub text: Option<String>,
    /// The HTML body.
    pub html: Option<String>,
    /// Everything else.
    pub attachments: Vec<Attachment>,
    /// What was left out or repaired, one sentence each, for people.
    pub notes: Vec<String>,
}
