//! What people are shown.

use std::time::Duration;

use super::{Conn, Db, Result, text};
use crate::{
    model::{ids::MailboxId, mailbox::Workload, message::Sha256, presence::SILENT_AFTER, timestamp::Timestamp},
    store::{
        codec::{Hash, Id, Time},
        rows::{HoldRow, failure_code, narrow, span, uid},
        sql,
        views::{
            HeldProfile, LateMailbox, MailboxCounts, OpenAlert, OutboxCounts, SetAsideRow, StatusView, TroubledMailbox,
        },
    },
};

/// A count out of a column.
pub(super) fn count(number: i64) -> u64 {
    number.unsigned_abs()
}

/// See [`crate::store::Store::status`].
pub async fn status(
    conn: &mut Conn,
    (backend, schema): (&'static str, i64),
    now: Timestamp,
    late_after: Duration,
) -> Result<StatusView> {
    #[derive(sqlx::FromRow)]
    struct Counts {
        profiles: i64,
        activities: i64,
        set_aside: i64,
        last_recorded_at: Option<Time>,
    }
    let mut late = late(conn, now, late_after).await?;
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
        outbox: outbox(conn).await?,
        open_alerts: count(sqlx::query_scalar::<Db, i64>(text(sql::STATUS_OPEN_ALERTS)).fetch_one(&mut *conn).await?),
        alerts: alerts(conn).await?,
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
    let statement = sqlx::query_as::<Db, Row>(text(sql::STATUS_MAILBOXES)).bind(Time(now));
    let row = statement.bind(Time(now.minus(SILENT_AFTER))).fetch_one(conn).await?;
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

pub(super) async fn outbox(conn: &mut Conn) -> Result<OutboxCounts> {
    #[derive(sqlx::FromRow)]
    struct Row {
        pending: i64,
        sending: i64,
        in_doubt: i64,
        held: i64,
        oldest_pending: Option<Time>,
    }
    let row = sqlx::query_as::<Db, Row>(text(sql::STATUS_OUTBOX)).fetch_one(conn).await?;
    Ok(OutboxCounts {
        pending: count(row.pending),
        sending: count(row.sending),
        in_doubt: count(row.in_doubt),
        held: count(row.held),
        oldest_pending: row.oldest_pending.map(|time| time.0),
    })
}

/// An open alert as it lies there, with the name of its subject.
#[derive(sqlx::FromRow)]
pub(super) struct AlertRow {
    subject_kind: String,
    subject_name: String,
    severity: String,
    code: String,
    text: String,
    hint: String,
    first_seen: Time,
    last_seen: Time,
    count: i64,
}

impl AlertRow {
    pub(super) fn alert(self) -> OpenAlert {
        OpenAlert {
            kind: self.subject_kind,
            subject: self.subject_name,
            severity: self.severity,
            code: self.code,
            text: self.text,
            hint: self.hint,
            first_seen: self.first_seen.0,
            last_seen: self.last_seen.0,
            count: count(self.count),
        }
    }
}

async fn alerts(conn: &mut Conn) -> Result<Vec<OpenAlert>> {
    let statement = sqlx::query_as::<Db, AlertRow>(text(sql::STATUS_ALERTS));
    let rows = statement.bind(i64::from(StatusView::MOST_ALERTS)).fetch_all(conn).await?;
    Ok(rows.into_iter().map(AlertRow::alert).collect())
}

pub(super) async fn held(conn: &mut Conn) -> Result<Vec<HeldProfile>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        name: String,
        workload: String,
        #[sqlx(flatten)]
        hold: HoldRow,
    }
    let rows = sqlx::query_as::<Db, Row>(text(sql::STATUS_HOLDS)).fetch_all(conn).await?;
    let held =
        |row: Row| Ok(HeldProfile { profile: row.name, workload: workload(&row.workload), hold: row.hold.hold()? });
    rows.into_iter().map(held).collect()
}

fn workload(name: &str) -> Workload {
    if name == Workload::Outgoing.name() { Workload::Outgoing } else { Workload::Incoming }
}

async fn troubled(conn: &mut Conn) -> Result<Vec<TroubledMailbox>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        email_address: String,
        workload: String,
        enabled: bool,
        failure_code: String,
        last_error: Option<String>,
        failing_since: Option<Time>,
        transient_failures: i64,
        postponed_until: Option<Time>,
    }
    let rows = sqlx::query_as::<Db, Row>(text(sql::STATUS_TROUBLE))
        .bind(i64::from(StatusView::MOST_TROUBLED))
        .fetch_all(conn)
        .await?;
    let mailbox = |row: Row| {
        Ok(TroubledMailbox {
            mailbox: row.email_address,
            workload: workload(&row.workload),
            enabled: row.enabled,
            failure_code: failure_code(&row.failure_code)?,
            last_error: row.last_error,
            failing_since: row.failing_since.map(|time| time.0),
            transient_failures: narrow("transient_failures", row.transient_failures)?,
            postponed_until: row.postponed_until.map(|time| time.0),
        })
    };
    rows.into_iter().map(mailbox).collect()
}

async fn late(conn: &mut Conn, now: Timestamp, after: Duration) -> Result<Vec<LateMailbox>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        email_address: String,
        since: Time,
        minimum_polling_interval: f64,
        failure_code: Option<String>,
        words: Option<String>,
    }
    let before = now.minus(after);
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

/// As people see it.
pub(super) fn hex(hash: Hash) -> String {
    Sha256(hash.0).to_string()
}

/// See [`crate::store::Store::set_aside`].
pub async fn set_aside(conn: &mut Conn, mailbox: Option<MailboxId>) -> Result<Vec<SetAsideRow>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        email_address: String,
        mailbox: Id,
        uid_validity: i64,
        generation: i64,
        uid: i64,
        internal_date: Option<Time>,
        size: i64,
        message_id: Option<String>,
        failure_code: String,
        failure_detail: String,
        source: Option<Hash>,
        judged_at: Time,
        retry_requested_at: Option<Time>,
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
            generation: narrow("generation", row.generation)?,
            uid: uid(row.uid)?,
            internal_date: row.internal_date.map(|time| time.0),
            size: count(row.size),
            message_id: row.message_id,
            failure_code: failure_code(&row.failure_code)?,
            failure_detail: row.failure_detail,
            source_sha256: row.source.map(hex),
            judged_at: row.judged_at.0,
            retry_requested_at: row.retry_requested_at.map(|time| time.0),
        })
    };
    rows.into_iter().map(message).collect()
}
