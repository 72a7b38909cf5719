//! Changing records by command. What a command means is decided here without touching the database, by
//! the rules of the files; every problem of a command is found before anything is done.

mod importing;
mod mailboxes;
mod owners;
mod profiles;
mod switches;

use std::collections::BTreeMap;

use serde::Serialize;

pub use importing::{Importer, Outcome};

use super::{
    changes::{Newcomers, PlannedChange},
    decided::decided,
    error::AdminError,
    views::{owner_name, unknown},
};
use crate::{
    base::clock::Clock,
    config::{Config, Draft, Problem},
    model::{
        audit::Actor,
        ids::{OwnerId, ProfileId},
        mailbox::{Mailbox, MailboxKind},
        profile::ServerProfile,
        record::{CredentialSource, Owner, Records},
        timestamp::Timestamp,
    },
    store::Store,
};

/// Options of a command and their values, by the names of the keys in the files.
pub type Given<'a> = [(&'a str, &'a str)];

type ProfilePair = (ServerProfile, CredentialSource);
type MailboxPair = (Mailbox, CredentialSource);

/// What was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Edited {
    /// A line for each change.
    pub changes: Vec<String>,
    /// What was not done, a line each.
    pub notes: Vec<String>,
}

/// What a command would change.
#[derive(Debug, Default)]
pub struct Plan {
    /// The changes.
    pub changes: Vec<PlannedChange>,
    /// What is not done, a line each.
    pub notes: Vec<String>,
}

impl From<Vec<PlannedChange>> for Plan {
    fn from(changes: Vec<PlannedChange>) -> Self {
        Self { changes, notes: Vec::new() }
    }
}

/// The records as they are, found by their names: what commands are decided on.
#[derive(Debug)]
pub struct Desk<'r> {
    records: &'r Records,
    config: &'r Config,
    now: Timestamp,
    profiles: BTreeMap<&'r str, &'r ProfilePair>,
    profiles_by_id: BTreeMap<ProfileId, &'r ProfilePair>,
    owners: BTreeMap<(bool, &'r str), &'r Owner>,
    owners_by_id: BTreeMap<OwnerId, &'r Owner>,
    mailboxes: BTreeMap<String, &'r MailboxPair>,
    mailboxes_by_owner: BTreeMap<OwnerId, &'r MailboxPair>,
    newcomers: Newcomers,
}

impl<'r> Desk<'r> {
    /// Of `records`, at `now`.
    pub fn new(records: &'r Records, config: &'r Config, now: Timestamp) -> Self {
        let owned = |pair: &'r MailboxPair| Some((pair.0.owner.filter(|_| pair.0.active)?, pair));
        Self {
            records,
            config,
            now,
            profiles: records.profiles.iter().map(|pair| (pair.0.name.as_str(), pair)).collect(),
            profiles_by_id: records.profiles.iter().map(|pair| (pair.0.id, pair)).collect(),
            owners: records.owners.iter().map(|owner| ((is_queue(owner.kind), owner.name.as_str()), owner)).collect(),
            owners_by_id: records.owners.iter().map(|owner| (owner.id, owner)).collect(),
            mailboxes: records.mailboxes.iter().map(|pair| (pair.0.email_address.to_lowercase(), pair)).collect(),
            mailboxes_by_owner: records.mailboxes.iter().filter_map(owned).collect(),
            newcomers: Newcomers::new(records),
        }
    }

