//! The records that are declared in files: profiles, users, queues, mailboxes.

use toml::de::DeValue;

use super::{
    problem::{Place, suggestion},
    profile::DeclaredProfile,
    read::{Root, Section},
    settings::{EmailSettings, SYNC_METHODS, credential_name},
    value::{Read, Wrong, address, boolean, choice, list, text, time},
};
use crate::model::{
    ids::OwnerId,
    mailbox::{DeclaredEnabled, MailboxKind, SyncMethod},
    record::{CredentialSource, FilterMethod, Owner},
    timestamp::Timestamp,
};

/// Everything declared, in the order of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// `[[profile]]`.
    pub profiles: Vec<DeclaredProfile>,
    /// `[[user]]` and `[[queue]]`.
    pub owners: Vec<DeclaredOwner>,
    /// `[[mailbox]]`, and one for each user or queue that has none of its own.
    pub mailboxes: Vec<DeclaredMailbox>,
}

/// A `[[user]]` or `[[queue]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredOwner {
    /// Where it stands.
    pub place: Place,
    /// `User` or `Queue`.
    pub kind: MailboxKind,
    /// Unique within its kind.
    pub name: String,
    /// Its address.
    pub email_address: String,
    /// The CRM's own identifier.
    pub external_id: Option<String>,
}

impl DeclaredOwner {
    /// The record that is declared.
    pub fn record(&self, id: OwnerId) -> Owner {
        Owner {
            id,
            kind: self.kind,
            name: self.name.clone(),
            email_address: self.email_address.clone(),
            external_id: self.external_id.clone(),
            filter_method: FilterMethod::All,
            managed_by: Some(self.place.managed_by()),
            active: true,
        }
    }
}

/// Names an owner, as `queue:Support`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerName {
    /// `User` or `Queue`.
    pub kind: MailboxKind,
    /// Its name.
    pub name: String,
}

/// A `[[mailbox]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredMailbox {
    /// Where it stands.
    pub place: Place,
    /// Name for people.
    pub name: String,
    /// Its address, unique.
    pub email_address: String,
    /// What it belongs to; `None` for a forward mailbox.
    pub owner: Option<OwnerName>,
    /// Where that stands, or the mailbox.
    pub(super) owner_place: Place,
    /// How it is reached; the default profile is filled in.
    pub profile: Option<String>,
    /// Where that stands, or the mailbox.
    pub(super) profile_place: Place,
    /// Login name.
    pub username: String,
    /// Where its password comes from; `None` where nothing was said.
    pub credentials: Option<CredentialSource>,
    /// Where that stands, or the mailbox.
    pub(super) credentials_place: Place,
    /// Whether mail is read.
    pub incoming: SyncMethod,
    /// Whether mail is sent.
    pub outgoing: SyncMethod,
    /// Addresses it may send as besides its own, ascending.
    pub may_send_as: Vec<String>,
    /// Whether mail is deleted on the server once it is recorded.
    pub delete_after_processing: bool,
    /// Mail received before is not recorded.
    pub process_email_received_after: Option<Timestamp>,
    /// Whether the file approves it: `false` takes approval away, `None` leaves it to people.
    pub approved: Option<bool>,
    /// Whether the file enables it; `None` leaves it as it is.
    pub enabled: Option<DeclaredEnabled>,
}

impl DeclaredMailbox {
    /// What it belongs to.
    pub fn kind(&self) -> MailboxKind {
        self.owner.as_ref().map_or(MailboxKind::Forward, |owner| owner.kind)
    }
}

/// Every `[[user]]` and `[[queue]]`.
pub(super) fn owners(root: &mut Root<'_>) -> Vec<DeclaredOwner> {
    let users = root.list("user").into_iter().filter_map(|section| owner(section, MailboxKind::User));
    let mut owners: Vec<DeclaredOwner> = users.collect();
    owners.extend(root.list("queue").into_iter().filter_map(|section| owner(section, MailboxKind::Queue)));
    owners
}

