//! What people are shown.

use std::sync::Arc;

use super::{Conn, Db, Result, text};
use crate::{
    model::{
        activity::{ActivityStatus, NewSource, SourceEncoding},
        ids::{ActivityId, MailboxId},
        message::{Attachment, Party, PartyRole, Sha256},
        timestamp::Timestamp,
    },
    store::{
        codec::{Hash, Id, Time},
        error::StoreError,
        names::Named,
        rows::{HoldRow, failure_code, narrow, span, uid},
        sql,
        views::{
            ActivityDetail, ActivityFilter, ActivityRow, AttachmentRow, HeldProfile, LateMailbox, MailboxCounts,
            SeenIn, SetAsideRow, StatusView, TroubledMailbox,
        },
    },
};

/// A count out of a column.
fn count(number: i64) -> u64 {
    number.unsigned_abs()
}

/// See [`crate::store::Store::status`].
pub async fn status(conn: &mut Conn, backend: &'static str, schema: i64, now: Timestamp) -> Result<StatusView> {
    #[derive(sqlx::FromRow)]
    struct Counts {
        profiles: i64,
        activities: i64,
        set_aside: i64,
        last_recorded_at: Option<Time>,
    }
    let mut late = late(conn, now).await?;
    let mailboxes = MailboxCounts { late: late.len() as u64, ..mailbox_counts(conn, now).await? };
    late.truncate(StatusView::MOST_LATE);
    let counts = sqlx::query_as::<Db, Counts>(text(sql::STATUS_COUNTS)).fetch_one(&mut *conn).await?;
    Ok(StatusView {
        time: now,
        backend,
        schema_version: schema,
        mailboxes,
        profiles: count(counts.profiles),
        held_profiles: held(conn).await?,
        activities: count(counts.activities),
        last_recorded_at: counts.last_recorded_at.map(|time| time.0),
        set_aside: count(counts.set_aside),
        troubled: troubled(conn).await?,
        late,
    })
}

async fn mailbox_counts(conn: &mut Conn, now: Timestamp) -> Result<MailboxCounts> {
    #[derive(sqlx::FromRow)]
    struct Row {
        total: i64,
        active: i64,
        enabled: i64,
        disabled_by_failure: i64,
        failing: i64,
        postponed: i64,
        never_succeeded: i64,
        running: i64,
        oldest_success: Option<Time>,
    }
    let row = sqlx::query_as::<Db, Row>(text(sql::STATUS_MAILBOXES)).bind(Time(now)).fetch_one(conn).await?;
    Ok(MailboxCounts {
        total: count(row.total),
        active: count(row.active),
        enabled: count(row.enabled),
        disabled_by_failure: count(row.disabled_by_failure),
        failing: count(row.failing),
        postponed: count(row.postponed),
        never_succeeded: count(row.never_succeeded),
        running: count(row.running),
        late: 0,
        oldest_success: row.oldest_success.map(|time| time.0),
    })
}

async fn held(conn: &mut Conn) -> Result<Vec<HeldProfile>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        name: String,
        #[sqlx(flatten)]
        hold: HoldRow,
    }
    let rows = sqlx::query_as::<Db, Row>(text(sql::STATUS_HOLDS)).fetch_all(conn).await?;
    rows.into_iter().map(|row| Ok(HeldProfile { profile: row.name, hold: row.hold.hold()? })).collect()
}

async fn troubled(conn: &mut Conn) -> Result<Vec<TroubledMailbox>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        email_address: String,
        incoming_enabled: bool,
        incoming_failure_code: String,
        incoming_last_error: Option<String>,
        incoming_failing_since: Option<Time>,
        incoming_transient_failures: i64,
        incoming_postponed_until: Option<Time>,
    }
    let rows = sqlx::query_as::<Db, Row>(text(sql::STATUS_TROUBLE))
        .bind(i64::from(StatusView::MOST_TROUBLED))
        .fetch_all(conn)
        .await?;
    let mailbox = |row: Row| {
        Ok(TroubledMailbox {
            mailbox: row.email_address,
            enabled: row.incoming_enabled,
            failure_code: failure_code(&row.incoming_failure_code)?,
            last_error: row.incoming_last_error,
            failing_since: row.incoming_failing_since.map(|time| time.0),
            transient_failures: narrow("incoming_transient_failures", row.incoming_transient_failures)?,
            postponed_until: row.incoming_postponed_until.map(|time| time.0),
        })
    };
    rows.into_iter().map(mailbox).collect()
}

async fn late(conn: &mut Conn, now: Timestamp) -> Result<Vec<LateMailbox>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        email_address: String,
        since: Time,
        minimum_polling_interval: f64,
        failure_code: Option<String>,
        words: Option<String>,
    }
    let before = now.minus(StatusView::LATE_AFTER);
    let statement = sqlx::query_as::<Db, Row>(text(sql::STATUS_LATE)).bind(Time(now)).bind(Time(before));
    let mut late = Vec::new();
    for row in statement.fetch_all(conn).await? {
        let interval = span("minimum_polling_interval", row.minimum_polling_interval)?;
        if now.since(row.since.0) > interval.saturating_mul(StatusView::LATE_INTERVALS) {
            late.push(LateMailbox {
                mailbox: row.email_address,
                since: row.since.0,
                failure_code: row.failure_code.as_deref().map(failure_code).transpose()?,
                words: row.words,
            });
        }
    }
    Ok(late)
}

