//! Alerts: one open row for each subject and code.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{
    Conn, Db, Result,
    tables::integer,
    text,
    views::{AlertRow, count},
};
use crate::{
    model::{
        alert::{AlertChange, AlertSubject, NewAlert, Severity},
        failure::FailureCode,
        ids::{AlertId, MailboxId, ProfileId},
        mailbox::Workload,
        record::RecordChange,
        standing,
        timestamp::Timestamp,
    },
    store::{
        alerts::{AlertDetail, AlertFilter, DaemonAlert, Health, Stale, Unwanted},
        codec::{Id, Ids, MailText, Time},
        names::Named,
        rows::{failure_code, span},
        snapshot::Snapshot,
        sql,
    },
};

/// See [`crate::store::Store::raise_alert`].
pub async fn raise(conn: &mut Conn, alert: NewAlert, now: Timestamp) -> Result<()> {
    let of = |workload| (alert.workload == Some(workload)).then_some(alert.severity.word());
    sqlx::query::<Db>(text(sql::RAISE_ALERT))
        .bind(Id(AlertId::generate(now).0))
        .bind(alert.subject.kind())
        .bind(Id(alert.subject.id()))
        .bind(alert.severity.word())
        .bind(alert.code.name())
        .bind(MailText(&alert.text))
        .bind(alert.code.hint())
        .bind(Time(now))
        .bind(of(Workload::Incoming))
        .bind(of(Workload::Outgoing))
        .execute(conn)
        .await?;
    Ok(())
}

/// See [`crate::store::Store::change_alerts`].
pub async fn change(conn: &mut Conn, changes: Vec<AlertChange>, now: Timestamp) -> Result<()> {
    for change in changes {
        match change {
            AlertChange::Raise(alert) => raise(conn, alert, now).await?,
            AlertChange::Close(subject, code) => close(conn, subject, code, now).await?,
            AlertChange::Over { subject, workload, but } => end(conn, subject, workload, but, now).await?,
        }
    }
    Ok(())
}

/// After a record was written: see [`standing`].
pub async fn follow(
    conn: &mut Conn,
    changed: &RecordChange,
    (before, after): (&Snapshot, &Snapshot),
    now: Timestamp,
) -> Result<()> {
    let (Snapshot::Mailbox(before), Snapshot::Mailbox(after)) = (before, after) else { return Ok(()) };
    change(conn, standing::after_change(changed, &before.0, &after.0), now).await
}

/// Closes what `workload` alone raised about `subject`; what the other one raised too stays open.
async fn end(
    conn: &mut Conn,
    subject: AlertSubject,
    workload: Workload,
    but: Option<FailureCode>,
    now: Timestamp,
) -> Result<()> {
    let statement = match workload {
        Workload::Incoming => sql::END_ALERTS,
        Workload::Outgoing => sql::END_ALERTS_OUTGOING,
    };
    sqlx::query::<Db>(text(statement))
        .bind(Id(subject.id()))
        .bind(but.map_or("", FailureCode::name))
        .bind(Time(now))
        .execute(conn)
        .await?;
    Ok(())
}

/// See [`crate::store::Store::set_raised_severities`].
pub async fn set_severities(conn: &mut Conn, raised: BTreeSet<Severity>) -> Result<()> {
    for (severity, word) in <Severity as Named>::ALL {
        let statement = sqlx::query::<Db>(text(sql::SET_SEVERITY));
        statement.bind(*word).bind(raised.contains(severity)).execute(&mut *conn).await?;
    }
    Ok(())
}

/// See [`crate::store::Store::close_alert`].
pub async fn close(conn: &mut Conn, subject: AlertSubject, code: FailureCode, now: Timestamp) -> Result<()> {
    sqlx::query::<Db>(text(sql::CLOSE_ALERT))
        .bind(Id(subject.id()))
        .bind(code.name())
        .bind(Time(now))
        .execute(conn)
        .await?;
    Ok(())
}

