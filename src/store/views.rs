//! What people and the receive cycle are shown of the database.

use std::time::Duration;

use serde::Serialize;

use crate::model::{
    activity::{ActivityStatus, IgnoreReason},
    failure::FailureCode,
    ids::{ActivityId, MailboxId},
    lease::ProfileHold,
    message::{Attachment, MessageKey, Party, Sha256},
    timestamp::Timestamp,
    uid::Uid,
};

/// A ledger row of an older UIDVALIDITY or generation that looks like a message listed now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCopy {
    /// The number it is listed under now.
    pub uid: Uid,
    /// Message-ID without brackets, as it was recorded.
    pub message_id: Option<String>,
    /// Its key, where it was read.
    pub key: Option<MessageKey>,
    /// The activity it became.
    pub activity: Option<ActivityId>,
    /// Where the bytes of a message that was set aside are kept.
    pub source: Option<Sha256>,
    /// What was decided then.
    pub verdict: KnownVerdict,
}

/// What the ledger says of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownVerdict {
    /// It became an activity, or was linked to one.
    Recorded,
    /// By rule.
    Ignored(IgnoreReason),
    /// It could not be recorded.
    SetAside {
        /// Why.
        code: FailureCode,
        /// The words for it.
        detail: String,
    },
}

/// How things stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusView {
    /// The time the counts are true for.
    pub time: Timestamp,
    /// `sqlite` or `postgres`.
    pub backend: &'static str,
    /// Version of the schema.
    pub schema_version: i64,
    /// Mailboxes by state.
    pub mailboxes: MailboxCounts,
    /// Active profiles.
    pub profiles: u64,
    /// Profiles that wait because their host fails.
    pub held_profiles: Vec<HeldProfile>,
    /// Activities there are.
    pub activities: u64,
    /// When the last activity was recorded.
    pub last_recorded_at: Option<Timestamp>,
    /// Messages set aside.
    pub set_aside: u64,
    /// Mailboxes with a failure, disabled ones first, then the oldest failure; at most
    /// [`StatusView::MOST_TROUBLED`].
    pub troubled: Vec<TroubledMailbox>,
    /// Mailboxes that should have been read completely long ago, the latest first; at most
    /// [`StatusView::MOST_LATE`].
    pub late: Vec<LateMailbox>,
}

impl StatusView {
    /// The most mailboxes with a failure that are listed.
    pub const MOST_TROUBLED: u32 = 100;
    /// The most late mailboxes that are listed.
    pub const MOST_LATE: usize = 100;
    /// No mailbox is late before this time, however often it should be polled.
    pub const LATE_AFTER: Duration = Duration::from_secs(3_600);
    /// So many polling intervals without a success make a mailbox late.
    pub const LATE_INTERVALS: u32 = 3;
}

/// Mailboxes by state. Inactive ones count only in `total`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MailboxCounts {
    /// All of them.
    pub total: u64,
    /// Not retired.
    pub active: u64,
    /// Reading is enabled.
    pub enabled: u64,
    /// Reading was disabled by a failure.
    pub disabled_by_failure: u64,
    /// Enabled, and the last cycle failed.
    pub failing: u64,
    /// Enabled, and waiting after a failure.
    pub postponed: u64,
    /// Enabled, and never read completely.
    pub never_succeeded: u64,
    /// Being read now.
    pub running: u64,
    /// Enabled and due, and not read completely for [`StatusView::LATE_AFTER`] nor for
    /// [`StatusView::LATE_INTERVALS`] intervals of its profile.
    pub late: u64,
    /// The oldest last success among the enabled: how stale the stalest is.
    pub oldest_success: Option<Timestamp>,
}

/// A profile that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldProfile {
    /// Its name.
    pub profile: String,
    /// Since when, until when, why.
    #[serde(flatten)]
    pub hold: ProfileHold,
}