#[derive(sqlx::FromRow)]
struct ListRow {
    id: Id,
    direction: String,
    status: String,
    subject: String,
    sender: String,
    message_id: Option<String>,
    received_at: Time,
    created_at: Time,
    email_address: String,
}

impl ListRow {
    fn row(self) -> Result<ActivityRow> {
        let status = match self.status.as_str() {
            "received" => ActivityStatus::Received,
            other => return Err(StoreError::unreadable("status", other)),
        };
        Ok(ActivityRow {
            id: ActivityId(self.id.0),
            direction: self.direction,
            status,
            subject: self.subject,
            sender: self.sender,
            message_id: self.message_id,
            mailbox: self.email_address,
            received_at: self.received_at.0,
            created_at: self.created_at.0,
        })
    }
}

/// See [`crate::store::Store::activities`].
pub async fn activities(conn: &mut Conn, filter: &ActivityFilter) -> Result<Vec<ActivityRow>> {
    let since = Time(filter.since.unwrap_or(Timestamp::from_micros(i64::MIN)));
    let limit = i64::from(filter.limit);
    let rows: Vec<ListRow> = match &filter.mailbox {
        None => {
            let statement = sqlx::query_as::<Db, ListRow>(text(sql::ACTIVITIES));
            statement.bind(since).bind(limit).fetch_all(conn).await?
        }
        Some(address) => {
            let statement = sqlx::query_as::<Db, ListRow>(text(sql::ACTIVITIES_OF));
            statement.bind(since).bind(limit).bind(address).fetch_all(conn).await?
        }
    };
    rows.into_iter().map(ListRow::row).collect()
}

/// See [`crate::store::Store::activity`].
pub async fn activity(conn: &mut Conn, id: ActivityId) -> Result<Option<ActivityDetail>> {
    #[derive(sqlx::FromRow)]
    struct Row {
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
    }
    let row: Option<Row> =
        sqlx::query_as::<Db, Row>(text(sql::ACTIVITY)).bind(Id(id.0)).fetch_optional(&mut *conn).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(ActivityDetail {
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

fn hex(hash: Hash) -> String {
    Sha256(hash.0).to_string()
}

async fn parties(conn: &mut Conn, activity: ActivityId) -> Result<Vec<Party>> {
    type Row = (String, String, String);
    let rows: Vec<Row> = sqlx::query_as::<Db, Row>(text(sql::PARTIES)).bind(Id(activity.0)).fetch_all(conn).await?;
    let party = |(role, address, display_name): Row| Ok(Party { role: PartyRole::of(&role)?, address, display_name });
    rows.into_iter().map(party).collect()
}

async fn attachments(conn: &mut Conn, activity: ActivityId) -> Result<Vec<AttachmentRow>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        position: i64,
        part: i64,
        file_name: String,
        content_type: String,
        content_id: Option<String>,
        size: i64,
        sha256: Hash,
        blocked: Option<String>,
    }
    let rows = sqlx::query_as::<Db, Row>(text(sql::ATTACHMENTS)).bind(Id(activity.0)).fetch_all(conn).await?;
    let attachment = |row: Row| {
        Ok(AttachmentRow {
            position: narrow("position", row.position)?,
            attachment: Attachment {
                part: narrow("part", row.part)?,
                file_name: row.file_name,
                content_type: row.content_type,
                content_id: row.content_id,
                size: count(row.size),
                sha256: Sha256(row.sha256.0),
            },
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

/// See [`crate::store::Store::set_aside`].
pub async fn set_aside(conn: &mut Conn, mailbox: Option<MailboxId>) -> Result<Vec<SetAsideRow>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        email_address: String,
        mailbox: Id,
        uid_validity: i64,
        uid: i64,
        internal_date: Option<Time>,
        size: i64,
        message_id: Option<String>,
        failure_code: String,
        failure_detail: String,
        source: Option<Hash>,
        judged_at: Time,
    }
    let rows: Vec<Row> = match mailbox {
        None => sqlx::query_as::<Db, Row>(text(sql::SET_ASIDE)).fetch_all(conn).await?,
        Some(id) => sqlx::query_as::<Db, Row>(text(sql::SET_ASIDE_OF)).bind(Id(id.0)).fetch_all(conn).await?,
    };
    let message = |row: Row| {
        Ok(SetAsideRow {
            mailbox: row.email_address,
            mailbox_id: MailboxId(row.mailbox.0),
            uid_validity: narrow("uid_validity", row.uid_validity)?,
            uid: uid(row.uid)?,
            internal_date: row.internal_date.map(|time| time.0),
            size: count(row.size),
            message_id: row.message_id,
            failure_code: failure_code(&row.failure_code)?,
            failure_detail: row.failure_detail,
            source_sha256: row.source.map(hex),
            judged_at: row.judged_at.0,
        })
    };
    rows.into_iter().map(message).collect()
}
