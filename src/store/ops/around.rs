//! What goes on around a mailbox, and who is at work.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Conn, Db, Result, text,
    views::{self, AlertRow, count},
};
use crate::{
    model::{
        activity::ActivityStatus,
        alert::{AlertSubject, Severity},
        ids::{MailboxId, NodeId, ProfileId},
        presence::{Heartbeat, Pause, Presence},
        timestamp::Timestamp,
        view::{View, ViewCounts},
    },
    store::{
        around::{HeldLease, Pulse, Surroundings, WaitingMail},
        codec::{Id, MailText, Time},
        names::Named,
        rows::failure_code,
        sql,
    },
};

/// See [`crate::store::Store::beat`].
pub async fn beat(conn: &mut Conn, heartbeat: Heartbeat, now: Timestamp, forgotten_before: Timestamp) -> Result<()> {
    let pause = heartbeat.pause.as_ref();
    sqlx::query::<Db>(text(sql::BEAT))
        .bind(Id(heartbeat.node.0))
        .bind(&heartbeat.version)
        .bind(Time(heartbeat.started_at))
        .bind(Time(now))
        .bind(heartbeat.key_ids.join("\n"))
        .bind(pause.map(|pause| Time(pause.since)))
        .bind(pause.map(|pause| pause.code.name()))
        .bind(pause.map(|pause| MailText(&pause.text)))
        .bind(MailText(&heartbeat.machine))
        .execute(&mut *conn)
        .await?;
    sqlx::query::<Db>(text(sql::BURY_DAEMONS)).bind(Time(forgotten_before)).execute(conn).await?;
    Ok(())
}

/// See [`crate::store::Store::leave`].
pub async fn leave(conn: &mut Conn, node: NodeId, forgotten_before: Timestamp) -> Result<()> {
    sqlx::query::<Db>(text(sql::LEAVE)).bind(Id(node.0)).execute(&mut *conn).await?;
    sqlx::query::<Db>(text(sql::BURY_DAEMONS)).bind(Time(forgotten_before)).execute(conn).await?;
    Ok(())
}

/// See [`crate::store::Store::daemons`].
pub async fn daemons(conn: &mut Conn) -> Result<Vec<Presence>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        node: Id,
        version: String,
        started_at: Time,
        seen_at: Time,
        key_ids: String,
        paused_since: Option<Time>,
        paused_code: Option<String>,
        paused_text: Option<String>,
        machine: String,
    }
    let presence = |row: Row| {
        let pause = match (row.paused_since, row.paused_code, row.paused_text) {
            (Some(since), Some(code), Some(text)) => Some(Pause { since: since.0, code: failure_code(&code)?, text }),
            _ => None,
        };
        let heartbeat = Heartbeat {
            node: NodeId(row.node.0),
            version: row.version,
            machine: row.machine,
            started_at: row.started_at.0,
            key_ids: row.key_ids.lines().map(str::to_owned).collect(),
            pause,
        };
        Ok(Presence { heartbeat, seen_at: row.seen_at.0 })
    };
    let rows = sqlx::query_as::<Db, Row>(text(sql::DAEMONS)).fetch_all(conn).await?;
    rows.into_iter().map(presence).collect()
}

/// See [`crate::store::Store::surroundings`].
pub async fn surroundings(
    conn: &mut Conn,
    mailbox: MailboxId,
    profile: Option<ProfileId>,
    failed_since: Timestamp,
) -> Result<Surroundings> {
    type Leases = (Option<Time>, Option<Time>, Option<Time>, Option<Time>);
    let leases = sqlx::query_as::<Db, Leases>(text(sql::LEASES_OF)).bind(Id(mailbox.0));
    let (reading, reader, sending, sender) = leases.fetch_optional(&mut *conn).await?.unwrap_or_default();
    let held = |until: Option<Time>, heard: Option<Time>| {
        until.map(|until| HeldLease { until: until.0, heard: heard.map(|heard| heard.0) })
    };
    let about = sqlx::query_as::<Db, AlertRow>(text(sql::ALERTS_ABOUT));
    let about = about.bind(Id(mailbox.0)).bind(profile.map(|id| Id(id.0)));
    let alerts = about.bind(Id(AlertSubject::Daemon.id())).fetch_all(&mut *conn).await?;
    Ok(Surroundings {
        reading: held(reading, reader),
        sending: held(sending, sender),
        outbox: outbox(conn, mailbox, failed_since).await?,
        alerts: alerts.into_iter().map(AlertRow::alert).collect(),
    })
}

async fn outbox(conn: &mut Conn, mailbox: MailboxId, failed_since: Timestamp) -> Result<Vec<WaitingMail>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        status: String,
        in_doubt: bool,
        failure_code: Option<String>,
        words: Option<String>,
        mails: i64,
        oldest: Time,
        due: Time,
    }
    let waiting = |row: Row| {
        Ok(WaitingMail {
            status: ActivityStatus::of(&row.status)?,
            in_doubt: row.in_doubt,
            code: row.failure_code.as_deref().map(failure_code).transpose()?,
            words: row.words,
            mails: count(row.mails),
            oldest: row.oldest.0,
            due: row.due.0,
        })
    };
    let rows = sqlx::query_as::<Db, Row>(text(sql::OUTBOX_OF)).bind(Id(mailbox.0)).bind(Time(failed_since));
    let rows = rows.fetch_all(conn).await?;
    rows.into_iter().map(waiting).collect()
}

/// See [`crate::store::Store::view`].
pub async fn view(conn: &mut Conn, view: View, now: Timestamp, stale_after: Duration) -> Result<BTreeSet<MailboxId>> {
    let statement = sqlx::query_scalar::<Db, Id>(text(sql::VIEW)).bind(Time(now)).bind(stale_after.as_secs_f64());
    let rows: Vec<Id> = statement.bind(view.name()).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|id| MailboxId(id.0)).collect())
}

/// See [`crate::store::Store::view_counts`].
pub async fn view_counts(conn: &mut Conn, now: Timestamp, stale_after: Duration) -> Result<ViewCounts> {
    #[derive(sqlx::FromRow)]
    struct Row {
        active: i64,
        failed: i64,
        disabled: i64,
        postponed: i64,
        held: i64,
        pending: i64,
        stale: i64,
    }
    let statement = sqlx::query_as::<Db, Row>(text(sql::VIEW_COUNTS)).bind(Time(now)).bind(stale_after.as_secs_f64());
    let row = statement.fetch_one(conn).await?;
    Ok(ViewCounts {
        active: count(row.active),
        test_and_enable_failed: count(row.failed),
        disabled: count(row.disabled),
        postponed: count(row.postponed),
        held: count(row.held),
        pending_approval: count(row.pending),
        stale: count(row.stale),
    })
}

/// See [`crate::store::Store::pulse`].
pub async fn pulse(conn: &mut Conn, now: Timestamp, stale_after: Duration) -> Result<Pulse> {
    let rows = sqlx::query_as::<Db, (String, i64)>(text(sql::OPEN_ALERTS)).fetch_all(&mut *conn).await?;
    let alerts = rows.into_iter().map(|(severity, alerts)| Ok((Severity::of(&severity)?, count(alerts))));
    let oldest: Option<Time> = sqlx::query_scalar::<Db, _>(text(sql::OLDEST_SUCCESS)).fetch_one(&mut *conn).await?;
    Ok(Pulse {
        alerts: alerts.collect::<Result<_>>()?,
        oldest_success: oldest.map(|time| time.0),
        views: view_counts(conn, now, stale_after).await?,
        held: views::held(conn).await?,
        outbox: views::outbox(conn).await?,
    })
}
