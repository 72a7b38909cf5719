//! What a POP3 maildrop held, and the copies on servers that are to be deleted.

use super::{Conn, Db, Result, leases, text};
use crate::{
    model::{
        activity::Fence,
        cursor::Cursor,
        ids::MailboxId,
        maildrop::{CopyState, DueCopy, KnownMail, Maildrop, Uidl, UidlName},
        timestamp::Timestamp,
        uid::{Uid, UidValidity},
    },
    store::{
        codec::{Hash, Id, Numbers, Time},
        error::StoreError,
        names::Named,
        rows::{narrow, uid},
        sql,
    },
};

/// See [`crate::store::Store::maildrop`].
pub async fn maildrop(conn: &mut Conn, mailbox: MailboxId) -> Result<Option<Maildrop>> {
    type CursorRow = (i64, i64, i64, i64);
    let cursor = sqlx::query_as::<Db, CursorRow>(text(sql::MAILDROP_CURSOR)).bind(Id(mailbox.0));
    let Some((validity, generation, last_uid, starts_over)) = cursor.fetch_optional(&mut *conn).await? else {
        return Ok(None);
    };
    let uid_validity = UidValidity::new(narrow("uid_validity", validity)?)
        .ok_or_else(|| StoreError::unreadable("uid_validity", validity))?;
    if !uid_validity.is_maildrop() {
        return Ok(None);
    }
    type Row = (i64, Hash, i64, i64, Option<String>);
    let rows: Vec<Row> = sqlx::query_as::<Db, Row>(text(sql::MAILDROP))
        .bind(Id(mailbox.0))
        .bind(validity)
        .bind(generation)
        .fetch_all(conn)
        .await?;
    let known = |(number, name, rank, size, message_id): Row| {
        let uidl = Uidl { name: UidlName(name.0), rank: narrow("uidl_rank", rank)? };
        Ok(KnownMail { uidl, uid: uid(number)?, size: narrow("size", size)?, message_id })
    };
    Ok(Some(Maildrop {
        uid_validity,
        last_uid: narrow("last_uid", last_uid)?,
        starts_over: starts_over > 0,
        known: rows.into_iter().map(known).collect::<Result<_>>()?,
    }))
}

/// See [`crate::store::Store::due_copies`].
pub async fn due_copies(
    conn: &mut Conn,
    mailbox: MailboxId,
    cursor: &Cursor,
    recorded_before: Timestamp,
    limit: u32,
) -> Result<Vec<DueCopy>> {
    type Row = (i64, i64, Option<Time>, Option<String>);
    let rows: Vec<Row> = sqlx::query_as::<Db, Row>(text(sql::DUE_COPIES))
        .bind(Id(mailbox.0))
        .bind(i64::from(cursor.uid_validity.get()))
        .bind(i64::from(cursor.generation))
        .bind(Time(recorded_before))
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?;
    let due = |(number, size, date, message_id): Row| {
        let (uid, size) = (uid(number)?, narrow("size", size)?);
        Ok(DueCopy { uid, size, internal_date: date.map(|time| time.0), message_id })
    };
    rows.into_iter().map(due).collect()
}

/// See [`crate::store::Store::mark_copies`].
pub async fn mark_copies(
    conn: &mut Conn,
    fence: Fence,
    cursor: Cursor,
    uids: Vec<Uid>,
    state: CopyState,
) -> Result<()> {
    leases::fence(conn, fence).await?;
    sqlx::query::<Db>(text(sql::MARK_COPIES))
        .bind(Id(fence.mailbox.0))
        .bind(i64::from(cursor.uid_validity.get()))
        .bind(i64::from(cursor.generation))
        .bind(Numbers(uids.into_iter().map(|uid| i64::from(uid.get())).collect()))
        .bind(state.word())
        .execute(conn)
        .await?;
    Ok(())
}
