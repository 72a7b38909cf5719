//! What became of a mail, as the holder of the lease for sending writes it.

use std::{borrow::Cow, collections::BTreeSet};

use serde::Serialize;
use uuid::Uuid;

use super::{
    Conn, Db, Result, alerts,
    commit::{self, Event},
    leases, mails, outbox, text,
};
use crate::{
    model::{
        activity::ActivityStatus,
        alert::{AlertSubject, NewAlert, Severity},
        failure::Failure,
        ids::ActivityId,
        outbox::{MailSettlement, MailVerdict},
        timestamp::Timestamp,
    },
    store::{
        codec::{Id, Json, MailText},
        error::StoreError,
        mails::End,
        names::Named,
        sql,
    },
};

/// Writes all, and says of each what became of it.
///
/// # Errors
/// Of many not each could be written: each alone says why.
pub async fn settle_mails(conn: &mut Conn, ends: &[&End]) -> Result<Vec<Result<()>>> {
    // A number is less to hand over than every one of them.
    let moved = settle_rows(conn, ends).await? + return_rows(conn, ends).await?;
    if moved != ends.len() as u64 {
        return match ends {
            [end] => Ok(vec![already(conn, end).await?]),
            _ => Err(StoreError::LeaseLost),
        };
    }
    mails::set_results(conn, ends.iter().map(|end| (end.settlement.activity, end.settlement.recipients.as_slice())))
        .await?;
    let told = told_of(conn, ends).await?;
    let mut events = Vec::new();
    for End { fence, settlement: MailSettlement { activity, verdict, .. }, at } in ends {
        let alerts = if told.contains(activity) { Alerts::Open } else { Alerts::None };
        tell(conn, *activity, (verdict, alerts), *at).await?;
        events.extend(event(verdict).map(|kind| Event { at: *at, kind, activity: *activity, mailbox: fence.mailbox }));
    }
    commit::insert_events(conn, events).await?;
    Ok(ends.iter().map(|_| Ok(())).collect())
}

/// About which mails alerts are open.
async fn told_of(conn: &mut Conn, ends: &[&End]) -> Result<BTreeSet<ActivityId>> {
    if ends.is_empty() {
        return Ok(BTreeSet::new());
    }
    let activities = outbox::ids(ends.iter().map(|end| &end.settlement.activity));
    let told = sqlx::query_scalar::<Db, Id>(text(sql::TOLD_OF)).bind(&activities).fetch_all(conn).await?;
    Ok(told.into_iter().map(|id| ActivityId(id.0)).collect())
}

/// Whether alerts are open about a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alerts {
    None,
    Open,
}

#[derive(Serialize)]
struct Row<'e> {
    activity: Uuid,
    r#box: Uuid,
    epoch: i64,
    becomes: &'static str,
    due: Option<Timestamp>,
    sent: Option<Timestamp>,
    keeps_dot: bool,
    doubt: Option<Timestamp>,
    vain: u32,
    code: Option<&'static str>,
    detail: Option<Cow<'e, str>>,
    reply: Option<Cow<'e, str>>,
}

impl<'e> Row<'e> {
    fn of(End { fence, settlement, at }: &'e End) -> Self {
        let verdict = &settlement.verdict;
        let (due, vain) = match verdict {
            MailVerdict::RetryAt(due, _) => (Some(*due), 0),
            MailVerdict::InDoubt { verify_at, verifications, .. } => (Some(*verify_at), *verifications),
            MailVerdict::Sent(_) | MailVerdict::Failed(_) | MailVerdict::Held(_) | MailVerdict::Returned => (None, 0),
        };
        let doubtful = matches!(verdict, MailVerdict::InDoubt { .. });
        let sent = matches!(verdict, MailVerdict::Sent(_));
        let failure = verdict.failure();
        Self {
            activity: settlement.activity.0,
            r#box: fence.mailbox.0,
            epoch: fence.epoch,
            becomes: verdict.status().word(),
            due,
            sent: sent.then_some(*at),
            keeps_dot: doubtful || sent || matches!(verdict, MailVerdict::Held(_)),
            doubt: doubtful.then_some(*at),
            vain,
            code: failure.map(|failure| failure.code.name()),
            detail: failure.map(|failure| MailText(&failure.text).kept()),
            reply: settlement.reply.as_deref().map(|reply| MailText(reply).kept()),
        }
    }
}

