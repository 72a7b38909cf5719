//! What is known of messages that a server lists under new numbers.

use std::collections::BTreeSet;

use super::views::SetAsideRow;
use crate::model::{
    activity::IgnoreReason,
    cursor::{ListedMessage, Numbering},
    failure::FailureCode,
    ids::{ActivityId, MailboxId},
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

/// A message that was set aside and is to be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// The numbering of its row, which may be an older one.
    pub numbering: Numbering,
    /// As it was listed.
    pub listed: ListedMessage,
    /// Why it was set aside.
    pub code: FailureCode,
    /// The words for it.
    pub detail: String,
    /// Where its bytes are kept; `None` where it was never fetched.
    pub source: Option<Sha256>,
    /// So many times it was begun again since somebody asked.
    pub attempts: u32,
}

/// Which messages are to be tried again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryRequest {
    /// Those of these mailboxes.
    pub mailboxes: BTreeSet<MailboxId>,
    /// Only those with these numbers; empty: all.
    pub uids: BTreeSet<Uid>,
    /// Only those that were set aside for this.
    pub code: Option<FailureCode>,
}

impl RetryRequest {
    /// Whether a message is among them.
    pub fn names(&self, row: &SetAsideRow) -> bool {
        self.mailboxes.contains(&row.mailbox_id)
            && (self.uids.is_empty() || self.uids.contains(&row.uid))
            && self.code.is_none_or(|code| code == row.failure_code)
    }
}
