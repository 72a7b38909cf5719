//! Tells whether two passwords are the same without keeping either: a keyed hash, whose key never
//! lies where the marks do.

use chacha20poly1305::aead::Generate as _;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::secret::{Secret, SecretError};

const KEY_LENGTH: usize = 32;
const BLOCK: usize = 64;
/// Bytes of a mark.
pub const MARK_LENGTH: usize = 16;

/// Makes marks.
pub struct Marker(Zeroizing<[u8; KEY_LENGTH]>);

impl Marker {
    /// With a key derived from `key`, which it does not tell.
    pub fn derived(key: &[u8; KEY_LENGTH]) -> Self {
        Self(Zeroizing::new(hmac(key, &[b"mailsyncd marks of passwords"])))
    }

    /// With a random key: its marks mean nothing to any other.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn random() -> Result<Self, SecretError> {
        let key = <[u8; KEY_LENGTH]>::try_generate().map_err(|_| SecretError::NoRandomness)?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// The mark of `secret` as the password of `username` at `host`: another account's mark of the
    /// same password is another one.
    pub fn mark(&self, host: &str, username: &str, secret: &Secret) -> [u8; MARK_LENGTH] {
        let parts: [&[u8]; 5] = [host.as_bytes(), b"\0", username.as_bytes(), b"\0", secret.expose().as_bytes()];
        let hash = hmac(&self.0, &parts);
        hash.first_chunk().copied().unwrap_or_default()
    }
}

/// HMAC-SHA-256 (RFC 2104) with a key shorter than a block.
fn hmac(key: &[u8; KEY_LENGTH], message: &[&[u8]]) -> [u8; 32] {
    let padded = |with: u8| {
        let mut block = Zeroizing::new([with; BLOCK]);
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let mut inner = Sha256::new_with_prefix(*padded(0x36));
    message.iter().for_each(|part| inner.update(part));
    Sha256::new_with_prefix(*padded(0x5c)).chain_update(inner.finalize()).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_mark_is_hmac_sha_256() {
        // RFC 4231, test case 1, with its key of 20 bytes filled up as HMAC does.
        let mut key = [0; KEY_LENGTH];
        key.iter_mut().take(20).for_each(|byte| *byte = 0x0b);
        let hash: String = hmac(&key, &[b"Hi ", b"There"]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    }

    #[test]
    fn one_password_of_one_account_has_one_mark_for_each_key() {
        let marker = Marker::derived(&[7; KEY_LENGTH]);
        let mark = marker.mark("a.example", "anna", &secret("rosebud"));
        assert_eq!(mark, Marker::derived(&[7; KEY_LENGTH]).mark("a.example", "anna", &secret("rosebud")));
        for other in [
            marker.mark("a.example", "anna", &secret("rosebud ")),
            marker.mark("a.example", "ann", &secret("arosebud")),
            marker.mark("b.example", "anna", &secret("rosebud")),
            Marker::derived(&[8; KEY_LENGTH]).mark("a.example", "anna", &secret("rosebud")),
            Marker::random().unwrap().mark("a.example", "anna", &secret("rosebud")),
        ] {
            assert_ne!(mark, other);
        }
    }
}
