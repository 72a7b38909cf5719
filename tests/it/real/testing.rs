//! Test & Enable against real servers: stages, results, the test mail, and what a death leaves.

use std::{fs, path::Path, process::Output};

use super::{ANNA, BERT};
use crate::support::{
    certificates::Certificate,
    daemon::{Daemon, Profile, text_of, write_secret},
    dovecot::{Dovecot, Tls},
    postfix::{Postfix, ready},
    process::{LONG, wait_for},
};

const PASSWORD: &str = "a password";
const SUBJECT: &str = "Your mailbox is now connected to Contoso Ltd";

/// Servers where Anna and Bert have a mailbox.
fn servers(certificate: Certificate) -> (Dovecot, Postfix) {
    let dovecot = Dovecot::start_with(certificate, Tls::Required);
    for user in [ANNA, BERT] {
        dovecot.set_password(user, PASSWORD);
    }
    let postfix = Postfix::start(&dovecot);
    (dovecot, postfix)
}

/// A daemon that knows Anna's mailbox, which nobody has approved or enabled.
fn daemon_for(dovecot: &Dovecot, postfix: &Postfix, profile: Profile) -> Daemon {
    let mut daemon = Daemon::new();
    let read = |authority: &Path| fs::read_to_string(authority).unwrap();
    fs::write(daemon.path("authorities"), read(dovecot.authority()) + &read(postfix.authority())).unwrap();
    let outgoing = format!("outgoing = {{ host = \"localhost\", port = {} }}\n", postfix.submissions);
    // The second profile is there for its port alone, which joins those that may be dialled.
    let port = Profile::at(postfix.submissions, "tls").named("port");
    daemon = daemon.with_profile(port).with_profile(Profile { more: outgoing, ..profile.named("main") });
    daemon.configuration.authority = Some(daemon.path("authorities"));
    let settings = "outgoing = \"server_side_sync\"\norganization = \"Contoso Ltd\"\n";
    daemon.configuration.sections.insert("email_settings", settings.to_owned());
    daemon.configuration.more = format!(
        "\n[[user]]\nname = \"Anna\"\nemail_address = \"{ANNA}\"\n\n[[mailbox]]\nemail_address = \"{ANNA}\"\n\
         owner = \"user:Anna\"\nprofile = \"main\"\npassword_file = {:?}\n",
        daemon.path("anna")
    );
    write_secret(&daemon.path("anna"), PASSWORD);
    daemon
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The daemon has taken the mailbox over.
fn taken_over(daemon: &mut Daemon) {
    daemon.start();
    daemon.wait_for_log(&["declared record", ANNA]);
}

/// Runs the command, which must end so, with these words in what it says, in order.
fn test_enable(daemon: &Daemon, options: &[&str], status: i32, words: &[&str]) -> String {
    let ran = daemon.cli(&[&["mailbox", "test-enable", ANNA], options].concat());
    let text = stdout(&ran);
    assert_eq!(ran.status.code(), Some(status), "{}\n{}", text_of(&ran), daemon.log());
    let mut rest = text.as_str();
    for word in words {
        let at = rest.find(word).unwrap_or_else(|| panic!("{word:?} is not in the rest of\n{text}"));
        rest = &rest[at + word.len()..];
    }
    text
}

fn test_mails(server: &Dovecot, user: &str) -> usize {
    let is_test = |file: &Path| {
        fs::read_to_string(file).unwrap().contains(&format!("Subject: {SUBJECT}\r\n"))
            || fs::read_to_string(file).unwrap().contains(&format!("Subject: {SUBJECT}\n"))
    };
    server.messages(user).iter().filter(|file| is_test(file)).count()
}

#[test]
fn a_mailbox_is_approved_tested_and_enabled_and_its_test_mail_is_no_mail() {
    if !ready() {
        return;
    }
    let (dovecot, postfix) = servers(Certificate::Good);
    let mut daemon = daemon_for(&dovecot, &postfix, Profile::of(&dovecot));
    dovecot.deliver(ANNA, b"Message-ID: <one@sample.example>\r\nSubject: one\r\n\r\nbody\r\n");
    taken_over(&mut daemon);
    test_enable(&daemon, &["--wait"], 1, &[ANNA, "not tested: it waits for approval"]);
    assert_eq!(dovecot.logins(), 0);
    let approved = daemon.cli(&["mailbox", "approve", ANNA]);
    assert_eq!(stdout(&approved), format!("{ANNA}: approved\napproved 1 of 1\n"), "{}", text_of(&approved));

    let dry = ["would work", "would work", "would import 1 message", "tests that went well: 1 of 1"];
    test_enable(&daemon, &["--dry-run"], 0, &dry);
    assert_eq!((test_mails(&dovecot, ANNA), daemon.activities()), (0, 0));
    assert_eq!(daemon.mailbox(ANNA)["incoming"]["enabled"], false);

    let stages = [
        "incoming password",
        "incoming DNS",
        "incoming TCP",
        "incoming TLS",
        "incoming greeting",
        "incoming log-in",
        "incoming Inbox",
        "outgoing password",
        "outgoing DNS",
        "outgoing TCP",
        "outgoing TLS",
        "outgoing greeting",
        "outgoing log-in",
        "outgoing send",
        "outgoing arrival",
        "reading works and is enabled",
        "sending works and is enabled",
    ];
    test_enable(&daemon, &["--wait", "--round-trip"], 0, &stages);
    let shown = daemon.mailbox(ANNA);
    for workload in ["incoming", "outgoing"] {
        assert_eq!((&shown[workload]["enabled"], &shown[workload]["test_status"]), (&true.into(), &"success".into()));
    }
    assert!(shown["test_completed_at"].is_string());
    let alerts = "SELECT severity, code FROM alerts WHERE closed_at IS NULL";
    assert_eq!(daemon.query(alerts), [["information", "mailbox-connected"]]);

    // Now it is read: the test mail is no activity, whoever else finds it.
    daemon.wait_for_activities(1);
    let reasons = "SELECT count(*) FROM inbox_ledger WHERE verdict = 'ignored' AND reason = 'test_mail'";
    wait_for(LONG, "the test mail to be read", || (daemon.count(reasons) == 1).then_some(()));
    assert_eq!(test_mails(&dovecot, ANNA), 1);
    let copy = dovecot.messages(ANNA).into_iter().find(|file| fs::read_to_string(file).unwrap().contains(SUBJECT));
    dovecot.deliver(BERT, &fs::read(copy.unwrap()).unwrap());
    daemon.configuration.mailboxes.push(crate::support::daemon::Mailbox {
        address: BERT.into(),
        profile: "main".into(),
        password: Some(PASSWORD.into()),
        more: String::new(),
    });
    daemon.write_configuration();
    daemon.process().signal("HUP");
    wait_for(LONG, "its copy to be read through another mailbox", || (daemon.count(reasons) == 2).then_some(()));
    assert_eq!(daemon.activities(), 1);
    let outgoing = "SELECT count(*) FROM email_activities WHERE direction = 'outgoing'";
    assert_eq!(daemon.count(outgoing), 0, "a test mail never passes the outbox");
    let audited =
        "SELECT count(*) FROM audit_log WHERE who LIKE 'cli:%' AND what IN ('mailbox.approve', 'mailbox.test')";
    assert_eq!(daemon.count(audited), 3);
}

#[test]
fn what_fails_is_named_with_its_stage_and_nothing_is_enabled() {
    if !ready() {
        return;
    }
    let (dovecot, postfix) = servers(Certificate::Good);
    let mut daemon = daemon_for(&dovecot, &postfix, Profile::of(&dovecot));
    write_secret(&daemon.path("anna"), "wrong");
    taken_over(&mut daemon);
    daemon.cli(&["mailbox", "approve", ANNA]);
    let words = ["incoming log-in", "FAILED: auth-", "outgoing log-in", "FAILED: auth-", "to do: ", "well: 0 of 1"];
    test_enable(&daemon, &["--wait"], 1, &words);
    let shown = daemon.mailbox(ANNA);
    for workload in ["incoming", "outgoing"] {
        assert_eq!((&shown[workload]["enabled"], &shown[workload]["test_status"]), (&false.into(), &"failure".into()));
    }
    assert!(daemon.count("SELECT count(*) FROM alerts WHERE severity = 'error' AND closed_at IS NULL") >= 1);
    assert_eq!(test_mails(&dovecot, ANNA), 0);

    // The right one, and what the failure left is over.
    write_secret(&daemon.path("anna"), PASSWORD);
    test_enable(&daemon, &["--wait"], 0, &["reading works and is enabled", "sending works and is enabled"]);
    let alerts = "SELECT code FROM alerts WHERE closed_at IS NULL";
    assert_eq!(daemon.query(alerts), [["mailbox-connected"]]);
}

#[test]
fn without_a_daemon_the_command_tests_and_says_what_is_wrong_with_the_servers() {
    if !ready() {
        return;
    }
    let (dovecot, postfix) = servers(Certificate::UnknownAuthority);
    let mut daemon = daemon_for(&dovecot, &postfix, Profile::of(&dovecot));
    fs::copy(postfix.authority(), daemon.path("authorities")).unwrap();
    daemon.once_well();
    daemon.cli(&["mailbox", "approve", ANNA]);
    test_enable(&daemon, &["--wait"], 1, &["incoming TLS", "FAILED: tls-untrusted", "sending works and is enabled"]);
    let probed = daemon.cli(&["profile", "test", "main"]);
    assert_eq!(probed.status.code(), Some(1), "{}", text_of(&probed));
    assert!(stdout(&probed).contains("tls-untrusted"), "{}", text_of(&probed));

    // A port where nobody speaks TLS.
    let speaks_none = Profile { port: dovecot.imap, ..Profile::of(&dovecot) };
    let mut daemon = daemon_for(&dovecot, &postfix, speaks_none);
    daemon.once_well();
    daemon.cli(&["mailbox", "approve", "--all"]);
    test_enable(&daemon, &["--wait"], 1, &["incoming TLS", "FAILED: tls-not-spoken"]);
}

#[test]
fn a_maildrop_is_tested_and_a_test_survives_the_death_of_its_daemon() {
    if !ready() {
        return;
    }
    let (dovecot, postfix) = servers(Certificate::Good);
    let mut daemon = daemon_for(&dovecot, &postfix, Profile::pop3(&dovecot));
    daemon.once_well();
    daemon.cli(&["mailbox", "approve", ANNA]);
    // As if a daemon had died in the middle of its first attempt.
    let queued = daemon.cli(&["mailbox", "test-enable", ANNA]);
    assert!(queued.status.success(), "{}", text_of(&queued));
    daemon.query(
        "UPDATE mailbox_tests SET attempts = 1, lease_owner = '00000000-0000-7000-8000-000000000001', \
         lease_expires = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 seconds')",
    );
    daemon.start();
    let done = "SELECT count(*) FROM mailbox_tests WHERE finished_at IS NOT NULL AND attempts = 2";
    wait_for(LONG, "the test to be taken over", || (daemon.count(done) == 1).then_some(()));
    let shown = daemon.mailbox(ANNA);
    assert_eq!((&shown["incoming"]["enabled"], &shown["outgoing"]["enabled"]), (&true.into(), &true.into()));
    test_enable(&daemon, &["--wait", "--round-trip"], 0, &["incoming Inbox", "outgoing arrival"]);
    let reasons = "SELECT count(*) FROM inbox_ledger WHERE reason = 'test_mail'";
    wait_for(LONG, "both test mails to be read", || (daemon.count(reasons) == 2).then_some(()));
    assert_eq!(daemon.activities(), 0);
}
