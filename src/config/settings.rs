//! The sections that stand once: how the daemon as a whole behaves.

use std::{
    collections::BTreeSet,
    fs, io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde::Serialize;
use tracing_subscriber::EnvFilter;

use super::{
    problem::Place,
    read::{Root, Section},
    value::{Read, Wrong, boolean, choice, list, number, text},
};
use crate::{
    base::{secret::exposed, telemetry::Format},
    model::mailbox::{MailboxKind, SyncMethod},
};

/// Where the key-encryption key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Nowhere: passwords cannot be stored in the database.
    None,
    /// A file that only its owner may read.
    File(PathBuf),
    /// A systemd credential of this name.
    Credential(String),
}

/// How logs look and what they tell (`[log]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Their form.
    pub format: Format,
    /// A level, or a filter of `tracing-subscriber`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: Format::Json, level: "info".to_owned() }
    }
}

/// Where numbers and health are shown (`[metrics]`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Monitoring {
    /// Where is listened; `None`: nowhere.
    pub listen: Option<SocketAddr>,
}

/// What may be dialled and trusted (`[network]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The only ports that are ever connected to.
    pub allowed_ports: BTreeSet<u16>,
    /// Whether `security = "none"` is allowed at all.
    pub allow_cleartext: bool,
    /// PEM files with certificates to trust besides the system's.
    pub extra_ca_files: Vec<PathBuf>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            allowed_ports: BTreeSet::from([443, 465, 587, 993, 995]),
            allow_cleartext: false,
            extra_ca_files: Vec::new(),
        }
    }
}

/// What mailboxes get that do not say otherwise (`[email_settings]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EmailSettings {
    /// The profile of mailboxes that name none.
    pub default_profile: Option<String>,
    /// Whether their mail is read.
    pub incoming: SyncMethod,
    /// Whether they send.
    pub outgoing: SyncMethod,
    /// Whether mailboxes of users must be approved.
    pub approve_users: bool,
    /// Whether mailboxes of queues must be approved.
    pub approve_queues: bool,
    /// What the organization is called in test mails.
    pub organization: String,
}

impl EmailSettings {
    /// Whether a mailbox of this kind is processed only after somebody approved it.
    pub const fn approval_required(&self, kind: MailboxKind) -> bool {
        match kind {
            MailboxKind::User => self.approve_users,
            MailboxKind::Queue => self.approve_queues,
            MailboxKind::Forward => false,
        }
    }
}

impl Default for EmailSettings {
    fn default() -> Self {
        Self {
            default_profile: None,
            incoming: SyncMethod::ServerSideSync,
            outgoing: SyncMethod::None,
            approve_users: true,
            approve_queues: true,
            organization: "mailsyncd".to_owned(),
        }
    }
}

pub(super) const SYNC_METHODS: &[(&str, SyncMethod)] =
    &[("server_side_sync", SyncMethod::ServerSideSync), ("none", SyncMethod::None)];

/// The database's address where none is given.
pub const DEFAULT_DATABASE: &str = "sqlite:/var/lib/mailsyncd/mailsyncd.db";

pub(super) fn database(root: &mut Root<'_>) -> String {
    let mut section = root.section("database");
    let url = section.take("url", database_url);
    section.finish();
    url.unwrap_or_else(|| DEFAULT_DATABASE.to_owned())
}

fn database_url(value: &toml::de::DeValue<'_>) -> Read<String> {
    let url = text(value)?;
    if url.strip_prefix("sqlite:").is_some_and(|path| path == ":memory:") {
        return Err(Wrong::hint("would be forgotten at the end", "write sqlite:/path/to/file"));
    }
    if url.strip_prefix("sqlite:").is_some_and(|path| !path.is_empty()) {
        return Ok(url);
    }
    // The address is not repeated in these errors: it may hold a password.
    let Some(rest) = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")) else {
        return Err(Wrong::hint(
            "names no database we know",
            "write sqlite:/path/to/file or postgres://user@host/name",
        ));
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let password = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    if password || rest.contains("password=") {
        let hint =
            "passwords never stand in the configuration: use peer authentication, or a file named by $PGPASSFILE";
        return Err(Wrong::hint("must not hold a password", hint));
    }
    Ok(url)
}

/// The key that seals, and older ones that open.
pub(super) fn secrets(root: &mut Root<'_>) -> (KeySource, Vec<KeySource>) {
    let mut section = root.section("secrets");
    let file = section.take_path("key_file");
    let credential = section.take_placed("key_credential", credential_name);
    let source = match (file, credential) {
        (Some((_, first)), Some((_, second))) => {
            let wrong = Wrong::hint("key_file is given too", format!("keep one of them; the other is at {first}"));
            section.wrong(&second, "key_credential", wrong);
            KeySource::None
        }
        (Some((path, place)), None) => {
            check_key_file(&section, "key_file", &path, &place);
            KeySource::File(path)
        }
        (None, Some((name, _))) => KeySource::Credential(name),
        (None, None) => KeySource::None,
    };
    let mut old = Vec::new();
    for (path, place) in section.take_paths("old_key_files") {
        check_key_file(&section, "old_key_files", &path, &place);
        old.push(KeySource::File(path));
    }
    let credentials = section.take_placed("old_key_credentials", list(credential_name));
    old.extend(credentials.into_iter().flat_map(|(names, _)| names).map(KeySource::Credential));
    section.finish();
    (source, old)
}

