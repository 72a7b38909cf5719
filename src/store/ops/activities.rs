//! Activities as people are shown them.

use std::{cmp::Reverse, sync::Arc};

use super::{
    Conn, Db, Result, text,
    views::{count, hex},
};
use crate::{
    model::{
        activity::{ActivityStatus, NewSource, SourceEncoding},
        ids::ActivityId,
        message::{Party, PartyRole, Sha256},
        outbox::RecipientState,
        timestamp::Timestamp,
    },
    store::{
        codec::{Hash, Id, Time},
        names::Named,
        rows::{narrow, uid},
        sql,
        views::{ActivityDetail, ActivityFilter, ActivityRow, AttachmentRow, Delivery, PartyRow, SeenIn},
    },
};

#[derive(sqlx::FromRow)]
struct ListRow {
    id: Id,
    direction: String,
    status: String,
    subject: String,
    sender: String,
    recipient: Option<String>,
    message_id: Option<String>,
    received_at: Option<Time>,
    created_at: Time,
    failure_code: Option<String>,
    email_address: String,
}

impl ListRow {
    fn row(self) -> Result<ActivityRow> {
        Ok(ActivityRow {
            id: ActivityId(self.id.0),
            direction: self.direction,
            status: ActivityStatus::of(&self.status)?,
            subject: self.subject,
            sender: self.sender,
            recipient: self.recipient,
            message_id: self.message_id,
            mailbox: self.email_address,
            received_at: self.received_at.map(|time| time.0),
            created_at: self.created_at.0,
            failure_code: self.failure_code,
        })
    }
}

/// See [`crate::store::Store::activities`]. Each direction has an index that gives its newest.
pub async fn activities(conn: &mut Conn, filter: &ActivityFilter) -> Result<Vec<ActivityRow>> {
    let mut rows = Vec::new();
    if filter.status.is_none_or(|status| status == ActivityStatus::Received) {
        rows = received(conn, filter).await?;
    }
    if filter.status != Some(ActivityStatus::Received) {
        rows.extend(sent(conn, filter).await?);
    }
    let mut rows: Vec<ActivityRow> = rows.into_iter().map(ListRow::row).collect::<Result<_>>()?;
    rows.sort_by_key(|row| Reverse((row.time(), row.id)));
    rows.truncate(usize::try_from(filter.limit).unwrap_or(usize::MAX));
    Ok(rows)
}

fn since(filter: &ActivityFilter) -> Time {
    Time(filter.since.unwrap_or(Timestamp::from_micros(i64::MIN)))
}

async fn received(conn: &mut Conn, filter: &ActivityFilter) -> Result<Vec<ListRow>> {
    let of = filter.mailbox.as_ref();
    let statement = if of.is_some() { sql::ACTIVITIES_OF } else { sql::ACTIVITIES };
    let mut query = sqlx::query_as::<Db, ListRow>(text(statement)).bind(since(filter)).bind(i64::from(filter.limit));
    if let Some(address) = of {
        query = query.bind(address);
    }
    Ok(query.fetch_all(conn).await?)
}

async fn sent(conn: &mut Conn, filter: &ActivityFilter) -> Result<Vec<ListRow>> {
    let statement = sqlx::query_as::<Db, ListRow>(text(sql::ACTIVITIES_OUT))
        .bind(since(filter))
        .bind(i64::from(filter.limit))
        .bind(filter.mailbox.as_deref())
        .bind(filter.status.map(Named::word));
    Ok(statement.fetch_all(conn).await?)
}

#[derive(sqlx::FromRow)]
struct DetailRow {
    #[sqlx(flatten)]
    list: ListRow,
    in_reply_to: Option<String>,
    message_references: String,
    sent_at: Option<Time>,
    body_text: Option<String>,
    body_html: Option<String>,
    notifications: String,
    source: Option<Hash>,
    source_size: Option<i64>,
    send_as: Option<String>,
    send_after: Option<Time>,
    answers: Option<Id>,
    idempotency_key: Option<String>,
    delivery_attempts: i64,
    postponed_until: Option<Time>,
    dot_at: Option<Time>,
    verifications: i64,
    failure_detail: Option<String>,
    server_reply: Option<String>,
}

