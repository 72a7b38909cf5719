//! The transcripts of conversations over SMTP, and what goes over the wire in which pieces.
//!
//! Calls: `login [auth=…] [user=…] [password=…]`, `begin FROM TO,TO… [size=N] [8bit] [utf8]`,
//! `body TEXT` (`\n` is CRLF, `\r` and `\l` are a CR and an LF alone), `finish`, `usable`, `quit`.

mod hostile;
mod secure;

use std::{
    io,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
    time::Duration,
};

use mailsyncd::{
    model::profile::{AuthMethod, Endpoint, Security},
    net::Io,
    smtp::{
        Envelope,
        connect::{Credentials, Timeouts, connect},
        error::SmtpError,
        session::{Begun, Session},
    },
};
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, DuplexStream, ReadBuf,
};

use super::{
    peer::system_trust,
    script::{Protocol, play_all},
};

/// What we call ourselves.
pub const HELLO: &str = "[192.0.2.1]";

/// An endpoint on `localhost`.
pub fn endpoint(security: Security, auth: AuthMethod) -> Endpoint {
    Endpoint { host: "localhost".to_owned(), port: 587, security, auth }
}

/// Those of a profile with the longest `connection_timeout`.
pub fn timeouts() -> Timeouts {
    Timeouts::new(Duration::from_secs(100))
}

/// Logs in over cleartext as `u` with password `p`.
pub async fn log_in<S: Io>(stream: S, auth: AuthMethod) -> Result<Session<S>, SmtpError> {
    log_in_as(stream, auth, Credentials { username: "u", password: "p" }).await
}

async fn log_in_as<S: Io>(stream: S, auth: AuthMethod, who: Credentials<'_>) -> Result<Session<S>, SmtpError> {
    connect(stream, HELLO, &endpoint(Security::None, auth), who, system_trust(), timeouts()).await
}

