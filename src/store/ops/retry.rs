//! Messages that were set aside and are tried again.

use std::{collections::BTreeMap, sync::Arc};

use super::{Conn, Db, Result, audit, leases, text, views};
use crate::{
    model::{
        activity::{Fence, NewSource, SourceEncoding},
        cursor::{ListedMessage, Numbering},
        ids::MailboxId,
        maildrop::{Uidl, UidlName},
        message::Sha256,
        timestamp::Timestamp,
        uid::{Uid, UidValidity},
    },
    store::{
        codec::{Hash, Id, Json, Time},
        copies::{Aside, RetryRequest},
        error::StoreError,
        names::Named,
        rows::{failure_code, narrow, uid},
        sql,
        views::SetAsideRow,
    },
};

/// See [`crate::store::Store::request_retries`].
pub async fn request(conn: &mut Conn, request: RetryRequest, who: String, now: Timestamp) -> Result<Vec<SetAsideRow>> {
    let mut asked = Vec::new();
    for mut row in views::set_aside(conn, None).await?.into_iter().filter(|row| request.names(row)) {
        let done = sqlx::query::<Db>(text(sql::REQUEST_RETRY))
            .bind(Id(row.mailbox_id.0))
            .bind(i64::from(row.uid_validity))
            .bind(i64::from(row.generation))
            .bind(i64::from(row.uid.get()))
            .bind(Time(now))
            .execute(&mut *conn)
            .await?;
        // It may be recorded by now.
        if done.rows_affected() > 0 {
            row.retry_requested_at = Some(now);
            asked.push(row);
        }
    }
    let mut of_mailbox: BTreeMap<MailboxId, Vec<Uid>> = BTreeMap::new();
    asked.iter().for_each(|row| of_mailbox.entry(row.mailbox_id).or_default().push(row.uid));
    for (mailbox, uids) in of_mailbox {
        let numbers: Vec<u32> = uids.into_iter().map(Uid::get).collect();
        let (before, after) = (serde_json::json!({}), serde_json::json!({ "uids": numbers }));
        let said = (Some(Json(before.to_string())), Some(Json(after.to_string())));
        audit::add(conn, (&who, "message.retry"), mailbox.0, said, now).await?;
    }
    Ok(asked)
}

/// See [`crate::store::Store::retries`].
pub async fn retries(conn: &mut Conn, mailbox: MailboxId) -> Result<Vec<Aside>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        uid_validity: i64,
        generation: i64,
        uid: i64,
        internal_date: Option<Time>,
        size: i64,
        uidl: Option<Hash>,
        uidl_rank: Option<i64>,
        failure_code: String,
        failure_detail: String,
        retry_attempts: i64,
        source: Option<Hash>,
    }
    let rows: Vec<Row> = sqlx::query_as::<Db, Row>(text(sql::RETRIES)).bind(Id(mailbox.0)).fetch_all(conn).await?;
    let aside = |row: Row| {
        let uid_validity = UidValidity::new(narrow("uid_validity", row.uid_validity)?)
            .ok_or_else(|| StoreError::unreadable("uid_validity", row.uid_validity))?;
        let uidl = match (row.uidl, row.uidl_rank) {
            (Some(name), Some(rank)) => Some(Uidl { name: UidlName(name.0), rank: narrow("uidl_rank", rank)? }),
            _ => None,
        };
        Ok(Aside {
            numbering: Numbering { uid_validity, generation: narrow("generation", row.generation)? },
            listed: ListedMessage {
                uid: uid(row.uid)?,
                size: views::count(row.size),
                internal_date: row.internal_date.map(|time| time.0),
                uidl,
            },
            code: failure_code(&row.failure_code)?,
            detail: row.failure_detail,
            source: row.source.map(|hash| Sha256(hash.0)),
            attempts: narrow("retry_attempts", row.retry_attempts)?,
        })
    };
    rows.into_iter().map(aside).collect()
}

/// See [`crate::store::Store::begin_retry`].
pub async fn begin_retry(conn: &mut Conn, fence: Fence, numbering: Numbering, uid: Uid) -> Result<()> {
    leases::fence(conn, fence).await?;
    sqlx::query::<Db>(text(sql::BEGIN_RETRY))
        .bind(Id(fence.mailbox.0))
        .bind(i64::from(numbering.uid_validity.get()))
        .bind(i64::from(numbering.generation))
        .bind(i64::from(uid.get()))
        .execute(conn)
        .await?;
    Ok(())
}

/// See [`crate::store::Store::kept`].
pub async fn kept(conn: &mut Conn, sha256: Sha256) -> Result<Option<NewSource>> {
    type Row = (i64, String, Vec<u8>);
    let statement = sqlx::query_as::<Db, Row>(text(sql::KEPT)).bind(Hash::from(sha256));
    let row: Option<Row> = statement.fetch_optional(conn).await?;
    row.map(|(size, encoding, bytes)| {
        let encoding = SourceEncoding::of(&encoding)?;
        Ok(NewSource { sha256, size: views::count(size), encoding, bytes: Arc::new(bytes) })
    })
    .transpose()
}
