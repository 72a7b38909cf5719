//! From a connected stream to a logged-in session.

use async_imap::imap_proto::Status;
use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::{
    error::ImapError,
    event::{Capabilities, Condition, Event, Note},
    quirks,
    session::Session,
    wire::{Wire, bounded, stray_tag},
};
pub use crate::net::credentials::Credentials;
pub use crate::net::deadline::Timeouts;
use crate::{
    model::profile::{AuthMethod, Endpoint, Security},
    net::{
        Io,
        dial::{PortPolicy, dial},
        error::{NetError, TlsFault},
        guard::Allowance,
        spoken::Spoken,
        tls::{TlsClient, Transport},
    },
};

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
) -> Result<NetSession, ImapError> {
    let stream = dial(&endpoint.host, endpoint.port, ports, timeouts.command).await?;
    connect(stream, endpoint, credentials, tls, timeouts).await
}

/// Logs in over a connected stream: TLS as `endpoint` demands, greeting, capabilities, log-in. Of
/// some servers the log-in's answer comes with the first command's: see [`Session::logged_in`].
///
/// The secret is sent only where the connection is as protected as `endpoint` demands, and never
/// where the server forbids it (LOGINDISABLED).
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
) -> Result<Session<S>, ImapError> {
    can_be_sent(credentials)?;
    let transport = secure(stream, endpoint, tls, &timeouts).await?;
    let greeted = greet(transport, endpoint, &timeouts).await?;
    begin(greeted, endpoint, credentials, timeouts).await
}

/// Nothing is sent where the secret cannot be.
fn can_be_sent(credentials: Credentials<'_>) -> Result<(), ImapError> {
    if credentials.hold_nul() { Err(ImapError::Credentials) } else { Ok(()) }
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
    endpoint: &Endpoint,
    tls: &TlsClient,
    timeouts: &Timeouts,
) -> Result<Transport<S>, ImapError> {
    if endpoint.security == Security::Starttls {
        start_tls(&mut stream, timeouts).await?;
    }
    tls.secure(stream, endpoint, timeouts.tls).await.map_err(|error| match error {
        NetError::Tls { fault: TlsFault::NotSpoken, .. } if endpoint.security == Security::Starttls => {
            ImapError::Security("cleartext after the answer to STARTTLS")
        }
        other => other.into(),
    })
}

/// A server that has said hello, before any log-in.
pub struct Greeted<S: Io> {
    wire: Wire<Transport<S>>,
    greeting: Greeting,
    secure: bool,
}

