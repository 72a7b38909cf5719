//! What the declared records change in the database, decided without touching it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    config::{Config, DeclaredMailbox, DeclaredOwner, DeclaredProfile, show_duration},
    model::{
        failure::clean,
        ids::{MailboxId, OwnerId, ProfileId},
        mailbox::{Approval, Mailbox, MailboxKind, SyncMethod, WorkloadState},
        profile::{AuthenticateUsing, Endpoint, Security, ServerProfile},
        record::{CredentialSource, FilterMethod, Owner, RecordChange, Records},
        timestamp::Timestamp,
    },
};

/// One change, and what it means in a line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedChange {
    /// What the store does.
    pub change: RecordChange,
    text: String,
}

impl fmt::Display for PlannedChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Compares what is declared with what the database has. Nothing is declared twice (the configuration
/// was checked), so that a plan applied leaves nothing to plan.
///
/// Records are found by name, mailboxes by address in upper or lower case. A record that was declared
/// once and is not any more becomes inactive; declared again it comes back with its state. A mailbox
/// with `enabled = true` is enabled again whatever disabled it: the file wins.
pub fn plan_declared(config: &Config, records: &Records, now: Timestamp) -> Vec<PlannedChange> {
    let mut planner = Planner { changes: Vec::new(), now };
    let profiles = planner.profiles(config, records);
    let owners = planner.owners(config, records);
    planner.mailboxes(config, records, &profiles, &owners);
    planner.retire(config, records);
    planner.changes
}

type OwnerKey = (&'static str, String);

const fn kind_name(kind: MailboxKind) -> &'static str {
    match kind {
        MailboxKind::User => "user",
        MailboxKind::Queue => "queue",
        MailboxKind::Forward => "forward",
    }
}

struct Planner {
    changes: Vec<PlannedChange>,
    now: Timestamp,
}

impl Planner {
    fn add(&mut self, change: RecordChange, what: &str, name: &str, text: &str) {
        let text = format!("{what} {}: {}", clean(name, 320), clean(text, 2_000));
        self.changes.push(PlannedChange { change, text });
    }

    fn profiles<'c>(&mut self, config: &'c Config, records: &Records) -> BTreeMap<&'c str, ProfileId> {
        let known: BTreeMap<&str, _> = records.profiles.iter().map(|pair| (pair.0.name.as_str(), pair)).collect();
        let mut ids = BTreeMap::new();
        for declared in &config.declared.profiles {
            let before = known.get(declared.name.as_str()).copied();
            let id = before.map_or_else(|| ProfileId::generate(self.now), |(profile, _)| profile.id);
            ids.insert(declared.name.as_str(), id);
            let is_default = config.email_settings.default_profile.as_ref() == Some(&declared.name);
            let after = (profile(declared, id, is_default), declared.credentials.clone());
            let text = match before {
                None => format!("new, {}", endpoint(&after.0.incoming)),
                Some(before) if *before == after => continue,
                Some(before) => {
                    let stored = stored_passwords(records, before);
                    profile_differences(before, &after, stored).text()
                }
            };
            self.add(RecordChange::PutProfile(after.0, after.1), "profile", &declared.name, &text);
        }
        ids
    }

    fn owners(&mut self, config: &Config, records: &Records) -> BTreeMap<OwnerKey, OwnerId> {
        let known: BTreeMap<OwnerKey, &Owner> =
            records.owners.iter().map(|owner| ((kind_name(owner.kind), owner.name.clone()), owner)).collect();
        let mut ids = BTreeMap::new();
        for declared in &config.declared.owners {
            let key = (kind_name(declared.kind), declared.name.clone());
            let before = known.get(&key).copied();
            let id = before.map_or_else(|| OwnerId::generate(self.now), |owner| owner.id);
            ids.insert(key, id);
            let after = owner(declared, id);
            let text = match before {
                None => format!("new, {}", after.email_address),
                Some(before) if *before == after => continue,
                Some(before) => owner_differences(before, &after).text(),
            };
            self.add(RecordChange::PutOwner(after), kind_name(declared.kind), &declared.name, &text);
        }
        ids
    }

    fn mailboxes(
        &mut self,
        config: &Config,
        records: &Records,
        profiles: &BTreeMap<&str, ProfileId>,
        owners: &BTreeMap<OwnerKey, OwnerId>,
    ) {
        let known: BTreeMap<String, _> =
            records.mailboxes.iter().map(|pair| (pair.0.email_address.to_lowercase(), pair)).collect();
        for declared in &config.declared.mailboxes {
            let before = known.get(&declared.email_address.to_lowercase()).copied();
            let required = config.email_settings.approval_required(declared.kind());
            let owner = declared.owner.as_ref();
            let mailbox = Mailbox {
                id: before.map_or_else(|| MailboxId::generate(self.now), |(mailbox, _)| mailbox.id),
                name: declared.name.clone(),
                email_address: declared.email_address.clone(),
                kind: declared.kind(),
                owner: owner.and_then(|o| owners.get(&(kind_name(o.kind), o.name.clone())).copied()),
                profile: declared.profile.as_deref().and_then(|name| profiles.get(name).copied()),
                username: declared.username.clone(),
                incoming_method: declared.incoming,
                outgoing_method: SyncMethod::None,
                delete_after_processing: false,
                may_send_as: Vec::new(),
                process_email_received_after: declared.process_email_received_after,
                approval: approval(declared.approved, required, before.map(|(mailbox, _)| mailbox.approval)),
                active: true,
                managed_by: Some(declared.place.managed_by()),
                incoming: before.map_or_else(|| new_state(declared), |(mailbox, _)| mailbox.incoming.clone()),
                outgoing: before.map_or_else(WorkloadState::default, |(mailbox, _)| mailbox.outgoing.clone()),
            };
            let credentials = declared.credentials.clone().unwrap_or(CredentialSource::Stored);
            self.mailbox(declared, before, (mailbox, credentials), profiles);
        }
    }

    fn mailbox(
        &mut self,
        declared: &DeclaredMailbox,
        before: Option<&(Mailbox, CredentialSource)>,
        after: (Mailbox, CredentialSource),
        profiles: &BTreeMap<&str, ProfileId>,
    ) {
        let address = &declared.email_address;
        let (id, state) = (after.0.id, after.0.incoming.clone());
        let text = match before {
            None => Some(new_mailbox(&after.0)),
            Some(before) if *before == after => None,
            Some(before) => Some(mailbox_differences(before, &after, profiles).text()),
        };
        if let Some(text) = text {
            self.add(RecordChange::PutMailbox(Box::new(after.0), after.1), "mailbox", address, &text);
        }
        if before.is_none() {
            return;
        }
        match declared.enabled {
            Some(true) if !state.enabled => {
                let why = state.failure_code.map_or_else(String::new, |code| format!(" (it was disabled: {code})"));
                self.add(RecordChange::EnableIncoming(id), "mailbox", address, &format!("enabled{why}"));
            }
            Some(false) if state.enabled => {
                self.add(RecordChange::DisableIncoming(id), "mailbox", address, "disabled");
            }
            _ => {}
        }
    }

    fn retire(&mut self, config: &Config, records: &Records) {
        let gone = |managed_by: &Option<String>| managed_by.as_deref().is_some_and(|by| by.starts_with("config:"));
        let text = "not declared any more: becomes inactive, what it recorded stays";
        let declared: BTreeSet<String> =
            config.declared.mailboxes.iter().map(|mailbox| mailbox.email_address.to_lowercase()).collect();
        for (mailbox, _) in records.mailboxes.iter().filter(|(mailbox, _)| mailbox.active && gone(&mailbox.managed_by))
        {
            if !declared.contains(&mailbox.email_address.to_lowercase()) {
                self.add(RecordChange::RetireMailbox(mailbox.id), "mailbox", &mailbox.email_address, text);
            }
        }
        let declared: BTreeSet<OwnerKey> =
            config.declared.owners.iter().map(|owner| (kind_name(owner.kind), owner.name.clone())).collect();
        for owner in records.owners.iter().filter(|owner| owner.active && gone(&owner.managed_by)) {
            if !declared.contains(&(kind_name(owner.kind), owner.name.clone())) {
                self.add(RecordChange::RetireOwner(owner.id), kind_name(owner.kind), &owner.name, text);
            }
        }
        let declared: BTreeSet<&str> = config.declared.profiles.iter().map(|profile| profile.name.as_str()).collect();
        for (profile, _) in records.profiles.iter().filter(|(profile, _)| profile.active && gone(&profile.managed_by)) {
            if !declared.contains(profile.name.as_str()) {
                self.add(RecordChange::RetireProfile(profile.id), "profile", &profile.name, text);
            }
        }
    }
}

