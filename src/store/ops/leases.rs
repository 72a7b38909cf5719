//! Schedule, leases and holds.

use sqlx::Row as _;

use super::{Conn, Db, Result, alerts, lockout, records::bind_state, text};
use crate::{
    model::{
        activity::Fence,
        alert::AlertChange,
        ids::{MailboxId, NodeId, ProfileId},
        lease::{Claimed, ProfileHold, ScheduleEntry, Settlement},
        mailbox::Workload,
        timestamp::Timestamp,
    },
    store::{
        codec::{Id, Ids, Time},
        error::StoreError,
        rows::{CursorRow, HoldRow, LeasedRow, json},
        sql::{self, Sql},
    },
};

fn ids(mailboxes: &[MailboxId]) -> Ids {
    Ids(mailboxes.iter().map(|id| Id(id.0)).collect())
}

/// The statement for a workload.
pub const fn of(workload: Workload, incoming: Sql, outgoing: Sql) -> &'static str {
    match workload {
        Workload::Incoming => text(incoming),
        Workload::Outgoing => text(outgoing),
    }
}

/// Fails unless the fence's lease is held; keeps the mailbox's row from other writers until the end.
pub async fn fence(conn: &mut Conn, fence: Fence) -> Result<()> {
    let held: Option<i64> = sqlx::query_scalar::<Db, i64>(of(fence.workload, sql::FENCE, sql::FENCE_OUTGOING))
        .bind(Id(fence.mailbox.0))
        .bind(fence.epoch)
        .fetch_optional(conn)
        .await?;
    held.map(|_| ()).ok_or(StoreError::LeaseLost)
}

/// See [`crate::store::Store::schedule_entries`].
pub async fn schedule_entries(conn: &mut Conn, workload: Workload) -> Result<Vec<ScheduleEntry>> {
    type Row = (Id, Id, Option<Time>, Option<Time>);
    let statement = of(workload, sql::SCHEDULE_ENTRIES, sql::SCHEDULE_ENTRIES_OUTGOING);
    let rows: Vec<Row> = sqlx::query_as::<Db, Row>(statement).fetch_all(conn).await?;
    let entry = |(mailbox, profile, due, postponed): Row| ScheduleEntry {
        mailbox: MailboxId(mailbox.0),
        profile: ProfileId(profile.0),
        due: due.map(|time| time.0).max(postponed.map(|time| time.0)),
    };
    Ok(rows.into_iter().map(entry).collect())
}

/// See [`crate::store::Store::request_polls`].
pub async fn request_polls(conn: &mut Conn, mailboxes: Vec<MailboxId>, now: Timestamp) -> Result<u64> {
    lockout::forgive(conn, &mailboxes, now).await?;
    let statement = sqlx::query::<Db>(text(sql::REQUEST_POLLS));
    Ok(statement.bind(ids(&mailboxes)).bind(Time(now)).execute(conn).await?.rows_affected())
}

/// See [`crate::store::Store::requested_polls`].
pub async fn requested_polls(conn: &mut Conn) -> Result<Vec<(MailboxId, Timestamp)>> {
    type Row = (Id, Time);
    let rows: Vec<Row> = sqlx::query_as::<Db, Row>(text(sql::REQUESTED_POLLS)).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|(id, at)| (MailboxId(id.0), at.0)).collect())
}

/// Takes the free leases among `mailboxes`. The condition stands in the update itself, so whoever
/// comes second finds it no longer true; locking in order only keeps two claimers from deadlock.
pub async fn claim(
    conn: &mut Conn,
    workload: Workload,
    node: NodeId,
    mailboxes: Vec<MailboxId>,
    now: Timestamp,
    expires: Timestamp,
) -> Result<Vec<Claimed>> {
    let wanted = ids(&mailboxes);
    sqlx::query_scalar::<Db, Id>(text(sql::LOCK_MAILBOXES)).bind(&wanted).fetch_all(&mut *conn).await?;
    let taken: Vec<(Id, i64)> = sqlx::query_as::<Db, (Id, i64)>(of(workload, sql::CLAIM, sql::CLAIM_OUTGOING))
        .bind(&wanted)
        .bind(Id(node.0))
        .bind(Time(now))
        .bind(Time(expires))
        .fetch_all(&mut *conn)
        .await?;
    let taken = Ids(taken.into_iter().map(|(id, _)| id).collect());
    let claimed = |leased: LeasedRow, cursor, retries| {
        let (mailbox, _) = leased.mailbox.record()?;
        let fence = Fence { mailbox: mailbox.id, workload, epoch: leased.lease_epoch };
        Ok(Claimed { fence, mailbox, cursor, retries })
    };
    match workload {
        Workload::Incoming => {
            #[derive(sqlx::FromRow)]
            struct Row {
                #[sqlx(flatten)]
                leased: LeasedRow,
                #[sqlx(flatten)]
                cursor: CursorRow,
                retries: bool,
            }
            let rows = sqlx::query_as::<Db, Row>(text(sql::CLAIMED)).bind(&taken).fetch_all(conn).await?;
            rows.into_iter().map(|row| claimed(row.leased, row.cursor.cursor()?, row.retries)).collect()
        }
        Workload::Outgoing => {
            let statement = sqlx::query_as::<Db, LeasedRow>(text(sql::CLAIMED_OUTGOING));
            statement.bind(&taken).fetch_all(conn).await?.into_iter().map(|row| claimed(row, None, false)).collect()
        }
    }
}

