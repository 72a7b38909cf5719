//! Spread without a random number: a hash, so that every run of a test, and every node, agrees.

use std::time::Duration;

use crate::model::{ids::MailboxId, timestamp::Timestamp};

/// `due` and up to a tenth of `span` more, different for each mailbox and each time.
pub fn jittered(mailbox: MailboxId, due: Timestamp, span: Duration) -> Timestamp {
    due.plus(share(mailbox, due, span / 10))
}

/// A part of `window`, from nothing to nearly all, evenly spread over the mailboxes.
pub fn share(mailbox: MailboxId, salt: Timestamp, window: Duration) -> Duration {
    let window = u64::try_from(window.as_micros()).unwrap_or(u64::MAX);
    let scaled = (u128::from(hash(mailbox, salt)) * u128::from(window)) >> 64;
    Duration::from_micros(u64::try_from(scaled).unwrap_or(0))
}

/// The finalizer of SplitMix64 over id and time: ids of one millisecond differ in few bits.
fn hash(mailbox: MailboxId, salt: Timestamp) -> u64 {
    let (high, low) = mailbox.0.as_u64_pair();
    [high, low, salt.as_micros().cast_unsigned()].into_iter().fold(0x9e37_79b9_7f4a_7c15, |state, word| {
        let mut mixed: u64 = state ^ word;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_stay_in_the_window_and_fill_it_evenly() {
        let window = Duration::from_secs(120);
        let now = Timestamp::from_seconds(1_800_000_000);
        let mut tenths = [0_u32; 10];
        for _ in 0..10_000 {
            let part = share(MailboxId::generate(now), now, window);
            assert!(part < window);
            tenths[usize::try_from(part.as_secs() / 12).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|count| (800..1_200).contains(count)), "{tenths:?}");
    }

    #[test]
    fn jitter_is_at_most_a_tenth_and_repeats() {
        let due = Timestamp::from_seconds(1_800_000_000);
        let mailbox = MailboxId::generate(due);
        let span = Duration::from_secs(300);
        let jittered = jittered(mailbox, due, span);
        assert!(jittered >= due && jittered < due.plus(span / 10));
        assert_eq!(jittered, super::jittered(mailbox, due, span));
        assert_ne!(share(mailbox, due, span), share(mailbox, due.plus(span), span));
    }
}
