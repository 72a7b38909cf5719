//! A machine that gives too little.

use super::{assert_recorded_once, ready};
use crate::support::{daemon::Daemon, dovecot::Dovecot, mail, process::installed};

#[test]
fn too_few_file_descriptors_slow_down_and_disable_nothing() {
    if !ready() || !installed(&["prlimit"]) {
        return;
    }
    let server = Dovecot::start();
    let mut daemon = Daemon::new().with_server(&server);
    // Each connection rests until its mailbox is due again: the others need what it holds.
    daemon.configuration.profiles[0].more = "minimum_polling_interval = \"10s\"".into();
    let users: Vec<String> = (0..40).map(|number| format!("user-{number}@sample.example")).collect();
    for user in &users {
        server.set_password(user, "secret");
        server.deliver(user, &mail::small(&format!("to-{user}")));
        daemon = daemon.with_mailbox(user, "secret");
    }
    daemon.open_files = Some(48);
    daemon.start();
    daemon.wait_for_log(&["resources-exhausted"]);
    daemon.wait_for_activities(40);
    assert!(daemon.stop().success(), "{}", daemon.log());

    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    assert_recorded_once(&server, &users, &daemon);
    assert_eq!(daemon.count("SELECT count(*) FROM mailboxes WHERE incoming_enabled"), 40);
    assert_eq!(daemon.count("SELECT count(*) FROM mailboxes WHERE incoming_confirmations > 0"), 0);
    assert!(!daemon.log().contains("credentials-missing"), "{}", daemon.log());
}
