//! Alerts: one open row for each subject and code.

use uuid::Uuid;

use super::{Conn, Db, Result, text};
use crate::{
    model::{
        alert::{AlertChange, AlertSubject, NewAlert, Severity},
        failure::FailureCode,
        ids::AlertId,
        mailbox::Workload,
        timestamp::Timestamp,
    },
    store::{
        codec::{Id, MailText, Time},
        names::Named,
        sql,
    },
};

/// See [`crate::store::Store::raise_alert`].
pub async fn raise(conn: &mut Conn, alert: NewAlert, now: Timestamp) -> Result<()> {
    sqlx::query::<Db>(text(sql::RAISE_ALERT))
        .bind(Id(AlertId::generate(now).0))
        .bind(alert.subject.kind())
        .bind(Id(alert.subject.id()))
        .bind(alert.severity.word())
        .bind(alert.code.name())
        .bind(MailText(&alert.text))
        .bind(alert.code.hint())
        .bind(Time(now))
        .bind(alert.workload == Some(Workload::Incoming))
        .bind(alert.workload == Some(Workload::Outgoing))
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
pub async fn set_severities(conn: &mut Conn, raised: Vec<Severity>) -> Result<()> {
    for (severity, word) in Severity::ALL {
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