/// From `a@x.example`, 100 bytes.
pub fn envelope<'a>(rcpt_to: &'a [&'a str]) -> Envelope<'a> {
    Envelope { mail_from: "a@x.example", rcpt_to, size: 100, body_8bit: false, utf8: false }
}

#[tokio::test(start_paused = true)]
async fn every_transcript_plays() {
    play_all(Protocol::Smtp, call_all).await;
}

async fn call_all(stream: DuplexStream, calls: &[&str]) -> Vec<String> {
    let mut stream = Some(stream);
    let mut session = None;
    let mut results = Vec::new();
    for line in calls {
        let (call, rest) = line.split_once(' ').unwrap_or((line, ""));
        let result = match call {
            "login" => log_in_with(stream.take().unwrap(), rest).await.map(|new| {
                session = Some(new);
                "ok".to_owned()
            }),
            "quit" => session.take().unwrap().quit().await.map(|()| "ok".to_owned()),
            _ => call_one(session.as_mut().unwrap(), call, rest).await,
        };
        results.push(result.unwrap_or_else(|error| format!("error: {error}")));
    }
    results
}

async fn log_in_with(stream: DuplexStream, options: &str) -> Result<Session<DuplexStream>, SmtpError> {
    let mut auth = AuthMethod::Auto;
    let (mut username, mut password) = ("u".to_owned(), "p".to_owned());
    for option in options.split_terminator(' ') {
        match option.split_once('=').unwrap() {
            ("auth", "plain") => auth = AuthMethod::Plain,
            ("auth", "login") => auth = AuthMethod::Login,
            ("auth", "none") => auth = AuthMethod::None,
            ("user", name) => username = name.to_owned(),
            // A letter and how often.
            ("password", text) => password = text[..1].repeat(text[1..].parse().unwrap()),
            other => panic!("unknown option {other:?}"),
        }
    }
    log_in_as(stream, auth, Credentials { username: &username, password: &password }).await
}

async fn call_one(session: &mut Session<DuplexStream>, call: &str, rest: &str) -> Result<String, SmtpError> {
    let done = |()| "ok".to_owned();
    Ok(match call {
        "begin" => {
            let mut words = rest.split(' ');
            let mail_from = words.next().unwrap();
            let rcpt_to: Vec<&str> = words.next().unwrap().split(',').collect();
            let mut envelope = Envelope { mail_from, ..envelope(&rcpt_to) };
            for word in words {
                match word.split_once('=').unwrap_or((word, "")) {
                    ("size", size) => envelope.size = size.parse().unwrap(),
                    ("8bit", _) => envelope.body_8bit = true,
                    ("utf8", _) => envelope.utf8 = true,
                    other => panic!("unknown option {other:?}"),
                }
            }
            shown(&session.begin(&envelope).await?)
        }
        "body" => {
            let text = rest.replace("\\n", "\r\n").replace("\\r", "\r").replace("\\l", "\n");
            session.body(text.as_bytes()).await.map(done)?
        }
        "finish" => session.finish().await?.to_string(),
        "usable" => session.is_usable().to_string(),
        other => panic!("unknown call {other}"),
    })
}

fn shown(begun: &Begun) -> String {
    let mut text = match (&begun.refusal, begun.ready) {
        (Some(reply), false) => format!("refused {reply}"),
        (None, false) => "nobody".to_owned(),
        (None, true) => "ready".to_owned(),
        (Some(_), true) => panic!("{begun:?}"),
    };
    for recipient in &begun.recipients {
        match recipient {
            Ok(reply) => text.push_str(&format!("; + {reply}")),
            Err(reply) => text.push_str(&format!("; - {reply}")),
        }
    }
    text
}

/// A stream that counts how often something is written.
struct Counted {
    inner: DuplexStream,
    writes: &'static AtomicUsize,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.inner).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_mail_takes_three_writes() {
    static WRITES: AtomicUsize = AtomicUsize::new(0);
    let (client, server) = tokio::io::duplex(1 << 16);
    let message = "a line that is about as long as lines in mails are, with a dot. Yes.\r\n.\r\n".repeat(150);
    let serve = async {
        let mut stream = BufReader::new(server);
        let answers = ["220 hi", "250-x\r\n250-PIPELINING\r\n250 AUTH PLAIN", "235 in"];
        for answer in answers {
            stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
            if answer != "235 in" {
                stream.read_line(&mut String::new()).await.unwrap();
            }
        }
        for expected in ["MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>", "RCPT TO:<c@y.example>", "DATA"] {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            assert_eq!(line.trim_end(), expected);
        }
        stream.write_all(b"250 a\r\n250 b\r\n250 c\r\n354 go\r\n").await.unwrap();
        let mut got = String::new();
        while !got.ends_with("\r\n.\r\n") {
            stream.read_line(&mut got).await.unwrap();
        }
        stream.write_all(b"250 taken\r\n").await.unwrap();
        assert_eq!(got.strip_suffix(".\r\n").unwrap(), message.replace("\n.", "\n.."));
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    };
    let send = async {
        let mut session = log_in(Counted { inner: client, writes: &WRITES }, AuthMethod::Auto).await.unwrap();
        let writes = || WRITES.swap(0, Ordering::Relaxed);
        assert_eq!(writes(), 2, "EHLO, AUTH");
        assert!(session.begin(&envelope(&["b@y.example", "c@y.example"])).await.unwrap().ready);
        assert_eq!(writes(), 1, "MAIL, RCPT, RCPT, DATA");
        session.body(message.as_bytes()).await.unwrap();
        assert_eq!(writes(), 1, "{} bytes", message.len());
        assert_eq!(session.finish().await.unwrap().code, 250);
        assert_eq!(writes(), 1, "the dot");
    };
    tokio::join!(serve, send);
}

#[tokio::test]
async fn nothing_is_written_of_what_cannot_be_sent() {
    let (client, server) = tokio::io::duplex(1 << 16);
    let serve = async {
        let mut stream = BufReader::new(server);
        stream.write_all(b"220 hi\r\n").await.unwrap();
        stream.read_line(&mut String::new()).await.unwrap();
        stream.write_all(b"250-x\r\n250-SIZE 100\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n").await.unwrap();
        stream.read_line(&mut String::new()).await.unwrap();
        stream.write_all(b"235 in\r\n").await.unwrap();
        let mut rest = String::new();
        stream.read_line(&mut rest).await.unwrap();
        stream.write_all(b"221 bye\r\n").await.unwrap();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "QUIT\r\n");
    };
    let send = async {
        let mut session = log_in(client, AuthMethod::Auto).await.unwrap();
        for (from, to) in [
            ("a@x.example", "b@y.example\r\nDATA"),
            ("a@x.example>\r\nRSET", "b@y.example"),
            ("a@x.example", "b@y.example> NOTIFY=NEVER"),
            ("a@x.example\n", "b@y.example"),
            ("a@x.example", "b"),
            ("", "b@y.example"),
        ] {
            let error = session.begin(&Envelope { mail_from: from, ..envelope(&[to]) }).await.unwrap_err();
            assert!(matches!(error, SmtpError::Address(_)), "{error}");
            assert!(!error.to_string().contains(['\r', '\n']), "{error}");
        }
        let of = async |session: &mut Session<DuplexStream>, envelope: Envelope<'_>| {
            session.begin(&envelope).await.unwrap_err()
        };
        let to = ["b@y.example"];
        assert!(matches!(of(&mut session, envelope(&[])).await, SmtpError::NoRecipients));
        let large = Envelope { size: 101, ..envelope(&to) };
        assert!(matches!(of(&mut session, large).await, SmtpError::TooLarge { size: 101, limit: 100 }));
        let utf8 = Envelope { utf8: true, ..envelope(&to) };
        assert!(matches!(of(&mut session, utf8).await, SmtpError::NoUtf8));
        // Out of turn, the message would be taken for commands.
        assert!(matches!(session.body(b"RCPT TO:<c@y.example>\r\n").await, Err(SmtpError::NotReady)));
        assert!(matches!(session.finish().await, Err(SmtpError::NotReady)));
        assert!(session.is_usable());
        session.quit().await.unwrap();
    };
    tokio::join!(serve, send);
}

#[tokio::test]
async fn a_nul_in_a_password_is_told_before_anything_is_sent() {
    let (client, mut server) = tokio::io::duplex(1 << 16);
    let result = log_in_as(client, AuthMethod::Auto, Credentials { username: "u", password: "p\0q" }).await;
    assert!(matches!(result, Err(SmtpError::Credentials)));
    let mut heard = Vec::new();
    server.read_to_end(&mut heard).await.unwrap();
    assert!(heard.is_empty());
}
