//! What both ends of a wire test are made of.

use std::time::Duration;

use mailsyncd::{
    imap::{
        connect::{Credentials, Timeouts, connect},
        error::ImapError,
        session::Session,
    },
    model::profile::{AuthMethod, Endpoint, Security},
    net::{guard::Pace, tls::TlsClient},
};
use tokio::io::DuplexStream;

/// Short enough to test, with room for a slow machine.
pub fn timeouts() -> Timeouts {
    Timeouts {
        tls: Duration::from_secs(10),
        greeting: Duration::from_secs(30),
        command: Duration::from_secs(40),
        logout: Duration::from_secs(5),
        pace: Pace { silence: Duration::from_secs(60), window: Duration::from_secs(60), minimum: 60 << 10 },
    }
}

/// An endpoint without TLS.
pub fn endpoint(host: &str, security: Security, auth: AuthMethod) -> Endpoint {
    Endpoint { host: host.to_owned(), port: 143, security, auth }
}

/// Logs in as `u` with password `p`.
pub async fn log_in(stream: DuplexStream, endpoint: &Endpoint) -> Result<Session<DuplexStream>, ImapError> {
    let tls = TlsClient::new(&[]).unwrap();
    connect(stream, endpoint, Credentials { username: "u", password: "p" }, &tls, timeouts()).await
}
