//! `[[profile]]`: how a provider is reached.

use std::time::Duration;

use super::{
    declared::credentials,
    problem::Place,
    read::{Root, Section},
    rules::IN_DOUBT,
    value::{Wrong, address, boolean, choice, duration, host, number, text, time},
};
use crate::model::{
    ids::ProfileId,
    outbox::InDoubt,
    profile::{AuthMethod, AuthenticateUsing, Endpoint, Security, ServerProfile, ServerType},
    record::CredentialSource,
    timestamp::Timestamp,
};

/// A `[[profile]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredProfile {
    /// Where it stands.
    pub place: Place,
    /// Unique name.
    pub name: String,
    /// Free text for people.
    pub description: String,
    /// Address of the person who looks after it.
    pub owner: Option<String>,
    /// Which protocols it speaks.
    pub server_type: ServerType,
    /// Whose credentials log in.
    pub authenticate_using: AuthenticateUsing,
    /// The login name where the profile's credentials are used.
    pub username: Option<String>,
    /// Where the profile's password comes from.
    pub credentials: CredentialSource,
    /// Where that stands, or the profile.
    pub(super) credentials_place: Place,
    /// Where mail is read.
    pub incoming: Endpoint,
    /// Where the port stands, or the endpoint where the port was filled in.
    pub(super) incoming_place: Place,
    /// Where mail is handed in to be sent, with the same credentials.
    pub outgoing: Option<Endpoint>,
    /// As `incoming_place`.
    pub(super) outgoing_place: Place,
    /// Whether a copy of what was sent is put into the Sent folder.
    pub save_to_sent: bool,
    /// What becomes of mails in doubt; `None`: as `sending.in_doubt` says.
    pub in_doubt: Option<InDoubt>,
    /// Mail received before is not recorded.
    pub process_email_from: Option<Timestamp>,
    /// From the end of one poll to the next.
    pub minimum_polling_interval: Duration,
    /// Connections at a time.
    pub maximum_concurrent_connections: u16,
    /// For each step of a conversation.
    pub connection_timeout: Duration,
}

impl DeclaredProfile {
    /// The record that is declared.
    pub fn record(&self, id: ProfileId, is_default: bool) -> ServerProfile {
        ServerProfile {
            id,
            name: self.name.clone(),
            description: self.description.clone(),
            owner: self.owner.clone(),
            server_type: self.server_type,
            authenticate_using: self.authenticate_using,
            username: self.username.clone(),
            incoming: self.incoming.clone(),
            outgoing: self.outgoing.clone(),
            save_to_sent: self.save_to_sent,
            in_doubt: self.in_doubt,
            process_email_from: self.process_email_from,
            minimum_polling_interval: self.minimum_polling_interval,
            maximum_concurrent_connections: self.maximum_concurrent_connections,
            connection_timeout: self.connection_timeout,
            is_default,
            managed_by: Some(self.place.managed_by()),
            active: true,
        }
    }
}

const DEFAULT_POLLING_INTERVAL: Duration = Duration::from_secs(5 * 60);
const DEFAULT_CONNECTIONS: u16 = 10;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
const SERVER_TYPES: &[(&str, ServerType)] = &[
    ("imap_smtp", ServerType::ImapSmtp),
    ("exchange_online", ServerType::ExchangeOnline),
    ("pop3_smtp", ServerType::Pop3Smtp),
];

/// Every `[[profile]]`. One with a problem is left out only where it has no name, so that nobody is
/// told that it does not exist.
pub(super) fn profiles(root: &mut Root<'_>) -> Vec<DeclaredProfile> {
    root.list("profile").into_iter().filter_map(profile).collect()
}

fn profile(mut section: Section<'_>) -> Option<DeclaredProfile> {
    let place = section.place()?.clone();
    let name = section.require("name", text);
    let description = section.take("description", text).unwrap_or_default();
    let owner = section.take("owner", address);
    let server_type = section.take("server_type", choice(SERVER_TYPES)).unwrap_or(ServerType::ImapSmtp);
    let (authenticate_using, username, credentials, credentials_place) = log_in(&mut section);
    let (incoming, incoming_place) = incoming(&mut section, &place, server_type);
    let (outgoing, outgoing_place) = endpoint(&mut section, "outgoing", &place, server_type).unzip();
    let (save_to_sent, in_doubt) = sending(&mut section, outgoing.is_some(), server_type);
    let process_email_from = section.take("process_email_from", time);
    let interval = section.take("minimum_polling_interval", duration(Duration::ZERO..=Duration::from_secs(86_400)));
    let connections = section.take("maximum_concurrent_connections", number(1..=300));
    let timeout = section.take("connection_timeout", duration(Duration::from_secs(1)..=Duration::from_secs(100)));
    section.finish();
    Some(DeclaredProfile {
        outgoing,
        outgoing_place: outgoing_place.unwrap_or_else(|| place.clone()),
        credentials_place: credentials_place.unwrap_or_else(|| place.clone()),
        place,
        name: name?,
        description,
        owner,
        server_type,
        authenticate_using,
        username,
        credentials,
        incoming,
        incoming_place,
        save_to_sent,
        in_doubt,
        process_email_from,
        minimum_polling_interval: interval.unwrap_or(DEFAULT_POLLING_INTERVAL),
        maximum_concurrent_connections: connections.unwrap_or(DEFAULT_CONNECTIONS),
        connection_timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
    })
}