    /// The profile of this name, whether it was removed or not.
    fn any_profile(&self, name: &str) -> Option<&'r ProfilePair> {
        self.profiles.get(name).copied()
    }

    fn profile(&self, name: &str) -> Result<&'r ProfilePair, AdminError> {
        let known = || self.profiles.values().filter(|pair| pair.0.active).map(|pair| pair.0.name.as_str());
        match self.any_profile(name) {
            Some(pair) if pair.0.active => Ok(pair),
            Some(_) => Err(removed("profile", name)),
            None => Err(unknown("profile", name, known())),
        }
    }

    fn owner(&self, kind: MailboxKind, name: &str) -> Result<&'r Owner, AdminError> {
        let of_kind = self.records.owners.iter().filter(|owner| owner.kind == kind && owner.active);
        match self.owners.get(&(is_queue(kind), name)) {
            Some(owner) if owner.active => Ok(owner),
            Some(_) => Err(removed(kind_word(kind), name)),
            None => Err(unknown(kind_word(kind), name, of_kind.map(|owner| owner.name.as_str()))),
        }
    }

    fn any_mailbox(&self, address: &str) -> Option<&'r MailboxPair> {
        self.mailboxes.get(&address.to_lowercase()).copied()
    }

    fn pair_of(&self, mailbox: &Mailbox) -> Option<&'r MailboxPair> {
        self.any_mailbox(&mailbox.email_address)
    }

    /// The profile that mailboxes get which name none: what the configuration says, else the one that
    /// was made the default by command.
    fn default_profile(&self) -> Result<Option<&'r ProfilePair>, AdminError> {
        match &self.config.email_settings.default_profile {
            Some(name) => self.profile(name).map(Some),
            None => Ok(self.records.profiles.iter().find(|pair| pair.0.is_default && pair.0.active)),
        }
    }

    fn draft_of_mailbox(&self, pair: &MailboxPair) -> Draft {
        let owner = pair.0.owner.and_then(|id| self.owners_by_id.get(&id)).map(|owner| owner_name(owner));
        let profile = pair.0.profile.and_then(|id| self.profiles_by_id.get(&id)).map(|pair| pair.0.name.as_str());
        Draft::of_mailbox(&pair.0, &pair.1, owner.as_deref(), profile)
    }
}

const fn is_queue(kind: MailboxKind) -> bool {
    matches!(kind, MailboxKind::Queue)
}

const fn kind_word(kind: MailboxKind) -> &'static str {
    if is_queue(kind) { "queue" } else { "user" }
}

fn problem(text: impl Into<String>, hint: Option<impl Into<String>>) -> Problem {
    Problem { place: None, text: text.into(), hint: hint.map(Into::into) }
}

fn refused<T>(problems: Vec<Problem>) -> Result<T, AdminError> {
    Err(AdminError::Refused { problems })
}

fn removed(what: &str, name: &str) -> AdminError {
    let hint = format!("it comes back with: mailsyncd {what} add");
    AdminError::Refused { problems: vec![problem(format!("{what} {name} was removed"), Some(hint))] }
}

/// Refuses to edit what a file says.
fn not_declared(what: &str, name: &str, managed_by: Option<&String>) -> Result<(), Problem> {
    match managed_by.and_then(|by| by.strip_prefix("config:")) {
        None => Ok(()),
        Some(place) => Err(problem(
            format!("{what} {name} is declared at {place}"),
            Some("change it there, then: systemctl reload mailsyncd".to_owned()),
        )),
    }
}

/// The first names of many.
fn names<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 10;
    let more = names.len().saturating_sub(SHOWN);
    let shown: Vec<&str> = names.take(SHOWN).collect();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{more}", shown.join(", "))
}

/// Does what `decide` decides, in one transaction, and says what was changed. Where somebody else changes one
/// of the records meanwhile, it is decided again.
///
/// # Errors
/// The command is refused, then nothing is changed; or the database did not answer.
///
/// # Cancel safety
/// Dropped before it ends, all changes are made or none.
pub async fn edit<P: Into<Plan>>(
    store: &Store,
    config: &Config,
    clock: &Clock,
    actor: &Actor,
    decide: impl Fn(&Desk<'_>) -> Result<P, AdminError>,
) -> Result<Edited, AdminError> {
    let now = clock.now();
    let planned = decided(store, actor, now, |records| {
        let Plan { changes, notes } = decide(&Desk::new(records, config, now))?.into();
        let lines = changes.iter().map(PlannedChange::to_string).collect();
        let changes = changes.into_iter().map(|planned| planned.change).collect();
        Ok((changes, Edited { changes: lines, notes }))
    });
    Ok(planned.await?.1)
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
