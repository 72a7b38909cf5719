//! What a cycle is told: the rules for mail, and how much is done at a time.

use std::{sync::Arc, time::Duration};

use crate::model::{care::Care, mailbox::Mailbox, profile::ServerProfile, rules::ReceiveRules, timestamp::Timestamp};

/// How large the steps of a cycle are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// UIDs asked for in one listing, to begin with; sparse folders are taken in larger steps.
    pub window: u32,
    /// Most messages fetched for one transaction.
    pub batch_messages: usize,
    /// Most bytes fetched for one transaction, as listed; a larger message goes alone.
    pub batch_bytes: u64,
    /// The same for the first one, so that the work begins early; it doubles from one to the next.
    pub first_batch_bytes: u64,
    /// Batches after which the cycle stops and is due again.
    pub maximum_batches: u32,
    /// Time after which no further batch is begun.
    pub time_limit: Duration,
}

impl Default for Steps {
    fn default() -> Self {
        Self {
            window: 10_000,
            batch_messages: 100,
            batch_bytes: 5 << 19,
            first_batch_bytes: 512 << 10,
            maximum_batches: 1_000,
            time_limit: Duration::from_secs(600),
        }
    }
}

/// A visit to a mailbox that must go slowly ends after so many batches.
const SLOW_BATCHES: u32 = 16;

impl Steps {
    /// These, as small as the server made us take them.
    #[must_use]
    pub fn with_care(self, care: &Care) -> Self {
        let halved = |number: u64| number.checked_shr(care.halvings).unwrap_or(0).max(1);
        let slow = care.slow_until.is_some();
        Self {
            window: self.window.checked_shr(care.halvings).unwrap_or(0).max(1),
            batch_messages: self.batch_messages.checked_shr(care.halvings).unwrap_or(0).max(1),
            batch_bytes: halved(self.batch_bytes),
            first_batch_bytes: halved(self.first_batch_bytes),
            maximum_batches: if slow { self.maximum_batches.min(SLOW_BATCHES) } else { self.maximum_batches },
            ..self
        }
    }
}

/// What a cycle is told about one mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivePolicy {
    /// Mail received before (by INTERNALDATE) is not recorded.
    pub starting_point: Timestamp,
    /// Whether what is recorded is deleted from the server, and how long after that.
    pub delete_after: Option<Duration>,
    /// Whether nothing is deleted for now, due or not: the server calls the mailbox damaged.
    pub deletes_nothing: bool,
    /// Sizes and attachments.
    pub rules: Arc<ReceiveRules>,
    /// How much at a time.
    pub steps: Steps,
}

impl ReceivePolicy {
    /// The policy for `mailbox`: its starting point is the later of the profile's and its own.
    pub fn new(profile: &ServerProfile, mailbox: &Mailbox, rules: Arc<ReceiveRules>, steps: Steps) -> Self {
        let starting_point = profile.process_email_from.max(mailbox.process_email_received_after);
        let delete_after = mailbox.delete_after_processing.then_some(rules.delete_after);
        let care = &mailbox.incoming.care;
        Self {
            starting_point: starting_point.unwrap_or(Timestamp::EPOCH),
            delete_after,
            deletes_nothing: care.damaged,
            rules,
            steps: steps.with_care(care),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_halved_down_to_one_message() {
        let steps = Steps::default();
        assert_eq!(steps.with_care(&Care::default()), steps);
        let once = steps.with_care(&Care { halvings: 1, ..Care::default() });
        let half = (steps.window / 2, steps.batch_messages / 2, steps.batch_bytes / 2);
        assert_eq!((once.window, once.batch_messages, once.batch_bytes), half);
        assert_eq!(once.maximum_batches, steps.maximum_batches);
        for halvings in [7, 100] {
            let least = steps.with_care(&Care { halvings, ..Care::default() });
            assert!(least.batch_messages == 1 && least.window >= 1 && least.batch_bytes >= 1);
        }
        let slow = steps.with_care(&Care { slow_until: Some(Timestamp::EPOCH), ..Care::default() });
        assert_eq!(slow, Steps { maximum_batches: SLOW_BATCHES, ..steps });
    }
}