/// Whose credentials log in, and the profile's own where those are used, with where they stand.
fn log_in(section: &mut Section<'_>) -> (AuthenticateUsing, Option<String>, CredentialSource, Option<Place>) {
    let using = [("mailbox", AuthenticateUsing::Mailbox), ("profile", AuthenticateUsing::Profile)];
    let authenticate_using = section.take("authenticate_using", choice(&using)).unwrap_or(AuthenticateUsing::Mailbox);
    let username = section.take_placed("username", text);
    let (credentials, password_place) = credentials(section).unzip();
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
    let credentials = credentials.unwrap_or(CredentialSource::Stored);
    (authenticate_using, username.map(|(name, _)| name), credentials, password_place)
}

/// The port of `incoming` or `outgoing` where none is given.
pub(super) fn port(key: &str, server_type: ServerType, security: Security) -> u16 {
    let (tls, other) = match server_type {
        _ if key == "outgoing" => (465, 587),
        ServerType::ImapSmtp | ServerType::ExchangeOnline => (993, 143),
        ServerType::Pop3Smtp => (995, 110),
    };
    if security == Security::Tls { tls } else { other }
}

/// What fills itself in of `incoming` or `outgoing` besides: the host, where the type has one, and how
/// the connection is protected.
fn preset(key: &str, server_type: ServerType) -> (Option<&'static str>, Security) {
    match server_type {
        ServerType::ExchangeOnline if key == "outgoing" => (Some("smtp.office365.com"), Security::Starttls),
        ServerType::ExchangeOnline => (Some("outlook.office365.com"), Security::Tls),
        ServerType::ImapSmtp | ServerType::Pop3Smtp => (None, Security::Tls),
    }
}

fn incoming(profile: &mut Section<'_>, place: &Place, server_type: ServerType) -> (Endpoint, Place) {
    let example = match server_type {
        ServerType::ImapSmtp | ServerType::ExchangeOnline => "imap.example.com",
        ServerType::Pop3Smtp => "pop.example.com",
    };
    endpoint(profile, "incoming", place, server_type).unwrap_or_else(|| {
        profile.problem("incoming is missing", Some(format!("write incoming = {{ host = \"{example}\" }}")));
        let port = port("incoming", server_type, Security::Tls);
        let none = Endpoint { host: String::new(), port, security: Security::Tls, auth: AuthMethod::Auto };
        (none, place.clone())
    })
}

/// The endpoint at `key`, or what fills itself in, and where its port stands. Without a host where that
/// is missing or wrong.
fn endpoint(
    profile: &mut Section<'_>,
    key: &'static str,
    place: &Place,
    server_type: ServerType,
) -> Option<(Endpoint, Place)> {
    let (filled_in, protection) = preset(key, server_type);
    let Some(mut section) = profile.table(key) else {
        let port = port(key, server_type, protection);
        let of = |host: &str| Endpoint { host: host.to_owned(), port, security: protection, auth: AuthMethod::Auto };
        return filled_in.map(|host| (of(host), place.clone()));
    };
    let host = match filled_in {
        Some(filled_in) if !section.given("host") => filled_in.to_owned(),
        _ => section.require("host", host).unwrap_or_default(),
    };
    let kinds = [("tls", Security::Tls), ("starttls", Security::Starttls), ("none", Security::None)];
    let security = section.take("security", choice(&kinds)).unwrap_or(protection);
    let filled_in = port(key, server_type, security);
    let given = section.take_placed("port", number(1..=u16::MAX));
    let (port, port_place) = given.unwrap_or_else(|| (filled_in, section.place().unwrap_or(place).clone()));
    let mut methods = vec![("auto", AuthMethod::Auto), ("plain", AuthMethod::Plain), ("login", AuthMethod::Login)];
    if key == "outgoing" {
        // A relay may know us by our address.
        methods.push(("none", AuthMethod::None));
    }
    let auth = section.take("auth", choice(&methods)).unwrap_or(AuthMethod::Auto);
    section.finish();
    Some((Endpoint { host, port, security, auth }, port_place))
}

/// Whether copies are put into the Sent folder, and what becomes of mails in doubt.
fn sending(section: &mut Section<'_>, sends: bool, server_type: ServerType) -> (bool, Option<InDoubt>) {
    let save_to_sent = section.take_placed("save_to_sent", boolean);
    let in_doubt = section.take_placed("in_doubt", choice(IN_DOUBT));
    let pop3 = server_type == ServerType::Pop3Smtp;
    let saves = save_to_sent.as_ref().filter(|(save, _)| *save);
    if let Some((_, place)) = saves
        && pop3
    {
        section.wrong(place, "save_to_sent", Wrong::hint("POP3 knows no Sent folder", "leave it out"));
    }
    if let Some((InDoubt::Verify, place)) = &in_doubt
        && pop3
    {
        let hint = "say \"hold\" or \"retry\"";
        section.wrong(place, "in_doubt", Wrong::hint("POP3 knows no Sent folder to look in", hint));
    }
    let unused = saves.map(|(_, place)| ("save_to_sent", place));
    let unused = unused.or(in_doubt.as_ref().map(|(_, place)| ("in_doubt", place)));
    if let Some((key, place)) = unused.filter(|_| !sends) {
        let hint = "give outgoing = { host = \"smtp.example.com\" }, or leave it out";
        section.wrong(place, key, Wrong::hint("is not used: the profile sends nothing", hint));
    }
    (save_to_sent.is_some_and(|(save, _)| save), in_doubt.map(|(policy, _)| policy))
}
