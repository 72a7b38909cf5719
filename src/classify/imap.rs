//! IMAP. The rows of the table, I1 to I31, have their names in the tests.

use super::{Class, net, providers};
use crate::{
    imap::error::{ImapError, Refusal, Reply},
    model::failure::{
        Failure, FailureCode,
        Persistence::{Permanent, Throttled, Transient, UntilConfirmed},
        Scope,
    },
};

/// Where in the conversation something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Before anybody is named: it cannot be about one mailbox.
    Greeting,
    Login,
    /// Opening the Inbox, or the cheap look at it.
    Open,
    /// Putting a mail somewhere, or deleting it.
    Change,
    Other,
}

impl Stage {
    fn of(command: &str) -> Self {
        match command.to_ascii_uppercase().as_str() {
            "GREETING" | "STARTTLS" | "CAPABILITY" => Self::Greeting,
            "LOGIN" | "AUTHENTICATE" => Self::Login,
            "SELECT" | "EXAMINE" | "STATUS" => Self::Open,
            "APPEND" | "CREATE" | "STORE" | "EXPUNGE" | "MOVE" => Self::Change,
            _ => Self::Other,
        }
    }
}

/// What the end of a conversation means. The text keeps the server's own words.
pub fn failure(error: &ImapError) -> Failure {
    let class = match error {
        ImapError::Net(error) => return net::failure(error),
        ImapError::Rejected { status, reply, command } => {
            return said(rejected(*status, reply, Stage::of(command)), reply, error);
        }
        ImapError::Bye(reply) => return said(bye(reply), reply, error),
        ImapError::Greeting(reply) => return said(greeting(reply), reply, error),
        ImapError::Eof { during } if Stage::of(during) == Stage::Greeting => {
            Class::profile(FailureCode::GreetingRefused, Transient)
        }
        ImapError::Eof { .. } => Class::mailbox(FailureCode::ConnectionLost, Transient),
        ImapError::Timeout { during } if Stage::of(during) == Stage::Greeting => {
            Class::profile(FailureCode::Timeout, Transient)
        }
        ImapError::Timeout { .. } => Class::mailbox(FailureCode::Timeout, Transient),
        ImapError::Protocol(_) | ImapError::Limit(_) => Class::mailbox(FailureCode::ProtocolViolation, Transient),
        ImapError::Security(_) => Class::profile(FailureCode::SecurityDowngrade, Permanent),
        ImapError::LoginDisabled => Class::profile(FailureCode::TlsRequired, Permanent),
        ImapError::Credentials => Class::mailbox(FailureCode::CredentialsMissing, Permanent),
    };
    class.failure(&error.to_string())
}

/// A class for the server's words, with the wait it asks for.
fn said(class: Class, reply: &Reply, error: &ImapError) -> Failure {
    let mut failure = class.failure(&error.to_string());
    if failure.persistence == Throttled {
        failure.retry_after = providers::wait_asked_for(&reply.text);
    }
    failure
}

fn rejected(status: Refusal, reply: &Reply, stage: Stage) -> Class {
    by_words(reply, stage).unwrap_or(match (status, stage) {
        (Refusal::Bad, _) => Class::mailbox(FailureCode::CommandRefused, Transient),
        (Refusal::No, Stage::Login) => Class::refused_log_in(&reply.text),
        (Refusal::No, Stage::Open) => Class::mailbox(FailureCode::InboxUnavailable, Transient),
        // The mailbox can be read all the same.
        (Refusal::No, Stage::Change) => Class::new(FailureCode::CommandRefused, Scope::Message, Transient),
        (Refusal::No, Stage::Greeting | Stage::Other) => Class::mailbox(FailureCode::ServerFault, Transient),
    })
}

fn bye(reply: &Reply) -> Class {
    by_words(reply, Stage::Other).unwrap_or(Class::mailbox(FailureCode::ServerClosed, Transient))
}

/// Before a log-in the server cannot mean one mailbox, whatever it says.
fn greeting(reply: &Reply) -> Class {
    match by_words(reply, Stage::Greeting) {
        Some(class) if class.persistence == Throttled => Class { scope: Scope::Profile, ..class },
        Some(class) if class.scope == Scope::Profile => class,
        _ => Class::profile(FailureCode::GreetingRefused, Transient),
    }
}

/// By the response code, else by a provider's words.
fn by_words(reply: &Reply, stage: Stage) -> Option<Class> {
    let code = reply.code.as_deref().and_then(|code| by_code(code, reply, stage));
    code.or_else(|| providers::known(&reply.text))
}

fn by_code(code: &str, reply: &Reply, stage: Stage) -> Option<Class> {
    let login = stage == Stage::Login;
    Some(match code {
        "OVERQUOTA" if stage == Stage::Change => Class::new(FailureCode::MailboxFull, Scope::Message, Permanent),
        "NOPERM" | "NONEXISTENT" | "CANNOT" | "LIMIT" if stage == Stage::Change => {
            Class::new(FailureCode::CommandRefused, Scope::Message, Permanent)
        }
        "AUTHENTICATIONFAILED" => Class::mailbox(FailureCode::AuthRejected, UntilConfirmed),
        "AUTHORIZATIONFAILED" => Class::mailbox(FailureCode::AuthorizationFailed, Permanent),
        "EXPIRED" => Class::mailbox(FailureCode::AuthExpired, Permanent),
        "UNAVAILABLE" => unavailable(reply, login),
        "INUSE" => Class::mailbox(FailureCode::MailboxInUse, Transient),
        "LIMIT" if login => Class::mailbox(FailureCode::LoginThrottled, Throttled),
        "LIMIT" | "THROTTLED" => Class::mailbox(FailureCode::ServerThrottled, Throttled),
        // Where nothing is put anywhere, the quota that can be over is one on what is transferred.
        "OVERQUOTA" => Class::mailbox(FailureCode::BandwidthExceeded, Throttled),
        "CONTACTADMIN" => Class::mailbox(FailureCode::AuthContactAdmin, UntilConfirmed),
        "PRIVACYREQUIRED" => Class::profile(FailureCode::TlsRequired, Permanent),
        "NOPERM" if login => Class::mailbox(FailureCode::AuthorizationFailed, UntilConfirmed),
        "NOPERM" | "NONEXISTENT" | "CANNOT" => Class::mailbox(FailureCode::InboxUnavailable, UntilConfirmed),
        "SERVERBUG" | "EXPUNGEISSUED" => Class::mailbox(FailureCode::ServerFault, Transient),
        "CORRUPTION" => Class::mailbox(FailureCode::MailboxCorrupt, Transient),
        "CLIENTBUG" => Class::mailbox(FailureCode::CommandRefused, Transient),
        "UIDNOTSTICKY" => Class::mailbox(FailureCode::UidsNotKept, UntilConfirmed),
        "REFERRAL" => Class::profile(FailureCode::SecurityDowngrade, Permanent),
        "WEBALERT" => Class::mailbox(FailureCode::AuthInteractive, Permanent),
        _ => return None,
    })
}

/// Old Dovecots say this for too many connections, too.
fn unavailable(reply: &Reply, login: bool) -> Class {
    match providers::known(&reply.text) {
        Some(class) if class.persistence == Throttled => class,
        _ if login => Class::mailbox(FailureCode::AuthUnavailable, Transient),
        _ => Class::mailbox(FailureCode::ServerFault, Transient),
    }
}

#[cfg(test)]
#[path = "imap_tests.rs"]
mod tests;
