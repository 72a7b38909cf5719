//! Passwords, from wherever each mailbox's or profile's is kept.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::io::AsyncReadExt as _;
use zeroize::Zeroizing;

use crate::{
    base::{
        chain::Chain,
        keyring::Keyring,
        marker::Marker,
        secret::{Secret, SecretError},
    },
    config::{Config, KeyError},
    model::{
        failure::{Failure, FailureCode, Persistence, Scope},
        record::{CredentialSource, KeptSecret, SecretOwner},
        timestamp::Timestamp,
    },
    net::error::is_exhausted,
    store::{Store, StoreError},
};

use super::stored;

/// No password is longer; nothing more of a password file is read. In bytes.
const LONGEST: u64 = 4_096;

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// Nobody stored one.
    #[error("no password is stored")]
    NotStored,
    /// One is stored, but not for the server that the profile names now.
    #[error("the stored password is locked since {}: its profile names another server than the one it was entered for", since.to_the_second())]
    Locked {
        /// When the server was changed.
        since: Timestamp,
    },
    /// Its file cannot be read.
    #[error("could not read the password file {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The first line of its file is empty.
    #[error("the password file {} holds no password in its first line", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// It is a systemd credential, but this process was given none.
    #[error(
        "the password is the systemd credential {name:?}, but this process has none ($CREDENTIALS_DIRECTORY is not set)"
    )]
    NoCredentials {
        /// Its name.
        name: String,
    },
    /// It is stored, but the key that opens it is not there.
    #[error("could not open the stored password")]
    Key(#[source] KeyError),
    /// It is stored, but does not open.
    #[error("could not open the stored password")]
    Sealed(#[source] SecretError),
    /// The database did not answer.
    #[error("could not look the password up")]
    Store(#[source] StoreError),
}

impl CredentialsError {
    /// What it means for whom the password is for, who is of `scope`. Only what is wrong with the
    /// password itself is theirs: nobody is disabled because the database or the machine is ill.
    pub fn failure(&self, scope: Scope) -> Failure {
        let text = Chain(self).to_string();
        match self {
            Self::Store(error) => stored::failure(error),
            Self::File { source, .. } | Self::Key(KeyError::Secret(SecretError::Unreadable { source, .. }))
                if is_exhausted(source) =>
            {
                Failure::new(FailureCode::ResourcesExhausted, Scope::Daemon, Persistence::Transient, &text)
            }
            // Whoever may decide on it takes their time, and loses nothing by that.
            Self::Locked { .. } => Failure::new(FailureCode::CredentialsLocked, scope, Persistence::Throttled, &text),
            // A wrong or missing key is the operator's affair: waited for, however long it takes.
            Self::Key(_) | Self::NoCredentials { .. } | Self::Sealed(SecretError::OtherKey { .. }) => {
                Failure::new(FailureCode::CredentialsMissing, scope, Persistence::Throttled, &text)
            }
            Self::NotStored | Self::File { .. } | Self::Empty { .. } | Self::Sealed(_) => {
                Failure::new(FailureCode::CredentialsMissing, scope, Persistence::UntilConfirmed, &text)
            }
        }
    }
}

/// Finds passwords. Cheap to clone.
#[derive(Clone)]
pub struct Credentials {
    store: Store,
    config: Arc<Config>,
    /// Read once they can be: a key that comes later needs no restart.
    keys: Arc<Mutex<Option<Arc<Keyring>>>>,
}

impl Credentials {
    /// Passwords of the records in `store`, with the key that `config` names.
    pub fn new(store: Store, config: Arc<Config>) -> Self {
        Self { store, config, keys: Arc::default() }
    }

    /// The password of `owner`. Files are read anew each time, so that a changed one needs no reload.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    ///
    /// # Cancel safety
    /// May be dropped at any point.
    pub async fn password(&self, owner: SecretOwner) -> Result<Secret, CredentialsError> {
        match self.store.credential_source(owner).await.map_err(CredentialsError::Store)? {
            CredentialSource::File(path) => first_line(Path::new(&path)).await,
            CredentialSource::SystemdCredential(name) => match self.config.credential(&name) {
                Some(path) => first_line(&path).await,
                None => Err(CredentialsError::NoCredentials { name }),
            },
            CredentialSource::Stored => {
                let sealed = match self.store.secret(owner).await.map_err(CredentialsError::Store)? {
                    KeptSecret::Nothing => return Err(CredentialsError::NotStored),
                    KeptSecret::Locked { since } => return Err(CredentialsError::Locked { since }),
                    KeptSecret::Sealed(sealed) => sealed,
                };
                self.keys().map_err(CredentialsError::Key)?.open(owner, &sealed).map_err(CredentialsError::Sealed)
            }
        }
    }

    /// What tells passwords apart, by a key derived from the configured one; `None` where there is none, or it
    /// cannot be read now.
    pub fn marker(&self) -> Option<Arc<Marker>> {
        self.keys().ok().map(|keys| Arc::clone(keys.marker()))
    }

    fn keys(&self) -> Result<Arc<Keyring>, KeyError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = keys.as_ref() {
            return Ok(Arc::clone(keys));
        }
        let read = Arc::new(self.config.keyring()?);
        *keys = Some(Arc::clone(&read));
        Ok(read)
    }
}

async fn first_line(path: &Path) -> Result<Secret, CredentialsError> {
    let unreadable = |source| CredentialsError::File { path: path.to_owned(), source };
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(LONGEST).unwrap_or(0)));
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    file.take(LONGEST).read_to_string(&mut text).await.map_err(unreadable)?;
    let secret = Secret::first_line(&text);
    if secret.is_empty() {
        return Err(CredentialsError::Empty { path: path.to_owned() });
    }
    Ok(secret)
}

#[cfg(test)]
#[path = "credentials_tests.rs"]
mod tests;
