//! What the rows alone cost: reads the mail that a daemon has recorded, and gives it to the store again, over an empty
//! database and in the same transactions. Only the second half is timed.
//!
//! `insert_only RECORDED.db FRESH.db`, both SQLite; FRESH.db must not exist.
#![expect(clippy::print_stdout, reason = "its result is one line on standard output")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use futures::future::try_join_all;
use mailsyncd::{
    model::{
        activity::{BatchCommit, Fence, LedgerEntry, NewActivity, NewAttachment, NewSource, SourceEncoding, Verdict},
        cursor::Cursor,
        ids::{ActivityId, MailboxId, NodeId},
        mailbox::Workload,
        message::{Attachment, MessageKey, Party, PartyRole, ReceivedMessage, Sha256},
        timestamp::Timestamp,
        uid::{Uid, UidValidity},
    },
    store::{Role, Store},
};
use sqlx::{
    ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteRow},
};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args_os().skip(1);
    let (Some(recorded), Some(fresh), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        bail!("usage: insert_only RECORDED.db FRESH.db");
    };
    let (recorded, fresh) = (Path::new(&recorded), Path::new(&fresh));
    if fresh.exists() {
        bail!("{} exists", fresh.display());
    }
    let url = format!("sqlite:{}", fresh.display());
    let (store, _) = Store::open_and_migrate(&url, Role::Daemon).await?;
    store.close().await;
    drop(store); // the lock on the file goes with it
    copy_records(recorded, fresh).await.context("copying profiles, owners and mailboxes")?;
    let store = Store::open(&url, Role::Daemon).await?;

    let mut old = open(recorded).read_only(true).connect().await?;
    let fences = claim_all(&store, &mut old).await?;
    let mut spent = Duration::ZERO;
    let mut inserted = 0;
    let mut begun = BTreeSet::new();
    for group in groups(batches(&mut old).await?) {
        let mut commits = Vec::with_capacity(group.len());
        for batch in group {
            let fence = *fences.get(&batch.mailbox).context("a mailbox without a lease")?;
            let (commit, judged_at) = read_batch(&mut old, &batch).await?;
            inserted += commit.entries.len();
            commits.push((fence, commit, judged_at, begun.insert(batch.mailbox)));
        }
        let start = Instant::now();
        try_join_all(commits.iter().map(async |(fence, commit, judged_at, first)| {
            if *first {
                store.start_cursor(*fence, &Cursor { last_uid: 0, ..commit.cursor.clone() }).await?;
            }
            store.commit_batch(*fence, commit, *judged_at).await
        }))
        .await?;
        spent += start.elapsed();
    }
    let start = Instant::now();
    store.close().await;
    spent += start.elapsed();
    println!("inserted {inserted} in {:.3} s", spent.as_secs_f64());
    Ok(())
}

fn open(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(file)
}

/// Everything that mail hangs on; no lease comes along.
async fn copy_records(recorded: &Path, fresh: &Path) -> Result<()> {
    let mut new = open(fresh).connect().await?;
    sqlx::query("ATTACH ? AS recorded").bind(recorded.display().to_string()).execute(&mut new).await?;
    for statement in [
        "INSERT INTO server_profiles SELECT * FROM recorded.server_profiles",
        "INSERT INTO users SELECT * FROM recorded.users",
        "INSERT INTO queues SELECT * FROM recorded.queues",
        "INSERT INTO mailboxes SELECT * FROM recorded.mailboxes",
        "UPDATE mailboxes SET lease_owner = NULL, lease_expires = NULL",
    ] {
        sqlx::query(statement).execute(&mut new).await?;
    }
    new.close().await?;
    Ok(())
}

async fn claim_all(store: &Store, old: &mut SqliteConnection) -> Result<BTreeMap<MailboxId, Fence>> {
    let rows = sqlx::query("SELECT id FROM mailboxes").fetch_all(old).await?;
    let mailboxes: Vec<MailboxId> = rows.iter().map(|row| id(row, "id").map(MailboxId)).collect::<Result<_>>()?;
    let now = Timestamp::EPOCH;
    let claimed =
        store.claim(Workload::Incoming, NodeId::generate(now), &mailboxes, now, Duration::from_secs(86_400)).await?;
    Ok(claimed.into_iter().map(|claimed| (claimed.fence.mailbox, claimed.fence)).collect())
}

/// One transaction of the daemon's.
struct Batch {
    mailbox: MailboxId,
    uid_validity: UidValidity,
    generation: u32,
    judged_at: String,
    starting_point: Timestamp,
}

/// What was recorded at one moment for one mailbox was recorded in one transaction.
async fn batches(old: &mut SqliteConnection) -> Result<Vec<Batch>> {
    let rows = sqlx::query(
        "SELECT l.mailbox, l.uid_validity, l.generation, l.judged_at, c.starting_point \
         FROM inbox_ledger l JOIN inbox_cursors c ON c.mailbox = l.mailbox \
         GROUP BY l.mailbox, l.uid_validity, l.generation, l.judged_at ORDER BY l.judged_at, min(l.uid)",
    )
    .fetch_all(old)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Batch {
                mailbox: MailboxId(id(row, "mailbox")?),
                uid_validity: UidValidity::new(row.try_get("uid_validity")?).context("uid_validity")?,
                generation: row.try_get("generation")?,
                judged_at: row.try_get("judged_at")?,
                starting_point: row.try_get::<String, _>("starting_point")?.parse()?,
            })
        })
        .collect()
}

