//! What became of a mail, as the holder of the lease for sending writes it.

use super::{Conn, Db, Result, alerts, commit, leases, outbox, text};
use crate::{
    model::{
        activity::{ActivityStatus, Fence},
        alert::{AlertSubject, NewAlert, Severity},
        failure::Failure,
        ids::ActivityId,
        outbox::{MailSettlement, MailVerdict},
        timestamp::Timestamp,
    },
    store::{
        codec::{Id, MailText, Time},
        error::StoreError,
        names::Named,
        sql,
    },
};

/// See [`crate::store::Store::settle_mail`].
pub async fn settle_mail(conn: &mut Conn, fence: Fence, settlement: MailSettlement, now: Timestamp) -> Result<()> {
    let MailSettlement { activity, verdict, recipients, reply } = settlement;
    let Some(alerts) = settle_row(conn, fence, activity, &verdict, reply, now).await? else {
        leases::fence(conn, fence).await?;
        return already(conn, fence, activity, verdict.status()).await;
    };
    outbox::set_results(conn, activity, recipients).await?;
    tell(conn, fence, activity, (&verdict, alerts), now).await
}

/// Whether alerts are open about a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alerts {
    None,
    Open,
}

/// `None` where nothing was written.
async fn settle_row(
    conn: &mut Conn,
    fence: Fence,
    activity: ActivityId,
    verdict: &MailVerdict,
    reply: Option<String>,
    now: Timestamp,
) -> Result<Option<Alerts>> {
    if *verdict == MailVerdict::Returned {
        let row = sqlx::query::<Db>(text(sql::RETURN_MAIL));
        let row = row.bind(Id(activity.0)).bind(Id(fence.mailbox.0)).bind(fence.epoch);
        return Ok((row.execute(conn).await?.rows_affected() > 0).then_some(Alerts::None));
    }
    let (due, verifications) = match verdict {
        MailVerdict::RetryAt(due, _) => (Some(*due), 0),
        MailVerdict::InDoubt { verify_at, verifications, .. } => (Some(*verify_at), *verifications),
        MailVerdict::Sent(_) | MailVerdict::Failed(_) | MailVerdict::Held(_) | MailVerdict::Returned => (None, 0),
    };
    let doubtful = matches!(verdict, MailVerdict::InDoubt { .. });
    let keeps_dot = doubtful || matches!(verdict, MailVerdict::Sent(_) | MailVerdict::Held(_));
    let sent = matches!(verdict, MailVerdict::Sent(_));
    let failure = verdict.failure();
    let open: Option<bool> = sqlx::query_scalar::<Db, bool>(text(sql::SETTLE_MAIL))
        .bind(Id(activity.0))
        .bind(Id(fence.mailbox.0))
        .bind(fence.epoch)
        .bind(verdict.status().word())
        .bind(due.map(Time))
        .bind(sent.then_some(Time(now)))
        .bind(keeps_dot)
        .bind(doubtful.then_some(Time(now)))
        .bind(i64::from(verifications))
        .bind(failure.map(|failure| failure.code.name()))
        .bind(failure.map(|failure| MailText(&failure.text)))
        .bind(reply.as_deref().map(MailText))
        .fetch_optional(conn)
        .await?;
    Ok(open.map(|open| if open { Alerts::Open } else { Alerts::None }))
}

/// Alerts and the event that follow from a verdict.
async fn tell(
    conn: &mut Conn,
    fence: Fence,
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
    if let Some(alert) = alert {
        alerts::raise(conn, alert, now).await?;
    }
    let event = match verdict.status() {
        ActivityStatus::Sent => "activity.sent",
        ActivityStatus::Failed => "activity.failed",
        ActivityStatus::Held => "activity.held",
        _ => return Ok(()),
    };
    commit::insert_events(conn, event, vec![activity], fence.mailbox, now).await
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

/// A mail stands where it was to go, under the very lease: the write was done before, and only its
/// answer was lost. Anything else is why the mail did not move, as the lease is not lost.
async fn already(conn: &mut Conn, fence: Fence, activity: ActivityId, to: ActivityStatus) -> Result<()> {
    let row: Option<(String, Option<i64>)> = sqlx::query_as::<Db, (String, Option<i64>)>(text(sql::SETTLED_UNDER))
        .bind(Id(activity.0))
        .bind(Id(fence.mailbox.0))
        .fetch_optional(conn)
        .await?;
    let Some((status, epoch)) = row else {
        return Err(StoreError::Conflict { what: format!("there is no activity {activity}") });
    };
    let from = ActivityStatus::of(&status)?;
    if (from, epoch) == (to, Some(fence.epoch)) { Ok(()) } else { Err(StoreError::IllegalMove { activity, from, to }) }
}
