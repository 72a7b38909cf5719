//! From a connected stream to a logged-in session.

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::{
    capabilities::Capabilities,
    error::Pop3Error,
    session::Session,
    wire::{Status, Wire, accepted, bounded},
};
use crate::{
    model::profile::{AuthMethod, Endpoint, Security},
    net::{
        Io,
        credentials::Credentials,
        deadline::Timeouts,
        dial::{PortPolicy, dial},
        error::{NetError, TlsFault},
        spoken::Spoken,
        tls::{TlsClient, Transport},
    },
};

/// Longest command line that every server takes, with its end (RFC 2449 §4).
const COMMAND_LIMIT: usize = 255;
/// Everything that an answer to CAPA may have, in bytes.
const CAPA_LIMIT: u64 = 64 << 10;

/// A session over TCP.
pub type NetSession = Session<TcpStream>;

/// Connects to `endpoint` and logs in.
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
) -> Result<NetSession, Pop3Error> {
    let stream = dial(&endpoint.host, endpoint.port, ports, timeouts.command).await?;
    connect(stream, endpoint, credentials, tls, timeouts).await
}

/// Logs in over a connected stream: TLS as `endpoint` demands, greeting, capabilities, log-in.
///
/// The secret is sent only where the connection is as protected as `endpoint` demands. Where that
/// is not at all, and `endpoint` leaves the method open, APOP hides it from those who only listen,
/// if the server offers that; over TLS there is no use for it.
///
/// # Errors
/// TLS failed; the server turned us away, refused the log-in, broke the protocol, or was silent.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn connect<S: Io>(
    stream: S,
    endpoint: &Endpoint,
    credentials: Credentials<'_>,
    tls: &TlsClient,
    timeouts: Timeouts,
) -> Result<Session<S>, Pop3Error> {
    can_be_sent(credentials)?;
    let transport = secure(stream, endpoint, tls, &timeouts).await?;
    let greeted = greet(transport, endpoint, &timeouts).await?;
    begin(greeted, endpoint, credentials, timeouts).await
}

/// Nothing is sent where the secret cannot be.
fn can_be_sent(credentials: Credentials<'_>) -> Result<(), Pop3Error> {
    let ends_the_line = |text: &&str| text.contains(['\0', '\r', '\n']);
    if [credentials.username, credentials.password].iter().any(ends_the_line) {
        return Err(Pop3Error::Credentials);
    }
    Ok(())
}

/// The first step of [`connect`]: TLS as `endpoint` demands, with what comes before STLS.
///
/// # Errors
/// TLS failed, or the server would not begin it.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn secure<S: Io>(
    mut stream: S,
    endpoint: &Endpoint,
    tls: &TlsClient,
    timeouts: &Timeouts,
) -> Result<Transport<S>, Pop3Error> {
    if endpoint.security == Security::Starttls {
        start_tls(&mut stream, timeouts).await?;
    }
    tls.secure(stream, endpoint, timeouts.tls).await.map_err(|error| match error {
        NetError::Tls { fault: TlsFault::NotSpoken, .. } if endpoint.security == Security::Starttls => {
            Pop3Error::Security("cleartext after the answer to STLS")
        }
        other => other.into(),
    })
}

/// A server that has said hello, before any log-in.
pub struct Greeted<S: Io> {
    wire: Wire<Transport<S>>,
    greeting: String,
    secure: bool,
}

/// The second step of [`connect`]: the greeting. After STLS there is no second one, and nothing of
/// the first is believed.
///
/// # Errors
/// The server turned us away, broke the protocol, or was silent.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn greet<S: Io>(
    transport: Transport<S>,
    endpoint: &Endpoint,
    timeouts: &Timeouts,
) -> Result<Greeted<S>, Pop3Error> {
    let secure = transport.is_secure();
    let mut wire = Wire::over(transport);
    let greeting = match endpoint.security {
        Security::Starttls => String::new(),
        Security::Tls | Security::None => greeting(&mut wire, timeouts).await?,
    };
    Ok(Greeted { wire, greeting, secure })
}

