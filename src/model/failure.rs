//! Failures as the product sees them: whom they concern, how long they last, what to call them.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Who is stopped by a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One message; the others go on.
    Message,
    /// One workload of one mailbox.
    Mailbox,
    /// All mailboxes of a profile: they wait while one probes.
    Profile,
    /// The daemon: nothing new starts.
    Daemon,
}

/// How long a failure is expected to last, and so what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Persistence {
    /// Tried again with a growing delay.
    Transient,
    /// As the server asks (or with a growing delay); never counts towards disabling.
    Throttled,
    /// Permanent if it is still there after the confirmations.
    UntilConfirmed,
    /// Nothing helps but a person.
    Permanent,
}

macro_rules! failure_codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $hint:literal;)+) => {
        /// The closed list of what can go wrong. The names are stable: scripts may rely on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FailureCode { $($(#[$doc])* $variant,)+ }

        impl FailureCode {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable name, as in logs, the database and `--json`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Who should do what.
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$variant => $hint,)+ }
            }
        }
    };
}

failure_codes! {
    /// The server refused the password.
    AuthRejected = "auth-rejected", "update the mailbox's password (some providers want an application password)";
    /// The password or the account has expired.
    AuthExpired = "auth-expired", "set a new password at the provider and store it here";
    /// Logged in as somebody who may not open this mailbox.
    AuthorizationFailed = "authorization-failed", "grant the login access to this mailbox at the provider";
    /// The provider wants a person to sign in, or an application password.
    AuthInteractive = "auth-interactive", "sign in to the provider in a browser, or create an application password";
    /// The provider's administrator switched something off.
    AuthContactAdmin = "auth-contact-admin", "ask the provider's administrator";
    /// The provider does not take passwords any more.
    AuthMethodBlocked = "auth-method-blocked", "the provider blocks password sign-in for this profile";
    /// The server offers no log-in that we know.
    AuthNotOffered = "auth-not-offered", "check that outgoing names the provider's submission server and its port (465 or 587)";
    /// The provider takes no mail over SMTP from this mailbox, or from anybody.
    SmtpAuthDisabled = "smtp-auth-disabled", "switch Authenticated SMTP on at the provider";
    /// The server's own back end for logging in is ill.
    AuthUnavailable = "auth-unavailable", "nothing to do: tried again later";
    /// There is no password for the mailbox, or it cannot be read.
    CredentialsMissing = "credentials-missing", "give password_file in the configuration, or run: mailsyncd secret set";
    /// The server limits log-ins or connections.
    LoginThrottled = "login-throttled", "nothing to do: tried again when the server allows; lower maximum_concurrent_connections if it lasts";
    /// The server asks to slow down.
    ServerThrottled = "server-throttled", "nothing to do: tried again when the server allows";
    /// A limit of the provider on transferred bytes was reached.
    BandwidthExceeded = "bandwidth-exceeded", "nothing to do: tried again when the provider allows";
    /// The server demands TLS, or offers no log-in without.
    TlsRequired = "tls-required", "set security = \"tls\" on the profile";
    /// STARTTLS was missing, refused or tampered with. Nothing was sent.
    SecurityDowngrade = "security-downgrade", "somebody may be interfering with the connection; nothing was sent; check the server's STARTTLS";
    /// The Inbox cannot be opened.
    InboxUnavailable = "inbox-unavailable", "check at the provider that the mailbox exists and IMAP is allowed for it";
    /// Another program has the mailbox locked.
    MailboxInUse = "mailbox-in-use", "nothing to do: tried again later";
    /// The server reports a damaged mailbox.
    MailboxCorrupt = "mailbox-corrupt", "ask the provider to repair the mailbox";
    /// The server does not keep UIDs.
    UidsNotKept = "uids-not-kept", "the server renumbers the mailbox at every visit; ask its administrator";
    /// The server gives its messages no names (POP3 without UIDL).
    UidlMissing = "uidl-missing", "read the mailbox over IMAP: without UIDL nobody can tell new mail from mail that was read";
    /// The server lets nobody delete, or not without deleting more.
    DeletionRefused = "deletion-refused", "allow deletion at the provider (IMAP: UIDPLUS, or a Trash folder), or switch delete_after_processing off";
    /// The server reports a fault of its own.
    ServerFault = "server-fault", "nothing to do: tried again later";
    /// The server did not understand a command of ours.
    CommandRefused = "command-refused", "report this with the server's name and version";
    /// The server ended the conversation.
    ServerClosed = "server-closed", "nothing to do: tried again later";
    /// The connection broke.
    ConnectionLost = "connection-lost", "nothing to do: tried again later";
    /// The server did not answer in time.
    Timeout = "timeout", "nothing to do: tried again later; raise connection_timeout if the server is slow";
    /// The server sent what cannot be read, or more than any limit allows.
    ProtocolViolation = "protocol-violation", "report this with the server's name and version";
    /// The connection was refused, or nobody answers at the address.
    HostUnreachable = "host-unreachable", "check that the server runs and that host, port and firewall are right";
    /// The server turned us away with its greeting.
    GreetingRefused = "greeting-refused", "ask the server's administrator";
    /// The host name does not exist.
    DnsNotFound = "dns-not-found", "check the profile's host name";
    /// The name could not be looked up.
    DnsFailed = "dns-failed", "check the machine's name resolution";
    /// The certificate has expired or is not valid yet.
    TlsExpired = "tls-expired", "renew the server's certificate (or correct this machine's clock)";
    /// The certificate's issuer is not trusted.
    TlsUntrusted = "tls-untrusted", "add the issuing CA to the system's certificates or to network.extra_ca_files";
    /// The certificate is for other names.
    TlsWrongName = "tls-wrong-name", "use a host name that the certificate names";
    /// The certificate is revoked, badly signed or malformed.
    TlsBadCertificate = "tls-bad-certificate", "replace the server's certificate";
    /// No common version or cipher, or the handshake failed otherwise.
    TlsHandshakeFailed = "tls-handshake-failed", "the server must offer TLS 1.2 or 1.3 with a modern cipher";
    /// What answers at the port does not speak TLS.
    TlsNotSpoken = "tls-not-spoken", "the port is not a TLS port: set security = \"starttls\" or the right port";
    /// The port is not on `network.allowed_ports`.
    PortNotAllowed = "port-not-allowed", "add the port to network.allowed_ports";
    /// The message is over `receive.maximum_message_size`.
    MessageTooLarge = "message-too-large", "raise receive.maximum_message_size to record it";
    /// The message breaks a limit of the parser or cannot be parsed.
    MessageUnparsable = "message-unparsable", "the source is kept; nothing to do";
    /// The parser died with it again and again.
    MessagePoison = "message-poison", "the source is kept; report the message";
    /// The server lists the message but never gives it.
    MessageUnanswered = "message-unanswered", "ask the provider to repair the message";
    /// The mailbox of a mail that is to be sent does not send: not enabled, not approved, no server.
    SendingOff = "sending-off", "make the mailbox send: see mailsyncd mailbox show";
    /// Recipients were refused.
    RecipientsRefused = "recipients-refused", "check the addresses; the server's words are with each recipient";
    /// The mailbox may not send as the mail's sender.
    SenderRefused = "sender-refused", "grant the mailbox the right to send as this address at the provider";
    /// The server does not want this mail.
    MailRefused = "mail-refused", "the server's words say why; correct the mail and queue it again";
    /// The server does not take this mail now.
    MailDeferred = "mail-deferred", "nothing to do: tried again later";
    /// The mail is larger than the server takes.
    MailTooLarge = "mail-too-large", "send it with fewer or smaller attachments";
    /// The mail cannot be made from what was queued.
    MailInvalid = "mail-invalid", "correct the mail and queue it again";
    /// The mail could not be sent in time.
    MailExpired = "mail-expired", "see what the server said last, then run: mailsyncd activity retry";
    /// The last line of the mail was sent, but no answer came.
    DeliveryInDoubt = "delivery-in-doubt", "once it is held: look whether the recipients have it, then run: mailsyncd activity retry or activity cancel";
    /// The server asks to send more slowly.
    SendingThrottled = "sending-throttled", "nothing to do: sending goes on when the server allows";
    /// The provider's limit on sent mail was reached.
    SendingQuotaExceeded = "sending-quota-exceeded", "nothing to do: sending goes on when the provider allows; ask it for a higher limit if this lasts";
    /// The provider stopped the sending for a reason of its own.
    SendingBlocked = "sending-blocked", "correct what the server's words name; sending goes on by itself";
    /// The mailbox is full.
    MailboxFull = "mailbox-full", "make room in the mailbox at the provider";
    /// The copy of a sent mail could not be put into the Sent folder.
    SentCopyFailed = "sent-copy-failed", "the mail was sent; only its copy in the Sent folder is missing";
    /// The database is locked, down or out of reach.
    DatabaseUnavailable = "database-unavailable", "check the database server";
    /// No space left where the database lives.
    DiskFull = "disk-full", "free disk space: synchronization goes on by itself, nothing is lost";
    /// Out of file descriptors or ports.
    ResourcesExhausted = "resources-exhausted", "raise LimitNOFILE or lower limits.connections";
    /// A defect of ours.
    InternalError = "internal-error", "report this with the log line";
}

