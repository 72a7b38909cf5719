//! New mailboxes that are approved of themselves.
//!
//! Who has a mailbox at Exchange Online was given it by the organization's own administrators: on such a
//! profile a new mailbox needs no second approval. A changed address does, also there. So a mailbox is
//! new only where its owner never had one at another address: in a file, a changed address is another
//! mailbox. Nor is one new that moves to such a profile, or that comes back.

use std::collections::BTreeSet;

use crate::model::{ids::OwnerId, profile::ServerType, record::Records};

/// Tells who gets a mailbox for the first time.
#[derive(Debug)]
pub struct Newcomers {
    known: BTreeSet<OwnerId>,
}

impl Newcomers {
    /// Whoever has no mailbox in `records`, not even one that was removed.
    pub fn new(records: &Records) -> Self {
        Self { known: records.mailboxes.iter().filter_map(|(mailbox, _)| mailbox.owner).collect() }
    }

    /// Whether a mailbox of `owner` that is not in the records yet is approved of itself on a profile of
    /// this type.
    pub fn approved_of_itself(&self, server_type: Option<ServerType>, owner: Option<OwnerId>) -> bool {
        server_type == Some(ServerType::ExchangeOnline) && !owner.is_some_and(|owner| self.known.contains(&owner))
    }
}
