//! A mailbox that was made by command, and is moved by command.

use super::{ANNA, assert_recorded_once, ready};
use crate::support::{
    daemon::{Daemon, Profile},
    dovecot::Dovecot,
    mail,
};

#[test]
fn a_mailbox_moved_by_command_to_a_profile_of_the_other_protocol_doubles_nothing() {
    if !ready() {
        return;
    }
    let server = Dovecot::start();
    server.set_password(ANNA, "anna's password");
    let mut daemon = Daemon::new().with_server(&server).with_profile(Profile::pop3(&server));
    std::fs::write(daemon.path("anna"), "anna's password\n").unwrap();
    // The first run makes the profiles.
    daemon.once_well();
    let file = daemon.path("anna").display().to_string();
    let add = ["mailbox", "add", ANNA, "--kind", "forward", "--profile", "sample", "--password-file", &file];
    let does = |daemon: &Daemon, arguments: &[&str]| {
        let done = daemon.cli(arguments);
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    does(&daemon, &add);
    daemon.query("UPDATE mailboxes SET incoming_enabled = 1");
    for number in 0..5 {
        server.deliver(ANNA, &mail::small(&format!("{number}@sample.example")));
    }
    daemon.once_well();
    for (number, profile) in [(5, "maildrops"), (6, "sample")] {
        does(&daemon, &["mailbox", "set", "--all", "--to-profile", profile]);
        server.deliver(ANNA, &mail::small(&format!("{number}@sample.example")));
        daemon.once_well();
        assert_recorded_once(&server, &[ANNA], &daemon);
    }
    assert_eq!(daemon.activities(), 7);
    assert_eq!(daemon.log().matches("protocol_changed").count(), 2, "{}", daemon.log());
}
