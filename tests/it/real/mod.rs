//! Ring 4: the real binary against a real Dovecot.

mod alerts;
mod corpus;
mod crashes;
mod documents;
mod input;
mod locks;
mod machine;
mod maildrop_crashes;
mod maildrops;
mod moves;
mod poison;
mod polling;
mod pop3;
mod refusals;
mod secrets;
mod send_drill;
mod sending;
mod sent;
mod servers;
mod session;
mod set_aside;
mod signals;
mod smtp;
mod taken_away;
mod test_deaths;
mod testing;
mod unit;

use crate::support::{daemon::Daemon, dovecot::Dovecot, process::installed};

const ANNA: &str = "anna@sample.example";
const BERT: &str = "bert@sample.example";

/// Whether the scenarios can run here.
fn ready() -> bool {
    installed(&["dovecot", "doveadm", "sqlite3", "setpriv"])
}

/// A server with Anna's mailbox, and a daemon that polls it.
fn anna() -> (Dovecot, Daemon) {
    let server = Dovecot::start();
    server.set_password(ANNA, "anna's password");
    let daemon = Daemon::new().with_server(&server).with_mailbox(ANNA, "anna's password");
    (server, daemon)
}

/// Everything on the server is recorded once, and nothing else is.
fn assert_recorded_once(server: &Dovecot, users: &[&str], daemon: &Daemon) {
    assert_none_lost_but(0, server, users, daemon);
}

/// The same, but for so many messages that were set aside.
fn assert_none_lost_but(set_aside: usize, server: &Dovecot, users: &[&str], daemon: &Daemon) {
    let mut expected = std::collections::BTreeMap::new();
    for user in users {
        expected.extend(server.message_ids(user).into_keys().map(|id| (id, 1)));
    }
    let recorded = daemon.recorded();
    let lost: Vec<_> = expected.keys().filter(|id| !recorded.contains_key(*id)).collect();
    let doubled: Vec<_> = recorded.iter().filter(|(_, count)| **count > 1).collect();
    let invented: Vec<_> = recorded.keys().filter(|id| !expected.contains_key(*id)).collect();
    assert!(
        lost.len() == set_aside && doubled.is_empty() && invented.is_empty(),
        "lost {lost:?}, doubled {doubled:?}, invented {invented:?}\n{}",
        daemon.log()
    );
}
