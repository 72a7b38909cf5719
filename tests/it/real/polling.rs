//! Mail comes in and is recorded, whatever happens to the mailbox meanwhile.

use super::{ANNA, BERT, anna, assert_recorded_once, ready};
use crate::support::{
    certificates::Certificate,
    chaos::ChaosProxy,
    daemon::{Daemon, Profile},
    dovecot::{Dovecot, Tls},
    mail,
    process::{LONG, wait_until},
};

#[test]
fn mail_that_was_there_and_mail_that_comes_is_recorded() {
    if !ready() {
        return;
    }
    let (server, daemon) = anna();
    server.set_password(BERT, "bert's password");
    let mut daemon = daemon.with_mailbox(BERT, "bert's password");
    for number in 0..5 {
        server.deliver(ANNA, &mail::small(&format!("early-{number}@sample.example")));
    }
    daemon.start();
    daemon.wait_for_activities(5);
    server.deliver(ANNA, &mail::small("late-a@sample.example"));
    server.deliver(BERT, &mail::big("late-b@sample.example", 300_000));
    daemon.wait_for_activities(7);
    assert!(daemon.stop().success());

    assert_recorded_once(&server, &[ANNA, BERT], &daemon);
    assert_eq!(daemon.count("SELECT count(*) FROM inbox_ledger WHERE verdict = 'recorded'"), 7);
    for file in [server.messages(ANNA), server.messages(BERT)].concat() {
        let name = file.file_name().unwrap().to_str().unwrap();
        let flags = name.split_once(":2,").map_or("", |(_, flags)| flags);
        assert_eq!(flags, "", "reading a mailbox must change nothing: {name}");
    }
}

#[test]
fn starttls_carries_mail() {
    if !ready() {
        return;
    }
    let (server, mut daemon) = anna();
    daemon.configuration.profiles[0] = Profile::at(server.imap, "starttls");
    server.deliver(ANNA, &mail::small("1@sample.example"));
    daemon.once_well();
    assert_recorded_once(&server, &[ANNA], &daemon);
    // The server requires TLS, and its log says that it had it.
    wait_until(LONG, "the log-in in the server's log", || {
        server.log().lines().any(|line| line.contains("Info: Login: ") && line.contains("TLS"))
    });
}

#[test]
fn nothing_is_sent_to_a_server_that_has_lost_its_starttls() {
    if !ready() {
        return;
    }
    let server = Dovecot::start_with(Certificate::Good, Tls::Off);
    server.set_password(ANNA, "anna's password");
    server.deliver(ANNA, &mail::small("1@sample.example"));
    let mut daemon =
        Daemon::new().with_profile(Profile::at(server.imap, "starttls")).with_mailbox(ANNA, "anna's password");
    assert_eq!(daemon.once().code(), Some(1), "{}", daemon.log());
    assert!(daemon.log().contains("security-downgrade"), "{}", daemon.log());
    assert_eq!(server.logins(), 0);
    assert_eq!(daemon.activities(), 0);
}

#[test]
fn cleartext_works_where_it_is_allowed_and_only_there() {
    if !ready() {
        return;
    }
    let server = Dovecot::start_with(Certificate::Good, Tls::Off);
    server.set_password(ANNA, "anna's password");
    server.deliver(ANNA, &mail::small("1@sample.example"));
    let mut daemon = Daemon::new().with_profile(Profile::at(server.imap, "none")).with_mailbox(ANNA, "anna's password");
    assert_eq!(daemon.once().code(), Some(2), "{}", daemon.log());
    assert!(daemon.log().contains("allow_cleartext"), "{}", daemon.log());
    assert_eq!(server.logins(), 0);

    daemon.configuration.sections.insert("network", "allow_cleartext = true\n".into());
    daemon.once_well();
    assert_recorded_once(&server, &[ANNA], &daemon);
}

#[test]
fn another_uid_validity_doubles_nothing_and_loses_nothing() {
    if !ready() {
        return;
    }
    let (mut server, mut daemon) = anna();
    for number in 0..30 {
        server.deliver(ANNA, &mail::small(&format!("before-{number}@sample.example")));
    }
    daemon.once_well();
    assert_eq!(daemon.activities(), 30);
    for number in 0..3 {
        server.bump_uid_validity(ANNA);
        server.deliver(ANNA, &mail::small(&format!("after-{number}@sample.example")));
        daemon.once_well();
    }
    assert_eq!(daemon.activities(), 33);
    assert_recorded_once(&server, &[ANNA], &daemon);
}

#[test]
fn mail_expunged_while_it_is_fetched_stops_nothing() {
    if !ready() {
        return;
    }
    let (server, mut daemon) = anna();
    let proxy = ChaosProxy::start(server.imaps);
    daemon.configuration.profiles[0] = Profile::at(proxy.port, "tls");
    for number in 0..60 {
        server.deliver(ANNA, &mail::big(&format!("early-{number}@sample.example"), 400_000));
    }
    // Held back in the middle of the fetch, so that the server has most of it still to say.
    proxy.stall_after(2_000_000);
    daemon.start();
    wait_until(LONG, "the fetch to be under way", || proxy.stalls() > 0);
    server.expunge(ANNA, "30:*");
    proxy.restore();
    for number in 0..5 {
        server.deliver(ANNA, &mail::small(&format!("late-{number}@sample.example")));
    }
    let left = server.message_ids(ANNA);
    wait_until(LONG, "all that is left to be recorded", || {
        let recorded = daemon.recorded();
        left.keys().all(|id| recorded.contains_key(id))
    });
    assert!(daemon.stop().success());
    assert_eq!(left.len(), 34);
    let recorded = daemon.recorded();
    assert!(recorded.values().all(|count| *count == 1), "{recorded:?}");
    assert_eq!(daemon.count("SELECT count(*) FROM inbox_ledger WHERE verdict = 'set_aside'"), 0, "{}", daemon.log());
}

#[test]
fn idle_brings_mail_long_before_the_next_poll() {
    if !ready() {
        return;
    }
    let (server, mut daemon) = anna();
    daemon.configuration.sections.insert("polling", "push = true\npush_minimum = \"1s\"\n".into());
    daemon.configuration.profiles[0].more = "minimum_polling_interval = \"1h\"\n".into();
    server.deliver(ANNA, &mail::small("1@sample.example"));
    daemon.start();
    daemon.wait_for_activities(1);
    server.deliver(ANNA, &mail::small("2@sample.example"));
    daemon.wait_for_activities(2);
    assert!(daemon.stop().success());
    assert_recorded_once(&server, &[ANNA], &daemon);
}
