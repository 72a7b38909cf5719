//! The tables that mails are written to, and how their rows are bound.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Conn, Result,
    insert::{Insert, Values},
};
use crate::{
    model::{
        activity::{IgnoreReason, LedgerEntry, NewActivity, Verdict},
        ids::{ActivityId, MailboxId},
        maildrop::CopyState,
        message::{Attachment, MessageKey, Party, PartyRole, Sha256},
        timestamp::Timestamp,
    },
    store::{
        batch::Source,
        codec::{Hash, Id, Json, MailText, Time},
        names::Named,
    },
};

/// Bytes of mail, where they are not kept yet.
const SOURCES: Insert = Insert {
    head: "INSERT INTO email_sources (sha256, size, encoding, bytes) ",
    tail: " ON CONFLICT (sha256) DO NOTHING",
    most: 16,
};

/// Activities, where their key is not there yet.
pub const ACTIVITIES: Insert = Insert {
    head: "INSERT INTO email_activities (id, direction, status, message_key, source, mailbox, subject, sender, \
           message_id, in_reply_to, message_references, received_at, sent_at, body_text, body_html, \
           notifications, created_at) ",
    tail: " ON CONFLICT (direction, message_key) DO NOTHING",
    most: 128,
};

/// Their addresses.
pub const PARTIES: Insert = Insert {
    head: "INSERT INTO email_parties (activity, position, role, address, display_name) ",
    tail: "",
    most: 256,
};

/// Their files.
pub const ATTACHMENTS: Insert = Insert {
    head: "INSERT INTO email_attachments (activity, position, part, file_name, content_type, content_id, size, \
           sha256, blocked) ",
    tail: "",
    most: 128,
};

/// What happened to them.
pub const EVENTS: Insert =
    Insert { head: "INSERT INTO events (occurred_at, kind, subject, payload) ", tail: "", most: 128 };

/// What is known of messages; what may be judged again gives way.
pub const LEDGER: Insert = Insert {
    head: "INSERT INTO inbox_ledger (mailbox, uid_validity, generation, uid, verdict, reason, activity, \
           internal_date, size, message_key, message_id, failure_code, failure_detail, source, judged_at, uidl, \
           uidl_rank, server_copy) ",
    tail: " ON CONFLICT (mailbox, uid_validity, generation, uid) DO UPDATE SET verdict = excluded.verdict, \
           reason = excluded.reason, activity = excluded.activity, internal_date = excluded.internal_date, \
           size = excluded.size, message_key = excluded.message_key, message_id = excluded.message_id, \
           failure_code = excluded.failure_code, failure_detail = excluded.failure_detail, \
           source = CASE WHEN excluded.verdict = 'set_aside' THEN coalesce(excluded.source, inbox_ledger.source) END, \
           judged_at = excluded.judged_at, server_copy = CASE WHEN inbox_ledger.verdict = 'set_aside' AND \
           inbox_ledger.server_copy = 'gone' THEN 'gone' ELSE excluded.server_copy END, retry_requested_at = NULL, \
           retry_attempts = 0 WHERE inbox_ledger.verdict = 'ignored' AND inbox_ledger.reason IN \
           ('before_starting_point', 'vanished') OR inbox_ledger.retry_requested_at IS NOT NULL",
    most: 128,
};

/// Bytes of mail, where they are not kept yet.
pub async fn insert_sources(conn: &mut Conn, sources: BTreeMap<Sha256, Source>) -> Result<()> {
    SOURCES.rows(conn, sources.into_values().collect(), bind_source).await?;
    Ok(())
}

/// A row of [`SOURCES`].
fn bind_source(values: &mut Values<'_, '_>, source: Source) {
    values
        .push_bind(Hash::from(source.sha256))
        .push_bind(integer(source.size))
        .push_bind(source.encoding.word())
        .push_bind(source.bytes);
}

