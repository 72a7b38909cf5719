//! Users and queues by command. Each gets its mailbox.

use super::{Desk, Given, MailboxPair, Plan, is_queue, kind_word, not_declared, problem, refused};
use crate::{
    admin::{
        changes::{PlannedChange, Planner, owner_differences},
        error::AdminError,
        views::owner_name,
    },
    config::{DeclaredOwner, Draft, Problem},
    model::{
        ids::OwnerId,
        mailbox::MailboxKind,
        record::{Owner, RecordChange},
    },
};

/// Nobody reads a mailbox of which nobody knows where it is.
fn without_profile(address: &str) -> String {
    format!(
        "mailbox {address}: no profile, and there is no default: it is neither read nor does it send; give it one: mailsyncd \
         mailbox set {address} --to-profile PROFILE (for those to come: mailsyncd profile set PROFILE --default true)"
    )
}

impl Desk<'_> {
    /// Makes a user or queue, or brings one back that was removed; and its mailbox, unless there should
    /// be none, at its address, with the default profile and methods.
    ///
    /// # Errors
    /// There is one of this name, or something would be wrong; everything that is wrong.
    pub fn add_owner(
        &self,
        kind: MailboxKind,
        name: &str,
        given: &Given<'_>,
        with_mailbox: bool,
    ) -> Result<Plan, AdminError> {
        let mut planner = Planner::new(self.records, self.now);
        self.new_owner(&mut planner, kind, name, given, with_mailbox.then_some(&[]))?;
        let changes = planner.changes();
        let note = |planned: &PlannedChange| match &planned.change {
            RecordChange::PutMailbox(mailbox, _) if mailbox.profile.is_none() => {
                Some(without_profile(&mailbox.email_address))
            }
            _ => None,
        };
        let notes = changes.iter().filter_map(note).collect();
        Ok(Plan { changes, notes })
    }

    /// [`Desk::add_owner`]; `of_mailbox` is what is said of its mailbox, `None` where there is none.
    pub(super) fn new_owner(
        &self,
        planner: &mut Planner<'_>,
        kind: MailboxKind,
        name: &str,
        given: &Given<'_>,
        of_mailbox: Option<&Given<'_>>,
    ) -> Result<(), AdminError> {
        let what = kind_word(kind);
        let before = self.owners.get(&(is_queue(kind), name)).copied();
        if let Some(owner) = before.filter(|owner| owner.active) {
            not_declared(what, name, owner.managed_by.as_ref()).or_else(|wrong| refused(vec![wrong]))?;
            let hint = format!("change it with: mailsyncd {what} set {name:?}");
            return refused(vec![problem(format!("there is a {what} {name} already"), Some(hint))]);
        }
        let mut draft = Draft::new(what);
        draft.set("name", name);
        let declared = self.read_owner(draft, given).or_else(refused)?;
        let owner = self.owner_of(&declared, before);
        let address = &owner.email_address;
        let text = if before.is_some() { format!("comes back, {address}") } else { format!("new, {address}") };
        planner.add(RecordChange::PutOwner(owner.clone()), what, name, &text);
        if let Some(of_mailbox) = of_mailbox {
            let named = owner_name(&owner);
            let given = [&[("name", name), ("owner", named.as_str())], of_mailbox].concat();
            self.new_mailbox(planner, address, &given, Some(owner.id))?;
        }
        Ok(())
    }

    /// Changes what is given of a user or queue; a new address goes to its mailbox too.
    ///
    /// # Errors
    /// There is none, a file declares it, or something would be wrong; everything that is wrong.
    pub fn set_owner(
        &self,
        kind: MailboxKind,
        name: &str,
        given: &Given<'_>,
    ) -> Result<Vec<PlannedChange>, AdminError> {
        let mut planner = Planner::new(self.records, self.now);
        self.change_owner(&mut planner, self.owner(kind, name)?, given, &[]).or_else(refused)?;
        Ok(planner.changes())
    }

    /// Plans the change of one owner, and what is said of its mailbox.
    pub(super) fn change_owner(
        &self,
        planner: &mut Planner<'_>,
        before: &Owner,
        given: &Given<'_>,
        of_mailbox: &Given<'_>,
    ) -> Result<(), Vec<Problem>> {
        let (what, name) = (kind_word(before.kind), before.name.as_str());
        not_declared(what, name, before.managed_by.as_ref()).map_err(|wrong| vec![wrong])?;
        let declared = self.read_owner(Draft::of_owner(before), given)?;
        let after = self.owner_of(&declared, Some(before));
        if after.name != name && self.owners.contains_key(&(is_queue(before.kind), after.name.as_str())) {
            let text = format!("there is, or was, a {what} {} already", after.name);
            return Err(vec![problem(text, Some("give another --name"))]);
        }
        let its = self.mailboxes_by_owner.get(&before.id).copied();
        let moves = |pair: &MailboxPair| {
            after.email_address != before.email_address
                && pair.0.email_address.eq_ignore_ascii_case(&before.email_address)
        };
        let address = its.filter(|pair| moves(pair)).map(|_| ("email_address", after.email_address.as_str()));
        let given: Vec<(&str, &str)> = address.into_iter().chain(of_mailbox.iter().copied()).collect();
        if after != *before {
            let text = owner_differences(before, &after).text();
            planner.add(RecordChange::PutOwner(after.clone()), what, name, &text);
        }
        match its {
            Some(pair) if !given.is_empty() => self.change_mailbox_of(planner, pair, &given, Some(&after)),
            _ => Ok(()),
        }
    }

    /// Makes a user or queue inactive.
    ///
    /// # Errors
    /// There is none, a file declares it, or it has a mailbox.
    pub fn remove_owner(&self, kind: MailboxKind, name: &str) -> Result<Vec<PlannedChange>, AdminError> {
        let (what, owner) = (kind_word(kind), self.owner(kind, name)?);
        not_declared(what, name, owner.managed_by.as_ref()).or_else(|wrong| refused(vec![wrong]))?;
        if let Some((mailbox, _)) = self.mailboxes_by_owner.get(&owner.id) {
            let address = &mailbox.email_address;
            let hint = format!("remove it first: mailsyncd mailbox remove {address}");
            return refused(vec![problem(format!("{what} {name} has the mailbox {address}"), Some(hint))]);
        }
        let mut planner = Planner::new(self.records, self.now);
        planner.add(RecordChange::RetireOwner(owner.id), what, name, "removed");
        Ok(planner.changes())
    }

    /// The owner's new address, where its mailbox gets one.
    pub(super) fn readdress_owner(&self, planner: &mut Planner<'_>, id: OwnerId, address: &str) -> Result<(), Problem> {
        let Some(before) = self.owners_by_id.get(&id).copied().filter(|owner| owner.email_address != address) else {
            return Ok(());
        };
        let what = kind_word(before.kind);
        not_declared(what, &before.name, before.managed_by.as_ref())?;
        let after = Owner { email_address: address.to_owned(), ..before.clone() };
        let text = owner_differences(before, &after).text();
        planner.add(RecordChange::PutOwner(after), what, &before.name, &text);
        Ok(())
    }

    fn read_owner(&self, mut draft: Draft, given: &Given<'_>) -> Result<DeclaredOwner, Vec<Problem>> {
        given.iter().for_each(|(key, value)| draft.set(key, value));
        let nothing = || vec![problem("--name is missing", None::<String>)];
        draft.read(self.config)?.owners.pop().ok_or_else(nothing)
    }

    fn owner_of(&self, declared: &DeclaredOwner, before: Option<&Owner>) -> Owner {
        let id = before.map_or_else(|| OwnerId::generate(self.now), |owner| owner.id);
        Owner { managed_by: None, ..declared.record(id) }
    }
}
