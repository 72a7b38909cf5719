//! Storing passwords.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{changes::plan_declared, decided::decided, declared::reconcile, error::AdminError, views::find};
use crate::{
    base::{clock::Clock, secret::Secret},
    config::{Config, Place},
    model::{
        audit::Actor,
        ids::MailboxId,
        mailbox::{DeclaredEnabled, Mailbox, SyncMethod, Workload},
        profile::AuthenticateUsing,
        record::{CredentialSource, RecordChange, Records, SecretOwner},
        timestamp::Timestamp,
    },
    store::Store,
};

/// What storing a password did besides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PasswordSet {
    /// `mailbox ADDRESS` or `profile NAME`.
    pub of: String,
    /// Identifier of the key that sealed it.
    pub key_id: String,
    /// Mailboxes that are tried again because of it.
    pub tried_again: Vec<String>,
    /// Mailboxes that stay disabled, because the files do not enable them.
    pub still_disabled: Vec<String>,
}

/// Says whether `name` (a mailbox's address or a profile's name) may have a stored password at all,
/// before anybody is asked to type one.
///
/// # Errors
/// The configuration declares that its password is elsewhere.
pub fn may_be_stored(config: &Config, name: &str) -> Result<(), AdminError> {
    let mailbox = config.declared.mailboxes.iter().find(|m| m.email_address.to_lowercase() == name.to_lowercase());
    let profile = config.declared.profiles.iter().find(|profile| profile.name == name);
    let (source, place): (&CredentialSource, &Place) = match (mailbox, profile) {
        (Some(mailbox), _) => match &mailbox.credentials {
            Some(source) => (source, &mailbox.place),
            None => return Ok(()),
        },
        (None, Some(profile)) => (&profile.credentials, &profile.place),
        (None, None) => return Ok(()),
    };
    let source_text = match source {
        CredentialSource::Stored => return Ok(()),
        CredentialSource::File(path) => format!("in the file {path}"),
        CredentialSource::SystemdCredential(name) => format!("the systemd credential {name}"),
    };
    Err(AdminError::Declared { name: name.to_owned(), source_text, place: place.clone() })
}

/// Seals `secret` as the password of the mailbox or profile `name`. Mailboxes that failed for want of
/// it are tried again, those that the files enable are enabled.
///
/// A record that is declared but not in the database yet is made first, with everything else that is
/// declared, as a start of the daemon would. So is one whose server the files change: the password is
/// meant for the new one.
///
/// # Errors
/// No such record, no key, an empty or unused password, or the configuration declares it elsewhere.
pub async fn set_password(
    store: &Store,
    config: &Config,
    clock: &Clock,
    name: &str,
    secret: &Secret,
    actor: &Actor,
) -> Result<PasswordSet, AdminError> {
    may_be_stored(config, name)?;
    if secret.is_empty() {
        return Err(AdminError::EmptyPassword);
    }
    let keys = config.keyring().map_err(AdminError::Key)?;
    let declared = config.declared.mailboxes.iter().any(|m| m.email_address.to_lowercase() == name.to_lowercase())
        || config.declared.profiles.iter().any(|profile| profile.name == name);
    let mut records = store.records().await?;
    if declared && is_behind(config, &records, name, clock.now())? {
        reconcile(store, config, clock).await?;
        records = store.records().await?;
    }
    let owner = find(&records, name)?;
    is_used(&records, owner, name)?;
    let sealed = keys.seal(owner, secret).map_err(AdminError::Seal)?;
    let now = clock.now();
    store.put_secret(owner, &sealed, actor, now).await?;
    let (records, wanted) = decided(store, actor, now, |records| {
        let again = |workload: Workload| {
            concerned(records, owner).filter(move |mailbox| tried_again(config, mailbox, workload))
        };
        let wanted: Vec<MailboxId> = again(Workload::Incoming).map(|mailbox| mailbox.id).collect();
        let mut changes: Vec<RecordChange> = switch_to_stored(records, owner).into_iter().collect();
        changes.extend(wanted.iter().map(|id| RecordChange::EnableIncoming(*id)));
        changes.extend(again(Workload::Outgoing).map(|mailbox| RecordChange::EnableOutgoing(mailbox.id)));
        Ok((changes, wanted))
    })
    .await?;
    // Mailboxes of a profile that was held have not failed themselves: one of them makes the daemon look.
    let held = concerned(&records, owner).find(|mailbox| mailbox.active && mailbox.incoming.enabled);
    let asked = wanted.into_iter().chain(held.map(|mailbox| mailbox.id)).collect::<BTreeSet<MailboxId>>();
    store.request_polls(&asked.into_iter().collect::<Vec<_>>(), now).await?;
    let of = match owner {
        SecretOwner::Mailbox(_) => format!("mailbox {name}"),
        SecretOwner::Profile(_) => format!("profile {name}"),
    };
    let (mut retried, mut still_disabled) = (Vec::new(), Vec::new());
    for mailbox in concerned(&records, owner) {
        let used = |workload: &Workload| is_wanted(mailbox, *workload);
        if WORKLOADS.iter().any(|workload| tried_again(config, mailbox, *workload)) {
            retried.push(mailbox.email_address.clone());
        } else if mailbox.active && WORKLOADS.iter().filter(|w| used(w)).any(|w| !mailbox.state(*w).enabled) {
            still_disabled.push(mailbox.email_address.clone());
        }
    }
    Ok(PasswordSet { of, key_id: keys.current_id().to_owned(), tried_again: retried, still_disabled })
}

