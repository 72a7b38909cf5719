//! POP3: rows P1 to P9 of `failures.md`.

use super::{Class, net, providers};
use crate::{
    model::failure::{
        Failure, FailureCode,
        Persistence::{Permanent, Throttled, Transient, UntilConfirmed},
        Scope,
    },
    pop3::error::{Pop3Error, Reply},
};

/// Where in the conversation something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Before anybody is named: it cannot be about one mailbox.
    Greeting,
    Login,
    Other,
}

impl Stage {
    fn of(command: &str) -> Self {
        match command.to_ascii_uppercase().as_str() {
            "GREETING" | "STLS" | "CAPA" => Self::Greeting,
            "USER" | "PASS" | "APOP" | "AUTH" => Self::Login,
            _ => Self::Other,
        }
    }
}

/// What the end of a conversation means. The text keeps the server's own words.
pub fn failure(error: &Pop3Error) -> Failure {
    let class = match error {
        Pop3Error::Net(error) => return net::failure(error),
        Pop3Error::Rejected { reply, command } => rejected(reply, Stage::of(command)),
        Pop3Error::Greeting(reply) => greeting(reply),
        Pop3Error::Eof { during } if Stage::of(during) == Stage::Greeting => {
            Class::profile(FailureCode::GreetingRefused, Transient)
        }
        Pop3Error::Eof { .. } => Class::mailbox(FailureCode::ConnectionLost, Transient),
        Pop3Error::Timeout { during } if Stage::of(during) == Stage::Greeting => {
            Class::profile(FailureCode::Timeout, Transient)
        }
        Pop3Error::Timeout { .. } => Class::mailbox(FailureCode::Timeout, Transient),
        Pop3Error::Protocol(_) | Pop3Error::Limit(_) => Class::mailbox(FailureCode::ProtocolViolation, Transient),
        Pop3Error::Security(_) => Class::profile(FailureCode::SecurityDowngrade, Permanent),
        Pop3Error::LoginDisabled => Class::profile(FailureCode::TlsRequired, Permanent),
        Pop3Error::Credentials => Class::mailbox(FailureCode::CredentialsMissing, Permanent),
    };
    class.failure(&error.to_string())
}

/// Servers say no more than `-ERR` to a wrong password, and to a lock, and to much else.
fn rejected(reply: &Reply, stage: Stage) -> Class {
    by_words(reply, stage).unwrap_or(match stage {
        Stage::Login => Class::mailbox(FailureCode::AuthRejected, UntilConfirmed),
        Stage::Greeting | Stage::Other => Class::mailbox(FailureCode::ServerFault, Transient),
    })
}

/// Before a log-in the server cannot mean one mailbox, whatever it says.
fn greeting(reply: &Reply) -> Class {
    match by_words(reply, Stage::Greeting) {
        Some(class) if class.persistence == Throttled || class.scope == Scope::Profile => {
            Class { scope: Scope::Profile, ..class }
        }
        _ => Class::profile(FailureCode::GreetingRefused, Transient),
    }
}

/// By the response code, else by a provider's words.
fn by_words(reply: &Reply, stage: Stage) -> Option<Class> {
    let code = reply.code.as_deref().and_then(|code| by_code(code, stage));
    code.or_else(|| providers::known(&reply.text))
}

/// RFC 2449 §8.1 and RFC 3206.
fn by_code(code: &str, stage: Stage) -> Option<Class> {
    Some(match code {
        "AUTH" => Class::mailbox(FailureCode::AuthRejected, UntilConfirmed),
        // The session of a client that died may hold the maildrop for ten minutes (RFC 1939 §3).
        "IN-USE" => Class::mailbox(FailureCode::MailboxInUse, Transient),
        "LOGIN-DELAY" => Class::mailbox(FailureCode::LoginThrottled, Throttled),
        "SYS/TEMP" if stage == Stage::Login => Class::mailbox(FailureCode::AuthUnavailable, Transient),
        "SYS/TEMP" => Class::mailbox(FailureCode::ServerFault, Transient),
        "SYS/PERM" => Class::mailbox(FailureCode::ServerFault, UntilConfirmed),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(error: &Pop3Error) -> (FailureCode, Scope, crate::model::failure::Persistence) {
        let Failure { code, scope, persistence, .. } = failure(error);
        (code, scope, persistence)
    }

    fn said(command: &'static str, text: &str) -> Pop3Error {
        Pop3Error::Rejected { command, reply: Reply::parse(text) }
    }

    #[test]
    fn refusals_are_told_apart_by_code_and_stage() {
        use FailureCode as C;
        let table = [
            ("P1", said("PASS", "[AUTH] wrong"), C::AuthRejected, UntilConfirmed),
            ("P1", said("AUTH", "[AUTH] wrong"), C::AuthRejected, UntilConfirmed),
            ("P2", said("PASS", "[SYS/TEMP] try later"), C::AuthUnavailable, Transient),
            ("P2", said("UIDL", "[SYS/TEMP] try later"), C::ServerFault, Transient),
            ("P3", said("PASS", "[SYS/PERM] broken"), C::ServerFault, UntilConfirmed),
            ("P4", said("PASS", "[IN-USE] locked"), C::MailboxInUse, Transient),
            ("P5", said("PASS", "[LOGIN-DELAY] too soon"), C::LoginThrottled, Throttled),
            ("P6", said("PASS", "no"), C::AuthRejected, UntilConfirmed),
            ("P6", said("APOP", "[X-NEW] no"), C::AuthRejected, UntilConfirmed),
            ("P8", said("RETR", "no such message"), C::ServerFault, Transient),
            ("P9", said("QUIT", "some messages not removed"), C::ServerFault, Transient),
        ];
        for (row, error, code, persistence) in table {
            assert_eq!(class(&error), (code, Scope::Mailbox, persistence), "{row}: {error}");
        }
    }

    #[test]
    fn before_the_log_in_nothing_is_about_one_mailbox() {
        use FailureCode as C;
        let table = [
            (Pop3Error::Greeting(Reply::parse("go away")), C::GreetingRefused, Transient),
            (Pop3Error::Greeting(Reply::parse("[IN-USE] busy")), C::GreetingRefused, Transient),
            (Pop3Error::Greeting(Reply::parse("[LOGIN-DELAY] slowly")), C::LoginThrottled, Throttled),
            (Pop3Error::Eof { during: "greeting" }, C::GreetingRefused, Transient),
            (Pop3Error::Timeout { during: "STLS" }, C::Timeout, Transient),
            (Pop3Error::Security("no STLS"), C::SecurityDowngrade, Permanent),
            (Pop3Error::LoginDisabled, C::TlsRequired, Permanent),
        ];
        for (error, code, persistence) in table {
            assert_eq!(class(&error), (code, Scope::Profile, persistence), "{error}");
        }
    }

    #[test]
    fn a_broken_conversation_is_tried_again() {
        use FailureCode as C;
        let table = [
            (Pop3Error::Eof { during: "RETR" }, C::ConnectionLost, Transient),
            (Pop3Error::Timeout { during: "RETR" }, C::Timeout, Transient),
            (Pop3Error::Protocol("+?".into()), C::ProtocolViolation, Transient),
            (Pop3Error::Limit("line"), C::ProtocolViolation, Transient),
            (Pop3Error::Credentials, C::CredentialsMissing, Permanent),
        ];
        for (error, code, persistence) in table {
            assert_eq!(class(&error), (code, Scope::Mailbox, persistence), "{error}");
        }
    }
}
