//! A record as a command says it, read by the same rules as one in a file.
//!
//! A command's options are the keys of a section: a [`Draft`] is that section, empty or made of a
//! record that is there, with the options written over it. Reading it finds everything that is wrong.

use std::{path::Path, time::Duration};

use serde::Serialize;
use toml::{Table, Value};

use super::{
    Config, Declared, Problem, check, declared,
    problem::Place,
    profile,
    read::{Findings, Root, SourceFile},
    value::show_duration,
};
use crate::model::{
    mailbox::{Mailbox, MailboxKind},
    profile::{Endpoint, ServerProfile, ServerType},
    record::{CredentialSource, Owner},
};

/// Keys whose value is true or false.
const BOOLEANS: [&str; 2] = ["save_to_sent", "delete_after_processing"];
/// Keys whose value is a whole number.
const NUMBERS: [&str; 2] = ["port", "maximum_concurrent_connections"];
/// Keys whose value is a list.
const LISTS: [&str; 1] = ["may_send_as"];
/// Keys with a table of their own: `incoming_host` is `host` in there.
const TABLES: [&str; 2] = ["incoming", "outgoing"];

/// A section that is being written.
#[derive(Clone, Debug)]
pub struct Draft {
    section: &'static str,
    table: Table,
}

impl Draft {
    /// Of a new record. `section` is `profile`, `user`, `queue` or `mailbox`.
    pub fn new(section: &'static str) -> Self {
        Self { section, table: Table::new() }
    }

    /// Of a profile that is there. A port that fills itself in is left out, so that it follows.
    pub fn of_profile(profile: &ServerProfile, credentials: &CredentialSource) -> Self {
        let mut draft = Self::new("profile");
        draft.write("name", &profile.name);
        draft.write_some("description", (!profile.description.is_empty()).then_some(&profile.description));
        draft.write_some("owner", profile.owner.as_ref());
        draft.write("server_type", profile.server_type);
        draft.write("authenticate_using", profile.authenticate_using);
        draft.write_some("username", profile.username.as_ref());
        draft.credentials(credentials);
        draft.endpoint("incoming", profile.server_type, &profile.incoming);
        if let Some(outgoing) = &profile.outgoing {
            draft.endpoint("outgoing", profile.server_type, outgoing);
        }
        draft.write_some("save_to_sent", profile.save_to_sent.then_some(true));
        draft.write_some("in_doubt", profile.in_doubt);
        draft.write_some("process_email_from", profile.process_email_from.map(|time| time.to_string()));
        draft.duration("minimum_polling_interval", profile.minimum_polling_interval);
        draft.write("maximum_concurrent_connections", profile.maximum_concurrent_connections);
        draft.duration("connection_timeout", profile.connection_timeout);
        draft
    }

    /// Of a user or queue that is there.
    pub fn of_owner(owner: &Owner) -> Self {
        let mut draft = Self::new(if owner.kind == MailboxKind::Queue { "queue" } else { "user" });
        draft.write("name", &owner.name);
        draft.write("email_address", &owner.email_address);
        draft.write_some("external_id", owner.external_id.as_ref());
        draft
    }

    /// Of a mailbox that is there, with the names of its owner (as `queue:Support`) and profile. Name and
    /// log-in name that are its address are left out, so that they follow.
    pub fn of_mailbox(
        mailbox: &Mailbox,
        credentials: &CredentialSource,
        owner: Option<&str>,
        profile: Option<&str>,
    ) -> Self {
        let mut draft = Self::new("mailbox");
        let address = &mailbox.email_address;
        draft.write("email_address", address);
        draft.write_some("name", Some(&mailbox.name).filter(|name| *name != address));
        draft.write("kind", mailbox.kind);
        draft.write_some("owner", owner);
        draft.write_some("profile", profile);
        draft.write_some("username", Some(&mailbox.username).filter(|name| *name != address));
        draft.credentials(credentials);
        draft.write("incoming", mailbox.incoming_method);
        draft.write("outgoing", mailbox.outgoing_method);
        draft.write_some("may_send_as", Some(&mailbox.may_send_as).filter(|addresses| !addresses.is_empty()));
        draft.write_some("delete_after_processing", mailbox.delete_after_processing.then_some(true));
        let after = mailbox.process_email_received_after.map(|time| time.to_string());
        draft.write_some("process_email_received_after", after);
        draft
    }

    fn write(&mut self, key: &str, value: impl Serialize) {
        // Words, numbers and lists of them: nothing that TOML cannot say.
        if let Ok(value) = Value::try_from(value) {
            self.table.insert(key.to_owned(), value);
        }
    }

