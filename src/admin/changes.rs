//! What the declared records change in the database, decided without touching it.

mod approving;
mod differences;
mod enabling;
mod locking;
mod records;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use self::locking::Locking;
pub(super) use self::{
    approving::Newcomers,
    differences::{mailbox_differences, owner_differences, profile_differences},
    enabling::{switch_off, switch_off_of},
    records::{MailboxPlace, mailbox_record, new_mailbox, new_profile},
};
use crate::{
    config::{Config, ConfigError, DeclaredMailbox, DeclaredProfile, Problem},
    model::{
        failure::clean,
        ids::{MailboxId, OwnerId, ProfileId},
        locks::passwords_locked,
        mailbox::{Approval, Mailbox, MailboxKind},
        profile::{ServerProfile, ServerType},
        record::{CredentialSource, Owner, RecordChange, Records, SecretOwner},
        timestamp::Timestamp,
    },
};

/// One change, and what it means in a line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedChange {
    /// What the store does.
    pub change: RecordChange,
    /// Whose stored passwords it locks.
    pub locks: Vec<SecretOwner>,
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
/// once and is not any more becomes inactive; declared again it comes back with its state. A record that
/// was made by command is left alone, unless a file declares it: then it is the file's. What a file
/// says of `enabled` is done once, when it says so first: see [`enabling`].
///
/// # Errors
/// A profile would change its protocol: what its mailboxes have recorded is known by the numbers of the
/// other one. Or a user or queue would get a second mailbox.
pub fn plan_declared(config: &Config, records: &Records, now: Timestamp) -> Result<Vec<PlannedChange>, ConfigError> {
    let mut problems = changed_protocols(config, records);
    problems.extend(second_mailboxes(config, records));
    if !problems.is_empty() {
        return Err(ConfigError { problems });
    }
    let mut planner = Planner::new(records, now);
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
    let changed = declared.filter_map(|profile| changed_protocol(profile, *types.get(profile.name.as_str())?));
    changed.collect()
}

/// Declared mailboxes of users and queues that have another one, made by command.
fn second_mailboxes(config: &Config, records: &Records) -> Vec<Problem> {
    let owners: BTreeMap<OwnerId, OwnerKey> =
        records.owners.iter().map(|owner| (owner.id, (kind_name(owner.kind), owner.name.clone()))).collect();
    let made = records.mailboxes.iter().filter(|(mailbox, _)| mailbox.active && mailbox.managed_by.is_none());
    let made: BTreeMap<&OwnerKey, &str> =
        made.filter_map(|(mailbox, _)| Some((owners.get(&mailbox.owner?)?, mailbox.email_address.as_str()))).collect();
    let declared = config.declared.mailboxes.iter();
    let second = declared.filter_map(|mailbox| {
        let owner = mailbox.owner.as_ref()?;
        let other = made.get(&(kind_name(owner.kind), owner.name.clone()))?;
        (!other.eq_ignore_ascii_case(&mailbox.email_address)).then(|| Problem {
            place: Some(mailbox.place.clone()),
            text: format!(
                "mailbox {}: {} {} has the mailbox {other}, made by command",
                mailbox.email_address,
                kind_name(owner.kind),
                owner.name
            ),
            hint: Some(format!("remove that first: mailsyncd mailbox remove {other}")),
        })
    });
    second.collect()
}

/// What is wrong with a profile that would change its protocol.
pub(super) fn changed_protocol(profile: &DeclaredProfile, before: ServerType) -> Option<Problem> {
    (!profile.server_type.reads_like(before)).then(|| Problem {
        place: Some(profile.place.clone()),
        text: format!(
            "profile {} cannot become {}: it is {}",
            profile.name,
            protocol(profile.server_type),
            protocol(before)
        ),
        hint: Some("make a new profile under another name and move the mailboxes to it".to_owned()),
    })
}

