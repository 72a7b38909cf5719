//! What the declared records change in the database, decided without touching it.

mod differences;
mod enabling;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use self::differences::{approval_text, endpoint, mailbox_differences, owner_differences, profile_differences};
use crate::{
    config::{Config, ConfigError, DeclaredMailbox, DeclaredOwner, DeclaredProfile, Problem},
    model::{
        failure::clean,
        ids::{MailboxId, OwnerId, ProfileId},
        mailbox::{Approval, DeclaredEnabled, Mailbox, MailboxKind, SyncMethod, WorkloadState},
        profile::{AuthenticateUsing, ServerProfile, ServerType},
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
/// once and is not any more becomes inactive; declared again it comes back with its state. What a file
/// says of `enabled` is done once, when it says so first: see [`enabling`].
///
/// # Errors
/// A profile would change its protocol: what its mailboxes have recorded is known by the numbers of the
/// other one.
pub fn plan_declared(config: &Config, records: &Records, now: Timestamp) -> Result<Vec<PlannedChange>, ConfigError> {
    let problems = changed_protocols(config, records);
    if !problems.is_empty() {
        return Err(ConfigError { problems });
    }
    let mut planner = Planner { changes: Vec::new(), now };
    let profiles = planner.profiles(config, records);
    let owners = planner.owners(config, records);
    planner.mailboxes(config, records, &profiles, &owners);
    planner.retire(config, records);
    Ok(planner.changes)
}

fn changed_protocols(config: &Config, records: &Records) -> Vec<Problem> {
    let types: BTreeMap<&str, ServerType> =
        records.profiles.iter().map(|(profile, _)| (profile.name.as_str(), profile.server_type)).collect();
    let declared = config.declared.profiles.iter();
    let changed = declared.filter_map(|profile| {
        let before = *types.get(profile.name.as_str())?;
        (before != profile.server_type).then(|| Problem {
            place: Some(profile.place.clone()),
            text: format!(
                "profile {} cannot become {}: it is {}",
                profile.name,
                protocol(profile.server_type),
                protocol(before)
            ),
            hint: Some("declare a new profile under another name and move the mailboxes to it".to_owned()),
        })
    });
    changed.collect()
}

const fn protocol(server_type: ServerType) -> &'static str {
    match server_type {
        ServerType::ImapSmtp => "imap_smtp",
        ServerType::Pop3Smtp => "pop3_smtp",
    }
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

    /// Every profile by name, those that are declared no more too.
    fn profiles<'c>(&mut self, config: &'c Config, records: &'c Records) -> BTreeMap<&'c str, ProfileId> {
        let known: BTreeMap<&str, _> = records.profiles.iter().map(|pair| (pair.0.name.as_str(), pair)).collect();
        let mut ids: BTreeMap<&str, ProfileId> = known.iter().map(|(name, (profile, _))| (*name, profile.id)).collect();
        for declared in &config.declared.profiles {
            let before = known.get(declared.name.as_str()).copied();
            let id = before.map_or_else(|| ProfileId::generate(self.now), |(profile, _)| profile.id);
            ids.insert(declared.name.as_str(), id);
            let is_default = config.email_settings.default_profile.as_ref() == Some(&declared.name);
            let after = (profile(declared, id, is_default), declared.credentials.clone());
            let text = match before {
                None => new_profile(&after.0),
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
                outgoing_method: declared.outgoing,
                delete_after_processing: declared.delete_after_processing,
                may_send_as: declared.may_send_as.clone(),
                process_email_received_after: declared.process_email_received_after,
                approval: approval(declared.approved, required, before.map(|(mailbox, _)| mailbox.approval)),
                active: true,
                managed_by: Some(declared.place.managed_by()),
                declared_enabled: declared.enabled,
                test_completed_at: before.and_then(|(mailbox, _)| mailbox.test_completed_at),
                incoming: before.map_or_else(|| new_state(declared, true), |(mailbox, _)| mailbox.incoming.clone()),
                outgoing: before
                    .map_or_else(|| new_state(declared, sends(declared)), |(mailbox, _)| mailbox.outgoing.clone()),
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
        let enabling = before.map_or_else(
            || enabling::of_new(declared, &after.0, self.now),
            |before| enabling::of_known(declared, before, &after, self.now),
        );
        let text = match before {
            None => Some(new_mailbox(&after.0)),
            Some(before) if *before == after => None,
            Some(before) => Some(mailbox_differences(before, &after, profiles).text()),
        };
        if let Some(text) = text {
            self.add(RecordChange::PutMailbox(Box::new(after.0), after.1), "mailbox", address, &text);
        }
        for (change, text) in enabling {
            self.add(change, "mailbox", address, &text);
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
        owner: declared.owner.clone(),
        server_type: declared.server_type,
        authenticate_using: declared.authenticate_using,
        username: declared.username.clone(),
        incoming: declared.incoming.clone(),
        outgoing: declared.outgoing.clone(),
        save_to_sent: declared.save_to_sent,
        in_doubt: declared.in_doubt,
        process_email_from: declared.process_email_from,
        minimum_polling_interval: declared.minimum_polling_interval,
        maximum_concurrent_connections: declared.maximum_concurrent_connections,
        connection_timeout: declared.connection_timeout,
        is_default,
        managed_by: Some(declared.place.managed_by()),
        active: true,
    }
}

fn new_profile(profile: &ServerProfile) -> String {
    let outgoing = profile.outgoing.as_ref().map(|outgoing| format!(", sending through {}", endpoint(outgoing)));
    format!("new, {}{}", endpoint(&profile.incoming), outgoing.unwrap_or_default())
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

fn sends(declared: &DeclaredMailbox) -> bool {
    declared.outgoing == SyncMethod::ServerSideSync
}

fn new_state(declared: &DeclaredMailbox, used: bool) -> WorkloadState {
    WorkloadState { enabled: used && declared.enabled == Some(DeclaredEnabled::True), ..WorkloadState::default() }
}

fn new_mailbox(mailbox: &Mailbox) -> String {
    let enabled = if mailbox.incoming.enabled { "enabled" } else { "not enabled" };
    let sends = if mailbox.outgoing_method == SyncMethod::ServerSideSync { ", sends" } else { "" };
    format!("new, {}, {enabled}{sends}", approval_text(mailbox.approval))
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

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
