//! What people are shown of the database.

use serde::Serialize;

use crate::model::{
    activity::ActivityStatus,
    failure::FailureCode,
    ids::{ActivityId, MailboxId},
    lease::ProfileHold,
    mailbox::Workload,
    message::Party,
    outbox::RecipientState,
    timestamp::Timestamp,
    uid::Uid,
};

/// What an examination of the database found, one sentence for each finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examined {
    /// The file is damaged.
    pub damage: Vec<String>,
    /// Rows that contradict each other.
    pub contradictions: Vec<String>,
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
    /// Mail on its way out.
    pub outbox: OutboxCounts,
    /// Alerts that are open.
    pub open_alerts: u64,
    /// Those, the most urgent first, then the newest; at most [`StatusView::MOST_ALERTS`].
    pub alerts: Vec<OpenAlert>,
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
    /// The most alerts that are listed.
    pub const MOST_ALERTS: u32 = 50;
    /// The most late mailboxes that are listed.
    pub const MOST_LATE: usize = 100;
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
    /// Being read now, by a daemon that was heard of lately.
    pub running: u64,
    /// Enabled and due, and not read completely for so long as was asked for nor for
    /// [`StatusView::LATE_INTERVALS`] intervals of its profile.
    pub late: u64,
    /// The oldest last success among the enabled: how stale the stalest is.
    pub oldest_success: Option<Timestamp>,
}

/// Mail on its way out, by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OutboxCounts {
    /// To be sent, or sent again.
    pub pending: u64,
    /// Being sent.
    pub sending: u64,
    /// Perhaps sent: nobody knows yet.
    pub in_doubt: u64,
    /// Kept back until a person decides.
    pub held: u64,
    /// When the oldest of those to be sent was queued.
    pub oldest_pending: Option<Timestamp>,
}

/// What a person should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenAlert {
    /// `mailbox`, `profile` or `activity`.
    pub kind: String,
    /// Address of the mailbox, name of the profile, or identifier of the activity.
    pub subject: String,
    /// `information`, `warning` or `error`.
    pub severity: String,
    /// What happened.
    pub code: String,
    /// In words.
    pub text: String,
    /// Who should do what.
    pub hint: String,
    /// When it happened first.
    pub first_seen: Timestamp,
    /// When it happened last.
    pub last_seen: Timestamp,
    /// How often it happened.
    pub count: u64,
}

/// A profile that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldProfile {
    /// Its name.
    pub profile: String,
    /// What waits.
    pub workload: Workload,
    /// Since when, until when, why.
    #[serde(flatten)]
    pub hold: ProfileHold,
}

/// A mailbox with a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TroubledMailbox {
    /// Its address.
    pub mailbox: String,
    /// Whether reading or sending fails.
    pub workload: Workload,
    /// Whether that is still enabled.
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
    /// Only those seen in, or sent by, the mailbox with this address.
    pub mailbox: Option<String>,
    /// Only those received, or queued, at or after this time.
    pub since: Option<Timestamp>,
    /// Only those that stand so.
    pub status: Option<ActivityStatus>,
    /// At most so many.
    pub limit: u32,
}

impl Default for ActivityFilter {
    fn default() -> Self {
        Self { mailbox: None, since: None, status: None, limit: 50 }
    }
}

/// An activity in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActivityRow {
    /// Identifier.
    pub id: ActivityId,
    /// `incoming` or `outgoing`.
    pub direction: String,
    /// Where it stands.
    pub status: ActivityStatus,
    /// Decoded subject.
    pub subject: String,
    /// The first From address; of mail that is not composed yet, who it will be from.
    pub sender: String,
    /// Outgoing: the first recipient.
    pub recipient: Option<String>,
    /// Message-ID without brackets.
    pub message_id: Option<String>,
    /// Address of the mailbox that recorded it, or sends it.
    pub mailbox: String,
    /// Incoming: when the server received it.
    pub received_at: Option<Timestamp>,
    /// When it was recorded, or queued.
    pub created_at: Timestamp,
    /// Outgoing: why it was not sent, or not to everybody.
    pub failure_code: Option<String>,
}

impl ActivityRow {
    /// What lists are ordered by.
    pub fn time(&self) -> Timestamp {
        self.received_at.unwrap_or(self.created_at)
    }
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
    /// Incoming: the Date field. Outgoing: when the server took it.
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
    /// Outgoing: how far it got.
    pub delivery: Option<Delivery>,
    /// Addresses, in the order of the fields.
    pub parties: Vec<PartyRow>,
    /// Attachments, in the order of the message.
    pub attachments: Vec<AttachmentRow>,
    /// Where it was seen.
    pub seen_in: Vec<SeenIn>,
}

/// How far an outgoing mail got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// The address that it is sent as, where that is not the mailbox's own.
    pub send_as: Option<String>,
    /// Not sent before.
    pub send_after: Option<Timestamp>,
    /// The recorded mail that it answers.
    pub answers: Option<ActivityId>,
    /// Which key keeps it from being queued twice.
    pub idempotency_key: Option<String>,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried, or looked for, again.
    pub postponed_until: Option<Timestamp>,
    /// Since when its last line may have been sent, where that is in doubt or was.
    pub dot_at: Option<Timestamp>,
    /// How often it was looked for in vain.
    pub verifications: u32,
    /// The words for the failure.
    pub failure_detail: Option<String>,
    /// The server's last words.
    pub server_reply: Option<String>,
}

/// An address of an activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartyRow {
    /// Role, address and name.
    #[serde(flatten)]
    pub party: Party,
    /// Outgoing: what became of it.
    pub result: Option<RecipientState>,
    /// The three digits of the server's reply.
    pub reply_code: Option<u16>,
    /// The enhanced status code.
    pub enhanced_code: Option<String>,
    /// The server's words.
    pub reply_text: Option<String>,
}

/// An attachment of an activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttachmentRow {
    /// Place within the activity, from 0.
    pub position: u32,
    /// Number of the MIME part in the source, where it was read from one.
    pub part: Option<u32>,
    /// The decoded file name; empty where there is none.
    pub file_name: String,
    /// As `type/subtype`.
    pub content_type: String,
    /// Content-ID without brackets.
    pub content_id: Option<String>,
    /// Decoded size in bytes, where it is known.
    pub size: Option<u64>,
    /// SHA-256 of the decoded bytes in hexadecimal, where it was read from a source.
    pub sha256: Option<String>,
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
    /// How often the Inbox had been numbered anew by then.
    pub generation: u32,
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
    /// When somebody asked that it be tried again; `None`: nobody, or it was.
    pub retry_requested_at: Option<Timestamp>,
}