impl FailureCode {
    /// Whether the server asks to be left alone for a while.
    pub const fn is_throttling(self) -> bool {
        matches!(
            self,
            Self::LoginThrottled
                | Self::ServerThrottled
                | Self::BandwidthExceeded
                | Self::SendingThrottled
                | Self::SendingQuotaExceeded
                | Self::SendingBlocked
        )
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for FailureCode {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|code| code.name() == name).ok_or(())
    }
}

impl<'de> Deserialize<'de> for FailureCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(|()| D::Error::custom(format!("unknown failure code {name:?}")))
    }
}

impl Serialize for FailureCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One failure, classified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What to call it.
    pub code: FailureCode,
    /// Who is stopped.
    pub scope: Scope,
    /// How long it lasts.
    pub persistence: Persistence,
    /// What happened, with the server's words; cleaned of control characters, at most
    /// [`Failure::TEXT_LIMIT`] characters.
    pub text: String,
    /// How long the server asked to wait.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// Longest text kept, in characters.
    pub const TEXT_LIMIT: usize = 512;

    /// A failure with its text cleaned and cut.
    pub fn new(code: FailureCode, scope: Scope, persistence: Persistence, text: &str) -> Self {
        Self { code, scope, persistence, text: clean(text, Self::TEXT_LIMIT), retry_after: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

/// Foreign text made safe for a log line or a terminal: control and bidirectional-override
/// characters become spaces (at the ends nothing), and it is cut to `limit` characters.
pub fn clean(text: &str, limit: usize) -> String {
    let ends = |c: char| c.is_whitespace() || is_unsafe(c);
    text.trim_matches(ends).chars().take(limit).map(|c| if is_unsafe(c) { ' ' } else { c }).collect()
}

/// Whether a character could forge a line, drive a terminal, or turn the direction of writing.
pub fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        let names: BTreeSet<&str> = FailureCode::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), FailureCode::ALL.len());
        assert!(FailureCode::ALL.iter().all(|code| code.name().parse() == Ok(*code)));
    }

    #[test]
    fn foreign_text_cannot_forge_lines_or_move_the_cursor() {
        assert_eq!(clean(" a\r\nb\u{1b}[2Jc\u{202e}d\u{9b} ", 64), "a  b [2Jc d");
        assert_eq!(clean("łłłł", 2), "łł");
    }
}
