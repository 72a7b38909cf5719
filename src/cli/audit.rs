//! `audit …`

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{
    Context, Fault,
    args::Form,
    output::{seconds, show},
};
use crate::{
    admin::audit::{AuditQuery, AuditView, list},
    model::{failure::clean, timestamp::Timestamp},
};

/// `audit …`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List what was changed, by whom, from what to what; newest first.
    List(ListArguments),
}

/// Which changes.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Only changes to this: the address of a mailbox, the name of a profile, user or queue, or an identifier.
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// Only from this time on, as 2026-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

pub(super) async fn audit(context: &Context, command: AuditCommand) -> Result<ExitCode, Fault> {
    let AuditCommand::List(ListArguments { subject, since, limit, form }) = command;
    let store = context.store().await?;
    let query = AuditQuery { subject, since: since.unwrap_or(Timestamp::EPOCH), limit };
    let changes = list(&store, &query).await?;
    store.close().await;
    show(form, &changes, || text(&changes))?;
    Ok(ExitCode::SUCCESS)
}

/// A line for each change, and one for each difference.
fn text(changes: &[AuditView]) -> String {
    let mut text = String::new();
    for AuditView { name, differences, row } in changes {
        let line = format!("{}  {}  {}  {name}", seconds(row.at), row.who, row.what);
        text.push_str(&format!("{}\n", clean(&line, 1_000)));
        differences.iter().for_each(|difference| text.push_str(&format!("    {}\n", clean(difference, 1_000))));
    }
    if changes.is_empty() { "nothing was changed\n".to_owned() } else { text }
}
