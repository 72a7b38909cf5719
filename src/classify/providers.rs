//! What providers say in words because they have no response code for it.

use std::time::Duration;

use super::Class;
use crate::model::failure::{
    FailureCode,
    Persistence::{Permanent, Throttled, Transient, UntilConfirmed},
    Scope,
};

/// No server makes us wait longer, whatever it asks for.
pub(super) const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// A part of the text in lower case, and what it means.
type Row = (&'static str, Class);

const TABLE: &[Row] = &[
    // Gmail and Google Workspace.
    ("too many simultaneous connections", Class::mailbox(FailureCode::TooManyConnections, Throttled)),
    ("web login required", Class::mailbox(FailureCode::AuthInteractive, Permanent)),
    ("please log in via your web browser", Class::mailbox(FailureCode::AuthInteractive, Permanent)),
    ("application-specific password required", Class::mailbox(FailureCode::AuthInteractive, Permanent)),
    ("imap access is disabled for your domain", Class::profile(FailureCode::AuthContactAdmin, Permanent)),
    ("not enabled for imap use", Class::mailbox(FailureCode::InboxUnavailable, UntilConfirmed)),
    ("exceeded command or bandwidth limits", Class::mailbox(FailureCode::BandwidthExceeded, Throttled)),
    // Yahoo and AOL.
    ("login rate limit", Class::mailbox(FailureCode::LoginThrottled, Throttled)),
    // Dovecot, and what is built on it.
    ("maximum number of connections", Class::mailbox(FailureCode::TooManyConnections, Throttled)),
    ("temporary authentication failure", Class::mailbox(FailureCode::AuthUnavailable, Transient)),
    // Exchange Online and Outlook.com.
    ("request is throttled", Class::mailbox(FailureCode::ServerThrottled, Throttled)),
    ("suggested backoff time", Class::mailbox(FailureCode::ServerThrottled, Throttled)),
    ("connection closed. 14", Class::mailbox(FailureCode::ServerThrottled, Throttled)),
    ("server unavailable. 15", Class::mailbox(FailureCode::ServerThrottled, Throttled)),
    ("authenticated but not connected", Class::mailbox(FailureCode::InboxNotConnected, UntilConfirmed)),
    ("basicauthblocked", Class::profile(FailureCode::AuthMethodBlocked, Permanent)),
    // 163.com and its sisters, which want a client registered.
    ("unsafe login", Class::mailbox(FailureCode::InboxUnavailable, UntilConfirmed)),
    // When sending. Gmail:
    ("unusual rate of unsolicited mail", Class::profile(FailureCode::SendingBlocked, Throttled)),
    ("daily user sending limit exceeded", Class::mailbox(FailureCode::SendingQuotaExceeded, Throttled)),
    ("daily sending quota exceeded", Class::mailbox(FailureCode::SendingQuotaExceeded, Throttled)),
    // Exchange Online:
    ("smtpclientauthentication is disabled for the tenant", Class::profile(FailureCode::SmtpAuthDisabled, Permanent)),
    ("smtpclientauthentication is disabled for the mailbox", Class::mailbox(FailureCode::SmtpAuthDisabled, Permanent)),
    ("basic authentication is not supported", Class::profile(FailureCode::AuthMethodBlocked, Permanent)),
    ("concurrent connections limit exceeded", Class::mailbox(FailureCode::SendingThrottled, Throttled)),
    ("sender thread limit exceeded", Class::mailbox(FailureCode::SendingThrottled, Throttled)),
    ("submission quota exceeded", Class::mailbox(FailureCode::SendingQuotaExceeded, Throttled)),
    ("submissionquotaexceeded", Class::mailbox(FailureCode::SendingQuotaExceeded, Throttled)),
    ("message rate limit", Class::mailbox(FailureCode::SendingThrottled, Throttled)),
    ("recipient rate limit", Class::mailbox(FailureCode::SendingQuotaExceeded, Throttled)),
    ("quotaexceededexception", Class::mailbox(FailureCode::MailboxFull, UntilConfirmed)),
    // cPanel, on thousands of small hosts:
    ("exceeded the max emails per hour", Class::mailbox(FailureCode::SendingQuotaExceeded, Throttled)),
    ("exceeded the max defers and failures per hour", Class::mailbox(FailureCode::SendingBlocked, Throttled)),
    // Postfix, to the first recipient:
    ("sender address rejected: not owned by", Class::new(FailureCode::SenderRefused, Scope::Message, Permanent)),
    // Servers that say it with 552, as RFC 821 had it:
    ("too many recipients", Class::new(FailureCode::MailDeferred, Scope::Message, Transient)),
    // Said by many.
    ("sending limit exceeded", Class::mailbox(FailureCode::SendingQuotaExceeded, Throttled)),
    ("exceeded the sending limit", Class::mailbox(FailureCode::SendingQuotaExceeded, Throttled)),
    ("too many connections", Class::mailbox(FailureCode::TooManyConnections, Throttled)),
];

/// The meaning of the longest known part of `text`, whatever its case.
pub(super) fn known(text: &str) -> Option<Class> {
    let text = text.to_lowercase();
    let found = TABLE.iter().filter(|(part, _)| text.contains(part));
    found.max_by_key(|(part, _)| part.len()).map(|(_, class)| *class)
}

/// How servers say in words that it is the name or the password. Looked at only where a log-in was
/// refused: elsewhere such words are about something else.
const REFUSALS: &[&str] = &[
    "login failed",
    "log in failed",
    "logon failure",
    "authenticate failed",
    "authentication failed",
    "authentication failure",
    "authentication unsuccessful",
    "invalid credentials",
    "invalid login",
    "invalid user",
    "invalid password",
    "incorrect password",
    "incorrect username",
    "incorrect login",
    "wrong password",
    "bad password",
    "bad username",
    "bad login",
    "password incorrect",
    "password is incorrect",
    "username and password not accepted",
    "username or password",
    "user name or password",
];

/// Whether a log-in that was refused was so because of the name or the password.
pub(super) fn names_the_password(text: &str) -> bool {
    let text = text.to_lowercase();
    REFUSALS.iter().any(|part| text.contains(part))
}

/// Exchange Online: `Suggested Backoff Time: 89117 milliseconds`.
pub(super) fn wait_asked_for(text: &str) -> Option<Duration> {
    let text = text.to_ascii_lowercase();
    let (_, rest) = text.split_once("backoff time")?;
    let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '='));
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next().filter(|digits| !digits.is_empty())?;
    let milliseconds = digits.parse().unwrap_or(u64::MAX);
    Some(Duration::from_millis(milliseconds).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_can_be_found() {
        for (part, class) in TABLE {
            assert_eq!(*part, part.to_lowercase());
            assert_eq!(known(&format!("A {} B", part.to_uppercase())), Some(*class), "{part}");
        }
        assert_eq!(known("Invalid credentials (Failure)"), None);
    }

    #[test]
    fn servers_that_name_the_password_are_understood() {
        assert!(REFUSALS.iter().all(|part| *part == part.to_lowercase()));
        for words in ["LOGIN failed.", "AUTHENTICATE failed.", "Invalid credentials (Failure)", "Wrong password!"] {
            assert!(names_the_password(words), "{words}");
        }
        for words in ["", "no", "try again later", "Mailbox is locked", "Internal error"] {
            assert!(!names_the_password(words), "{words}");
        }
    }

    #[test]
    fn the_longest_part_counts() {
        let text = "Request is throttled: too many simultaneous connections";
        assert_eq!(known(text), Some(Class::mailbox(FailureCode::TooManyConnections, Throttled)));
    }
}
