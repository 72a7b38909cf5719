//! Our SMTP client against a real Postfix, and against smtp-sink, which fails as it is told.

use std::{fs, path::PathBuf, time::Duration};

use mailsyncd::{
    classify,
    model::{
        failure::{FailureCode, Persistence, Scope},
        profile::{AuthMethod, Endpoint, Security},
    },
    net::{
        dial::PortPolicy,
        error::{NetError, TlsFault},
        tls::TlsClient,
    },
    smtp::{
        Envelope,
        connect::{Credentials, NetSession, Timeouts, open},
        error::{SmtpError, Stage},
    },
};

use super::{ANNA, BERT};
use crate::support::{
    certificates::Certificate,
    dovecot::Dovecot,
    postfix::{Postfix, Sink, ready},
    process::{LONG, installed, wait_until},
};

/// Does not fit into one line with AUTH, in base64.
const PASSWORD: &str = "gehe\\im\" ßtreng";

fn users() -> Dovecot {
    let dovecot = Dovecot::start();
    dovecot.set_password(ANNA, PASSWORD);
    dovecot.set_password(BERT, &"x".repeat(400));
    dovecot
}

async fn log_in(
    server: &Postfix,
    security: Security,
    auth: AuthMethod,
    (username, password): (&str, &str),
) -> Result<NetSession, SmtpError> {
    let port = if security == Security::Tls { server.submissions } else { server.submission };
    let tls = TlsClient::new(&[PathBuf::from(server.authority())]).unwrap();
    connect("localhost", port, security, auth, &tls, Credentials { username, password }).await
}

async fn connect(
    host: &str,
    port: u16,
    security: Security,
    auth: AuthMethod,
    tls: &TlsClient,
    credentials: Credentials<'_>,
) -> Result<NetSession, SmtpError> {
    let endpoint = Endpoint { host: host.to_owned(), port, security, auth };
    let ports = PortPolicy { allowed: [port].into() };
    open(&endpoint, credentials, &ports, tls, Timeouts::new(Duration::from_secs(60))).await
}

fn envelope<'a>(mail_from: &'a str, rcpt_to: &'a [&'a str], message: &[u8]) -> Envelope<'a> {
    Envelope { mail_from, rcpt_to, size: message.len() as u64, body_8bit: !message.is_ascii(), utf8: false }
}

/// A mail with all fields that a server would add, and everything that could be taken for protocol.
fn mail(number: usize) -> Vec<u8> {
    let fields = "From: a@x.example\r\nTo: b@y.example\r\nDate: Sat, 21 Nov 2026 01:00:00 +0000\r\n";
    let id = format!("Message-ID: <{number}@sample.example>\r\n");
    let mut text = format!("Subject: {number}\r\n{fields}{id}\r\n.\r\n..\r\n.. x\r\nä\r\n");
    for line in 0..300 {
        text.push_str(&format!(".{line}{}\r\n", ".x".repeat(line % 70)));
    }
    text.into_bytes()
}

/// What lies in a user's Inbox, without the fields that the server puts before it, in CRLF.
fn delivered(dovecot: &Dovecot, user: &str) -> Vec<Vec<u8>> {
    let texts = dovecot.messages(user).into_iter().map(|path| fs::read(path).unwrap());
    let own = |text: Vec<u8>| {
        let text = String::from_utf8(text).unwrap();
        let start = text.find("Subject: ").unwrap();
        text[start..].replace('\n', "\r\n").into_bytes()
    };
    let mut found: Vec<Vec<u8>> = texts.map(own).collect();
    found.sort();
    found
}

