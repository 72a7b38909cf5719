//! Cursors, facts, and questions to the ledger.

use std::collections::{BTreeMap, BTreeSet};

use super::{Conn, Db, Result, leases, text, written};
use crate::{
    model::{
        activity::{Fence, IgnoreReason},
        cursor::{Cursor, InFlight, ListedMessage},
        ids::{ActivityId, MailboxId},
        message::{MessageKey, Sha256},
        timestamp::Timestamp,
        uid::Uid,
    },
    store::{
        codec::{Hash, Hashes, Id, Time, Times},
        copies::{KnownCopy, KnownVerdict},
        error::StoreError,
        names::Named,
        rows::{CopyRow, CursorRow, failure_code, narrow, uid},
        sql::{self, Sql},
    },
};

/// See [`crate::store::Store::facts`].
pub async fn facts(conn: &mut Conn, keys: Vec<MessageKey>) -> Result<BTreeMap<MessageKey, ActivityId>> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let keys = Hashes(keys.into_iter().map(Hash::from).collect());
    let rows: Vec<(Hash, Id)> = sqlx::query_as::<Db, (Hash, Id)>(text(sql::FACTS)).bind(keys).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|(key, id)| (key.into(), ActivityId(id.0))).collect())
}

/// See [`crate::store::Store::cursor`].
pub async fn cursor(conn: &mut Conn, mailbox: MailboxId) -> Result<Option<Cursor>> {
    let row = sqlx::query_as::<Db, CursorRow>(text(sql::CURSOR)).bind(Id(mailbox.0)).fetch_optional(conn).await?;
    row.map_or(Ok(None), |row| row.cursor())
}

/// See [`crate::store::Store::start_cursor`].
pub async fn start_cursor(conn: &mut Conn, fence: Fence, cursor: Cursor) -> Result<()> {
    leases::fence(conn, fence).await?;
    put_cursor(conn, sql::START_CURSOR, fence.mailbox, &cursor).await?;
    Ok(())
}

/// The cursor as a commit leaves it; one that a later commit has moved further stays.
pub async fn advance_cursor(conn: &mut Conn, mailbox: MailboxId, cursor: &Cursor) -> Result<()> {
    put_cursor(conn, sql::ADVANCE_CURSOR, mailbox, cursor).await?;
    Ok(())
}

fn marker(in_flight: Option<InFlight>) -> (Option<i64>, Option<i64>, Option<i64>) {
    let number = |of: fn(InFlight) -> u32| in_flight.map(|marker| i64::from(of(marker)));
    (number(|marker| marker.first.get()), number(|marker| marker.last.get()), number(|marker| marker.attempts))
}

/// Returns how many rows the statement wrote.
async fn put_cursor(conn: &mut Conn, statement: Sql, mailbox: MailboxId, cursor: &Cursor) -> Result<u64> {
    let (first, last, attempts) = marker(cursor.in_flight);
    let statement = sqlx::query::<Db>(text(statement))
        .bind(Id(mailbox.0))
        .bind(i64::from(cursor.uid_validity.get()))
        .bind(i64::from(cursor.generation))
        .bind(i64::from(cursor.last_uid))
        .bind(i64::from(cursor.exists))
        .bind(cursor.compared_at.map(Time))
        .bind(Time(cursor.starting_point))
        .bind(i64::from(cursor.starts_over))
        .bind(first)
        .bind(last)
        .bind(attempts);
    written(conn, statement).await
}

/// See [`crate::store::Store::save_cursor`].
pub async fn save_cursor(conn: &mut Conn, fence: Fence, cursor: Cursor) -> Result<()> {
    leases::fence(conn, fence).await?;
    if put_cursor(conn, sql::SAVE_CURSOR, fence.mailbox, &cursor).await? == 0 {
        return Err(StoreError::Conflict { what: "only a commit moves a cursor".into() });
    }
    Ok(())
}

