//! Somebody else answers at the port: whoever greets in another protocol is named.

use std::time::Duration;

use mailsyncd::{
    classify,
    imap::connect as imap,
    model::{
        failure::{Failure, FailureCode, Scope},
        profile::{AuthMethod, Endpoint, Security},
    },
    net::tls::TlsClient,
    pop3::connect as pop3,
    smtp::connect as smtp,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

fn endpoint(port: u16, security: Security) -> Endpoint {
    Endpoint { host: "mail.example.org".to_owned(), port, security, auth: AuthMethod::Auto }
}

/// What is heard of a server that greets so and says no more; it must hear no name and no password.
async fn greeted(port: u16, security: Security, greeting: &str) -> Failure {
    let (client, mut server) = tokio::io::duplex(1 << 16);
    let serve = async {
        server.write_all(greeting.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        server.read_to_end(&mut heard).await.unwrap();
        heard
    };
    let (failure, heard) = tokio::join!(log_in(client, port, security), serve);
    assert_eq!(String::from_utf8_lossy(&heard), "", "something was said to a stranger");
    failure
}

async fn log_in(client: DuplexStream, port: u16, security: Security) -> Failure {
    let tls = TlsClient::new(&[]).unwrap();
    let endpoint = endpoint(port, security);
    let credentials = imap::Credentials { username: "u", password: "canary" };
    let wait = Duration::from_secs(5);
    let timeouts = imap::Timeouts::new(wait);
    match port {
        143 => classify::imap::failure(
            &imap::connect(client, &endpoint, credentials, &tls, timeouts).await.map(drop).unwrap_err(),
        ),
        110 => classify::pop3::failure(
            &pop3::connect(client, &endpoint, credentials, &tls, timeouts).await.map(drop).unwrap_err(),
        ),
        _ => {
            let timeouts = smtp::Timeouts::new(wait);
            let done = smtp::connect(client, "[192.0.2.1]", &endpoint, credentials, &tls, timeouts).await;
            classify::smtp::failure(&done.map(drop).unwrap_err())
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_greets_in_another_protocol_is_named() {
    let (imap, pop3, smtp) = ("* OK ready\r\n", "+OK Dovecot ready.\r\n", "220 mail.example.org ESMTP Postfix\r\n");
    let ssh = "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n";
    for security in [Security::None, Security::Starttls] {
        for (port, greeting, words) in [
            (143, pop3, "this is a POP3 server, not an IMAP server: the port is wrong"),
            (143, smtp, "this is an SMTP server, not an IMAP server: the port is wrong"),
            (143, ssh, "this is an SSH server, not an IMAP server: the port is wrong"),
            (110, imap, "this is an IMAP server, not a POP3 server: the port is wrong"),
            (110, smtp, "this is an SMTP server, not a POP3 server: the port is wrong"),
            (110, "HTTP/1.1 400 Bad Request\r\n", "this is a web server, not a POP3 server: the port is wrong"),
            (587, imap, "this is an IMAP server, not an SMTP server: the port is wrong"),
            (587, pop3, "this is a POP3 server, not an SMTP server: the port is wrong"),
            (587, ssh, "this is an SSH server, not an SMTP server: the port is wrong"),
        ] {
            let failure = greeted(port, security, greeting).await;
            let expected = (FailureCode::WrongPort, Scope::Profile, words.to_owned());
            assert_eq!((failure.code, failure.scope, failure.text), expected, "{port} {security:?} {greeting:?}");
        }
    }
}
