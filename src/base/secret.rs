//! Passwords in memory and at rest.
//!
//! A [`Secret`] has no `Debug`, `Display` or `Serialize`: what cannot be printed cannot leak. At rest
//! each secret is sealed under a data key of its own, and that key under the key-encryption key
//! ([`Kek`]), both with XChaCha20-Poly1305 and random nonces. The associated data names the row, so
//! that a sealed secret copied into another row does not open.

use std::{
    fs, io,
    io::{Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Generate as _, Payload},
};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use super::marker::Marker;
use crate::model::record::{SealedSecret, SecretOwner};

const NONCE_LENGTH: usize = 24;
const KEY_LENGTH: usize = 32;
/// A key file holds one line of at most 64 characters; nothing longer is read.
const KEY_TEXT_LIMIT: u64 = 256;

/// A password. Wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes `text` over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The first line of `text`, without its line end: what a password file or a prompt gives.
    pub fn first_line(text: &Zeroizing<String>) -> Self {
        Self::new(text.lines().next().unwrap_or_default().to_owned())
    }

    /// The password itself, for the one place that must send it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What went wrong with a key or a sealed secret. Never says anything of their content.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The key file or credential cannot be read.
    #[error("could not read the key {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may read the key file.
    #[error("the key {} may be read by others (mode {mode:04o})", path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The text is not a key.
    #[error("{} does not hold a key: 64 hex digits or 44 characters of base64 are wanted", path.display())]
    Malformed {
        /// Where it was read.
        path: PathBuf,
    },
    /// A key is never overwritten: what it sealed would be lost.
    #[error("{} exists already", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// The new key could not be written.
    #[error("could not write the key {}", path.display())]
    Unwritable {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Sealed under another key.
    #[error("the secret was sealed under key {sealed}, but the key in use is {present}")]
    OtherKey {
        /// Identifier of the key it was sealed under.
        sealed: String,
        /// Identifier of the key in use.
        present: String,
    },
    /// It was changed, or moved here from another row.
    #[error("the sealed secret does not belong to this row or is damaged (key {key_id})")]
    Damaged {
        /// Identifier of the key in use.
        key_id: String,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

impl SecretError {
    /// Who should do what.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreadable { .. } => Some(
                "let the user that mailsyncd runs as read it, or bring it back from where its copy is kept; only where \
                     no password was ever stored, make one: mailsyncd key new FILE",
            ),
            Self::Exposed { .. } => Some("chmod 0400 the key file"),
            Self::Malformed { .. } => {
                Some("bring the key back from where its copy is kept: what it sealed opens with no other")
            }
            Self::Exists { .. } => Some("a key is never overwritten: give another file name"),
            Self::OtherKey { .. } => {
                Some("name the old key in secrets.old_key_files, or set the password again: mailsyncd secret set")
            }
            Self::Damaged { .. } => Some("set the password again: mailsyncd secret set"),
            Self::Unwritable { .. } | Self::NoRandomness => None,
        }
    }
}

/// A key-encryption key. Lives outside the database and its backups.
pub struct Kek {
    cipher: XChaCha20Poly1305,
    id: String,
    marker: Arc<Marker>,
}

impl Kek {
    /// Reads a key file, which nobody but its owner may read.
    ///
    /// # Errors
    /// Not there, readable by others, or not a key.
    pub fn from_file(path: &Path) -> Result<Self, SecretError> {
        let mode = fs::metadata(path).map_err(|source| unreadable(path, source))?.permissions().mode() & 0o7777;
        if exposed(mode) {
            return Err(SecretError::Exposed { path: path.to_owned(), mode });
        }
        Self::from_credential(path)
    }

    /// Reads a key that systemd guards (`$CREDENTIALS_DIRECTORY/NAME`): its permissions are systemd's
    /// business.
    ///
    /// # Errors
    /// Not there, or not a key.
    pub fn from_credential(path: &Path) -> Result<Self, SecretError> {
        let mut text = Zeroizing::new(String::with_capacity(usize::try_from(KEY_TEXT_LIMIT).unwrap_or(0)));
        fs::File::open(path)
            .and_then(|file| file.take(KEY_TEXT_LIMIT).read_to_string(&mut text))
            .map_err(|source| unreadable(path, source))?;
        Self::parse(&text).ok_or_else(|| SecretError::Malformed { path: path.to_owned() })
    }

