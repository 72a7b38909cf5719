//! Mail that waits in vain, found and explained.

use super::{
    Conn, Db, Result, alerts,
    tables::{self, Event},
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
    type Row = (Id, Id, i64, Option<Time>, String, Option<String>);
    let rows: Vec<Row> = sqlx::query_as::<Db, Row>(text(sql::STRANDED)).bind(Time(now)).fetch_all(conn).await?;
    let stranded = |(activity, mailbox, epoch, dot_at, address, profile): Row| Stranded {
        activity: ActivityId(activity.0),
        mailbox: MailboxId(mailbox.0),
        address,
        profile,
        epoch,
        is_doubtful: dot_at.is_some(),
    };
    Ok(rows.into_iter().map(stranded).collect())
}

/// What never reached its last line waits like any other, and what may have is for a person: those
/// are returned. What somebody took up meanwhile, or marked, is let be.
pub async fn release(conn: &mut Conn, stranded: Vec<Stranded>, now: Timestamp) -> Result<Vec<Stuck>> {
    let mut held = Vec::new();
    for Stranded { activity, mailbox, address, profile, epoch, is_doubtful } in stranded {
        let statement = if is_doubtful { sql::HOLD_STRANDED } else { sql::RETURN_STRANDED };
        let code = FailureCode::DeliveryInDoubt;
        let mut update = sqlx::query::<Db>(text(statement)).bind(Id(activity.0)).bind(epoch);
        if is_doubtful {
            update = update.bind(code.name()).bind(STRANDED);
        }
        let moved = update.execute(&mut *conn).await?.rows_affected() == 1;
        if moved && is_doubtful {
            let (subject, severity) = (AlertSubject::Activity(activity), Severity::Error);
            alerts::raise(conn, NewAlert { subject, severity, code, text: STRANDED.to_owned(), workload: None }, now)
                .await?;
            let event = Event { at: now, kind: "activity.held", activity, mailbox };
            tables::insert_events(conn, vec![event]).await?;
            let (status, text) = (ActivityStatus::Held, STRANDED.to_owned());
            held.push(Stuck { activity, mailbox: address, profile, status, code, text });
        }
    }
    Ok(held)
}

/// Mails that cannot be sent and do not say so yet.
pub async fn find(conn: &mut Conn) -> Result<Vec<Stuck>> {
    let rows = sqlx::query_as::<Db, WaitingRow>(text(sql::STUCK)).fetch_all(conn).await?;
    Ok(rows.into_iter().map(WaitingRow::stuck).collect())
}

/// Writes on each why it is not sent; returns those that did not say so.
pub async fn explain(conn: &mut Conn, stuck: Vec<Stuck>, now: Timestamp) -> Result<Vec<Stuck>> {
    let mut explained = Vec::new();
    for mail in stuck {
        if write(conn, mail.activity, mail.status, (mail.code, &mail.text), now).await? {
            explained.push(mail);
        }
    }
    Ok(explained)
}

/// Writes on a mail why it is not sent, with an alert where it is given up; `false`: it waits no more.
pub async fn write(
    conn: &mut Conn,
    activity: ActivityId,
    status: ActivityStatus,
    (code, why): (FailureCode, &str),
    now: Timestamp,
) -> Result<bool> {
    let update = sqlx::query::<Db>(text(sql::EXPLAIN_STUCK)).bind(Id(activity.0)).bind(status.word());
    let written = update.bind(code.name()).bind(MailText(why)).execute(&mut *conn).await?.rows_affected() == 1;
    if written && status == ActivityStatus::Failed {
        let (subject, severity, text) = (AlertSubject::Activity(activity), Severity::Error, why.to_owned());
        alerts::raise(conn, NewAlert { subject, severity, code, text, workload: None }, now).await?;
    }
    Ok(written)
}
