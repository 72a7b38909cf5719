//! Mail on its way out: what is claimed, what becomes of it, and what one settlement writes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    activity::{ActivityStatus, NewSource},
    alert::Severity,
    failure::Failure,
    ids::{ActivityId, MailboxId},
    message::{Attachment, Party, PartyRole},
    timestamp::Timestamp,
};

/// How long after its last line may have been sent a mail in doubt is looked for first.
pub const FIRST_VERIFICATION: Duration = Duration::from_secs(60);

/// Who moves a mail on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mover {
    /// The send cycle that holds the lease of its mailbox.
    Cycle,
    /// A person, by command.
    Person,
}

/// Whether a mail may go from one status to another. What is perhaps sent is not in a person's hands
/// until the cycle has found out what can be found out, and holds it.
pub const fn may_become(from: ActivityStatus, to: ActivityStatus, mover: Mover) -> bool {
    use ActivityStatus as S;
    match mover {
        Mover::Cycle => matches!(
            (from, to),
            (S::PendingSend, S::Sending | S::Failed)
                | (S::Sending, S::Sending | S::Sent | S::PendingSend | S::Failed | S::Held)
        ),
        Mover::Person => matches!(
            (from, to),
            (S::Draft | S::Held | S::Failed, S::PendingSend)
                | (S::Draft | S::PendingSend | S::Held | S::Failed, S::Canceled)
                | (S::PendingSend, S::Held)
        ),
    }
}

/// What is done with a mail of which nobody knows whether the server took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InDoubt {
    /// Look for it in the Sent folder; a person decides where that proves nothing.
    Verify,
    /// Send the same bytes again: some recipients may get it twice.
    Retry,
    /// A person decides.
    Hold,
}

/// What became of a mail for one recipient (`email_parties.result`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecipientState {
    /// The server took it. It is not sent to this recipient again.
    Accepted,
    /// Refused for good.
    Refused,
    /// Refused for now: tried again.
    Deferred,
    /// The server's word did not arrive.
    Unknown,
}

/// What a server said to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerReply {
    /// The three digits.
    pub code: u16,
    /// The enhanced status code (RFC 3463), as `5.1.1`.
    pub enhanced: Option<String>,
    /// The words, cleaned and cut.
    pub text: String,
}

/// A party of an outgoing mail, with what became of it so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxParty {
    /// Its place in the mail.
    pub position: u32,
    /// Role, address and name.
    pub party: Party,
    /// What became of it in earlier attempts.
    pub result: Option<RecipientState>,
}

impl OutboxParty {
    /// Whether it is one to send to (To, Cc, Bcc).
    pub const fn is_recipient(&self) -> bool {
        matches!(self.party.role, PartyRole::To | PartyRole::Cc | PartyRole::Bcc)
    }

    /// Whether it is one that the next attempt must reach.
    pub const fn is_open(&self) -> bool {
        self.is_recipient() && !matches!(self.result, Some(RecipientState::Accepted | RecipientState::Refused))
    }
}

/// A file that goes with an outgoing mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxAttachment {
    /// Empty where there is none.
    pub file_name: String,
    /// As `type/subtype`.
    pub content_type: String,
    /// Content-ID without brackets, for inline images.
    pub content_id: Option<String>,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// The words and files of an outgoing mail, before they are bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its address in From: the mailbox's, or the one it is sent as.
    pub sender: String,
    /// Subject.
    pub subject: String,
    /// The plain text.
    pub text: Option<String>,
    /// The HTML body.
    pub html: Option<String>,
    /// Message-ID, without brackets, of the mail that this one answers.
    pub in_reply_to: Option<String>,
    /// References, oldest first, without brackets.
    pub references: Vec<String>,
    /// Files.
    pub attachments: Vec<OutboxAttachment>,
}

/// The bytes of a mail. They never change: every attempt sends the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    /// Whose.
    pub activity: ActivityId,
    /// Its Message-ID, without brackets.
    pub message_id: String,
    /// Its bytes.
    pub source: NewSource,
}

/// What a claimed mail is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxContent {
    /// It was never claimed before: it has yet to be composed.
    Draft(Box<Draft>),
    /// It was composed at the first claim.
    Composed(Composed),
}

/// A mail that is claimed: `sending` under the claimer's epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxMail {
    /// Which.
    pub activity: ActivityId,
    /// Attempts, this one counted.
    pub attempts: u32,
    /// From when on its expiry counts: the first attempt since it was last put into the queue.
    pub queued_at: Timestamp,
    /// The envelope's sender and the address in From.
    pub sender: String,
    /// Everybody on it, in order.
    pub parties: Vec<OutboxParty>,
    /// What is sent.
    pub content: OutboxContent,
}

/// A mail whose last line may have been sent, and whose verification is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoubtfulMail {
    /// Which.
    pub activity: ActivityId,
    /// Its Message-ID, without brackets.
    pub message_id: String,
    /// Attempts to send it.
    pub attempts: u32,
    /// From when on its expiry counts: the first attempt since it was last put into the queue.
    pub queued_at: Timestamp,
    /// When its last line may have been sent.
    pub dot_at: Timestamp,
    /// How often it was looked for in vain.
    pub verifications: u32,
    /// Everybody on it, in order.
    pub parties: Vec<OutboxParty>,
}