/// A mailbox with a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TroubledMailbox {
    /// Its address.
    pub mailbox: String,
    /// Whether reading is still enabled.
    pub enabled: bool,
    /// What failed.
    pub failure_code: FailureCode,
    /// The server's words.
    pub last_error: Option<String>,
    /// When the failures began.
    pub failing_since: Option<Timestamp>,
    /// Transient failures in a row.
    pub transient_failures: u32,
    /// Not tried again before.
    pub postponed_until: Option<Timestamp>,
}

/// A mailbox that should have been read long ago.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LateMailbox {
    /// Its address.
    pub mailbox: String,
    /// When it was last read completely, or made where it never was.
    pub since: Timestamp,
    /// What keeps it, or its profile, from being read; `None` where nothing is known to.
    pub failure_code: Option<FailureCode>,
    /// The words for it.
    pub words: Option<String>,
}

/// Which activities to list, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityFilter {
    /// Only those seen in the mailbox with this address.
    pub mailbox: Option<String>,
    /// Only those received at or after this time.
    pub since: Option<Timestamp>,
    /// At most so many.
    pub limit: u32,
}

impl Default for ActivityFilter {
    fn default() -> Self {
        Self { mailbox: None, since: None, limit: 50 }
    }
}

/// An activity in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActivityRow {
    /// Identifier.
    pub id: ActivityId,
    /// `incoming`.
    pub direction: String,
    /// Where it stands.
    pub status: ActivityStatus,
    /// Decoded subject.
    pub subject: String,
    /// The first From address.
    pub sender: String,
    /// Message-ID without brackets.
    pub message_id: Option<String>,
    /// Address of the mailbox that recorded it.
    pub mailbox: String,
    /// When the server received it.
    pub received_at: Timestamp,
    /// When it was recorded.
    pub created_at: Timestamp,
}

/// An activity with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActivityDetail {
    /// As in a list.
    #[serde(flatten)]
    pub row: ActivityRow,
    /// The first In-Reply-To.
    pub in_reply_to: Option<String>,
    /// References, oldest first.
    pub references: Vec<String>,
    /// The Date field.
    pub sent_at: Option<Timestamp>,
    /// The plain text.
    pub body_text: Option<String>,
    /// The HTML body.
    pub body_html: Option<String>,
    /// What was left out, for people.
    pub notifications: String,
    /// SHA-256 of the source in hexadecimal.
    pub source_sha256: Option<String>,
    /// Size of the source in bytes.
    pub source_size: Option<u64>,
    /// Addresses, in the order of the fields.
    pub parties: Vec<Party>,
    /// Attachments, in the order of the message.
    pub attachments: Vec<AttachmentRow>,
    /// Where it was seen.
    pub seen_in: Vec<SeenIn>,
}

/// An attachment of an activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttachmentRow {
    /// Place within the activity, from 0.
    pub position: u32,
    /// What the message says of it.
    #[serde(flatten)]
    pub attachment: Attachment,
    /// Why it is not offered.
    pub blocked: Option<String>,
}

/// A message on a server that became (or was linked to) an activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenIn {
    /// Address of the mailbox.
    pub mailbox: String,
    /// UIDVALIDITY then.
    pub uid_validity: u32,
    /// Its number.
    pub uid: Uid,
    /// When it was judged.
    pub judged_at: Timestamp,
}

/// A message that could not be recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetAsideRow {
    /// Address of the mailbox.
    pub mailbox: String,
    /// The mailbox.
    pub mailbox_id: MailboxId,
    /// UIDVALIDITY then.
    pub uid_validity: u32,
    /// Its number.
    pub uid: Uid,
    /// INTERNALDATE.
    pub internal_date: Option<Timestamp>,
    /// Size in bytes as listed.
    pub size: u64,
    /// Message-ID without brackets.
    pub message_id: Option<String>,
    /// Why.
    pub failure_code: FailureCode,
    /// The words for it.
    pub failure_detail: String,
    /// SHA-256 of the kept bytes in hexadecimal; `None` where it could not be read.
    pub source_sha256: Option<String>,
    /// When it was set aside.
    pub judged_at: Timestamp,
}