/// See [`crate::store::Store::mark_in_flight`].
pub async fn mark_in_flight(conn: &mut Conn, fence: Fence, in_flight: Option<InFlight>) -> Result<()> {
    leases::fence(conn, fence).await?;
    let (first, last, attempts) = marker(in_flight);
    let done = sqlx::query::<Db>(text(sql::MARK_IN_FLIGHT))
        .bind(Id(fence.mailbox.0))
        .bind(first)
        .bind(last)
        .bind(attempts)
        .execute(conn)
        .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::Conflict { what: "the mailbox has no cursor yet".into() });
    }
    Ok(())
}

/// See [`crate::store::Store::ledger_uids`].
pub async fn ledger_uids(
    conn: &mut Conn,
    mailbox: MailboxId,
    cursor: &Cursor,
    first: u32,
    last: u32,
) -> Result<BTreeSet<Uid>> {
    let rows: Vec<i64> = sqlx::query_scalar::<Db, i64>(text(sql::LEDGER_UIDS))
        .bind(Id(mailbox.0))
        .bind(i64::from(cursor.uid_validity.get()))
        .bind(i64::from(cursor.generation))
        .bind(i64::from(first))
        .bind(i64::from(last))
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(uid).collect()
}

/// See [`crate::store::Store::skipped_since`].
pub async fn skipped_since(conn: &mut Conn, mailbox: MailboxId, cursor: &Cursor, since: Timestamp) -> Result<Vec<Uid>> {
    let rows: Vec<i64> = sqlx::query_scalar::<Db, i64>(text(sql::SKIPPED_SINCE))
        .bind(Id(mailbox.0))
        .bind(i64::from(cursor.uid_validity.get()))
        .bind(i64::from(cursor.generation))
        .bind(Time(since))
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(uid).collect()
}

/// See [`crate::store::Store::known_copies`].
pub async fn known_copies(
    conn: &mut Conn,
    mailbox: MailboxId,
    before: &Cursor,
    listed: &[ListedMessage],
) -> Result<Vec<KnownCopy>> {
    let mut by_look: BTreeMap<(Timestamp, u64), Vec<Uid>> = BTreeMap::new();
    for message in listed {
        if let Some(date) = message.internal_date {
            by_look.entry((date, message.size)).or_default().push(message.uid);
        }
    }
    let dates: BTreeSet<Timestamp> = by_look.keys().map(|(date, _)| *date).collect();
    let rows: Vec<CopyRow> = sqlx::query_as::<Db, CopyRow>(text(sql::KNOWN_COPIES))
        .bind(Id(mailbox.0))
        .bind(i64::from(before.uid_validity.get()))
        .bind(i64::from(before.generation))
        .bind(Times(dates.into_iter().map(Time).collect()))
        .fetch_all(conn)
        .await?;
    let mut copies = Vec::new();
    for row in rows {
        let look = (row.internal_date.0, narrow("size", row.size)?);
        for uid in by_look.get(&look).into_iter().flatten() {
            copies.push(copy(*uid, &row)?);
        }
    }
    Ok(copies)
}

fn copy(uid: Uid, row: &CopyRow) -> Result<KnownCopy> {
    let verdict = match (row.verdict.as_str(), &row.reason, &row.failure_code, &row.failure_detail) {
        ("recorded", ..) => KnownVerdict::Recorded,
        ("ignored", Some(reason), ..) => KnownVerdict::Ignored(IgnoreReason::of(reason)?),
        ("set_aside", _, Some(code), Some(detail)) => {
            KnownVerdict::SetAside { code: failure_code(code)?, detail: detail.clone() }
        }
        (verdict, ..) => return Err(StoreError::unreadable("verdict", verdict)),
    };
    Ok(KnownCopy {
        uid,
        message_id: row.message_id.clone(),
        key: row.message_key.map(MessageKey::from),
        activity: row.activity.map(|id| ActivityId(id.0)),
        source: row.source.map(|hash| Sha256(hash.0)),
        verdict,
    })
}