/// Closes the alerts about messages that were set aside, where no message is any more.
pub async fn close_set_aside(conn: &mut Conn, mailbox: MailboxId, now: Timestamp) -> Result<()> {
    let statement = sqlx::query::<Db>(text(sql::CLOSE_SET_ASIDE_OF));
    statement.bind(Id(mailbox.0)).bind(Time(now)).execute(conn).await?;
    Ok(())
}

/// Closes the open alerts about `subject`, but for the one that is to be raised again.
pub async fn close_others(conn: &mut Conn, subject: Uuid, but: Option<FailureCode>, now: Timestamp) -> Result<()> {
    sqlx::query::<Db>(text(sql::CLOSE_ALERTS))
        .bind(Id(subject))
        .bind(but.map_or("", FailureCode::name))
        .bind(Time(now))
        .execute(conn)
        .await?;
    Ok(())
}

/// An alert as it lies there.
#[derive(sqlx::FromRow)]
struct DetailRow {
    id: Id,
    #[sqlx(flatten)]
    alert: AlertRow,
    incoming_severity: Option<String>,
    outgoing_severity: Option<String>,
    closed_at: Option<Time>,
    mailed_at: Option<Time>,
    owner: Option<String>,
}

impl DetailRow {
    fn detail(self) -> AlertDetail {
        let raised = [(self.incoming_severity, Workload::Incoming), (self.outgoing_severity, Workload::Outgoing)];
        AlertDetail {
            id: AlertId(self.id.0),
            alert: self.alert.alert(),
            workloads: raised.into_iter().filter_map(|(severity, workload)| severity.map(|_| workload)).collect(),
            owner: self.owner,
            closed_at: self.closed_at.map(|time| time.0),
            mailed_at: self.mailed_at.map(|time| time.0),
        }
    }
}

/// See [`crate::store::Store::alerts`].
pub async fn list(conn: &mut Conn, filter: &AlertFilter) -> Result<Vec<AlertDetail>> {
    let rows = sqlx::query_as::<Db, DetailRow>(text(sql::ALERTS))
        .bind(filter.closed_too)
        .bind(filter.mailbox.as_deref())
        .bind(filter.profile.as_deref())
        .bind(filter.severity.map(Severity::name))
        .bind(filter.code.map(FailureCode::name))
        .bind(filter.owner.as_deref())
        .bind(filter.copied)
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(DetailRow::detail).collect())
}

/// An alert as it is now.
pub async fn snapshot(conn: &mut Conn, id: Uuid) -> Result<Option<AlertDetail>> {
    let row = sqlx::query_as::<Db, DetailRow>(text(sql::ALERT)).bind(Id(id)).fetch_optional(conn).await?;
    Ok(row.map(DetailRow::detail))
}

/// A stale workload as it lies there.
#[derive(sqlx::FromRow)]
struct StaleRow {
    id: Id,
    since: Time,
    minimum_polling_interval: f64,
    mails: i64,
    failure_code: Option<String>,
    words: Option<String>,
    alerted_at: Option<Time>,
}

impl StaleRow {
    fn stale(self, workload: Workload) -> Result<Stale> {
        Ok(Stale {
            mailbox: MailboxId(self.id.0),
            workload,
            since: self.since.0,
            interval: span("minimum_polling_interval", self.minimum_polling_interval)?,
            mails: count(self.mails),
            code: self.failure_code.as_deref().map(failure_code).transpose()?,
            words: self.words,
            alerted_at: self.alerted_at.map(|time| time.0),
        })
    }
}

/// See [`crate::store::Store::stale`].
pub async fn stale(conn: &mut Conn, before: Timestamp) -> Result<Vec<Stale>> {
    let mut stale = Vec::new();
    for (workload, sql) in [(Workload::Incoming, sql::STALE_READING), (Workload::Outgoing, sql::STALE_SENDING)] {
        let rows = sqlx::query_as::<Db, StaleRow>(text(sql)).bind(Time(before)).fetch_all(&mut *conn).await?;
        for row in rows {
            stale.push(row.stale(workload)?);
        }
    }
    Ok(stale)
}

