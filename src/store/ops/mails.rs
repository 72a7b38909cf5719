//! Marks and ends of mails: whatever the number, a few statements.

use std::borrow::Cow;

use serde::Serialize;
use uuid::Uuid;

use super::{Conn, Result, run, settle};
use crate::{
    model::{ids::ActivityId, outbox::RecipientResult, timestamp::Timestamp},
    store::{
        codec::{Json, MailText},
        error::StoreError,
        mails::{Dot, MailWrite},
        names::Named,
        script::{Done, Script},
        sql,
    },
};

/// See [`crate::store::Store::mark_dot`] and [`crate::store::Store::settle_mail`]. Writes all, each of
/// another mail, and says of each what became of it; `opening` is run before.
///
/// # Errors
/// Of many not each could be written: what was is to be undone, and each alone says why.
pub async fn write_mails(conn: &mut Conn, opening: &str, writes: &[MailWrite]) -> Result<Vec<Result<()>>> {
    let (mut dots, mut ends) = (Vec::new(), Vec::new());
    for write in writes {
        match write {
            MailWrite::Dot(dot) => dots.push(dot),
            MailWrite::End(end) => ends.push(end),
        }
    }
    let mut script = Script::default();
    mark_dots(&mut script, &dots);
    let told = settle::settle_mails(&mut script, &ends);
    let moves = script.len();
    let marked = dots.iter().map(|dot| (dot.activity, dot.recipients.as_slice()));
    let settled = ends.iter().map(|end| (end.settlement.activity, end.settlement.recipients.as_slice()));
    let mut news = told;
    set_results(&mut news, marked.chain(settled));
    let has_moved = |done: &[Done]| {
        let moved: u64 = done.iter().take(moves).map(|done| done.written).sum();
        moved == writes.len() as u64
    };
    let done = match writes {
        // Only one that moved has news.
        [write] => {
            if !has_moved(&run(conn, opening, script).await?) {
                return Ok(vec![match write {
                    MailWrite::Dot(_) => Err(StoreError::LeaseLost),
                    MailWrite::End(end) => settle::already(conn, end).await?,
                }]);
            }
            run(conn, "", news).await?
        }
        _ => {
            script.append(news);
            let done = run(conn, opening, script).await?;
            if !has_moved(&done) {
                return Err(StoreError::LeaseLost);
            }
            done
        }
    };
    let told = done.into_iter().flat_map(|done| done.found).collect();
    settle::tell_all(conn, &ends, &told).await?;
    Ok(writes.iter().map(|_| Ok(())).collect())
}

fn mark_dots(script: &mut Script, dots: &[&Dot]) {
    #[derive(Serialize)]
    struct Row {
        activity: Uuid,
        r#box: Uuid,
        epoch: i64,
        moment: Timestamp,
    }
    let row = |dot: &&Dot| Row {
        activity: dot.activity.0,
        r#box: dot.fence.mailbox.0,
        epoch: dot.fence.epoch,
        moment: dot.at,
    };
    let rows: Vec<Row> = dots.iter().map(row).collect();
    if !rows.is_empty() {
        script.add(Json::records(&rows), &[sql::MARK_DOTS]);
    }
}

/// Writes what became of recipients.
fn set_results<'r>(script: &mut Script, news: impl Iterator<Item = (ActivityId, &'r [RecipientResult])>) {
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
        script.add(Json::records(&rows), &[sql::SET_RESULTS]);
    }
}
