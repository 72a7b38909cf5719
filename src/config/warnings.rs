//! What is allowed and yet should be looked at: passwords that are not there, or are there for others too.

use std::{collections::BTreeMap, fs, io, os::unix::fs::PermissionsExt as _};

use super::{Config, Declared, DeclaredMailbox, DeclaredProfile, KeySource, Place, Problem};
use crate::{
    base::secret::exposed,
    model::{
        mailbox::{DeclaredEnabled, SyncMethod},
        profile::{AuthMethod, AuthenticateUsing},
        record::CredentialSource,
    },
};

/// Who logs in with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A mailbox, by its address.
    Mailbox(String),
    /// A profile, by its name.
    Profile(String),
}

/// Somebody who is to log in, and for whom the files name no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passwordless {
    /// Who.
    pub whose: Whose,
    /// The warning, where none is stored either.
    pub warning: Problem,
}

impl Config {
    /// Password files that are not there, are empty, or may be read by others than their owner; and who
    /// has no password, where none could be stored either. In the order of the files.
    pub fn warnings(&self) -> Vec<Problem> {
        let Declared { profiles, mailboxes, .. } = &self.declared;
        let of_profiles = profiles.iter().map(|it| (&it.credentials_place, Some(&it.credentials)));
        let of_mailboxes = mailboxes.iter().map(|it| (&it.credentials_place, it.credentials.as_ref()));
        let mut warnings: Vec<Problem> =
            of_profiles.chain(of_mailboxes).filter_map(|(place, source)| password_file(place, source?)).collect();
        if self.key == KeySource::None {
            warnings.extend(self.passwordless().into_iter().map(|it| it.warning));
        }
        warnings.sort_by(|a, b| a.place.cmp(&b.place));
        warnings
    }

    /// Who is enabled here, is to log in, and has no password unless one is stored.
    pub fn passwordless(&self) -> Vec<Passwordless> {
        let Declared { profiles, mailboxes, .. } = &self.declared;
        let profiles: BTreeMap<&str, &DeclaredProfile> =
            profiles.iter().map(|profile| (profile.name.as_str(), profile)).collect();
        let mut without = BTreeMap::new();
        for mailbox in mailboxes.iter().filter(|mailbox| is_enabled(mailbox)) {
            let profile = mailbox.profile.as_deref().and_then(|name| profiles.get(name));
            let Some(profile) = profile.filter(|profile| logs_in(mailbox, profile)) else { continue };
            match profile.authenticate_using {
                AuthenticateUsing::Mailbox if mailbox.credentials.is_none() => {
                    let address = &mailbox.email_address;
                    let what = format!("mailbox {address} is enabled, but there is no password for it");
                    let whose = Whose::Mailbox(address.clone());
                    without.insert(&mailbox.place, self.without(whose, &mailbox.place, what, address));
                }
                AuthenticateUsing::Profile if profile.credentials == CredentialSource::Stored => {
                    let name = &profile.name;
                    let what = format!("profile {name} logs in for its mailboxes, but there is no password for it");
                    let whose = Whose::Profile(name.clone());
                    without.insert(&profile.place, self.without(whose, &profile.place, what, name));
                }
                AuthenticateUsing::Mailbox | AuthenticateUsing::Profile => {}
            }
        }
        without.into_values().collect()
    }

    fn without(&self, whose: Whose, place: &Place, text: String, name: &str) -> Passwordless {
        let hint = match self.key {
            KeySource::None => "give password_file or password_credential".to_owned(),
            _ => format!("run: mailsyncd secret set {name}, or give password_file or password_credential"),
        };
        Passwordless { whose, warning: Problem { place: Some(place.clone()), text, hint: Some(hint) } }
    }
}

fn is_enabled(mailbox: &DeclaredMailbox) -> bool {
    matches!(mailbox.enabled, Some(DeclaredEnabled::True | DeclaredEnabled::Test))
}

/// Whether a server of the profile asks for a password: a relay may not.
fn logs_in(mailbox: &DeclaredMailbox, profile: &DeclaredProfile) -> bool {
    let asks = profile.outgoing.as_ref().is_some_and(|outgoing| outgoing.auth != AuthMethod::None);
    mailbox.incoming == SyncMethod::ServerSideSync || (mailbox.outgoing == SyncMethod::ServerSideSync && asks)
}

fn password_file(place: &Place, source: &CredentialSource) -> Option<Problem> {
    let CredentialSource::File(path) = source else { return None };
    let (text, hint) = match fs::metadata(path) {
        Ok(about) if exposed(about.permissions().mode()) => (
            format!(
                "the password file {path} may be read by others (mode {:04o})",
                about.permissions().mode() & 0o7777
            ),
            "chmod 0400 the password file",
        ),
        Ok(about) if about.is_file() && about.len() == 0 => {
            (format!("the password file {path} is empty"), "write the password into its first line")
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => (
            format!("the password file {path} does not exist: without it nobody is logged in"),
            "make it: install -m 400 -o mailsyncd FILE, with the password in its first line",
        ),
        // Whether it can be read is found out by whom it concerns: that is not whoever checks.
        Ok(_) | Err(_) => return None,
    };
    Some(Problem { place: Some(place.clone()), text, hint: Some(hint.to_owned()) })
}
