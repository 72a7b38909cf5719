//! The one transaction that records: ledger, sources, activities, parties, attachments, events, cursor.

use std::collections::{BTreeMap, BTreeSet};

use futures::join;

use super::{
    Conn, Db, Result, alerts, inbox,
    insert::{self, Insert, Statement, Values},
    leases, text,
};
use crate::{
    model::{
        activity::{Committed, Fence, IgnoreReason, LedgerEntry, NewActivity, Verdict},
        alert::{AlertSubject, NewAlert, Severity},
        failure::FailureCode,
        ids::{ActivityId, MailboxId},
        maildrop::CopyState,
        message::{Attachment, MessageKey, Party, PartyRole, Sha256},
        timestamp::Timestamp,
    },
    store::{
        batch::{Batch, Source},
        codec::{Hash, Id, Json, MailText, Time},
        names::Named,
        sql,
    },
};

const SOURCES: Insert = Insert {
    head: "INSERT INTO email_sources (sha256, size, encoding, bytes) ",
    tail: " ON CONFLICT (sha256) DO NOTHING",
    most: 16,
};

const ACTIVITIES: Insert = Insert {
    head: "INSERT INTO email_activities (id, direction, status, message_key, source, mailbox, subject, sender, \
           message_id, in_reply_to, message_references, received_at, sent_at, body_text, body_html, \
           notifications, created_at) ",
    tail: " ON CONFLICT (direction, message_key) DO NOTHING",
    most: 128,
};

const PARTIES: Insert = Insert {
    head: "INSERT INTO email_parties (activity, position, role, address, display_name) ",
    tail: "",
    most: 256,
};

const ATTACHMENTS: Insert = Insert {
    head: "INSERT INTO email_attachments (activity, position, part, file_name, content_type, content_id, size, \
           sha256, blocked) ",
    tail: "",
    most: 128,
};

const EVENTS: Insert =
    Insert { head: "INSERT INTO events (occurred_at, kind, subject, payload) ", tail: "", most: 128 };

