//! The command line: arguments in, a use case of [`crate::admin`] done, its result printed.

pub mod args;
pub mod output;

mod activities;
mod alerts;
mod approval;
mod audit;
mod edit;
mod explain;
mod import;
mod key;
mod list;
mod messages;
mod operate;
mod owners;
mod records;
mod selection;
mod send;
mod status;
mod testing;
mod why;

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser as _;

use self::args::{Arguments, Command, Tool};
use crate::{
    admin::error::AdminError,
    base::{clock::Clock, login::login_name},
    config::{Config, ConfigError},
    model::{audit::Actor, mailbox::MailboxKind},
    store::{Role, Store, StoreError},
};

/// A command that failed: what is printed, and the exit status.
pub struct Fault {
    error: Box<dyn Error + Send + Sync>,
    hint: Option<String>,
    status: u8,
}

impl Fault {
    /// Something failed.
    pub fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error: error.into(), hint: None, status: 1 }
    }

    /// The configuration or the arguments are wrong.
    pub fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error: error.into(), hint: None, status: 2 }
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hint = hint.map(Into::into);
        self
    }

    /// What was asked for was not done, where the database took nothing; `what` says so.
    pub fn not_done(error: AdminError, what: &str) -> Self {
        let refused = matches!(
            error,
            AdminError::Store(StoreError::DiskFull(_) | StoreError::Busy(_) | StoreError::Unavailable(_))
        );
        let fault = Self::from(error);
        if refused { fault.hint(Some(format!("{what}: run this again when the database takes writes"))) } else { fault }
    }

    /// Prints it and gives the exit status.
    pub fn report(&self) -> ExitCode {
        output::complain(&*self.error, self.hint.as_deref());
        ExitCode::from(self.status)
    }
}

impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Self {
        Self::usage(error)
    }
}

impl From<AdminError> for Fault {
    fn from(error: AdminError) -> Self {
        let hint = error.hint();
        match error {
            AdminError::Config(error) => Self::usage(error),
            error => Self::failed(error).hint(hint),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::from(AdminError::from(error))
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error)
    }
}

/// Reads the arguments; prints help or what is wrong with them, then the exit status is in `Err`.
///
/// # Errors
/// Help was asked for (status 0), or the arguments are wrong (status 2).
pub fn parse() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|error| {
        // Nobody is left to be told that the output is closed.
        let _ = error.print();
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
    })
}

/// Does what was asked for, prints the result or what went wrong, and gives the exit status.
///
/// `run` is the daemon, given the configuration file and whether it runs once: it stands above this
/// layer, so the program hands it in.
pub fn execute(arguments: Arguments, run: impl FnOnce(&Path, bool) -> Result<ExitCode, Fault>) -> ExitCode {
    let done = match arguments.command {
        Command::Run { once } => run(&arguments.config, once),
        Command::Tool(tool) => operate_on(arguments.config, tool),
    };
    done.unwrap_or_else(|fault| fault.report())
}

fn operate_on(config: PathBuf, tool: Tool) -> Result<ExitCode, Fault> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(dispatch(config, tool))
}

async fn dispatch(config: PathBuf, tool: Tool) -> Result<ExitCode, Fault> {
    let context = Context { config, clock: Clock::System };
    match tool {
        Tool::Check { plan, form } => operate::check(&context, plan, form).await,
        Tool::Status { form } => status::status(&context, form).await,
        Tool::Mailbox(command) => records::mailbox(&context, command).await,
        Tool::User(command) => owners::owner(&context, MailboxKind::User, command).await,
        Tool::Queue(command) => owners::owner(&context, MailboxKind::Queue, command).await,
        Tool::Profile(command) => records::profile(&context, command).await,
        Tool::Activity(command) => activities::activity(&context, command).await,
        Tool::Alert(command) => alerts::alert(&context, command).await,
        Tool::Audit(command) => audit::audit(&context, command).await,
        Tool::Message(command) => messages::message(&context, command).await,
        Tool::Explain(arguments) => explain::explain(&arguments),
        Tool::Key(command) => key::key(&context, command).await,
        Tool::Secret(command) => operate::secret(&context, command).await,
        Tool::Db(command) => operate::db(&context, command).await,
    }
}

/// What commands work with.
struct Context {
    config: PathBuf,
    clock: Clock,
}

impl Context {
    fn config(&self) -> Result<Config, Fault> {
        Ok(Config::load(&self.config)?)
    }

    /// Who runs this command.
    fn actor(&self) -> Actor {
        Actor::CommandLine(login_name())
    }

    async fn store(&self) -> Result<Store, Fault> {
        let config = self.config()?;
        Ok(Store::open(&config.database_url, Role::Tool).await?)
    }
}
