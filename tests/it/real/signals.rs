//! Stopping, reloading, and a second daemon.

use std::time::Instant;

use super::{ANNA, BERT, anna, assert_recorded_once, ready};
use crate::support::{
    chaos::ChaosProxy,
    daemon::{Profile, STOP_LIMIT, text_of},
    mail,
    process::{LONG, wait_until},
};

#[test]
fn sigterm_ends_the_daemon_in_time_even_beside_a_silent_server() {
    if !ready() {
        return;
    }
    let (server, mut daemon) = anna();
    let proxy = ChaosProxy::start(server.imaps);
    daemon.configuration.profiles[0] =
        Profile { more: "connection_timeout = \"100s\"\n".into(), ..Profile::at(proxy.port, "tls") };
    for number in 0..20 {
        server.deliver(ANNA, &mail::big(&format!("big-{number}@sample.example"), 200_000));
    }
    proxy.stall_after(1_000_000);
    daemon.start();
    wait_until(LONG, "the fetch to be under way", || proxy.stalls() > 0);
    let start = Instant::now();
    assert!(daemon.stop().success(), "{}", daemon.log());
    assert!(start.elapsed() < STOP_LIMIT, "{:?}", start.elapsed());

    proxy.restore();
    daemon.start();
    daemon.wait_for_activities(20);
    assert!(daemon.stop().success());
    assert_recorded_once(&server, &[ANNA], &daemon);
}

#[test]
fn sighup_takes_a_right_file_and_leaves_a_wrong_one() {
    if !ready() {
        return;
    }
    let (server, mut daemon) = anna();
    server.set_password(BERT, "bert's password");
    server.deliver(ANNA, &mail::small("1@sample.example"));
    daemon.start();
    daemon.wait_for_activities(1);

    daemon.configuration.more = "\n[poling]\npush = true\n".into();
    daemon.write_configuration();
    daemon.process().signal("HUP");
    daemon.wait_for_log(&["poling"]);
    server.deliver(ANNA, &mail::small("2@sample.example"));
    daemon.wait_for_activities(2);

    server.deliver(BERT, &mail::small("3@sample.example"));
    daemon.configuration.more = String::new();
    daemon = daemon.with_mailbox(BERT, "bert's password");
    daemon.write_configuration();
    daemon.process().signal("HUP");
    daemon.wait_for_activities(3);

    daemon.configuration.mailboxes.remove(0);
    daemon.write_configuration();
    daemon.process().signal("HUP");
    wait_until(LONG, "Anna's mailbox to be retired", || {
        daemon.query("SELECT email_address FROM mailboxes WHERE state = 'active'") == [[BERT]]
    });
    server.deliver(ANNA, &mail::small("4@sample.example"));
    server.deliver(BERT, &mail::small("5@sample.example"));
    daemon.wait_for_activities(4);
    assert!(daemon.stop().success());
    assert!(daemon.recorded().contains_key("5@sample.example"));
    assert!(!daemon.recorded().contains_key("4@sample.example"));
}

#[test]
fn one_daemon_per_sqlite_file() {
    if !ready() {
        return;
    }
    let (server, mut daemon) = anna();
    server.deliver(ANNA, &mail::small("1@sample.example"));
    daemon.start();
    daemon.wait_for_activities(1);
    let second = daemon.cli(&["run"]);
    assert_eq!(second.status.code(), Some(1), "{}", text_of(&second));
    assert!(text_of(&second).contains("another mailsyncd is running"), "{}", text_of(&second));
    // The command line may look meanwhile, and the first daemon goes on.
    assert!(daemon.mailbox(ANNA).to_string().contains(ANNA));
    server.deliver(ANNA, &mail::small("2@sample.example"));
    daemon.wait_for_activities(2);
    assert!(daemon.stop().success());
}
