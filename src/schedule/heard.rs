//! What the end of a cycle says of the server that was talked to, besides what it means for the
//! mailbox. Pure.

use std::time::Duration;

use crate::model::{
    failure::{Failure, FailureCode, Scope},
    mailbox::WorkloadState,
    report::Report,
    timestamp::Timestamp,
};

/// A mailbox that got through a cycle within this time has a password that was good.
pub const PROVEN_FOR: Duration = Duration::from_secs(24 * 3_600);

/// What was heard of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It was not asked.
    Nothing,
    /// It let the mailbox in.
    Welcome,
    /// Something failed.
    Failed {
        /// What.
        failure: Failure,
        /// Whether the mailbox got through a cycle within the last day.
        proven: bool,
    },
}

/// What that is a sign of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Nothing.
    None,
    /// The server is there: it said something, be it a no.
    Answered,
    /// The server is there, and took no password.
    Refused,
    /// Nobody gets as far as a log-in: no connection, no TLS, no greeting.
    Down,
    /// The server says that it has trouble of its own.
    Ill,
    /// The conversation broke off.
    Lost,
}

impl Heard {
    /// What the end of a cycle, of a mailbox in `state` before it, says.
    pub fn of(report: &Report, state: &WorkloadState, now: Timestamp) -> Self {
        let proven = || state.last_success_at.is_some_and(|at| now.since(at) < PROVEN_FOR);
        match report.failure() {
            None => Self::Welcome,
            // It broke off later: by then the server had served it.
            Some(failure) if report.got_on() && sign(failure) == Sign::Lost => Self::Welcome,
            Some(failure) => Self::Failed { failure: failure.clone(), proven: proven() },
        }
    }

    /// What it is a sign of.
    pub fn sign(&self) -> Sign {
        match self {
            Self::Nothing => Sign::None,
            Self::Welcome => Sign::Answered,
            Self::Failed { failure, .. } => sign(failure),
        }
    }
}

fn sign(failure: &Failure) -> Sign {
    use FailureCode as C;
    match (failure.scope, failure.code) {
        (Scope::Daemon, _) => Sign::None,
        (
            _,
            C::CredentialsMissing
            | C::CredentialsLocked
            | C::LoginGuarded
            | C::PortNotAllowed
            | C::InternalError
            | C::DatabaseUnavailable,
        ) => Sign::None,
        (Scope::Profile, code) if concerns_server(code) => Sign::Down,
        (_, C::AuthUnavailable) => Sign::Ill,
        // One mailbox may have what breaks a conversation; where several do, it is the server.
        (_, C::ProtocolViolation) => Sign::Lost,
        (_, code) if is_lost(code) => Sign::Lost,
        (_, code) if is_refusal(code) => Sign::Refused,
        _ => Sign::Answered,
    }
}

/// Whether a failure that is not about one mailbox is about the server, and so about everybody who
/// talks to it; else it is about the one profile.
pub const fn concerns_server(code: FailureCode) -> bool {
    use FailureCode as C;
    matches!(
        code,
        C::HostUnreachable
            | C::GreetingRefused
            | C::DnsNotFound
            | C::DnsFailed
            | C::TlsExpired
            | C::TlsUntrusted
            | C::TlsWrongName
            | C::TlsBadCertificate
            | C::TlsHandshakeFailed
            | C::Timeout
            | C::ConnectionLost
            | C::ServerClosed
            | C::AuthUnavailable
            | C::LoginThrottled
            | C::TooManyConnections
            | C::ServerThrottled
            | C::ProtocolViolation
    )
}

/// Whether a conversation broke off, and nobody said why.
pub const fn is_lost(code: FailureCode) -> bool {
    matches!(code, FailureCode::ConnectionLost | FailureCode::Timeout | FailureCode::ServerClosed)
}

/// Whether the server did not want the password, or whom it is for.
pub const fn is_refusal(code: FailureCode) -> bool {
    use FailureCode as C;
    matches!(
        code,
        C::AuthRejected
            | C::AuthUnclear
            | C::AuthExpired
            | C::AuthorizationFailed
            | C::AuthInteractive
            | C::AuthContactAdmin
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{failure::Persistence, report::CycleReport};

    fn failure(code: FailureCode, scope: Scope) -> Failure {
        Failure::new(code, scope, Persistence::Transient, "x")
    }

    #[test]
    fn every_failure_is_a_sign_of_one_thing() {
        use FailureCode as C;
        use Scope::{Daemon, Mailbox, Message, Profile};
        for (code, scope, expected) in [
            (C::HostUnreachable, Profile, Sign::Down),
            (C::DnsFailed, Profile, Sign::Down),
            (C::TlsExpired, Profile, Sign::Down),
            (C::GreetingRefused, Profile, Sign::Down),
            (C::Timeout, Profile, Sign::Down),
            (C::LoginThrottled, Profile, Sign::Down),
            (C::LoginThrottled, Mailbox, Sign::Answered),
            (C::Timeout, Mailbox, Sign::Lost),
            (C::ConnectionLost, Mailbox, Sign::Lost),
            (C::ServerClosed, Mailbox, Sign::Lost),
            (C::ProtocolViolation, Mailbox, Sign::Lost),
            (C::AuthUnavailable, Mailbox, Sign::Ill),
            (C::AuthRejected, Mailbox, Sign::Refused),
            (C::AuthMethodBlocked, Profile, Sign::Answered),
            (C::SecurityDowngrade, Profile, Sign::Answered),
            (C::TlsNotSpoken, Profile, Sign::Answered),
            (C::MailRefused, Message, Sign::Answered),
            (C::ServerFault, Mailbox, Sign::Answered),
            (C::CredentialsMissing, Mailbox, Sign::None),
            (C::CredentialsLocked, Mailbox, Sign::None),
            (C::LoginGuarded, Mailbox, Sign::None),
            (C::PortNotAllowed, Profile, Sign::None),
            (C::DiskFull, Daemon, Sign::None),
        ] {
            let heard = Heard::Failed { failure: failure(code, scope), proven: false };
            assert_eq!(heard.sign(), expected, "{code} {scope:?}");
        }
        assert_eq!((Heard::Nothing.sign(), Heard::Welcome.sign()), (Sign::None, Sign::Answered));
    }

    #[test]
    fn a_password_is_proven_for_a_day() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let refused = failure(FailureCode::AuthRejected, Scope::Mailbox);
        let report = Report::Received(CycleReport { failure: Some(refused), ..CycleReport::default() });
        for (hours, expected) in [(None, false), (Some(1), true), (Some(23), true), (Some(24), false)] {
            let last = hours.map(|hours| now.minus(Duration::from_secs(hours * 3_600)));
            let state = WorkloadState { last_success_at: last, ..WorkloadState::default() };
            let Heard::Failed { proven, .. } = Heard::of(&report, &state, now) else { panic!() };
            assert_eq!(proven, expected, "{hours:?}");
        }
    }
}
