//! What a cycle is told: the rules for mail, and how much is done at a time.

use std::{sync::Arc, time::Duration};

use crate::model::{mailbox::Mailbox, profile::ServerProfile, rules::ReceiveRules, timestamp::Timestamp};

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
            batch_bytes: 4 << 20,
            first_batch_bytes: 512 << 10,
            maximum_batches: 1_000,
            time_limit: Duration::from_secs(600),
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
        Self { starting_point: starting_point.unwrap_or(Timestamp::EPOCH), delete_after, rules, steps }
    }
}