/// What an earlier holder of the lease left in an outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Never reached their last line: pending again.
    pub pending: u64,
    /// Their last line may have been sent: in doubt now.
    pub doubtful: u64,
}

/// Mails that were claimed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimedMails {
    /// Now `sending`, oldest first.
    pub mails: Vec<OutboxMail>,
    /// Given up, as what the database holds of them cannot be read.
    pub unreadable: Vec<(ActivityId, Failure)>,
}

/// What becomes of a mail after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailVerdict {
    /// The server took it for every recipient it did not refuse; the failure says who was refused.
    Sent(Option<Failure>),
    /// Tried again then.
    RetryAt(Timestamp, Failure),
    /// Given up.
    Failed(Failure),
    /// Its last line was sent, the reply did not come: looked for then.
    InDoubt {
        /// When.
        verify_at: Timestamp,
        /// How often it was looked for in vain so far.
        verifications: u32,
        /// Why the reply did not come.
        failure: Failure,
    },
    /// A person decides.
    Held(Failure),
    /// It was not its turn after all: pending again, the attempt not counted.
    Returned,
}

/// What became of a mail for one party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientResult {
    /// Which.
    pub position: u32,
    /// What.
    pub state: Option<RecipientState>,
    /// In the server's words.
    pub reply: Option<ServerReply>,
}

/// What one settlement writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSettlement {
    /// Of which mail.
    pub activity: ActivityId,
    /// What becomes of it.
    pub verdict: MailVerdict,
    /// Of those recipients about whom something new is known.
    pub recipients: Vec<RecipientResult>,
    /// The server's last word on the mail as a whole.
    pub reply: Option<String>,
}

impl MailVerdict {
    /// The status that follows.
    pub const fn status(&self) -> ActivityStatus {
        match self {
            Self::Sent(_) => ActivityStatus::Sent,
            Self::RetryAt(..) | Self::Returned => ActivityStatus::PendingSend,
            Self::Failed(_) => ActivityStatus::Failed,
            Self::InDoubt { .. } => ActivityStatus::Sending,
            Self::Held(_) => ActivityStatus::Held,
        }
    }

    /// How urgent what went wrong is.
    pub const fn severity(&self) -> Option<Severity> {
        match self {
            Self::Failed(_) | Self::Held(_) => Some(Severity::Error),
            Self::Sent(Some(_)) | Self::InDoubt { .. } | Self::RetryAt(..) => Some(Severity::Warning),
            Self::Sent(None) | Self::Returned => None,
        }
    }

    /// What went wrong.
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Sent(failure) => failure.as_ref(),
            Self::RetryAt(_, failure) | Self::Failed(failure) | Self::Held(failure) | Self::InDoubt { failure, .. } => {
                Some(failure)
            }
            Self::Returned => None,
        }
    }
}

/// What a mail that is queued is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewContent {
    /// Words and files; composed at the first claim.
    Draft(Vec<OutboxAttachment>),
    /// A finished mail.
    Composed {
        /// Its Message-ID, without brackets.
        message_id: String,
        /// Its bytes.
        source: NewSource,
        /// The files in it.
        attachments: Vec<Attachment>,
    },
}

/// A mail to be queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMail {
    /// Its identifier.
    pub id: ActivityId,
    /// Who sends it.
    pub mailbox: MailboxId,
    /// The address in From, where that is not the mailbox's own.
    pub send_as: Option<String>,
    /// Subject.
    pub subject: String,
    /// The plain text.
    pub text: Option<String>,
    /// The HTML body.
    pub html: Option<String>,
    /// Everybody on it, in order.
    pub parties: Vec<Party>,
    /// What it is made of.
    pub content: NewContent,
    /// The recorded mail that it answers.
    pub answers: Option<ActivityId>,
    /// Not sent before.
    pub send_after: Option<Timestamp>,
    /// Asked for again with the same key, the mail that is there already is the answer.
    pub idempotency_key: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::{ActivityStatus as S, *};

    #[test]
    fn the_moves_are_these_and_no_others() {
        let cycle = [
            (S::PendingSend, S::Sending),
            (S::PendingSend, S::Failed),
            (S::Sending, S::Sending),
            (S::Sending, S::Sent),
            (S::Sending, S::PendingSend),
            (S::Sending, S::Failed),
            (S::Sending, S::Held),
        ];
        let person = [
            (S::Draft, S::PendingSend),
            (S::Held, S::PendingSend),
            (S::Failed, S::PendingSend),
            (S::Draft, S::Canceled),
            (S::PendingSend, S::Canceled),
            (S::Held, S::Canceled),
            (S::Failed, S::Canceled),
            (S::PendingSend, S::Held),
        ];
        for from in S::ALL {
            for to in S::ALL {
                assert_eq!(may_become(from, to, Mover::Cycle), cycle.contains(&(from, to)), "{from} -> {to}");
                assert_eq!(may_become(from, to, Mover::Person), person.contains(&(from, to)), "{from} -> {to}");
            }
        }
    }

    #[test]
    fn what_is_sent_or_canceled_stays_so() {
        for end in [S::Sent, S::Canceled, S::Received] {
            let moved =
                S::ALL.iter().any(|to| may_become(end, *to, Mover::Cycle) || may_become(end, *to, Mover::Person));
            assert!(!moved, "{end}");
        }
    }
}
