//! The records that are declared in files: profiles, users, queues, mailboxes.

use std::time::Duration;

use toml::de::DeValue;

use super::{
    problem::{Place, suggestion},
    read::{Root, Section},
    settings::{SYNC_METHODS, credential_name},
    value::{Read, Wrong, address, boolean, choice, duration, host, number, text, time},
};
use crate::model::{
    mailbox::{MailboxKind, SyncMethod},
    profile::{AuthMethod, AuthenticateUsing, Endpoint, Security, ServerType},
    record::CredentialSource,
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

/// A `[[profile]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredProfile {
    /// Where it stands.
    pub place: Place,
    /// Unique name.
    pub name: String,
    /// Free text for people.
    pub description: String,
    /// Which protocols it speaks.
    pub server_type: ServerType,
    /// Whose credentials log in.
    pub authenticate_using: AuthenticateUsing,
    /// The login name where the profile's credentials are used.
    pub username: Option<String>,
    /// Where the profile's password comes from.
    pub credentials: CredentialSource,
    /// Where mail is read.
    pub incoming: Endpoint,
    /// Where the port stands, or the endpoint where the port was filled in.
    pub(super) incoming_place: Place,
    /// Mail received before is not recorded.
    pub process_email_from: Option<Timestamp>,
    /// From the end of one poll to the next.
    pub minimum_polling_interval: Duration,
    /// Connections at a time.
    pub maximum_concurrent_connections: u16,
    /// For each step of a conversation.
    pub connection_timeout: Duration,
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
    /// How it is reached; the default profile is filled in.
    pub profile: Option<String>,
    /// Login name.
    pub username: String,
    /// Where its password comes from; `None` where nothing was said.
    pub credentials: Option<CredentialSource>,
    /// Whether mail is read.
    pub incoming: SyncMethod,
    /// Mail received before is not recorded.
    pub process_email_received_after: Option<Timestamp>,
    /// Whether the file approves it: `false` takes approval away, `None` leaves it to people.
    pub approved: Option<bool>,
    /// Whether the file enables it: `false` disables, `None` leaves it as it is.
    pub enabled: Option<bool>,
}

impl DeclaredMailbox {
    /// What it belongs to.
    pub fn kind(&self) -> MailboxKind {
        self.owner.as_ref().map_or(MailboxKind::Forward, |owner| owner.kind)
    }
}

const DEFAULT_POLLING_INTERVAL: Duration = Duration::from_secs(5 * 60);
const DEFAULT_CONNECTIONS: u16 = 10;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// Every `[[profile]]`. One with a problem is left out only where it has no name, so that nobody is
/// told that it does not exist.
pub(super) fn profiles(root: &mut Root<'_>) -> Vec<DeclaredProfile> {
    root.list("profile").into_iter().filter_map(profile).collect()
}

fn profile(mut section: Section<'_>) -> Option<DeclaredProfile> {
    let place = section.place()?.clone();
    let name = section.require("name", text);
    let description = section.take("description", text).unwrap_or_default();
    let server_type = section.take("server_type", choice(&[("imap_smtp", ServerType::ImapSmtp)]));
    let using = [("mailbox", AuthenticateUsing::Mailbox), ("profile", AuthenticateUsing::Profile)];
    let authenticate_using = section.take("authenticate_using", choice(&using)).unwrap_or(AuthenticateUsing::Mailbox);
    let username = section.take_placed("username", text);
    let (credentials, password_place) = credentials(&mut section).unzip();
    match authenticate_using {
        AuthenticateUsing::Profile if username.is_none() => section.problem(
            "username is missing",
            Some("authenticate_using = \"profile\" logs in with the profile's own name and password".to_owned()),
        ),
        AuthenticateUsing::Mailbox => {
            let unused = username.as_ref().map(|(_, place)| place).or(password_place.as_ref());
            if let Some(place) = unused {
                let hint = "say authenticate_using = \"profile\", or give it on each mailbox";
                section.wrong(
                    place,
                    "username or password",
                    Wrong::hint("is not used: mailboxes log in themselves", hint),
                );
            }
        }
        AuthenticateUsing::Profile => {}
    }
    let (incoming, incoming_place) = incoming(&mut section, &place);
    let process_email_from = section.take("process_email_from", time);
    let interval = section.take("minimum_polling_interval", duration(Duration::ZERO..=Duration::from_secs(86_400)));
    let connections = section.take("maximum_concurrent_connections", number(1..=300));
    let timeout = section.take("connection_timeout", duration(Duration::from_secs(1)..=Duration::from_secs(100)));
    section.finish();
    Some(DeclaredProfile {
        place,
        name: name?,
        description,
        server_type: server_type.unwrap_or(ServerType::ImapSmtp),
        authenticate_using,
        username: username.map(|(name, _)| name),
        credentials: credentials.unwrap_or(CredentialSource::Stored),
        incoming,
        incoming_place,
        process_email_from,
        minimum_polling_interval: interval.unwrap_or(DEFAULT_POLLING_INTERVAL),
        maximum_concurrent_connections: connections.unwrap_or(DEFAULT_CONNECTIONS),
        connection_timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
    })
}

