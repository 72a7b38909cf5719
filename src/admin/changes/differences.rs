//! What a change to a record means, in a line for people.

use std::{collections::BTreeMap, fmt};

use super::{kind_name, protocol};
use crate::{
    config::show_duration,
    model::{
        ids::ProfileId,
        mailbox::{Approval, DeclaredEnabled, Mailbox, SyncMethod},
        profile::{Endpoint, Security, ServerProfile},
        record::{CredentialSource, Owner},
        timestamp::Timestamp,
    },
};

pub(super) const fn approval_text(approval: Approval) -> &'static str {
    match approval {
        Approval::Empty => "approval not required",
        Approval::Approved => "approved",
        Approval::Pending => "waiting for approval",
        Approval::Rejected => "rejected",
    }
}

const fn declared_enabled(mailbox: &Mailbox) -> &'static str {
    match mailbox.declared_enabled {
        None => "",
        Some(DeclaredEnabled::True) => "true",
        Some(DeclaredEnabled::False) => "false",
        Some(DeclaredEnabled::Test) => "\"test\"",
    }
}

/// What differs between two versions of a record, as text.
#[derive(Default)]
pub struct Differences(Vec<String>);

impl Differences {
    fn compare(&mut self, what: &str, before: impl fmt::Display, after: impl fmt::Display) {
        let (before, after) = (before.to_string(), after.to_string());
        if before != after {
            self.0.push(format!("{what} {} -> {}", quiet(&before), quiet(&after)));
        }
    }

    fn common(&mut self, was_active: bool, before: Option<&String>, after: Option<&String>) {
        if !was_active {
            self.0.insert(0, "comes back".to_owned());
        }
        let place = after.and_then(|by| by.strip_prefix("config:")).unwrap_or_default();
        if was_active && before.is_none() && after.is_some() {
            self.0.push(format!("was made by command, declared at {place} now"));
        } else if before != after && after.is_some() && self.0.is_empty() {
            self.0.push(format!("declared at {place} now"));
        }
    }

    pub fn text(self) -> String {
        self.0.join("; ")
    }
}

fn quiet(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

fn lower(name: impl fmt::Debug) -> String {
    format!("{name:?}").to_lowercase()
}

fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(String::new, |time| time.to_string())
}

pub(super) fn endpoint(endpoint: &Endpoint) -> String {
    let security = match endpoint.security {
        Security::Tls => "tls",
        Security::Starttls => "starttls",
        Security::None => "no encryption",
    };
    format!("{}:{} ({security})", endpoint.host, endpoint.port)
}

fn credential_text(source: &CredentialSource) -> String {
    match source {
        CredentialSource::Stored => "stored".to_owned(),
        CredentialSource::File(path) => format!("file {path}"),
        CredentialSource::SystemdCredential(name) => format!("credential {name}"),
    }
}

pub fn profile_differences(
    before: &(ServerProfile, CredentialSource),
    after: &(ServerProfile, CredentialSource),
) -> Differences {
    let mut found = Differences::default();
    let ((old, old_source), (new, new_source)) = (before, after);
    let outgoing = |profile: &ServerProfile| profile.outgoing.as_ref().map_or_else(String::new, endpoint);
    found.compare("server_type", protocol(old.server_type), protocol(new.server_type));
    found.compare("incoming", endpoint(&old.incoming), endpoint(&new.incoming));
    found.compare("outgoing", outgoing(old), outgoing(new));
    found.compare("auth", lower(old.incoming.auth), lower(new.incoming.auth));
    let outgoing_auth = |profile: &ServerProfile| profile.outgoing.as_ref().map(|outgoing| lower(outgoing.auth));
    if let (Some(before), Some(after)) = (outgoing_auth(old), outgoing_auth(new)) {
        found.compare("outgoing auth", before, after);
    }
    found.compare("name", &old.name, &new.name);
    found.compare("save_to_sent", old.save_to_sent, new.save_to_sent);
    let in_doubt = |profile: &ServerProfile| profile.in_doubt.map_or_else(String::new, lower);
    found.compare("in_doubt", in_doubt(old), in_doubt(new));
    found.compare("description", &old.description, &new.description);
    found.compare("owner", old.owner.as_deref().unwrap_or_default(), new.owner.as_deref().unwrap_or_default());
    found.compare("authenticate_using", lower(old.authenticate_using), lower(new.authenticate_using));
    found.compare("username", old.username.as_deref().unwrap_or_default(), new.username.as_deref().unwrap_or_default());
    found.compare("password", credential_text(old_source), credential_text(new_source));
    found.compare("process_email_from", time(old.process_email_from), time(new.process_email_from));
    let interval = |profile: &ServerProfile| show_duration(profile.minimum_polling_interval);
    found.compare("minimum_polling_interval", interval(old), interval(new));
    let connections = (old.maximum_concurrent_connections, new.maximum_concurrent_connections);
    found.compare("maximum_concurrent_connections", connections.0, connections.1);
    found.compare("connection_timeout", show_duration(old.connection_timeout), show_duration(new.connection_timeout));
    found.compare("default", old.is_default, new.is_default);
    found.common(old.active, old.managed_by.as_ref(), new.managed_by.as_ref());
    found
}

pub fn owner_differences(before: &Owner, after: &Owner) -> Differences {
    let mut found = Differences::default();
    found.compare("name", &before.name, &after.name);
    found.compare("email_address", &before.email_address, &after.email_address);
    let external = |owner: &Owner| owner.external_id.clone().unwrap_or_default();
    found.compare("external_id", external(before), external(after));
    found.common(before.active, before.managed_by.as_ref(), after.managed_by.as_ref());
    found
}

pub fn mailbox_differences(
    before: &(Mailbox, CredentialSource),
    after: &(Mailbox, CredentialSource),
    profiles: &BTreeMap<&str, ProfileId>,
) -> Differences {
    let mut found = Differences::default();
    let ((old, old_source), (new, new_source)) = (before, after);
    found.compare("email_address", &old.email_address, &new.email_address);
    found.compare("name", &old.name, &new.name);
    found.compare("kind", kind_name(old.kind), kind_name(new.kind));
    if old.owner != new.owner && old.kind == new.kind {
        found.0.push("another owner".to_owned());
    }
    let profile = |mailbox: &Mailbox| {
        let known = profiles.iter().find(|(_, id)| Some(**id) == mailbox.profile);
        known.map_or_else(|| mailbox.profile.map_or_else(String::new, |id| id.to_string()), |(name, _)| (*name).into())
    };
    found.compare("profile", profile(old), profile(new));
    found.compare("username", &old.username, &new.username);
    found.compare("password", credential_text(old_source), credential_text(new_source));
    let reads = |mailbox: &Mailbox| mailbox.incoming_method == SyncMethod::ServerSideSync;
    found.compare("read", reads(old), reads(new));
    let sends = |mailbox: &Mailbox| mailbox.outgoing_method == SyncMethod::ServerSideSync;
    found.compare("send", sends(old), sends(new));
    found.compare("may_send_as", old.may_send_as.join(", "), new.may_send_as.join(", "));
    found.compare("delete_after_processing", old.delete_after_processing, new.delete_after_processing);
    let after_time = |mailbox: &Mailbox| time(mailbox.process_email_received_after);
    found.compare("process_email_received_after", after_time(old), after_time(new));
    found.compare("declared enabled", declared_enabled(old), declared_enabled(new));
    found.compare("approval", approval_text(old.approval), approval_text(new.approval));
    found.common(old.active, old.managed_by.as_ref(), new.managed_by.as_ref());
    found
}
