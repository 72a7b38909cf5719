//! Profiles by command.

use super::{Desk, Given, ProfilePair, names, not_declared, problem, refused};
use crate::{
    admin::{
        changes::{PlannedChange, Planner, changed_protocol, new_profile, profile_differences},
        error::AdminError,
    },
    config::{Declared, DeclaredProfile, Draft, Problem, check_together},
    model::{
        ids::ProfileId,
        record::{CredentialSource, RecordChange},
    },
};

/// The option that is no key of a profile in a file: there `email_settings` names the default.
const DEFAULT: &str = "default";

impl Desk<'_> {
    /// Makes a profile, or brings one back that was removed.
    ///
    /// # Errors
    /// There is one of this name, or it would be wrong; everything that is wrong.
    pub fn add_profile(&self, name: &str, given: &Given<'_>) -> Result<Vec<PlannedChange>, AdminError> {
        let before = self.any_profile(name);
        if let Some((profile, _)) = before.filter(|(profile, _)| profile.active) {
            not_declared("profile", name, profile.managed_by.as_ref()).or_else(|wrong| refused(vec![wrong]))?;
            let hint = format!("change it with: mailsyncd profile set {name}");
            return refused(vec![problem(format!("there is a profile {name} already"), Some(hint))]);
        }
        let mut draft = Draft::new("profile");
        draft.set("name", name);
        let mut planner = Planner::new(self.records, self.now);
        let (after, source) = self.write(draft, given, before, false)?;
        let text = match before {
            None => new_profile(&after),
            Some(before) => profile_differences(before, &(after.clone(), source.clone())).text(),
        };
        self.take_default(&mut planner, &after);
        planner.add(RecordChange::PutProfile(after, source), "profile", name, &text);
        Ok(planner.changes())
    }

    /// Changes what is given of a profile.
    ///
    /// # Errors
    /// There is none, a file declares it, or it would be wrong, alone or with its mailboxes; everything
    /// that is wrong.
    pub fn set_profile(&self, name: &str, given: &Given<'_>) -> Result<Vec<PlannedChange>, AdminError> {
        let before = self.profile(name)?;
        not_declared("profile", name, before.0.managed_by.as_ref()).or_else(|wrong| refused(vec![wrong]))?;
        let draft = Draft::of_profile(&before.0, &before.1);
        let after = self.write(draft, given, Some(before), before.0.is_default)?;
        if after.0.name != name && self.any_profile(&after.0.name).is_some() {
            let text = format!("there is, or was, a profile {} already", after.0.name);
            return refused(vec![problem(text, Some("give another --name"))]);
        }
        if after == *before {
            return Ok(Vec::new());
        }
        let mut planner = Planner::new(self.records, self.now);
        let text = profile_differences(before, &after).text();
        self.take_default(&mut planner, &after.0);
        planner.add(RecordChange::PutProfile(after.0, after.1), "profile", name, &text);
        Ok(planner.changes())
    }

    /// Makes a profile inactive.
    ///
    /// # Errors
    /// There is none, a file declares it, or mailboxes are on it.
    pub fn remove_profile(&self, name: &str) -> Result<Vec<PlannedChange>, AdminError> {
        let (profile, _) = self.profile(name)?;
        not_declared("profile", name, profile.managed_by.as_ref()).or_else(|wrong| refused(vec![wrong]))?;
        let on_it: Vec<&str> = self.on_profile(profile.id).map(|pair| pair.0.email_address.as_str()).collect();
        if !on_it.is_empty() {
            let text = format!("profile {name} is used by {}", names(on_it.into_iter()));
            let hint =
                format!("move them: mailsyncd mailbox set --profile {name} --to-profile PROFILE; or remove them");
            return refused(vec![problem(text, Some(hint))]);
        }
        let mut planner = Planner::new(self.records, self.now);
        planner.add(RecordChange::RetireProfile(profile.id), "profile", name, "removed");
        Ok(planner.changes())
    }

    pub(super) fn on_profile(&self, id: ProfileId) -> impl Iterator<Item = &super::MailboxPair> {
        self.records.mailboxes.iter().filter(move |pair| pair.0.active && pair.0.profile == Some(id))
    }

    /// The profile that `draft` becomes with what is given.
    fn write(
        &self,
        mut draft: Draft,
        given: &Given<'_>,
        before: Option<&ProfilePair>,
        was_default: bool,
    ) -> Result<ProfilePair, AdminError> {
        given.iter().filter(|(key, _)| *key != DEFAULT).for_each(|(key, value)| draft.set(key, value));
        let mut problems = Vec::new();
        let is_default = self.is_default(given, was_default).unwrap_or_else(|wrong| {
            problems.push(wrong);
            was_default
        });
        let declared = draft.read(self.config).unwrap_or_else(|wrong| {
            problems.extend(wrong);
            Declared::default()
        });
        if let Some(declared) = declared.profiles.first() {
            let changed = before.and_then(|before| changed_protocol(declared, before.0.server_type));
            problems.extend(changed.map(|wrong| Problem { place: None, ..wrong }));
            problems.extend(self.wrong_together(declared, before));
        }
        match declared.profiles.into_iter().next() {
            Some(declared) if problems.is_empty() => {
                let id = before.map_or_else(|| ProfileId::generate(self.now), |before| before.0.id);
                let source: CredentialSource = declared.credentials.clone();
                let mut profile = declared.record(id, is_default);
                profile.managed_by = None;
                Ok((profile, source))
            }
            _ => refused(problems),
        }
    }

    /// The profile with the mailboxes that are on it.
    fn wrong_together(&self, declared: &DeclaredProfile, before: Option<&ProfilePair>) -> Vec<Problem> {
        let on_it = before.into_iter().flat_map(|before| self.on_profile(before.0.id));
        let read = on_it.filter_map(|pair| {
            let mut draft = self.draft_of_mailbox(pair);
            draft.set("profile", &declared.name);
            draft.read(self.config).ok()?.mailboxes.pop()
        });
        let together = Declared { profiles: vec![declared.clone()], owners: Vec::new(), mailboxes: read.collect() };
        check_together(&together, self.config).err().unwrap_or_default()
    }

    fn is_default(&self, given: &Given<'_>, before: bool) -> Result<bool, Problem> {
        let Some((_, value)) = given.iter().find(|(key, _)| *key == DEFAULT) else { return Ok(before) };
        if let Some(name) = &self.config.email_settings.default_profile {
            let text = format!("--default: the configuration says email_settings.default_profile = {name:?}");
            return Err(problem(text, Some("change it there, or take it out there")));
        }
        value.parse().map_err(|_| problem("--default: must be true or false", None::<String>))
    }

    /// There is one default at most.
    fn take_default(&self, planner: &mut Planner<'_>, profile: &crate::model::profile::ServerProfile) {
        let others = self.records.profiles.iter().filter(|pair| pair.0.is_default && pair.0.id != profile.id);
        for (other, source) in others.filter(|_| profile.is_default) {
            let mut other = other.clone();
            other.is_default = false;
            let name = other.name.clone();
            planner.add(RecordChange::PutProfile(other, source.clone()), "profile", &name, "default true -> false");
        }
    }
}
