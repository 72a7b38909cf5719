//! `check`, `status`, `key …`, `secret …` and `db …`.

use std::{
    io::{self, IsTerminal as _, Read as _},
    process::ExitCode,
};

use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    Context, Fault,
    args::{DbCommand, Form, SecretCommand},
    output::{Facts, Table, complain, seconds, show, when, write},
};
use crate::{
    admin::{
        changes::{PlannedChange, plan_declared},
        secrets::{may_be_stored, set_password},
    },
    base::secret::Secret,
    config::{Config, ConfigError, Problem},
    model::{
        failure::{FailureCode, clean},
        mailbox::Workload,
        record::Records,
        view::ViewCounts,
    },
    store::{Examined, Role, StatusView, Store, StoreError},
};

/// `check` as JSON.
#[derive(Serialize)]
struct Checked<'a> {
    problems: Vec<CheckedProblem<'a>>,
    warnings: Vec<CheckedProblem<'a>>,
    /// `null` without `--plan`.
    changes: Option<Vec<String>>,
}

#[derive(Serialize)]
struct CheckedProblem<'a> {
    file: Option<&'a str>,
    line: Option<usize>,
    text: &'a str,
    hint: Option<&'a str>,
}

pub(super) async fn check(context: &Context, plan: bool, form: Form) -> Result<ExitCode, Fault> {
    let config = match Config::load(&context.config) {
        Ok(config) => config,
        Err(error) => return wrong(&error, form),
    };
    if let Err(error) = Store::check_url(&config.database_url) {
        let hint = Some("a part of it cannot be read: see the documentation of libpq for its parameters".to_owned());
        let problem = Problem { place: None, text: format!("url of [database]: {error}"), hint };
        return wrong(&ConfigError { problems: vec![problem] }, form);
    }
    let changes = if plan {
        match planned(context, &config).await? {
            Ok(changes) => Some(changes),
            Err(error) => return wrong(&error, form),
        }
    } else {
        None
    };
    let warnings = config.warnings();
    let text = || {
        let declared = &config.declared;
        let (profiles, mailboxes) = (declared.profiles.len(), declared.mailboxes.len());
        let mut text = format!("the configuration is right: profiles {profiles}, mailboxes {mailboxes}\n");
        warnings.iter().for_each(|warning| text.push_str(&format!("warning: {warning}\n")));
        if let Some(changes) = &changes {
            let count = changes.len();
            text.push_str(&if count == 0 { "nothing would change\n".to_owned() } else { format!("changes {count}\n") });
            changes.iter().for_each(|change| text.push_str(&format!("  {change}\n")));
        }
        text
    };
    let checked =
        Checked { problems: Vec::new(), warnings: warnings.iter().map(checked).collect(), changes: changes.clone() };
    show(form, &checked, text)?;
    Ok(ExitCode::SUCCESS)
}

fn wrong(error: &ConfigError, form: Form) -> Result<ExitCode, Fault> {
    if form.json {
        let problems = error.problems.iter().map(checked).collect();
        show(form, &Checked { problems, warnings: Vec::new(), changes: None }, String::new)?;
    } else {
        complain(error, None);
    }
    Ok(ExitCode::from(2))
}

fn checked(problem: &Problem) -> CheckedProblem<'_> {
    CheckedProblem {
        file: problem.place.as_ref().map(|place| &*place.file),
        line: problem.place.as_ref().map(|place| place.line),
        text: &problem.text,
        hint: problem.hint.as_deref(),
    }
}

/// What a start or a reload would change. A database that is not there yet has nothing.
async fn planned(context: &Context, config: &Config) -> Result<Result<Vec<String>, ConfigError>, Fault> {
    let records = match Store::open(&config.database_url, Role::Tool).await {
        Ok(store) => {
            let records = store.records().await?;
            store.close().await;
            records
        }
        Err(StoreError::Missing { .. } | StoreError::Outdated { found: 0, .. }) => Records::default(),
        Err(error) => return Err(error.into()),
    };
    let plan = plan_declared(config, &records, context.clock.now());
    Ok(plan.map(|plan| plan.iter().map(PlannedChange::to_string).collect()))
}

/// `status` as JSON.
#[derive(Serialize)]
struct Status<'a> {
    version: &'static str,
    database: &'a str,
    #[serde(flatten)]
    status: StatusView,
    /// Mailboxes in each view of `mailbox list --view`.
    views: ViewCounts,
}

