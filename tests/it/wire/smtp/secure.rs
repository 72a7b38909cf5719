//! STARTTLS over SMTP, and attackers that slip something in before.

use std::time::Duration;

use mailsyncd::{
    model::profile::{AuthMethod, Security},
    net::{error::NetError, tls::TlsClient},
    smtp::{
        connect::{Credentials, connect},
        error::{SmtpError, Stage},
        session::Session,
    },
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

use super::{
    super::{
        peer::system_trust,
        secure::{acceptor, files},
    },
    HELLO, endpoint, envelope, timeouts,
};
use crate::support::certificates::Certificate;

async fn log_in(tls: &TlsClient, security: Security, stream: DuplexStream) -> Result<Session<DuplexStream>, SmtpError> {
    let credentials = Credentials { username: "u", password: "canary-secret" };
    connect(stream, HELLO, &endpoint(security, AuthMethod::Auto), credentials, tls, timeouts()).await
}

/// Hears a line for each answer and gives it; returns what was heard.
async fn answer<S: AsyncBufReadExt + AsyncWriteExt + Unpin>(stream: &mut S, answers: &[&str]) -> Vec<String> {
    let mut heard = Vec::new();
    for answer in answers {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        heard.push(line.trim_end().to_owned());
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
    heard
}

const AUTH: &str = "AUTH PLAIN AHUAY2FuYXJ5LXNlY3JldA==";

#[tokio::test]
async fn starttls_protects_everything_that_matters_and_believes_nothing_from_before() {
    let (_dir, files) = files(Certificate::Good);
    let tls = TlsClient::new(std::slice::from_ref(&files.authority)).unwrap();
    let (client, server) = tokio::io::duplex(1 << 16);
    let serve = async {
        let mut plain = BufReader::new(server);
        plain.write_all(b"220 hi\r\n").await.unwrap();
        // What is offered in clear text would make the client send commands in advance.
        let hello = "250-x\r\n250-PIPELINING\r\n250-SIZE 5\r\n250-AUTH LOGIN\r\n250 STARTTLS\r\n";
        let heard = answer(&mut plain, &[hello, "220 begin\r\n"]).await;
        assert_eq!(heard, ["EHLO [192.0.2.1]", "STARTTLS"]);
        let mut stream = BufReader::new(acceptor(&files).accept(plain.into_inner()).await.unwrap());
        let answers = ["250-x\r\n250 AUTH PLAIN\r\n", "235 in\r\n", "250 sender\r\n", "550 nobody\r\n", "221 bye\r\n"];
        let heard = answer(&mut stream, &answers).await;
        assert_eq!(heard, ["EHLO [192.0.2.1]", AUTH, "MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>", "QUIT"]);
    };
    let send = async {
        let mut session = log_in(&tls, Security::Starttls, client).await.unwrap();
        assert!(!session.begin(&envelope(&["b@y.example"])).await.unwrap().ready);
        session.quit().await.unwrap();
    };
    tokio::join!(send, serve);
}

#[tokio::test]
async fn implicit_tls_comes_before_the_greeting() {
    let (_dir, files) = files(Certificate::Good);
    let tls = TlsClient::new(std::slice::from_ref(&files.authority)).unwrap();
    let (client, server) = tokio::io::duplex(1 << 16);
    let serve = async {
        let mut stream = BufReader::new(acceptor(&files).accept(server).await.unwrap());
        stream.write_all(b"220 hi\r\n").await.unwrap();
        stream.flush().await.unwrap();
        let heard = answer(&mut stream, &["250-x\r\n250 AUTH PLAIN\r\n", "235 in\r\n"]).await;
        assert_eq!(heard, ["EHLO [192.0.2.1]", AUTH]);
    };
    let (session, ()) = tokio::join!(log_in(&tls, Security::Tls, client), serve);
    session.unwrap();
}

/// Plays the cleartext part: greeting, the answer to EHLO, then each of `pieces` by itself; returns
/// everything that was heard until the client left.
async fn tamper(server: DuplexStream, hello: &str, pieces: &[&[u8]]) -> String {
    let mut stream = BufReader::new(server);
    stream.write_all(b"220 hi\r\n").await.unwrap();
    let mut heard = String::new();
    stream.read_line(&mut heard).await.unwrap();
    stream.write_all(hello.as_bytes()).await.unwrap();
    stream.read_line(&mut heard).await.unwrap();
    for piece in pieces {
        if stream.write_all(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    heard + &String::from_utf8_lossy(&rest)
}

#[tokio::test(start_paused = true)]
async fn starttls_tampered_with_ends_before_the_secret() {
    let hello = "250-x\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n";
    let injected = b"220 begin\r\n250-x\r\n250 AUTH PLAIN\r\n".as_slice();
    let single: Vec<&[u8]> = injected.chunks(1).collect();
    let cases: [(&str, Vec<&[u8]>); 9] = [
        (hello, vec![injected]),
        (hello, vec![b"220 begin\r\n235 logged in\r\n"]),
        (hello, vec![b"220 begin\r\n\r"]),
        (hello, vec![b"220 begin\r\n", b"250-x\r\n250 AUTH PLAIN\r\n"]),
        (hello, single),
        (hello, vec![b"454 4.7.0 TLS not available due to local problem\r\n"]),
        (hello, vec![b"502 5.5.1 what?\r\n"]),
        (hello, vec![b"250 ok\r\n"]),
        // Stripped from what is offered: what is said instead of STARTTLS would be in clear text.
        ("250-x\r\n250 AUTH PLAIN\r\n", vec![]),
    ];
    let tls = system_trust();
    for (hello, pieces) in cases {
        let (client, server) = tokio::io::duplex(1 << 16);
        let (result, heard) = tokio::join!(log_in(tls, Security::Starttls, client), tamper(server, hello, &pieces));
        assert!(matches!(result, Err(SmtpError::Security(_))), "{pieces:?}: {result:?}");
        assert!(!heard.contains("AUTH"), "{heard}");
    }
}

#[tokio::test(start_paused = true)]
async fn starttls_that_is_slow_or_gone_is_no_attack() {
    let tls = system_trust();
    let attempt = async |said: &'static str, close: bool| {
        let (client, server) = tokio::io::duplex(1 << 16);
        let serve = async {
            let mut stream = BufReader::new(server);
            stream.write_all(b"220 hi\r\n").await.unwrap();
            answer(&mut stream, &["250-x\r\n250 STARTTLS\r\n", said]).await;
            if close {
                // The client's handshake is read, so that nothing is left unread at the end.
                tokio::time::sleep(Duration::from_secs(1)).await;
            } else {
                stream.read_to_end(&mut Vec::new()).await.unwrap();
            }
        };
        tokio::join!(log_in(tls, Security::Starttls, client), serve).0.unwrap_err()
    };
    let is = |error: SmtpError, stage| matches!(error, SmtpError::Timeout { stage: at } | SmtpError::Eof { stage: at } if at == stage);
    assert!(is(attempt("", false).await, Stage::StartTls));
    assert!(is(attempt("", true).await, Stage::StartTls));
    let closing = attempt("421 4.3.2 shutting down\r\n", true).await;
    assert!(matches!(closing, SmtpError::Rejected { stage: Stage::StartTls, .. }), "{closing:?}");
    assert!(matches!(attempt("220 go\r\n", false).await, SmtpError::Net(NetError::TlsTimeout)));
    assert!(matches!(attempt("220 go\r\n", true).await, SmtpError::Net(NetError::TlsBroken(_))));
}

#[tokio::test]
async fn a_wrong_certificate_ends_before_the_greeting() {
    let (_dir, files) = files(Certificate::UnknownAuthority);
    let tls = TlsClient::new(std::slice::from_ref(&files.authority)).unwrap();
    let (client, server) = tokio::io::duplex(1 << 16);
    let (result, _) = tokio::join!(log_in(&tls, Security::Tls, client), acceptor(&files).accept(server));
    assert!(matches!(result, Err(SmtpError::Net(NetError::Tls { .. }))), "{result:?}");
}
