//! Mail comes into the outbox, and people move it.

use super::{
    Conn, Db, Result, alerts, audit,
    insert::Insert,
    outbox,
    tables::{self, Event},
    text,
};
use crate::{
    model::{
        activity::ActivityStatus,
        ids::ActivityId,
        message::{Party, PartyRole, Sha256},
        outbox::{Mover, NewContent, NewMail, OutboxAttachment, may_become},
        timestamp::Timestamp,
    },
    store::{
        batch::Source,
        codec::{Hash, Id, Json, MailText, Time},
        error::StoreError,
        names::Named,
        sql,
    },
};

const DRAFT_ATTACHMENTS: Insert = Insert {
    head: "INSERT INTO email_attachments (activity, position, file_name, content_type, content_id, size, content) ",
    tail: "",
    most: 4,
};

fn unsendable(what: impl Into<String>) -> StoreError {
    StoreError::Unsendable { what: what.into() }
}

/// See [`crate::store::Store::queue_mail`].
pub async fn queue_mail(conn: &mut Conn, mail: NewMail, now: Timestamp) -> Result<ActivityId> {
    if let Some(there) = queued(conn, &mail).await? {
        return Ok(there);
    }
    let sender = may_send(conn, &mail).await?;
    let id = mail.id;
    let recipient = |party: &Party| matches!(party.role, PartyRole::To | PartyRole::Cc | PartyRole::Bcc);
    if !mail.parties.iter().any(recipient) {
        return Err(unsendable("a mail needs a recipient: To, Cc or Bcc"));
    }
    if let Some(answers) = mail.answers
        && outbox::status(conn, answers).await?.is_none()
    {
        return Err(unsendable(format!("there is no activity {answers} to answer")));
    }
    let (message_id, sha256) = match &mail.content {
        NewContent::Draft(_) => (None, None),
        NewContent::Composed { message_id, source, .. } => (Some(message_id.clone()), Some(source.sha256)),
    };
    if let NewContent::Composed { source, .. } = &mail.content {
        tables::insert_sources(conn, [(source.sha256, Source::of(source))].into()).await?;
    }
    if insert(conn, &mail, &sender, message_id.as_deref(), sha256, now).await? == 0 {
        // Somebody else was first with the same key.
        return queued(conn, &mail).await?.ok_or_else(|| unsendable("the mail is being queued already"));
    }
    let parties = mail.parties.iter().enumerate().map(|(position, party)| (id, position, party)).collect();
    tables::insert_parties(conn, parties).await?;
    match mail.content {
        NewContent::Draft(attachments) => insert_contents(conn, id, attachments).await?,
        NewContent::Composed { attachments, .. } => {
            let rows = attachments.iter().enumerate().map(|(place, file)| (id, place, file, None)).collect();
            tables::insert_attachments(conn, rows).await?;
        }
    }
    let event = Event { at: now, kind: "activity.queued", activity: id, mailbox: mail.mailbox };
    tables::insert_events(conn, vec![event]).await?;
    Ok(id)
}

async fn queued(conn: &mut Conn, mail: &NewMail) -> Result<Option<ActivityId>> {
    let Some(key) = &mail.idempotency_key else { return Ok(None) };
    let statement = sqlx::query_scalar::<Db, Id>(text(sql::QUEUED_BY_KEY));
    let there: Option<Id> = statement.bind(Id(mail.mailbox.0)).bind(key).fetch_optional(conn).await?;
    Ok(there.map(|id| ActivityId(id.0)))
}

/// The address in From. A mailbox that is disabled or not approved may get mail to send: it waits.
async fn may_send(conn: &mut Conn, mail: &NewMail) -> Result<String> {
    type Row = (String, String, String, Option<String>, Option<String>);
    let statement = sqlx::query_as::<Db, Row>(text(sql::MAY_SEND)).bind(Id(mail.mailbox.0));
    let Some((own, state, method, host, grants)) = statement.fetch_optional(conn).await? else {
        return Err(unsendable(format!("there is no mailbox {}", mail.mailbox)));
    };
    if state != "active" {
        return Err(unsendable(format!("the mailbox {own} is not active")));
    }
    if method != "server_side_sync" {
        return Err(unsendable(format!("the mailbox {own} does not send: set outgoing = \"server_side_sync\"")));
    }
    if host.is_none() {
        return Err(unsendable(format!("the profile of the mailbox {own} names no outgoing server")));
    }
    let Some(wanted) = mail.send_as.clone() else { return Ok(own) };
    let granted = grants.unwrap_or_default();
    let same = |address: &str| address.to_lowercase() == wanted.to_lowercase();
    if same(&own) || granted.lines().any(same) {
        return Ok(wanted);
    }
    Err(unsendable(format!("the mailbox {own} may not send as {wanted}: name it in may_send_as")))
}

