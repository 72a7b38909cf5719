//! POP3. The rows of the table, P1 to P11, have their names in the tests.

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
        Stage::Login => Class::refused_log_in(&reply.text),
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
    let code = reply.code.as_deref().and_then(|code| by_code(code, reply, stage));
    code.or_else(|| providers::known(&reply.text))
}

/// RFC 2449 §8.1 and RFC 3206.
fn by_code(code: &str, reply: &Reply, stage: Stage) -> Option<Class> {
    Some(match code {
        "AUTH" => Class::mailbox(FailureCode::AuthRejected, UntilConfirmed),
        // The session of a client that died may hold the maildrop for ten minutes (RFC 1939 §3).
        // Dovecot says the same for too many connections.
        "IN-USE" => match providers::known(&reply.text) {
            Some(class) if class.persistence == Throttled => class,
            _ => Class::mailbox(FailureCode::MailboxInUse, Transient),
        },
        "LOGIN-DELAY" => Class::mailbox(FailureCode::LoginThrottled, Throttled),
        "SYS/TEMP" if stage == Stage::Login => Class::mailbox(FailureCode::AuthUnavailable, Transient),
        "SYS/TEMP" => Class::mailbox(FailureCode::ServerFault, Transient),
        // Wants a person, and not another password.
        "SYS/PERM" => Class::mailbox(FailureCode::AuthContactAdmin, UntilConfirmed),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
            ("P3", said("PASS", "[SYS/PERM] broken"), C::AuthContactAdmin, UntilConfirmed),
            ("P4", said("PASS", "[IN-USE] locked"), C::MailboxInUse, Transient),
            ("P4", said("AUTH", "[in-use] Maximum number of connections exceeded"), C::TooManyConnections, Throttled),
            ("P5", said("PASS", "[LOGIN-DELAY] too soon"), C::LoginThrottled, Throttled),
            ("P6", said("PASS", "no"), C::AuthUnclear, UntilConfirmed),
            ("P6", said("APOP", "[X-NEW] no"), C::AuthUnclear, UntilConfirmed),
            ("P6 words", said("PASS", "Invalid login or password"), C::AuthRejected, UntilConfirmed),
            ("P6 words", said("PASS", "Web login required"), C::AuthInteractive, Permanent),
            ("P7", said("UIDL", "[SYS/TEMP] try later"), C::ServerFault, Transient),
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
            ("P10", Pop3Error::Greeting(Reply::parse("go away")), C::GreetingRefused, Transient),
            ("P10", Pop3Error::Greeting(Reply::parse("[IN-USE] busy")), C::GreetingRefused, Transient),
            ("P10", Pop3Error::Greeting(Reply::parse("[LOGIN-DELAY] slowly")), C::LoginThrottled, Throttled),
            ("P10", Pop3Error::Greeting(Reply::parse("[SYS/PERM] gone")), C::GreetingRefused, Transient),
            ("P10", Pop3Error::Eof { during: "greeting" }, C::GreetingRefused, Transient),
            ("P10", Pop3Error::Timeout { during: "STLS" }, C::Timeout, Transient),
            ("P11", Pop3Error::Security("no STLS"), C::SecurityDowngrade, Permanent),
            ("I13", Pop3Error::LoginDisabled, C::TlsRequired, Permanent),
        ];
        for (row, error, code, persistence) in table {
            assert_eq!(class(&error), (code, Scope::Profile, persistence), "{row}: {error}");
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

    proptest! {
        /// A server may stop its own profile, never the daemon, and a wait that it asks for has an end.
        #[test]
        fn no_words_of_a_server_stop_the_daemon(line in "(\\[[A-Z/]{0,20}\\])?.{0,60}", login in any::<bool>()) {
            let command = if login { "PASS" } else { "RETR" };
            for error in [said(command, &line), Pop3Error::Greeting(Reply::parse(&line))] {
                let failure = failure(&error);
                prop_assert!(matches!(failure.scope, Scope::Mailbox | Scope::Profile | Scope::Message));
                prop_assert_eq!(failure.retry_after, None);
            }
        }
    }
}