const LEDGER: Insert = Insert {
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

/// See [`crate::store::Store::commit_batch`].
pub async fn commit_batch(conn: &mut Conn, fence: Fence, batch: Batch, now: Timestamp) -> Result<Committed> {
    leases::fence(conn, fence).await?;
    let Found { known, retried } = judged(conn, fence.mailbox, &batch).await?;
    let Batch { entries, sources, delete, numbering, cursor } = batch;
    let fresh: Vec<(LedgerEntry, Option<Source>)> =
        entries.into_iter().zip(sources).filter(|(entry, _)| !is_known(entry, &known)).collect();
    let (entries, mut sources): (Vec<_>, Vec<_>) = fresh.into_iter().unzip();
    let names: Vec<Option<Sha256>> = sources.iter().map(|source| source.as_ref().map(|source| source.sha256)).collect();
    let (recorded, details) = record(conn, fence.mailbox, &entries, &mut sources, now).await?;
    let rows: Vec<_> =
        entries.into_iter().zip(names).map(|(entry, source)| Judged::of(entry, source, &recorded)).collect();
    let committed = count(&rows);
    let set_aside = alerts_about(fence.mailbox, &rows);
    let place = (i64::from(numbering.uid_validity.get()), i64::from(numbering.generation));
    let ledger = LEDGER.statements(rows, |values, row: Judged| row.bind(values, fence.mailbox, place, delete, now));
    insert::run(conn, details.into_iter().chain(ledger)).await?;
    inbox::advance_cursor(conn, fence.mailbox, &cursor).await?;
    for alert in set_aside {
        alerts::raise(conn, alert, now).await?;
    }
    if retried {
        alerts::close_set_aside(conn, fence.mailbox, now).await?;
    }
    Ok(committed)
}

/// One alert for each reason for which messages were set aside.
fn alerts_about(mailbox: MailboxId, rows: &[Judged]) -> Vec<NewAlert> {
    let mut of_code: BTreeMap<FailureCode, (u32, String)> = BTreeMap::new();
    for Judged { entry, .. } in rows {
        if let Verdict::SetAside(failure) = &entry.verdict {
            let (count, words) = of_code.entry(failure.code).or_default();
            *count += 1;
            *words = format!("message {}: {}", entry.uid.get(), failure.text);
        }
    }
    let alert = |(code, (count, words)): (FailureCode, (u32, String))| NewAlert {
        subject: AlertSubject::Mailbox(mailbox),
        severity: Severity::Warning,
        code,
        text: if count == 1 { words } else { format!("{count} messages were set aside, the last: {words}") },
        workload: None,
    };
    of_code.into_iter().map(alert).collect()
}

/// What the ledger has of a batch.
#[derive(Default)]
struct Found {
    /// Rows that are there already: the UID, and why it was ignored.
    known: BTreeMap<i64, Option<IgnoreReason>>,
    /// Whether some of it was set aside and is asked for again.
    retried: bool,
}

async fn judged(conn: &mut Conn, mailbox: MailboxId, batch: &Batch) -> Result<Found> {
    type Row = (i64, Option<String>, bool);
    let uids = || batch.entries.iter().map(|entry| i64::from(entry.uid.get()));
    let (Some(first), Some(last)) = (uids().min(), uids().max()) else { return Ok(Found::default()) };
    let rows: Vec<Row> = sqlx::query_as::<Db, Row>(text(sql::JUDGED))
        .bind(Id(mailbox.0))
        .bind(i64::from(batch.numbering.uid_validity.get()))
        .bind(i64::from(batch.numbering.generation))
        .bind(first)
        .bind(last)
        .fetch_all(conn)
        .await?;
    let ignored = |reason: Option<String>| reason.and_then(|reason| IgnoreReason::of(&reason).ok());
    let retried = rows.iter().any(|(.., again)| *again);
    let done = rows.into_iter().filter(|(.., again)| !again);
    Ok(Found { known: done.map(|(uid, reason, _)| (uid, ignored(reason))).collect(), retried })
}

/// Whether the ledger has the entry: by the same commit run before, or ignored and ignored again.
fn is_known(entry: &LedgerEntry, known: &BTreeMap<i64, Option<IgnoreReason>>) -> bool {
    match known.get(&i64::from(entry.uid.get())) {
        None => false,
        Some(None) => true,
        Some(Some(reason)) => entry.verdict == Verdict::Ignore(*reason),
    }
}

/// Inserts the new activities with their sources, and the sources of what is set aside. Returns the
/// activity of each key among the entries to be recorded, and what inserts the rest of the new ones.
async fn record(
    conn: &mut Conn,
    mailbox: MailboxId,
    entries: &[LedgerEntry],
    sources: &mut [Option<Source>],
    now: Timestamp,
) -> Result<(BTreeMap<MessageKey, ActivityId>, Vec<Statement>)> {
    let wanted = entries.iter().filter_map(new_activity).map(|activity| activity.message.key).collect();
    let mut activity_of = inbox::facts(conn, wanted).await?;
    // By key, so that two transactions with the same mails wait for each other instead of deadlock.
    let mut new: BTreeMap<MessageKey, &NewActivity> = BTreeMap::new();
    let mut kept: BTreeMap<Sha256, Source> = BTreeMap::new();
    for (entry, source) in entries.iter().zip(sources) {
        let keep = match &entry.verdict {
            Verdict::Record(activity) => {
                let key = activity.message.key;
                let first = !activity_of.contains_key(&key) && !new.contains_key(&key);
                if first {
                    new.insert(key, activity);
                }
                first
            }
            Verdict::SetAside(_) => true,
            Verdict::Link(_) | Verdict::Ignore(_) => false,
        };
        if let (true, Some(source)) = (keep, source.take()) {
            kept.insert(source.sha256, source);
        }
    }
    let stored: BTreeSet<Sha256> = kept.keys().copied().collect();
    let mut new: Vec<&NewActivity> = new.into_values().collect();
    // What follows is made while the database writes what comes before it.
    let (kept, activities) = join!(insert_sources(conn, kept), async { activities(mailbox, &new, &stored, now) });
    kept?;
    let (inserted, mut details) =
        join!(insert::run(conn, activities.into_iter()), async { details(mailbox, &new, now) });
    if inserted? < new.len() as u64 {
        // Another mailbox's transaction was first with the same mail.
        let winners = inbox::facts(conn, new.iter().map(|activity| activity.message.key).collect()).await?;
        new.retain(|activity| winners.get(&activity.message.key) == Some(&activity.id));
        activity_of.extend(winners);
        details = self::details(mailbox, &new, now);
    }
    activity_of.extend(new.iter().map(|activity| (activity.message.key, activity.id)));
    Ok((activity_of, details))
}

fn new_activity(entry: &LedgerEntry) -> Option<&NewActivity> {
    match &entry.verdict {
        Verdict::Record(activity) => Some(activity),
        Verdict::Link(_) | Verdict::Ignore(_) | Verdict::SetAside(_) => None,
    }
}

/// Bytes of mail, where they are not kept yet.
pub async fn insert_sources(conn: &mut Conn, sources: BTreeMap<Sha256, Source>) -> Result<()> {
    let bind = |values: &mut Values<'_, '_>, source: Source| {
        values
            .push_bind(Hash::from(source.sha256))
            .push_bind(integer(source.size))
            .push_bind(source.encoding.word())
            .push_bind(source.bytes);
    };
    SOURCES.rows(conn, sources.into_values().collect(), bind).await?;
    Ok(())
}

fn activities(mailbox: MailboxId, new: &[&NewActivity], stored: &BTreeSet<Sha256>, now: Timestamp) -> Vec<Statement> {
    let bind = |values: &mut Values<'_, '_>, activity: &NewActivity| {
        let message = &activity.message;
        let sender = message.parties.iter().find(|party| party.role == PartyRole::From);
        values
            .push_bind(Id(activity.id.0))
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
            .push_bind(Time(activity.received_at))
            .push_bind(message.date.map(Time))
            .push_bind(message.text.as_deref().map(MailText))
            .push_bind(message.html.as_deref().map(MailText))
            .push_bind(MailText(&activity.notifications))
            .push_bind(Time(now));
    };
    ACTIVITIES.statements(new.to_vec(), bind).collect()
}

/// Parties, attachments and events of activities that are ours.
fn details(mailbox: MailboxId, new: &[&NewActivity], now: Timestamp) -> Vec<Statement> {
    let parties = new.iter().flat_map(|activity| {
        activity.message.parties.iter().enumerate().map(|(position, party)| (activity.id, position, party))
    });
    let files = new.iter().flat_map(|activity| {
        let files = activity.attachments.iter().enumerate();
        files.map(|(position, new)| (activity.id, position, &new.attachment, new.blocked))
    });
    let event = |new: &&NewActivity| Event { at: now, kind: "activity.recorded", activity: new.id, mailbox };
    let mut statements: Vec<Statement> = PARTIES.statements(parties.collect(), bind_party).collect();
    statements.extend(ATTACHMENTS.statements(files.collect(), bind_attachment));
    statements.extend(EVENTS.statements(new.iter().map(event).collect(), bind_event));
    statements
}

/// An address of an activity, with its place.
type PlacedParty<'a> = (ActivityId, usize, &'a Party);

