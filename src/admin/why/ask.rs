//! Looking up what an explanation is made of.

use super::{Facts, Why, explain};
use crate::{
    admin::{error::AdminError, presence, views},
    config::Config,
    model::timestamp::Timestamp,
    store::Store,
};

/// Explains the mailbox with this address, in upper or lower case.
///
/// # Errors
/// There is none, or the database did not answer.
pub async fn ask(store: &Store, config: &Config, address: &str, now: Timestamp) -> Result<Why, AdminError> {
    let view = views::mailbox(store, address, now).await.map_err(|error| declared_only(error, config, address))?;
    let profiles = store.profiles().await?;
    let profile = profiles.iter().find(|profile| Some(profile.id) == view.mailbox.profile);
    let around = store.surroundings(view.mailbox.id, view.mailbox.profile).await?;
    let tests = store.tests(&[view.mailbox.id], now).await?;
    let daemon = presence::daemon(store, now).await?;
    let facts = Facts {
        now,
        mailbox: &view.mailbox,
        profile,
        incoming_hold: view.hold.as_ref(),
        outgoing_hold: view.outgoing_hold.as_ref(),
        around: &around,
        test: tests.first(),
        daemon: &daemon,
        rules: &config.failures,
    };
    Ok(explain(&facts))
}

/// A mailbox that a file declares comes into the database with the next start or reload.
fn declared_only(error: AdminError, config: &Config, address: &str) -> AdminError {
    let wanted = address.to_lowercase();
    let declared = config.declared.mailboxes.iter().find(|mailbox| mailbox.email_address.to_lowercase() == wanted);
    match (error, declared) {
        (AdminError::Unknown { name, .. }, Some(mailbox)) => {
            AdminError::NotTakenOver { name, place: mailbox.place.clone() }
        }
        (error, _) => error,
    }
}
