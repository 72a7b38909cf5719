//! What every connection to a mail server needs: TLS, a password, a slot.

use std::sync::{Arc, PoisonError, RwLock};

use crate::{
    base::secret::Secret,
    model::{
        failure::{Failure, Scope},
        record::SecretOwner,
    },
    net::{dial::PortPolicy, tls::TlsClient},
};

use super::{
    account::Account,
    credentials::Credentials,
    slots::{Slot, SlotKey, SlotLimits, Slots},
};

/// What the configuration says of connections; may change while the daemon runs.
#[derive(Clone)]
pub struct NetworkSettings {
    /// Where passwords are found.
    pub credentials: Credentials,
    /// Ports that may be dialled.
    pub ports: PortPolicy,
    /// Limits on open connections.
    pub limits: SlotLimits,
}

/// The way to mail servers, shared by all that connect to any; cheap to clone.
#[derive(Clone)]
pub struct Network {
    tls: TlsClient,
    slots: Slots,
    settings: Arc<RwLock<NetworkSettings>>,
}

impl Network {
    /// No connection yet.
    pub fn new(tls: TlsClient, settings: NetworkSettings) -> Self {
        let slots = Slots::new(settings.limits);
        Self { tls, slots, settings: Arc::new(RwLock::new(settings)) }
    }

    /// Takes new settings over. Open connections stay; new ones follow the new settings.
    pub fn reconfigure(&self, settings: NetworkSettings) {
        self.slots.limit(settings.limits);
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Who speaks TLS.
    pub fn tls(&self) -> &TlsClient {
        &self.tls
    }

    /// The count of open connections.
    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// The ports that may be dialled.
    pub fn ports(&self) -> PortPolicy {
        self.settings().ports
    }

    /// Waits for the right to one connection.
    ///
    /// # Cancel safety
    /// Dropping it takes no slot.
    pub async fn slot(&self, account: &Account) -> Slot {
        self.slots.take(SlotKey::of(account)).await
    }

    /// The password for `account`.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    ///
    /// # Cancel safety
    /// May be dropped at any point.
    pub async fn password(&self, account: &Account) -> Result<Secret, Failure> {
        let (owner, scope) = if account.profile_credentials {
            (SecretOwner::Profile(account.profile), Scope::Profile)
        } else {
            (SecretOwner::Mailbox(account.mailbox), Scope::Mailbox)
        };
        let credentials = self.settings().credentials;
        credentials.password(owner).await.map_err(|error| error.failure(scope))
    }

    fn settings(&self) -> NetworkSettings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
