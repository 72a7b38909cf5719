//! Schedule, leases and holds.

use super::{Conn, Db, Result, text};
use crate::{
    model::{
        activity::Fence,
        ids::{MailboxId, NodeId, ProfileId},
        lease::{Claimed, ProfileHold, ScheduleEntry, Settlement},
        timestamp::Timestamp,
    },
    store::{
        codec::{Id, Ids, Time},
        error::StoreError,
        rows::{ClaimedRow, HoldRow},
        sql,
    },
};

fn ids(mailboxes: &[MailboxId]) -> Ids {
    Ids(mailboxes.iter().map(|id| Id(id.0)).collect())
}

/// Fails unless the fence's lease is held; keeps the mailbox's row from other writers until the end.
pub async fn fence(conn: &mut Conn, fence: Fence) -> Result<()> {
    let held: Option<i64> = sqlx::query_scalar::<Db, i64>(text(sql::FENCE))
        .bind(Id(fence.mailbox.0))
        .bind(fence.epoch)
        .fetch_optional(conn)
        .await?;
    held.map(|_| ()).ok_or(StoreError::LeaseLost)
}

/// See [`crate::store::Store::schedule_entries`].
pub async fn schedule_entries(conn: &mut Conn) -> Result<Vec<ScheduleEntry>> {
    type Row = (Id, Id, Option<Time>, Option<Time>);
    let rows: Vec<Row> = sqlx::query_as::<Db, Row>(text(sql::SCHEDULE_ENTRIES)).fetch_all(conn).await?;
    let entry = |(mailbox, profile, due, postponed): Row| ScheduleEntry {
        mailbox: MailboxId(mailbox.0),
        profile: ProfileId(profile.0),
        due: due.map(|time| time.0).max(postponed.map(|time| time.0)),
    };
    Ok(rows.into_iter().map(entry).collect())
}

/// See [`crate::store::Store::request_polls`].
pub async fn request_polls(conn: &mut Conn, mailboxes: Vec<MailboxId>, now: Timestamp) -> Result<u64> {
    let statement = sqlx::query::<Db>(text(sql::REQUEST_POLLS));
    Ok(statement.bind(ids(&mailboxes)).bind(Time(now)).execute(conn).await?.rows_affected())
}

/// See [`crate::store::Store::requested_polls`].
pub async fn requested_polls(conn: &mut Conn) -> Result<Vec<MailboxId>> {
    let rows: Vec<Id> = sqlx::query_scalar::<Db, Id>(text(sql::REQUESTED_POLLS)).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|id| MailboxId(id.0)).collect())
}

/// Takes the free leases among `mailboxes`. The condition stands in the update itself, so whoever
/// comes second finds it no longer true; locking in order only keeps two claimers from deadlock.
pub async fn claim(
    conn: &mut Conn,
    node: NodeId,
    mailboxes: Vec<MailboxId>,
    now: Timestamp,
    expires: Timestamp,
) -> Result<Vec<Claimed>> {
    let wanted = ids(&mailboxes);
    sqlx::query_scalar::<Db, Id>(text(sql::LOCK_MAILBOXES)).bind(&wanted).fetch_all(&mut *conn).await?;
    let taken: Vec<(Id, i64)> = sqlx::query_as::<Db, (Id, i64)>(text(sql::CLAIM))
        .bind(&wanted)
        .bind(Id(node.0))
        .bind(Time(now))
        .bind(Time(expires))
        .fetch_all(&mut *conn)
        .await?;
    let taken = Ids(taken.into_iter().map(|(id, _)| id).collect());
    let rows: Vec<ClaimedRow> =
        sqlx::query_as::<Db, ClaimedRow>(text(sql::CLAIMED)).bind(&taken).fetch_all(conn).await?;
    let claimed = |row: ClaimedRow| {
        let (cursor, epoch) = (row.cursor()?, row.lease_epoch);
        let (mailbox, _) = row.mailbox.record()?;
        Ok(Claimed { fence: Fence { mailbox: mailbox.id, epoch }, mailbox, cursor })
    };
    rows.into_iter().map(claimed).collect()
}

/// See [`crate::store::Store::renew`].
pub async fn renew(conn: &mut Conn, node: NodeId, expires: Timestamp) -> Result<()> {
    sqlx::query::<Db>(text(sql::RENEW)).bind(Id(node.0)).bind(Time(expires)).execute(conn).await?;
    Ok(())
}

/// Writes what cycles ended with and gives their leases back; where one is lost, its state is not
/// written and the others are.
pub async fn settle(conn: &mut Conn, mut settlements: Vec<Settlement>, now: Timestamp) -> Result<()> {
    settlements.sort_unstable_by_key(|settlement| settlement.fence.mailbox);
    for Settlement { fence, state } in settlements {
        sqlx::query::<Db>(text(sql::SETTLE))
            .bind(Id(fence.mailbox.0))
            .bind(fence.epoch)
            .bind(state.enabled)
            .bind(state.postponed_until.map(Time))
            .bind(i64::from(state.transient_failures))
            .bind(i64::from(state.confirmations))
            .bind(state.failing_since.map(Time))
            .bind(state.failure_code.map(|code| code.name()))
            .bind(state.last_error)
            .bind(state.last_success_at.map(Time))
            .bind(state.next_due_at.map(Time))
            .bind(Time(now))
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// See [`crate::store::Store::release_node`].
pub async fn release_node(conn: &mut Conn, node: NodeId) -> Result<()> {
    sqlx::query::<Db>(text(sql::RELEASE_NODE)).bind(Id(node.0)).execute(conn).await?;
    Ok(())
}

/// See [`crate::store::Store::holds`].
pub async fn holds(conn: &mut Conn) -> Result<Vec<(ProfileId, ProfileHold)>> {
    #[derive(sqlx::FromRow)]
    struct Held {
        id: Id,
        #[sqlx(flatten)]
        hold: HoldRow,
    }
    let rows: Vec<Held> = sqlx::query_as::<Db, Held>(text(sql::HOLDS)).fetch_all(conn).await?;
    rows.into_iter().map(|row| Ok((ProfileId(row.id.0), row.hold.hold()?))).collect()
}

/// See [`crate::store::Store::put_hold`].
pub async fn put_hold(conn: &mut Conn, profile: ProfileId, hold: ProfileHold) -> Result<()> {
    sqlx::query::<Db>(text(sql::PUT_HOLD))
        .bind(Id(profile.0))
        .bind(Time(hold.since))
        .bind(Time(hold.until))
        .bind(i64::from(hold.failures))
        .bind(hold.code.name())
        .bind(hold.text)
        .execute(conn)
        .await?;
    Ok(())
}

/// See [`crate::store::Store::clear_hold`].
pub async fn clear_hold(conn: &mut Conn, profile: ProfileId) -> Result<()> {
    sqlx::query::<Db>(text(sql::CLEAR_HOLD)).bind(Id(profile.0)).execute(conn).await?;
    Ok(())
}