pub(super) async fn status(context: &Context, form: Form) -> Result<ExitCode, Fault> {
    let config = context.config()?;
    let store = Store::open(&config.database_url, Role::Tool).await?;
    let now = context.clock.now();
    let status = store.status(now).await?;
    let views = store.view_counts(now, config.alerts.stale_after).await?;
    store.close().await;
    let status = Status { version: env!("CARGO_PKG_VERSION"), database: &config.database_url, status, views };
    show(form, &status, || status_text(&status))?;
    Ok(ExitCode::SUCCESS)
}

fn status_text(status: &Status<'_>) -> String {
    let (view, mailboxes) = (&status.status, &status.status.mailboxes);
    let mut facts = Facts::default();
    facts.add("mailsyncd", status.version);
    facts.add("database", format!("{} (schema {})", status.database, view.schema_version));
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

pub(super) async fn secret(context: &Context, command: SecretCommand) -> Result<ExitCode, Fault> {
    let SecretCommand::Set { name } = command;
    let config = context.config()?;
    may_be_stored(&config, &name)?;
    let store = Store::open(&config.database_url, Role::Tool).await?;
    let secret = read_password(&name)?;
    let set = set_password(&store, &config, &context.clock, &name, &secret, &context.actor()).await?;
    store.close().await;
    let mut text = format!("{}: password stored under key {}\n", clean(&set.of, 400), set.key_id);
    for mailbox in &set.tried_again {
        text.push_str(&format!("{mailbox}: enabled, it is tried again\n"));
    }
    for mailbox in &set.still_disabled {
        text.push_str(&format!("{mailbox}: not enabled: mailsyncd mailbox test-enable {mailbox}\n"));
    }
    write(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// From a prompt that shows nothing, twice; or the first line of standard input.
fn read_password(name: &str) -> Result<Secret, Fault> {
    const LONGEST: u64 = 4_096;
    if !io::stdin().is_terminal() {
        // Room for all of it: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(LONGEST + 1).unwrap_or(0)));
        io::stdin().take(LONGEST + 1).read_to_end(&mut bytes)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Fault::failed("the password is not UTF-8 text"))?;
        if bytes.len() as u64 > LONGEST {
            return Err(Fault::failed("the password is longer than 4096 bytes"));
        }
        return Ok(Secret::first_line(&Zeroizing::new(text.to_owned())));
    }
    let first = Zeroizing::new(rpassword::prompt_password(format!("password of {}: ", clean(name, 400)))?);
    let again = Zeroizing::new(rpassword::prompt_password("once more: ")?);
    if first != again {
        return Err(Fault::failed("the two passwords differ"));
    }
    Ok(Secret::first_line(&first))
}

pub(super) async fn db(context: &Context, command: DbCommand) -> Result<ExitCode, Fault> {
    let config = context.config()?;
    match command {
        DbCommand::Migrate => {
            let (store, applied) = Store::open_and_migrate(&config.database_url, Role::Tool).await?;
            let version = store.schema_version().await?;
            store.close().await;
            let text = match applied {
                0 => format!("the database has schema {version} already\n"),
                _ => format!("the database has schema {version} now ({applied} applied)\n"),
            };
            write(text.as_bytes())?;
        }
        DbCommand::Check { form } => {
            let store = Store::open(&config.database_url, Role::Tool).await?;
            let Examined { damage, contradictions } = store.examine().await?;
            store.close().await;
            let (damaged, problems) = (!damage.is_empty(), [damage, contradictions].concat());
            let text = || match problems.as_slice() {
                [] => "the database is in order\n".to_owned(),
                problems => problems.iter().map(|problem| format!("{}\n", clean(problem, 1_000))).collect(),
            };
            show(form, &problems, text)?;
            if damaged {
                return Err(Fault::failed("the database is damaged").hint(Some("restore a backup")));
            }
            if !problems.is_empty() {
                let hint = "nothing is damaged: correct what another program wrote (PRAGMA foreign_keys = ON keeps it from \
                            writing such rows); report what mailsyncd wrote";
                return Err(Fault::failed("rows of the database contradict each other").hint(Some(hint)));
            }
        }
        DbCommand::Backup { file } => {
            let store = Store::open(&config.database_url, Role::Tool).await?;
            store.backup(&file).await?;
            store.close().await;
            write(format!("the database was copied to {}\n", file.display()).as_bytes())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
