//! The real daemon reads a real Dovecot over POP3, and deletes what it is told to, over POP3 and IMAP.

use std::collections::BTreeSet;

use super::{ANNA, BERT, assert_recorded_once, ready};
use crate::support::{
    certificates::Certificate,
    daemon::{Daemon, Profile},
    dovecot::{Dovecot, Tls},
    mail,
    process::{LONG, wait_until},
};

const PASSWORD: &str = "anna's password";

/// A server with Anna's mailbox, and a daemon that reads it over POP3.
fn anna() -> (Dovecot, Daemon) {
    let server = Dovecot::start();
    server.set_password(ANNA, PASSWORD);
    let mut daemon = Daemon::new().with_server(&server).with_profile(Profile::pop3(&server));
    daemon.configuration.profiles.remove(0);
    let daemon = daemon.with_mailbox(ANNA, PASSWORD);
    (server, daemon)
}

fn deliver(server: &Dovecot, names: impl IntoIterator<Item = impl std::fmt::Display>) {
    for name in names {
        server.deliver(ANNA, &mail::small(&format!("{name}@sample.example")));
    }
}

/// Anna's mail is deleted once it is recorded, `after` that.
fn delete_after(daemon: &mut Daemon, after: &str) {
    daemon.configuration.mailboxes[0].more = "delete_after_processing = true\n".to_owned();
    daemon.configuration.sections.insert("receive", format!("delete_after = \"{after}\"\n"));
}

/// Each mail that was ever delivered is recorded, once.
fn assert_once(daemon: &Daemon, count: usize) {
    let recorded = daemon.recorded();
    assert!(recorded.len() == count && recorded.values().all(|count| *count == 1), "{recorded:?}\n{}", daemon.log());
}

#[test]
fn mail_in_a_maildrop_is_recorded_and_left() {
    if !ready() {
        return;
    }
    let (server, mut daemon) = anna();
    deliver(&server, 0..5);
    daemon.start();
    daemon.wait_for_activities(5);
    deliver(&server, 5..6);
    server.deliver(ANNA, &mail::big("big@sample.example", 300_000));
    daemon.wait_for_activities(7);
    // Somebody deletes mail, and more comes.
    server.expunge(ANNA, "1:3");
    deliver(&server, 8..10);
    daemon.wait_for_activities(9);
    let gone = "SELECT count(*) FROM inbox_ledger WHERE server_copy = 'gone'";
    wait_until(LONG, "the daemon to notice", || daemon.count(gone) == 3);
    assert!(daemon.stop().success());
    assert_eq!(server.messages(ANNA).len(), 6);
    assert_once(&daemon, 9);
    assert_eq!(daemon.count("SELECT count(*) FROM inbox_ledger"), 9, "nothing was read twice");
}

#[test]
fn stls_carries_mail_and_a_server_without_it_gets_nothing() {
    if !ready() {
        return;
    }
    let (server, mut daemon) = anna();
    daemon.configuration.profiles[0] = Profile::pop3_at(server.pop3, "starttls");
    deliver(&server, 0..3);
    daemon.once_well();
    assert_recorded_once(&server, &[ANNA], &daemon);
    wait_until(LONG, "the log-in in the server's log", || {
        server.log().lines().any(|line| line.contains("pop3-login: Info: Login: ") && line.contains("TLS"))
    });

    let plain = Dovecot::start_with(Certificate::Good, Tls::Off);
    plain.set_password(ANNA, PASSWORD);
    daemon.configuration.profiles[0] = Profile::pop3_at(plain.pop3, "starttls");
    assert_eq!(daemon.once().code(), Some(1), "{}", daemon.log());
    assert!(daemon.json(&["profile", "show", "maildrops"]).to_string().contains("security-downgrade"));
    assert_eq!(plain.pop3_logins(), 0);
}