#[tokio::test]
async fn what_is_sent_over_every_way_in_is_what_arrives() {
    if !ready() {
        return;
    }
    let dovecot = users();
    let server = Postfix::start(&dovecot);
    let bert = (BERT, &*"x".repeat(400));
    let mut sent = Vec::new();
    for (security, auth, who) in [
        (Security::Tls, AuthMethod::Auto, (ANNA, PASSWORD)),
        (Security::Tls, AuthMethod::Login, (ANNA, PASSWORD)),
        (Security::Starttls, AuthMethod::Plain, bert),
        (Security::Starttls, AuthMethod::Login, bert),
    ] {
        let mut session = log_in(&server, security, auth, who).await.unwrap();
        assert!(session.capabilities().pipelining && session.capabilities().size.is_some());
        for _ in 0..3 {
            let message = mail(1_000 + sent.len());
            let begun = session.begin(&envelope(who.0, &[ANNA, BERT, "x@elsewhere.example"], &message)).await.unwrap();
            assert!(begun.ready && begun.recipients.iter().all(Result::is_ok), "{begun:?}");
            session.body(&message).await.unwrap();
            let reply = session.finish().await.unwrap();
            assert_eq!(reply.code, 250, "{reply}");
            sent.push(message);
        }
        session.quit().await.unwrap();
    }
    sent.sort();
    for user in [ANNA, BERT] {
        wait_until(LONG, "the mails to arrive", || dovecot.messages(user).len() == sent.len());
        assert!(delivered(&dovecot, user) == sent, "the bytes differ");
    }
    assert_eq!(server.taken(), sent.len());
}

#[tokio::test]
async fn refused_log_ins_and_servers_that_are_not_safe() {
    if !ready() {
        return;
    }
    let dovecot = users();
    let server = Postfix::start(&dovecot);
    for auth in [AuthMethod::Plain, AuthMethod::Login] {
        let error = log_in(&server, Security::Tls, auth, (ANNA, "wrong")).await.unwrap_err();
        assert!(matches!(&error, SmtpError::Rejected { stage: Stage::Auth, reply } if reply.code == 535), "{error}");
        let failure = classify::smtp::failure(&error);
        assert_eq!((failure.code, failure.persistence), (FailureCode::AuthRejected, Persistence::UntilConfirmed));
    }
    let nobody = Credentials { username: "", password: "" };
    let tls = TlsClient::new(&[PathBuf::from(server.authority())]).unwrap();
    let plain = connect("localhost", server.submission, Security::None, AuthMethod::Auto, &tls, nobody).await;
    assert!(matches!(plain, Err(SmtpError::NoLogIn { before_tls: true })), "{plain:?}");
    let expired = Postfix::start_with(&dovecot, Certificate::Expired, "");
    for security in [Security::Tls, Security::Starttls] {
        let error = log_in(&expired, security, AuthMethod::Auto, (ANNA, PASSWORD)).await;
        let expected = matches!(error, Err(SmtpError::Net(NetError::Tls { fault: TlsFault::Expired, .. })));
        assert!(expected, "{error:?}");
    }
    let cleartext = Postfix::start_with(&dovecot, Certificate::Good, "smtpd_tls_security_level = none\n");
    let stripped = log_in(&cleartext, Security::Starttls, AuthMethod::Auto, (ANNA, PASSWORD)).await;
    assert!(matches!(stripped, Err(SmtpError::Security(_))), "{stripped:?}");
    let mut killed = server;
    let mut session = log_in(&killed, Security::Tls, AuthMethod::Auto, (ANNA, PASSWORD)).await.unwrap();
    killed.kill();
    let lost = session.begin(&envelope(ANNA, &[BERT], b"")).await;
    assert!(matches!(lost, Err(SmtpError::Eof { stage: Stage::Mail })), "{lost:?}");
    let gone = log_in(&killed, Security::Tls, AuthMethod::Auto, (ANNA, PASSWORD)).await;
    assert!(matches!(gone, Err(SmtpError::Net(NetError::Refused))), "{gone:?}");
}

