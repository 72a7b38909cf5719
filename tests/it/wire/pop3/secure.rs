//! STLS: required, and nothing from before it believed.

use mailsyncd::{
    model::profile::{AuthMethod, Security},
    net::{credentials::Credentials, error::NetError, tls::TlsClient},
    pop3::{connect::connect, error::Pop3Error},
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

use super::super::{
    peer::{endpoint, system_trust, timeouts},
    secure::{acceptor, before_tls, files},
};
use crate::support::certificates::Certificate;

async fn start_tls(tls: &TlsClient, stream: DuplexStream) -> Result<u32, Pop3Error> {
    let endpoint = endpoint("localhost", Security::Starttls, AuthMethod::Auto);
    let credentials = Credentials { username: "u", password: "canary-secret" };
    let mut session = connect(stream, &endpoint, credentials, tls, timeouts()).await?;
    Ok(session.stat().await?.count)
}

#[tokio::test]
async fn stls_protects_everything_that_matters_and_believes_nothing_from_before() {
    let (_dir, files) = files(Certificate::Good);
    let tls = TlsClient::new(std::slice::from_ref(&files.authority)).unwrap();
    let (client, server) = tokio::io::duplex(1 << 16);
    let serve = async {
        // A challenge given in clear text is one that an attacker chose.
        let (plain, heard) = before_tls(server, "+OK hi <1@x>\r\n", &[b"+OK begin\r\n"]).await;
        assert_eq!(heard, "STLS\r\n");
        let mut stream = BufReader::new(acceptor(&files).accept(plain).await.unwrap());
        let mut heard = Vec::new();
        for answer in ["+OK\r\nUSER\r\n.\r\n", "+OK\r\n", "+OK\r\n", "+OK 7 100\r\n"] {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            heard.push(line);
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
        assert_eq!(heard, ["CAPA\r\n", "USER u\r\n", "PASS canary-secret\r\n", "STAT\r\n"]);
    };
    assert_eq!(tokio::join!(start_tls(&tls, client), serve).0.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn stls_tampered_with_ends_before_the_secret() {
    let ok = b"+OK begin\r\n".as_slice();
    let single: Vec<[u8; 1]> = b"+OK begin\r\n+OK\r\n".iter().map(|byte| [*byte]).collect();
    let single: Vec<&[u8]> = single.iter().map(<[u8; 1]>::as_slice).collect();
    let cases: [Vec<&[u8]>; 7] = [
        vec![b"+OK begin\r\n+OK\r\nSASL PLAIN\r\n.\r\n"],
        vec![b"+OK begin\r\n\r"],
        vec![ok, b"+OK injected\r\n"],
        single,
        vec![b"-ERR not today\r\n"],
        vec![b"-ERR unknown command\r\n+OK\r\n"],
        vec![b"+OK begin\n+OK\r\n"],
    ];
    for answers in cases {
        let (client, server) = tokio::io::duplex(1 << 16);
        let serve = async {
            let (mut stream, mut heard) = before_tls(server, "+OK hi\r\n", &answers).await;
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            heard.push_str(&String::from_utf8_lossy(&rest));
            heard
        };
        let (result, heard) = tokio::join!(start_tls(system_trust(), client), serve);
        assert!(matches!(result, Err(Pop3Error::Security(_))), "{answers:?}: {result:?}");
        assert!(!heard.contains("canary") && !heard.contains("AUTH") && !heard.contains("USER"), "{heard}");
    }
}

#[tokio::test(start_paused = true)]
async fn stls_that_is_slow_or_gone_is_no_attack() {
    let attempt = async |greeting: &'static str, answers: &'static [&'static [u8]], close: bool| {
        let (client, server) = tokio::io::duplex(1 << 16);
        let serve = async {
            let (mut stream, _) = before_tls(server, greeting, answers).await;
            if !close {
                stream.read_to_end(&mut Vec::new()).await.unwrap();
            }
        };
        tokio::join!(start_tls(system_trust(), client), serve).0.unwrap_err()
    };
    assert!(matches!(attempt("+OK hi\r\n", &[], false).await, Pop3Error::Timeout { during: "STLS" }));
    assert!(matches!(attempt("+OK hi\r\n", &[], true).await, Pop3Error::Eof { during: "STLS" }));
    let go: &[&[u8]] = &[b"+OK go\r\n"];
    assert!(matches!(attempt("+OK hi\r\n", go, false).await, Pop3Error::Net(NetError::TlsTimeout)));
    assert!(matches!(attempt("+OK hi\r\n", go, true).await, Pop3Error::Net(NetError::TlsBroken(_))));
    assert!(matches!(attempt("-ERR full\r\n", &[], true).await, Pop3Error::Greeting(_)));
}