    /// Reads 64 hex digits or 44 characters of base64; `None` where `text` is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut key = Zeroizing::new([0u8; KEY_LENGTH]);
        if text.len() == 2 * KEY_LENGTH {
            for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
                *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            }
        } else {
            let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
            if bytes.len() != KEY_LENGTH {
                return None;
            }
            key.copy_from_slice(&bytes);
        }
        Some(Self::new(&key))
    }

    /// Writes a new random key to `path` with mode 0400 and returns it. Never overwrites.
    ///
    /// # Errors
    /// The file is there already or cannot be written.
    pub fn create(path: &Path) -> Result<Self, SecretError> {
        let (key, text) = Self::generate()?;
        let unwritable = |source| SecretError::Unwritable { path: path.to_owned(), source };
        let opened = fs::OpenOptions::new().write(true).create_new(true).mode(0o400).open(path);
        let mut file = match opened {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(SecretError::Exists { path: path.to_owned() });
            }
            opened => opened.map_err(unwritable)?,
        };
        writeln!(file, "{}", text.expose()).and_then(|()| file.sync_all()).map_err(unwritable)?;
        Ok(key)
    }

    /// A new random key, and its text for a key file.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn generate() -> Result<(Self, Secret), SecretError> {
        let key = Zeroizing::new(<[u8; KEY_LENGTH]>::try_generate().map_err(|_| SecretError::NoRandomness)?);
        Ok((Self::new(&key), Secret::new(hex(key.as_slice()))))
    }

    fn new(key: &[u8; KEY_LENGTH]) -> Self {
        let mut digest = hex(&Sha256::digest(key));
        digest.truncate(16);
        Self { cipher: XChaCha20Poly1305::new(key.into()), id: digest, marker: Arc::new(Marker::derived(key)) }
    }

    /// What tells passwords apart by a key derived from this one.
    pub fn marker(&self) -> &Arc<Marker> {
        &self.marker
    }

    /// Names the key without telling it: the first 16 hex digits of its SHA-256.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals `secret` for the row of `owner`.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn seal(&self, owner: SecretOwner, secret: &Secret) -> Result<SealedSecret, SecretError> {
        let key = Zeroizing::new(<[u8; KEY_LENGTH]>::try_generate().map_err(|_| SecretError::NoRandomness)?);
        let cipher = XChaCha20Poly1305::new((&*key).into());
        Ok(SealedSecret {
            key_id: self.id.clone(),
            data_key: encrypt(&self.cipher, key.as_slice(), &bound_to(owner, "data_key", &self.id))?,
            ciphertext: encrypt(&cipher, secret.expose().as_bytes(), &bound_to(owner, "password", &self.id))?,
        })
    }

    /// Opens what was sealed for the row of `owner`.
    ///
    /// # Errors
    /// Sealed under another key, for another row, or damaged.
    pub fn open(&self, owner: SecretOwner, sealed: &SealedSecret) -> Result<Secret, SecretError> {
        if sealed.key_id != self.id {
            return Err(SecretError::OtherKey { sealed: sealed.key_id.clone(), present: self.id.clone() });
        }
        let damaged = || SecretError::Damaged { key_id: self.id.clone() };
        let key = decrypt(&self.cipher, &sealed.data_key, &bound_to(owner, "data_key", &self.id));
        let key = Zeroizing::new(key.ok_or_else(damaged)?);
        let cipher = XChaCha20Poly1305::new_from_slice(&key).map_err(|_| damaged())?;
        let bytes = decrypt(&cipher, &sealed.ciphertext, &bound_to(owner, "password", &self.id));
        String::from_utf8(bytes.ok_or_else(damaged)?).map(Secret::new).map_err(|error| {
            error.into_bytes().zeroize();
            damaged()
        })
    }
}

/// Whether others than the owner may do anything with a file of this mode.
pub const fn exposed(mode: u32) -> bool {
    mode & 0o077 != 0
}

fn unreadable(path: &Path, source: io::Error) -> SecretError {
    SecretError::Unreadable { path: path.to_owned(), source }
}

/// Table, row, column and key, with a separator that none of them can hold.
fn bound_to(owner: SecretOwner, column: &str, key_id: &str) -> String {
    match owner {
        SecretOwner::Mailbox(id) => format!("mailboxes\0{id}\0{column}\0{key_id}"),
        SecretOwner::Profile(id) => format!("server_profiles\0{id}\0{column}\0{key_id}"),
    }
}

/// The nonce, then the ciphertext.
fn encrypt(cipher: &XChaCha20Poly1305, plain: &[u8], bound: &str) -> Result<Vec<u8>, SecretError> {
    let nonce = XNonce::try_generate().map_err(|_| SecretError::NoRandomness)?;
    let payload = Payload { msg: plain, aad: bound.as_bytes() };
    // Fails only for more than 256 GiB.
    let ciphertext = cipher.encrypt(&nonce, payload).map_err(|_| SecretError::NoRandomness)?;
    Ok([nonce.as_slice(), &ciphertext].concat())
}

fn decrypt(cipher: &XChaCha20Poly1305, sealed: &[u8], bound: &str) -> Option<Vec<u8>> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LENGTH>()?;
    cipher.decrypt(nonce.into(), Payload { msg: ciphertext, aad: bound.as_bytes() }).ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "secret_tests.rs"]
mod tests;
