//! From a connected stream to a logged-in session.

use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;

pub use super::wire::Timeouts;
use super::{
    auth::log_in,
    capability::Capabilities,
    error::{SmtpError, Stage},
    reply::SmtpReply,
    session::Session,
    wire::{Wire, accepted, refused},
};
pub use crate::net::credentials::Credentials;
use crate::{
    model::profile::{AuthMethod, Endpoint, Security},
    net::{
        Io,
        dial::{PortPolicy, dial},
        error::{NetError, TlsFault},
        spoken::Spoken,
        tls::{TlsClient, Transport},
    },
};

/// A session over TCP.
pub type NetSession = Session<TcpStream>;

/// Connects to `endpoint` and logs in. To EHLO it says the address of its end of the connection.
///
/// # Errors
/// As [`connect`], and everything [`dial`] can say.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn open(
    endpoint: &Endpoint,
    credentials: Credentials<'_>,
    ports: &PortPolicy,
    tls: &TlsClient,
    timeouts: Timeouts,
) -> Result<NetSession, SmtpError> {
    let stream = dial(&endpoint.host, endpoint.port, ports, timeouts.command).await?;
    let own = stream.local_addr().map_err(NetError::from_io)?;
    connect(stream, &literal(own), endpoint, credentials, tls, timeouts).await
}

/// An address as EHLO wants it (RFC 5321 §4.1.3).
pub fn literal(own: SocketAddr) -> String {
    match own.ip().to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

/// Logs in over a connected stream: TLS as `endpoint` demands, greeting, EHLO with `hello`, AUTH where it
/// demands that.
///
/// The secret is sent only where the connection is as protected as `endpoint` demands.
///
/// # Errors
/// TLS failed; the server turned us away, refused the log-in, broke the protocol, or was silent.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn connect<S: Io>(
    stream: S,
    hello: &str,
    endpoint: &Endpoint,
    credentials: Credentials<'_>,
    tls: &TlsClient,
    timeouts: Timeouts,
) -> Result<Session<S>, SmtpError> {
    can_be_sent(credentials)?;
    let transport = secure(stream, hello, endpoint, tls, &timeouts).await?;
    let greeted = greet(transport, hello, endpoint, &timeouts).await?;
    begin(greeted, endpoint, credentials, timeouts).await
}

/// Nothing is sent where the secret cannot be.
fn can_be_sent(credentials: Credentials<'_>) -> Result<(), SmtpError> {
    if credentials.hold_nul() { Err(SmtpError::Credentials) } else { Ok(()) }
}

/// The first step of [`connect`]: TLS as `endpoint` demands, with what comes before STARTTLS.
///
/// # Errors
/// TLS failed, or the server would not begin it.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn secure<S: Io>(
    mut stream: S,
    hello: &str,
    endpoint: &Endpoint,
    tls: &TlsClient,
    timeouts: &Timeouts,
) -> Result<Transport<S>, SmtpError> {
    if endpoint.security == Security::Starttls {
        start_tls(&mut stream, hello, timeouts).await?;
    }
    tls.secure(stream, endpoint, timeouts.tls).await.map_err(|error| match error {
        NetError::Tls { fault: TlsFault::NotSpoken, .. } if endpoint.security == Security::Starttls => {
            SmtpError::Security("cleartext after the reply to STARTTLS")
        }
        other => other.into(),
    })
}

/// A server that both sides have said hello with, before any log-in.
pub struct Greeted<S: Io> {
    wire: Wire<Transport<S>>,
    offered: Capabilities,
    secure: bool,
}

/// The second step of [`connect`]: greeting and EHLO. After STARTTLS there is no second greeting, and
/// nothing that was offered before is believed.
///
/// # Errors
/// The server turned us away, broke the protocol, or was silent.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn greet<S: Io>(
    transport: Transport<S>,
    hello: &str,
    endpoint: &Endpoint,
    timeouts: &Timeouts,
) -> Result<Greeted<S>, SmtpError> {
    let secure = transport.is_secure();
    let mut wire = Wire::over(transport);
    if endpoint.security != Security::Starttls {
        greeting(&mut wire, timeouts).await?;
    }
    let offered = say_hello(&mut wire, hello, endpoint.auth == AuthMethod::None, timeouts).await?;
    Ok(Greeted { wire, offered, secure })
}

/// The last step of [`connect`]: AUTH, where `endpoint` demands it.
///
/// # Errors
/// The server refused the log-in, broke the protocol, or was silent.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn begin<S: Io>(
    Greeted { mut wire, offered, secure }: Greeted<S>,
    endpoint: &Endpoint,
    credentials: Credentials<'_>,
    timeouts: Timeouts,
) -> Result<Session<S>, SmtpError> {
    can_be_sent(credentials)?;
    log_in(&mut wire, endpoint.auth, &offered, secure, credentials, &timeouts).await?;
    Ok(Session::new(wire, timeouts, offered))
}

async fn greeting<T: Io>(wire: &mut Wire<T>, timeouts: &Timeouts) -> Result<(), SmtpError> {
    let said = |error| match &error {
        SmtpError::Protocol { what, .. } => Spoken::Smtp.wrong_port(what.as_bytes()).map_or(error, SmtpError::Net),
        _ => error,
    };
    let reply = wire.reply(Stage::Greeting, timeouts.greeting).await.map_err(said)?.into();
    accepted(Stage::Greeting, reply).map(drop)
}

/// EHLO. Only who wants nothing of a server but that it takes mail falls back to HELO.
async fn say_hello<T: Io>(
    wire: &mut Wire<T>,
    hello: &str,
    helo_will_do: bool,
    timeouts: &Timeouts,
) -> Result<Capabilities, SmtpError> {
    let command = format!("EHLO {hello}\r\n");
    wire.send(Stage::Hello, command.as_bytes(), timeouts.command).await?;
    let raw = wire.reply(Stage::Hello, timeouts.command).await?;
    let offered = Capabilities::parse(&raw);
    let reply = SmtpReply::from(raw);
    if reply.is_permanent() && helo_will_do {
        let reply = wire.command(Stage::Hello, &format!("HELO {hello}\r\n"), timeouts.command).await?;
        return accepted(Stage::Hello, reply).map(|_| Capabilities::default());
    }
    accepted(Stage::Hello, reply).map(|_| offered)
}

/// Brings a cleartext connection to the point where TLS begins. Whatever an attacker could have
/// put in before ends the connection: it can be neither a reply nor capabilities for later.
async fn start_tls<S: Io>(stream: &mut S, hello: &str, timeouts: &Timeouts) -> Result<(), SmtpError> {
    let mut wire = Wire::over(stream);
    greeting(&mut wire, timeouts).await?;
    if !say_hello(&mut wire, hello, false, timeouts).await?.starttls {
        return Err(SmtpError::Security("STARTTLS is not offered"));
    }
    let reply = wire.command(Stage::StartTls, "STARTTLS\r\n", timeouts.command).await?;
    match reply.code {
        220 if wire.is_drained() => Ok(()),
        220 => Err(SmtpError::Security("data between STARTTLS and TLS")),
        // The server closes, as it may at any time.
        421 => Err(refused(Stage::StartTls, reply)),
        _ => Err(SmtpError::Security("STARTTLS is refused")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hello_says_an_address_literal() {
        for (own, expected) in [
            ("192.0.2.1:25", "[192.0.2.1]"),
            ("[::ffff:192.0.2.1]:25", "[192.0.2.1]"),
            ("[2001:db8::1]:25", "[IPv6:2001:db8::1]"),
        ] {
            assert_eq!(literal(own.parse().unwrap()), expected);
        }
    }
}
