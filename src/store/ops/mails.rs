//! Marks and ends of mails: whatever the number, a few statements.

use std::borrow::Cow;

use serde::Serialize;
use uuid::Uuid;

use super::{Conn, Db, Result, settle, text};
use crate::{
    model::{ids::ActivityId, outbox::RecipientResult, timestamp::Timestamp},
    store::{
        codec::{Json, MailText},
        error::StoreError,
        mails::{Dot, MailWrite},
        names::Named,
        sql,
    },
};

/// See [`crate::store::Store::mark_dot`] and [`crate::store::Store::settle_mail`]. Writes all, each of
/// another mail, and says of each what became of it.
///
/// # Errors
/// Of many not each could be written: what was is to be undone, and each alone says why.
pub async fn write_mails(conn: &mut Conn, writes: &[MailWrite]) -> Result<Vec<Result<()>>> {
    let (mut dots, mut ends) = (Vec::new(), Vec::new());
    for write in writes {
        match write {
            MailWrite::Dot(dot) => dots.push(dot),
            MailWrite::End(end) => ends.push(end),
        }
    }
    let mut marked = mark_dots(conn, &dots).await?.into_iter();
    let mut settled = settle::settle_mails(conn, &ends).await?.into_iter();
    let result = |write: &MailWrite| match write {
        MailWrite::Dot(_) => marked.next(),
        MailWrite::End(_) => settled.next(),
    };
    Ok(writes.iter().map(result).map(|result| result.unwrap_or(Err(StoreError::LeaseLost))).collect())
}

async fn mark_dots(conn: &mut Conn, dots: &[&Dot]) -> Result<Vec<Result<()>>> {
    #[derive(Serialize)]
    struct Row {
        activity: Uuid,
        r#box: Uuid,
        epoch: i64,
        moment: Timestamp,
    }
    if dots.is_empty() {
        return Ok(Vec::new());
    }
    let row = |dot: &&Dot| Row {
        activity: dot.activity.0,
        r#box: dot.fence.mailbox.0,
        epoch: dot.fence.epoch,
        moment: dot.at,
    };
    let rows: Vec<Row> = dots.iter().map(row).collect();
    let statement = sqlx::query::<Db>(text(sql::MARK_DOTS)).bind(Json::records(&rows));
    // A number is less to hand over than every one of them.
    if statement.execute(&mut *conn).await?.rows_affected() != dots.len() as u64 {
        return match dots {
            [_] => Ok(vec![Err(StoreError::LeaseLost)]),
            _ => Err(StoreError::LeaseLost),
        };
    }
    set_results(conn, dots.iter().map(|dot| (dot.activity, dot.recipients.as_slice()))).await?;
    Ok(dots.iter().map(|_| Ok(())).collect())
}

/// Writes what became of recipients.
pub async fn set_results<'r>(
    conn: &mut Conn,
    news: impl Iterator<Item = (ActivityId, &'r [RecipientResult])>,
) -> Result<()> {
    #[derive(Serialize)]
    struct Row<'r> {
        party: Uuid,
        place: u32,
        became: Option<&'static str>,
        code: Option<u16>,
        enhanced: Option<&'r str>,
        reply: Option<Cow<'r, str>>,
    }
    let row = |activity: ActivityId, recipient: &'r RecipientResult| {
        let reply = recipient.reply.as_ref();
        Row {
            party: activity.0,
            place: recipient.position,
            became: recipient.state.map(Named::word),
            code: reply.map(|reply| reply.code),
            enhanced: reply.and_then(|reply| reply.enhanced.as_deref()),
            reply: reply.map(|reply| MailText(&reply.text).kept()),
        }
    };
    let rows: Vec<Row<'r>> =
        news.flat_map(|(activity, all)| all.iter().map(move |recipient| row(activity, recipient))).collect();
    if !rows.is_empty() {
        sqlx::query::<Db>(text(sql::SET_RESULTS)).bind(Json::records(&rows)).execute(conn).await?;
    }
    Ok(())
}