const fn protocol(server_type: ServerType) -> &'static str {
    match server_type {
        ServerType::ImapSmtp => "imap_smtp",
        ServerType::Pop3Smtp => "pop3_smtp",
        ServerType::ExchangeOnline => "exchange_online",
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

/// Collects changes that are planned on `records`.
pub(super) struct Planner<'r> {
    changes: Vec<PlannedChange>,
    locking: Locking<'r>,
    /// Mailboxes that an open test may enable.
    tested: &'r BTreeSet<MailboxId>,
    now: Timestamp,
}

impl<'r> Planner<'r> {
    pub(super) fn new(records: &'r Records, now: Timestamp) -> Self {
        Self { changes: Vec::new(), locking: Locking::new(records), tested: &records.tested, now }
    }

    pub(super) fn changes(self) -> Vec<PlannedChange> {
        self.changes
    }

    /// Those that were added since it was asked last.
    pub(super) fn take(&mut self) -> Vec<PlannedChange> {
        std::mem::take(&mut self.changes)
    }

    pub(super) fn add(&mut self, change: RecordChange, what: &str, name: &str, text: &str) {
        let locks = self.locking.locked_by(&change);
        let locked = match locks.len() {
            0 => String::new(),
            count => format!("; {} until entered again: mailsyncd secret set", passwords_locked(count)),
        };
        let text = format!("{what} {}: {}{locked}", clean(name, 320), clean(text, 2_000));
        self.changes.push(PlannedChange { change, locks, text });
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
            let after = (declared.record(id, is_default), declared.credentials.clone());
            let text = match before {
                None => new_profile(&after.0),
                Some(before) if *before == after => continue,
                Some(before) => profile_differences(before, &after).text(),
            };
            self.add(RecordChange::PutProfile(after.0, after.1), "profile", &declared.name, &text);
        }
        let named = config.email_settings.default_profile.as_deref();
        let made = records.profiles.iter().filter(|(profile, _)| profile.managed_by.is_none() && profile.is_default);
        for (profile, source) in made.filter(|(profile, _)| named.is_some_and(|named| named != profile.name)) {
            let other = ServerProfile { is_default: false, ..profile.clone() };
            self.add(
                RecordChange::PutProfile(other, source.clone()),
                "profile",
                &profile.name,
                "default true -> false",
            );
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
            let after = declared.record(id);
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
        let newcomers = Newcomers::new(records);
        let types: BTreeMap<&str, ServerType> =
            config.declared.profiles.iter().map(|profile| (profile.name.as_str(), profile.server_type)).collect();
        for declared in &config.declared.mailboxes {
            let before = known.get(&declared.email_address.to_lowercase()).copied();
            let required = config.email_settings.approval_required(declared.kind());
            let owner = declared.owner.as_ref();
            let place = MailboxPlace {
                owner: owner.and_then(|o| owners.get(&(kind_name(o.kind), o.name.clone())).copied()),
                profile: declared.profile.as_deref().and_then(|name| profiles.get(name).copied()),
            };
            let mut mailbox = mailbox_record(declared, before.map(|(mailbox, _)| mailbox), place, required, self.now);
            let server_type = declared.profile.as_deref().and_then(|name| types.get(name).copied());
            let undecided = required && before.is_none() && declared.approved.is_none();
            let of_itself = undecided && newcomers.approved_of_itself(server_type, place.owner);
            if of_itself {
                mailbox.approval = Approval::Approved;
            }
            let credentials = declared.credentials.clone().unwrap_or(CredentialSource::Stored);
            self.mailbox(declared, before, (mailbox, credentials), of_itself, profiles);
        }
    }

    fn mailbox(
        &mut self,
        declared: &DeclaredMailbox,
        before: Option<&(Mailbox, CredentialSource)>,
        after: (Mailbox, CredentialSource),
        of_itself: bool,
        profiles: &BTreeMap<&str, ProfileId>,
    ) {
        let address = &declared.email_address;
        let enabling = before.map_or_else(
            || enabling::of_new(declared, &after.0, self.now),
            |before| enabling::of_known(declared, before, &after, self.tested, self.now),
        );
        let text = match before {
            None => Some(new_mailbox(&after.0, of_itself)),
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

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