/// A new activity on its way to its row.
#[derive(Clone, Copy)]
pub struct ActivityRow<'a> {
    /// What there is to be written.
    pub new: &'a NewActivity,
    /// Through which mailbox it came.
    pub mailbox: MailboxId,
    /// The sources that are written with it.
    pub stored: &'a BTreeSet<Sha256>,
    /// When it is written.
    pub now: Timestamp,
}

/// A row of [`ACTIVITIES`].
pub fn bind_activity(values: &mut Values<'_, '_>, ActivityRow { new, mailbox, stored, now }: ActivityRow<'_>) {
    let message = &new.message;
    let sender = message.parties.iter().find(|party| party.role == PartyRole::From);
    values
        .push_bind(Id(new.id.0))
        .push_bind("incoming")
        .push_bind("received")
        .push_bind(Hash::from(message.key))
        .push_bind(stored.get(&message.source).copied().map(Hash::from))
        .push_bind(Id(mailbox.0))
        .push_bind(MailText(&message.subject))
        .push_bind(MailText(sender.map_or("", |party| party.address.as_str())))
        .push_bind(message.message_id.as_deref().map(MailText))
        .push_bind(message.in_reply_to.as_deref().map(MailText))
        .push_bind(MailText(&message.references.join("\n")))
        .push_bind(Time(new.received_at))
        .push_bind(message.date.map(Time))
        .push_bind(message.text.as_deref().map(MailText))
        .push_bind(message.html.as_deref().map(MailText))
        .push_bind(MailText(&new.notifications))
        .push_bind(Time(now));
}

/// An address of an activity, with its place.
pub type PlacedParty<'a> = (ActivityId, usize, &'a Party);

/// The addresses of new activities.
pub fn parties<'a>(new: &[&'a NewActivity]) -> impl Iterator<Item = PlacedParty<'a>> {
    new.iter().flat_map(|activity| {
        activity.message.parties.iter().enumerate().map(|(position, party)| (activity.id, position, party))
    })
}

/// A row of [`PARTIES`].
pub fn bind_party(values: &mut Values<'_, '_>, (activity, position, party): PlacedParty<'_>) {
    values
        .push_bind(Id(activity.0))
        .push_bind(integer(position as u64))
        .push_bind(party.role.word())
        .push_bind(MailText(&party.address))
        .push_bind(MailText(&party.display_name));
}

/// Addresses of activities, each with its place.
pub async fn insert_parties(conn: &mut Conn, parties: Vec<PlacedParty<'_>>) -> Result<()> {
    PARTIES.rows(conn, parties, bind_party).await?;
    Ok(())
}

/// A file of an activity, with its place, and why it is blocked.
pub type Placed<'a> = (ActivityId, usize, &'a Attachment, Option<&'static str>);

/// The files of new activities.
pub fn files<'a>(new: &[&'a NewActivity]) -> impl Iterator<Item = Placed<'a>> {
    new.iter().flat_map(|activity| {
        let files = activity.attachments.iter().enumerate();
        files.map(|(position, new)| (activity.id, position, &new.attachment, new.blocked))
    })
}

/// A row of [`ATTACHMENTS`].
pub fn bind_attachment(values: &mut Values<'_, '_>, (activity, position, attachment, blocked): Placed<'_>) {
    values
        .push_bind(Id(activity.0))
        .push_bind(integer(position as u64))
        .push_bind(i64::from(attachment.part))
        .push_bind(MailText(&attachment.file_name))
        .push_bind(MailText(&attachment.content_type))
        .push_bind(attachment.content_id.as_deref().map(MailText))
        .push_bind(integer(attachment.size))
        .push_bind(Hash::from(attachment.sha256))
        .push_bind(blocked);
}

/// Files of activities whose bytes are in the source.
pub async fn insert_attachments(conn: &mut Conn, attachments: Vec<Placed<'_>>) -> Result<()> {
    ATTACHMENTS.rows(conn, attachments, bind_attachment).await?;
    Ok(())
}

/// Something happened to an activity that a consumer may want to know.
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: &'static str,
    /// To which activity.
    pub activity: ActivityId,
    /// Of which mailbox.
    pub mailbox: MailboxId,
}