/// See [`crate::store::Store::activity`].
pub async fn activity(conn: &mut Conn, id: ActivityId) -> Result<Option<ActivityDetail>> {
    let row: Option<DetailRow> =
        sqlx::query_as::<Db, DetailRow>(text(sql::ACTIVITY)).bind(Id(id.0)).fetch_optional(&mut *conn).await?;
    let Some(row) = row else { return Ok(None) };
    let delivery = Delivery {
        send_as: row.send_as,
        send_after: row.send_after.map(|time| time.0),
        answers: row.answers.map(|id| ActivityId(id.0)),
        idempotency_key: row.idempotency_key,
        attempts: narrow("delivery_attempts", row.delivery_attempts)?,
        postponed_until: row.postponed_until.map(|time| time.0),
        dot_at: row.dot_at.map(|time| time.0),
        verifications: narrow("verifications", row.verifications)?,
        failure_detail: row.failure_detail,
        server_reply: row.server_reply,
    };
    Ok(Some(ActivityDetail {
        delivery: (row.list.direction == "outgoing").then_some(delivery),
        row: row.list.row()?,
        in_reply_to: row.in_reply_to,
        references: row.message_references.lines().map(str::to_owned).collect(),
        sent_at: row.sent_at.map(|time| time.0),
        body_text: row.body_text,
        body_html: row.body_html,
        notifications: row.notifications,
        source_sha256: row.source.map(hex),
        source_size: row.source_size.map(count),
        parties: parties(conn, id).await?,
        attachments: attachments(conn, id).await?,
        seen_in: seen_in(conn, id).await?,
    }))
}

async fn parties(conn: &mut Conn, activity: ActivityId) -> Result<Vec<PartyRow>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        role: String,
        address: String,
        display_name: String,
        result: Option<String>,
        reply_code: Option<i64>,
        enhanced_code: Option<String>,
        reply_text: Option<String>,
    }
    let rows = sqlx::query_as::<Db, Row>(text(sql::PARTIES)).bind(Id(activity.0)).fetch_all(conn).await?;
    let party = |row: Row| {
        Ok(PartyRow {
            party: Party { role: PartyRole::of(&row.role)?, address: row.address, display_name: row.display_name },
            result: row.result.as_deref().map(RecipientState::of).transpose()?,
            reply_code: row.reply_code.map(|code| narrow("reply_code", code)).transpose()?,
            enhanced_code: row.enhanced_code,
            reply_text: row.reply_text,
        })
    };
    rows.into_iter().map(party).collect()
}

async fn attachments(conn: &mut Conn, activity: ActivityId) -> Result<Vec<AttachmentRow>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        position: i64,
        part: Option<i64>,
        file_name: String,
        content_type: String,
        content_id: Option<String>,
        size: Option<i64>,
        sha256: Option<Hash>,
        blocked: Option<String>,
    }
    let rows = sqlx::query_as::<Db, Row>(text(sql::ATTACHMENTS)).bind(Id(activity.0)).fetch_all(conn).await?;
    let attachment = |row: Row| {
        Ok(AttachmentRow {
            position: narrow("position", row.position)?,
            part: row.part.map(|part| narrow("part", part)).transpose()?,
            file_name: row.file_name,
            content_type: row.content_type,
            content_id: row.content_id,
            size: row.size.map(count),
            sha256: row.sha256.map(hex),
            blocked: row.blocked,
        })
    };
    rows.into_iter().map(attachment).collect()
}

async fn seen_in(conn: &mut Conn, activity: ActivityId) -> Result<Vec<SeenIn>> {
    type Row = (String, i64, i64, Time);
    let rows: Vec<Row> = sqlx::query_as::<Db, Row>(text(sql::SEEN_IN)).bind(Id(activity.0)).fetch_all(conn).await?;
    let seen = |(mailbox, uid_validity, number, judged_at): Row| {
        let uid_validity = narrow("uid_validity", uid_validity)?;
        Ok(SeenIn { mailbox, uid_validity, uid: uid(number)?, judged_at: judged_at.0 })
    };
    rows.into_iter().map(seen).collect()
}

/// See [`crate::store::Store::source`].
pub async fn source(conn: &mut Conn, activity: ActivityId) -> Result<Option<NewSource>> {
    type Row = (Hash, i64, String, Vec<u8>);
    let row: Option<Row> =
        sqlx::query_as::<Db, Row>(text(sql::SOURCE)).bind(Id(activity.0)).fetch_optional(conn).await?;
    row.map(|(sha256, size, encoding, bytes)| {
        let encoding = SourceEncoding::of(&encoding)?;
        Ok(NewSource { sha256: Sha256(sha256.0), size: count(size), encoding, bytes: Arc::new(bytes) })
    })
    .transpose()
}
