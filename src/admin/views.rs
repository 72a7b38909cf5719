//! Records as people see them: with the names they go by, and what is the matter.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    error::AdminError,
    selection::{Selection, select},
    status::WorkloadStatus,
};
use crate::{
    mime::expand,
    model::{
        failure::FailureCode,
        ids::{ActivityId, MailboxId, OwnerId, ProfileId},
        lease::ProfileHold,
        mailbox::{Mailbox, MailboxKind, Workload},
        profile::ServerProfile,
        record::{CredentialSource, Records, SecretOwner},
        timestamp::Timestamp,
    },
    store::{ActivityDetail, Store},
};

/// A mailbox with everything that concerns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MailboxView {
    /// Why it is read or not.
    pub status: WorkloadStatus,
    /// What a person should do, if anything.
    pub hint: Option<String>,
    /// `user:NAME` or `queue:NAME`.
    pub owner_name: Option<String>,
    /// Its profile's name.
    pub profile_name: Option<String>,
    /// Where its password comes from.
    pub password: CredentialSource,
    /// Whether that is the database, and it is not there.
    pub password_missing: bool,
    /// Since when its stored password waits to be entered again, where it does.
    pub password_locked_at: Option<Timestamp>,
    /// Why its profile waits, where it does.
    pub hold: Option<ProfileHold>,
    /// Why it sends or not.
    pub sending: WorkloadStatus,
    /// What a person should do about sending, if anything.
    pub sending_hint: Option<String>,
    /// Why its profile waits with sending, where it does.
    pub outgoing_hold: Option<ProfileHold>,
    /// The record with its state.
    #[serde(flatten)]
    pub mailbox: Mailbox,
}

impl MailboxView {
    /// Whether it waits because its server asked for that.
    pub fn is_throttled(&self) -> bool {
        let code = self.mailbox.incoming.failure_code;
        self.status == WorkloadStatus::Postponed && code.is_some_and(FailureCode::is_throttling)
    }

    /// Whether it belongs to `owner`: `user:NAME`, `queue:NAME`, a name of either, or its own address.
    pub fn is_of(&self, owner: &str) -> bool {
        let named = self.owner_name.as_deref().unwrap_or_default();
        let name = named.split_once(':').map_or(named, |(_, name)| name);
        let address = self.mailbox.email_address.to_lowercase() == owner.to_lowercase();
        address || !owner.is_empty() && (named == owner || name == owner)
    }

    /// Why it sends or not, with the failure behind it.
    pub fn sending_words(&self) -> String {
        let code = match (self.sending, &self.outgoing_hold) {
            (WorkloadStatus::Held, Some(hold)) => Some(hold.code),
            (WorkloadStatus::Disabled | WorkloadStatus::Postponed | WorkloadStatus::Failing, _) => {
                self.mailbox.outgoing.failure_code
            }
            _ => None,
        };
        let words = self.sending.words();
        code.map_or_else(|| words.to_owned(), |code| format!("{words} ({code})"))
    }
}

/// A profile with what concerns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileView {
    /// Where its password comes from, if it logs in with its own.
    pub password: CredentialSource,
    /// Whether that is the database, and it is not there.
    pub password_missing: bool,
    /// Since when its own stored password waits to be entered again, where it does.
    pub password_locked_at: Option<Timestamp>,
    /// How many of its mailboxes have a stored password that waits so.
    pub passwords_locked: usize,
    /// Mailboxes on it that are active.
    pub mailboxes: usize,
    /// Why it waits, where it does.
    pub hold: Option<ProfileHold>,
    /// Why it waits with sending, where it does.
    pub outgoing_hold: Option<ProfileHold>,
    /// The record.
    #[serde(flatten)]
    pub profile: ServerProfile,
}

