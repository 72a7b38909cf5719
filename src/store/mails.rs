//! What a send cycle writes of one mail, in a form that many can be written with at a time.

use crate::model::{
    activity::Fence,
    ids::ActivityId,
    outbox::{MailSettlement, RecipientResult},
    timestamp::Timestamp,
};

/// That the last line of a mail is about to be sent.
#[derive(Clone, Debug)]
pub struct Dot {
    /// Under which lease.
    pub fence: Fence,
    /// Which mail.
    pub activity: ActivityId,
    /// What the server said to recipients before it.
    pub recipients: Vec<RecipientResult>,
    /// When.
    pub at: Timestamp,
}

/// What became of a mail.
#[derive(Clone, Debug)]
pub struct End {
    /// Under which lease.
    pub fence: Fence,
    /// What.
    pub settlement: MailSettlement,
    /// When.
    pub at: Timestamp,
}

/// One of both.
#[derive(Clone, Debug)]
pub enum MailWrite {
    /// It is about to be sent.
    Dot(Dot),
    /// It is settled.
    End(End),
}

impl MailWrite {
    /// Which mail.
    pub const fn activity(&self) -> ActivityId {
        match self {
            Self::Dot(dot) => dot.activity,
            Self::End(end) => end.settlement.activity,
        }
    }
}
