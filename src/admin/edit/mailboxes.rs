//! Mailboxes by command, many at a time.

use super::{Desk, Given, MailboxPair, not_declared, problem, refused};
use crate::{
    admin::{
        changes::{MailboxPlace, PlannedChange, Planner, mailbox_differences, mailbox_record, new_mailbox, switch_off},
        error::AdminError,
        selection::{Selection, select_of},
    },
    config::{Declared, DeclaredMailbox, Draft, Problem, check_together},
    model::{
        ids::OwnerId,
        mailbox::{Approval, Mailbox, SyncMethod},
        record::{CredentialSource, Owner, RecordChange},
    },
};

/// What belongs to one mailbox alone.
const OF_ONE: [&str; 3] = ["email_address", "name", "username"];

impl Desk<'_> {
    /// Makes a mailbox, or brings one back that was removed: not enabled, and to be approved where that
    /// is required and a new one is not approved of itself.
    ///
    /// # Errors
    /// There is one at this address, its owner has one, or it would be wrong; everything that is wrong.
    pub fn add_mailbox(&self, address: &str, given: &Given<'_>) -> Result<Vec<PlannedChange>, AdminError> {
        let mut planner = Planner::new(self.records, self.now);
        self.new_mailbox(&mut planner, address, given, None)?;
        Ok(planner.changes())
    }

    /// [`Desk::add_mailbox`]; `owner` is one that the same command makes.
    pub(super) fn new_mailbox(
        &self,
        planner: &mut Planner<'_>,
        address: &str,
        given: &Given<'_>,
        owner: Option<OwnerId>,
    ) -> Result<(), AdminError> {
        let before = self.any_mailbox(address);
        if let Some((mailbox, _)) = before.filter(|pair| pair.0.active) {
            not_declared("mailbox", address, mailbox.managed_by.as_ref()).or_else(|wrong| refused(vec![wrong]))?;
            let whose = mailbox.owner.and_then(|id| self.owners_by_id.get(&id));
            let whose = whose.map(|owner| format!(", of {}", crate::admin::views::owner_name(owner)));
            let text = format!("there is a mailbox {address} already{}", whose.unwrap_or_default());
            return refused(vec![problem(text, Some("give another address, or --no-mailbox for a user or queue"))]);
        }
        let mut draft = Draft::new("mailbox");
        draft.set("email_address", address);
        let profile = self.default_profile()?;
        draft.set("profile", profile.map_or("", |pair| pair.0.name.as_str()));
        given.iter().for_each(|(key, value)| draft.set(key, value));
        let declared = match draft.read(self.config) {
            Ok(mut declared) => declared.mailboxes.pop(),
            Err(problems) => return refused(problems),
        };
        let Some(declared) = declared else { return Ok(()) };
        let mut problems = self.wrong_with_profile(&declared);
        let place = self.place(&declared, owner, &mut problems);
        if owner.is_none() && place.profile.is_none() && problems.is_empty() && uses_server(&declared) {
            let hint = "give --profile PROFILE, or a default: mailsyncd profile set PROFILE --default true";
            problems.push(problem("--profile is missing, and there is no default", Some(hint)));
        }
        if let Some((other, _)) = place.owner.and_then(|id| self.mailboxes_by_owner.get(&id)) {
            let address = &other.email_address;
            let hint = format!("one has one; remove that first: mailsyncd mailbox remove {address}");
            problems.push(problem(format!("--owner has the mailbox {address} already"), Some(hint)));
        }
        if !problems.is_empty() {
            return refused(problems);
        }
        let required = self.config.email_settings.approval_required(declared.kind());
        let mut mailbox = mailbox_record(&declared, before.map(|pair| &pair.0), place, required, self.now);
        mailbox.managed_by = None;
        let profile = place.profile.and_then(|id| self.profiles_by_id.get(&id));
        let server_type = profile.map(|pair| pair.0.server_type);
        let of_itself = required && before.is_none() && self.newcomers.approved_of_itself(server_type, place.owner);
        mailbox.approval = match required {
            true if of_itself => Approval::Approved,
            true => Approval::Pending,
            false => Approval::Empty,
        };
        let came_back = before.map(|pair| &pair.0);
        let text = match came_back {
            None => new_mailbox(&mailbox, of_itself),
            Some(_) => {
                format!(
                    "comes back, {}",
                    new_mailbox(&Mailbox { incoming: Default::default(), ..mailbox.clone() }, false)
                )
            }
        };
        let off = came_back.map(|mailbox| switch_off(mailbox, &self.records.tested)).unwrap_or_default();
        let source = declared.credentials.unwrap_or(CredentialSource::Stored);
        planner.add(RecordChange::PutMailbox(Box::new(mailbox), source), "mailbox", address, &text);
        off.into_iter().for_each(|(change, text)| planner.add(change, "mailbox", address, &text));
        Ok(())
    }

    /// Changes what is given of each mailbox that is selected. A new address goes to the owner too, and
    /// has to be approved again where that is required.
    ///
    /// # Errors
    /// Some are not there or declared in a file, or would be wrong; everything that is wrong, and nothing
    /// is changed.
    pub fn set_mailboxes(&self, which: &Selection, given: &Given<'_>) -> Result<Vec<PlannedChange>, AdminError> {
        let selected = select_of(self.records, which)?;
        let single = given.iter().find(|(key, _)| OF_ONE.contains(key));
        if let Some((key, _)) = single.filter(|_| selected.len() > 1) {
            let text = format!("--{} is of one mailbox, not of {}", key.replace('_', "-"), selected.len());
            return refused(vec![problem(text, Some("name one ADDRESS"))]);
        }
        let mut planner = Planner::new(self.records, self.now);
        let mut problems: Vec<Problem> = Vec::new();
        for pair in selected.iter().filter_map(|mailbox| self.pair_of(mailbox)) {
            let address = &pair.0.email_address;
            if let Err(wrong) = self.change_mailbox(&mut planner, pair, given) {
                // Of one of many it must be said which.
                let of = if selected.len() > 1 { format!("mailbox {address}: ") } else { String::new() };
                let named = |wrong: Problem| {
                    if wrong.text.contains(address.as_str()) {
                        wrong
                    } else {
                        Problem { text: format!("{of}{}", wrong.text), ..wrong }
                    }
                };
                problems.extend(wrong.into_iter().map(named));
            }
        }
        if problems.is_empty() { Ok(planner.changes()) } else { refused(problems) }
    }

    /// Plans the change of one mailbox.
    pub(super) fn change_mailbox(
        &self,
        planner: &mut Planner<'_>,
        before: &MailboxPair,
        given: &Given<'_>,
    ) -> Result<(), Vec<Problem>> {
        self.change_mailbox_of(planner, before, given, None)
    }

    /// [`Desk::change_mailbox`]; `becomes` is what the same command makes of its owner.
    pub(super) fn change_mailbox_of(
        &self,
        planner: &mut Planner<'_>,
        before: &MailboxPair,
        given: &Given<'_>,
        becomes: Option<&Owner>,
    ) -> Result<(), Vec<Problem>> {
        let (mailbox, _) = before;
        not_declared("mailbox", &mailbox.email_address, mailbox.managed_by.as_ref()).map_err(|wrong| vec![wrong])?;
        let mut draft = self.draft_of_mailbox(before);
        given.iter().for_each(|(key, value)| draft.set(key, value));
        let Some(declared) = draft.read(self.config)?.mailboxes.pop() else { return Ok(()) };
        let mut problems = self.wrong_with_profile(&declared);
        let place = self.place(&declared, mailbox.owner, &mut problems);
        let address = &declared.email_address;
        let other = self.any_mailbox(address).filter(|(other, _)| other.id != mailbox.id);
        if let Some((other, _)) = other {
            let text = format!("there is, or was, a mailbox {} already", other.email_address);
            problems.push(problem(text, Some("give another --email-address")));
        }
        // The owner follows, unless it went first.
        if problems.is_empty()
            && *address != mailbox.email_address
            && becomes.is_none()
            && let Some(owner) = mailbox.owner
        {
            problems.extend(self.readdress_owner(planner, owner, address).err());
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let required = self.config.email_settings.approval_required(mailbox.kind);
        let mut after = mailbox_record(&declared, Some(mailbox), place, required, self.now);
        let readdressed = !address.eq_ignore_ascii_case(&mailbox.email_address);
        after.approval = if readdressed && required { Approval::Pending } else { mailbox.approval };
        after.managed_by = None;
        after.declared_enabled = None;
        let after = (after, declared.credentials.unwrap_or(CredentialSource::Stored));
        if after != *before {
            let profiles = self.profiles.iter().map(|(name, pair)| (*name, pair.0.id)).collect();
            let text = mailbox_differences(before, &after, &profiles).text();
            let change = RecordChange::PutMailbox(Box::new(after.0), after.1);
            planner.add(change, "mailbox", &mailbox.email_address, &text);
        }
        Ok(())
    }

    /// Makes mailboxes inactive; what they recorded stays.
    ///
    /// # Errors
    /// Some are not there or declared in a file.
    pub fn remove_mailboxes(&self, which: &Selection) -> Result<Vec<PlannedChange>, AdminError> {
        let selected = select_of(self.records, which)?;
        let declared = |mailbox: &Mailbox| not_declared("mailbox", &mailbox.email_address, mailbox.managed_by.as_ref());
        let problems: Vec<Problem> = selected.iter().filter_map(|mailbox| declared(mailbox).err()).collect();
        if !problems.is_empty() {
            return refused(problems);
        }
        let mut planner = Planner::new(self.records, self.now);
        for mailbox in selected {
            let text = "removed, what it recorded stays";
            planner.add(RecordChange::RetireMailbox(mailbox.id), "mailbox", &mailbox.email_address, text);
        }
        Ok(planner.changes())
    }

    /// Where a mailbox belongs, by the names that it gives.
    fn place(&self, declared: &DeclaredMailbox, owner: Option<OwnerId>, problems: &mut Vec<Problem>) -> MailboxPlace {
        let mut found = |result: Result<_, AdminError>| result.map_err(|error| problems.push(error.problem())).ok();
        let profile = declared.profile.as_ref().and_then(|name| found(self.profile(name).map(|pair| pair.0.id.0)));
        let named = declared.owner.as_ref().filter(|_| owner.is_none());
        let named = named.and_then(|named| found(self.owner(named.kind, &named.name).map(|owner| owner.id.0)));
        MailboxPlace { owner: owner.or(named.map(OwnerId)), profile: profile.map(crate::model::ids::ProfileId) }
    }

    fn wrong_with_profile(&self, declared: &DeclaredMailbox) -> Vec<Problem> {
        let profile = declared.profile.as_ref().and_then(|name| self.any_profile(name));
        let read = profile.and_then(|(profile, source)| Draft::of_profile(profile, source).read(self.config).ok());
        let mut together = read.unwrap_or_default();
        together.mailboxes = vec![declared.clone()];
        // What is wrong with the profile itself is not the mailbox's.
        let alone = Declared { mailboxes: Vec::new(), ..together.clone() };
        let known = check_together(&alone, self.config).err().unwrap_or_default();
        let mut problems = check_together(&together, self.config).err().unwrap_or_default();
        problems.retain(|problem| !known.contains(problem));
        problems
    }
}

fn uses_server(mailbox: &DeclaredMailbox) -> bool {
    [mailbox.incoming, mailbox.outgoing].contains(&SyncMethod::ServerSideSync)
}