/// See [`crate::store::Store::health`].
pub async fn health(conn: &mut Conn, lately: Timestamp) -> Result<Vec<Health>> {
    type Row = (Id, Option<String>, bool, Option<String>, bool, bool, i64);
    let rows = sqlx::query_as::<Db, Row>(text(sql::HEALTH)).bind(Time(lately)).fetch_all(conn).await?;
    let side = |code: Option<String>, is_first: bool| -> Result<Option<(FailureCode, bool)>> {
        Ok(code.as_deref().map(failure_code).transpose()?.map(|code| (code, is_first)))
    };
    let group = |(profile, incoming, incoming_first, outgoing, outgoing_first, is_lately, mailboxes): Row| {
        Ok(Health {
            profile: ProfileId(profile.0),
            mailboxes: count(mailboxes),
            incoming: side(incoming, incoming_first)?,
            outgoing: side(outgoing, outgoing_first)?,
            is_lately,
        })
    };
    rows.into_iter().map(group).collect()
}

/// See [`crate::store::Store::unwanted`].
pub async fn unwanted(conn: &mut Conn, since: Timestamp, least: u64, one_of: u64) -> Result<Vec<Unwanted>> {
    type Row = (Id, i64, bool);
    let statement = sqlx::query_as::<Db, Row>(text(sql::UNWANTED)).bind(Time(since)).bind(integer(least));
    let mut all = Vec::new();
    for (profile, refused, is_open) in statement.fetch_all(&mut *conn).await? {
        let refused = count(refused);
        let most = refused.saturating_mul(one_of).saturating_add(1);
        let tried: i64 = sqlx::query_scalar::<Db, i64>(text(sql::TRIED))
            .bind(profile)
            .bind(Time(since))
            .bind(integer(most))
            .fetch_one(&mut *conn)
            .await?;
        all.push(Unwanted { profile: ProfileId(profile.0), refused, tried: count(tried), is_open });
    }
    Ok(all)
}

/// See [`crate::store::Store::alerts_mailed`].
pub async fn mailed(conn: &mut Conn, alerts: Vec<AlertId>, now: Timestamp) -> Result<()> {
    let alerts = Ids(alerts.into_iter().map(|id| Id(id.0)).collect());
    sqlx::query::<Db>(text(sql::ALERTS_MAILED)).bind(alerts).bind(Time(now)).execute(conn).await?;
    Ok(())
}

/// See [`crate::store::Store::stale_alerts`].
pub async fn stale_alerts(conn: &mut Conn) -> Result<Vec<(MailboxId, FailureCode)>> {
    let rows = sqlx::query_as::<Db, (Id, String)>(text(sql::STALE_ALERTS)).fetch_all(conn).await?;
    rows.into_iter().map(|(id, code)| Ok((MailboxId(id.0), failure_code(&code)?))).collect()
}

/// See [`crate::store::Store::daemon_alerts`].
pub async fn daemon_alerts(conn: &mut Conn, since: Timestamp) -> Result<Vec<DaemonAlert>> {
    type Row = (String, String, Time, bool);
    let rows = sqlx::query_as::<Db, Row>(text(sql::DAEMON_ALERTS)).bind(Id(AlertSubject::Daemon.id()));
    let alert = |(code, text, last_seen, is_open): Row| {
        Ok(DaemonAlert { code: failure_code(&code)?, text, last_seen: last_seen.0, is_open })
    };
    rows.bind(Time(since)).fetch_all(conn).await?.into_iter().map(alert).collect()
}

/// See [`crate::store::Store::tidy_alerts`].
pub async fn tidy(conn: &mut Conn, now: Timestamp, forgotten_before: Timestamp) -> Result<()> {
    for statement in [sql::CLOSE_ORPHANS, sql::CLOSE_SET_ASIDE] {
        sqlx::query::<Db>(text(statement)).bind(Time(now)).execute(&mut *conn).await?;
    }
    let notices = sqlx::query::<Db>(text(sql::CLOSE_NOTICES)).bind(Time(now)).bind(Time(forgotten_before));
    notices.execute(&mut *conn).await?;
    sqlx::query::<Db>(text(sql::FORGET_ALERTS)).bind(Time(forgotten_before)).execute(conn).await?;
    Ok(())
}