/// The endpoint, and where its port stands. Without a host where that is missing or wrong.
fn incoming(profile: &mut Section<'_>, place: &Place) -> (Endpoint, Place) {
    let mut endpoint = Endpoint { host: String::new(), port: 993, security: Security::Tls, auth: AuthMethod::Auto };
    let Some(mut section) = profile.table("incoming") else {
        let hint = "write incoming = { host = \"imap.example.com\" }".to_owned();
        profile.problem("incoming is missing", Some(hint));
        return (endpoint, place.clone());
    };
    endpoint.host = section.require("host", host).unwrap_or_default();
    let kinds = [("tls", Security::Tls), ("starttls", Security::Starttls), ("none", Security::None)];
    endpoint.security = section.take("security", choice(&kinds)).unwrap_or(endpoint.security);
    if endpoint.security != Security::Tls {
        endpoint.port = 143;
    }
    let mut port_place = section.place().unwrap_or(place).clone();
    if let Some((port, place)) = section.take_placed("port", number(1..=u16::MAX)) {
        (endpoint.port, port_place) = (port, place);
    }
    let methods = [("auto", AuthMethod::Auto), ("plain", AuthMethod::Plain), ("login", AuthMethod::Login)];
    endpoint.auth = section.take("auth", choice(&methods)).unwrap_or(endpoint.auth);
    section.finish();
    (endpoint, port_place)
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

/// Every `[[mailbox]]`, with `incoming` where it does not say whether mail is read.
pub(super) fn mailboxes(root: &mut Root<'_>, incoming: SyncMethod) -> Vec<DeclaredMailbox> {
    root.list("mailbox").into_iter().filter_map(|section| mailbox(section, incoming)).collect()
}

fn mailbox(mut section: Section<'_>, incoming: SyncMethod) -> Option<DeclaredMailbox> {
    let place = section.place()?.clone();
    let email_address = section.require("email_address", address);
    let name = section.take("name", text);
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
    let profile = section.take("profile", text);
    let username = section.take("username", text);
    let credentials = credentials(&mut section).map(|(source, _)| source);
    let incoming = section.take("incoming", choice(SYNC_METHODS)).unwrap_or(incoming);
    let process_email_received_after = section.take("process_email_received_after", time);
    let approved = section.take("approved", boolean);
    let enabled = section.take("enabled", boolean);
    section.finish();
    let email_address = email_address?;
    Some(DeclaredMailbox {
        place,
        name: name.unwrap_or_else(|| email_address.clone()),
        owner: owner.map(|(owner, _)| owner),
        profile,
        username: username.unwrap_or_else(|| email_address.clone()),
        email_address,
        credentials,
        incoming,
        process_email_received_after,
        approved,
        enabled,
    })
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
fn credentials(section: &mut Section<'_>) -> Option<(CredentialSource, Place)> {
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
