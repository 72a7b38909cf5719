//! DNS, TCP and TLS.

use super::Class;
use crate::{
    model::failure::{Failure, FailureCode, Persistence, Scope},
    net::error::{NetError, TlsFault},
};

/// What a failed or broken connection means.
///
/// What happens before a log-in says nothing of one mailbox: it stops the profile, where one mailbox
/// probes. A connection lost later may be about that mailbox only.
pub fn failure(error: &NetError) -> Failure {
    class(error).failure(&error.to_string())
}

fn class(error: &NetError) -> Class {
    use Persistence::{Permanent, Transient};
    let (code, persistence) = match error {
        NetError::PortNotAllowed(_) => (FailureCode::PortNotAllowed, Permanent),
        NetError::DnsNotFound { .. } => (FailureCode::DnsNotFound, Transient),
        NetError::DnsFailed { .. } => (FailureCode::DnsFailed, Transient),
        NetError::Refused | NetError::Unreachable | NetError::ConnectTimeout => {
            (FailureCode::HostUnreachable, Transient)
        }
        NetError::ResourcesExhausted(_) => {
            return Class::new(FailureCode::ResourcesExhausted, Scope::Daemon, Transient);
        }
        NetError::Tls { fault, .. } => tls(*fault),
        NetError::WrongPort { .. } => (FailureCode::WrongPort, Permanent),
        NetError::TlsTimeout => (FailureCode::Timeout, Transient),
        NetError::TlsBroken(_) => (FailureCode::TlsHandshakeFailed, Transient),
        NetError::Io(_) => return Class::mailbox(FailureCode::ConnectionLost, Transient),
    };
    Class::profile(code, persistence)
}

/// A certificate can be renewed at any time without our doing: tried again. A port that does not
/// speak TLS is a fault of the configuration.
fn tls(fault: TlsFault) -> (FailureCode, Persistence) {
    let code = match fault {
        TlsFault::NotSpoken => return (FailureCode::TlsNotSpoken, Persistence::Permanent),
        TlsFault::Expired | TlsFault::NotValidYet => FailureCode::TlsExpired,
        TlsFault::UnknownIssuer => FailureCode::TlsUntrusted,
        TlsFault::WrongName => FailureCode::TlsWrongName,
        TlsFault::BadCertificate => FailureCode::TlsBadCertificate,
        TlsFault::Handshake => FailureCode::TlsHandshakeFailed,
    };
    (code, Persistence::Transient)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::net::spoken::Spoken;

    #[test]
    fn every_row_of_the_table() {
        use FailureCode as Code;
        use Persistence::{Permanent, Transient};
        let tls = |fault| NetError::Tls { fault, detail: "in its words".into() };
        let host = || "mail.example.org".to_owned();
        for (row, error, code, scope, persistence) in [
            ("N1", NetError::DnsNotFound { host: host() }, Code::DnsNotFound, Scope::Profile, Transient),
            (
                "N2",
                NetError::DnsFailed { host: host(), detail: "SERVFAIL".into() },
                Code::DnsFailed,
                Scope::Profile,
                Transient,
            ),
            ("N4 refused", NetError::Refused, Code::HostUnreachable, Scope::Profile, Transient),
            ("N4 no route", NetError::Unreachable, Code::HostUnreachable, Scope::Profile, Transient),
            ("N4 timeout", NetError::ConnectTimeout, Code::HostUnreachable, Scope::Profile, Transient),
            ("N5", NetError::Io(io::ErrorKind::ConnectionReset), Code::ConnectionLost, Scope::Mailbox, Transient),
            (
                "N7",
                NetError::from_io(io::Error::from_raw_os_error(24)),
                Code::ResourcesExhausted,
                Scope::Daemon,
                Transient,
            ),
            ("port", NetError::PortNotAllowed(25), Code::PortNotAllowed, Scope::Profile, Permanent),
            ("T1 expired", tls(TlsFault::Expired), Code::TlsExpired, Scope::Profile, Transient),
            ("T1 not yet", tls(TlsFault::NotValidYet), Code::TlsExpired, Scope::Profile, Transient),
            ("T2", tls(TlsFault::UnknownIssuer), Code::TlsUntrusted, Scope::Profile, Transient),
            ("T3", tls(TlsFault::WrongName), Code::TlsWrongName, Scope::Profile, Transient),
            ("T4", tls(TlsFault::BadCertificate), Code::TlsBadCertificate, Scope::Profile, Transient),
            ("T5", tls(TlsFault::Handshake), Code::TlsHandshakeFailed, Scope::Profile, Transient),
            ("T6", tls(TlsFault::NotSpoken), Code::TlsNotSpoken, Scope::Profile, Permanent),
            (
                "T6 another protocol",
                NetError::WrongPort { wanted: Spoken::Imap, found: Spoken::Pop3 },
                Code::WrongPort,
                Scope::Profile,
                Permanent,
            ),
            ("T7 silent", NetError::TlsTimeout, Code::Timeout, Scope::Profile, Transient),
            (
                "T7 closed",
                NetError::TlsBroken(io::ErrorKind::UnexpectedEof),
                Code::TlsHandshakeFailed,
                Scope::Profile,
                Transient,
            ),
        ] {
            let expected = Failure::new(code, scope, persistence, &error.to_string());
            assert_eq!(failure(&error), expected, "{row}");
        }
        assert_eq!(failure(&tls(TlsFault::WrongName)).text, "TLS: certificate for another name: in its words");
    }
}