/// The last step of [`connect`]: capabilities and log-in.
///
/// # Errors
/// The server refused the log-in, broke the protocol, or was silent.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn begin<S: Io>(
    Greeted { mut wire, greeting, secure }: Greeted<S>,
    endpoint: &Endpoint,
    credentials: Credentials<'_>,
    timeouts: Timeouts,
) -> Result<Session<S>, Pop3Error> {
    can_be_sent(credentials)?;
    let mut capabilities = ask_capabilities(&mut wire, &timeouts).await?;
    let method = choose(endpoint.auth, capabilities, secure, timestamp(&greeting))?;
    bounded(timeouts.command, method.name(), log_in(&mut wire, method, credentials)).await?;
    if capabilities.per_user {
        capabilities = ask_capabilities(&mut wire, &timeouts).await?;
    }
    Ok(Session::new(wire, timeouts, capabilities))
}

async fn greeting<T: Io>(wire: &mut Wire<T>, timeouts: &Timeouts) -> Result<String, Pop3Error> {
    let greeting = bounded(timeouts.greeting, "greeting", wire.answer("greeting")).await;
    let said = |error| match &error {
        Pop3Error::Protocol(words) => Spoken::Pop3.wrong_port(words.as_bytes()).map_or(error, Pop3Error::Net),
        _ => error,
    };
    greeting.map_err(said)?.map_err(Pop3Error::Greeting)
}

/// The challenge in a greeting that offers APOP (RFC 1939 §7): it has the form of a Message-ID.
fn timestamp(greeting: &str) -> Option<&str> {
    let start = greeting.find('<')?;
    let inside = greeting.get(start..)?.split_inclusive('>').next()?;
    (inside.ends_with('>') && inside.contains('@') && !inside.contains(' ')).then_some(inside)
}

/// Asks for the capabilities; a server that does not know the command has none.
async fn ask_capabilities<T: Io>(wire: &mut Wire<T>, timeouts: &Timeouts) -> Result<Capabilities, Pop3Error> {
    bounded(timeouts.command, "CAPA", async {
        wire.send("CAPA", "CAPA\r\n").await?;
        if wire.answer("CAPA").await?.is_err() {
            return Ok(Capabilities::default());
        }
        let mut found = Capabilities::NONE;
        let note = |line: &[u8]| {
            found.note(&String::from_utf8_lossy(line));
            Ok(())
        };
        wire.rest("CAPA", CAPA_LIMIT, note).await?;
        Ok(found)
    })
    .await
}

/// Brings a cleartext connection to the point where TLS begins. Whatever an attacker could have
/// put in before ends the connection: it can be neither an answer nor capabilities for later.
async fn start_tls<S: Io>(stream: &mut S, timeouts: &Timeouts) -> Result<(), Pop3Error> {
    let mut wire = Wire::over(stream);
    greeting(&mut wire, timeouts).await?;
    match wire.command("STLS", "STLS\r\n", timeouts.command).await {
        Err(Pop3Error::Rejected { .. }) => Err(Pop3Error::Security("STLS is missing or refused")),
        Err(error) => Err(error),
        Ok(_) if !wire.is_drained() => Err(Pop3Error::Security("data between STLS and TLS")),
        Ok(_) => Ok(()),
    }
}

/// How to log in, here and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method<'a> {
    /// AUTH PLAIN (RFC 5034).
    Plain { with_command: bool },
    /// USER and PASS.
    User,
    /// APOP, for this challenge.
    Apop(&'a str),
}

impl Method<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::Plain { .. } => "AUTH",
            Self::User => "PASS",
            Self::Apop(_) => "APOP",
        }
    }
}

fn choose(
    wanted: AuthMethod,
    offered: Capabilities,
    secure: bool,
    timestamp: Option<&str>,
) -> Result<Method<'_>, Pop3Error> {
    // Only a server that lists PLAIN is known to take the response with the command.
    let plain = Method::Plain { with_command: offered.plain };
    match (wanted, timestamp) {
        (AuthMethod::Auto, Some(timestamp)) if !secure => return Ok(Method::Apop(timestamp)),
        // Offering neither without TLS is how servers say "not without TLS".
        _ if offered.known && !offered.user && !offered.plain && !secure => return Err(Pop3Error::LoginDisabled),
        _ => {}
    }
    Ok(match wanted {
        AuthMethod::Plain => plain,
        // There is no reading without a log-in; the configuration refuses `none` here.
        AuthMethod::Auto | AuthMethod::None if offered.plain => plain,
        AuthMethod::Auto | AuthMethod::Login | AuthMethod::None => Method::User,
    })
}

