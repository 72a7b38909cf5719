//! TLS and STARTTLS: certificates that are wrong, servers that do not speak it, and attackers that
//! slip something in before.

use std::{path::Path, time::Duration};

use mailsyncd::{
    imap::{
        connect::{Credentials, connect},
        error::ImapError,
    },
    model::profile::{AuthMethod, Security},
    net::{
        error::{NetError, TlsFault},
        tls::{TlsClient, TlsConfigError},
    },
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

use super::peer::{endpoint, timeouts};
pub use crate::support::certificates::acceptor;
use crate::support::certificates::{Certificate, Files, make};

/// A server's certificate and its authority.
pub fn files(kind: Certificate) -> (tempfile::TempDir, Files) {
    let dir = tempfile::tempdir().unwrap();
    let files = make(dir.path(), kind);
    (dir, files)
}

/// Shakes hands as a client that trusts our authority.
async fn shake(kind: Certificate, host: &str) -> Result<(), NetError> {
    let (_dir, files) = files(kind);
    let tls = TlsClient::new(std::slice::from_ref(&files.authority)).unwrap();
    let (client, server) = tokio::io::duplex(1 << 16);
    let client = async { tls.connect(host, client, Duration::from_secs(20)).await.map(drop) };
    tokio::join!(client, acceptor(&files).accept(server)).0
}

#[tokio::test]
async fn certificates_are_judged_and_the_reason_is_told() {
    shake(Certificate::Good, "localhost").await.unwrap();
    for (kind, host, expected) in [
        (Certificate::Expired, "localhost", TlsFault::Expired),
        (Certificate::WrongName, "localhost", TlsFault::WrongName),
        (Certificate::Good, "127.0.0.1", TlsFault::WrongName),
        (Certificate::Good, "[::1]", TlsFault::WrongName),
        (Certificate::UnknownAuthority, "localhost", TlsFault::UnknownIssuer),
    ] {
        match shake(kind, host).await {
            Err(NetError::Tls { fault, .. }) => assert_eq!(fault, expected, "{kind:?}"),
            other => panic!("{kind:?}: {other:?}"),
        }
    }
    let own = shake(Certificate::SelfSignedAuthority, "localhost").await;
    let faults = [TlsFault::BadCertificate, TlsFault::UnknownIssuer];
    assert!(matches!(own, Err(NetError::Tls { fault, .. }) if faults.contains(&fault)), "{own:?}");
}

#[tokio::test]
async fn a_change_of_trust_takes_effect_at_once() {
    let (_dir, good) = files(Certificate::Good);
    let tls = TlsClient::new(&[]).unwrap();
    let shaken = async || {
        let (client, server) = tokio::io::duplex(1 << 16);
        tokio::join!(tls.connect("localhost", client, Duration::from_secs(20)), acceptor(&good).accept(server))
            .0
            .is_ok()
    };
    assert!(!shaken().await);
    tls.replace(&TlsClient::new(std::slice::from_ref(&good.authority)).unwrap());
    assert!(shaken().await);
    assert!(matches!(TlsClient::new(&["/nowhere/ca.pem".into()]), Err(TlsConfigError::File { .. })));
    tls.replace(&TlsClient::new(&[]).unwrap());
    assert!(!shaken().await, "trust that was withdrawn does not live on in a resumed session");
}

#[test]
fn unusable_files_of_authorities_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let of = |path: &Path| TlsClient::new(&[path.to_owned()]).unwrap_err();
    assert!(matches!(of(Path::new("/nowhere/ca.pem")), TlsConfigError::File { .. }));
    assert!(matches!(of(&file("empty.pem", "no certificate here\n")), TlsConfigError::Empty(_)));
    let cut = file("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    assert!(matches!(of(&cut), TlsConfigError::File { .. }));
    let junk = file("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert!(matches!(of(&junk), TlsConfigError::Authority { .. }));
    assert!(of(&junk).to_string().contains("junk.pem"));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_speak_tls_is_told_from_what_refuses() {
    let tls = TlsClient::new(&[]).unwrap();
    let answer = async |bytes: &'static [u8], close: bool| {
        let (client, mut server) = tokio::io::duplex(1 << 16);
        let serve = async move {
            server.write_all(bytes).await.unwrap();
            if !close {
                server.read_to_end(&mut Vec::new()).await.unwrap();
            }
        };
        tokio::join!(tls.connect("localhost", client, Duration::from_secs(20)), serve).0.unwrap_err()
    };
    let fault = |error: NetError| match error {
        NetError::Tls { fault, .. } => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(fault(answer(b"* OK IMAP4rev1 ready\r\n", false).await), TlsFault::NotSpoken);
    assert_eq!(fault(answer(&[0x15, 3, 3, 0, 2, 2, 40], false).await), TlsFault::Handshake);
    assert!(matches!(answer(b"", true).await, NetError::TlsBroken(_)));
    assert!(matches!(answer(b"", false).await, NetError::TlsTimeout));
}

/// A client that demands STARTTLS.
async fn start_tls(tls: &TlsClient, stream: DuplexStream) -> Result<(), ImapError> {
    let endpoint = endpoint("localhost", Security::Starttls, AuthMethod::Auto);
    let credentials = Credentials { username: "u", password: "canary-secret" };
    let mut session = connect(stream, &endpoint, credentials, tls, timeouts()).await?;
    session.status().await.map(drop)
}

/// Plays the cleartext part: writes `greeting`, hears a line, writes each of `answers` by itself.
pub async fn before_tls(stream: DuplexStream, greeting: &str, answers: &[&[u8]]) -> (DuplexStream, String) {
    let mut stream = BufReader::new(stream);
    stream.write_all(greeting.as_bytes()).await.unwrap();
    let mut heard = String::new();
    stream.read_line(&mut heard).await.unwrap();
    for answer in answers {
        if stream.write_all(answer).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    (stream.into_inner(), heard)
}

#[tokio::test]
async fn starttls_protects_everything_that_matters_and_believes_nothing_from_before() {
    let (_dir, files) = files(Certificate::Good);
    let tls = TlsClient::new(std::slice::from_ref(&files.authority)).unwrap();
    let (client, server) = tokio::io::duplex(1 << 16);
    let serve = async {
        // What is offered in clear text would make the client send the secret with the command.
        let greeting = "* OK [CAPABILITY IMAP4rev1 STARTTLS SASL-IR AUTH=PLAIN] hi\r\n";
        let (plain, heard) = before_tls(server, greeting, &[b"A0002 OK begin\r\n"]).await;
        assert_eq!(heard, "A0002 STARTTLS\r\n");
        let mut stream = BufReader::new(acceptor(&files).accept(plain).await.unwrap());
        let mut heard = Vec::new();
        let numbers = "* STATUS INBOX (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 1)\r\nA0004 OK done\r\n";
        for answer in ["* CAPABILITY IMAP4rev1\r\nA0002 OK done\r\n", "A0003 OK in\r\n", numbers] {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            heard.push(line);
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
        let look = "A0004 STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY)\r\n";
        assert_eq!(heard, ["A0002 CAPABILITY\r\n", "A0003 LOGIN \"u\" \"canary-secret\"\r\n", look]);
    };
    tokio::join!(start_tls(&tls, client), serve).0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn starttls_tampered_with_ends_before_the_secret() {
    let hello = "* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n";
    let ok = b"A0002 OK begin\r\n".as_slice();
    let single: Vec<[u8; 1]> = b"A0002 OK begin\r\n* 1 EXISTS\r\n".iter().map(|byte| [*byte]).collect();
    let single: Vec<&[u8]> = single.iter().map(<[u8; 1]>::as_slice).collect();
    let cases: [(&str, Vec<&[u8]>); 10] = [
        (hello, vec![b"A0002 OK begin\r\n* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] injected\r\n"]),
        (hello, vec![b"A0002 OK begin\r\nA0003 OK logged in\r\n"]),
        (hello, vec![b"A0002 OK begin\r\n\r"]),
        (hello, vec![ok, b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] injected\r\n"]),
        (hello, single),
        (hello, vec![b"A0002 NO not today\r\n"]),
        (hello, vec![b"A0002 BAD what?\r\n"]),
        (hello, vec![b"* 1 EXISTS\r\nA0002 OK begin\r\n"]),
        (hello, vec![b"* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\nA0002 OK begin\r\n"]),
        ("* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] welcome home\r\n", vec![]),
    ];
    let tls = TlsClient::new(&[]).unwrap();
    for (greeting, answers) in cases {
        let (client, server) = tokio::io::duplex(1 << 16);
        let serve = async {
            let (mut stream, mut heard) = before_tls(server, greeting, &answers).await;
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            heard.push_str(&String::from_utf8_lossy(&rest));
            heard
        };
        let (result, heard) = tokio::join!(start_tls(&tls, client), serve);
        assert!(matches!(result, Err(ImapError::Security(_))), "{answers:?}: {result:?}");
        assert!(!heard.contains("canary") && !heard.contains("AUTH") && !heard.contains("LOGIN"), "{heard}");
    }
}

#[tokio::test(start_paused = true)]
async fn starttls_that_is_slow_or_gone_is_no_attack() {
    let tls = TlsClient::new(&[]).unwrap();
    let attempt = async |greeting: &'static str, answers: &'static [&'static [u8]], close: bool| {
        let (client, server) = tokio::io::duplex(1 << 16);
        let serve = async {
            let (mut stream, _) = before_tls(server, greeting, answers).await;
            if !close {
                stream.read_to_end(&mut Vec::new()).await.unwrap();
            }
        };
        tokio::join!(start_tls(&tls, client), serve).0.unwrap_err()
    };
    let hello = "* OK hi\r\n";
    assert!(matches!(attempt(hello, &[], false).await, ImapError::Timeout { during: "STARTTLS" }));
    assert!(matches!(attempt(hello, &[], true).await, ImapError::Eof { during: "STARTTLS" }));
    assert!(matches!(attempt(hello, &[b"A0002 OK go\r\n"], false).await, ImapError::Net(NetError::TlsTimeout)));
    assert!(matches!(attempt(hello, &[b"A0002 OK go\r\n"], true).await, ImapError::Net(NetError::TlsBroken(_))));
    assert!(matches!(attempt("* BYE full\r\n", &[], true).await, ImapError::Greeting(_)));
}