fn owner(mut section: Section<'_>, kind: MailboxKind) -> Option<DeclaredOwner> {
    let place = section.place()?.clone();
    let name = section.require("name", text);
    let email_address = section.require("email_address", address);
    let external_id = section.take("external_id", text);
    section.finish();
    Some(DeclaredOwner { place, kind, name: name?, email_address: email_address.unwrap_or_default(), external_id })
}

/// Every `[[mailbox]]`, with what `settings` says where it does not say whether mail is read or sent.
pub(super) fn mailboxes(root: &mut Root<'_>, settings: &EmailSettings) -> Vec<DeclaredMailbox> {
    root.list("mailbox").into_iter().filter_map(|section| mailbox(section, settings)).collect()
}

fn mailbox(mut section: Section<'_>, settings: &EmailSettings) -> Option<DeclaredMailbox> {
    let place = section.place()?.clone();
    let email_address = section.require("email_address", address);
    let name = section.take("name", text);
    let (owner, owner_place) = owner_of_mailbox(&mut section).unzip();
    let (profile, profile_place) = section.take_placed("profile", text).unzip();
    let username = section.take("username", text);
    let (credentials, credentials_place) = credentials(&mut section).unzip();
    let incoming = section.take("incoming", choice(SYNC_METHODS)).unwrap_or(settings.incoming);
    let kind = owner.as_ref().map_or(MailboxKind::Forward, |owner| owner.kind);
    let (outgoing, may_send_as) = sending(&mut section, kind, settings);
    section.take("act", no_act_method);
    let delete_after_processing = section.take_placed("delete_after_processing", boolean);
    if let Some((true, place)) = &delete_after_processing
        && kind == MailboxKind::User
    {
        let hint = "people keep their mail on the server; leave it out";
        section.wrong(place, "delete_after_processing", Wrong::hint("is for queues and forward mailboxes only", hint));
    }
    let process_email_received_after = section.take("process_email_received_after", time);
    let approved = section.take("approved", boolean);
    let enabled = section.take("enabled", enabled);
    section.finish();
    let email_address = email_address?;
    let at_key = |key: Option<Place>| key.unwrap_or_else(|| place.clone());
    Some(DeclaredMailbox {
        owner_place: at_key(owner_place),
        profile_place: at_key(profile_place),
        credentials_place: at_key(credentials_place),
        place,
        name: name.unwrap_or_else(|| email_address.clone()),
        owner,
        profile,
        username: username.unwrap_or_else(|| email_address.clone()),
        email_address,
        credentials,
        incoming,
        outgoing,
        may_send_as,
        delete_after_processing: delete_after_processing.is_some_and(|(delete, _)| delete),
        process_email_received_after,
        approved,
        enabled,
    })
}

/// `true`, `false` or `"test"`.
fn enabled(value: &DeValue<'_>) -> Read<DeclaredEnabled> {
    match (value.as_bool(), value.as_str()) {
        (Some(true), _) => Ok(DeclaredEnabled::True),
        (Some(false), _) => Ok(DeclaredEnabled::False),
        (None, Some("test")) => Ok(DeclaredEnabled::Test),
        (None, _) => Err(Wrong::new("must be true, false or \"test\"")),
    }
}

fn owner_of_mailbox(section: &mut Section<'_>) -> Option<(OwnerName, Place)> {
    let kinds = [("user", MailboxKind::User), ("queue", MailboxKind::Queue), ("forward", MailboxKind::Forward)];
    let kind = section.take_placed("kind", choice(&kinds));
    let owner_given = section.given("owner");
    let owner = section.take_placed("owner", owner_name);
    match (&kind, &owner) {
        (Some((MailboxKind::Forward, _)), Some((_, place))) => {
            section.wrong(place, "owner", Wrong::new("a forward mailbox belongs to nobody"));
        }
        (Some((MailboxKind::Forward, _)), None) => {}
        (Some((kind, place)), Some((owner, _))) if *kind != owner.kind => {
            section.wrong(place, "kind", Wrong::hint("does not fit its owner", "leave it out"));
        }
        (_, None) if !owner_given => {
            let hint = "write owner = \"user:NAME\" or \"queue:NAME\", or kind = \"forward\"".to_owned();
            section.problem("owner is missing", Some(hint));
        }
        _ => {}
    }
    owner
}

