//! The keys of a time of change: one seals, and those before it still open.

use std::sync::Arc;

use super::{
    marker::Marker,
    secret::{Kek, Secret, SecretError},
};
use crate::model::record::{SealedSecret, SecretOwner};

/// The key in use, and older ones that some secrets may still be sealed under.
pub struct Keyring {
    current: Kek,
    old: Vec<Kek>,
}

impl Keyring {
    /// `current` seals; it and `old` open.
    pub fn new(current: Kek, old: Vec<Kek>) -> Self {
        Self { current, old }
    }

    /// Identifier of the key that seals.
    pub fn current_id(&self) -> &str {
        self.current.id()
    }

    /// Identifiers of all keys, the one that seals first.
    pub fn ids(&self) -> Vec<String> {
        self.all().map(|key| key.id().to_owned()).collect()
    }

    /// What tells passwords apart, by the key that seals.
    pub fn marker(&self) -> &Arc<Marker> {
        self.current.marker()
    }

    fn all(&self) -> impl Iterator<Item = &Kek> {
        std::iter::once(&self.current).chain(&self.old)
    }

    /// Seals `secret` for the row of `owner`.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn seal(&self, owner: SecretOwner, secret: &Secret) -> Result<SealedSecret, SecretError> {
        self.current.seal(owner, secret)
    }

    /// Opens what was sealed for the row of `owner` under any of the keys.
    ///
    /// # Errors
    /// Sealed under a key that is not here, for another row, or damaged.
    pub fn open(&self, owner: SecretOwner, sealed: &SealedSecret) -> Result<Secret, SecretError> {
        self.all().find(|key| key.id() == sealed.key_id).unwrap_or(&self.current).open(owner, sealed)
    }

    /// The same secret, sealed under the key that seals: with a data key of its own, because what is
    /// sealed names the key.
    ///
    /// # Errors
    /// As [`Keyring::open`] and [`Keyring::seal`].
    pub fn reseal(&self, owner: SecretOwner, sealed: &SealedSecret) -> Result<SealedSecret, SecretError> {
        self.seal(owner, &self.open(owner, sealed)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ids::MailboxId, timestamp::Timestamp};

    #[test]
    fn all_keys_open_and_one_seals() {
        let owner = SecretOwner::Mailbox(MailboxId::generate(Timestamp::EPOCH));
        let ((old, text), (new, _), (foreign, _)) =
            (Kek::generate().unwrap(), Kek::generate().unwrap(), Kek::generate().unwrap());
        let sealed = old.seal(owner, &Secret::new("hunter2".to_owned())).unwrap();
        let foreign = foreign.seal(owner, &Secret::new("other".to_owned())).unwrap();
        let (old_id, new_id) = (old.id().to_owned(), new.id().to_owned());
        let keys = Keyring::new(new, vec![old]);
        assert_eq!(keys.ids(), [new_id.clone(), old_id]);
        assert_eq!(keys.open(owner, &sealed).unwrap().expose(), "hunter2");
        let again = keys.reseal(owner, &sealed).unwrap();
        assert_eq!((&again.key_id, keys.current_id()), (&new_id, new_id.as_str()));
        assert_eq!(keys.open(owner, &again).unwrap().expose(), "hunter2");
        assert!(Kek::parse(text.expose()).unwrap().open(owner, &again).is_err(), "the old key opens it no more");
        assert!(matches!(keys.reseal(owner, &foreign), Err(SecretError::OtherKey { .. })));
    }
}
