//! Looking up what an explanation is made of.

use std::time::Duration;

use super::{Facts, Why, explain};
use crate::{
    admin::{error::AdminError, presence, views},
    config::Config,
    model::{profile::AuthenticateUsing, timestamp::Timestamp},
    store::Store,
};

/// Mail that failed is named for so long.
const FAILED_LATELY: Duration = Duration::from_secs(86_400);

/// Explains the mailbox with this address, in upper or lower case.
///
/// # Errors
/// There is none, or the database did not answer.
pub async fn ask(store: &Store, config: &Config, address: &str, now: Timestamp) -> Result<Why, AdminError> {
    let view = views::mailbox(store, address, now).await.map_err(|error| declared_only(error, config, address))?;
    let profiles = store.profiles().await?;
    let profile = profiles.iter().find(|profile| Some(profile.id) == view.mailbox.profile);
    let around = store.surroundings(view.mailbox.id, view.mailbox.profile, now.minus(FAILED_LATELY)).await?;
    let tests = store.tests(&[view.mailbox.id], now).await?;
    let password_locked_at = match profile {
        Some(profile) if profile.authenticate_using == AuthenticateUsing::Profile => {
            views::profile(store, &profile.name).await?.password_locked_at
        }
        _ => view.password_locked_at,
    };
    let daemon = presence::daemon(store, now).await?;
    let facts = Facts {
        now,
        mailbox: &view.mailbox,
        profile,
        incoming_hold: view.hold.as_ref(),
        outgoing_hold: view.outgoing_hold.as_ref(),
        around: &around,
        test: tests.first(),
        password_locked_at,
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
