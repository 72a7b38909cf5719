//! Changing the key: what is sealed under an older one is sealed anew under the one in use.

use serde::Serialize;

use super::error::AdminError;
use crate::{
    base::{chain::Chain, clock::Clock, keyring::Keyring},
    config::Config,
    model::{
        audit::Actor,
        record::{Records, Resealed, SealedSecret, SecretOwner},
    },
    store::Store,
};

/// Secrets sealed anew in one transaction: after a death, at most these are done again.
const BATCH: u32 = 100;

/// What a run did, and what is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rotation {
    /// Identifier of the key in use.
    pub key_id: String,
    /// Passwords sealed anew by this run.
    pub resealed: u64,
    /// How many passwords are sealed under each key now; the one in use first.
    pub passwords: Vec<UnderKey>,
    /// Those that could not be opened.
    pub unopened: Vec<Unopened>,
}

impl Rotation {
    /// Passwords under other keys than the one in use.
    pub fn left(&self) -> u64 {
        self.passwords.iter().filter(|under| under.key_id != self.key_id).map(|under| under.passwords).sum()
    }
}

/// Passwords sealed under one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnderKey {
    /// Its identifier.
    pub key_id: String,
    /// How many.
    pub passwords: u64,
}

/// A password that could not be sealed anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unopened {
    /// `mailbox ADDRESS` or `profile NAME`.
    pub of: String,
    /// Identifier of the key it is sealed under.
    pub key_id: String,
    /// Why not.
    pub why: String,
}

/// Seals every stored password under the key in use that is not yet, batch after batch, while a daemon
/// may be running. Whatever ends it, the next run goes on where it was: what is done is in the database,
/// and both keys are accepted meanwhile. A password that somebody sets at the same time wins.
///
/// # Errors
/// No key; or a daemon runs that does not know it: nothing was done. Or the database failed: what was
/// done until then stays done.
pub async fn rotate(store: &Store, config: &Config, clock: &Clock, actor: &Actor) -> Result<Rotation, AdminError> {
    let keys = config.keyring().map_err(AdminError::Key)?;
    let key_id = keys.current_id().to_owned();
    let now = clock.now();
    let daemons = store.daemons().await?;
    let knows = |ids: &[String]| ids.contains(&key_id);
    if daemons.iter().any(|daemon| daemon.is_alive(now) && !knows(&daemon.heartbeat.key_ids)) {
        return Err(AdminError::KeyUnknownToDaemon { key_id });
    }
    let records = store.records().await?;
    let (mut resealed, mut unopened) = (0, Vec::new());
    let mut after = None;
    loop {
        let batch = store.secrets_under_others(&key_id, after, BATCH).await?;
        let Some((last, _)) = batch.last() else { break };
        after = Some(*last);
        let mut secrets = Vec::new();
        for (owner, sealed) in batch {
            match anew(&keys, owner, sealed) {
                Ok(secret) => secrets.push(secret),
                Err((key_id, why)) => unopened.push(Unopened { of: name(&records, owner), key_id, why }),
            }
        }
        resealed += store.reseal(&secrets, actor, clock.now()).await?;
    }
    let passwords = store.secrets_by_key().await?;
    let under = passwords.into_iter().map(|(key_id, passwords)| UnderKey { key_id, passwords });
    let mut passwords: Vec<UnderKey> = under.collect();
    passwords.sort_by_key(|under| under.key_id != key_id);
    Ok(Rotation { key_id, resealed, passwords, unopened })
}

fn anew(keys: &Keyring, owner: SecretOwner, before: SealedSecret) -> Result<Resealed, (String, String)> {
    match keys.reseal(owner, &before) {
        Ok(after) => Ok(Resealed { owner, before, after }),
        Err(error) => Err((before.key_id, Chain(&error).to_string())),
    }
}

fn name(records: &Records, owner: SecretOwner) -> String {
    let named = match owner {
        SecretOwner::Mailbox(id) => {
            let mailbox = records.mailboxes.iter().find(|(mailbox, _)| mailbox.id == id);
            mailbox.map(|(mailbox, _)| format!("mailbox {}", mailbox.email_address))
        }
        SecretOwner::Profile(id) => {
            let profile = records.profiles.iter().find(|(profile, _)| profile.id == id);
            profile.map(|(profile, _)| format!("profile {}", profile.name))
        }
    };
    named.unwrap_or_else(|| match owner {
        SecretOwner::Mailbox(id) => format!("mailbox {id}"),
        SecretOwner::Profile(id) => format!("profile {id}"),
    })
}
