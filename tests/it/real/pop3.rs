//! Our POP3 client against a real Dovecot.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use mailsyncd::{
    model::profile::{AuthMethod, Endpoint, Security},
    net::{credentials::Credentials, deadline::Timeouts, dial::PortPolicy, tls::TlsClient},
    pop3::{
        connect::{NetSession, open},
        error::Pop3Error,
        session::Listed,
    },
};

use super::{ANNA, ready};
use crate::support::{
    certificates::Certificate,
    dovecot::{Dovecot, Tls},
    process::{LONG, installed, wait_until},
};

const PASSWORD: &str = "anna's \"pass\\word\" ß";

fn anna() -> Dovecot {
    let server = Dovecot::start();
    server.set_password(ANNA, PASSWORD);
    server
}

async fn log_in(
    server: &Dovecot,
    security: Security,
    auth: AuthMethod,
    password: &str,
) -> Result<NetSession, Pop3Error> {
    let port = if security == Security::Tls { server.pop3s } else { server.pop3 };
    let tls = TlsClient::new(&[PathBuf::from(server.authority())]).unwrap();
    let endpoint = Endpoint { host: "localhost".to_owned(), port, security, auth };
    let credentials = Credentials { username: ANNA, password };
    let ports = PortPolicy { allowed: [port].into() };
    open(&endpoint, credentials, &ports, &tls, Timeouts::new(Duration::from_secs(60))).await
}

/// A mail with everything that could be taken for the end of one.
fn mail(number: usize) -> Vec<u8> {
    let mut text =
        format!("Message-ID: <{number}@sample.example>\r\nSubject: {number}\r\n\r\n.\r\n..\r\n.. x\r\nä\r\n");
    for line in 0..number % 700 {
        text.push_str(&format!(".{line}{}\r\n", ".x".repeat(line % 70)));
    }
    text.into_bytes()
}

fn numbers(listed: &[Listed]) -> Vec<(u32, u64)> {
    listed.iter().map(|message| (message.number, message.size)).collect()
}

#[tokio::test]
async fn everything_is_read_as_it_was_delivered() {
    if !ready() {
        return;
    }
    let server = anna();
    let expected: BTreeSet<Vec<u8>> = (0..600).map(mail).collect();
    for message in &expected {
        server.deliver(ANNA, message);
    }
    for (security, auth) in
        [(Security::Tls, AuthMethod::Auto), (Security::Tls, AuthMethod::Login), (Security::Starttls, AuthMethod::Plain)]
    {
        let mut session = log_in(&server, security, auth, PASSWORD).await.unwrap();
        assert!(session.capabilities().pipelining && session.capabilities().plain);
        assert_eq!(session.stat().await.unwrap().count, 600);
        let listed = session.list().await.unwrap();
        let names: BTreeSet<_> = listed.messages.iter().filter_map(|message| message.uidl.clone()).collect();
        assert_eq!((listed.messages.len(), names.len(), listed.unnamed), (600, 600, None));
        session.request(numbers(&listed.messages)).await.unwrap();
        let mut read = BTreeSet::new();
        for message in &listed.messages {
            let (number, mail) = session.receive().await.unwrap().unwrap();
            let mail = mail.unwrap();
            assert_eq!((number, mail.len() as u64), (message.number, message.size));
            read.insert(mail);
        }
        assert!(read == expected && session.receive().await.unwrap().is_none());
        let mut headers = 0;
        let numbers: Vec<u32> = listed.messages.iter().map(|message| message.number).collect();
        let count = |_, header: Vec<u8>| {
            headers += usize::from(header.ends_with(b"\r\n\r\n") && header.starts_with(b"Message-ID"))
        };
        session.headers(&numbers, count).await.unwrap();
        assert_eq!(headers, 600);
        session.quit().await.unwrap();
    }
    assert_eq!(server.messages(ANNA).len(), 600);
}

#[tokio::test]
async fn only_quit_deletes() {
    if !ready() {
        return;
    }
    let server = anna();
    (0..10).for_each(|number| server.deliver(ANNA, &mail(number)));
    let mut session = log_in(&server, Security::Tls, AuthMethod::Auto, PASSWORD).await.unwrap();
    assert_eq!(session.delete(&[1, 2, 3]).await.unwrap(), []);
    drop(session);
    // Dovecot lets nobody else in until it has noticed: by then all is decided.
    let mut session = log_in(&server, Security::Tls, AuthMethod::Auto, PASSWORD).await.unwrap();
    assert_eq!(session.stat().await.unwrap().count, 10);
    let refused = session.delete(&[4, 4, 11, 5]).await.unwrap();
    assert_eq!(refused.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [4, 11]);
    session.quit().await.unwrap();
    wait_until(LONG, "two messages to be deleted", || server.messages(ANNA).len() == 8);
}

#[tokio::test]
async fn refusals_keep_their_codes() {
    if !installed(&["dovecot"]) {
        return;
    }
    let server = anna();
    for auth in [AuthMethod::Plain, AuthMethod::Login] {
        let error = log_in(&server, Security::Tls, auth, "wrong").await.unwrap_err();
        assert!(
            matches!(&error, Pop3Error::Rejected { reply, .. } if reply.code.as_deref() == Some("AUTH")),
            "{error}"
        );
    }
    server.deliver(ANNA, &mail(1));
    let mut session = log_in(&server, Security::Tls, AuthMethod::Auto, PASSWORD).await.unwrap();
    session.request([(7, 10), (1, 10)]).await.unwrap();
    assert!(session.receive().await.unwrap().unwrap().1.is_err());
    assert_eq!(session.receive().await.unwrap().unwrap().1.unwrap(), mail(1));

    let plain = Dovecot::start_with(Certificate::Good, Tls::Off);
    plain.set_password(ANNA, PASSWORD);
    let error = log_in(&plain, Security::Starttls, AuthMethod::Auto, PASSWORD).await.unwrap_err();
    assert!(matches!(error, Pop3Error::Security(_)), "{error}");
    log_in(&plain, Security::None, AuthMethod::Auto, PASSWORD).await.unwrap().quit().await.unwrap();
}
