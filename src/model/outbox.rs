//! Mail on its way out: what is claimed, what becomes of it, and what one settlement writes.

use serde::{Deserialize, Serialize};

use super::{
    activity::NewSource,
    failure::Failure,
    ids::ActivityId,
    message::{Party, PartyRole},
    timestamp::Timestamp,
};

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
    /// From when on its expiry counts.
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
    /// From when on its expiry counts.
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
