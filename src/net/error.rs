//! What can go wrong before a protocol is spoken, and below it.

use std::{fmt, io};

use super::spoken::Spoken;

/// Why there is no connection, or no secure one.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The port is not on the list of allowed ports: nothing was looked up or sent.
    #[error("port {0} is not allowed")]
    PortNotAllowed(u16),
    /// The name does not exist, or has no address.
    #[error("the name {host} does not exist")]
    DnsNotFound {
        /// As configured.
        host: String,
    },
    /// The name could not be looked up: resolver down, out of reach or too slow.
    #[error("the name {host} could not be looked up: {detail}")]
    DnsFailed {
        /// As configured.
        host: String,
        /// The system's words.
        detail: String,
    },
    /// Nobody listens at the port.
    #[error("connection refused")]
    Refused,
    /// No route to the address.
    #[error("host unreachable")]
    Unreachable,
    /// No answer to the attempt to connect.
    #[error("no answer to the attempt to connect")]
    ConnectTimeout,
    /// This machine is out of file descriptors, ports or socket memory.
    #[error("this machine is out of file descriptors or ports: {0}")]
    ResourcesExhausted(io::Error),
    /// TLS could not be agreed on, or the certificate is not acceptable.
    #[error("TLS: {fault}: {detail}")]
    Tls {
        /// What kind.
        fault: TlsFault,
        /// The TLS library's words.
        detail: String,
    },
    /// The TLS handshake did not end in time.
    #[error("the TLS handshake did not end in time")]
    TlsTimeout,
    /// The connection broke, or was closed, within the TLS handshake.
    #[error("the connection broke within the TLS handshake: {0:?}")]
    TlsBroken(io::ErrorKind),
    /// Its greeting is another protocol's.
    #[error("this is {}, not {}: the port is wrong", .found.a_server(), .wanted.a_server())]
    WrongPort {
        /// What should answer there.
        wanted: Spoken,
        /// What does.
        found: Spoken,
    },
    /// Anything else the operating system reports.
    #[error("{0:?}")]
    Io(io::ErrorKind),
}

/// What is wrong with a server's TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet; often our clock is wrong.
    NotValidYet,
    /// No trusted authority vouches for it.
    UnknownIssuer,
    /// It is for other names.
    WrongName,
    /// Revoked, badly signed, malformed, or an authority's certificate used as a server's.
    BadCertificate,
    /// No common version or cipher, or the server refused with an alert.
    Handshake,
    /// What answers does not speak TLS: most often a cleartext port.
    NotSpoken,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "certificate expired",
            Self::NotValidYet => "certificate not valid yet",
            Self::UnknownIssuer => "certificate of an unknown issuer",
            Self::WrongName => "certificate for another name",
            Self::BadCertificate => "bad certificate",
            Self::Handshake => "handshake failed",
            Self::NotSpoken => "the server does not speak TLS here",
        })
    }
}

/// Whether this machine, or this process, has run out of memory or file descriptors.
pub fn is_exhausted(error: &io::Error) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    matches!(error.raw_os_error(), Some(ENOMEM | ENFILE | EMFILE | ENOBUFS))
}

impl NetError {
    /// Whether a server that restarts or is busy shows itself so for a moment; no secret was sent before.
    pub fn is_momentary(&self) -> bool {
        matches!(self, Self::Refused | Self::TlsBroken(_) | Self::Io(_))
    }

    /// Classifies an error of connecting a socket, or of using it.
    pub fn from_io(error: io::Error) -> Self {
        if is_exhausted(&error) {
            return Self::ResourcesExhausted(error);
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Self::Unreachable,
            io::ErrorKind::TimedOut => Self::ConnectTimeout,
            io::ErrorKind::AddrNotAvailable => Self::ResourcesExhausted(error),
            kind => Self::Io(kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operating_system_errors_are_told_apart() {
        let of = |number| NetError::from_io(io::Error::from_raw_os_error(number));
        assert!(matches!(of(111), NetError::Refused));
        assert!(matches!(of(113), NetError::Unreachable));
        assert!(matches!(of(101), NetError::Unreachable));
        assert!(matches!(of(110), NetError::ConnectTimeout));
        assert!(matches!(of(104), NetError::Io(io::ErrorKind::ConnectionReset)));
        for number in [12, 23, 24, 99, 105] {
            assert!(matches!(of(number), NetError::ResourcesExhausted(_)), "{number}");
        }
    }
}
