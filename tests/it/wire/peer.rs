//! What both ends of a wire test are made of.

use std::{sync::OnceLock, time::Duration};

use mailsyncd::{
    imap::{
        Idle,
        connect::{Credentials, Timeouts, connect},
        error::ImapError,
        session::Session,
    },
    model::{
        cursor::ListedMessage,
        profile::{AuthMethod, Endpoint, Security},
        uid::{Uid, UidSet},
    },
    net::{guard::Pace, tls::TlsClient},
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

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
    connect(stream, endpoint, Credentials { username: "u", password: "p" }, system_trust(), timeouts()).await
}

/// A TLS client that trusts the system's authorities. Loading them each time would take most of the
/// tests' time.
pub fn system_trust() -> &'static TlsClient {
    static TLS: OnceLock<TlsClient> = OnceLock::new();
    TLS.get_or_init(|| TlsClient::new(&[]).unwrap())
}

/// How far a conversation goes before something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before the greeting.
    Greeting,
    /// At the log-in.
    LogIn,
    /// At STATUS.
    Status,
    /// At EXAMINE.
    Examine,
    /// At the listing.
    List,
    /// At the fetch of message 1.
    Fetch,
    /// At IDLE.
    Idle,
    /// While idling.
    Wait,
    /// At LOGOUT.
    Logout,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Greeting,
        Self::LogIn,
        Self::Status,
        Self::Examine,
        Self::List,
        Self::Fetch,
        Self::Idle,
        Self::Wait,
        Self::Logout,
    ];
}

/// What a server does.
pub enum Step {
    /// Reads a line.
    Hear,
    /// Writes.
    Say(Vec<u8>),
    /// Writes the same again and again.
    Drone(Vec<u8>),
    /// Writes the same again and again, after a pause each time.
    Drip(Vec<u8>, Duration),
    /// Keeps the connection open and does nothing.
    Wait,
    /// Keeps the connection open for so long, and does not even read.
    Sleep(Duration),
    /// Closes.
    Close,
}

/// A server that says `text`.
pub fn say(text: &str) -> Step {
    Step::Say(text.as_bytes().to_vec())
}

/// An honest server up to the end of the log-in.
pub fn after_log_in() -> Vec<Step> {
    vec![say("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN IDLE] hi\r\n"), Step::Hear, say("A0002 OK in\r\n")]
}

/// An honest server up to the moment before the client's command at `stage`.
pub fn honest_until(stage: Stage) -> Vec<Step> {
    let mut steps = after_log_in();
    match stage {
        Stage::Greeting => return Vec::new(),
        Stage::LogIn => steps.truncate(1),
        Stage::Status | Stage::Examine | Stage::Logout => {}
        Stage::List | Stage::Fetch | Stage::Idle | Stage::Wait => {
            let opened = say("* 1 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 2] x\r\nA0003 OK opened\r\n");
            steps.extend([Step::Hear, opened]);
        }
    }
    if stage == Stage::Wait {
        // What the client does before it says anything more.
        steps.extend([Step::Hear, say("+ idling\r\n")]);
        // `Stage::Wait` has no command of its own: the line heard next is never sent.
    }
    steps
}

/// Plays `steps` against a client that goes up to `stage`; gives its result, and how many bytes it
/// held at the end.
pub async fn converse(stage: Stage, steps: Vec<Step>) -> (Result<(), ImapError>, usize) {
    let (client, server) = tokio::io::duplex(1 << 16);
    let (outcome, ()) = tokio::join!(go_to(stage, client), play(server, stage, steps));
    outcome
}

async fn go_to(stage: Stage, stream: DuplexStream) -> (Result<(), ImapError>, usize) {
    let endpoint = endpoint("imap.example.org", Security::None, AuthMethod::Auto);
    let mut session = match log_in(stream, &endpoint).await {
        Ok(session) => session,
        Err(error) => return (Err(error), 0),
    };
    if stage == Stage::Logout {
        return (session.logout().await, 0);
    }
    let result = call(&mut session, stage).await;
    let held = session.buffered();
    (result, held)
}

async fn call(session: &mut Session<DuplexStream>, stage: Stage) -> Result<(), ImapError> {
    if stage == Stage::Status {
        return session.status().await.map(drop);
    }
    session.examine().await?;
    match stage {
        Stage::List => session.list(&UidSet::range(1, 9)).await.map(drop),
        Stage::Fetch => {
            let uid = Uid::new(1).unwrap();
            session.request(&[ListedMessage { uid, size: 100, internal_date: None, uidl: None }]).await?;
            session.receive().await.map(drop)
        }
        Stage::Idle => session.idle().await,
        Stage::Wait => {
            session.idle().await?;
            match session.wait(Duration::from_secs(61)).await? {
                Idle::Changed => Ok(()),
                // For the tests of silence: a wait that ends is what they ask for.
                Idle::TimedOut => Err(ImapError::Timeout { during: "IDLE" }),
            }
        }
        _ => Ok(()),
    }
}

/// The server's side of [`converse`].
pub async fn play(stream: DuplexStream, stage: Stage, steps: Vec<Step>) {
    let mut stream = BufReader::new(stream);
    let last_heard = steps.iter().rposition(|step| matches!(step, Step::Hear));
    for (index, step) in steps.into_iter().enumerate() {
        let written = match step {
            Step::Hear if stage == Stage::Wait && Some(index) == last_heard => Ok(()),
            Step::Hear => stream.read_until(b'\n', &mut Vec::new()).await.map(drop),
            Step::Say(bytes) => stream.write_all(&bytes).await,
            Step::Drone(bytes) => loop {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            },
            Step::Drip(bytes, pause) => loop {
                tokio::time::sleep(pause).await;
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            },
            Step::Wait => stream.read_to_end(&mut Vec::new()).await.map(drop),
            Step::Sleep(pause) => {
                tokio::time::sleep(pause).await;
                Ok(())
            }
            Step::Close => return,
        };
        if written.is_err() {
            return;
        }
    }
    // Stays until the client leaves; what it still says does not matter.
    let _ = stream.read_to_end(&mut Vec::new()).await;
}