/// All mailboxes, by address.
///
/// # Errors
/// The database did not answer.
pub async fn mailboxes(store: &Store, now: Timestamp) -> Result<Vec<MailboxView>, AdminError> {
    let records = store.records().await?;
    let holds = holds(store, Workload::Incoming).await?;
    let outgoing_holds = self::holds(store, Workload::Outgoing).await?;
    let profiles: BTreeMap<ProfileId, &ServerProfile> =
        records.profiles.iter().map(|(profile, _)| (profile.id, profile)).collect();
    let owners: BTreeMap<OwnerId, String> = records.owners.iter().map(|owner| (owner.id, owner_name(owner))).collect();
    let passwords = Passwords::of(&records);
    let view = |(mailbox, password): &(Mailbox, CredentialSource)| {
        let profile = mailbox.profile.and_then(|id| profiles.get(&id).copied());
        let hold = mailbox.profile.and_then(|id| holds.get(&id).cloned());
        let status = WorkloadStatus::of(Workload::Incoming, mailbox, profile, hold.is_some(), now);
        let code = if status == WorkloadStatus::Held { hold.as_ref().map(|hold| hold.code) } else { None };
        let of_code = |code: FailureCode| code.hint().replace("ADDRESS", &mailbox.email_address);
        let hint = status.hint(mailbox).or_else(|| code.or(mailbox.incoming.failure_code).map(of_code));
        let outgoing_hold = mailbox.profile.and_then(|id| outgoing_holds.get(&id).cloned());
        let sending = WorkloadStatus::of(Workload::Outgoing, mailbox, profile, outgoing_hold.is_some(), now);
        let code = outgoing_hold.as_ref().filter(|_| sending == WorkloadStatus::Held).map(|hold| hold.code);
        let sending_hint = sending.hint(mailbox).or_else(|| code.or(mailbox.outgoing.failure_code).map(of_code));
        MailboxView {
            status,
            hint,
            owner_name: mailbox.owner.and_then(|id| owners.get(&id).cloned()),
            profile_name: profile.map(|profile| profile.name.clone()),
            password: password.clone(),
            password_missing: passwords.missing(SecretOwner::Mailbox(mailbox.id), password),
            password_locked_at: passwords.locked(SecretOwner::Mailbox(mailbox.id), password),
            hold,
            sending,
            sending_hint: sending_hint.filter(|_| sending != WorkloadStatus::NotSent),
            outgoing_hold,
            mailbox: mailbox.clone(),
        }
    };
    let mut views: Vec<MailboxView> = records.mailboxes.iter().map(view).collect();
    views.sort_by(|a, b| a.mailbox.email_address.cmp(&b.mailbox.email_address));
    Ok(views)
}

/// The passwords in the database: since when each is locked, where it is.
struct Passwords(BTreeMap<SecretOwner, Option<Timestamp>>);

impl Passwords {
    fn of(records: &Records) -> Self {
        Self(records.passwords.iter().map(|password| (password.owner, password.locked_at)).collect())
    }

    /// Whether the password of a record should be in the database and is not.
    fn missing(&self, owner: SecretOwner, source: &CredentialSource) -> bool {
        *source == CredentialSource::Stored && !self.0.contains_key(&owner)
    }

    /// Since when the password of a record is locked, where it is a stored one.
    fn locked(&self, owner: SecretOwner, source: &CredentialSource) -> Option<Timestamp> {
        self.0.get(&owner).copied().flatten().filter(|_| *source == CredentialSource::Stored)
    }
}

async fn holds(store: &Store, workload: Workload) -> Result<BTreeMap<ProfileId, ProfileHold>, AdminError> {
    Ok(store.holds(workload).await?.into_iter().collect())
}

pub(super) fn owner_name(owner: &crate::model::record::Owner) -> String {
    let kind = if owner.kind == MailboxKind::Queue { "queue" } else { "user" };
    format!("{kind}:{}", owner.name)
}

/// The mailbox with this address, in upper or lower case.
///
/// # Errors
/// There is none, or the database did not answer.
pub async fn mailbox(store: &Store, address: &str, now: Timestamp) -> Result<MailboxView, AdminError> {
    let mut views = mailboxes(store, now).await?;
    let wanted = address.to_lowercase();
    match views.iter().position(|view| view.mailbox.email_address.to_lowercase() == wanted) {
        Some(index) => Ok(views.swap_remove(index)),
        None => Err(unknown("mailbox", address, views.iter().map(|view| view.mailbox.email_address.as_str()))),
    }
}