/// That activities are recorded.
pub fn recorded(new: &[&NewActivity], mailbox: MailboxId, now: Timestamp) -> impl Iterator<Item = Event> {
    new.iter().map(move |new| Event { at: now, kind: "activity.recorded", activity: new.id, mailbox })
}

/// A row of [`EVENTS`].
pub fn bind_event(values: &mut Values<'_, '_>, event: Event) {
    let payload = format!(r#"{{"mailbox":"{}"}}"#, event.mailbox);
    values.push_bind(Time(event.at)).push_bind(event.kind).push_bind(Id(event.activity.0)).push_bind(Json(payload));
}

/// Tells consumers.
pub async fn insert_events(conn: &mut Conn, events: Vec<Event>) -> Result<()> {
    EVENTS.rows(conn, events, bind_event).await?;
    Ok(())
}

/// A row of the ledger as it is written.
pub struct Judged<'e> {
    /// What was judged.
    pub entry: &'e LedgerEntry,
    source: Option<Sha256>,
    activity: Option<ActivityId>,
    /// Recorded by this commit, not only linked.
    pub is_new: bool,
}

impl<'e> Judged<'e> {
    /// The row of an entry; `recorded` has the activity of each key.
    pub fn of(entry: &'e LedgerEntry, source: Option<Sha256>, recorded: &BTreeMap<MessageKey, ActivityId>) -> Self {
        let (activity, is_new) = match &entry.verdict {
            Verdict::Record(new) => {
                let activity = recorded.get(&new.message.key).copied().unwrap_or(new.id);
                (Some(activity), activity == new.id)
            }
            Verdict::Link(activity) => (Some(*activity), false),
            Verdict::Ignore(_) | Verdict::SetAside(_) => (None, false),
        };
        Self { entry, source, activity, is_new }
    }

    /// A row of [`LEDGER`].
    pub fn bind(
        self,
        values: &mut Values<'_, '_>,
        mailbox: MailboxId,
        (uid_validity, generation): (i64, i64),
        delete: bool,
        now: Timestamp,
    ) {
        let (verdict, reason, failure) = match &self.entry.verdict {
            Verdict::Record(_) | Verdict::Link(_) => ("recorded", (!self.is_new).then_some("copy"), None),
            Verdict::Ignore(reason) => ("ignored", Some(reason.name()), None),
            Verdict::SetAside(failure) => ("set_aside", None, Some(failure)),
        };
        let copy = match &self.entry.verdict {
            Verdict::Record(_) | Verdict::Link(_) => delete.then_some(CopyState::Due),
            Verdict::Ignore(IgnoreReason::Vanished) => Some(CopyState::Gone),
            Verdict::Ignore(IgnoreReason::BeforeStartingPoint | IgnoreReason::TestMail) | Verdict::SetAside(_) => None,
        };
        let source = failure.and(self.source).map(Hash::from);
        values
            .push_bind(Id(mailbox.0))
            .push_bind(uid_validity)
            .push_bind(generation)
            .push_bind(i64::from(self.entry.uid.get()))
            .push_bind(verdict)
            .push_bind(reason)
            .push_bind(self.activity.map(|id| Id(id.0)))
            .push_bind(self.entry.internal_date.map(Time))
            .push_bind(integer(self.entry.size))
            .push_bind(self.entry.key.map(Hash::from))
            .push_bind(self.entry.message_id.as_deref().map(MailText))
            .push_bind(failure.map(|failure| failure.code.name()))
            .push_bind(failure.map(|failure| MailText(&failure.text)))
            .push_bind(source)
            .push_bind(Time(now))
            .push_bind(self.entry.uidl.map(|uidl| Hash::from(uidl.name)))
            .push_bind(self.entry.uidl.map(|uidl| i64::from(uidl.rank)))
            .push_bind(copy.map(CopyState::word));
    }
}

/// A size for a column: no mail comes near the bound.
pub fn integer(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
