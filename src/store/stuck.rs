//! Why mail that is to be sent is not: its mailbox cannot send it, or nobody could.

use sqlx::FromRow;

use super::codec::Id;
use crate::model::{
    activity::ActivityStatus,
    alert::Severity,
    failure::{Failure, FailureCode, Persistence, Scope},
    ids::{ActivityId, MailboxId},
};

/// A mail that waits in vain, and why.
#[derive(Clone, Debug)]
pub struct Stuck {
    /// Which.
    pub activity: ActivityId,
    /// The address of the mailbox it is queued for; empty where there is none.
    pub mailbox: String,
    /// The name of that mailbox's profile.
    pub profile: Option<String>,
    /// Where it stands now: waiting; given up, where waiting cannot help; or held for a person.
    pub status: ActivityStatus,
    /// Why.
    pub code: FailureCode,
    /// Why, in words.
    pub text: String,
}

impl Stuck {
    /// How urgent it is.
    pub fn severity(&self) -> Severity {
        if self.status == ActivityStatus::PendingSend { Severity::Warning } else { Severity::Error }
    }

    /// As what failed with that one mail.
    pub fn failure(&self) -> Failure {
        Failure::new(self.code, Scope::Message, Persistence::Permanent, &self.text)
    }
}

/// A mail under way that is in nobody's hands: no lease is taken for a mailbox that does not send.
#[derive(Clone, Debug)]
pub struct Stranded {
    /// Which.
    pub activity: ActivityId,
    /// Whose.
    pub mailbox: MailboxId,
    /// That mailbox's address.
    pub address: String,
    /// The name of its profile.
    pub profile: Option<String>,
    /// Under which it was taken.
    pub epoch: i64,
    /// Whether its last line may have been sent.
    pub is_doubtful: bool,
}

/// A mail that may wait in vain, with what decides on it.
#[derive(FromRow)]
pub struct WaitingRow {
    id: Id,
    address: Option<String>,
    profile: Option<String>,
    state: Option<String>,
    outgoing_method: Option<String>,
    approval: Option<String>,
    outgoing_enabled: Option<bool>,
    outgoing_last_error: Option<String>,
    profile_state: Option<String>,
    outgoing_host: Option<String>,
    recipients: i64,
    missing: i64,
    not_granted: Option<String>,
}

impl WaitingRow {
    /// Why it waits.
    pub fn stuck(self) -> Stuck {
        use ActivityStatus::{Failed, PendingSend};
        use FailureCode::{MailInvalid, SenderRefused, SendingOff};
        let is = |column: &Option<String>, word| column.as_deref() == Some(word);
        let (status, code, text) = if self.state.is_none() {
            (Failed, MailInvalid, "there is no such mailbox".to_owned())
        } else if self.recipients == 0 {
            (Failed, MailInvalid, "it has no recipient: no party with role to, cc or bcc".to_owned())
        } else if self.missing > 0 {
            (Failed, MailInvalid, "an attachment has no content".to_owned())
        } else if let Some(address) = self.not_granted {
            (Failed, SenderRefused, format!("the mailbox may not send as {address}: grant it by may_send_as"))
        } else if !is(&self.state, "active") {
            (PendingSend, SendingOff, "the mailbox is not active".to_owned())
        } else if !is(&self.outgoing_method, "server_side_sync") {
            (PendingSend, SendingOff, "the mailbox does not send: its outgoing method is none".to_owned())
        } else if !is(&self.profile_state, "active") || self.outgoing_host.is_none() {
            (
                PendingSend,
                SendingOff,
                "the mailbox has no server to hand mail to: its profile has no outgoing".to_owned(),
            )
        } else if is(&self.approval, "rejected") {
            (PendingSend, SendingOff, "the mailbox was rejected".to_owned())
        } else if is(&self.approval, "pending") {
            (PendingSend, SendingOff, "the mailbox waits for approval".to_owned())
        } else {
            debug_assert_eq!(self.outgoing_enabled, Some(false));
            let why = self.outgoing_last_error.map_or_else(String::new, |error| format!(", after: {error}"));
            (PendingSend, SendingOff, format!("sending is not enabled for the mailbox{why}"))
        };
        let (mailbox, profile) = (self.address.unwrap_or_default(), self.profile);
        Stuck { activity: ActivityId(self.id.0), mailbox, profile, status, code, text }
    }
}