async fn insert(
    conn: &mut Conn,
    mail: &NewMail,
    sender: &str,
    message_id: Option<&str>,
    source: Option<Sha256>,
    now: Timestamp,
) -> Result<u64> {
    let done = sqlx::query::<Db>(text(sql::QUEUE_MAIL))
        .bind(Id(mail.id.0))
        .bind(Id(mail.mailbox.0))
        .bind(MailText(&mail.subject))
        .bind(MailText(sender))
        .bind(message_id)
        .bind(source.map(Hash::from))
        .bind(mail.text.as_deref().map(MailText))
        .bind(mail.html.as_deref().map(MailText))
        .bind(Time(now))
        .bind(mail.send_after.map(Time))
        .bind(mail.send_as.as_deref())
        .bind(mail.idempotency_key.as_deref())
        .bind(mail.answers.map(|id| Id(id.0)))
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}

async fn insert_contents(conn: &mut Conn, activity: ActivityId, attachments: Vec<OutboxAttachment>) -> Result<()> {
    let rows = attachments.into_iter().enumerate().collect();
    DRAFT_ATTACHMENTS
        .rows(conn, rows, |values, (position, file): (usize, OutboxAttachment)| {
            let size = tables::integer(file.content.len() as u64);
            values
                .push_bind(Id(activity.0))
                .push_bind(tables::integer(position as u64))
                .push_bind(file.file_name.replace('\0', "\u{fffd}"))
                .push_bind(file.content_type.replace('\0', "\u{fffd}"))
                .push_bind(file.content_id)
                .push_bind(size)
                .push_bind(file.content);
        })
        .await?;
    Ok(())
}

/// A person moves a mail to `to`; see [`crate::store::Store::hold_mail`] and its neighbours.
pub async fn move_mail(
    conn: &mut Conn,
    activity: ActivityId,
    to: ActivityStatus,
    who: String,
    now: Timestamp,
) -> Result<()> {
    let Some(from) = outbox::status(conn, activity).await? else {
        return Err(StoreError::Conflict { what: format!("there is no activity {activity}") });
    };
    if !may_become(from, to, Mover::Person) {
        return Err(StoreError::IllegalMove { activity, from, to });
    }
    let what = match to {
        ActivityStatus::PendingSend => {
            requeue(conn, activity, from).await?;
            "activity.retry"
        }
        ActivityStatus::Held => {
            set(conn, activity, from, to).await?;
            "activity.hold"
        }
        _ => {
            set(conn, activity, from, to).await?;
            "activity.cancel"
        }
    };
    alerts::close_others(conn, activity.0, None, now).await?;
    let json = |status: ActivityStatus| Json(format!(r#"{{"status":"{status}"}}"#));
    audit::add(conn, (&who, what), activity.0, (Some(json(from)), Some(json(to))), now).await
}

async fn set(conn: &mut Conn, activity: ActivityId, from: ActivityStatus, to: ActivityStatus) -> Result<()> {
    sqlx::query::<Db>(text(sql::MOVE_MAIL))
        .bind(Id(activity.0))
        .bind(from.word())
        .bind(to.word())
        .execute(conn)
        .await?;
    Ok(())
}

/// As if it had just been queued, for whoever has not accepted it.
async fn requeue(conn: &mut Conn, activity: ActivityId, from: ActivityStatus) -> Result<()> {
    let open: i64 =
        sqlx::query_scalar::<Db, i64>(text(sql::OPEN_RECIPIENTS)).bind(Id(activity.0)).fetch_one(&mut *conn).await?;
    if open == 0 {
        return Err(unsendable(format!("activity {activity} has no recipient left who has not got it")));
    }
    sqlx::query::<Db>(text(sql::REOPEN_RECIPIENTS)).bind(Id(activity.0)).execute(&mut *conn).await?;
    sqlx::query::<Db>(text(sql::REQUEUE_MAIL)).bind(Id(activity.0)).bind(from.word()).execute(conn).await?;
    Ok(())
}
