//! What every connection to a mail server needs: TLS, a password, a slot.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use crate::{
    base::secret::Secret,
    config::Config,
    model::{
        failure::{Failure, Scope},
        record::SecretOwner,
    },
    net::{dial::PortPolicy, tls::TlsClient},
    store::Store,
};

use super::{
    account::Account,
    credentials::Credentials,
    lockout::{Attempt, Lockout},
    slots::{Slot, SlotKey, SlotLimits, Slots},
};

/// Between two log-ins with a password that was refused some times, where the configuration names no confirmations.
const SELDOM: Duration = Duration::from_secs(2 * 3_600);

/// What the configuration says of connections; may change while the daemon runs.
#[derive(Clone)]
pub struct NetworkSettings {
    /// Where passwords are found.
    pub credentials: Credentials,
    /// Ports that may be dialled.
    pub ports: PortPolicy,
    /// Limits on open connections.
    pub limits: SlotLimits,
    /// What must lie between two log-ins with a password that was refused some times.
    pub seldom: Duration,
}

/// The way to mail servers, shared by all that connect to any; cheap to clone.
#[derive(Clone)]
pub struct Network {
    tls: TlsClient,
    slots: Slots,
    lockout: Lockout,
    settings: Arc<RwLock<NetworkSettings>>,
}

/// A log-in that may be tried, once.
///
/// Whoever drops it without [`LogIn::ended`] must not have sent the password.
pub struct LogIn {
    password: Secret,
    lockout: Lockout,
    attempt: Attempt,
}

impl LogIn {
    /// What to log in with.
    pub fn password(&self) -> &str {
        self.password.expose()
    }

    /// Tells how it ended: refusals are counted, so that the account is not locked.
    ///
    /// # Errors
    /// As `result`.
    ///
    /// # Cancel safety
    /// Dropped, the refusal may go uncounted.
    pub async fn ended<T>(self, result: Result<T, Failure>) -> Result<T, Failure> {
        self.lockout.ended(self.attempt, result.as_ref().err()).await;
        result
    }
}

impl NetworkSettings {
    /// What `config` says, with the passwords of the records in `store`.
    pub fn of(store: &Store, config: &Arc<Config>) -> Self {
        Self {
            credentials: Credentials::new(store.clone(), Arc::clone(config)),
            seldom: config.failures.confirmations.last().copied().unwrap_or(SELDOM),
            ports: PortPolicy { allowed: config.network.allowed_ports.clone() },
            limits: SlotLimits {
                total: usize::try_from(config.limits.connections).unwrap_or(usize::MAX),
                per_host: usize::try_from(config.limits.connections_per_host).unwrap_or(usize::MAX),
            },
        }
    }
}

impl Network {
    /// No connection yet.
    pub fn new(tls: TlsClient, lockout: Lockout, settings: NetworkSettings) -> Self {
        let slots = Slots::new(settings.limits);
        Self { tls, slots, lockout, settings: Arc::new(RwLock::new(settings)) }
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

    /// The password for `account`, unless it was refused so often that another try might lock the account.
    ///
    /// # Errors
    /// There is none, it cannot be read, or the server must not be asked now.
    ///
    /// # Cancel safety
    /// May be dropped at any point.
    pub async fn log_in(&self, account: &Account) -> Result<LogIn, Failure> {
        let scope = account.password_scope();
        let owner = match scope {
            Scope::Profile => SecretOwner::Profile(account.profile),
            _ => SecretOwner::Mailbox(account.mailbox),
        };
        let NetworkSettings { credentials, seldom, .. } = self.settings();
        let password = credentials.password(owner).await.map_err(|error| error.failure(scope))?;
        let attempt = self.lockout.ask(account, &password, credentials.marker(), seldom).await?;
        Ok(LogIn { password, lockout: self.lockout.clone(), attempt })
    }

    fn settings(&self) -> NetworkSettings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