/// Whether what the files declare must be taken over before the password of `name` can be stored.
fn is_behind(config: &Config, records: &Records, name: &str, now: Timestamp) -> Result<bool, AdminError> {
    let Ok(owner) = find(records, name) else { return Ok(true) };
    Ok(plan_declared(config, records, now)?.iter().any(|planned| planned.locks.contains(&owner)))
}

const WORKLOADS: [Workload; 2] = [Workload::Incoming, Workload::Outgoing];

/// Reading always counts: whoever stores a password for a mailbox that is not read wants to know it.
fn is_wanted(mailbox: &Mailbox, workload: Workload) -> bool {
    match workload {
        Workload::Incoming => true,
        Workload::Outgoing => mailbox.outgoing_method == SyncMethod::ServerSideSync,
    }
}

/// Whose password is used is the profile's decision.
fn is_used(records: &Records, owner: SecretOwner, name: &str) -> Result<(), AdminError> {
    let (profile, wanted) = match owner {
        SecretOwner::Profile(id) => (Some(id), AuthenticateUsing::Profile),
        SecretOwner::Mailbox(id) => {
            let mailbox = records.mailboxes.iter().find(|(mailbox, _)| mailbox.id == id);
            (mailbox.and_then(|(mailbox, _)| mailbox.profile), AuthenticateUsing::Mailbox)
        }
    };
    match records.profiles.iter().find(|(record, _)| Some(record.id) == profile) {
        Some((profile, _)) if profile.authenticate_using != wanted => {
            let using = if wanted == AuthenticateUsing::Mailbox { "profile" } else { "mailbox" };
            Err(AdminError::NotUsed { name: name.to_owned(), profile: profile.name.clone(), using })
        }
        _ => Ok(()),
    }
}

/// The database may still name a file that the configuration names no more.
fn switch_to_stored(records: &Records, owner: SecretOwner) -> Option<RecordChange> {
    match owner {
        SecretOwner::Mailbox(id) => {
            let (mailbox, source) = records.mailboxes.iter().find(|(mailbox, _)| mailbox.id == id)?;
            let change = || RecordChange::PutMailbox(Box::new(mailbox.clone()), CredentialSource::Stored);
            (*source != CredentialSource::Stored).then(change)
        }
        SecretOwner::Profile(id) => {
            let (profile, source) = records.profiles.iter().find(|(profile, _)| profile.id == id)?;
            let change = || RecordChange::PutProfile(profile.clone(), CredentialSource::Stored);
            (*source != CredentialSource::Stored).then(change)
        }
    }
}

/// The mailboxes that log in with the password of `owner`.
fn concerned(records: &Records, owner: SecretOwner) -> impl Iterator<Item = &Mailbox> {
    let shared = move |mailbox: &Mailbox| {
        let profile = records.profiles.iter().find(|(profile, _)| Some(profile.id) == mailbox.profile);
        profile.is_some_and(|(profile, _)| profile.authenticate_using == AuthenticateUsing::Profile)
    };
    records.mailboxes.iter().map(|(mailbox, _)| mailbox).filter(move |mailbox| match owner {
        SecretOwner::Mailbox(id) => mailbox.id == id && !shared(mailbox),
        SecretOwner::Profile(id) => mailbox.profile == Some(id) && shared(mailbox),
    })
}

/// One that fails and is enabled, or that the files want enabled.
fn tried_again(config: &Config, mailbox: &Mailbox, workload: Workload) -> bool {
    let state = mailbox.state(workload);
    let address = mailbox.email_address.to_lowercase();
    let declared = config.declared.mailboxes.iter().find(|m| m.email_address.to_lowercase() == address);
    let wanted =
        is_wanted(mailbox, workload) && declared.is_some_and(|mailbox| mailbox.enabled == Some(DeclaredEnabled::True));
    mailbox.active && (wanted && !state.enabled || state.enabled && state.failure_code.is_some())
}
