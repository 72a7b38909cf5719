//! `check`, `key …`, `secret …` and `db …`.

use std::{
    io::{self, IsTerminal as _, Read as _},
    path::Path,
    process::ExitCode,
};

use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    Context, Fault,
    args::{DbCommand, Form, SecretCommand},
    output::{complain, show},
};
use crate::{
    admin::{
        changes::{PlannedChange, plan_declared},
        passwords,
        secrets::{PasswordSet, may_be_stored, set_password},
    },
    base::secret::Secret,
    config::{Config, ConfigError, Problem},
    model::{failure::clean, record::Records},
    store::{Examined, Role, Store, StoreError},
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
    let mut warnings = config.warnings();
    let changes = if plan {
        match planned(context, &config).await? {
            Ok((changes, missing)) => {
                warnings.extend(missing.into_iter().filter(|it| !warnings.contains(it)).collect::<Vec<_>>());
                Some(changes)
            }
            Err(error) => return wrong(&error, form),
        }
    } else {
        None
    };
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

/// What a start or a reload would change, and who would have no password. A database that is not there
/// yet has nothing.
async fn planned(
    context: &Context,
    config: &Config,
) -> Result<Result<(Vec<String>, Vec<Problem>), ConfigError>, Fault> {
    let (records, missing) = match Store::open(&config.database_url, Role::Tool).await {
        Ok(store) => {
            let records = store.records().await?;
            let missing = passwords::missing(config, Some((&store, &records))).await?;
            store.close().await;
            (records, missing)
        }
        Err(StoreError::Missing { .. } | StoreError::Outdated { found: 0, .. }) => {
            (Records::default(), passwords::missing(config, None).await?)
        }
        Err(error) => return Err(error.into()),
    };
    let plan = plan_declared(config, &records, context.clock.now());
    Ok(plan.map(|plan| (plan.iter().map(PlannedChange::to_string).collect(), missing)))
}

pub(super) async fn secret(context: &Context, command: SecretCommand) -> Result<ExitCode, Fault> {
    let SecretCommand::Set { name, form } = command;
    let config = context.config()?;
    may_be_stored(&config, &name)?;
    let store = Store::open(&config.database_url, Role::Tool).await?;
    let secret = read_password(&name)?;
    let set = set_password(&store, &config, &context.clock, &name, &secret, &context.actor()).await;
    let set = set.map_err(|error| Fault::not_done(error, "this password was not stored"))?;
    store.close().await;
    Ok(show(form, &set, || stored_text(&set)).map(|()| ExitCode::SUCCESS)?)
}

fn stored_text(set: &PasswordSet) -> String {
    let mut text = format!("{}: password stored under key {}\n", clean(&set.of, 400), set.key_id);
    for mailbox in &set.tried_again {
        text.push_str(&format!("{mailbox}: enabled, it is tried again\n"));
    }
    for mailbox in &set.still_disabled {
        text.push_str(&format!("{mailbox}: not enabled: mailsyncd mailbox test-enable {mailbox}\n"));
    }
    text
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

/// `db migrate` as JSON.
#[derive(Serialize)]
struct Migrated {
    schema_version: i64,
    applied: u32,
}

/// `db backup` as JSON.
#[derive(Serialize)]
struct Copied<'a> {
    file: &'a Path,
}

pub(super) async fn db(context: &Context, command: DbCommand) -> Result<ExitCode, Fault> {
    let config = context.config()?;
    match command {
        DbCommand::Migrate { form } => {
            let (store, applied) = Store::open_and_migrate(&config.database_url, Role::Tool).await?;
            let version = store.schema_version().await?;
            store.close().await;
            let text = match applied {
                0 => format!("the database has schema {version} already\n"),
                _ => format!("the database has schema {version} now ({applied} applied)\n"),
            };
            show(form, &Migrated { schema_version: version, applied }, || text)?;
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
        DbCommand::Backup { file, form } => {
            let store = Store::open(&config.database_url, Role::Tool).await?;
            store.backup(&file).await?;
            store.close().await;
            let copied = Copied { file: &file };
            show(form, &copied, || format!("the database was copied to {}\n", file.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
