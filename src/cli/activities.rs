//! `activity …` and `message …`.

use std::{fmt::Write as _, process::ExitCode};

use super::{
    Context, Fault,
    args::{ActivityCommand, Form, MessageCommand},
    output::{Facts, Table, paragraphs, seconds, show, size, when, write},
};
use crate::{
    admin::views,
    model::{failure::clean, ids::ActivityId, message::PartyRole},
    store::{ActivityDetail, ActivityFilter, ActivityRow, Store},
};

pub(super) async fn activity(context: &Context, command: ActivityCommand) -> Result<ExitCode, Fault> {
    let store = context.store().await?;
    match command {
        ActivityCommand::List { mailbox, since, limit, form } => {
            let mailbox = match mailbox {
                Some(address) => Some(views::mailbox(&store, &address, context.clock.now()).await?),
                None => None,
            };
            let mailbox = mailbox.map(|view| view.mailbox.email_address);
            let rows = store.activities(&ActivityFilter { mailbox, since, limit }).await?;
            show(form, &rows, || activity_table(&rows))?;
        }
        ActivityCommand::Show { id, source: true, .. } => write(&views::source(&store, ActivityId(id)).await?)?,
        ActivityCommand::Show { id, form, .. } => {
            let detail = views::activity(&store, ActivityId(id)).await?;
            show(form, &detail, || activity_text(&detail))?;
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn message(context: &Context, command: MessageCommand) -> Result<ExitCode, Fault> {
    let store = context.store().await?;
    let MessageCommand::List { mailbox, form, .. } = command;
    set_aside(context, &store, mailbox, form).await?;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn activity_table(rows: &[ActivityRow]) -> String {
    let mut table = Table::new(&["ID", "RECEIVED", "MAILBOX", "FROM", "SUBJECT"]);
    for row in rows {
        table.row(&[&row.id.to_string(), &seconds(row.received_at), &row.mailbox, &row.sender, &row.subject]);
    }
    table.text("no activities")
}

const fn role(role: PartyRole) -> &'static str {
    match role {
        PartyRole::From => "from",
        PartyRole::To => "to",
        PartyRole::Cc => "cc",
        PartyRole::Bcc => "bcc",
        PartyRole::ReplyTo => "reply-to",
    }
}

fn activity_text(detail: &ActivityDetail) -> String {
    let row = &detail.row;
    let mut facts = Facts::default();
    facts.add("activity", row.id);
    facts.add("subject", &row.subject);
    for party in &detail.parties {
        let name = &party.display_name;
        let shown = if name.is_empty() { party.address.clone() } else { format!("{name} <{}>", party.address) };
        facts.add(role(party.role), shown);
    }
    facts.add("received", seconds(row.received_at));
    facts.some("date", detail.sent_at.map(seconds));
    facts.add("recorded", seconds(row.created_at));
    facts.some("message-id", row.message_id.as_ref());
    facts.some("in-reply-to", detail.in_reply_to.as_ref());
    for seen in &detail.seen_in {
        facts.add("seen in", format!("{} (UIDVALIDITY {}, UID {})", seen.mailbox, seen.uid_validity, seen.uid));
    }
    facts.some("size", detail.source_size.map(size));
    for row in &detail.attachments {
        let attachment = &row.attachment;
        let name = if attachment.file_name.is_empty() { "(no name)" } else { &attachment.file_name };
        let blocked = row.blocked.as_ref().map_or_else(String::new, |why| format!(", blocked: {why}"));
        let length = size(attachment.size);
        facts.add("attachment", format!("{name} ({}, {length}{blocked})", attachment.content_type));
    }
    for note in detail.notifications.lines() {
        facts.add("note", note);
    }
    let mut text = facts.text();
    if let Some(body) = &detail.body_text {
        let _ = write!(text, "\n{}", paragraphs(body));
    }
    text
}

async fn set_aside(context: &Context, store: &Store, mailbox: Option<String>, form: Form) -> Result<(), Fault> {
    let mailbox = match mailbox {
        Some(address) => Some(views::mailbox(store, &address, context.clock.now()).await?.mailbox.id),
        None => None,
    };
    let rows = store.set_aside(mailbox).await?;
    let table = || {
        let mut table = Table::new(&["MAILBOX", "UID", "SET ASIDE", "RECEIVED", "SIZE", "FAILURE", "WORDS"]);
        for row in &rows {
            table.row(&[
                &row.mailbox,
                &row.uid.to_string(),
                &seconds(row.judged_at),
                &when(row.internal_date),
                &size(row.size),
                row.failure_code.name(),
                &clean(&row.failure_detail, 200),
            ]);
        }
        table.text("nothing is set aside")
    };
    Ok(show(form, &rows, table)?)
}
