//! The rows of the table by their names.

use proptest::prelude::*;

use super::*;
use crate::net::error::NetError;

use FailureCode as Code;
use Scope::{Mailbox, Message, Profile};

/// A reply from `550 5.1.1 text`.
fn reply(line: &str) -> SmtpReply {
    let (code, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (word, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let numbers: Vec<u16> = word.split('.').filter_map(|number| number.parse().ok()).collect();
    let enhanced = match numbers[..] {
        [class, subject, detail] => Some(EnhancedCode { class: u8::try_from(class).unwrap(), subject, detail }),
        _ => None,
    };
    let text = if enhanced.is_some() { text } else { rest };
    SmtpReply { code: code.parse().unwrap(), enhanced, text: text.to_owned() }
}

type Row = (&'static str, Stage, &'static str, Code, Scope, Persistence);

fn check(rows: &[Row]) {
    for (row, stage, line, code, scope, persistence) in rows {
        let failure = refusal(*stage, &reply(line));
        assert_eq!((failure.code, failure.scope, failure.persistence), (*code, *scope, *persistence), "{row}: {line}");
        let throttled = failure.persistence == Throttled;
        // What has a schedule that grows has no wait of its own.
        let grows =
            failure.code == Code::TooManyConnections || (*row == "S3" && failure.code == Code::SendingThrottled);
        assert_eq!(failure.retry_after.is_some(), throttled && !grows, "{row}: {line}");
        assert_eq!(failure.text, format!("{stage}: {line}").trim_end(), "{row}");
    }
}

#[test]
fn before_the_log_in() {
    check(&[
        ("S1", Stage::Greeting, "421 4.3.2 shutting down", Code::GreetingRefused, Profile, Transient),
        ("S1", Stage::Greeting, "554 5.7.1 go away", Code::GreetingRefused, Profile, Transient),
        ("S1", Stage::Greeting, "535 5.7.8 not yet asked", Code::GreetingRefused, Profile, Transient),
        ("S1", Stage::Hello, "502 5.5.2 what?", Code::GreetingRefused, Profile, Transient),
        ("S1", Stage::Hello, "421 bye", Code::GreetingRefused, Profile, Transient),
        ("S1", Stage::StartTls, "421 4.3.0 bye", Code::GreetingRefused, Profile, Transient),
        ("S1", Stage::Greeting, "421 4.7.0 Too many connections", Code::TooManyConnections, Profile, Throttled),
        (
            "S24",
            Stage::Greeting,
            "451 4.7.650 Access denied, please try again later",
            Code::SendingBlocked,
            Profile,
            Throttled,
        ),
    ]);
}

#[test]
fn refused_log_ins() {
    check(&[
        ("S2", Stage::Auth, "421 4.4.2 timeout", Code::ServerClosed, Mailbox, Transient),
        (
            "S3",
            Stage::Auth,
            "421 4.7.0 Try again later, closing connection.",
            Code::SendingThrottled,
            Mailbox,
            Throttled,
        ),
        ("S8", Stage::Auth, "454 4.7.0 Temporary authentication failure", Code::AuthUnavailable, Mailbox, Transient),
        (
            "S8",
            Stage::Auth,
            "454 4.7.0 Connection lost to authentication server",
            Code::AuthUnavailable,
            Mailbox,
            Transient,
        ),
        ("S8", Stage::Auth, "451 not now", Code::AuthUnavailable, Mailbox, Transient),
        ("S9", Stage::Auth, "432 4.7.12 A password transition is needed", Code::AuthInteractive, Mailbox, Permanent),
        (
            "S9",
            Stage::Auth,
            "534 5.7.9 Application-specific password required.",
            Code::AuthInteractive,
            Mailbox,
            Permanent,
        ),
        ("S9", Stage::Auth, "534 5.7.9 mechanism too weak", Code::AuthInteractive, Mailbox, Permanent),
        ("S9", Stage::Auth, "534 5.7.14 Please log in via your web browser", Code::AuthInteractive, Mailbox, Permanent),
        ("S10", Stage::Auth, "535 5.7.8 Authentication failed", Code::AuthRejected, Mailbox, UntilConfirmed),
        ("S10", Stage::Auth, "535 5.7.3 Authentication unsuccessful", Code::AuthRejected, Mailbox, UntilConfirmed),
        ("S10", Stage::Auth, "535 no", Code::AuthRejected, Mailbox, UntilConfirmed),
        (
            "S11",
            Stage::Auth,
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit …",
            Code::SmtpAuthDisabled,
            Profile,
            Permanent,
        ),
        (
            "S11",
            Stage::Auth,
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit …",
            Code::SmtpAuthDisabled,
            Mailbox,
            Permanent,
        ),
        (
            "S11",
            Stage::Auth,
            "535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.",
            Code::AuthRejected,
            Mailbox,
            UntilConfirmed,
        ),
        (
            "S11",
            Stage::Auth,
            "550 5.7.30 Basic authentication is not supported for Client Submission.",
            Code::AuthMethodBlocked,
            Profile,
            Permanent,
        ),
        ("S12", Stage::Auth, "530 5.7.0 Must issue a STARTTLS command first", Code::TlsRequired, Profile, Permanent),
        ("S12", Stage::Auth, "538 5.7.11 Encryption required", Code::TlsRequired, Profile, Permanent),
        (
            "S12",
            Stage::Mail,
            "530 5.7.57 Client not authenticated to send mail.",
            Code::TlsRequired,
            Profile,
            Permanent,
        ),
        ("S12", Stage::Mail, "530 Authentication required", Code::TlsRequired, Profile, Permanent),
        ("S13", Stage::Auth, "500 5.5.6 line too long", Code::CommandRefused, Mailbox, Transient),
        ("S13", Stage::Auth, "501 5.5.2 cannot decode", Code::CommandRefused, Mailbox, Transient),
        ("S13", Stage::Auth, "503 5.5.1 Error: authentication not enabled", Code::CommandRefused, Mailbox, Transient),
        ("S13", Stage::Auth, "504 5.5.4 Unrecognized authentication type", Code::AuthNotOffered, Profile, Permanent),
        ("S17", Stage::Auth, "454 4.7.0 Too many connections", Code::TooManyConnections, Mailbox, Throttled),
    ]);
}

#[test]
fn refused_mails_and_recipients() {
    check(&[
        ("S2", Stage::Mail, "421 4.3.2 shutting down", Code::ServerClosed, Mailbox, Transient),
        ("S2", Stage::Dot, "421 timeout", Code::ServerClosed, Mailbox, Transient),
        ("S4", Stage::Rcpt, "450 4.2.1 receiving mail too quickly", Code::MailDeferred, Message, Transient),
        ("S4", Stage::Rcpt, "451 4.7.1 Greylisted, try again in 300 seconds", Code::MailDeferred, Message, Transient),
        ("S4", Stage::Data, "451 4.3.0 queue file write error", Code::MailDeferred, Message, Transient),
        ("S4", Stage::Dot, "451 4.4.2 bad connection", Code::MailDeferred, Message, Transient),
        ("S5", Stage::Rcpt, "452 4.5.3 Too many recipients", Code::MailDeferred, Message, Transient),
        ("S6", Stage::Mail, "452 4.3.1 Insufficient system resources", Code::MailDeferred, Message, Transient),
        ("S6", Stage::Rcpt, "452 4.2.2 mailbox full", Code::MailDeferred, Message, Transient),
        (
            "S14",
            Stage::Mail,
            "550 5.7.60 Client does not have permissions to send as this sender",
            Code::SenderRefused,
            Message,
            Permanent,
        ),
        (
            "S14",
            Stage::Dot,
            "554 5.2.252 SendAsDenied; a@x not allowed to send as b@x",
            Code::SenderRefused,
            Message,
            Permanent,
        ),
        (
            "S14",
            Stage::Mail,
            "553 5.7.1 Sender address rejected: not owned by user a",
            Code::SenderRefused,
            Message,
            Permanent,
        ),
        ("S14", Stage::Mail, "501 5.1.7 Bad sender address syntax", Code::SenderRefused, Message, Permanent),
        ("S14", Stage::Mail, "550 no", Code::SenderRefused, Message, Permanent),
        ("S18", Stage::Rcpt, "550 5.1.1 User unknown", Code::RecipientsRefused, Message, Permanent),
        ("S18", Stage::Rcpt, "556 5.1.10 null MX", Code::RecipientsRefused, Message, Permanent),
        ("S18", Stage::Rcpt, "551 not local", Code::RecipientsRefused, Message, Permanent),
        ("S18", Stage::Rcpt, "550 5.2.1 disabled", Code::RecipientsRefused, Message, Permanent),
        ("S18", Stage::Rcpt, "552 5.2.2 mailbox full", Code::RecipientsRefused, Message, Permanent),
        ("S19", Stage::Rcpt, "554 5.7.1 Relay access denied", Code::MailRefused, Message, Permanent),
        (
            "S19",
            Stage::Dot,
            "554 5.7.1 Message rejected under suspicion of SPAM",
            Code::MailRefused,
            Message,
            Permanent,
        ),
        ("S20", Stage::Mail, "552 5.3.4 Message size exceeds fixed limit", Code::MailTooLarge, Message, Permanent),
        ("S20", Stage::Dot, "552 5.2.3 too large", Code::MailTooLarge, Message, Permanent),
        ("S20", Stage::Body, "552 too large", Code::MailTooLarge, Message, Permanent),
        ("S21", Stage::Rcpt, "552 Too many recipients", Code::MailDeferred, Message, Transient),
        ("S21", Stage::Rcpt, "552 no space", Code::RecipientsRefused, Message, Permanent),
        ("S22", Stage::Dot, "554 5.6.0 Corrupt message content", Code::MailRefused, Message, Permanent),
        ("S22", Stage::Dot, "550 5.6.11 bare linefeeds", Code::MailRefused, Message, Permanent),
        ("S22", Stage::Mail, "555 5.5.4 Unsupported option", Code::MailRefused, Message, Permanent),
        ("S22", Stage::Dot, "501 what?", Code::MailRefused, Message, Permanent),
        ("S23", Stage::Dot, "550 5.5.0 Service unavailable", Code::MailRefused, Message, UntilConfirmed),
        ("S23", Stage::Rcpt, "503 5.5.1 need MAIL", Code::MailRefused, Message, UntilConfirmed),
        ("S27", Stage::Dot, "499 what?", Code::MailDeferred, Message, Transient),
        ("S27", Stage::Dot, "599 9 what?", Code::MailRefused, Message, Permanent),
        ("S27", Stage::Reset, "500 what?", Code::CommandRefused, Mailbox, Transient),
    ]);
}

#[test]
fn what_is_said_of_the_mailbox_pauses_its_sending() {
    let gmail_rate =
        "421 4.7.0 [192.0.2.1] Our system has detected an unusual rate of unsolicited mail originating from";
    check(&[
        (
            "S3",
            Stage::Mail,
            "421 4.7.0 Try again later, closing connection.",
            Code::SendingThrottled,
            Mailbox,
            Throttled,
        ),
        ("S3", Stage::Dot, gmail_rate, Code::SendingBlocked, Profile, Throttled),
        (
            "S7",
            Stage::Dot,
            "432 4.3.2 Concurrent connections limit exceeded.",
            Code::SendingThrottled,
            Mailbox,
            Throttled,
        ),
        (
            "S7",
            Stage::Mail,
            "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded",
            Code::SendingThrottled,
            Mailbox,
            Throttled,
        ),
        (
            "S15",
            Stage::Dot,
            "550 5.2.251 Sender throttled due to continuous mailbox full errors",
            Code::SendingBlocked,
            Mailbox,
            Throttled,
        ),
        (
            "S15",
            Stage::Dot,
            "550 5.2.252 Sender throttled due to continuous send as denied errors",
            Code::SendingBlocked,
            Mailbox,
            Throttled,
        ),
        ("S15", Stage::Mail, "550 5.2.255 Sender throttled", Code::SendingBlocked, Mailbox, Throttled),
        (
            "S16",
            Stage::Dot,
            "554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionQuotaExceeded",
            Code::MailboxFull,
            Mailbox,
            UntilConfirmed,
        ),
        (
            "S17",
            Stage::Dot,
            "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
            Code::SendingQuotaExceeded,
            Mailbox,
            Throttled,
        ),
        ("S17", Stage::Rcpt, "550 5.4.5 Daily sending quota exceeded.", Code::SendingQuotaExceeded, Mailbox, Throttled),
        (
            "S17",
            Stage::Rcpt,
            "550 5.7.1 Domain x.example has exceeded the max emails per hour (100/100) allowed.",
            Code::SendingQuotaExceeded,
            Mailbox,
            Throttled,
        ),
        ("S17", Stage::Dot, "550 5.7.1 sending limit exceeded", Code::SendingQuotaExceeded, Mailbox, Throttled),
        (
            "S24",
            Stage::Rcpt,
            "451 4.7.500 Server busy. Please try again later",
            Code::SendingBlocked,
            Profile,
            Throttled,
        ),
        ("S24", Stage::Mail, "421 4.7.699 Access denied", Code::SendingBlocked, Profile, Throttled),
    ]);
    let waits = |line: &str| refusal(Stage::Dot, &reply(line)).retry_after.map(|wait| wait.as_secs());
    assert_eq!(waits("421 4.7.0 Try again later"), None, "its schedule grows");
    assert_eq!(waits("432 4.3.2 Concurrent connections limit exceeded."), Some(60));
    assert_eq!(waits("550 5.2.253 Sender throttled"), Some(24 * 3_600));
    assert_eq!(waits("550 5.4.5 quota"), Some(24 * 3_600));
    assert_eq!(waits("451 4.7.500 busy"), Some(3_600));
    assert_eq!(waits("432 4.3.2 Suggested Backoff Time: 5000 milliseconds"), Some(5));
    assert_eq!(waits("451 4.7.1 greylisted"), None);
}

#[test]
fn ended_conversations() {
    let eof = |stage| SmtpError::Eof { stage };
    let timeout = |stage| SmtpError::Timeout { stage };
    let rejected = |stage, line| SmtpError::Rejected { stage, reply: reply(line) };
    for (row, error, code, scope, persistence) in [
        ("N4", SmtpError::Net(NetError::Refused), Code::HostUnreachable, Profile, Transient),
        ("S1", eof(Stage::Greeting), Code::GreetingRefused, Profile, Transient),
        ("S1", timeout(Stage::Hello), Code::Timeout, Profile, Transient),
        ("S10", rejected(Stage::Auth, "535 5.7.8 no"), Code::AuthRejected, Mailbox, UntilConfirmed),
        ("S12", SmtpError::NoLogIn { before_tls: true }, Code::TlsRequired, Profile, Permanent),
        ("S13", SmtpError::NoLogIn { before_tls: false }, Code::AuthNotOffered, Profile, Permanent),
        ("SEC", SmtpError::Security("STARTTLS is refused"), Code::SecurityDowngrade, Profile, Permanent),
        ("NUL", SmtpError::Credentials, Code::CredentialsMissing, Mailbox, Permanent),
        ("S20", SmtpError::TooLarge { size: 2, limit: 1 }, Code::MailTooLarge, Message, Permanent),
        ("S22", SmtpError::BareLineEnd, Code::MailInvalid, Message, Permanent),
        ("S22", SmtpError::Address("a\r\nb".to_owned()), Code::MailInvalid, Message, Permanent),
        ("none", SmtpError::NoRecipients, Code::MailInvalid, Message, Permanent),
        ("UTF-8", SmtpError::NoUtf8, Code::MailRefused, Message, Permanent),
        ("S25", eof(Stage::Dot), Code::ConnectionLost, Mailbox, Transient),
        ("S25", timeout(Stage::Dot), Code::Timeout, Mailbox, Transient),
        ("S26", eof(Stage::Body), Code::ConnectionLost, Mailbox, Transient),
        ("S26", timeout(Stage::Data), Code::Timeout, Mailbox, Transient),
        (
            "S27",
            SmtpError::Protocol { stage: Stage::Dot, what: "200 ok".to_owned() },
            Code::ProtocolViolation,
            Mailbox,
            Transient,
        ),
        ("S27", SmtpError::Limit { stage: Stage::Rcpt, what: "a line" }, Code::ProtocolViolation, Mailbox, Transient),
        ("ours", SmtpError::NotReady, Code::InternalError, Mailbox, Transient),
    ] {
        let failure = failure(&error);
        assert_eq!((failure.code, failure.scope, failure.persistence), (code, scope, persistence), "{row}");
    }
}

proptest! {
    /// Nothing that a server says stops the daemon, and what it asks for is bounded.
    #[test]
    fn no_words_of_a_server_stop_the_daemon(code in 400u16..600, enhanced in "([45]\\.[0-9]{1,3}\\.[0-9]{1,3} )?", text in ".{0,60}") {
        for stage in [Stage::Greeting, Stage::Auth, Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Body, Stage::Dot, Stage::Reset] {
            let failure = refusal(stage, &reply(&format!("{code} {enhanced}{text}")));
            prop_assert!(failure.scope != Scope::Daemon);
            prop_assert!(failure.retry_after.is_none_or(|wait| wait <= providers::LONGEST_WAIT));
            prop_assert!(failure.scope != Message || failure.persistence != Throttled);
        }
    }
}
