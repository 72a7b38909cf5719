//! Server profiles: how to reach a provider.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::{ids::ProfileId, outbox::InDoubt, timestamp::Timestamp};

/// Which protocols a profile speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerType {
    /// IMAP for reading, SMTP for sending.
    ImapSmtp,
    /// POP3 for reading, SMTP for sending.
    Pop3Smtp,
    /// Exchange Online: IMAP and SMTP as `ImapSmtp`, with its servers filled in and new mailboxes
    /// approved of themselves.
    ExchangeOnline,
}

impl ServerType {
    /// Whether a profile may become one of `other`: what is recorded is known by the numbers that the
    /// protocol of reading gives it.
    pub const fn reads_like(self, other: Self) -> bool {
        matches!(self, Self::Pop3Smtp) == matches!(other, Self::Pop3Smtp)
    }
}

/// Whose credentials log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticateUsing {
    /// Each mailbox's own; connection limits count per mailbox.
    Mailbox,
    /// The profile's, for all its mailboxes; connection limits count per profile.
    Profile,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// STARTTLS, required: without it nothing is sent.
    Starttls,
    /// Cleartext; needs `network.allow_cleartext`.
    None,
}

/// How to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// AUTHENTICATE PLAIN where the server offers it, else LOGIN.
    Auto,
    /// AUTHENTICATE PLAIN (RFC 4616).
    Plain,
    /// The LOGIN command.
    Login,
    /// Not at all: for a relay that knows us by our address. Only for sending.
    None,
}

/// Where and how one protocol of a profile is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// DNS name or address literal.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// How to log in.
    pub auth: AuthMethod,
}

/// How to reach a provider, and within which limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerProfile {
    /// Identifier.
    pub id: ProfileId,
    /// Unique name.
    pub name: String,
    /// Free text for people.
    pub description: String,
    /// Address of the person who looks after it: is told what concerns all its mailboxes.
    pub owner: Option<String>,
    /// Which protocols it speaks.
    pub server_type: ServerType,
    /// Whose credentials log in.
    pub authenticate_using: AuthenticateUsing,
    /// The login name where `authenticate_using` is `profile`.
    pub username: Option<String>,
    /// Where mail is read.
    pub incoming: Endpoint,
    /// Where mail is handed in to be sent, with the same credentials; `None`: this profile sends none.
    pub outgoing: Option<Endpoint>,
    /// Whether a copy of what was sent is put into the Sent folder.
    pub save_to_sent: bool,
    /// What becomes of mails in doubt; `None`: as `sending.in_doubt` says.
    pub in_doubt: Option<InDoubt>,
    /// Mail received before is not recorded.
    pub process_email_from: Option<Timestamp>,
    /// From the end of one poll to the next: 0 to 24 h. In seconds where serialized.
    #[serde(serialize_with = "as_seconds")]
    pub minimum_polling_interval: Duration,
    /// 1 to 300, counted per mailbox or per profile by whose credentials are used.
    pub maximum_concurrent_connections: u16,
    /// Up to 100 s, for each step of a conversation. In seconds where serialized.
    #[serde(serialize_with = "as_seconds")]
    pub connection_timeout: Duration,
    /// Whether mailboxes that name no profile get this one.
    pub is_default: bool,
    /// Where it was declared (`config:FILE:LINE`), or `None` where it was made by command.
    pub managed_by: Option<String>,
    /// Whether it is still declared.
    pub active: bool,
}

impl ServerProfile {
    /// Its servers: where mail is read, and where it is handed in.
    pub fn endpoints(&self) -> Vec<&Endpoint> {
        [Some(&self.incoming), self.outgoing.as_ref()].into_iter().flatten().collect()
    }
}

fn as_seconds<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(span.as_secs_f64())
}