#[tokio::test]
async fn refused_recipients_senders_and_sizes_leave_the_session_in_step() {
    if !ready() {
        return;
    }
    let dovecot = users();
    let limits = "message_size_limit = 20000\nsmtpd_recipient_limit = 2\n";
    let server = Postfix::start_with(&dovecot, Certificate::Good, limits);
    let mut session = log_in(&server, Security::Tls, AuthMethod::Auto, (ANNA, PASSWORD)).await.unwrap();
    let message = b"Subject: small\r\n\r\nx\r\n";
    let unknown = "unknown@sample.example";

    let some = session.begin(&envelope(ANNA, &[unknown, BERT], message)).await.unwrap();
    let [Err(refused), Ok(_)] = &some.recipients[..] else { panic!("{some:?}") };
    assert!(some.ready && refused.to_string().starts_with("550 5.1.1 "), "{refused}");
    session.body(message).await.unwrap();
    assert_eq!(session.finish().await.unwrap().code, 250);

    let nobody = session.begin(&envelope(ANNA, &[unknown], message)).await.unwrap();
    assert!(!nobody.ready && nobody.refusal.is_none() && nobody.recipients[0].is_err(), "{nobody:?}");

    let forged = session.begin(&envelope(BERT, &[ANNA], message)).await.unwrap();
    let Err(refused) = &forged.recipients[0] else { panic!("{forged:?}") };
    let failure = classify::smtp::refusal(Stage::Rcpt, refused);
    let expected = (FailureCode::SenderRefused, Scope::Message, Persistence::Permanent);
    assert_eq!((failure.code, failure.scope, failure.persistence), expected, "{failure}");

    let many = session.begin(&envelope(ANNA, &[ANNA, BERT, "c@elsewhere.example"], message)).await.unwrap();
    let [Ok(_), Ok(_), Err(rest)] = &many.recipients[..] else { panic!("{many:?}") };
    assert!(many.ready && rest.to_string().starts_with("452 4.5.3 "), "{rest}");
    session.body(message).await.unwrap();
    assert_eq!(session.finish().await.unwrap().code, 250);

    let large = b"Subject: large\r\n\r\n".iter().copied().chain(b"0123456789\r\n".repeat(2_000)).collect::<Vec<_>>();
    let told = session.begin(&envelope(ANNA, &[BERT], &large)).await;
    assert!(matches!(told, Err(SmtpError::TooLarge { limit: 20_000, .. })), "{told:?}");
    // Who lies about the size learns it at the end.
    assert!(session.begin(&envelope(ANNA, &[BERT], message)).await.unwrap().ready);
    session.body(&large).await.unwrap();
    let reply = session.finish().await.unwrap();
    let failure = classify::smtp::refusal(Stage::Dot, &reply);
    assert_eq!((reply.code, failure.code), (552, FailureCode::MailTooLarge), "{reply}");

    assert!(session.begin(&envelope(ANNA, &[BERT], message)).await.unwrap().ready);
    session.body(message).await.unwrap();
    assert_eq!(session.finish().await.unwrap().code, 250);
    session.quit().await.unwrap();
    wait_until(LONG, "the mails to arrive", || dovecot.messages(BERT).len() == 3 && dovecot.messages(ANNA).len() == 1);
}

#[tokio::test]
async fn a_server_that_keeps_copies_keeps_them() {
    if !ready() {
        return;
    }
    let dovecot = users();
    let server = Postfix::start_with_sent_copies(&dovecot);
    for number in [1, 2] {
        let message = mail(number);
        let mut session = log_in(&server, Security::Tls, AuthMethod::Auto, (ANNA, PASSWORD)).await.unwrap();
        assert!(session.begin(&envelope(ANNA, &[BERT], &message)).await.unwrap().ready);
        session.body(&message).await.unwrap();
        assert_eq!(session.finish().await.unwrap().code, 250);
    }
    wait_until(LONG, "the mails to arrive", || dovecot.messages(BERT).len() == 2);
    wait_until(LONG, "the copies", || {
        let mut ids: Vec<String> = Vec::new();
        for number in [1, 2] {
            let id = format!("{number}@sample.example");
            ids.push(dovecot.doveadm(&["search", "-u", ANNA, "mailbox", "Sent", "header", "message-id", &id]));
        }
        ids.iter().all(|id| !id.is_empty())
    });
}

/// Sends one mail to smtp-sink, and says what came of it.
async fn send_to(sink: &Sink) -> (String, bool) {
    let tls = TlsClient::new(&[]).unwrap();
    let nobody = Credentials { username: "", password: "" };
    let message = mail(1);
    let mut session = None;
    let result = async {
        let connected = connect("127.0.0.1", sink.port, Security::None, AuthMethod::None, &tls, nobody).await?;
        let session = session.insert(connected);
        let begun = session.begin(&envelope("a@x.example", &["b@y.example"], &message)).await?;
        if let Some(reply) = begun.refusal.or(begun.recipients.into_iter().find_map(Result::err)) {
            return Ok(format!("refused {}", reply.code));
        }
        session.body(&message).await?;
        session.finish().await.map(|reply| format!("finished {}", reply.code))
    }
    .await;
    let text = match result {
        Ok(text) => text,
        Err(SmtpError::Rejected { stage, reply }) => format!("{stage} {}", reply.code),
        Err(SmtpError::Eof { stage }) => format!("{stage} eof"),
        Err(other) => panic!("{other:?}"),
    };
    (text, session.is_some_and(|session| session.is_usable()))
}

