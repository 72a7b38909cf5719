//! `status`.

use std::process::ExitCode;

use serde::Serialize;

use super::{
    Context, Fault,
    args::Form,
    output::{Facts, Table, seconds, show, when},
};
use crate::{
    admin::presence,
    model::{failure::FailureCode, mailbox::Workload, presence::DaemonState, view::ViewCounts},
    store::{Role, StatusView, Store},
};

/// `status` as JSON.
#[derive(Serialize)]
struct Status<'a> {
    version: &'static str,
    database: &'a str,
    /// Whether anybody does the work.
    daemon: DaemonState,
    #[serde(flatten)]
    status: StatusView,
    /// Mailboxes in each view of `mailbox list --view`.
    views: ViewCounts,
}

pub(super) async fn status(context: &Context, form: Form) -> Result<ExitCode, Fault> {
    let config = context.config()?;
    let store = Store::open(&config.database_url, Role::Tool).await?;
    let now = context.clock.now();
    let mut status = store.status(now, config.alerts.stale_after).await?;
    let views = store.view_counts(now, config.alerts.stale_after).await?;
    let daemon = presence::daemon(&store, now).await?;
    if daemon.is_gone() {
        status.mailboxes.running = 0;
    }
    store.close().await;
    let (version, database) = (env!("CARGO_PKG_VERSION"), config.database_url.as_str());
    let status = Status { version, database, daemon, status, views };
    show(form, &status, || status_text(&status))?;
    Ok(ExitCode::SUCCESS)
}

fn status_text(status: &Status<'_>) -> String {
    let (view, mailboxes) = (&status.status, &status.status.mailboxes);
    let mut facts = Facts::default();
    facts.add("mailsyncd", status.version);
    facts.add("database", format!("{} (schema {})", status.database, view.schema_version));
    facts.add("daemon", &status.daemon);
    let held = |workload| view.held_profiles.iter().filter(|held| held.workload == workload).count();
    let (reading, sending) = (held(Workload::Incoming), held(Workload::Outgoing));
    facts.add("profiles", format!("{}, held {reading}, sending held {sending}", view.profiles));
    facts.add(
        "mailboxes",
        format!(
            "{} active, {} enabled, {} being read, {} late, {} failing, {} postponed, {} disabled by a failure, {} never read",
            mailboxes.active,
            mailboxes.enabled,
            mailboxes.running,
            mailboxes.late,
            mailboxes.failing,
            mailboxes.postponed,
            mailboxes.disabled_by_failure,
            mailboxes.never_succeeded
        ),
    );
    let views = status.views.named().map(|(name, mailboxes)| format!("{mailboxes} {name}"));
    facts.add("views", views.join(", "));
    facts.add("oldest success", when(mailboxes.oldest_success));
    facts.add("activities", format!("{}, the last recorded {}", view.activities, when(view.last_recorded_at)));
    facts.add("set aside", view.set_aside);
    let outbox = &view.outbox;
    let (pending, sending, in_doubt, held) = (outbox.pending, outbox.sending, outbox.in_doubt, outbox.held);
    facts.add("outbox", format!("{pending} to be sent, {sending} being sent, {in_doubt} in doubt, {held} held"));
    facts.some("oldest to be sent", outbox.oldest_pending.map(seconds));
    facts.add("open alerts", view.open_alerts);
    let mut text = facts.text();
    if !view.alerts.is_empty() {
        let mut table = Table::new(&["ALERT", "SINCE", "TIMES", "CODE", "WORDS", "HINT"]);
        for alert in &view.alerts {
            let (since, times) = (seconds(alert.first_seen), alert.count.to_string());
            table.row(&[&alert.subject, &since, &times, &alert.code, &alert.text, &alert.hint]);
        }
        text.push_str(&format!("\n{}", table.text("")));
    }
    if !view.held_profiles.is_empty() {
        let mut table = Table::new(&["HELD PROFILE", "WORKLOAD", "SINCE", "NEXT PROBE", "FAILURE", "WORDS"]);
        for held in &view.held_profiles {
            let hold = &held.hold;
            let since = seconds(hold.since);
            let until = hold.next_probe().map_or_else(|| "alert dismissed".to_owned(), seconds);
            table.row(&[&held.profile, held.workload.name(), &since, &until, hold.code.name(), &hold.text]);
        }
        text.push_str(&format!("\n{}", table.text("")));
    }
    if !view.troubled.is_empty() {
        let mut table =
            Table::new(&["MAILBOX IN TROUBLE", "WORKLOAD", "ENABLED", "SINCE", "NEXT TRY", "FAILURE", "WORDS"]);
        for mailbox in &view.troubled {
            table.row(&[
                &mailbox.mailbox,
                mailbox.workload.name(),
                if mailbox.enabled { "yes" } else { "no" },
                &when(mailbox.failing_since),
                &when(mailbox.postponed_until),
                mailbox.failure_code.name(),
                mailbox.last_error.as_deref().unwrap_or("-"),
            ]);
        }
        text.push_str(&format!("\n{}", table.text("")));
    }
    if !view.late.is_empty() {
        let mut table = Table::new(&["LATE MAILBOX", "NOT READ SINCE", "FAILURE", "WORDS"]);
        for mailbox in &view.late {
            let code = mailbox.failure_code.map_or("-", FailureCode::name);
            table.row(&[
                &mailbox.mailbox,
                &seconds(mailbox.since),
                code,
                mailbox.words.as_deref().unwrap_or("no failure: does mailsyncd run?"),
            ]);
        }
        text.push_str(&format!("\n{}", table.text("")));
    }
    text
}
