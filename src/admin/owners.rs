//! Users and queues as people see them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{error::AdminError, views::unknown};
use crate::{
    model::{
        ids::OwnerId,
        mailbox::MailboxKind,
        record::{Owner, Records},
    },
    store::Store,
};

/// A user or queue with its mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnerView {
    /// The address of its mailbox, where it has one that is active.
    pub mailbox: Option<String>,
    /// The record.
    #[serde(flatten)]
    pub owner: Owner,
}

/// All users or all queues, by name.
///
/// # Errors
/// The database did not answer.
pub async fn owners(store: &Store, kind: MailboxKind) -> Result<Vec<OwnerView>, AdminError> {
    Ok(views(store.records().await?, kind))
}

/// The user or queue of this name.
///
/// # Errors
/// There is none, or the database did not answer.
pub async fn owner(store: &Store, kind: MailboxKind, name: &str) -> Result<OwnerView, AdminError> {
    let mut views = owners(store, kind).await?;
    match views.iter().position(|view| view.owner.name == name) {
        Some(index) => Ok(views.swap_remove(index)),
        None => {
            let what = if kind == MailboxKind::Queue { "queue" } else { "user" };
            Err(unknown(what, name, views.iter().map(|view| view.owner.name.as_str())))
        }
    }
}

fn views(records: Records, kind: MailboxKind) -> Vec<OwnerView> {
    let active = records.mailboxes.into_iter().map(|(mailbox, _)| mailbox).filter(|mailbox| mailbox.active);
    let mut mailboxes: BTreeMap<OwnerId, String> =
        active.filter_map(|mailbox| Some((mailbox.owner?, mailbox.email_address))).collect();
    let of_kind = records.owners.into_iter().filter(|owner| owner.kind == kind);
    let mut views: Vec<OwnerView> =
        of_kind.map(|owner| OwnerView { mailbox: mailboxes.remove(&owner.id), owner }).collect();
    views.sort_by(|a, b| a.owner.name.cmp(&b.owner.name));
    views
}
