//! The outbox, as the holder of a mailbox's lease for sending works on it.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use uuid::Uuid;

use super::{Conn, Db, Result, alerts, leases, stuck, tables, text};
use crate::{
    model::{
        activity::{ActivityStatus, Fence, NewSource, SourceEncoding},
        alert::{AlertSubject, NewAlert, Severity},
        failure::{Failure, FailureCode, Persistence, Scope},
        ids::{ActivityId, MailboxId},
        message::{Party, PartyRole, Sha256},
        outbox::{
            ClaimedMails, Composed, DoubtfulMail, Draft, FIRST_VERIFICATION, OutboxAttachment, OutboxContent,
            OutboxMail, OutboxParty, RecipientState, Recovered,
        },
        timestamp::Timestamp,
    },
    store::{
        batch::Source,
        codec::{Hash, Id, Ids, Json, Time},
        error::StoreError,
        names::Named,
        rows::narrow,
        sql,
    },
};

/// As a parameter.
pub fn ids<'i>(activities: impl IntoIterator<Item = &'i ActivityId>) -> Ids {
    Ids(activities.into_iter().map(|id| Id(id.0)).collect())
}

const CUT_OFF: &str = "the program ended after its last line may have been sent and before the server's answer";

/// See [`crate::store::Store::recover_outbox`].
pub async fn recover_outbox(conn: &mut Conn, fence: Fence, now: Timestamp) -> Result<Recovered> {
    type Row = (Id, Option<Time>, Option<Time>);
    leases::fence(conn, fence).await?;
    let statement = sqlx::query_as::<Db, Row>(text(sql::LEFT_BEHIND)).bind(Id(fence.mailbox.0)).bind(fence.epoch);
    let mut recovered = Recovered::default();
    for (id, dot_at, due) in statement.fetch_all(&mut *conn).await? {
        let Some(dot_at) = dot_at else {
            sqlx::query::<Db>(text(sql::RECOVER_PENDING)).bind(id).execute(&mut *conn).await?;
            recovered.pending += 1;
            continue;
        };
        let alert = due.is_none().then(|| in_doubt(ActivityId(id.0), CUT_OFF));
        sqlx::query::<Db>(text(sql::RECOVER_DOUBTFUL))
            .bind(id)
            .bind(fence.epoch)
            .bind(due.unwrap_or(Time(dot_at.0.plus(FIRST_VERIFICATION))))
            .bind(alert.as_ref().map(|alert| alert.code.name()))
            .bind(alert.as_ref().map(|alert| alert.text.clone()))
            .execute(&mut *conn)
            .await?;
        if let Some(alert) = alert {
            recovered.doubtful += 1;
            alerts::raise(conn, alert, now).await?;
        }
    }
    Ok(recovered)
}

/// That nobody knows yet whether a mail was taken.
pub fn in_doubt(activity: ActivityId, text: &str) -> NewAlert {
    NewAlert {
        subject: AlertSubject::Activity(activity),
        severity: Severity::Warning,
        code: FailureCode::DeliveryInDoubt,
        text: text.to_owned(),
        workload: None,
    }
}

/// What may be claimed, oldest first.
pub async fn claimable(
    conn: &mut Conn,
    mailbox: MailboxId,
    now: Timestamp,
    (limit, max_bytes): (u32, u64),
) -> Result<Ids> {
    let due: Vec<(Id, i64)> = sqlx::query_as::<Db, (Id, i64)>(text(sql::CLAIMABLE))
        .bind(Id(mailbox.0))
        .bind(Time(now))
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?;
    let mut bytes = 0u64;
    // At least one, however large.
    let fits = |(place, (_, weight)): &(usize, (Id, i64))| {
        bytes = bytes.saturating_add(weight.unsigned_abs());
        *place == 0 || bytes <= max_bytes
    };
    Ok(Ids(due.into_iter().enumerate().take_while(fits).map(|(_, (id, _))| id).collect()))
}