    fn write_some(&mut self, key: &str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.write(key, value);
        }
    }

    fn duration(&mut self, key: &str, span: Duration) {
        self.write(key, show_duration(span));
    }

    fn credentials(&mut self, source: &CredentialSource) {
        match source {
            CredentialSource::Stored => {}
            CredentialSource::File(path) => self.write("password_file", path),
            CredentialSource::SystemdCredential(name) => self.write("password_credential", name),
        }
    }

    fn endpoint(&mut self, key: &'static str, server_type: ServerType, endpoint: &Endpoint) {
        let mut table = Self::new("endpoint");
        table.write("host", &endpoint.host);
        table.write("security", endpoint.security);
        table.write("auth", endpoint.auth);
        let filled_in = profile::port(key, server_type, endpoint.security);
        table.write_some("port", Some(endpoint.port).filter(|port| *port != filled_in));
        self.table.insert(key.to_owned(), Value::Table(table.table));
    }

    /// Writes the value of an option over what is there: `incoming_port` is the port of `incoming`. An
    /// empty value takes the key out.
    pub fn set(&mut self, option: &str, value: &str) {
        let nested = TABLES.iter().find_map(|table| Some((*table, option.strip_prefix(table)?.strip_prefix('_')?)));
        let Some((key, inner)) = nested.filter(|_| self.section == "profile") else {
            self.table.remove(option);
            if !value.is_empty() {
                self.table.insert(option.to_owned(), typed(option, value));
            }
            return;
        };
        let table = self.table.entry(key).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(table) = table {
            table.remove(inner);
            if !value.is_empty() {
                table.insert(inner.to_owned(), typed(inner, value));
            }
        }
        // Without a host there is no server: what else was said of it goes too.
        if inner == "host" && value.is_empty() {
            self.table.remove(key);
        }
    }

    /// Reads it as if it stood in a file: the one record of its kind that is declared, or everything that
    /// is wrong with it.
    ///
    /// # Errors
    /// What is wrong, in the words of options.
    pub fn read(&self, config: &Config) -> Result<Declared, Vec<Problem>> {
        let file = Table::from_iter([(self.section.to_owned(), Value::Array(vec![Value::Table(self.table.clone())]))]);
        let text = toml::to_string(&file).unwrap_or_default();
        // Relative paths are those of whoever types them.
        let path = std::path::absolute(Path::new("command")).unwrap_or_default();
        let sources = [SourceFile::new(0, &path, text)];
        let findings = Findings::of_options();
        let mut root = Root::parse(&sources, &findings);
        let mut declared = Declared {
            profiles: profile::profiles(&mut root),
            owners: declared::owners(&mut root),
            mailboxes: declared::mailboxes(&mut root, &config.email_settings),
        };
        declared.profiles.iter_mut().for_each(|profile| profile.place = nowhere());
        declared.owners.iter_mut().for_each(|owner| owner.place = nowhere());
        declared.mailboxes.iter_mut().for_each(|mailbox| mailbox.place = nowhere());
        findings.problems.into_options().map(|()| declared)
    }
}

fn typed(key: &str, value: &str) -> Value {
    let text = || Value::String(value.to_owned());
    if BOOLEANS.contains(&key) {
        value.parse().map_or_else(|_| text(), Value::Boolean)
    } else if NUMBERS.contains(&key) {
        value.parse().map_or_else(|_| text(), Value::Integer)
    } else if LISTS.contains(&key) {
        Value::Array(value.split(',').map(|item| Value::String(item.trim().to_owned())).collect())
    } else {
        text()
    }
}

/// What is wrong with records of a command taken together: servers that the network rules forbid,
/// passwords that nobody would use, senders without a server.
///
/// # Errors
/// All of it.
pub fn check_together(declared: &Declared, config: &Config) -> Result<(), Vec<Problem>> {
    let findings = Findings::of_options();
    check::together(declared, &config.network, &findings.problems);
    findings.problems.into_options()
}

/// A hint that says what to write into a file, in the words of options: `security = "tls"` is
/// `--security tls`, `incoming = { host = "h" }` is `--incoming-host h`.
pub(super) fn in_options(hint: &str) -> String {
    let mut said = String::new();
    let mut rest = hint;
    while let Some((before, after)) = rest.split_once(" = ") {
        let start = before.rfind(|c: char| !c.is_ascii_lowercase() && c != '_').map_or(0, |at| at + 1);
        let (lead, key) = before.split_at_checked(start).unwrap_or((before, ""));
        let of_file = lead.ends_with('.') || key.is_empty();
        if let Some(inner) = after.strip_prefix("{ ").filter(|_| !of_file) {
            // The key inside follows at once, and the brace behind its value.
            said.push_str(lead);
            let (inner, behind) = inner.split_once(" }").unwrap_or((inner, ""));
            said.push_str(&in_options(&format!("{key}_{inner}")));
            rest = behind;
        } else if let Some((value, behind)) =
            after.strip_prefix('"').and_then(|quoted| quoted.split_once('"')).filter(|_| !of_file)
        {
            said.push_str(&format!("{lead}--{} {value}", key.replace('_', "-")));
            rest = behind;
        } else {
            said.push_str(before);
            said.push_str(" = ");
            rest = after;
        }
    }
    said.push_str(rest);
    said
}

/// The place of what was typed.
fn nowhere() -> Place {
    Place { order: 0, file: "".into(), line: 0 }
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