/// Batches of different mailboxes that follow each other, as many as a daemon with 50 connections could have at a time: the
/// store commits them together then.
fn groups(batches: Vec<Batch>) -> Vec<Vec<Batch>> {
    let mut groups: Vec<Vec<Batch>> = Vec::new();
    let mut mailboxes = BTreeSet::new();
    for batch in batches {
        match groups.last_mut() {
            Some(group) if group.len() < 50 && mailboxes.insert(batch.mailbox) => group.push(batch),
            _ => {
                mailboxes = BTreeSet::from([batch.mailbox]);
                groups.push(vec![batch]);
            }
        }
    }
    groups
}

async fn read_batch(old: &mut SqliteConnection, batch: &Batch) -> Result<(BatchCommit, Timestamp)> {
    let rows = sqlx::query(
        "SELECT l.uid, l.verdict, l.internal_date, l.size AS listed, l.message_key, l.message_id AS ledger_message_id, \
                a.id, a.subject, a.message_id, a.in_reply_to, a.message_references, a.received_at, a.sent_at, \
                a.body_text, a.body_html, a.notifications, s.sha256, s.size, s.encoding, s.bytes \
         FROM inbox_ledger l LEFT JOIN email_activities a ON a.id = l.activity \
         LEFT JOIN email_sources s ON s.sha256 = a.source \
         WHERE l.mailbox = ? AND l.uid_validity = ? AND l.generation = ? AND l.judged_at = ? ORDER BY l.uid",
    )
    .bind(batch.mailbox.to_string())
    .bind(batch.uid_validity.get())
    .bind(batch.generation)
    .bind(&batch.judged_at)
    .fetch_all(&mut *old)
    .await?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in &rows {
        entries.push(entry(old, row).await?);
    }
    let last_uid = entries.last().map_or(0, |entry| entry.uid.get());
    let cursor = Cursor {
        uid_validity: batch.uid_validity,
        generation: batch.generation,
        last_uid,
        exists: last_uid,
        compared_at: None,
        starting_point: batch.starting_point,
        starts_over: 0,
        in_flight: None,
    };
    Ok((BatchCommit { entries, delete: false, again: None, cursor }, batch.judged_at.parse()?))
}

async fn entry(old: &mut SqliteConnection, row: &SqliteRow) -> Result<LedgerEntry> {
    if row.try_get::<&str, _>("verdict")? != "recorded" {
        bail!("only recorded mail can be copied");
    }
    let activity = ActivityId(id(row, "id")?);
    let (key, sha256) = (MessageKey(hash(row, "message_key")?.0), hash(row, "sha256")?);
    let message = ReceivedMessage {
        key,
        source: sha256,
        message_id: row.try_get("message_id")?,
        in_reply_to: row.try_get("in_reply_to")?,
        references: row.try_get::<&str, _>("message_references")?.lines().map(str::to_owned).collect(),
        subject: row.try_get("subject")?,
        date: time(row, "sent_at")?,
        parties: parties(old, activity).await?,
        text: row.try_get("body_text")?,
        html: row.try_get("body_html")?,
        attachments: Vec::new(),
        notes: Vec::new(),
    };
    let encoding = match row.try_get("encoding")? {
        "lz4" => SourceEncoding::Lz4,
        _ => SourceEncoding::None,
    };
    let source = NewSource {
        sha256,
        size: row.try_get::<i64, _>("size")?.try_into()?,
        encoding,
        bytes: Arc::new(row.try_get("bytes")?),
    };
    let recorded = NewActivity {
        id: activity,
        message,
        received_at: time(row, "received_at")?.context("received_at")?,
        attachments: attachments(old, activity).await?,
        notifications: row.try_get("notifications")?,
    };
    Ok(LedgerEntry {
        uid: Uid::new(row.try_get("uid")?).context("uid")?,
        internal_date: time(row, "internal_date")?,
        uidl: None,
        size: row.try_get::<i64, _>("listed")?.try_into()?,
        key: Some(key),
        message_id: row.try_get("ledger_message_id")?,
        source: Some(source),
        verdict: Verdict::Record(Box::new(recorded)),
    })
}

async fn parties(old: &mut SqliteConnection, activity: ActivityId) -> Result<Vec<Party>> {
    let rows =
        sqlx::query("SELECT role, address, display_name FROM email_parties WHERE activity = ? ORDER BY position")
            .bind(activity.to_string())
            .fetch_all(old)
            .await?;
    rows.iter()
        .map(|row| {
            let role: PartyRole = serde_json::from_value(row.try_get::<String, _>("role")?.into())?;
            Ok(Party { role, address: row.try_get("address")?, display_name: row.try_get("display_name")? })
        })
        .collect()
}

async fn attachments(old: &mut SqliteConnection, activity: ActivityId) -> Result<Vec<NewAttachment>> {
    let rows = sqlx::query(
        "SELECT part, file_name, content_type, content_id, size, sha256, blocked FROM email_attachments \
         WHERE activity = ? ORDER BY position",
    )
    .bind(activity.to_string())
    .fetch_all(old)
    .await?;
    rows.iter()
        .map(|row| {
            let attachment = Attachment {
                part: row.try_get("part")?,
                file_name: row.try_get("file_name")?,
                content_type: row.try_get("content_type")?,
                content_id: row.try_get("content_id")?,
                size: row.try_get::<i64, _>("size")?.try_into()?,
                sha256: hash(row, "sha256")?,
            };
            let blocked = row.try_get::<Option<&str>, _>("blocked")?.map(|_| "blocked");
            Ok(NewAttachment { attachment, blocked })
        })
        .collect()
}

fn id(row: &SqliteRow, column: &str) -> Result<Uuid> {
    Ok(row.try_get::<&str, _>(column)?.parse()?)
}

fn hash(row: &SqliteRow, column: &str) -> Result<Sha256> {
    Ok(Sha256(row.try_get::<&[u8], _>(column)?.try_into()?))
}

fn time(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>> {
    Ok(row.try_get::<Option<&str>, _>(column)?.map(str::parse).transpose()?)
}
