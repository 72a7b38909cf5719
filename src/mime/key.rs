//! The content key: what makes two copies one mail.

use sha2::{Digest, Sha256 as Hasher};

use crate::model::message::{MessageKey, Sha256};

/// Changes with what goes into a key, so that keys of two versions never meet.
const VERSION: &[u8] = b"mailsyncd message key 1";

/// Hashes what the author wrote, not what servers add on the way (Received, Delivered-To, …).
///
/// Every field goes in with its length and a tag, so no content can pass for another field. A
/// Message-ID alone never makes two mails one: whoever knows the identifier of a mail that will be
/// sent (or was) could otherwise make us take his own for a copy, and so hide the other.
pub(super) struct KeyHasher(Hasher);

/// What a hashed value is.
#[derive(Clone, Copy)]
pub(super) enum Field {
    MessageId = 1,
    Date = 2,
    From = 3,
    Subject = 4,
    Text = 5,
    Html = 6,
    AttachmentName = 7,
    Attachment = 8,
    /// The raw bytes' hash, where what was read is too little to tell two mails apart.
    Source = 9,
}

impl KeyHasher {
    pub(super) fn new() -> Self {
        Self(Hasher::new_with_prefix(VERSION))
    }

    pub(super) fn add(&mut self, field: Field, value: &[u8]) {
        self.0.update([field as u8]);
        self.0.update((value.len() as u64).to_le_bytes());
        self.0.update(value);
    }

    pub(super) fn finish(self) -> MessageKey {
        MessageKey(Sha256(self.0.finalize().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(fields: &[(Field, &[u8])]) -> MessageKey {
        let mut hasher = KeyHasher::new();
        fields.iter().for_each(|(field, value)| hasher.add(*field, value));
        hasher.finish()
    }

    #[test]
    fn no_content_passes_for_another_field() {
        let plain = key(&[(Field::Subject, b"ab"), (Field::Text, b"c")]);
        assert_ne!(plain, key(&[(Field::Subject, b"a"), (Field::Text, b"bc")]));
        assert_ne!(plain, key(&[(Field::Text, b"ab"), (Field::Subject, b"c")]));
        assert_ne!(key(&[]), key(&[(Field::Html, b"")]));
    }
}
