//! Sent mail kept and looked up, and mail deleted, on a real Dovecot.

use std::{fs, path::PathBuf, time::Duration};

use mailsyncd::{
    imap::{
        FolderName,
        connect::{NetSession, open},
    },
    model::{
        profile::{AuthMethod, Endpoint, Security},
        uid::{Uid, UidSet},
    },
    net::{credentials::Credentials, deadline::Timeouts, dial::PortPolicy, tls::TlsClient},
};

use super::{ANNA, ready};
use crate::support::dovecot::Dovecot;

async fn log_in(server: &Dovecot) -> NetSession {
    let tls = TlsClient::new(&[PathBuf::from(server.authority())]).unwrap();
    let endpoint =
        Endpoint { host: "localhost".to_owned(), port: server.imaps, security: Security::Tls, auth: AuthMethod::Auto };
    let credentials = Credentials { username: ANNA, password: "p" };
    let ports = PortPolicy { allowed: [server.imaps].into() };
    open(&endpoint, credentials, &ports, &tls, Timeouts::new(Duration::from_secs(60))).await.unwrap()
}

fn anna() -> Dovecot {
    let server = Dovecot::start();
    server.set_password(ANNA, "p");
    server
}

/// As large as it takes for pieces to matter.
fn mail(number: usize) -> Vec<u8> {
    let line = "zażółć gęślą jaźń \"{5+}\r\n";
    format!("Message-ID: <{number}.a\"b@sample.example>\r\nSubject: x\r\n\r\n{}", line.repeat(20_000)).into_bytes()
}

#[tokio::test]
async fn a_sent_mail_is_kept_as_it_is_and_found_by_its_message_id() {
    if !ready() {
        return;
    }
    let server = anna();
    let mut session = log_in(&server).await;
    assert_eq!(session.folders().await.unwrap().sent, None);
    // It is made where there is none.
    let sent = FolderName::new("Sent").unwrap();
    for number in [1, 2] {
        session.append(&sent, &mail(number)).await.unwrap();
    }
    assert_eq!(session.folders().await.unwrap().sent, Some(sent.clone()));
    assert_eq!(session.examine_folder(&sent).await.unwrap().exists, 2);
    let uid = |number| Uid::new(number).unwrap();
    assert_eq!(session.search_header("Message-ID", "<2.a\"b@sample.example>").await.unwrap(), [uid(2)]);
    assert_eq!(session.search_header("Message-ID", "<3.a\"b@sample.example>").await.unwrap(), []);
    assert_eq!(session.search_header("Message-ID", "<ż@sample.example>").await.unwrap(), []);
    // The Inbox is looked at as if nothing had been.
    assert_eq!(session.status().await.unwrap().exists, 0);
    session.logout().await.unwrap();
    let folder = server.maildir(ANNA).join(".Sent/cur");
    let mut kept: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    kept.sort();
    assert!(kept.iter().all(|file| file.to_str().unwrap().ends_with(":2,S")), "not seen: {kept:?}");
    let normal = |text: Vec<u8>| String::from_utf8(text).unwrap().replace("\r\n", "\n");
    let kept: Vec<String> = kept.iter().map(|file| normal(fs::read(file).unwrap())).collect();
    assert_eq!(kept, [normal(mail(1)), normal(mail(2))]);
}

#[tokio::test]
async fn what_others_have_marked_as_deleted_stays() {
    if !ready() {
        return;
    }
    let server = anna();
    (1..=6).for_each(|number| server.deliver(ANNA, &mail(number)));
    server.doveadm(&["flags", "add", "-u", ANNA, "\\Deleted", "mailbox", "INBOX", "uid", "5"]);
    server.doveadm(&["mailbox", "create", "-u", ANNA, "Trash"]);
    let mut session = log_in(&server).await;
    let trash = session.folders().await.unwrap().trash.unwrap();
    assert_eq!(session.select().await.unwrap().exists, 6);
    assert!(session.delete(&UidSet::range(1, 2)).await.unwrap());
    assert!(session.move_to(&UidSet::range(4, 4), &trash).await.unwrap());
    // Of what is gone already, nothing is said.
    assert!(session.delete(&UidSet::range(1, 2)).await.unwrap());
    let left: Vec<u32> =
        session.list(&UidSet::range(1, 9)).await.unwrap().iter().map(|listed| listed.uid.get()).collect();
    assert_eq!(left, [3, 5, 6]);
    assert_eq!(session.examine_folder(&trash).await.unwrap().exists, 1);
    session.logout().await.unwrap();
}
