//! `activity …`.

use std::{fmt::Write as _, process::ExitCode};

use super::{
    Context, Fault,
    args::{ActivityCommand, Form},
    output::{Facts, Table, paragraphs, seconds, show, size, write},
    send,
};
use crate::{
    admin::{send::Move, views},
    model::{
        activity::ActivityStatus,
        failure::FailureCode,
        ids::ActivityId,
        message::{Party, PartyRole},
    },
    store::{ActivityDetail, ActivityFilter, ActivityRow, Delivery, PartyRow},
};

pub(super) async fn activity(context: &Context, command: ActivityCommand) -> Result<ExitCode, Fault> {
    match command {
        ActivityCommand::Send(arguments) => send::send(context, *arguments).await?,
        ActivityCommand::Hold(mail) => send::change(context, mail, Move::Hold).await?,
        ActivityCommand::Retry(mail) => send::change(context, mail, Move::Retry).await?,
        ActivityCommand::Cancel(mail) => send::change(context, mail, Move::Cancel).await?,
        ActivityCommand::List { mailbox, since, status, limit, form } => {
            list(context, ActivityFilter { mailbox, since, status, limit }, form).await?;
        }
        ActivityCommand::Show { id, source, form } => show_one(context, ActivityId(id), source, form).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(context: &Context, filter: ActivityFilter, form: Form) -> Result<(), Fault> {
    let store = context.store().await?;
    let mailbox = match filter.mailbox {
        Some(address) => Some(views::mailbox(&store, &address, context.clock.now()).await?),
        None => None,
    };
    let mailbox = mailbox.map(|view| view.mailbox.email_address);
    let rows = store.activities(&ActivityFilter { mailbox, ..filter }).await?;
    store.close().await;
    Ok(show(form, &rows, || activity_table(&rows))?)
}

async fn show_one(context: &Context, id: ActivityId, source: bool, form: Form) -> Result<(), Fault> {
    let store = context.store().await?;
    if source {
        write(&views::source(&store, id).await?)?;
    } else {
        let detail = views::activity(&store, id).await?;
        show(form, &detail, || activity_text(&detail))?;
    }
    store.close().await;
    Ok(())
}

fn activity_table(rows: &[ActivityRow]) -> String {
    let mut table = Table::new(&["ID", "TIME", "STATUS", "MAILBOX", "FROM OR TO", "SUBJECT", "FAILURE"]);
    for row in rows {
        // Of received mail the sender tells most; of sent mail who gets it.
        let other = row.recipient.as_ref().map_or_else(|| row.sender.clone(), |to| format!("to {to}"));
        let failure = row.failure_code.as_deref().unwrap_or("-");
        let time = seconds(row.time());
        table.row(&[&row.id.to_string(), &time, row.status.name(), &row.mailbox, &other, &row.subject, failure]);
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
    facts.add("status", row.status);
    facts.add("subject", &row.subject);
    for row in &detail.parties {
        facts.add(role(row.party.role), party(row));
    }
    match &detail.delivery {
        None => {
            facts.some("received", row.received_at.map(seconds));
            facts.some("date", detail.sent_at.map(seconds));
            facts.add("recorded", seconds(row.created_at));
        }
        Some(delivery) => delivery_facts(&mut facts, detail, delivery),
    }
    facts.some("message-id", row.message_id.as_ref());
    facts.some("in-reply-to", detail.in_reply_to.as_ref());
    for seen in &detail.seen_in {
        facts.add("seen in", format!("{} (UIDVALIDITY {}, UID {})", seen.mailbox, seen.uid_validity, seen.uid));
    }
    facts.some("size", detail.source_size.map(size));
    for row in &detail.attachments {
        let name = if row.file_name.is_empty() { "(no name)" } else { &row.file_name };
        let blocked = row.blocked.as_ref().map_or_else(String::new, |why| format!(", blocked: {why}"));
        let length = row.size.map_or_else(String::new, |bytes| format!(", {}", size(bytes)));
        facts.add("attachment", format!("{name} ({}{length}{blocked})", row.content_type));
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

/// An address, and what became of it where something did.
fn party(row: &PartyRow) -> String {
    let Party { address, display_name, .. } = &row.party;
    let shown = if display_name.is_empty() { address.clone() } else { format!("{display_name} <{address}>") };
    let Some(result) = row.result else { return shown };
    let code = row.reply_code.map(|code| code.to_string());
    let words = [code.as_deref(), row.enhanced_code.as_deref(), row.reply_text.as_deref()];
    let words = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let result = format!("{result:?}").to_lowercase();
    if words.is_empty() { format!("{shown}: {result}") } else { format!("{shown}: {result}: {words}") }
}

fn delivery_facts(facts: &mut Facts, detail: &ActivityDetail, delivery: &Delivery) {
    let row = &detail.row;
    facts.add("mailbox", &row.mailbox);
    facts.some("send as", delivery.send_as.as_ref());
    facts.some("answers", delivery.answers);
    facts.some("idempotency key", delivery.idempotency_key.as_ref());
    facts.add("queued", seconds(row.created_at));
    facts.some("not before", delivery.send_after.map(seconds));
    facts.add("attempts", delivery.attempts);
    facts.some("sent", detail.sent_at.map(seconds));
    let in_doubt = delivery.dot_at.is_some();
    if row.status == ActivityStatus::Sending && in_doubt {
        facts.some("in doubt since", delivery.dot_at.map(seconds));
        facts.add("looked for", format!("{} times in vain", delivery.verifications));
    }
    let next = if in_doubt { "next look" } else { "next attempt" };
    facts.some(next, delivery.postponed_until.map(seconds));
    facts.some("failure", row.failure_code.as_ref());
    facts.some("words", delivery.failure_detail.as_ref());
    let hint = row.failure_code.as_ref().and_then(|code| code.parse().ok()).map(FailureCode::hint);
    facts.some("hint", hint);
    facts.some("server's reply", delivery.server_reply.as_ref());
}
