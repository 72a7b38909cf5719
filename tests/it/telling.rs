//! What a running daemon says of failures, in its log and its metrics: each is one line with a code.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
};

use crate::support::{
    daemon::{Daemon, Profile},
    process::{LONG, installed, wait_for},
};

const ADA: &str = "ada@contoso.example";

/// Twelve mails without a recipient, one that may not be sent as somebody else, and one that would
/// start a header line of its own.
const MAILS: &str = "PRAGMA foreign_keys = ON; BEGIN IMMEDIATE;
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 12)
INSERT INTO email_activities (mailbox, direction, status, subject)
SELECT id, 'outgoing', 'pending_send', 'to nobody ' || n FROM mailboxes, numbers;
INSERT INTO email_activities (mailbox, direction, status, subject, send_as)
SELECT id, 'outgoing', 'pending_send', 'as another', 'boss@contoso.example' FROM mailboxes;
INSERT INTO email_parties (activity, position, role, address)
SELECT id, 0, 'to', 'carla@customer.example' FROM email_activities WHERE subject = 'as another';
INSERT INTO email_activities (mailbox, direction, status, subject)
SELECT id, 'outgoing', 'pending_send', 'forged' || char(10) || 'Bcc: all@contoso.example' FROM mailboxes;
INSERT INTO email_parties (activity, position, role, address)
SELECT id, 0, 'to', 'carla@customer.example' FROM email_activities WHERE subject LIKE 'forged%';
COMMIT;";

/// A port at which nobody listens now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn metrics(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// A daemon whose servers nobody reaches, with its log for people and its metrics at a port.
fn daemon_with_metrics() -> (Daemon, u16) {
    let (closed, port) = (free_port(), free_port());
    let mut daemon = Daemon::new().with_profile(Profile::at(closed, "none").sending_through(closed));
    daemon = daemon.with_mailbox(ADA, "a password");
    let sections = &mut daemon.configuration.sections;
    sections.insert("log", "format = \"text\"\nlevel = \"info\"\n".to_owned());
    sections.insert("network", "allow_cleartext = true\n".to_owned());
    sections.insert("metrics", format!("listen = \"127.0.0.1:{port}\"\n"));
    sections.insert("email_settings", "outgoing = \"server_side_sync\"\n".to_owned());
    (daemon, port)
}

#[test]
fn mails_that_nobody_tries_to_send_are_counted_and_have_a_line_each() {
    if !installed(&["sqlite3"]) {
        return;
    }
    let (mut daemon, port) = daemon_with_metrics();
    daemon.start();
    daemon.wait_for_log(&["declared record", ADA]);
    daemon.query(MAILS);
    let failed = "mailsyncd_mails_total{profile=\"sample\",result=\"failed\"} 14";
    let text = wait_for(LONG, failed, || Some(metrics(port)).filter(|text| text.contains(failed)));
    for (code, count) in [("mail-invalid", 13), ("sender-refused", 1)] {
        let sample = format!(
            "mailsyncd_failures_total{{workload=\"outgoing\",scope=\"message\",class=\"permanent\",code=\"{code}\"}} {count}"
        );
        assert!(text.contains(&sample), "{sample} is not in\n{text}");
    }
    daemon.stop();
    let log = daemon.log();
    // All of them, or ten of those that no cycle had taken up, and how many the others are.
    let given_up: Vec<&str> = log.lines().filter(|line| line.contains("mail given up")).collect();
    assert!(given_up.len() >= 11, "{log}");
    for line in &given_up {
        assert!(line.contains("ERROR") && line.contains(ADA) && line.contains("activity.id="), "{line}");
        assert!(line.contains("code=") && line.contains("words=") && line.contains("hint="), "{line}");
    }
    let further: Vec<&str> = log.lines().filter(|line| line.contains("further mails cannot be sent")).collect();
    assert_eq!(further.is_empty(), given_up.len() == 14, "{log}");
    assert!(further.iter().all(|line| line.contains("ERROR") && line.contains("code=")), "{log}");
}

#[test]
fn a_configuration_that_is_wrong_is_one_line_with_its_code() {
    let (mut daemon, _) = daemon_with_metrics();
    daemon.start();
    daemon.wait_for_log(&["metrics and health are shown"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("listen = \"{}\"\n", taken.local_addr().unwrap());
    daemon.configuration.sections.insert("metrics", listen);
    daemon.write_configuration();
    daemon.process().signal("HUP");
    daemon.wait_for_log(&["metrics and health are not shown"]);

    let file = daemon.path("mailsyncd.toml");
    let wrong = fs::read_to_string(&file).unwrap() + "\n[[queue]]\nnaem = \"Sales\"\n[pol]\n";
    fs::write(&file, wrong).unwrap();
    daemon.process().signal("HUP");
    daemon.wait_for_log(&["configuration not reloaded"]);
    daemon.stop();
    let log = daemon.log();
    let line = |words: &str| log.lines().find(|line| line.contains(words)).unwrap();
    let not_shown = line("metrics and health are not shown");
    assert!(not_shown.contains("ERROR") && not_shown.contains("code=\"monitoring-unavailable\""), "{not_shown}");
    let not_reloaded = line("configuration not reloaded");
    assert!(not_reloaded.contains("code=\"configuration-invalid\""), "{not_reloaded}");
    assert!(not_reloaded.contains("mailsyncd.toml:") && not_reloaded.contains("naem"), "{not_reloaded}");
    let whole = |line: &str| line.contains("ERROR") || line.contains("WARN") || line.contains("INFO");
    assert!(log.lines().all(whole), "a line that is no line of its own:\n{log}");
}
