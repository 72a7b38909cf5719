//! What is known of messages that a server lists under new numbers.

use crate::model::{
    activity::IgnoreReason,
    failure::FailureCode,
    ids::ActivityId,
    message::{MessageKey, Sha256},
    uid::Uid,
};

/// A ledger row of an older UIDVALIDITY or generation that looks like a message listed now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCopy {
    /// The number it is listed under now.
    pub uid: Uid,
    /// Message-ID without brackets, as it was recorded.
    pub message_id: Option<String>,
    /// Its key, where it was read.
    pub key: Option<MessageKey>,
    /// The activity it became.
    pub activity: Option<ActivityId>,
    /// Where the bytes of a message that was set aside are kept.
    pub source: Option<Sha256>,
    /// What was decided then.
    pub verdict: KnownVerdict,
}

/// What the ledger says of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownVerdict {
    /// It became an activity, or was linked to one.
    Recorded,
    /// By rule.
    Ignored(IgnoreReason),
    /// It could not be recorded.
    SetAside {
        /// Why.
        code: FailureCode,
        /// The words for it.
        detail: String,
    },
}
