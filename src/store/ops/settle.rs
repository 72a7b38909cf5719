//! What became of a mail, as the holder of the lease for sending writes it.

use std::{borrow::Cow, collections::BTreeSet};

use serde::Serialize;
use uuid::Uuid;

use super::{Conn, Db, Result, alerts, leases, outbox, text};
use crate::{
    model::{
        activity::ActivityStatus,
        alert::{AlertSubject, NewAlert, Severity},
        failure::{Failure, FailureCode},
        ids::ActivityId,
        outbox::{MailSettlement, MailVerdict},
        timestamp::Timestamp,
    },
    store::{
        codec::{Id, Json, MailText},
        error::StoreError,
        mails::End,
        names::Named,
        script::Script,
        sql,
    },
};

/// Moves all mails. What is to be said of that, once each has moved, is given.
pub fn settle_mails(script: &mut Script, ends: &[&End]) -> Script {
    let (back, moved): (Vec<&End>, Vec<&End>) =
        ends.iter().partition(|end| end.settlement.verdict == MailVerdict::Returned);
    let mut news = Script::default();
    let rows: Vec<Row<'_>> = moved.iter().map(|end| Row::of(end)).collect();
    if !rows.is_empty() {
        let rows = Json::records(&rows);
        script.add(rows.clone(), &[sql::SETTLE_MAILS]);
        news.add(rows, &[sql::TELL_ENDS, sql::TOLD_OF]);
    }
    let rows: Vec<Back> = back.iter().map(|end| Back::of(end)).collect();
    if !rows.is_empty() {
        script.add(Json::records(&rows), &[sql::RETURN_MAILS]);
    }
    news
}

/// The alerts that follow; `told` are the mails about which some are open.
pub async fn tell_all(conn: &mut Conn, ends: &[&End], told: &BTreeSet<Id>) -> Result<()> {
    for End { settlement: MailSettlement { activity, verdict, .. }, at, .. } in ends {
        let alerts = if told.contains(&Id(activity.0)) { Alerts::Open } else { Alerts::None };
        tell(conn, *activity, (verdict, alerts), *at).await?;
    }
    Ok(())
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
    moment: Timestamp,
    event: Option<&'static str>,
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
            moment: *at,
            event: event(verdict),
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

#[derive(Serialize)]
struct Back {
    activity: Uuid,
    r#box: Uuid,
    epoch: i64,
}

impl Back {
    fn of(End { fence, settlement, .. }: &End) -> Self {
        Self { activity: settlement.activity.0, r#box: fence.mailbox.0, epoch: fence.epoch }
    }
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
        // Sent again though it may have been taken: somebody should know, until it is over.
        MailVerdict::RetryAt(_, failure) if failure.code == FailureCode::DeliveryInDoubt => {
            Some(outbox::in_doubt(activity, &failure.text))
        }
        MailVerdict::RetryAt(..) => None,
        MailVerdict::InDoubt { failure, .. } => Some(outbox::in_doubt(activity, &failure.text)),
        MailVerdict::Sent(_) | MailVerdict::Failed(_) | MailVerdict::Held(_) => {
            verdict.severity().zip(verdict.failure()).map(|it| of(activity, it))
        }
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
pub async fn already(conn: &mut Conn, end: &End) -> Result<Result<()>> {
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