#[tokio::test]
async fn every_failure_that_smtp_sink_can_play() {
    if !ready() {
        return;
    }
    let fine = Sink::start(&[]);
    assert_eq!(send_to(&fine).await, ("finished 250".to_owned(), true));
    let taken = fine.taken();
    assert!(taken.len() == 1 && taken[0].contains("X-Rcpt-Args: <b@y.example>") && taken[0].contains("Subject: 1\n"));
    for (options, expected, usable) in [
        (["-e", "-c"], "finished 250", true),
        (["-p", "-8"], "finished 250", true),
        (["-f", "CONNECT"], "greeting 500", false),
        (["-r", "CONNECT"], "greeting 450", false),
        (["-Q", "CONNECT"], "greeting 421", false),
        (["-q", "CONNECT"], "greeting eof", false),
        (["-q", "EHLO"], "EHLO eof", false),
        (["-Q", "EHLO"], "EHLO 421", false),
        (["-f", "MAIL"], "MAIL 500", true),
        (["-r", "MAIL"], "MAIL 450", true),
        (["-Q", "MAIL"], "MAIL 421", false),
        (["-q", "MAIL"], "MAIL eof", false),
        (["-f", "RCPT"], "refused 500", true),
        (["-r", "RCPT"], "refused 450", true),
        (["-Q", "RCPT"], "RCPT 421", false),
        (["-q", "RCPT"], "RCPT eof", false),
        (["-f", "DATA"], "refused 500", true),
        (["-r", "DATA"], "refused 450", true),
        (["-Q", "DATA"], "DATA 421", false),
        (["-q", "DATA"], "DATA eof", false),
        (["-f", "."], "finished 500", true),
        (["-r", "."], "finished 450", true),
        (["-Q", "."], "finished 421", false),
        (["-q", "."], "end of message eof", false),
    ] {
        let sink = Sink::start(&options);
        assert_eq!(send_to(&sink).await, (expected.to_owned(), usable), "{options:?}");
    }
}

#[tokio::test]
async fn dovecot_relays_what_it_is_given_and_says_what_it_is_told() {
    if !ready() || !installed(&["/usr/lib/dovecot/submission"]) {
        return;
    }
    let mut dovecot = users();
    for (options, refused) in [(&["-c"][..], None), (&["-b", "452 4.3.1 no space", "-r", "."], Some(452))] {
        let sink = Sink::start(options);
        let port = dovecot.relay_to(sink.port);
        let tls = TlsClient::new(&[PathBuf::from(dovecot.authority())]).unwrap();
        let wrong = Credentials { username: ANNA, password: "wrong" };
        let error = connect("localhost", port, Security::Starttls, AuthMethod::Auto, &tls, wrong).await.unwrap_err();
        assert_eq!(classify::smtp::failure(&error).code, FailureCode::AuthRejected, "{error}");

        let anna = Credentials { username: ANNA, password: PASSWORD };
        let mut session = connect("localhost", port, Security::Starttls, AuthMethod::Auto, &tls, anna).await.unwrap();
        for number in 0..2 {
            let message = mail(number);
            assert!(session.begin(&envelope(ANNA, &["b@y.example"], &message)).await.unwrap().ready);
            session.body(&message).await.unwrap();
            let reply = session.finish().await.unwrap();
            assert_eq!(reply.code, refused.unwrap_or(250), "{reply}");
        }
        session.quit().await.unwrap();
        let own = |text: String| text[text.find("Subject: ").unwrap()..].trim_end().replace('\n', "\r\n");
        let mut taken: Vec<String> = sink.taken().into_iter().map(own).collect();
        taken.sort();
        let sent: Vec<String> =
            (0..2).map(|number| String::from_utf8(mail(number)).unwrap().trim_end().to_owned()).collect();
        assert!(refused.is_some() || taken == sent, "the bytes differ");
    }
}
