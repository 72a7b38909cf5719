//! Who is to log in and has no password, neither in the files nor in the database.

use std::collections::BTreeMap;

use crate::{
    config::{Config, Passwordless, Problem, Whose},
    model::record::{KeptSecret, Records, SecretOwner},
    store::{Store, StoreError},
};

/// A warning for each; `store` and its records are `None` where there is no database yet.
///
/// # Errors
/// The database cannot be read.
pub async fn missing(config: &Config, known: Option<(&Store, &Records)>) -> Result<Vec<Problem>, StoreError> {
    let without = config.passwordless();
    let Some((store, records)) = known else { return Ok(without.into_iter().map(|it| it.warning).collect()) };
    let address = |address: &str| address.to_lowercase();
    let mailboxes: BTreeMap<String, SecretOwner> =
        records.mailboxes.iter().map(|(it, _)| (address(&it.email_address), SecretOwner::Mailbox(it.id))).collect();
    let profiles: BTreeMap<&str, SecretOwner> =
        records.profiles.iter().map(|(it, _)| (it.name.as_str(), SecretOwner::Profile(it.id))).collect();
    let mut missing = Vec::new();
    for Passwordless { whose, warning } in without {
        let owner = match &whose {
            Whose::Mailbox(name) => mailboxes.get(&address(name)),
            Whose::Profile(name) => profiles.get(name.as_str()),
        };
        let stored = match owner {
            Some(owner) => store.secret(*owner).await? != KeptSecret::Nothing,
            None => false,
        };
        if !stored {
            missing.push(warning);
        }
    }
    Ok(missing)
}
