//! TOML files to checked structs: one main file and `conf.d/*.toml` beside it.
//!
//! All problems of all files are found in one go. Passwords never stand in these files.

mod alerts;
mod check;
mod declared;
mod draft;
mod problem;
mod profile;
mod read;
mod rules;
mod settings;
mod value;
mod warnings;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

pub use declared::{Declared, DeclaredMailbox, DeclaredOwner, OwnerName};
pub use draft::{Draft, check_together};
pub use problem::{ConfigError, Place, Problem, nearest};
pub use profile::DeclaredProfile;
pub use settings::{DEFAULT_DATABASE, EmailSettings, KeySource, Log, Monitoring, Network};
pub use value::show_duration;
pub use warnings::{Passwordless, Whose};

use crate::{
    base::{
        keyring::Keyring,
        secret::{Kek, SecretError},
    },
    model::rules::{AlertRules, FailureRules, Limits, Polling, ReceiveRules, SendRules},
};
use read::{Findings, Root, SourceFile};

/// Where the main file is unless `--config` says otherwise.
pub const DEFAULT_FILE: &str = "/etc/mailsyncd/mailsyncd.toml";

/// The whole configuration, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The main file, as an absolute path.
    pub file: PathBuf,
    /// `sqlite:/path` or `postgres://user@host/name`.
    pub database_url: String,
    /// Where the key-encryption key is.
    pub key: KeySource,
    /// Where older keys are, under which secrets may still be sealed.
    pub old_keys: Vec<KeySource>,
    /// `$CREDENTIALS_DIRECTORY`: where systemd puts credentials.
    pub credentials_directory: Option<PathBuf>,
    /// `[log]`.
    pub log: Log,
    /// `[network]`.
    pub network: Network,
    /// `[metrics]`.
    pub metrics: Monitoring,
    /// `[polling]`.
    pub polling: Polling,
    /// `[limits]`.
    pub limits: Limits,
    /// `[receive]`.
    pub receive: ReceiveRules,
    /// `[sending]`.
    pub sending: SendRules,
    /// `[failures]`.
    pub failures: FailureRules,
    /// `[alerts]`.
    pub alerts: AlertRules,
    /// `[email_settings]`.
    pub email_settings: EmailSettings,
    /// Declared records.
    pub declared: Declared,
}

/// Why there is no key-encryption key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The configuration names none.
    #[error("no key for stored passwords is configured")]
    NotConfigured,
    /// It is a systemd credential, but this process was given none.
    #[error(
        "the key is the systemd credential {name:?}, but this process has none ($CREDENTIALS_DIRECTORY is not set)"
    )]
    NoCredentials {
        /// Its name.
        name: String,
    },
    /// It cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl KeyError {
    /// Who should do what.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotConfigured => Some("run: mailsyncd key new FILE, and set secrets.key_file"),
            Self::NoCredentials { .. } => Some("run it with: systemd-run -P -p LoadCredentialEncrypted=NAME …"),
            Self::Secret(error) => error.hint(),
        }
    }
}

impl Config {
    /// Reads `file` and `conf.d/*.toml` beside it, sorted by name.
    ///
    /// # Errors
    /// Every problem there is, in the order of files and lines.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        #[expect(clippy::disallowed_methods, reason = "this is config: the one reader of the environment")]
        let credentials = std::env::var("CREDENTIALS_DIRECTORY").ok().map(PathBuf::from);
        Self::load_with(file, credentials)
    }

    /// [`Config::load`] with `$CREDENTIALS_DIRECTORY` given.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_with(file: &Path, credentials_directory: Option<PathBuf>) -> Result<Self, ConfigError> {
        let findings = Findings::default();
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let sources = read_files(&file, &findings);
        let config = Self::read(file, &sources, credentials_directory, &findings);
        findings.problems.into_result().map(|()| config)
    }

    fn read(
        file: PathBuf,
        sources: &[SourceFile],
        credentials_directory: Option<PathBuf>,
        findings: &Findings,
    ) -> Self {
        let mut root = Root::parse(sources, findings);
        // Names may be declared in a file that could not be read: then none is called missing.
        let complete = findings.problems.is_empty();
        let limits = rules::limits(&mut root);
        let (key, old_keys) = settings::secrets(&mut root);
        let (email_settings, default_profile) = settings::email_settings(&mut root);
        let mut config = Self {
            file,
            database_url: settings::database(&mut root),
            key,
            old_keys,
            credentials_directory,
            log: settings::log(&mut root),
            network: settings::network(&mut root),
            metrics: settings::metrics(&mut root),
            polling: rules::polling(&mut root),
            receive: rules::receive(&mut root, &limits),
            sending: rules::sending(&mut root, &limits),
            limits: limits.0,
            failures: rules::failures(&mut root),
            alerts: alerts::alerts(&mut root),
            declared: Declared {
                profiles: profile::profiles(&mut root),
                owners: declared::owners(&mut root),
                mailboxes: declared::mailboxes(&mut root, &email_settings),
            },
            email_settings,
        };
        root.finish();
        if complete {
            let (settings, network) = (&config.email_settings, &config.network);
            check::check(&mut config.declared, settings, default_profile.as_ref(), network, &findings.problems);
        } else {
            check::check_in_part(&config.declared, &findings.problems);
        }
        config
    }

    /// The key-encryption key, and the older ones.
    ///
    /// # Errors
    /// None is configured, or one cannot be read.
    pub fn keyring(&self) -> Result<Keyring, KeyError> {
        let old = self.old_keys.iter().map(|source| self.kek(source)).collect::<Result<_, _>>()?;
        Ok(Keyring::new(self.kek(&self.key)?, old))
    }

    fn kek(&self, source: &KeySource) -> Result<Kek, KeyError> {
        match source {
            KeySource::None => Err(KeyError::NotConfigured),
            KeySource::File(path) => Ok(Kek::from_file(path)?),
            KeySource::Credential(name) => match self.credential(name) {
                Some(path) => Ok(Kek::from_credential(&path)?),
                None => Err(KeyError::NoCredentials { name: name.clone() }),
            },
        }
    }

    /// The file of the systemd credential `name`; `None` where this process was given none.
    pub fn credential(&self, name: &str) -> Option<PathBuf> {
        self.credentials_directory.as_ref().map(|directory| directory.join(name))
    }
}

/// The main file, then `conf.d/*.toml` by name.
fn read_files(main: &Path, findings: &Findings) -> Vec<SourceFile> {
    let problem = |path: &Path, error: &io::Error, hint: Option<&str>| {
        let text = format!("could not read {}: {error}", path.display());
        findings.problems.add(None, text, hint.map(str::to_owned));
    };
    let directory = main.with_file_name("conf.d");
    let mut paths = vec![main.to_owned()];
    match fs::read_dir(&directory) {
        Ok(entries) => {
            let found = entries.filter_map(Result::ok).map(|entry| entry.path());
            let mut more: Vec<PathBuf> = found.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
            more.sort();
            paths.extend(more);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => problem(&directory, &error, None),
    }
    let mut sources = Vec::new();
    for (order, path) in paths.iter().enumerate() {
        match fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => sources.push(SourceFile::new(order, path, text)),
            Ok(Err(error)) => {
                let valid = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let place = SourceFile::new(order, path, text).place(valid);
                findings.problems.add(Some(&place), "not UTF-8", None);
            }
            Err(error) => {
                let absent = order == 0 && error.kind() == io::ErrorKind::NotFound;
                let hint = absent.then_some("give --config FILE, or begin with config/mailsyncd.toml");
                problem(path, &error, hint);
            }
        }
    }
    sources
}

#[cfg(test)]
mod tests;