/// See [`crate::store::Store::renew`].
pub async fn renew(conn: &mut Conn, node: NodeId, expires: Timestamp) -> Result<()> {
    sqlx::query::<Db>(text(sql::RENEW)).bind(Id(node.0)).bind(Time(expires)).execute(conn).await?;
    Ok(())
}

/// Writes what cycles ended with and gives their leases back; where one is lost, its state is not
/// written and the others are. Where the mailbox may not run any more, the lease is given back, and how
/// the workload fared is nobody's concern.
pub async fn settle(conn: &mut Conn, mut settlements: Vec<Settlement>, now: Timestamp) -> Result<()> {
    settlements.sort_unstable_by_key(|settlement| settlement.fence.mailbox);
    for Settlement { fence, state, alerts: mut changes } in settlements {
        let statement = sqlx::query::<Db>(of(fence.workload, sql::SETTLE, sql::SETTLE_OUTGOING));
        let settled = bind_state(statement.bind(Id(fence.mailbox.0)).bind(fence.epoch), &state).bind(Time(now));
        let care = (!state.care.is_none()).then(|| json(&state.care)).transpose()?;
        let settled = settled.bind(care);
        match settled.fetch_optional(&mut *conn).await? {
            Some(row) if row.try_get::<bool, _>("alerts")? => {}
            Some(_) => changes.retain(|change| !matches!(change, AlertChange::Over { .. })),
            None if give_back(conn, fence, state.last_success_at).await? => {
                changes.retain(|change| !change.is_of_a_workload())
            }
            None => continue,
        }
        alerts::change(conn, changes, now).await?;
    }
    Ok(())
}

/// Whether the lease was held.
async fn give_back(conn: &mut Conn, fence: Fence, worked: Option<Timestamp>) -> Result<bool> {
    let statement = sqlx::query::<Db>(of(fence.workload, sql::GIVE_BACK, sql::GIVE_BACK_OUTGOING));
    let statement = statement.bind(Id(fence.mailbox.0)).bind(fence.epoch).bind(worked.map(Time));
    let given = statement.execute(conn).await?;
    Ok(given.rows_affected() > 0)
}

/// See [`crate::store::Store::release_node`].
pub async fn release_node(conn: &mut Conn, node: NodeId) -> Result<()> {
    for statement in [sql::RELEASE_NODE, sql::RELEASE_NODE_OUTGOING] {
        sqlx::query::<Db>(text(statement)).bind(Id(node.0)).execute(&mut *conn).await?;
    }
    Ok(())
}

/// See [`crate::store::Store::holds`].
pub async fn holds(conn: &mut Conn, workload: Workload) -> Result<Vec<(ProfileId, ProfileHold)>> {
    #[derive(sqlx::FromRow)]
    struct Held {
        id: Id,
        #[sqlx(flatten)]
        hold: HoldRow,
    }
    let statement = of(workload, sql::HOLDS, sql::HOLDS_OUTGOING);
    let rows: Vec<Held> = sqlx::query_as::<Db, Held>(statement).fetch_all(conn).await?;
    rows.into_iter().map(|row| Ok((ProfileId(row.id.0), row.hold.hold()?))).collect()
}

/// See [`crate::store::Store::put_hold`].
pub async fn put_hold(
    conn: &mut Conn,
    workload: Workload,
    profile: ProfileId,
    hold: ProfileHold,
    changes: Vec<AlertChange>,
    now: Timestamp,
) -> Result<()> {
    sqlx::query::<Db>(of(workload, sql::PUT_HOLD, sql::PUT_HOLD_OUTGOING))
        .bind(Id(profile.0))
        .bind(Time(hold.since))
        .bind(Time(hold.until))
        .bind(i64::from(hold.failures))
        .bind(hold.code.name())
        .bind(hold.text)
        .execute(&mut *conn)
        .await?;
    alerts::change(conn, changes, now).await
}

/// See [`crate::store::Store::clear_hold`].
pub async fn clear_hold(
    conn: &mut Conn,
    workload: Workload,
    profile: ProfileId,
    changes: Vec<AlertChange>,
    now: Timestamp,
) -> Result<()> {
    let statement = of(workload, sql::CLEAR_HOLD, sql::CLEAR_HOLD_OUTGOING);
    sqlx::query::<Db>(statement).bind(Id(profile.0)).execute(&mut *conn).await?;
    alerts::change(conn, changes, now).await
}