#[test]
fn a_wrong_password_over_pop3_is_named() {
    if !ready() {
        return;
    }
    let (server, daemon) = anna();
    server.set_password(BERT, "bert's password");
    deliver(&server, 0..1);
    let mut daemon = daemon.with_mailbox(BERT, "not bert's password");
    assert_eq!(daemon.once().code(), Some(1), "{}", daemon.log());
    assert_eq!(daemon.activities(), 1);
    assert!(daemon.mailbox(BERT).to_string().contains("auth-rejected"));
    assert_eq!(daemon.count("SELECT count(*) FROM mailboxes WHERE incoming_enabled"), 2);
}

#[test]
fn messages_that_share_a_name_are_all_recorded() {
    if !ready() {
        return;
    }
    let (mut server, mut daemon) = anna();
    // All messages of the maildrop have one and the same UIDL.
    server.reconfigure("pop3_uidl_format = %v\nprotocol pop3 {\n  pop3_uidl_duplicates = allow\n}\n");
    deliver(&server, ["a", "bb", "ccc", "a"]);
    daemon.once_well();
    assert_eq!((daemon.activities(), daemon.count("SELECT count(*) FROM inbox_ledger")), (3, 4));
    assert_eq!(daemon.count("SELECT count(DISTINCT uidl) FROM inbox_ledger"), 1, "they do share a name");
    // One goes, and one of the same size comes.
    server.expunge(ANNA, "3");
    deliver(&server, ["dddd", "eee"]);
    daemon.once_well();
    daemon.once_well();
    assert_once(&daemon, 5);
    // The server calls those that share a name otherwise from now on.
    server.reconfigure("pop3_uidl_format = %v\nprotocol pop3 {\n  pop3_uidl_duplicates = rename\n}\n");
    deliver(&server, ["ffffff"]);
    daemon.once_well();
    assert_once(&daemon, 6);
}

#[test]
fn a_server_that_renames_everything_doubles_nothing() {
    if !ready() {
        return;
    }
    let (mut server, mut daemon) = anna();
    deliver(&server, (0..30).map(|number| "x".repeat(number + 1)));
    daemon.once_well();
    assert_eq!(daemon.activities(), 30);
    server.reconfigure("pop3_uidl_format = moved-%u-%v\n");
    deliver(&server, ["new"]);
    daemon.once_well();
    assert!(daemon.log().contains("uidls_changed"), "{}", daemon.log());
    assert_once(&daemon, 31);
    daemon.once_well();
    assert_eq!(daemon.log().matches("uidls_changed").count(), 1, "the third visit finds the same");
    assert_eq!(daemon.count("SELECT count(*) FROM inbox_ledger"), 61);
}

#[test]
fn a_mailbox_moved_to_a_profile_of_the_other_protocol_doubles_nothing() {
    if !ready() {
        return;
    }
    let server = Dovecot::start();
    server.set_password(ANNA, PASSWORD);
    let mut daemon =
        Daemon::new().with_server(&server).with_profile(Profile::pop3(&server)).with_mailbox(ANNA, PASSWORD);
    deliver(&server, 0..5);
    daemon.once_well();
    for (profile, number) in [("sample", 5), ("maildrops", 6), ("sample", 7), ("maildrops", 8)] {
        daemon.configuration.mailboxes[0].profile = profile.to_owned();
        deliver(&server, [number]);
        daemon.once_well();
        assert_recorded_once(&server, &[ANNA], &daemon);
    }
    assert_once(&daemon, 9);
    assert_eq!(daemon.log().matches("protocol_changed").count(), 4, "{}", daemon.log());
    assert!(server.pop3_logins() > 2 && server.logins() > 1);
}

/// Mail that nobody may take for recorded: it is too large.
fn deliver_what_is_set_aside(server: &Dovecot, daemon: &mut Daemon) {
    let lines = daemon.configuration.sections.entry("receive").or_default();
    lines.push_str("maximum_message_size = \"200kB\"\n");
    server.deliver(ANNA, &mail::big("aside@sample.example", 300_000));
}