/// Whether it sends, and as whom besides itself. A forward mailbox never does.
fn sending(section: &mut Section<'_>, kind: MailboxKind, settings: &EmailSettings) -> (SyncMethod, Vec<String>) {
    let given = section.take_placed("outgoing", choice(SYNC_METHODS));
    let mut outgoing = settings.outgoing;
    if kind == MailboxKind::Forward {
        outgoing = SyncMethod::None;
        if let Some((SyncMethod::ServerSideSync, place)) = &given {
            section.wrong(place, "outgoing", Wrong::hint("a forward mailbox sends nothing", "leave it out"));
        }
    } else if let Some((method, _)) = given {
        outgoing = method;
    }
    let Some((mut addresses, place)) = section.take_placed("may_send_as", list(address)) else {
        return (outgoing, Vec::new());
    };
    if outgoing == SyncMethod::None && !addresses.is_empty() {
        let hint = "say outgoing = \"server_side_sync\", or leave it out";
        section.wrong(&place, "may_send_as", Wrong::hint("is not used: the mailbox does not send", hint));
    }
    addresses.sort_by_key(|address| address.to_lowercase());
    addresses.dedup_by_key(|address| address.to_lowercase());
    (outgoing, addresses)
}

/// Appointments, contacts and tasks: no mail protocol carries them.
fn no_act_method(value: &DeValue<'_>) -> Read<()> {
    let text = text(value)?;
    if text == "none" {
        return Ok(());
    }
    let hint = "leave it out: appointments, contacts and tasks need a server that keeps them";
    Err(Wrong::hint(format!("must be \"none\" on profiles of IMAP and POP3, not {text:?}"), hint))
}

fn owner_name(value: &DeValue<'_>) -> Read<OwnerName> {
    let text = text(value)?;
    let wanted = "write owner = \"user:NAME\" or \"queue:NAME\"";
    let (kind, name) = text
        .split_once(':')
        .filter(|(_, name)| !name.trim().is_empty())
        .ok_or_else(|| Wrong::hint(format!("{text:?} names no owner"), wanted))?;
    let kind = match kind {
        "user" => MailboxKind::User,
        "queue" => MailboxKind::Queue,
        other => {
            let hint = suggestion(other, ["user", "queue"]).unwrap_or_else(|| wanted.to_owned());
            return Err(Wrong::hint(format!("{other:?} is no kind of owner"), hint));
        }
    };
    Ok(OwnerName { kind, name: name.trim().to_owned() })
}

/// Where a password comes from. The password itself is refused.
pub(super) fn credentials(section: &mut Section<'_>) -> Option<(CredentialSource, Place)> {
    section.refuse(
        "password",
        "passwords never stand in the configuration",
        "put it into a file and name that in password_file, name a systemd credential in password_credential, \
         or run: mailsyncd secret set",
    );
    let file = section.take_path("password_file");
    let credential = section.take_placed("password_credential", credential_name);
    if let (Some((_, first)), Some((_, second))) = (&file, &credential) {
        let wrong = Wrong::hint("password_file is given too", format!("keep one of them; the other is at {first}"));
        section.wrong(second, "password_credential", wrong);
    }
    let file = file.map(|(path, place)| (CredentialSource::File(path.display().to_string()), place));
    file.or(credential.map(|(name, place)| (CredentialSource::SystemdCredential(name), place)))
}