/// How many were written.
async fn settle_rows(conn: &mut Conn, ends: &[&End]) -> Result<u64> {
    let moves = ends.iter().filter(|end| end.settlement.verdict != MailVerdict::Returned);
    let rows: Vec<Row<'_>> = moves.map(|end| Row::of(end)).collect();
    if rows.is_empty() {
        return Ok(0);
    }
    let statement = sqlx::query::<Db>(text(sql::SETTLE_MAILS)).bind(Json::records(&rows));
    Ok(statement.execute(conn).await?.rows_affected())
}

/// How many were given back.
async fn return_rows(conn: &mut Conn, ends: &[&End]) -> Result<u64> {
    #[derive(Serialize)]
    struct Back {
        activity: Uuid,
        r#box: Uuid,
        epoch: i64,
    }
    let moves = ends.iter().filter(|end| end.settlement.verdict == MailVerdict::Returned);
    let back =
        |end: &&End| Back { activity: end.settlement.activity.0, r#box: end.fence.mailbox.0, epoch: end.fence.epoch };
    let rows: Vec<Back> = moves.map(back).collect();
    if rows.is_empty() {
        return Ok(0);
    }
    let statement = sqlx::query::<Db>(text(sql::RETURN_MAILS)).bind(Json::records(&rows));
    Ok(statement.execute(conn).await?.rows_affected())
}

/// The alerts that follow from a verdict.
async fn tell(
    conn: &mut Conn,
    activity: ActivityId,
    (verdict, alerts): (&MailVerdict, Alerts),
    now: Timestamp,
) -> Result<()> {
    let alert = match verdict {
        MailVerdict::Returned => return Ok(()),
        MailVerdict::RetryAt(..) | MailVerdict::Sent(None) => None,
        MailVerdict::InDoubt { failure, .. } => Some(outbox::in_doubt(activity, &failure.text)),
        MailVerdict::Sent(Some(failure)) => Some((Severity::Warning, failure)).map(|it| of(activity, it)),
        MailVerdict::Failed(failure) | MailVerdict::Held(failure) => Some(of(activity, (Severity::Error, failure))),
    };
    if alerts == Alerts::Open {
        alerts::close_others(conn, activity.0, alert.as_ref().map(|alert| alert.code), now).await?;
    }
    match alert {
        None => Ok(()),
        Some(alert) => alerts::raise(conn, alert, now).await,
    }
}

/// What a consumer is told.
const fn event(verdict: &MailVerdict) -> Option<&'static str> {
    match verdict.status() {
        ActivityStatus::Sent => Some("activity.sent"),
        ActivityStatus::Failed => Some("activity.failed"),
        ActivityStatus::Held => Some("activity.held"),
        _ => None,
    }
}

fn of(activity: ActivityId, (severity, failure): (Severity, &Failure)) -> NewAlert {
    NewAlert {
        subject: AlertSubject::Activity(activity),
        severity,
        code: failure.code,
        text: failure.text.clone(),
        workload: None,
    }
}

/// Nothing was written. A mail stands where it was to go, under the very lease: the write was done
/// before, and only its answer was lost. Anything else is why the mail did not move.
async fn already(conn: &mut Conn, end: &End) -> Result<Result<()>> {
    let (fence, activity, to) = (end.fence, end.settlement.activity, end.settlement.verdict.status());
    match leases::fence(conn, fence).await {
        Err(StoreError::LeaseLost) => return Ok(Err(StoreError::LeaseLost)),
        fenced => fenced?,
    }
    let row: Option<(String, Option<i64>)> = sqlx::query_as::<Db, (String, Option<i64>)>(text(sql::SETTLED_UNDER))
        .bind(Id(activity.0))
        .bind(Id(fence.mailbox.0))
        .fetch_optional(conn)
        .await?;
    let Some((status, epoch)) = row else {
        return Ok(Err(StoreError::Conflict { what: format!("there is no activity {activity}") }));
    };
    let from = ActivityStatus::of(&status)?;
    let is_there = (from, epoch) == (to, Some(fence.epoch));
    Ok(if is_there { Ok(()) } else { Err(StoreError::IllegalMove { activity, from, to }) })
}
