//! Records an administrator declares or makes, and the changes to them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    ids::{AlertId, MailboxId, OwnerId, ProfileId, RunId},
    mailbox::{Approval, Mailbox, MailboxKind},
    profile::ServerProfile,
    testing::TestRequest,
    timestamp::Timestamp,
};

/// Which incoming mail of an owner is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterMethod {
    /// All of it.
    All,
}

/// A user or a queue: what a mailbox belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// Identifier.
    pub id: OwnerId,
    /// `User` or `Queue`.
    pub kind: MailboxKind,
    /// Name, unique within its kind.
    pub name: String,
    /// Its address.
    pub email_address: String,
    /// The CRM's own identifier.
    pub external_id: Option<String>,
    /// Which mail is recorded.
    pub filter_method: FilterMethod,
    /// Where it was declared (`config:FILE:LINE`), or `None` where it was made by command.
    pub managed_by: Option<String>,
    /// Whether it is still declared.
    pub active: bool,
}

/// Where the password of a mailbox or profile comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum CredentialSource {
    /// Sealed in the database by `mailsyncd secret set`.
    Stored,
    /// The first line of a file.
    File(String),
    /// A systemd credential of this name.
    SystemdCredential(String),
}

/// All records, as the database has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Server profiles with the source of their password.
    pub profiles: Vec<(ServerProfile, CredentialSource)>,
    /// Users and queues.
    pub owners: Vec<Owner>,
    /// Mailboxes with the source of their password.
    pub mailboxes: Vec<(Mailbox, CredentialSource)>,
    /// Which passwords are in the database.
    pub passwords: Vec<StoredPassword>,
    /// Mailboxes that a test which is not over may enable yet.
    pub tested: BTreeSet<MailboxId>,
}

/// That there is a password in the database, and whether it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredPassword {
    /// Whose.
    pub owner: SecretOwner,
    /// Since when it waits to be entered again, if it does: see [`locks`](super::locks).
    pub locked_at: Option<Timestamp>,
}

/// One change to the records. Applied in order, in one transaction, all or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordChange {
    /// Inserts or updates a profile.
    PutProfile(ServerProfile, CredentialSource),
    /// Marks a profile as no longer declared.
    RetireProfile(ProfileId),
    /// Inserts or updates a user or queue.
    PutOwner(Owner),
    /// Marks a user or queue as no longer declared.
    RetireOwner(OwnerId),
    /// Inserts a mailbox with all its state, or updates one: then everything is written but the
    /// state of its workloads.
    PutMailbox(Box<Mailbox>, CredentialSource),
    /// Enables reading and forgets its failures.
    EnableIncoming(MailboxId),
    /// Disables reading and forgets its failures, and that its test failed.
    DisableIncoming(MailboxId),
    /// Enables sending and forgets its failures.
    EnableOutgoing(MailboxId),
    /// Disables sending and forgets its failures, and that its test failed.
    DisableOutgoing(MailboxId),
    /// Makes a mailbox inactive; its activities stay.
    RetireMailbox(MailboxId),
    /// Lets a mailbox be processed, or not, and changes nothing else of it.
    SetApproval(MailboxId, Approval),
    /// Queues a test of a mailbox, in place of the one before, under way or over.
    QueueTest(MailboxId, RunId, TestRequest),
    /// Closes an open alert.
    DismissAlert(AlertId),
}

/// Whose secret it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretOwner {
    /// A mailbox's password.
    Mailbox(MailboxId),
    /// A profile's password.
    Profile(ProfileId),
}

/// A secret that was opened and sealed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resealed {
    /// Whose it is.
    pub owner: SecretOwner,
    /// As it was.
    pub before: SealedSecret,
    /// As it is to be.
    pub after: SealedSecret,
}

/// What the database gives of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptSecret {
    /// There is none.
    Nothing,
    /// It is not given out: its server was changed, and nobody has entered it for the new one.
    Locked {
        /// When that was.
        since: Timestamp,
    },
    /// It may be opened and used.
    Sealed(SealedSecret),
}

/// A secret as it lies in the database: sealed under its own key, that key sealed under the
/// key-encryption key, both bound to the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    /// Which key-encryption key: the first 16 hex digits of its SHA-256.
    pub key_id: String,
    /// The sealed data key (24 bytes nonce, then ciphertext).
    pub data_key: Vec<u8>,
    /// The sealed secret (24 bytes nonce, then ciphertext).
    pub ciphertext: Vec<u8>,
}
