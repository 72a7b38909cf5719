//! The table: one row for each code. The names are stable: scripts may rely on them.

use super::{Explanation, Responsible};

macro_rules! catalogue {
    ($($variant:ident = $name:literal: $text:literal
        because $cause:literal
        $owner:ident: $remedy:literal;)+) => {
        /// The closed list of what is reported by a code: what can go wrong, and a few things worth knowing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FailureCode { $(#[doc = $text] $variant,)+ }

        impl FailureCode {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable name, as in logs, the database and `--json`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What the catalogue says about it.
            pub const fn explanation(self) -> Explanation {
                match self {
                    $(Self::$variant => Explanation {
                        code: self,
                        text: $text,
                        cause: $cause,
                        owner: Responsible::$owner,
                        remedy: $remedy,
                    },)+
                }
            }
        }
    };
}

catalogue! {
    // Logging in
    AuthRejected = "auth-rejected": "The server refused the password."
        because "the password was changed or mistyped, the provider wants an application password, or its own back end is ill"
        MailboxOwner: "update the mailbox's password (some providers want an application password)";
    AuthUnclear = "auth-unclear": "The server refused the log-in without saying why."
        because "a wrong user name or password; or a lock, or an illness of the server's"
        MailboxOwner: "check the mailbox's user name and password (some providers want an application password)";
    AuthMassRefused = "auth-mass-refused": "The server refuses many mailboxes of the profile that it let in before."
        because "the server's back end for logging in is ill, or the provider changed how one logs in"
        ProfileOwner: "ask the provider why it refuses log-ins; no mailbox was disabled for it, and one tries again by itself";
    LoginGuarded = "login-guarded": "A password that was refused is not sent again for now."
        because "the server refused this login so often that another try might lock the account"
        MailboxOwner: "store the right password; log-ins wait until then, or until the account is in no danger";
    AuthExpired = "auth-expired": "The password or the account has expired."
        because "the provider limits how long a password or an account lives"
        MailboxOwner: "set a new password at the provider and store it here";
    AuthorizationFailed = "authorization-failed": "Logged in as somebody who may not open this mailbox."
        because "the login of the profile, or a delegate's, lacks the right to open the mailbox"
        ProfileOwner: "grant the login access to this mailbox at the provider";
    AuthInteractive = "auth-interactive": "The provider wants a person to sign in, or an application password."
        because "the provider saw a log-in that it finds unusual, or the account uses a second factor"
        MailboxOwner: "sign in to the provider in a browser, or create an application password";
    AuthContactAdmin = "auth-contact-admin": "The provider's administrator switched something off."
        because "the account is suspended, or IMAP or POP3 is switched off for it or for its domain"
        ProfileOwner: "ask the provider's administrator";
    AuthMethodBlocked = "auth-method-blocked": "The provider does not take passwords any more."
        because "the provider allows OAuth only"
        ProfileOwner: "mailsyncd knows no OAuth yet: ask the provider to let this profile sign in with passwords (or app passwords), or use another provider";
    AuthNotOffered = "auth-not-offered": "The server offers no log-in that we know."
        because "the host or the port is that of a server which takes mail from other servers, not from people"
        ProfileOwner: "check that outgoing names the provider's submission server and its port (465 or 587)";
    SmtpAuthDisabled = "smtp-auth-disabled": "The provider takes no mail over SMTP from this mailbox, or from anybody."
        because "the provider's administrator has Authenticated SMTP switched off, often by default"
        ProfileOwner: "switch Authenticated SMTP on at the provider, with passwords: mailsyncd knows no OAuth yet";
    AuthUnavailable = "auth-unavailable": "The server's own back end for logging in is ill."
        because "the server's directory or database is down or overloaded"
        Nobody: "nothing to do: tried again later";
    CredentialsMissing = "credentials-missing": "There is no password for the mailbox, or it cannot be read."
        because "none was stored, the file of it is not there, or the key that it was sealed with is another one"
        Administrator: "give password_file in the configuration, or run: mailsyncd secret set; where the words name another key, name that key in secrets.old_key_files";
    CredentialsLocked = "credentials-locked": "The stored password is not sent: its profile names another server than the one it was entered for."
        because "somebody changed host, port or security of the profile, or moved the mailbox to another profile"
        Administrator: "if the new server may have the password, enter it again: mailsyncd secret set";

    // Being asked to wait
    LoginThrottled = "login-throttled": "The server limits log-ins or connections."
        because "other programs use the same mailbox, or more connections are allowed here than at the provider"
        Nobody: "nothing to do: tried again when the server allows; lower maximum_concurrent_connections if it lasts";
    TooManyConnections = "too-many-connections": "The server takes no more connections for now."
        because "other programs or devices are connected to the same account"
        Nobody: "nothing to do: tried again later; lower maximum_concurrent_connections if it lasts";
    ServerThrottled = "server-throttled": "The server asks to slow down."
        because "the provider limits how much one client may ask"
        Nobody: "nothing to do: tried again when the server allows";
    BandwidthExceeded = "bandwidth-exceeded": "A limit of the provider on transferred bytes was reached."
        because "much old mail was read at once, or other programs read the same mailbox"
        Nobody: "nothing to do: tried again when the provider allows";

    // The connection's safety
    TlsRequired = "tls-required": "The server demands TLS, or offers no log-in without."
        because "security of the profile is \"none\", and the server is right"
        ProfileOwner: "set security = \"tls\" on the profile";
    SecurityDowngrade = "security-downgrade": "STARTTLS was missing, refused or tampered with. Nothing was sent."
        because "the server does not offer STARTTLS on this port, or somebody between here and there took it away"
        ProfileOwner: "somebody may be interfering with the connection; nothing was sent; check the server's STARTTLS";

    // The mailbox on the server
    InboxUnavailable = "inbox-unavailable": "The Inbox cannot be opened."
        because "the mailbox was deleted or moved, IMAP is not allowed for it, or the login belongs to another one"
        MailboxOwner: "check at the provider that the mailbox exists and IMAP is allowed for it";
    InboxNotConnected = "inbox-not-connected": "The server took the password, but opens no mailbox for it."
        because "the login belongs to another user, or IMAP is switched off for the mailbox"
        MailboxOwner: "check at the provider that the login belongs to this mailbox and that IMAP is allowed for it";
    MailboxInUse = "mailbox-in-use": "Another program has the mailbox locked."
        because "another program reads the mailbox over POP3, or a broken session of ours still holds it"
        Nobody: "nothing to do: tried again later";
    MailboxCorrupt = "mailbox-corrupt": "The server reports a damaged mailbox."
        because "the server's index or its disk is damaged"
        Provider: "ask the provider to repair the mailbox";
    UidsNotKept = "uids-not-kept": "The server does not keep UIDs."
        because "the server makes new message numbers at every visit, so that nothing tells new mail from old"
        Provider: "the server renumbers the mailbox at every visit; ask its administrator";
    UidlMissing = "uidl-missing": "The server gives its messages no names (POP3 without UIDL)."
        because "the server is an old one, or UIDL is switched off"
        ProfileOwner: "read the mailbox over IMAP: without UIDL nobody can tell new mail from mail that was read";
    InboxRenumbered = "inbox-renumbered": "The server numbered the messages of the Inbox anew. Only what was not recorded yet is recorded."
        because "the mailbox was moved or restored at the provider, or is read over another protocol than before"
        Nobody: "nothing to do: the words say what was found again and what was new";
    DeletionRefused = "deletion-refused": "The server lets nobody delete, or not without deleting more."
        because "the mailbox is read-only, or the server has neither UIDPLUS nor a Trash folder"
        MailboxOwner: "allow deletion at the provider (IMAP: UIDPLUS, or a Trash folder), or switch delete_after_processing off";
    ProviderNotice = "provider-notice": "The provider has something to say to the user."
        because "the server marked a notice with ALERT although it did as it was asked"
        Nobody: "nothing to do, unless the notice says so";

    // The server and the way there
    ServerFault = "server-fault": "The server reports a fault of its own."
        because "the server has a defect, or something that it depends on is down"
        Nobody: "nothing to do: tried again later";
    CommandRefused = "command-refused": "The server did not understand a command of ours."
        because "the server has a peculiarity that we do not know, or we have a defect"
        Developer: "report this with the server's name and version";
    ServerClosed = "server-closed": "The server ended the conversation."
        because "the server restarts, or ends sessions that last"
        Nobody: "nothing to do: tried again later";
    ConnectionLost = "connection-lost": "The connection broke."
        because "the network between here and the server, or the server, failed"
        Nobody: "nothing to do: tried again later";
    Timeout = "timeout": "The server did not answer in time."
        because "the server is slow or overloaded, a firewall swallows what is sent, or the port wants TLS from the first byte (993, 995, 465) and security is another"
        Nobody: "nothing to do: tried again later; where it never greets, set security = \"tls\" if the port is one for that; where it is slow, raise connection_timeout";
    ProtocolViolation = "protocol-violation": "The server sent what cannot be read, or more than any limit allows."
        because "the server has a defect, something else answers at this port, or a server is hostile"
        Developer: "report this with the server's name and version";
    HostUnreachable = "host-unreachable": "The connection was refused, or nobody answers at the address."
        because "the server is down, the port is wrong, or a firewall or the network is in the way"
        Provider: "check that the server runs and that host, port and firewall are right";
    GreetingRefused = "greeting-refused": "The server turned us away with its greeting."
        because "the server is overloaded or being maintained, or refuses this machine's address"
        Provider: "ask the server's administrator";
    DnsNotFound = "dns-not-found": "The host name does not exist."
        because "the name is mistyped, or was taken out of the DNS"
        ProfileOwner: "check the profile's host name";
    DnsFailed = "dns-failed": "The name could not be looked up."
        because "this machine's resolver, or the name's own servers, do not answer"
        Provider: "check the machine's name resolution";
    TlsExpired = "tls-expired": "The certificate has expired or is not valid yet."
        because "nobody renewed the certificate, or this machine's clock is wrong"
        ProfileOwner: "renew the server's certificate (or correct this machine's clock)";
    TlsUntrusted = "tls-untrusted": "The certificate's issuer is not trusted."
        because "the certificate is from an issuer of one's own, or the server sends an incomplete chain"
        Administrator: "add the issuing CA to the system's certificates or to network.extra_ca_files";
    TlsWrongName = "tls-wrong-name": "The certificate is for other names."
        because "the profile names the server by an alias or by its address"
        ProfileOwner: "use a host name that the certificate names";
    TlsBadCertificate = "tls-bad-certificate": "The certificate is revoked, badly signed or malformed."
        because "the certificate is a CA's own, was revoked, or was not made for a server"
        ProfileOwner: "replace the server's certificate";
    TlsHandshakeFailed = "tls-handshake-failed": "No common version or cipher, or the handshake failed otherwise."
        because "the server offers only TLS 1.1 or older, or ciphers that are not safe any more"
        ProfileOwner: "the server must offer TLS 1.2 or 1.3 with a modern cipher";
    TlsNotSpoken = "tls-not-spoken": "What answers at the port does not speak TLS."
        because "the port is one for STARTTLS, or another service answers there"
        ProfileOwner: "the port is not a TLS port: set security = \"starttls\" or the right port";
    WrongPort = "wrong-port": "What answers at the port greets as another kind of server than the profile says."
        because "the port is another service's, or the server type is wrong (IMAP 993 or 143, POP3 995 or 110, SMTP 465 or 587)"
        ProfileOwner: "correct the port, or the server_type, of the profile: the words say what answers there";
    PortNotAllowed = "port-not-allowed": "The port is not on network.allowed_ports."
        because "only ports of mail are dialled unless the configuration says otherwise"
        Administrator: "add the port to network.allowed_ports";

    // A message that came
    MessageTooLarge = "message-too-large": "A message is over receive.maximum_message_size and was set aside."
        because "the message is larger than is recorded here"
        Administrator: "it is still on the server: raise receive.maximum_message_size, reload, then: mailsyncd message retry --all --code message-too-large";
    MessageUnparsable = "message-unparsable": "A message breaks a limit of the parser or cannot be parsed, and was set aside."
        because "the program that wrote the message has a defect, or somebody tries to do harm"
        Nobody: "the source is kept; after an update of mailsyncd: mailsyncd message retry --all --code message-unparsable";
    MessagePoison = "message-poison": "The parser died with a message again and again; it was set aside."
        because "we have a defect that this message brings out"
        Developer: "the source is kept; report the message; after an update: mailsyncd message retry --all --code message-poison";
    MessageUnanswered = "message-unanswered": "The server lists a message but never gives it; it was set aside."
        because "the server's store is damaged at this message"
        Provider: "ask the provider to repair the message, then: mailsyncd message retry --all --code message-unanswered";

    // Sending
    SendingOff = "sending-off": "The mailbox of a mail that is to be sent does not send: not enabled, not approved, no server."
        because "sending was never enabled for the mailbox, was ended by a failure, or its profile has no outgoing"
        Administrator: "make the mailbox send: see mailsyncd mailbox show";
    RecipientsRefused = "recipients-refused": "Recipients were refused."
        because "the addresses do not exist, or their servers want no mail from here"
        MailboxOwner: "check the addresses; the server's words are with each recipient";
    SenderRefused = "sender-refused": "The mailbox may not send as the mail's sender."
        because "send_as names an address that was not granted, here or at the provider"
        ProfileOwner: "grant the mailbox the right to send as this address at the provider";
    MailRefused = "mail-refused": "The server does not want this mail."
        because "the server's rules against spam or viruses, or what is in the mail"
        MailboxOwner: "the server's words say why; correct the mail and queue it again";
    MailsRefused = "mails-refused": "Servers refuse much of the mail of the profile: ten mails and more than 5 % of a day's."
        because "the provider takes the mail for spam, or this machine's address or the senders' domain has a bad name"
        ProfileOwner: "see what was refused and why (mailsyncd activity list --status failed), and ask the provider";
    MailDeferred = "mail-deferred": "The server does not take this mail now."
        because "greylisting, a full or busy recipient, or a server that is being maintained"
        Nobody: "nothing to do: tried again later";
    MailTooLarge = "mail-too-large": "The mail is larger than the server takes."
        because "attachments grow by a third on their way"
        MailboxOwner: "send it with fewer or smaller attachments";
    MailInvalid = "mail-invalid": "The mail cannot be made from what was queued."
        because "the program that queued it left something out, or gave what no mail may contain"
        Administrator: "correct the mail and queue it again";
    MailExpired = "mail-expired": "The mail could not be sent in time."
        because "its recipients' server, or ours, refused it again and again for sending.expire_after"
        MailboxOwner: "see what the server said last, then run: mailsyncd activity retry";
    DeliveryInDoubt = "delivery-in-doubt": "The last line of the mail was sent, but no answer came."
        because "the connection or a program broke at the one moment at which nobody can tell whether the server took the mail"
        MailboxOwner: "once it is held: look whether the recipients have it, then run: mailsyncd activity retry or activity cancel";
    SendingThrottled = "sending-throttled": "The server asks to send more slowly."
        because "the provider limits connections or mails a minute"
        Nobody: "nothing to do: sending goes on when the server allows";
    SendingQuotaExceeded = "sending-quota-exceeded": "The provider's limit on sent mail was reached."
        because "the provider limits mails or recipients a day"
        Nobody: "nothing to do: sending goes on when the provider allows; ask it for a higher limit if this lasts";
    SendingBlocked = "sending-blocked": "The provider stopped the sending for a reason of its own."
        because "the mailbox is full, sends to addresses that do not exist, or as somebody it may not; or this machine's address is suspect"
        ProfileOwner: "correct what the server's words name; sending goes on by itself";
    MailboxFull = "mailbox-full": "The mailbox is full."
        because "the quota at the provider is used up"
        MailboxOwner: "make room in the mailbox at the provider";
    SentCopyFailed = "sent-copy-failed": "The copy of a sent mail could not be put into the Sent folder."
        because "the Sent folder is full, gone or not to be written to"
        MailboxOwner: "the mail was sent; only its copy in the Sent folder is missing";

    // The state of things
    MailboxConnected = "mailbox-connected": "The mailbox was tested and enabled."
        because "a test of the mailbox went well"
        Nobody: "nothing to do";
    TestMailMissing = "test-mail-missing": "The mail that the mailbox sent to itself did not arrive."
        because "the provider delivers late, filed it as spam, or a rule moved it; or the mailbox is read elsewhere than its mail is delivered"
        MailboxOwner: "look for the mail in the other folders of the mailbox, then test it again";
    MailboxStale = "mailbox-stale": "The mailbox is enabled but was not read for a long time, whatever the cause."
        because "its failures, the hold of its profile, a daemon that does not run, or one that forgot it"
        Administrator: "see why: mailsyncd mailbox why";
    OutboxStale = "outbox-stale": "Mail of the mailbox waits to be sent for a long time, whatever the cause."
        because "sending fails or is held, is not enabled for the mailbox, or no daemon runs"
        Administrator: "see why: mailsyncd mailbox why";
    ProfileFailing = "profile-failing": "More than half of the profile's mailboxes failed within an hour."
        because "something that they share fails: the provider, its directory, a login of the profile"
        ProfileOwner: "see what they fail with: mailsyncd status";

    // This machine
    DatabaseUnavailable = "database-unavailable": "The database is locked, down or out of reach."
        because "the database server is down or restarts, or another program holds a lock"
        Administrator: "check the database server";
    DatabaseDamaged = "database-damaged": "The database is damaged."
        because "the disk fails, or another program wrote to the database's file"
        Administrator: "stop mailsyncd, run mailsyncd db check, and restore a backup: nothing starts until then";
    DiskFull = "disk-full": "No space left where the database lives."
        because "the disk or a quota is full"
        Administrator: "free disk space: synchronization goes on by itself, nothing is lost";
    DnsDown = "dns-down": "No host name can be looked up: it is this machine, or its network."
        because "the resolver is down or misconfigured, or the network is gone"
        Administrator: "check the machine's name resolution; synchronization goes on by itself";
    NetworkDown = "network-down": "No server can be reached: it is this machine, or its network."
        because "the network, a firewall or a router is down"
        Administrator: "check the machine's network; synchronization goes on by itself";
    ClockWrong = "clock-wrong": "The machine's clock seems to be wrong."
        because "somebody set it by more than a minute, or the certificates of several servers seem to be out of date at once"
        Administrator: "set the machine's clock, and keep it right with NTP";
    ConfigurationInvalid = "configuration-invalid": "The configuration was read again and is wrong: what was in force stays so."
        because "a file was changed, or one that it names is gone or cannot be used"
        Administrator: "put right what the words name (mailsyncd check shows all of it), then reload";
    MonitoringUnavailable = "monitoring-unavailable": "Metrics and health cannot be shown at the address that metrics.listen names."
        because "another program listens there, or the address is not this machine's"
        Administrator: "free the address or take another metrics.listen, then reload; mail goes on meanwhile";
    ResourcesExhausted = "resources-exhausted": "Out of file descriptors or ports."
        because "more connections are allowed than this process may open"
        Administrator: "raise LimitNOFILE or lower limits.connections";
    InternalError = "internal-error": "A defect of ours."
        because "the program came to where it must never come"
        Developer: "report this with the log line";
}
