//! What is scheduled: workloads of mailboxes, on sides of profiles. Pure.

use crate::model::{
    ids::{MailboxId, ProfileId},
    mailbox::Workload,
};

/// One workload of one mailbox: reading its mail, or sending it. Each runs by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duty {
    /// What is run.
    pub workload: Workload,
    /// For whom.
    pub mailbox: MailboxId,
}

impl Duty {
    /// `workload` of `mailbox`.
    pub const fn new(workload: Workload, mailbox: MailboxId) -> Self {
        Self { workload, mailbox }
    }
}

/// One side of a profile: the server that its mail is read from, or the one it is sent through.
/// Each fails, and is held, by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Side {
    /// Which side.
    pub workload: Workload,
    /// Whose.
    pub profile: ProfileId,
}

impl Side {
    /// The side of `profile` that `workload` talks to.
    pub const fn new(workload: Workload, profile: ProfileId) -> Self {
        Self { workload, profile }
    }
}

/// A server: what fails, and is left alone, for all profiles that name it. Another port of the same
/// host is another server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// The host, lower case.
    pub host: String,
    /// TCP port.
    pub port: u16,
}
