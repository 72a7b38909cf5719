//! What a [`Store`] can do with sealed secrets.

use super::*;
use crate::model::record::{KeptSecret, Resealed};

impl Store {
    /// Stores a sealed secret, in place of the one before, with a row in the audit log; a lock on that is gone, and what waits for
    /// it is due. Durable.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn put_secret(
        &self,
        owner: SecretOwner,
        sealed: &SealedSecret,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (sealed, who) = (|| sealed.clone(), || actor.to_string());
        write!(self, Durable, 0, secrets::put_secret(owner = owner, sealed = sealed(), who = who(), now = now))
    }

    /// The sealed secret of `owner`. One that is locked is not given out.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn secret(&self, owner: SecretOwner) -> Result<KeptSecret, StoreError> {
        read!(self, secrets::secret(owner))
    }

    /// Where the password of `owner` comes from.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where there is no such record.
    pub async fn credential_source(&self, owner: SecretOwner) -> Result<CredentialSource, StoreError> {
        read!(self, secrets::credential_source(owner))
    }

    /// Secrets that are sealed under another key than `key_id`, in a fixed order from the one after
    /// `after` on; `limit` at most.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn secrets_under_others(
        &self,
        key_id: &str,
        after: Option<SecretOwner>,
        limit: u32,
    ) -> Result<Vec<(SecretOwner, SealedSecret)>, StoreError> {
        read!(self, secrets::secrets_under_others(key_id, after, limit))
    }

    /// Puts secrets that were sealed anew in place of what they were made from, each with a row in the
    /// audit log that names both keys. One that somebody has set meanwhile stays as it is. Returns how
    /// many were written. Durable.
    ///
    /// # Errors
    /// The database does not take writes.
    pub async fn reseal(&self, secrets: &[Resealed], actor: &Actor, now: Timestamp) -> Result<u64, StoreError> {
        let (secrets, who) = (|| secrets.to_vec(), || actor.to_string());
        write!(self, Durable, 0, secrets::reseal(secrets = secrets(), who = who(), now = now))
    }

    /// How many secrets are sealed under each key.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn secrets_by_key(&self) -> Result<Vec<(String, u64)>, StoreError> {
        read!(self, secrets::secrets_by_key())
    }
}
