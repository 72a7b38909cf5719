//! Our IMAP client against a real Dovecot: bytes in are bytes out.

use std::{path::PathBuf, time::Duration};

use mailsyncd::{
    imap::{
        Idle,
        connect::{Credentials, Timeouts, open},
        error::{ImapError, Refusal},
        session::Session,
    },
    model::{
        cursor::ListedMessage,
        profile::{AuthMethod, Endpoint, Security},
        uid::{Uid, UidSet},
    },
    net::{
        dial::PortPolicy,
        error::{NetError, TlsFault},
        tls::TlsClient,
    },
};
use tokio::net::TcpStream;

use crate::support::{
    certificates::Certificate,
    dovecot::{Dovecot, Tls},
    process::installed,
};

const USER: &str = "anna@sample.example";
/// Needs a literal with LOGIN, and base64 with PLAIN.
const PASSWORD: &str = "gehe\\im\" ßtreng";

async fn log_in(
    server: &Dovecot,
    security: Security,
    auth: AuthMethod,
    password: &str,
) -> Result<Session<TcpStream>, ImapError> {
    let port = if security == Security::Tls { server.imaps } else { server.imap };
    let endpoint = Endpoint { host: "localhost".to_owned(), port, security, auth };
    let tls = TlsClient::new(&[PathBuf::from(server.authority())]).unwrap();
    let ports = PortPolicy { allowed: [port].into() };
    let credentials = Credentials { username: USER, password };
    let mut session = open(&endpoint, credentials, &ports, &tls, Timeouts::new(Duration::from_secs(60))).await?;
    session.logged_in().await?;
    Ok(session)
}

/// Mail of all lengths, with everything that could be taken for protocol, and one in pieces.
fn mails() -> Vec<Vec<u8>> {
    let mut mails: Vec<Vec<u8>> = vec![
        b"Message-ID: <0@sample.example>\r\n\r\n".to_vec(),
        b"Subject: no id\r\n\r\n* 1 FETCH (UID 1 BODY[] {5}\r\nA0001 OK\r\n)\r\n".to_vec(),
        b"Message-ID: <2@sample.example>\r\n\r\n\"\\((((((((((((((((((((((((((((((((((((((((\xff\xfe\r\n".to_vec(),
    ];
    for lines in [10, 1_000, 10_000, 120_000] {
        let mut mail = format!("Message-ID:\r\n <{lines}@sample.example>\r\n\r\n").into_bytes();
        for line in 0..lines {
            mail.extend(format!("line {line} {}\r\n", "x".repeat(line % 140)).bytes());
        }
        mails.push(mail);
    }
    mails
}

#[tokio::test]
async fn what_was_delivered_is_what_is_fetched() {
    if !installed(&["dovecot"]) {
        return;
    }
    let server = Dovecot::start();
    server.set_password(USER, PASSWORD);
    let mails = mails();
    assert!(mails.last().unwrap().len() > 8 << 20);
    for mail in &mails {
        server.deliver(USER, mail);
    }
    for (security, auth) in [
        (Security::Tls, AuthMethod::Auto),
        (Security::Tls, AuthMethod::Login),
        (Security::Starttls, AuthMethod::Plain),
        (Security::Starttls, AuthMethod::Login),
    ] {
        let mut session = log_in(&server, security, auth, PASSWORD).await.unwrap();
        let look = session.status().await.unwrap();
        assert_eq!(session.examine().await.unwrap(), look);
        assert_eq!(look.exists as usize, mails.len());
        let all = UidSet::range(1, 1_000_000);
        let listed = session.list(&all).await.unwrap();
        let sizes: Vec<usize> = listed.iter().map(|one| one.size as usize).collect();
        assert_eq!(sizes, mails.iter().map(Vec::len).collect::<Vec<_>>());
        assert!(listed.iter().all(|one| one.internal_date.is_some()));
        let ids = session.message_ids(&all).await.unwrap();
        assert_eq!(ids[0].1.as_deref(), Some("0@sample.example"));
        assert_eq!(ids[1].1, None);
        assert_eq!(ids[6].1.as_deref(), Some("120000@sample.example"));

        let gone = ListedMessage { uid: Uid::new(999).unwrap(), size: 5, internal_date: None, uidl: None };
        session.request(&listed[..3]).await.unwrap();
        session.request(&[&listed[3..], &[gone]].concat()).await.unwrap();
        let mut fetched = session.receive().await.unwrap();
        fetched.extend(session.receive().await.unwrap());
        let raws: Vec<Vec<u8>> = fetched.into_iter().map(|message| message.raw).collect();
        assert!(raws == mails, "the bytes differ");
        session.logout().await.unwrap();
    }
    let seen = server.doveadm(&["search", "-u", USER, "mailbox", "INBOX", "seen"]);
    assert_eq!(seen, "", "nothing is marked as read");
}

#[tokio::test]
async fn idle_tells_of_a_delivery() {
    if !installed(&["dovecot"]) {
        return;
    }
    let server = Dovecot::start();
    server.set_password(USER, PASSWORD);
    let mut session = log_in(&server, Security::Tls, AuthMethod::Auto, PASSWORD).await.unwrap();
    assert_eq!(session.examine().await.unwrap().exists, 0);
    assert!(session.offers_idle().await.unwrap());
    session.idle().await.unwrap();
    assert_eq!(session.wait(Duration::from_millis(50)).await.unwrap(), Idle::TimedOut);
    server.deliver(USER, b"Subject: new\r\n\r\n");
    assert_eq!(session.wait(Duration::from_secs(60)).await.unwrap(), Idle::Changed);
    session.done().await.unwrap();
    assert_eq!(session.status().await.unwrap().exists, 1);
    session.logout().await.unwrap();
}

#[tokio::test]
async fn refusals_say_why() {
    if !installed(&["dovecot"]) {
        return;
    }
    let mut server = Dovecot::start();
    server.set_password(USER, PASSWORD);
    for auth in [AuthMethod::Plain, AuthMethod::Login] {
        match log_in(&server, Security::Tls, auth, "wrong").await {
            Err(ImapError::Rejected { status: Refusal::No, reply, .. }) => {
                assert_eq!(reply.code.as_deref(), Some("AUTHENTICATIONFAILED"));
            }
            other => panic!("{other:?}"),
        }
    }
    let mut session = log_in(&server, Security::Tls, AuthMethod::Auto, PASSWORD).await.unwrap();
    server.kill();
    let lost = session.status().await;
    assert!(matches!(lost, Err(ImapError::Eof { .. } | ImapError::Bye(_))), "{lost:?}");
    let gone = log_in(&server, Security::Tls, AuthMethod::Auto, PASSWORD).await;
    assert!(matches!(gone, Err(ImapError::Net(NetError::Refused))), "{gone:?}");

    let expired = Dovecot::start_with(Certificate::Expired, Tls::Required);
    expired.set_password(USER, PASSWORD);
    for security in [Security::Tls, Security::Starttls] {
        let error = log_in(&expired, security, AuthMethod::Auto, PASSWORD).await;
        let expected = matches!(error, Err(ImapError::Net(NetError::Tls { fault: TlsFault::Expired, .. })));
        assert!(expected, "{error:?}");
    }
    let cleartext = Dovecot::start_with(Certificate::Good, Tls::Off);
    cleartext.set_password(USER, PASSWORD);
    let stripped = log_in(&cleartext, Security::Starttls, AuthMethod::Auto, PASSWORD).await;
    assert!(matches!(stripped, Err(ImapError::Security(_))), "{stripped:?}");
}
