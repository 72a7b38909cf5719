//! Verdicts on messages, and what one transaction records.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    cursor::{Cursor, Numbering},
    failure::Failure,
    ids::{ActivityId, MailboxId},
    mailbox::Workload,
    maildrop::Uidl,
    message::{MessageKey, ReceivedMessage, Sha256},
    timestamp::Timestamp,
    uid::Uid,
};

/// Where an activity stands. Incoming ones are `received` from the first; for the moves of the others
/// see [`super::outbox::may_become`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivityStatus {
    /// Read from a mail server.
    Received,
    /// Being written; not sent yet.
    Draft,
    /// To be sent, or sent again.
    PendingSend,
    /// Being sent, or perhaps sent: its last line may have reached the server.
    Sending,
    /// The server took it.
    Sent,
    /// Given up.
    Failed,
    /// Withdrawn by a person.
    Canceled,
    /// Kept back until a person decides.
    Held,
}

impl ActivityStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Received,
        Self::Draft,
        Self::PendingSend,
        Self::Sending,
        Self::Sent,
        Self::Failed,
        Self::Canceled,
        Self::Held,
    ];

    /// Whether it is on its way: to be sent, or being sent.
    pub const fn is_in_work(self) -> bool {
        matches!(self, Self::PendingSend | Self::Sending)
    }

    /// The word in the database and in `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Draft => "draft",
            Self::PendingSend => "pending_send",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Held => "held",
        }
    }
}

impl fmt::Display for ActivityStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a message is not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IgnoreReason {
    /// Received before the starting point; recorded after all if that is moved back.
    BeforeStartingPoint,
    /// Listed, but gone before it could be read.
    Vanished,
    /// Sent by a mailbox to itself, by Test & Enable.
    TestMail,
}

impl IgnoreReason {
    /// The name in the ledger and in `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BeforeStartingPoint => "before_starting_point",
            Self::Vanished => "vanished",
            Self::TestMail => "test_mail",
        }
    }
}

/// What becomes of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A new activity.
    Record(Box<NewActivity>),
    /// A copy of a mail that is recorded already (through another mailbox, or moved back in).
    Link(ActivityId),
    /// Not recorded, by rule.
    Ignore(IgnoreReason),
    /// Could not be recorded; its source is kept where it was read.
    SetAside(Failure),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(_) => f.write_str("record"),
            Self::Link(activity) => write!(f, "link to activity {activity}"),
            Self::Ignore(reason) => write!(f, "ignore: {}", reason.name()),
            Self::SetAside(failure) => write!(f, "set aside: {failure}"),
        }
    }
}

/// An attachment as it will be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAttachment {
    /// What the message says of it.
    pub attachment: super::message::Attachment,
    /// Over the size limit or of a blocked type: flagged, not offered.
    pub blocked: Option<&'static str>,
}

/// An activity to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewActivity {
    /// Its identifier.
    pub id: ActivityId,
    /// What was read.
    pub message: ReceivedMessage,
    /// When the server received it: INTERNALDATE (POP3: the topmost Received field), else the Date
    /// field (POP3: never), else when it was fetched.
    pub received_at: Timestamp,
    /// Attachments with the limits applied.
    pub attachments: Vec<NewAttachment>,
    /// For people: what was left out, one sentence a line.
    pub notifications: String,
}

/// One ledger row, with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Which message.
    pub uid: Uid,
    /// INTERNALDATE; of a maildrop's message the date of its topmost Received field.
    pub internal_date: Option<Timestamp>,
    /// What it is called in a POP3 maildrop; `None` over IMAP.
    pub uidl: Option<Uidl>,
    /// Size in bytes as listed.
    pub size: u64,
    /// Its key, where it could be read.
    pub key: Option<MessageKey>,
    /// Message-ID without brackets, for matching after a UIDVALIDITY change.
    pub message_id: Option<String>,
    /// The raw bytes to keep, with their SHA-256. Compressed by the store's caller, see `receive::keep`.
    pub source: Option<NewSource>,
    /// What became of it.
    pub verdict: Verdict,
}

/// Raw bytes to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSource {
    /// Of the uncompressed bytes.
    pub sha256: Sha256,
    /// Uncompressed size in bytes.
    pub size: u64,
    /// `none` or `lz4` (LZ4 block format, the size known from `size`).
    pub encoding: SourceEncoding,
    /// The bytes, encoded so; shared, as a mail may be large.
    pub bytes: Arc<Vec<u8>>,
}

/// How the bytes of a source are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceEncoding {
    /// As they are.
    None,
    /// One LZ4 block.
    Lz4,
}

/// Names the holder of a lease: every write of a cycle carries it and fails where the lease is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// Whose lease.
    pub mailbox: MailboxId,
    /// For what.
    pub workload: Workload,
    /// Which one.
    pub epoch: i64,
}

/// What one transaction records: ledger rows, what belongs to them, and the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchCommit {
    /// The messages, ascending.
    pub entries: Vec<LedgerEntry>,
    /// Whether what is recorded is to be deleted from the server in due time.
    pub delete: bool,
    /// Where the messages were set aside and are tried again: the numbering of their rows, which may be an older one.
    pub again: Option<Numbering>,
    /// Where the cursor stands afterwards; its `in_flight` is what the store writes.
    pub cursor: Cursor,
}

/// What a commit did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// New activities.
    pub recorded: u64,
    /// Copies linked to an activity that was there.
    pub linked: u64,
    /// Not recorded by rule.
    pub ignored: u64,
    /// Could not be recorded.
    pub set_aside: u64,
}