fn bind_party(values: &mut Values<'_, '_>, (activity, position, party): PlacedParty<'_>) {
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
type Placed<'a> = (ActivityId, usize, &'a Attachment, Option<&'static str>);

fn bind_attachment(values: &mut Values<'_, '_>, (activity, position, attachment, blocked): Placed<'_>) {
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

fn bind_event(values: &mut Values<'_, '_>, event: Event) {
    let payload = format!(r#"{{"mailbox":"{}"}}"#, event.mailbox);
    values.push_bind(Time(event.at)).push_bind(event.kind).push_bind(Id(event.activity.0)).push_bind(Json(payload));
}

/// Tells consumers.
pub async fn insert_events(conn: &mut Conn, events: Vec<Event>) -> Result<()> {
    EVENTS.rows(conn, events, bind_event).await?;
    Ok(())
}

/// A row of the ledger as it is written.
struct Judged {
    entry: LedgerEntry,
    source: Option<Sha256>,
    activity: Option<ActivityId>,
    /// Recorded by this commit, not only linked.
    is_new: bool,
}

impl Judged {
    fn of(entry: LedgerEntry, source: Option<Sha256>, recorded: &BTreeMap<MessageKey, ActivityId>) -> Self {
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

    fn bind(
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

fn count(rows: &[Judged]) -> Committed {
    let mut committed = Committed::default();
    for row in rows {
        match &row.entry.verdict {
            Verdict::Record(_) if row.is_new => committed.recorded += 1,
            Verdict::Record(_) | Verdict::Link(_) => committed.linked += 1,
            Verdict::Ignore(_) => committed.ignored += 1,
            Verdict::SetAside(_) => committed.set_aside += 1,
        }
    }
    committed
}

/// A size for a column: no mail comes near the bound.
pub fn integer(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
