//! `alert …`, and open alerts beside what they are about.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;
use uuid::Uuid;

use super::{
    Context, Fault,
    args::Form,
    explain::code,
    output::{Table, seconds, show, when},
};
use crate::{
    admin::alerts::{Dismissal, dismiss, list},
    model::{alert::Severity, failure::FailureCode, mailbox::Workload},
    store::{AlertDetail, AlertFilter},
};

/// `alert …`
#[derive(Debug, Subcommand)]
pub enum AlertCommand {
    /// List open alerts, the most urgent first.
    List(ListArguments),
    /// Close open alerts. What they tell of is not changed: where it happens again, it is an alert again.
    Dismiss(DismissArguments),
}

/// Which alerts are listed.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Also those that are closed.
    #[arg(long)]
    all: bool,
    /// Only those about the mailbox with this address and about its mails.
    #[arg(long, value_name = "ADDRESS")]
    mailbox: Option<String>,
    /// Only those about this profile, its mailboxes and their mails.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Only those of this severity: information, warning, error.
    #[arg(long, value_parser = severity)]
    severity: Option<Severity>,
    /// Only those with this code.
    #[arg(long, value_parser = code)]
    code: Option<FailureCode>,
    /// Only those that belong to the person with this address.
    #[arg(long, value_name = "ADDRESS")]
    owner: Option<String>,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

/// Which alerts are dismissed.
#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = false)]
pub struct DismissArguments {
    /// Their identifiers.
    #[arg(value_name = "ID", group = "which")]
    ids: Vec<Uuid>,
    /// All open ones with this code.
    #[arg(long, value_parser = code, group = "which")]
    code: Option<FailureCode>,
    /// All open ones.
    #[arg(long, group = "which")]
    all: bool,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

fn severity(word: &str) -> Result<Severity, String> {
    let found = Severity::ALL.into_iter().find(|severity| severity.name() == word);
    found.ok_or_else(|| "one of information, warning, error".to_owned())
}

pub(super) async fn alert(context: &Context, command: AlertCommand) -> Result<ExitCode, Fault> {
    let config = context.config()?;
    let (store, now) = (context.store().await?, context.clock.now());
    match command {
        AlertCommand::List(ListArguments { all, mailbox, profile, severity, code, owner, form }) => {
            let copied = config.alerts.notify_mailbox_owner;
            let filter = AlertFilter { closed_too: all, mailbox, profile, severity, code, owner, copied };
            let alerts = list(&store, &filter, now).await?;
            show(form, &alerts, || table(&alerts, all))?;
        }
        AlertCommand::Dismiss(DismissArguments { ids, code, all: _, form }) => {
            let which = match code {
                Some(code) => Dismissal::Code(code),
                None if ids.is_empty() => Dismissal::All,
                None => Dismissal::Ids(ids),
            };
            let dismissed = dismiss(&store, &which, &context.actor(), now).await?;
            show(form, &dismissed, || summary(&dismissed))?;
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn table(alerts: &[AlertDetail], closed_too: bool) -> String {
    let mut headings = vec!["ID", "SEVERITY", "ABOUT", "CODE", "WORKLOAD", "SINCE", "LAST", "TIMES", "OWNER", "WORDS"];
    if closed_too {
        headings.insert(7, "CLOSED");
    }
    let mut table = Table::new(&headings);
    for AlertDetail { id, alert, workloads, owner, closed_at, mailed_at: _ } in alerts {
        let (id, first, last) = (id.to_string(), seconds(alert.first_seen), seconds(alert.last_seen));
        let (workloads, times) = (workload_words(workloads), alert.count.to_string());
        let owner = owner.as_deref().unwrap_or("-");
        let closed = when(*closed_at);
        let mut cells = vec![
            id.as_str(),
            &alert.severity,
            &alert.subject,
            &alert.code,
            workloads,
            &first,
            &last,
            &times,
            owner,
            &alert.text,
        ];
        if closed_too {
            cells.insert(7, &closed);
        }
        table.row(&cells);
    }
    table.text(if closed_too { "no alerts" } else { "no open alerts" })
}

const fn workload_words(workloads: &[Workload]) -> &'static str {
    match workloads {
        [] => "-",
        [Workload::Incoming] => "reading",
        [Workload::Outgoing] => "sending",
        _ => "both",
    }
}

fn summary(dismissed: &[AlertDetail]) -> String {
    let mut text = String::new();
    for AlertDetail { alert, .. } in dismissed {
        let line = format!("{} {}: dismissed", alert.subject, alert.code);
        text.push_str(&format!("{}\n", crate::model::failure::clean(&line, 400)));
    }
    text.push_str(&format!("{} dismissed\n", dismissed.len()));
    text
}

/// A record with the open alerts about it, as JSON.
#[derive(Serialize)]
pub(super) struct WithAlerts<'a, T> {
    /// The record.
    #[serde(flatten)]
    pub(super) view: &'a T,
    /// Open alerts.
    pub(super) alerts: Vec<AlertDetail>,
}

impl<T> WithAlerts<'_, T> {
    /// The alerts as a table under the facts; nothing where there are none.
    pub(super) fn text(&self) -> String {
        let mut table = Table::new(&["ALERT", "SINCE", "LAST", "TIMES", "CODE", "WORDS", "HINT"]);
        for AlertDetail { alert, .. } in &self.alerts {
            let (first, last) = (seconds(alert.first_seen), seconds(alert.last_seen));
            let times = alert.count.to_string();
            table.row(&[&alert.severity, &first, &last, &times, &alert.code, &alert.text, &alert.hint]);
        }
        let table = table.text("");
        if table.is_empty() { table } else { format!("\n{table}") }
    }
}