/// The name of a file in `$CREDENTIALS_DIRECTORY`.
pub(super) fn credential_name(value: &toml::de::DeValue<'_>) -> Read<String> {
    let name = text(value)?;
    if name.contains('/') || name.starts_with('.') {
        return Err(Wrong::hint(
            format!("{name:?} is not the name of a systemd credential"),
            "a file goes into …_file",
        ));
    }
    Ok(name)
}

fn check_key_file(section: &Section<'_>, key: &'static str, path: &Path, place: &Place) {
    let wrong = match fs::metadata(path) {
        Ok(about) if exposed(about.permissions().mode()) => Wrong::hint(
            format!("{} may be read by others (mode {:04o})", path.display(), about.permissions().mode() & 0o7777),
            "chmod 0400 the key file",
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let hint = match key {
                "key_file" => format!(
                    "make a key with: mailsyncd key new {} (where passwords were stored before, bring the lost key back \
                     instead: they open with no other)",
                    path.display()
                ),
                _ => {
                    "bring it back; or take it out, where `mailsyncd key rotate` says that nothing needs it".to_owned()
                }
            };
            Wrong::hint(format!("{} does not exist", path.display()), hint)
        }
        // Whether it can be read is found out by whom it concerns: status needs no key.
        Ok(_) | Err(_) => return,
    };
    section.wrong(place, key, wrong);
}

pub(super) fn log(root: &mut Root<'_>) -> Log {
    let mut section = root.section("log");
    let formats = [("json", Format::Json), ("text", Format::Text), ("journald", Format::Journald)];
    let (format, level) = (section.take("format", choice(&formats)), section.take("level", log_level));
    section.finish();
    let default = Log::default();
    Log { format: format.unwrap_or(default.format), level: level.unwrap_or(default.level) }
}

fn log_level(value: &toml::de::DeValue<'_>) -> Read<String> {
    let level = text(value)?;
    let known = ["error", "warn", "info", "debug", "trace", "off"];
    // A lone word would be taken for the name of a module.
    let lone_word = level.chars().all(char::is_alphanumeric);
    if (lone_word && !known.contains(&level.as_str())) || EnvFilter::builder().parse(&level).is_err() {
        let hint = "one of error, warn, info, debug, trace, or a filter as \"info,mailsyncd=debug\"";
        return Err(Wrong::hint(format!("{level:?} is not a level"), hint));
    }
    Ok(level)
}

pub(super) fn network(root: &mut Root<'_>) -> Network {
    let mut section = root.section("network");
    let default = Network::default();
    let ports = section.take("allowed_ports", list(number(1..=u16::MAX)));
    let cleartext = section.take("allow_cleartext", boolean);
    let mut extra_ca_files = Vec::new();
    for (path, place) in section.take_paths("extra_ca_files") {
        match fs::read(&path) {
            Ok(pem) if !pem.windows(PEM.len()).any(|part| part == PEM) => {
                let hint = "PEM is wanted: openssl x509 -inform der -in FILE -out FILE.pem";
                let wrong = Wrong::hint(format!("{} holds no PEM certificate", path.display()), hint);
                section.wrong(&place, "extra_ca_files", wrong);
            }
            Err(error) => {
                let wrong = Wrong::new(format!("could not read {}: {error}", path.display()));
                section.wrong(&place, "extra_ca_files", wrong);
            }
            Ok(_) => extra_ca_files.push(path),
        }
    }
    section.finish();
    Network {
        allowed_ports: ports.map_or(default.allowed_ports, BTreeSet::from_iter),
        allow_cleartext: cleartext.unwrap_or(default.allow_cleartext),
        extra_ca_files,
    }
}

const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----";

pub(super) fn metrics(root: &mut Root<'_>) -> Monitoring {
    let mut section = root.section("metrics");
    let listen = section.take_placed("listen", address_or_off);
    let remote = section.take("allow_remote", boolean).unwrap_or(false);
    if let Some((Some(address), place)) = &listen
        && !address.ip().is_loopback()
        && !remote
    {
        let hint = "listen on 127.0.0.1 or [::1]; or set allow_remote = true: whoever reaches it reads it, unencrypted";
        section.wrong(place, "listen", Wrong::hint(format!("{address} is reached from other machines"), hint));
    }
    section.finish();
    Monitoring { listen: listen.and_then(|(address, _)| address) }
}

/// `"127.0.0.1:9464"`, or `"off"`.
fn address_or_off(value: &toml::de::DeValue<'_>) -> Read<Option<SocketAddr>> {
    let text = text(value)?;
    match text.as_str() {
        "off" => Ok(None),
        address => address.parse().map(Some).map_err(|_| {
            Wrong::hint(format!("{text:?} is not an address with a port"), "write \"127.0.0.1:9464\", or \"off\"")
        }),
    }
}

/// The settings, and where the default profile is named.
pub(super) fn email_settings(root: &mut Root<'_>) -> (EmailSettings, Option<Place>) {
    let mut section = root.section("email_settings");
    let default = EmailSettings::default();
    let (default_profile, place) = section.take_placed("default_profile", text).unzip();
    let settings = EmailSettings {
        default_profile,
        incoming: section.take("incoming", choice(SYNC_METHODS)).unwrap_or(default.incoming),
        outgoing: section.take("outgoing", choice(SYNC_METHODS)).unwrap_or(default.outgoing),
        approve_users: section.take("approve_users", boolean).unwrap_or(default.approve_users),
        approve_queues: section.take("approve_queues", boolean).unwrap_or(default.approve_queues),
        organization: section.take("organization", text).unwrap_or(default.organization),
    };
    section.finish();
    (settings, place)
}