fn profile(declared: &DeclaredProfile, id: ProfileId, is_default: bool) -> ServerProfile {
    ServerProfile {
        id,
        name: declared.name.clone(),
        description: declared.description.clone(),
        server_type: declared.server_type,
        authenticate_using: declared.authenticate_using,
        username: declared.username.clone(),
        incoming: declared.incoming.clone(),
        outgoing: None,
        save_to_sent: false,
        in_doubt: None,
        process_email_from: declared.process_email_from,
        minimum_polling_interval: declared.minimum_polling_interval,
        maximum_concurrent_connections: declared.maximum_concurrent_connections,
        connection_timeout: declared.connection_timeout,
        is_default,
        managed_by: Some(declared.place.managed_by()),
        active: true,
    }
}

fn owner(declared: &DeclaredOwner, id: OwnerId) -> Owner {
    Owner {
        id,
        kind: declared.kind,
        name: declared.name.clone(),
        email_address: declared.email_address.clone(),
        external_id: declared.external_id.clone(),
        filter_method: FilterMethod::All,
        managed_by: Some(declared.place.managed_by()),
        active: true,
    }
}

/// What the file says of approval wins; where it says nothing, people's decisions stay.
const fn approval(declared: Option<bool>, required: bool, before: Option<Approval>) -> Approval {
    match (declared, before) {
        (Some(true), _) => Approval::Approved,
        (Some(false) | None, Some(Approval::Rejected)) => Approval::Rejected,
        (None, Some(Approval::Approved)) => Approval::Approved,
        (Some(false), _) => Approval::Pending,
        (None, _) if required => Approval::Pending,
        (None, _) => Approval::Empty,
    }
}