#[test]
fn what_is_recorded_is_deleted_over_pop3_and_nothing_else() {
    if !ready() {
        return;
    }
    let (server, mut daemon) = anna();
    deliver(&server, ["before"]);
    daemon.once_well();
    delete_after(&mut daemon, "0s");
    deliver_what_is_set_aside(&server, &mut daemon);
    deliver(&server, 0..5);
    daemon.start();
    daemon.wait_for_activities(6);
    deliver(&server, 5..10);
    let left = BTreeSet::from(["aside@sample.example".to_owned(), "before@sample.example".to_owned()]);
    daemon.wait_for_activities(11);
    wait_until(LONG, "all that is recorded to be deleted", || server.message_ids_now(ANNA) == left);
    assert!(daemon.stop().success());
    assert_once(&daemon, 11);
}

#[test]
fn nothing_is_deleted_before_the_safety_delay_has_passed() {
    if !ready() {
        return;
    }
    let (server, mut daemon) = anna();
    delete_after(&mut daemon, "24h");
    deliver(&server, 0..3);
    for _ in 0..3 {
        daemon.once_well();
    }
    assert_eq!((daemon.activities(), server.messages(ANNA).len()), (3, 3));
    daemon.query("UPDATE inbox_ledger SET judged_at = '2020-01-01T00:00:00.000000Z' WHERE uid = 2");
    daemon.once_well();
    daemon.once_well();
    assert_eq!(server.messages(ANNA).len(), 2);
    let copies = daemon.query("SELECT server_copy FROM inbox_ledger ORDER BY uid");
    assert_eq!(copies.concat(), ["due", "gone", "due"]);
}

#[test]
fn what_is_recorded_is_deleted_over_imap_and_what_others_marked_is_not() {
    if !ready() {
        return;
    }
    let server = Dovecot::start();
    server.set_password(ANNA, PASSWORD);
    let mut daemon = Daemon::new().with_server(&server).with_mailbox(ANNA, PASSWORD);
    delete_after(&mut daemon, "0s");
    deliver_what_is_set_aside(&server, &mut daemon);
    // Somebody marked it as deleted and may change their mind: a bare EXPUNGE would remove it.
    server.doveadm(&["flags", "add", "-u", ANNA, "\\Deleted", "mailbox", "INBOX", "ALL"]);
    deliver(&server, 0..5);
    daemon.start();
    daemon.wait_for_activities(5);
    deliver(&server, 5..10);
    daemon.wait_for_activities(10);
    let left = BTreeSet::from(["aside@sample.example".to_owned()]);
    wait_until(LONG, "all that is recorded to be deleted", || server.message_ids_now(ANNA) == left);
    assert!(daemon.stop().success());
    assert_once(&daemon, 10);
}

#[test]
fn without_uidplus_what_is_recorded_is_moved_to_the_trash_or_left() {
    if !ready() {
        return;
    }
    let mut server = Dovecot::start();
    server.set_password(ANNA, PASSWORD);
    let offered = |more: &str| format!("protocol imap {{\n  imap_capability = IMAP4rev1 LITERAL+ IDLE {more}\n}}\n");
    server.reconfigure(&offered("MOVE SPECIAL-USE"));
    let mut daemon = Daemon::new().with_server(&server).with_mailbox(ANNA, PASSWORD);
    delete_after(&mut daemon, "0s");
    server.doveadm(&["mailbox", "create", "-u", ANNA, "Trash"]);
    deliver(&server, 0..3);
    daemon.once_well();
    daemon.once_well();
    wait_until(LONG, "the Inbox to be empty", || server.messages(ANNA).is_empty());
    let trash = server.doveadm(&["-f", "tab", "mailbox", "status", "-u", ANNA, "messages", "Trash"]);
    assert!(trash.trim().ends_with("\t3"), "{trash}");

    // Without either it stays, and one alert says why.
    server.reconfigure(&offered(""));
    deliver(&server, 3..5);
    for _ in 0..3 {
        daemon.once_well();
    }
    assert_eq!((daemon.activities(), server.messages(ANNA).len()), (5, 2));
    let alerts = daemon.query("SELECT subject_kind, code, closed_at IS NULL FROM alerts");
    assert_eq!(alerts, [["mailbox", "deletion-refused", "1"]]);
}
