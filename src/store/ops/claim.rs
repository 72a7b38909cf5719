//! Mails that are composed before they are claimed: one write makes them `sending` with their bytes.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use uuid::Uuid;

use super::{Conn, Db, Result, commit, leases, outbox, text};
use crate::{
    model::{
        activity::Fence,
        ids::{ActivityId, MailboxId},
        message::Sha256,
        outbox::{Composed, OutboxMail},
        timestamp::Timestamp,
    },
    store::{
        batch::Source,
        codec::{Id, Ids, Json, Time},
        sql,
    },
};

/// See [`crate::store::Store::due_mails`].
pub async fn due_mails(
    conn: &mut Conn,
    mailbox: MailboxId,
    now: Timestamp,
    (limit, max_bytes): (u32, u64),
) -> Result<Vec<OutboxMail>> {
    let due = outbox::claimable(conn, mailbox, now, (limit, max_bytes)).await?;
    as_claimed(conn, due, now).await
}

/// How mails that are pending will look once they are claimed.
async fn as_claimed(conn: &mut Conn, pending: Ids, now: Timestamp) -> Result<Vec<OutboxMail>> {
    if pending.0.is_empty() {
        return Ok(Vec::new());
    }
    let mut mails = outbox::read(conn, pending, now).await?;
    for mail in &mut mails {
        mail.attempts += 1;
    }
    Ok(mails)
}

/// See [`crate::store::Store::claim_composed`].
pub async fn claim_composed(
    conn: &mut Conn,
    fence: Fence,
    now: Timestamp,
    due: Arc<[OutboxMail]>,
    composed: Vec<Composed>,
) -> Result<Vec<ActivityId>> {
    leases::fence(conn, fence).await?;
    let wanted = outbox::ids(due.iter().map(|mail| &mail.activity));
    let still: Vec<Id> = sqlx::query_scalar::<Db, Id>(text(sql::STILL_DUE))
        .bind(&wanted)
        .bind(Id(fence.mailbox.0))
        .bind(Time(now))
        .fetch_all(&mut *conn)
        .await?;
    // Whoever wrote a mail may have changed it while it was composed.
    let found = as_claimed(conn, Ids(still), now).await?;
    let same = |mail: &OutboxMail| due.iter().any(|due| is_same(due, mail));
    let same: Vec<ActivityId> = found.iter().filter(|mail| same(mail)).map(|mail| mail.activity).collect();
    let composed: BTreeMap<ActivityId, Composed> =
        composed.into_iter().filter(|it| same.contains(&it.activity)).map(|it| (it.activity, it)).collect();
    take(conn, fence, now, (same, composed)).await
}

/// Whether it is the same mail, whenever its expiry began to count.
fn is_same(due: &OutboxMail, found: &OutboxMail) -> bool {
    due.activity == found.activity
        && due.attempts == found.attempts
        && due.sender == found.sender
        && due.parties == found.parties
        && due.content == found.content
}

async fn take(
    conn: &mut Conn,
    fence: Fence,
    now: Timestamp,
    (mails, composed): (Vec<ActivityId>, BTreeMap<ActivityId, Composed>),
) -> Result<Vec<ActivityId>> {
    #[derive(Serialize)]
    struct Row<'c> {
        activity: Uuid,
        name: Option<&'c str>,
        sha256: Option<String>,
    }
    if mails.is_empty() {
        return Ok(Vec::new());
    }
    // Each hash once, in order, as two transactions that keep the same bytes must not deadlock.
    let sources: BTreeMap<Sha256, Source> =
        composed.values().map(|mail| (mail.source.sha256, Source::of(&mail.source))).collect();
    commit::insert_sources(conn, sources).await?;
    let row = |activity: &ActivityId| {
        let made = composed.get(activity);
        Row {
            activity: activity.0,
            name: made.map(|made| made.message_id.as_str()),
            sha256: made.map(|made| made.source.sha256.to_string()),
        }
    };
    let rows: Vec<Row<'_>> = mails.iter().map(row).collect();
    let claimed: Vec<Id> = sqlx::query_scalar::<Db, Id>(text(sql::CLAIM_COMPOSED))
        .bind(Json::records(&rows))
        .bind(fence.epoch)
        .bind(Time(now))
        .bind(Id(fence.mailbox.0))
        .fetch_all(&mut *conn)
        .await?;
    let claimed: Vec<ActivityId> = claimed.into_iter().map(|id| ActivityId(id.0)).collect();
    let kept = outbox::ids(claimed.iter().filter(|activity| composed.contains_key(activity)));
    sqlx::query::<Db>(text(sql::CLEAR_CONTENTS)).bind(&kept).execute(conn).await?;
    Ok(claimed)
}