/// The second step of [`connect`]: the greeting. After STARTTLS there is no second one, and nothing of
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
) -> Result<Greeted<S>, ImapError> {
    let secure = transport.is_secure();
    let mut wire = Wire::over(transport).await?;
    let greeting = match endpoint.security {
        Security::Starttls => Greeting::default(),
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
) -> Result<Session<S>, ImapError> {
    can_be_sent(credentials)?;
    match greeting {
        Greeting { logged_in: true, capabilities, .. } => wire.capabilities = capabilities,
        Greeting { capabilities, reads_on, .. } => {
            let offered = match capabilities {
                Some(capabilities) => capabilities,
                None => ask_capabilities(&mut wire, "CAPABILITY", &timeouts).await?,
            };
            let method = choose(endpoint.auth, offered, secure)?;
            bounded(timeouts.command, method.name(), log_in(&mut wire, method, credentials, reads_on)).await?;
        }
    }
    if quirks::wants_introduction(&endpoint.host) {
        let introduction = concat!("ID (\"name\" \"mailsyncd\" \"version\" \"", env!("CARGO_PKG_VERSION"), "\")");
        match wire.command("ID", introduction, timeouts.command, |_| Ok(())).await {
            // Not worth the connection: if it mattered, EXAMINE says so.
            Ok(_) | Err(ImapError::Rejected { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Session::new(wire, timeouts))
}

#[derive(Default)]
struct Greeting {
    logged_in: bool,
    capabilities: Option<Capabilities>,
    /// Commands may be sent behind the log-in.
    reads_on: bool,
}

async fn greeting<T: Io>(wire: &mut Wire<T>, timeouts: &Timeouts) -> Result<Greeting, ImapError> {
    wire.guard().allow(Allowance::SMALL);
    let event = bounded(timeouts.greeting, "greeting", wire.event("greeting")).await;
    let Condition { status, reply, note } = match event {
        Ok(Event::Status(condition)) => condition,
        other => {
            let wrong_port = Spoken::Imap.wrong_port(wire.guard().opening()).map(ImapError::Net);
            let strange = || ImapError::Protocol("something else than a greeting".to_owned());
            return Err(wrong_port.or(other.err()).unwrap_or_else(strange));
        }
    };
    let (capabilities, reads_on) = (noted(note), quirks::reads_on_behind_log_in(&reply));
    match status {
        Status::Ok => Ok(Greeting { logged_in: false, capabilities, reads_on }),
        Status::PreAuth => Ok(Greeting { logged_in: true, capabilities, reads_on }),
        Status::No | Status::Bad | Status::Bye => Err(ImapError::Greeting(reply)),
    }
}

fn noted(note: Note) -> Option<Capabilities> {
    match note {
        Note::Capabilities(capabilities) => Some(capabilities),
        _ => None,
    }
}

/// Asks for the capabilities; `name` is what to call the command where it fails.
pub(super) async fn ask_capabilities<T: Io>(
    wire: &mut Wire<T>,
    name: &'static str,
    timeouts: &Timeouts,
) -> Result<Capabilities, ImapError> {
    let mut found = None;
    let listen = |event| {
        if let Event::Capabilities(capabilities) = event {
            found = Some(capabilities);
        }
        Ok(())
    };
    let done = wire.command(name, "CAPABILITY", timeouts.command, listen).await?;
    Ok(found.or(noted(done.note)).unwrap_or_default())
}

/// Brings a cleartext connection to the point where TLS begins. Whatever an attacker could have
/// put in before ends the connection: it can be neither data nor capabilities for later.
async fn start_tls<S: Io>(stream: &mut S, timeouts: &Timeouts) -> Result<(), ImapError> {
    let mut wire = Wire::over(stream).await?;
    if greeting(&mut wire, timeouts).await?.logged_in {
        return Err(ImapError::Security("the server says that nobody needs to log in (PREAUTH) before TLS"));
    }
    let only_status = |event| match event {
        Event::Status(_) | Event::Capabilities(_) => Ok(()),
        _ => Err(ImapError::Security("data before TLS")),
    };
    match wire.command("STARTTLS", "STARTTLS", timeouts.command, only_status).await {
        Err(ImapError::Rejected { .. }) => Err(ImapError::Security("STARTTLS is missing or refused")),
        Err(error) => Err(error),
        // The guard hands up one response at a time, so anything more is still in it.
        Ok(_) if !wire.guard().is_drained() => Err(ImapError::Security("data between STARTTLS and TLS")),
        Ok(_) => Ok(()),
    }
}

/// How to log in, here and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Plain { with_command: bool },
    Login,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Plain { .. } => "AUTHENTICATE",
            Self::Login => "LOGIN",
        }
    }
}

fn choose(wanted: AuthMethod, offered: Capabilities, secure: bool) -> Result<Method, ImapError> {
    let plain = match wanted {
        AuthMethod::Plain => true,
        AuthMethod::Login => false,
        // There is no reading without a log-in; the configuration refuses `none` here.
        AuthMethod::Auto | AuthMethod::None => offered.plain,
    };
    // Without TLS, LOGINDISABLED means "not without TLS", whatever else is offered.
    if offered.login_disabled && (!plain || !secure) {
        return Err(ImapError::LoginDisabled);
    }
    Ok(if plain { Method::Plain { with_command: offered.sasl_ir } } else { Method::Login })
}

/// Logs in. Where the server reads on, and has nothing to ask, its answer is left for whoever gives
/// the next command: that saves a round trip.
async fn log_in<T: Io>(
    wire: &mut Wire<T>,
    method: Method,
    credentials: Credentials<'_>,
    reads_on: bool,
) -> Result<(), ImapError> {
    wire.guard().allow(Allowance::SMALL);
    let name = method.name();
    // What is sent at once, and what after each continuation request.
    let mut lines = match method {
        Method::Plain { with_command } => plain_lines(credentials, with_command),
        Method::Login => login_lines(credentials),
    }
    .into_iter();
    let first = lines.next().unwrap_or_default();
    let tag = wire.send(name, &first).await?;
    if reads_on && lines.len() == 0 {
        wire.goes_on_behind(name, tag);
        return Ok(());
    }
    loop {
        match wire.next(name).await? {
            // With nothing left to say, a further request is cancelled (RFC 9051 §6.2.2).
            Event::Continue => match lines.next() {
                Some(line) => wire.send_line(name, &line).await?,
                None => wire.send_line(name, "*").await?,
            },
            Event::Capabilities(found) => wire.capabilities = Some(found),
            Event::Done(of, condition) if of == tag => return wire.accept_log_in(name, condition),
            Event::Done(..) => return Err(stray_tag()),
            _ => {}
        }
    }
}

fn plain_lines(Credentials { username, password }: Credentials<'_>, with_command: bool) -> Vec<Zeroizing<String>> {
    let message = Zeroizing::new(format!("\0{username}\0{password}"));
    let encoded = Zeroizing::new(STANDARD.encode(message.as_bytes()));
    if with_command {
        vec![Zeroizing::new(format!("AUTHENTICATE PLAIN {}", *encoded))]
    } else {
        vec![Zeroizing::new("AUTHENTICATE PLAIN".to_owned()), encoded]
    }
}

/// LOGIN with quoted strings; with literals, each on a line of its own, where quotes cannot carry it.
fn login_lines(credentials: Credentials<'_>) -> Vec<Zeroizing<String>> {
    let mut lines = vec![Zeroizing::new("LOGIN".to_owned())];
    for text in [credentials.username, credentials.password] {
        let quotable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let Some(line) = lines.last_mut() else { continue };
        if quotable {
            let escaped = Zeroizing::new(text.replace('\\', "\\\\").replace('"', "\\\""));
            *line = Zeroizing::new(format!("{} \"{}\"", **line, *escaped));
        } else {
            *line = Zeroizing::new(format!("{} {{{}}}", **line, text.len()));
            lines.push(Zeroizing::new(text.to_owned()));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(username: &str, password: &str) -> Vec<String> {
        login_lines(Credentials { username, password }).iter().map(|line| line.to_string()).collect()
    }

    #[test]
    fn login_quotes_what_it_can_and_counts_the_rest() {
        assert_eq!(lines("a", "p\"w\\d"), [r#"LOGIN "a" "p\"w\\d""#]);
        assert_eq!(lines("a", "pä"), [r#"LOGIN "a" {3}"#, "pä"]);
        assert_eq!(lines("ä", "p"), ["LOGIN {2}", r#"ä "p""#]);
        assert_eq!(lines("ä", "a\r\nb"), ["LOGIN {2}", "ä {4}", "a\r\nb"]);
        assert_eq!(lines("", ""), [r#"LOGIN "" """#]);
    }

    #[test]
    fn the_secret_stays_here_where_the_server_forbids_it() {
        let offered = |plain, login_disabled| Capabilities { plain, login_disabled, ..Capabilities::default() };
        let plain = Method::Plain { with_command: false };
        assert!(matches!(choose(AuthMethod::Auto, offered(true, true), false), Err(ImapError::LoginDisabled)));
        assert!(matches!(choose(AuthMethod::Login, offered(true, true), true), Err(ImapError::LoginDisabled)));
        assert_eq!(choose(AuthMethod::Auto, offered(true, true), true).unwrap(), plain);
        assert_eq!(choose(AuthMethod::Auto, offered(false, false), true).unwrap(), Method::Login);
        assert_eq!(choose(AuthMethod::Plain, offered(false, false), true).unwrap(), plain);
    }
}
