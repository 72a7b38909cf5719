//! `message …`

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{
    Context, Fault,
    args::Form,
    explain::code,
    output::{Table, seconds, show, size, when},
    records::poll_text,
};
use crate::{
    admin::{
        messages::{Retried, Wanted, retry},
        views,
    },
    model::{
        failure::{FailureCode, clean},
        uid::Uid,
    },
    store::SetAsideRow,
};

/// `message …`
#[derive(Debug, Subcommand)]
pub enum MessageCommand {
    /// List messages that could not be recorded and were set aside, and why.
    List(ListArguments),
    /// Try messages that were set aside again: from their source where it is kept, else from the server.
    Retry(RetryArguments),
}

/// Which messages are listed.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Those set aside; there are no others to be listed.
    #[arg(long)]
    set_aside: bool,
    /// Only those of the mailbox with this address.
    #[arg(long, value_name = "ADDRESS")]
    mailbox: Option<String>,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

/// Which messages are tried again.
#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = false)]
pub struct RetryArguments {
    /// Those of the mailbox with this address.
    #[arg(long, value_name = "ADDRESS", group = "which")]
    mailbox: Option<String>,
    /// Those of all mailboxes.
    #[arg(long, group = "which")]
    all: bool,
    /// Only the one with this UID, as it is listed; may be repeated.
    #[arg(long = "uid", value_name = "UID", conflicts_with = "all", value_parser = uid)]
    uids: Vec<Uid>,
    /// Only those that were set aside for this.
    #[arg(long, value_parser = code)]
    code: Option<FailureCode>,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

fn uid(word: &str) -> Result<Uid, String> {
    word.parse().ok().and_then(Uid::new).ok_or_else(|| "not a UID: 1 to 4294967295".to_owned())
}

pub(super) async fn message(context: &Context, command: MessageCommand) -> Result<ExitCode, Fault> {
    let (store, now) = (context.store().await?, context.clock.now());
    match command {
        MessageCommand::List(ListArguments { set_aside: _, mailbox, form }) => {
            let mailbox = match mailbox {
                Some(address) => Some(views::mailbox(&store, &address, now).await?.mailbox.id),
                None => None,
            };
            let rows = store.set_aside(mailbox).await?;
            show(form, &rows, || table(&rows))?;
        }
        MessageCommand::Retry(RetryArguments { mailbox, all: _, uids, code, form }) => {
            let wanted = Wanted { mailbox, uids: uids.into_iter().collect(), code };
            let retried = retry(&store, &wanted, &context.actor(), now).await?;
            show(form, &retried.messages, || summary(&retried))?;
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn table(rows: &[SetAsideRow]) -> String {
    let mut table = Table::new(&["MAILBOX", "UID", "SET ASIDE", "RECEIVED", "SIZE", "RETRY", "FAILURE", "WORDS"]);
    for row in rows {
        table.row(&[
            &row.mailbox,
            &row.uid.to_string(),
            &seconds(row.judged_at),
            &when(row.internal_date),
            &size(row.size),
            if row.retry_requested_at.is_some() { "asked for" } else { "-" },
            row.failure_code.name(),
            &clean(&row.failure_detail, 200),
        ]);
    }
    table.text("nothing is set aside")
}

fn summary(Retried { messages, mailboxes }: &Retried) -> String {
    let mut text = String::new();
    for row in messages {
        text.push_str(&format!("{} {}: tried again ({})\n", row.mailbox, row.uid, row.failure_code.name()));
    }
    match messages.len() {
        0 => text.push_str("nothing of that is set aside\n"),
        count => text.push_str(&format!("{count} to be tried again when the mailbox is read next:\n")),
    }
    text.push_str(&poll_text(mailboxes));
    text
}
