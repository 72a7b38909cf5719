//! The rows of the table by their names. Not there: I2 (OAuth), I12 and I21 (said with OK, so no error).

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::net::error::NetError;

fn no(command: &'static str, line: &str) -> ImapError {
    ImapError::Rejected { status: Refusal::No, reply: Reply::parse(line), command }
}

fn bad(command: &'static str, line: &str) -> ImapError {
    ImapError::Rejected { status: Refusal::Bad, reply: Reply::parse(line), command }
}

fn check(rows: impl IntoIterator<Item = (&'static str, ImapError, FailureCode, Scope, Persistence)>) {
    for (row, error, code, scope, persistence) in rows {
        let failure = failure(&error);
        assert_eq!((failure.code, failure.scope, failure.persistence), (code, scope, persistence), "{row}");
        assert_eq!(failure.retry_after, None, "{row}");
    }
}

use FailureCode as Code;
use Scope::{Mailbox, Profile};

use crate::model::failure::Persistence;

#[test]
fn refused_log_ins() {
    check([
        ("I1", no("LOGIN", "[AUTHENTICATIONFAILED] Invalid credentials"), Code::AuthRejected, Mailbox, UntilConfirmed),
        ("I1", no("AUTHENTICATE", "[AUTHENTICATIONFAILED] x"), Code::AuthRejected, Mailbox, UntilConfirmed),
        ("I3", no("LOGIN", "[AUTHORIZATIONFAILED] x"), Code::AuthorizationFailed, Mailbox, Permanent),
        ("I4", no("LOGIN", "[EXPIRED] x"), Code::AuthExpired, Mailbox, Permanent),
        (
            "I5",
            no("LOGIN", "[UNAVAILABLE] Temporary authentication failure"),
            Code::AuthUnavailable,
            Mailbox,
            Transient,
        ),
        (
            "I5 connections",
            no("LOGIN", "[UNAVAILABLE] Maximum number of connections from user+IP exceeded"),
            Code::TooManyConnections,
            Mailbox,
            Throttled,
        ),
        (
            "I5 iCloud",
            bad("LOGIN", "[UNAVAILABLE] Service temporarily unavailable"),
            Code::AuthUnavailable,
            Mailbox,
            Transient,
        ),
        (
            "I5 without a code",
            no("LOGIN", "Temporary authentication failure."),
            Code::AuthUnavailable,
            Mailbox,
            Transient,
        ),
        ("I6", no("LOGIN", "[INUSE] locked"), Code::MailboxInUse, Mailbox, Transient),
        ("I7", no("LOGIN", "[LIMIT] LOGIN Rate limit hit"), Code::LoginThrottled, Mailbox, Throttled),
        ("I7 without a code", no("LOGIN", "LOGIN Rate limit hit"), Code::LoginThrottled, Mailbox, Throttled),
        ("I11", no("LOGIN", "[CONTACTADMIN] login disabled"), Code::AuthContactAdmin, Mailbox, UntilConfirmed),
        ("I13", no("LOGIN", "[PRIVACYREQUIRED] TLS please"), Code::TlsRequired, Profile, Permanent),
        ("I13", ImapError::LoginDisabled, Code::TlsRequired, Profile, Permanent),
        ("I14 at log-in", no("LOGIN", "[NOPERM] x"), Code::AuthorizationFailed, Mailbox, UntilConfirmed),
        (
            "I22",
            no("AUTHENTICATE", "[ALERT] Too many simultaneous connections. (Failure)"),
            Code::TooManyConnections,
            Mailbox,
            Throttled,
        ),
        (
            "I23",
            no("LOGIN", "[WEBALERT https://accounts.google.com/x] Web login required."),
            Code::AuthInteractive,
            Mailbox,
            Permanent,
        ),
        (
            "I23",
            no("LOGIN", "[ALERT] Please log in via your web browser: https://x"),
            Code::AuthInteractive,
            Mailbox,
            Permanent,
        ),
        (
            "I23",
            no("LOGIN", "[ALERT] Application-specific password required: https://x (Failure)"),
            Code::AuthInteractive,
            Mailbox,
            Permanent,
        ),
        (
            "I23 domain",
            no("LOGIN", "[ALERT] IMAP access is disabled for your domain."),
            Code::AuthContactAdmin,
            Profile,
            Permanent,
        ),
        ("I26", no("LOGIN", "LOGIN failed."), Code::AuthRejected, Mailbox, UntilConfirmed),
        ("I26", no("AUTHENTICATE", "AUTHENTICATE failed."), Code::AuthRejected, Mailbox, UntilConfirmed),
        ("I27", no("LOGIN", "LOGIN failed. BasicAuthBlocked"), Code::AuthMethodBlocked, Profile, Permanent),
        ("unknown", no("LOGIN", "no"), Code::AuthUnclear, Mailbox, UntilConfirmed),
        ("unknown code", no("LOGIN", "[X-NEW 3] no"), Code::AuthUnclear, Mailbox, UntilConfirmed),
        ("NUL in the password", ImapError::Credentials, Code::CredentialsMissing, Mailbox, Permanent),
    ]);
}

#[test]
fn refused_commands() {
    check([
        ("I5", no("EXAMINE", "[UNAVAILABLE] x"), Code::ServerFault, Mailbox, Transient),
        ("I6", no("EXAMINE", "[INUSE] x"), Code::MailboxInUse, Mailbox, Transient),
        ("I8", no("UID FETCH", "[LIMIT] x"), Code::ServerThrottled, Mailbox, Throttled),
        (
            "I9",
            no("UID FETCH", "[OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)"),
            Code::BandwidthExceeded,
            Mailbox,
            Throttled,
        ),
        ("I14", no("EXAMINE", "[NOPERM] x"), Code::InboxUnavailable, Mailbox, UntilConfirmed),
        ("I14", no("STATUS", "[NONEXISTENT] x"), Code::InboxUnavailable, Mailbox, UntilConfirmed),
        ("I14", no("SELECT", "[CANNOT] x"), Code::InboxUnavailable, Mailbox, UntilConfirmed),
        ("I14 without a code", no("EXAMINE", "try later"), Code::InboxUnavailable, Mailbox, Transient),
        (
            "I14 163.com",
            no("EXAMINE", "EXAMINE Unsafe Login. Please contact kefu@188.com"),
            Code::InboxUnavailable,
            Mailbox,
            UntilConfirmed,
        ),
        ("I15", no("UID FETCH", "[SERVERBUG] x"), Code::ServerFault, Mailbox, Transient),
        ("I16", no("EXAMINE", "[CORRUPTION] x"), Code::MailboxCorrupt, Mailbox, Transient),
        ("I17", no("UID FETCH", "[CLIENTBUG] x"), Code::CommandRefused, Mailbox, Transient),
        ("I17", bad("UID FETCH", "Error in IMAP command"), Code::CommandRefused, Mailbox, Transient),
        ("I17", bad("LOGIN", "Error in IMAP command"), Code::CommandRefused, Mailbox, Transient),
        ("I18", no("UID FETCH", "[EXPUNGEISSUED] some are gone"), Code::ServerFault, Mailbox, Transient),
        ("I19", no("EXAMINE", "[UIDNOTSTICKY] x"), Code::UidsNotKept, Mailbox, UntilConfirmed),
        ("I20", no("LOGIN", "[REFERRAL imap://other.example.org/] x"), Code::SecurityDowngrade, Profile, Permanent),
        (
            "I25",
            bad("EXAMINE", "User is authenticated but not connected."),
            Code::InboxNotConnected,
            Mailbox,
            UntilConfirmed,
        ),
        ("I28", no("LOGIN", "Server Unavailable. 15"), Code::ServerThrottled, Mailbox, Throttled),
        ("unknown", no("UID FETCH", "Some messages could not be fetched"), Code::ServerFault, Mailbox, Transient),
    ]);
}

#[test]
fn ended_conversations() {
    let bye = |line: &str| ImapError::Bye(Reply::parse(line));
    let greeting = |line: &str| ImapError::Greeting(Reply::parse(line));
    check([
        (
            "I9",
            bye("[OVERQUOTA] Account exceeded command or bandwidth limits."),
            Code::BandwidthExceeded,
            Mailbox,
            Throttled,
        ),
        ("I20", ImapError::Security("bytes after the answer to STARTTLS"), Code::SecurityDowngrade, Profile, Permanent),
        ("I24", bye("Connection closed. 14"), Code::ServerThrottled, Mailbox, Throttled),
        ("I29", greeting("go away"), Code::GreetingRefused, Profile, Transient),
        ("I29", greeting("[UNAVAILABLE] down"), Code::GreetingRefused, Profile, Transient),
        ("I29", greeting("[AUTHENTICATIONFAILED] not yet asked"), Code::GreetingRefused, Profile, Transient),
        ("I29", greeting("Too many connections from your address"), Code::TooManyConnections, Profile, Throttled),
        ("I29", ImapError::Eof { during: "greeting" }, Code::GreetingRefused, Profile, Transient),
        ("I29", ImapError::Timeout { during: "greeting" }, Code::Timeout, Profile, Transient),
        ("T7", ImapError::Timeout { during: "CAPABILITY" }, Code::Timeout, Profile, Transient),
        ("I30", ImapError::Timeout { during: "CAPABILITY after the log-in" }, Code::Timeout, Mailbox, Transient),
        ("I30", bye("Autologout; idle for too long"), Code::ServerClosed, Mailbox, Transient),
        ("I31", ImapError::Protocol("what is this".into()), Code::ProtocolViolation, Mailbox, Transient),
        ("I31", ImapError::Limit("line"), Code::ProtocolViolation, Mailbox, Transient),
        ("N4", ImapError::Net(NetError::Refused), Code::HostUnreachable, Profile, Transient),
        ("N5", ImapError::Eof { during: "UID FETCH" }, Code::ConnectionLost, Mailbox, Transient),
        ("N5", ImapError::Timeout { during: "LOGIN" }, Code::Timeout, Mailbox, Transient),
    ]);
}

#[test]
fn what_is_refused_to_be_changed_leaves_the_mailbox_readable() {
    use Scope::Message;
    check([
        ("I10", no("APPEND", "[OVERQUOTA] Mailbox is full"), Code::MailboxFull, Message, Permanent),
        ("I10", no("MOVE", "[OVERQUOTA] Mailbox is full"), Code::MailboxFull, Message, Permanent),
        ("I8", no("APPEND", "[LIMIT] Too large"), Code::CommandRefused, Message, Permanent),
        ("I14 elsewhere", no("STORE", "[NOPERM] you may not"), Code::CommandRefused, Message, Permanent),
        ("no code", no("EXPUNGE", "not now"), Code::CommandRefused, Message, Transient),
        ("I15", no("MOVE", "[SERVERBUG] oops"), Code::ServerFault, Mailbox, Transient),
    ]);
}

#[test]
fn exchange_says_how_long_to_wait() {
    for (row, line, milliseconds) in [
        ("I24", "Request is throttled. Suggested Backoff Time: 89117 milliseconds", Some(89_117)),
        ("I24", "request is throttled. suggested backoff time=5", Some(5)),
        ("I24 over a day", "Suggested Backoff Time: 99999999999999999999999 milliseconds", Some(86_400_000)),
        ("I24 no number", "Request is throttled. Suggested Backoff Time: soon", None),
        ("I24 no time", "Request is throttled.", None),
    ] {
        for error in [no("LOGIN", line), bad("UID FETCH", line), ImapError::Bye(Reply::parse(line))] {
            let failure = failure(&error);
            assert_eq!((failure.code, failure.persistence), (Code::ServerThrottled, Throttled), "{row}");
            assert_eq!(failure.retry_after, milliseconds.map(Duration::from_millis), "{row}: {line}");
        }
    }
}

#[test]
fn the_servers_words_are_kept_and_cleaned() {
    let failure = failure(&no("LOGIN", "[AUTHENTICATIONFAILED] bad\u{1b}[2J word"));
    assert_eq!(failure.text, "LOGIN: NO [AUTHENTICATIONFAILED] bad [2J word");
}

proptest! {
    /// Only a profile's own server can stop the profile, and nothing it says stops the daemon.
    #[test]
    fn no_words_of_a_server_stop_the_daemon(line in "(\\[[A-Z]{0,20}( .{0,9})?\\])?.{0,60}", login in any::<bool>()) {
        let command = if login { "LOGIN" } else { "UID FETCH" };
        for error in [no(command, &line), bad(command, &line), ImapError::Bye(Reply::parse(&line)), ImapError::Greeting(Reply::parse(&line))] {
            let failure = failure(&error);
            prop_assert!(matches!(failure.scope, Mailbox | Profile));
            prop_assert!(failure.retry_after.is_none_or(|wait| wait <= providers::LONGEST_WAIT));
        }
    }
}