/// All profiles, by name.
///
/// # Errors
/// The database did not answer.
pub async fn profiles(store: &Store) -> Result<Vec<ProfileView>, AdminError> {
    let records = store.records().await?;
    let holds = holds(store, Workload::Incoming).await?;
    let outgoing_holds = self::holds(store, Workload::Outgoing).await?;
    let mut mailboxes: BTreeMap<ProfileId, usize> = BTreeMap::new();
    for profile in records.mailboxes.iter().filter(|(mailbox, _)| mailbox.active).filter_map(|(m, _)| m.profile) {
        *mailboxes.entry(profile).or_default() += 1;
    }
    let passwords = Passwords::of(&records);
    let mut locked_mailboxes: BTreeMap<ProfileId, usize> = BTreeMap::new();
    let with_lock = |(mailbox, password): &&(Mailbox, CredentialSource)| {
        mailbox.active && passwords.locked(SecretOwner::Mailbox(mailbox.id), password).is_some()
    };
    for profile in records.mailboxes.iter().filter(with_lock).filter_map(|(mailbox, _)| mailbox.profile) {
        *locked_mailboxes.entry(profile).or_default() += 1;
    }
    let view = |(profile, password): &(ServerProfile, CredentialSource)| ProfileView {
        password: password.clone(),
        password_missing: passwords.missing(SecretOwner::Profile(profile.id), password),
        password_locked_at: passwords.locked(SecretOwner::Profile(profile.id), password),
        passwords_locked: locked_mailboxes.get(&profile.id).copied().unwrap_or(0),
        mailboxes: mailboxes.get(&profile.id).copied().unwrap_or(0),
        hold: holds.get(&profile.id).cloned(),
        outgoing_hold: outgoing_holds.get(&profile.id).cloned(),
        profile: profile.clone(),
    };
    let mut views: Vec<ProfileView> = records.profiles.iter().map(view).collect();
    views.sort_by(|a, b| a.profile.name.cmp(&b.profile.name));
    Ok(views)
}

/// The profile of this name.
///
/// # Errors
/// There is none, or the database did not answer.
pub async fn profile(store: &Store, name: &str) -> Result<ProfileView, AdminError> {
    let mut views = profiles(store).await?;
    match views.iter().position(|view| view.profile.name == name) {
        Some(index) => Ok(views.swap_remove(index)),
        None => Err(unknown("profile", name, views.iter().map(|view| view.profile.name.as_str()))),
    }
}

/// Asks that mailboxes be polled at once, also those that wait after a failure, but not against a
/// server that asked us to wait. Returns them as they stand: for one that is not read at all nothing is asked.
///
/// # Errors
/// Some of them do not exist (then none is asked for), or the database did not answer.
pub async fn request_poll(
    store: &Store,
    selection: &Selection,
    now: Timestamp,
) -> Result<Vec<MailboxView>, AdminError> {
    let selected = select(store, selection).await?;
    let views = mailboxes(store, now).await?;
    let mut views: BTreeMap<MailboxId, MailboxView> = views.into_iter().map(|view| (view.mailbox.id, view)).collect();
    let asked: Vec<MailboxView> = selected.iter().filter_map(|mailbox| views.remove(&mailbox.id)).collect();
    let may = |view: &&MailboxView| view.status.is_done() && !view.is_throttled();
    let ids: Vec<MailboxId> = asked.iter().filter(may).map(|view| view.mailbox.id).collect();
    store.request_polls(&ids, now).await?;
    Ok(asked)
}

/// An activity with all that belongs to it.
///
/// # Errors
/// There is none, or the database did not answer.
pub async fn activity(store: &Store, id: ActivityId) -> Result<ActivityDetail, AdminError> {
    let none = || AdminError::Unknown { what: "activity", name: id.to_string(), suggestion: None };
    store.activity(id).await?.ok_or_else(none)
}

/// The message of an activity as it was received, byte for byte.
///
/// # Errors
/// There is none, it is damaged, or the database did not answer.
pub async fn source(store: &Store, id: ActivityId) -> Result<Vec<u8>, AdminError> {
    activity(store, id).await?;
    let source = store.source(id).await?.ok_or_else(|| AdminError::NoSource { id: id.to_string() })?;
    expand(&source).map_err(|_| AdminError::DamagedSource { id: id.to_string() })
}

/// The mailbox whose address, or else the profile whose name is `name`.
pub(super) fn find(records: &Records, name: &str) -> Result<SecretOwner, AdminError> {
    let wanted = name.to_lowercase();
    let mailbox = records.mailboxes.iter().find(|(mailbox, _)| mailbox.email_address.to_lowercase() == wanted);
    let profile = || records.profiles.iter().find(|(profile, _)| profile.name == name);
    if let Some((mailbox, _)) = mailbox {
        return Ok(SecretOwner::Mailbox(mailbox.id));
    }
    if let Some((profile, _)) = profile() {
        return Ok(SecretOwner::Profile(profile.id));
    }
    let addresses = records.mailboxes.iter().map(|(mailbox, _)| mailbox.email_address.as_str());
    let names = records.profiles.iter().map(|(profile, _)| profile.name.as_str());
    Err(unknown("mailbox or profile", name, addresses.chain(names)))
}

pub(super) fn unknown<'a>(what: &'static str, name: &str, known: impl Iterator<Item = &'a str>) -> AdminError {
    AdminError::Unknown {
        what,
        name: name.to_owned(),
        suggestion: crate::config::nearest(name, known).map(str::to_owned),
    }
}