async fn log_in<T: Io>(wire: &mut Wire<T>, method: Method<'_>, credentials: Credentials<'_>) -> Result<(), Pop3Error> {
    let Credentials { username, password } = credentials;
    match method {
        Method::Plain { with_command } => return log_in_plain(wire, credentials, with_command).await,
        Method::User => {
            wire.send("USER", &format!("USER {username}\r\n")).await?;
            accepted("USER", wire.answer("USER").await?)?;
            let command = Zeroizing::new(format!("PASS {password}\r\n"));
            wire.send("PASS", &command).await?;
        }
        Method::Apop(timestamp) => {
            wire.send("APOP", &format!("APOP {username} {}\r\n", digest(timestamp, password))).await?;
        }
    }
    accepted(method.name(), wire.answer(method.name()).await?).map(drop)
}

async fn log_in_plain<T: Io>(
    wire: &mut Wire<T>,
    Credentials { username, password }: Credentials<'_>,
    with_command: bool,
) -> Result<(), Pop3Error> {
    let message = Zeroizing::new(format!("\0{username}\0{password}"));
    let response = Zeroizing::new(format!("{}\r\n", *Zeroizing::new(STANDARD.encode(message.as_bytes()))));
    let at_once = Zeroizing::new(format!("AUTH PLAIN {}", *response));
    let mut response = Some(response);
    if with_command && at_once.len() <= COMMAND_LIMIT {
        response = None;
        wire.send("AUTH", &at_once).await?;
    } else {
        wire.send("AUTH", "AUTH PLAIN\r\n").await?;
    }
    loop {
        match wire.status("AUTH").await? {
            Status::Ok(_) => return Ok(()),
            Status::Err(reply) => return Err(Pop3Error::Rejected { reply, command: "AUTH" }),
            // With nothing left to say, a further request is cancelled (RFC 5034 §4).
            Status::Continue => match response.take() {
                Some(line) => wire.send("AUTH", &line).await?,
                None => wire.send("AUTH", "*\r\n").await?,
            },
        }
    }
}

/// What proves to know `password` (RFC 1939 §7). MD5 is broken for many uses; here it stands between
/// the password and no protection at all.
fn digest(timestamp: &str, password: &str) -> String {
    let hash = Md5::new().chain_update(timestamp).chain_update(password).finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apop_as_in_the_standard() {
        let timestamp = timestamp("POP3 server ready <1896.697170952@dbc.mtview.ca.us>").unwrap();
        assert_eq!(digest(timestamp, "tanstaaf"), "c4c9334bac560ecc979e58001b3e22fb");
        for greeting in ["ready", "ready <", "ready <no.at>", "ready <1 2@x>", "<1@x"] {
            assert_eq!(super::timestamp(greeting), None);
        }
    }

    #[test]
    fn the_secret_is_shown_only_where_it_must_be() {
        let offers = |user, plain| Capabilities { user, plain, ..Capabilities::NONE };
        let unknown = Capabilities::default();
        let (auto, login) = (AuthMethod::Auto, AuthMethod::Login);
        let plain = |with_command| Method::Plain { with_command };
        let choose = |wanted, offered, secure| choose(wanted, offered, secure, Some("<1@x>"));
        assert_eq!(choose(auto, offers(true, true), false).unwrap(), Method::Apop("<1@x>"));
        assert_eq!(choose(auto, offers(true, true), true).unwrap(), plain(true));
        assert_eq!(choose(auto, offers(true, false), true).unwrap(), Method::User);
        assert_eq!(choose(auto, unknown, true).unwrap(), Method::User);
        assert_eq!(choose(auto, offers(false, false), true).unwrap(), Method::User);
        assert_eq!(choose(login, unknown, false).unwrap(), Method::User);
        assert_eq!(choose(AuthMethod::Plain, unknown, true).unwrap(), plain(false));
        for wanted in [login, AuthMethod::Plain] {
            assert!(matches!(choose(wanted, offers(false, false), false), Err(Pop3Error::LoginDisabled)));
        }
        assert!(matches!(super::choose(auto, offers(false, false), false, None), Err(Pop3Error::LoginDisabled)));
    }
}
