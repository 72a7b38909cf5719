//! The content key: what makes two copies one mail.

use sha2::{Digest, Sha256 as Hasher};

use crate::model::{message::MessageKey, timestamp::Timestamp};

/// Changes with what goes into a key, so that keys of two versions never meet.
const VERSION: &[u8] = b"mailsyncd message key 2";

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

    /// The key of a mail with this Date, which is in the digest too: two keys that begin alike are none
    /// the nearer to each other.
    pub(super) fn finish(self, date: Option<Timestamp>) -> MessageKey {
        let mut key: [u8; 32] = self.0.finalize().into();
        let seconds = date.map_or(0, |date| date.as_micros().div_euclid(1_000_000));
        // Five bytes reach from 1970 to the year 36812; what is outside is no worse than a digest.
        let [_, _, _, prefix @ ..] = seconds.to_be_bytes();
        key.iter_mut().zip(prefix).for_each(|(byte, of_date)| *byte = of_date);
        MessageKey(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(fields: &[(Field, &[u8])]) -> MessageKey {
        let mut hasher = KeyHasher::new();
        fields.iter().for_each(|(field, value)| hasher.add(*field, value));
        hasher.finish(None)
    }

    #[test]
    fn no_content_passes_for_another_field() {
        let plain = key(&[(Field::Subject, b"ab"), (Field::Text, b"c")]);
        assert_ne!(plain, key(&[(Field::Subject, b"a"), (Field::Text, b"bc")]));
        assert_ne!(plain, key(&[(Field::Text, b"ab"), (Field::Subject, b"c")]));
        assert_ne!(key(&[]), key(&[(Field::Html, b"")]));
    }

    #[test]
    fn keys_lie_in_the_order_of_their_dates() {
        let key = |seconds: i64, subject: &[u8]| {
            let mut hasher = KeyHasher::new();
            hasher.add(Field::Subject, subject);
            hasher.finish(Some(Timestamp::from_micros(seconds * 1_000_000 + 7)))
        };
        let at = |seconds| key(seconds, b"a").max(key(seconds, b"b"));
        let dates = [0, 1, 255, 256, 1_700_000_000, 4_294_967_296, 1_099_511_627_775];
        assert!(dates.windows(2).all(|pair| at(pair[0]) < key(pair[1], b"a").min(key(pair[1], b"b"))));
        assert_ne!(key(1, b"a"), key(1, b"b"));
        assert_ne!(key(-1, b"a"), key(-1, b"b"));
    }
}