/// See [`crate::store::Store::claim_mails`].
pub async fn claim_mails(
    conn: &mut Conn,
    fence: Fence,
    now: Timestamp,
    limit: u32,
    max_bytes: u64,
) -> Result<ClaimedMails> {
    leases::fence(conn, fence).await?;
    let wanted = claimable(conn, fence.mailbox, now, (limit, max_bytes)).await?;
    if wanted.0.is_empty() {
        return Ok(ClaimedMails::default());
    }
    let claimed: Vec<Id> = sqlx::query_scalar::<Db, Id>(text(sql::CLAIM_MAILS))
        .bind(&wanted)
        .bind(fence.epoch)
        .bind(Time(now))
        .bind(Id(fence.mailbox.0))
        .fetch_all(&mut *conn)
        .await?;
    match read(conn, Ids(claimed.clone()), now).await {
        Err(StoreError::Corrupt { .. }) => read_each(conn, claimed, now).await,
        mails => Ok(ClaimedMails { mails: mails?, unreadable: Vec::new() }),
    }
}

/// One mail that cannot be read must not keep the others of its mailbox: it is given up.
async fn read_each(conn: &mut Conn, claimed: Vec<Id>, now: Timestamp) -> Result<ClaimedMails> {
    let mut all = ClaimedMails::default();
    for id in claimed {
        match read(conn, Ids(vec![id]), now).await {
            Ok(mail) => all.mails.extend(mail),
            Err(StoreError::Corrupt { what }) => {
                let (activity, status, code) = (ActivityId(id.0), ActivityStatus::Failed, FailureCode::MailInvalid);
                sqlx::query::<Db>(text(sql::RETURN_UNREADABLE)).bind(id).execute(&mut *conn).await?;
                let text = format!("it cannot be read: {what}");
                stuck::write(conn, activity, status, (code, &text), now).await?;
                all.unreadable.push((activity, Failure::new(code, Scope::Message, Persistence::Permanent, &text)));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

#[derive(sqlx::FromRow)]
struct MailRow {
    id: Id,
    delivery_attempts: i64,
    queued_at: Option<Time>,
    sender: String,
    subject: String,
    body_text: Option<String>,
    body_html: Option<String>,
    message_id: Option<String>,
    in_reply_to: Option<String>,
    message_references: String,
    answered_id: Option<String>,
    answered_references: Option<String>,
    source: Option<Hash>,
    size: Option<i64>,
    encoding: Option<String>,
    bytes: Option<Vec<u8>>,
}

impl MailRow {
    fn content(&mut self, attachments: Vec<OutboxAttachment>) -> Result<OutboxContent> {
        let kept = (self.message_id.take(), self.source, self.size, self.encoding.take(), self.bytes.take());
        if let (Some(message_id), Some(sha256), Some(size), Some(encoding), Some(bytes)) = kept {
            let encoding = SourceEncoding::of(&encoding)?;
            let source =
                NewSource { sha256: Sha256(sha256.0), size: size.unsigned_abs(), encoding, bytes: Arc::new(bytes) };
            return Ok(OutboxContent::Composed(Composed { activity: ActivityId(self.id.0), message_id, source }));
        }
        let mut references: Vec<String> = self.message_references.lines().map(str::to_owned).collect();
        if references.is_empty() {
            references.extend(self.answered_references.iter().flat_map(|all| all.lines()).map(str::to_owned));
            references.extend(self.answered_id.clone());
        }
        Ok(OutboxContent::Draft(Box::new(Draft {
            sender: self.sender.clone(),
            subject: std::mem::take(&mut self.subject),
            text: self.body_text.take(),
            html: self.body_html.take(),
            in_reply_to: self.in_reply_to.take().or_else(|| self.answered_id.take()),
            references,
            attachments,
        })))
    }
}

/// Mails with all that belongs to them, oldest first.
pub async fn read(conn: &mut Conn, claimed: Ids, now: Timestamp) -> Result<Vec<OutboxMail>> {
    let rows = sqlx::query_as::<Db, MailRow>(text(sql::CLAIMED_MAILS)).bind(&claimed).fetch_all(&mut *conn).await?;
    complete(conn, rows, now).await
}

/// Those of some mails that may be claimed still, with all that belongs to them; keeps their rows from
/// other writers until the end.
pub async fn still_due(conn: &mut Conn, mailbox: MailboxId, wanted: &Ids, now: Timestamp) -> Result<Vec<OutboxMail>> {
    let rows = sqlx::query_as::<Db, MailRow>(text(sql::STILL_DUE))
        .bind(wanted)
        .bind(Id(mailbox.0))
        .bind(Time(now))
        .fetch_all(&mut *conn)
        .await?;
    complete(conn, rows, now).await
}

async fn complete(conn: &mut Conn, rows: Vec<MailRow>, now: Timestamp) -> Result<Vec<OutboxMail>> {
    let mails = Ids(rows.iter().map(|row| row.id).collect());
    let mut parties = parties(conn, &mails).await?;
    let drafts: Vec<Id> = rows.iter().filter(|row| row.source.is_none()).map(|row| row.id).collect();
    let mut attachments = if drafts.is_empty() { BTreeMap::new() } else { contents(conn, &Ids(drafts)).await? };
    let mail = |mut row: MailRow| {
        Ok(OutboxMail {
            activity: ActivityId(row.id.0),
            attempts: narrow("delivery_attempts", row.delivery_attempts)?,
            queued_at: row.queued_at.map_or(now, |at| at.0),
            parties: parties.remove(&row.id).unwrap_or_default(),
            content: row.content(attachments.remove(&row.id).unwrap_or_default())?,
            sender: row.sender,
        })
    };
    rows.into_iter().map(mail).collect()
}

async fn parties(conn: &mut Conn, activities: &Ids) -> Result<BTreeMap<Id, Vec<OutboxParty>>> {
    type Row = (Id, i64, String, String, String, Option<String>);
    let rows = sqlx::query_as::<Db, Row>(text(sql::PARTIES_OF)).bind(activities).fetch_all(conn).await?;
    let mut of: BTreeMap<Id, Vec<OutboxParty>> = BTreeMap::new();
    for (activity, position, role, address, display_name, result) in rows {
        of.entry(activity).or_default().push(OutboxParty {
            position: narrow("position", position)?,
            party: Party { role: PartyRole::of(&role)?, address, display_name },
            result: result.as_deref().map(RecipientState::of).transpose()?,
        });
    }
    Ok(of)
}

async fn contents(conn: &mut Conn, activities: &Ids) -> Result<BTreeMap<Id, Vec<OutboxAttachment>>> {
    type Row = (Id, String, String, Option<String>, Vec<u8>);
    let rows = sqlx::query_as::<Db, Row>(text(sql::CONTENTS_OF)).bind(activities).fetch_all(conn).await?;
    let mut of: BTreeMap<Id, Vec<OutboxAttachment>> = BTreeMap::new();
    for (activity, file_name, content_type, content_id, content) in rows {
        of.entry(activity).or_default().push(OutboxAttachment { file_name, content_type, content_id, content });
    }
    Ok(of)
}

/// See [`crate::store::Store::put_composed`].
pub async fn put_composed(conn: &mut Conn, fence: Fence, mails: Vec<Composed>) -> Result<()> {
    #[derive(Serialize)]
    struct Row {
        activity: Uuid,
        name: String,
        sha256: String,
    }
    leases::fence(conn, fence).await?;
    // Each hash once, in order, as two transactions that keep the same bytes must not deadlock.
    let sources: BTreeMap<Sha256, Source> =
        mails.iter().map(|mail| (mail.source.sha256, Source::of(&mail.source))).collect();
    tables::insert_sources(conn, sources).await?;
    let row = |mail: &Composed| Row {
        activity: mail.activity.0,
        name: mail.message_id.clone(),
        sha256: mail.source.sha256.to_string(),
    };
    let rows: Vec<Row> = mails.iter().map(row).collect();
    let set: Vec<Id> = sqlx::query_scalar::<Db, Id>(text(sql::SET_COMPOSED))
        .bind(Json::records(&rows))
        .bind(Id(fence.mailbox.0))
        .bind(fence.epoch)
        .fetch_all(&mut *conn)
        .await?;
    if let Some(other) = mails.iter().find(|mail| !set.contains(&Id(mail.activity.0))) {
        let what = format!("activity {} is not being sent, or has other bytes already", other.activity);
        return Err(StoreError::Conflict { what });
    }
    let activities = ids(mails.iter().map(|mail| &mail.activity));
    sqlx::query::<Db>(text(sql::CLEAR_CONTENTS)).bind(&activities).execute(conn).await?;
    Ok(())
}

/// See [`crate::store::Store::sent_since`].
pub async fn sent_since(
    conn: &mut Conn,
    mailbox: MailboxId,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<(ActivityId, String)>> {
    marks(conn, text(sql::SENT_SINCE), (mailbox, since, limit)).await
}

/// Identifiers and Message-IDs that a statement finds.
async fn marks(
    conn: &mut Conn,
    statement: &'static str,
    (mailbox, since, limit): (MailboxId, Timestamp, u32),
) -> Result<Vec<(ActivityId, String)>> {
    let rows = sqlx::query_as::<Db, (Id, String)>(statement)
        .bind(Id(mailbox.0))
        .bind(Time(since))
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(|(id, message_id)| (ActivityId(id.0), message_id)).collect())
}

/// See [`crate::store::Store::unfiled_mails`].
pub async fn unfiled_mails(
    conn: &mut Conn,
    mailbox: MailboxId,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<(ActivityId, String)>> {
    marks(conn, text(sql::UNFILED), (mailbox, since, limit)).await
}

/// See [`crate::store::Store::copy_filed`].
pub async fn copy_filed(conn: &mut Conn, fence: Fence, activity: ActivityId, now: Timestamp) -> Result<()> {
    let done = sqlx::query::<Db>(text(sql::COPY_FILED))
        .bind(Id(activity.0))
        .bind(Id(fence.mailbox.0))
        .bind(fence.epoch)
        .bind(Time(now))
        .execute(conn)
        .await?;
    if done.rows_affected() == 0 { Err(StoreError::LeaseLost) } else { Ok(()) }
}

/// Where a mail stands; keeps its row from other writers until the end.
pub async fn status(conn: &mut Conn, activity: ActivityId) -> Result<Option<ActivityStatus>> {
    let row: Option<String> =
        sqlx::query_scalar::<Db, String>(text(sql::STATUS_OF)).bind(Id(activity.0)).fetch_optional(conn).await?;
    row.as_deref().map(ActivityStatus::of).transpose()
}

/// See [`crate::store::Store::doubtful_mails`].
pub async fn doubtful_mails(conn: &mut Conn, fence: Fence, now: Timestamp) -> Result<Vec<DoubtfulMail>> {
    type Row = (Id, Option<String>, i64, Option<Time>, Time, i64);
    let rows: Vec<Row> = sqlx::query_as::<Db, Row>(text(sql::DOUBTFUL))
        .bind(Id(fence.mailbox.0))
        .bind(fence.epoch)
        .bind(Time(now))
        .fetch_all(&mut *conn)
        .await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let of: Vec<ActivityId> = rows.iter().map(|row| ActivityId(row.0.0)).collect();
    let mut parties = parties(conn, &ids(&of)).await?;
    let mail = |(id, message_id, attempts, queued_at, dot_at, verifications): Row| {
        Ok(DoubtfulMail {
            activity: ActivityId(id.0),
            message_id: message_id.unwrap_or_default(),
            attempts: narrow("delivery_attempts", attempts)?,
            queued_at: queued_at.unwrap_or(dot_at).0,
            dot_at: dot_at.0,
            verifications: narrow("verifications", verifications)?,
            parties: parties.remove(&id).unwrap_or_default(),
        })
    };
    rows.into_iter().map(mail).collect()
}
