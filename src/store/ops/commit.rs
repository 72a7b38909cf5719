//! The one transaction that records: ledger, sources, activities, parties, attachments, events, cursor.

use std::collections::{BTreeMap, BTreeSet};

use futures::join;

use super::{
    Conn, Db, Result, alerts, inbox,
    insert::{self, Statement},
    leases,
    tables::{self, ACTIVITIES, ATTACHMENTS, ActivityRow, EVENTS, Judged, LEDGER, PARTIES},
    text,
};
use crate::{
    model::{
        activity::{Committed, Fence, IgnoreReason, LedgerEntry, NewActivity, Verdict},
        alert::{AlertSubject, NewAlert, Severity},
        failure::FailureCode,
        ids::{ActivityId, MailboxId},
        message::{MessageKey, Sha256},
        timestamp::Timestamp,
    },
    store::{
        batch::{Batch, Source},
        codec::Id,
        names::Named,
        sql,
    },
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
    let rows: Vec<_> = entries.iter().zip(names).map(|(entry, source)| Judged::of(entry, source, &recorded)).collect();
    let committed = count(&rows);
    let set_aside = alerts_about(fence.mailbox, &rows);
    let place = (i64::from(numbering.uid_validity.get()), i64::from(numbering.generation));
    let ledger = LEDGER.statements(rows, |values, row: Judged<'_>| row.bind(values, fence.mailbox, place, delete, now));
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
fn alerts_about(mailbox: MailboxId, rows: &[Judged<'_>]) -> Vec<NewAlert> {
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
    let New { mut activities, sources } = New::of(entries, sources, &activity_of);
    let stored: BTreeSet<Sha256> = sources.keys().copied().collect();
    // What follows is made while the database writes what comes before it.
    let rows = async {
        let row = |new| ActivityRow { new, mailbox, stored: &stored, now };
        ACTIVITIES.statements(activities.iter().copied().map(row).collect(), tables::bind_activity).collect::<Vec<_>>()
    };
    let (kept, rows) = join!(tables::insert_sources(conn, sources), rows);
    kept?;
    let (inserted, mut details) =
        join!(insert::run(conn, rows.into_iter()), async { details(mailbox, &activities, now) });
    if inserted? < activities.len() as u64 {
        // Another mailbox's transaction was first with the same mail.
        let winners = inbox::facts(conn, activities.iter().map(|activity| activity.message.key).collect()).await?;
        activities.retain(|activity| winners.get(&activity.message.key) == Some(&activity.id));
        activity_of.extend(winners);
        details = self::details(mailbox, &activities, now);
    }
    activity_of.extend(activities.iter().map(|activity| (activity.message.key, activity.id)));
    Ok((activity_of, details))
}

fn new_activity(entry: &LedgerEntry) -> Option<&NewActivity> {
    match &entry.verdict {
        Verdict::Record(activity) => Some(activity),
        Verdict::Link(_) | Verdict::Ignore(_) | Verdict::SetAside(_) => None,
    }
}

/// What of a batch is to be inserted beside the ledger.
struct New<'e> {
    /// By key, so that two transactions with the same mails wait for each other instead of deadlock.
    activities: Vec<&'e NewActivity>,
    /// Theirs, and those of what is set aside.
    sources: BTreeMap<Sha256, Source>,
}

impl<'e> New<'e> {
    /// Leaves out what is `known`, and copies within the batch. Takes the sources that are to be kept.
    fn of(
        entries: &'e [LedgerEntry],
        sources: &mut [Option<Source>],
        known: &BTreeMap<MessageKey, ActivityId>,
    ) -> Self {
        let mut activities: BTreeMap<MessageKey, &NewActivity> = BTreeMap::new();
        let mut kept: BTreeMap<Sha256, Source> = BTreeMap::new();
        for (entry, source) in entries.iter().zip(sources) {
            let keep = match &entry.verdict {
                Verdict::Record(activity) => {
                    let key = activity.message.key;
                    let first = !known.contains_key(&key) && !activities.contains_key(&key);
                    if first {
                        activities.insert(key, activity);
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
        Self { activities: activities.into_values().collect(), sources: kept }
    }
}

/// Parties, attachments and events of activities that are ours.
fn details(mailbox: MailboxId, new: &[&NewActivity], now: Timestamp) -> Vec<Statement> {
    let mut statements: Vec<Statement> =
        PARTIES.statements(tables::parties(new).collect(), tables::bind_party).collect();
    statements.extend(ATTACHMENTS.statements(tables::files(new).collect(), tables::bind_attachment));
    statements.extend(EVENTS.statements(tables::recorded(new, mailbox, now).collect(), tables::bind_event));
    statements
}

/// What a commit did, by the rows it wrote.
fn count(rows: &[Judged<'_>]) -> Committed {
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