fn new_state(declared: &DeclaredMailbox) -> WorkloadState {
    WorkloadState { enabled: declared.enabled == Some(true), ..WorkloadState::default() }
}

fn new_mailbox(mailbox: &Mailbox) -> String {
    let enabled = if mailbox.incoming.enabled { "enabled" } else { "not enabled" };
    format!("new, {}, {enabled}", approval_text(mailbox.approval))
}

const fn approval_text(approval: Approval) -> &'static str {
    match approval {
        Approval::Empty => "approval not required",
        Approval::Approved => "approved",
        Approval::Pending => "waiting for approval",
        Approval::Rejected => "rejected",
    }
}

/// What differs between two versions of a record, as text.
#[derive(Default)]
struct Differences(Vec<String>);

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
        if before != after && self.0.is_empty() {
            let place = after.and_then(|by| by.strip_prefix("config:")).unwrap_or_default();
            self.0.push(format!("declared at {place} now"));
        }
    }

    fn text(self) -> String {
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

fn endpoint(endpoint: &Endpoint) -> String {
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

/// How many passwords in the database would be sent to another server if the endpoint changed.
fn stored_passwords(records: &Records, before: &(ServerProfile, CredentialSource)) -> usize {
    let (profile, source) = before;
    if profile.authenticate_using == AuthenticateUsing::Profile {
        return usize::from(*source == CredentialSource::Stored);
    }
    let stored = |(mailbox, source): &&(Mailbox, CredentialSource)| {
        mailbox.profile == Some(profile.id) && *source == CredentialSource::Stored
    };
    records.mailboxes.iter().filter(stored).count()
}

fn profile_differences(
    before: &(ServerProfile, CredentialSource),
    after: &(ServerProfile, CredentialSource),
    stored: usize,
) -> Differences {
    let mut found = Differences::default();
    let ((old, old_source), (new, new_source)) = (before, after);
    found.compare("incoming", endpoint(&old.incoming), endpoint(&new.incoming));
    if !found.0.is_empty() && stored > 0 {
        found.0.push(format!("{stored} stored passwords will be sent to the new server"));
    }
    found.compare("auth", lower(old.incoming.auth), lower(new.incoming.auth));
    found.compare("description", &old.description, &new.description);
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

fn owner_differences(before: &Owner, after: &Owner) -> Differences {
    let mut found = Differences::default();
    found.compare("email_address", &before.email_address, &after.email_address);
    let external = |owner: &Owner| owner.external_id.clone().unwrap_or_default();
    found.compare("external_id", external(before), external(after));
    found.common(before.active, before.managed_by.as_ref(), after.managed_by.as_ref());
    found
}

fn mailbox_differences(
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
    let after_time = |mailbox: &Mailbox| time(mailbox.process_email_received_after);
    found.compare("process_email_received_after", after_time(old), after_time(new));
    found.compare("approval", approval_text(old.approval), approval_text(new.approval));
    found.common(old.active, old.managed_by.as_ref(), new.managed_by.as_ref());
    found
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
