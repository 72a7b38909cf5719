//! Keeps accounts from being locked at their servers: nobody logs in with a password that was refused
//! too often, whichever protocol, profile or mailbox it is for.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use crate::{
    base::{
        clock::Clock,
        marker::Marker,
        secret::{Secret, SecretError},
    },
    model::{
        failure::{Failure, FailureCode, Persistence, Scope},
        lockout::{self, Mark, RefusedLogIn, SPENT, Verdict},
        timestamp::Timestamp,
    },
    store::Store,
};

use super::{account::Account, stored};

/// How often the list of accounts with a refused log-in is read: another daemon may have added some.
const REREAD: Duration = Duration::from_secs(60);

/// Host, in lower case, and login.
type Key = (String, String);

#[derive(Debug, Default)]
struct Suspects {
    read_at: Option<Timestamp>,
    accounts: BTreeSet<Key>,
}

/// The guard, shared by all that log in; cheap to clone.
#[derive(Clone)]
pub struct Lockout {
    store: Store,
    clock: Clock,
    /// Accounts with a refused log-in: only these cost a look into the database.
    suspects: Arc<Mutex<Suspects>>,
    /// Where no key is configured. After a restart all passwords count as new ones, their refusals all the same.
    fallback: Arc<OnceLock<Arc<Marker>>>,
}

/// What a log-in is tried with, and how its end is told.
#[derive(Clone, Debug)]
pub struct Attempt {
    key: Key,
    mark: Mark,
}

impl Lockout {
    /// Remembers in `store`.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, suspects: Arc::default(), fallback: Arc::default() }
    }

    /// Asks whether `account` may be logged in to with `secret`. `seldom`: see [`lockout::verdict`].
    ///
    /// # Errors
    /// Not now, or not with this password; or the database does not tell.
    pub(super) async fn ask(
        &self,
        account: &Account,
        secret: &Secret,
        marker: Option<Arc<Marker>>,
        seldom: Duration,
    ) -> Result<Attempt, Failure> {
        let key = (account.endpoint.host.to_ascii_lowercase(), account.username.clone());
        let marker = match marker {
            Some(marker) => marker,
            None => self.fallback().map_err(|error| {
                Failure::new(FailureCode::ResourcesExhausted, Scope::Daemon, Persistence::Transient, &error.to_string())
            })?,
        };
        let mark = Mark(marker.mark(&key.0, &key.1, secret).to_vec());
        if self.is_suspect(&key).await? {
            let refused = stored::patiently(|| self.store.refused_log_ins(&key.0, &key.1)).await;
            let (refused, now) = (refused.map_err(|error| stored::failure(&error))?, self.clock.now());
            if let Some(failure) = guarded(account, lockout::verdict(&refused, &mark, seldom, now), now) {
                return Err(failure);
            }
        }
        Ok(Attempt { key, mark })
    }

    /// Tells how a log-in ended.
    pub(super) async fn ended(&self, Attempt { key, mark }: Attempt, failure: Option<&Failure>) {
        let (host, username) = &key;
        let told = match failure {
            None if self.suspects().accounts.remove(&key) => self.store.forget_refused(host, username).await,
            Some(failure) if failure.code.is_refused_password() => {
                self.suspects().accounts.insert(key.clone());
                let refused = RefusedLogIn { at: self.clock.now(), mark };
                stored::patiently(|| self.store.note_refused(host, username, &refused)).await
            }
            _ => Ok(()),
        };
        if let Err(error) = told {
            let failure = stored::failure(&error);
            let (code, words, hint) = (failure.code.name(), failure.text, failure.code.hint());
            tracing::warn!(host, code, words, hint, "a log-in could not be noted");
        }
    }

    fn fallback(&self) -> Result<Arc<Marker>, SecretError> {
        if let Some(marker) = self.fallback.get() {
            return Ok(Arc::clone(marker));
        }
        let marker = Arc::new(Marker::random()?);
        Ok(Arc::clone(self.fallback.get_or_init(|| marker)))
    }

    fn suspects(&self) -> std::sync::MutexGuard<'_, Suspects> {
        // Each change is complete before the lock is let go, so a panic elsewhere spoils nothing.
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn is_suspect(&self, key: &Key) -> Result<bool, Failure> {
        let now = self.clock.now();
        let fresh = |at: Timestamp| at <= now && now.since(at) < REREAD;
        if !self.suspects().read_at.is_some_and(fresh) {
            let accounts = stored::patiently(|| self.store.refused_accounts()).await;
            let accounts = accounts.map_err(|error| stored::failure(&error))?;
            *self.suspects() = Suspects { read_at: Some(now), accounts: accounts.into_iter().collect() };
        }
        Ok(self.suspects().accounts.contains(key))
    }
}

/// What the mailbox, or the profile whose password it is, waits for.
fn guarded(account: &Account, verdict: Verdict, now: Timestamp) -> Option<Failure> {
    let scope = account.password_scope();
    let (host, login) = (&account.endpoint.host, &account.username);
    let waits = |until: Timestamp, why: &str| {
        let text = format!("{host} refused the log-in of {login} {why}: not tried again before {until}");
        let failure = Failure::new(FailureCode::LoginGuarded, scope, Persistence::Throttled, &text);
        Failure { retry_after: Some(until.since(now)), ..failure }
    };
    Some(match verdict {
        Verdict::Free => return None,
        Verdict::Wait { until, refused, within: Some(within) } => {
            waits(until, &format!("{refused} times within {} hours", within.as_secs() / 3_600))
        }
        Verdict::Wait { until, refused, within: None } => waits(until, &format!("{refused} times with this password")),
        Verdict::Spent => {
            let text =
                format!("{host} refused this password of {login} {SPENT} times: it is not sent again until it changes");
            Failure::new(FailureCode::LoginGuarded, scope, Persistence::Permanent, &text)
        }
    })
}

#[cfg(test)]
#[path = "lockout_tests.rs"]
mod tests;
