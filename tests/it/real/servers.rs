//! The servers themselves: what the scenarios rest on.

use std::process::Command;

use crate::support::{
    certificates::Certificate,
    dovecot::{Dovecot, Tls},
    process::{LONG, installed, output, run, wait_until},
};

const MAIL: &[u8] = b"Message-ID: <1@sample.example>\r\nSubject: one\r\n\r\nbody\r\n";

/// Logs in with Python's imaplib and prints UIDVALIDITY, UIDs and the answer to a log-in.
const LOOK: &str = "
import imaplib, ssl, sys
port, authority, user, password = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
imap = imaplib.IMAP4_SSL('localhost', port, ssl_context=ssl.create_default_context(cafile=authority))
imap.login(user, password)
imap.select('INBOX', readonly=True)
print(imap.response('UIDVALIDITY')[1][0].decode(), imap.uid('SEARCH', 'ALL')[1][0].decode())
";

fn look(server: &Dovecot, user: &str, password: &str) -> String {
    let port = server.imaps.to_string();
    run(Command::new("python3").args(["-c", LOOK, &port]).arg(server.authority()).args([user, password]))
}

#[test]
fn dovecot_serves_what_was_delivered_and_forgets_what_was_expunged() {
    if !installed(&["dovecot", "doveadm", "python3"]) {
        return;
    }
    let mut server = Dovecot::start();
    server.set_password("anna@sample.example", "first");
    for _ in 0..3 {
        server.deliver("anna@sample.example", MAIL);
    }
    let before = look(&server, "anna@sample.example", "first");
    assert!(before.ends_with(" 1 2 3"), "{before}");
    server.expunge("anna@sample.example", "2");
    assert!(look(&server, "anna@sample.example", "first").ends_with(" 1 3"));
    assert_eq!(server.message_ids("anna@sample.example").get("1@sample.example"), Some(&2));

    server.set_password("anna@sample.example", "second");
    server.bump_uid_validity("anna@sample.example");
    let after = look(&server, "anna@sample.example", "second");
    let validity = |answer: &str| answer.split(' ').next().unwrap().parse::<u32>().unwrap();
    assert_eq!(validity(&after), validity(&before) + 1);
    wait_until(LONG, "the log", || server.logins() >= 3);
}

#[test]
fn certificates_are_wrong_in_the_way_they_say() {
    if !installed(&["dovecot", "openssl"]) {
        return;
    }
    let expected = [
        (Certificate::Good, "Verify return code: 0 (ok)"),
        (Certificate::Expired, "certificate has expired"),
        (Certificate::WrongName, "hostname mismatch"),
        (Certificate::UnknownAuthority, "unable to get local issuer certificate"),
        (Certificate::SelfSignedAuthority, "self-signed certificate"),
    ];
    for (certificate, words) in expected {
        let server = Dovecot::start_with(certificate, Tls::Required);
        let verdict = server.openssl_verdict();
        assert!(verdict.contains(words), "{certificate:?}: {verdict}");
    }
}

#[test]
fn a_server_ends_with_its_test() {
    if !installed(&["dovecot"]) {
        return;
    }
    let processes = |word: &str| {
        let found = output(Command::new("pgrep").args(["--full", word]));
        String::from_utf8_lossy(&found.stdout).lines().count()
    };
    let config = std::thread::spawn(move || {
        let server = Dovecot::start();
        let config = server.maildir("x").ancestors().nth(3).unwrap().join("dovecot.conf");
        assert_eq!(processes(config.to_str().unwrap()), 1);
        // As if the test had been killed: nothing is dropped, but the thread ends.
        std::mem::forget(server);
        config
    });
    let config = config.join().unwrap();
    wait_until(LONG, "dovecot to end", || processes(config.to_str().unwrap()) == 0);
    std::fs::remove_dir_all(config.parent().unwrap()).unwrap();
}
