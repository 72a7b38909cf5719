//! Alerts: one open row for each subject and code.

use uuid::Uuid;

use super::{Conn, Db, Result, text};
use crate::{
    model::{
        alert::{AlertSubject, NewAlert},
        failure::FailureCode,
        ids::AlertId,
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
        .execute(conn)
        .await?;
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
