//! Mails that are composed before they are claimed: one write makes them `sending` with their bytes.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use uuid::Uuid;

use super::{Conn, Db, Result, leases, outbox, tables, text};
use crate::{
    model::{
        activity::Fence,
        ids::{ActivityId, MailboxId},
        message::Sha256,
        outbox::{Composed, OutboxContent, OutboxMail},
        timestamp::Timestamp,
    },
    store::{
        batch::Source,
        codec::{Id, Json, Time},
        error::StoreError,
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
    if due.0.is_empty() {
        return Ok(Vec::new());
    }
    Ok(as_claimed(outbox::read(conn, due, now).await?))
}

/// How mails that are pending will look once they are claimed.
fn as_claimed(mut pending: Vec<OutboxMail>) -> Vec<OutboxMail> {
    for mail in &mut pending {
        mail.attempts += 1;
    }
    pending
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
    // Whoever wrote a mail may have changed it while it was composed.
    let found = as_claimed(outbox::still_due(conn, fence.mailbox, &wanted, now).await?);
    let same = |mail: &OutboxMail| due.iter().any(|due| is_same(due, mail));
    let found: Vec<OutboxMail> = found.into_iter().filter(same).collect();
    let same: Vec<ActivityId> = found.iter().map(|mail| mail.activity).collect();
    let composed: BTreeMap<ActivityId, Composed> =
        composed.into_iter().filter(|it| same.contains(&it.activity)).map(|it| (it.activity, it)).collect();
    let filed = found.iter().filter(|mail| has_files(mail)).map(|mail| mail.activity);
    let filed: Vec<ActivityId> = filed.filter(|activity| composed.contains_key(activity)).collect();
    take(conn, fence, now, (&same, composed)).await?;
    if !filed.is_empty() {
        sqlx::query::<Db>(text(sql::CLEAR_CONTENTS)).bind(outbox::ids(&filed)).execute(conn).await?;
    }
    Ok(same)
}

/// Whether files lie beside it that will live on in its bytes.
fn has_files(mail: &OutboxMail) -> bool {
    matches!(&mail.content, OutboxContent::Draft(draft) if !draft.attachments.is_empty())
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
    (mails, composed): (&[ActivityId], BTreeMap<ActivityId, Composed>),
) -> Result<()> {
    #[derive(Serialize)]
    struct Row<'c> {
        activity: Uuid,
        name: Option<&'c str>,
        sha256: Option<String>,
    }
    if mails.is_empty() {
        return Ok(());
    }
    // Each hash once, in order, as two transactions that keep the same bytes must not deadlock.
    let sources: BTreeMap<Sha256, Source> =
        composed.values().map(|mail| (mail.source.sha256, Source::of(&mail.source))).collect();
    tables::insert_sources(conn, sources).await?;
    let row = |activity: &ActivityId| {
        let made = composed.get(activity);
        Row {
            activity: activity.0,
            name: made.map(|made| made.message_id.as_str()),
            sha256: made.map(|made| made.source.sha256.to_string()),
        }
    };
    let rows: Vec<Row<'_>> = mails.iter().map(row).collect();
    // A number is less to hand over than every one of them.
    let claimed = sqlx::query::<Db>(text(sql::CLAIM_COMPOSED))
        .bind(Json::records(&rows))
        .bind(fence.epoch)
        .bind(Time(now))
        .bind(Id(fence.mailbox.0))
        .execute(conn)
        .await?;
    if claimed.rows_affected() != mails.len() as u64 {
        return Err(StoreError::Conflict { what: "a mail that was just due is not".to_owned() });
    }
    Ok(())
}
