//! Mail that waits in vain, found and explained.

use super::{
    Conn, Db, Result, alerts,
    commit::{self, Event},
    text,
};
use crate::{
    model::{
        activity::ActivityStatus,
        alert::{AlertSubject, NewAlert, Severity},
        failure::FailureCode,
        ids::{ActivityId, MailboxId},
        timestamp::Timestamp,
    },
    store::{
        codec::{Id, MailText, Time},
        names::Named,
        sql,
        stuck::{Stranded, Stuck, WaitingRow},
    },
};

const STRANDED: &str = "the mailbox stopped sending before it was known whether this mail was sent";

/// Mails under way in mailboxes that do not send and whose lease nobody holds.
pub async fn find_stranded(conn: &mut Conn, now: Timestamp) -> Result<Vec<Stranded>> {
    type Row = (Id, Id, i64, Option<Time>);
    let rows: Vec<Row> = sqlx::query_as::<Db, Row>(text(sql::STRANDED)).bind(Time(now)).fetch_all(conn).await?;
    let stranded = |(activity, mailbox, epoch, dot_at): Row| Stranded {
        activity: ActivityId(activity.0),
        mailbox: MailboxId(mailbox.0),
        epoch,
        is_doubtful: dot_at.is_some(),
    };
    Ok(rows.into_iter().map(stranded).collect())
}

/// What never reached its last line waits like any other, and what may have is for a person. Returns
/// how many those are. What somebody took up meanwhile, or marked, is let be.
pub async fn release(conn: &mut Conn, stranded: Vec<Stranded>, now: Timestamp) -> Result<u64> {
    let mut held = 0;
    for Stranded { activity, mailbox, epoch, is_doubtful } in stranded {
        let statement = if is_doubtful { sql::HOLD_STRANDED } else { sql::RETURN_STRANDED };
        let code = FailureCode::DeliveryInDoubt;
        let mut update = sqlx::query::<Db>(text(statement)).bind(Id(activity.0)).bind(epoch);
        if is_doubtful {
            update = update.bind(code.name()).bind(STRANDED);
        }
        let moved = update.execute(&mut *conn).await?.rows_affected() == 1;
        if moved && is_doubtful {
            held += 1;
            let (subject, severity) = (AlertSubject::Activity(activity), Severity::Error);
            alerts::raise(conn, NewAlert { subject, severity, code, text: STRANDED.to_owned(), workload: None }, now)
                .await?;
            let event = Event { at: now, kind: "activity.held", activity, mailbox };
            commit::insert_events(conn, vec![event]).await?;
        }
    }
    Ok(held)
}

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
            let alert =
                NewAlert { subject, severity: Severity::Error, code: mail.code, text: mail.text, workload: None };
            alerts::raise(conn, alert, now).await?;
        }
    }
    Ok(explained)
}
