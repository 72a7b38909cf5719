//! Mail that waits in vain, found and explained.

use super::{Conn, Db, Result, alerts, text};
use crate::{
    model::{
        activity::ActivityStatus,
        alert::{AlertSubject, NewAlert, Severity},
        timestamp::Timestamp,
    },
    store::{
        codec::{Id, MailText},
        names::Named,
        sql,
        stuck::{Stuck, WaitingRow},
    },
};

/// Mails that cannot be sent and do not say so yet.
pub async fn find(conn: &mut Conn) -> Result<Vec<Stuck>> {
    let rows = sqlx::query_as::<Db, WaitingRow>(text(sql::STUCK)).fetch_all(conn).await?;
    Ok(rows.into_iter().map(WaitingRow::stuck).collect())
}

/// Writes on each why it is not sent; returns how many those were.
pub async fn explain(conn: &mut Conn, stuck: Vec<Stuck>, now: Timestamp) -> Result<u64> {
    let mut explained = 0;
    for mail in stuck {
        let done = sqlx::query::<Db>(text(sql::EXPLAIN_STUCK))
            .bind(Id(mail.activity.0))
            .bind(mail.status.word())
            .bind(mail.code.name())
            .bind(MailText(&mail.text))
            .execute(&mut *conn)
            .await?;
        explained += done.rows_affected();
        if done.rows_affected() == 1 && mail.status == ActivityStatus::Failed {
            let subject = AlertSubject::Activity(mail.activity);
            let alert = NewAlert { subject, severity: Severity::Error, code: mail.code, text: mail.text };
            alerts::raise(conn, alert, now).await?;
        }
    }
    Ok(explained)
}
