//! Which stored passwords a change locks: what the store will do, said beforehand.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    ids::{MailboxId, ProfileId},
    locks::reach_others,
    profile::Endpoint,
    record::{RecordChange, Records, SecretOwner},
};

/// The servers of every profile and the profile of every mailbox, as changes follow each other.
pub(super) struct Locking<'r> {
    open: BTreeSet<SecretOwner>,
    servers: BTreeMap<ProfileId, Vec<Endpoint>>,
    profiles: BTreeMap<MailboxId, Option<ProfileId>>,
    records: &'r Records,
}

impl<'r> Locking<'r> {
    pub(super) fn new(records: &'r Records) -> Self {
        let open = records.passwords.iter().filter(|password| password.locked_at.is_none());
        let servers = |endpoints: Vec<&Endpoint>| endpoints.into_iter().cloned().collect();
        Self {
            open: open.map(|password| password.owner).collect(),
            servers: records.profiles.iter().map(|(profile, _)| (profile.id, servers(profile.endpoints()))).collect(),
            profiles: records.mailboxes.iter().map(|(mailbox, _)| (mailbox.id, mailbox.profile)).collect(),
            records,
        }
    }

    /// What `change` locks, after those before it.
    pub(super) fn locked_by(&mut self, change: &RecordChange) -> Vec<SecretOwner> {
        let owners: Vec<SecretOwner> = match change {
            RecordChange::PutProfile(profile, _) => {
                let after: Vec<Endpoint> = profile.endpoints().into_iter().cloned().collect();
                let before = self.servers.insert(profile.id, after.clone());
                if !before.is_some_and(|before| reaches_others(&before, &after)) {
                    return Vec::new();
                }
                let on_it = |id: &MailboxId| self.profiles.get(id) == Some(&Some(profile.id));
                let mailboxes = self.records.mailboxes.iter().map(|(mailbox, _)| mailbox.id).filter(on_it);
                [SecretOwner::Profile(profile.id)].into_iter().chain(mailboxes.map(SecretOwner::Mailbox)).collect()
            }
            RecordChange::PutMailbox(mailbox, _) => {
                let before = self.profiles.insert(mailbox.id, mailbox.profile);
                match before {
                    Some(before) if reaches_others(self.servers(before), self.servers(mailbox.profile)) => {
                        vec![SecretOwner::Mailbox(mailbox.id)]
                    }
                    _ => return Vec::new(),
                }
            }
            _ => return Vec::new(),
        };
        owners.into_iter().filter(|owner| self.open.remove(owner)).collect()
    }

    fn servers(&self, profile: Option<ProfileId>) -> &[Endpoint] {
        profile.and_then(|id| self.servers.get(&id)).map_or(&[], Vec::as_slice)
    }
}

fn reaches_others(before: &[Endpoint], after: &[Endpoint]) -> bool {
    let (before, after): (Vec<&Endpoint>, Vec<&Endpoint>) = (before.iter().collect(), after.iter().collect());
    reach_others(&before, &after)
}
