//! Which mailboxes a command is for.

use std::collections::BTreeSet;

use super::{error::AdminError, views::unknown};
use crate::{
    config::nearest,
    model::{failure::clean, mailbox::Mailbox, record::Records},
    store::Store,
};

/// Which mailboxes a command is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Those with these addresses, in upper or lower case.
    Addresses(Vec<String>),
    /// Those on the profile of this name.
    Profile(String),
    /// All of them.
    All,
}

/// The mailboxes that are selected: in the order of the addresses, each once; else by address.
/// Mailboxes that were removed are not among them.
///
/// # Errors
/// Addresses that are of no mailbox, all of them; no such profile; the database did not answer.
pub async fn select(store: &Store, selection: &Selection) -> Result<Vec<Mailbox>, AdminError> {
    select_of(&store.records().await?, selection)
}

/// [`select`], of records that were read already.
///
/// # Errors
/// As [`select`].
pub fn select_of(records: &Records, selection: &Selection) -> Result<Vec<Mailbox>, AdminError> {
    let active = || records.mailboxes.iter().map(|(mailbox, _)| mailbox).filter(|mailbox| mailbox.active);
    let mut selected: Vec<Mailbox> = match selection {
        Selection::Addresses(addresses) => return by_address(records, addresses),
        Selection::Profile(name) => {
            let names = || records.profiles.iter().map(|(profile, _)| profile.name.as_str());
            let profile = records.profiles.iter().find(|(profile, _)| profile.name == *name);
            let id = profile.ok_or_else(|| unknown("profile", name, names()))?.0.id;
            active().filter(|mailbox| mailbox.profile == Some(id)).cloned().collect()
        }
        Selection::All => active().cloned().collect(),
    };
    selected.sort_by(|a, b| a.email_address.cmp(&b.email_address));
    Ok(selected)
}

fn by_address(records: &Records, addresses: &[String]) -> Result<Vec<Mailbox>, AdminError> {
    let (mut selected, mut wrong, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for address in addresses {
        let wanted = address.to_lowercase();
        if !seen.insert(wanted.clone()) {
            continue;
        }
        let known = records.mailboxes.iter().find(|(mailbox, _)| mailbox.email_address.to_lowercase() == wanted);
        match known {
            Some((mailbox, _)) if mailbox.active => selected.push(mailbox.clone()),
            Some(_) => wrong.push(format!("mailbox {} was removed", clean(address, 320))),
            None => wrong.push(no_mailbox(records, address)),
        }
    }
    if wrong.is_empty() { Ok(selected) } else { Err(AdminError::NotSelectable { wrong }) }
}

fn no_mailbox(records: &Records, address: &str) -> String {
    let known = records.mailboxes.iter().filter(|(mailbox, _)| mailbox.active);
    let meant = nearest(address, known.map(|(mailbox, _)| mailbox.email_address.as_str()));
    let meant = meant.map(|meant| format!(", did you mean {meant}?")).unwrap_or_default();
    format!("there is no mailbox {}{meant}", clean(address, 320))
}

#[cfg(test)]
#[path = "selection_tests.rs"]
mod tests;
