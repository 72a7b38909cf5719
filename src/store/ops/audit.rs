//! The audit log: rows are added, never changed.

use uuid::Uuid;

use super::{Conn, Db, Result, text};
use crate::{
    model::timestamp::Timestamp,
    store::{
        audit::{AuditFilter, AuditRow},
        codec::{Id, Ids, Json, Time},
        sql,
    },
};

/// That `who` did `what` to a record, and how it was before and after.
pub async fn add(
    conn: &mut Conn,
    (who, what): (&str, &'static str),
    subject: Uuid,
    (before, after): (Option<Json>, Option<Json>),
    now: Timestamp,
) -> Result<()> {
    sqlx::query::<Db>(text(sql::ADD_AUDIT))
        .bind(Time(now))
        .bind(who)
        .bind(what)
        .bind(Id(subject))
        .bind(before)
        .bind(after)
        .execute(conn)
        .await?;
    Ok(())
}

/// See [`crate::store::Store::audit`].
pub async fn list(conn: &mut Conn, filter: &AuditFilter) -> Result<Vec<AuditRow>> {
    type Row = (i64, Time, String, String, Id, Option<String>, Option<String>);
    let subjects = filter.subjects.iter().flatten().copied().map(Id).collect();
    let rows: Vec<Row> = sqlx::query_as::<Db, Row>(text(sql::AUDIT))
        .bind(Time(filter.since))
        .bind(filter.subjects.is_some())
        .bind(Ids(subjects))
        .bind(i64::from(filter.limit))
        .fetch_all(conn)
        .await?;
    // What the database has checked to be JSON is; an older program may have written what it likes in it.
    let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
    let row = |(sequence, at, who, what, subject, before, after): Row| AuditRow {
        sequence,
        at: at.0,
        who,
        what,
        subject: subject.0,
        before: json(before),
        after: json(after),
    };
    Ok(rows.into_iter().map(row).collect())
}
