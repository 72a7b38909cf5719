//! What the configuration gave, taken away: a port, a key. Lines of the catalogue of faults too.

use mailsyncd::admin::why::State;

use super::{
    ANNA, BERT,
    machine::{row, state, why},
    ready,
};
use crate::support::{
    daemon::{Daemon, Profile, text_of, write_secret},
    dovecot::Dovecot,
    mail,
    process::{LONG, wait_for, wait_until},
};

const PASSWORD: &str = "their password";

fn two_users() -> Dovecot {
    let server = Dovecot::start();
    for user in [ANNA, BERT] {
        server.set_password(user, PASSWORD);
        server.deliver(user, &mail::small(&format!("before-{user}")));
    }
    server
}

/// A command that must succeed.
fn well(daemon: &Daemon, words: &[&str]) {
    let answer = daemon.cli(words);
    assert!(answer.status.success(), "{words:?}: {}", text_of(&answer));
}

/// Whether this alert is open.
fn is_open(daemon: &Daemon, subject: &str, code: &str, severity: &str) -> bool {
    let open = daemon.json(&["alert", "list"]);
    let is_meant = |alert: &serde_json::Value| {
        alert["subject"] == subject && alert["code"] == code && alert["severity"] == severity
    };
    open.as_array().unwrap().iter().any(is_meant)
}

/// Everybody is mailed, and only `who` reads it.
fn only_one_goes_on(daemon: &mut Daemon, server: &Dovecot, who: &str) {
    for user in [ANNA, BERT] {
        server.deliver(user, &mail::small(&format!("during-{user}")));
    }
    daemon.wait_for_activities(3);
    let read = daemon.recorded();
    assert!(read.keys().any(|id| id.contains(&format!("during-{who}"))) && read.len() == 3, "{read:?}");
    let (_, code, words) = why(daemon, who);
    assert_eq!(code, "", "{words}");
}

#[test]
fn a_port_that_is_allowed_no_more_holds_its_profile_until_it_is() {
    if !ready() {
        return;
    }
    let server = two_users();
    let port = server.imap.to_string();
    // Its port is allowed as long as it is declared.
    let mut daemon = Daemon::new().with_profile(Profile::at(server.imap, "starttls").named("port"));
    daemon = daemon.with_server(&server).with_mailbox(ANNA, PASSWORD);
    daemon.start();
    daemon.wait_for_activities(1);
    let file = daemon.path("bert's");
    write_secret(&file, PASSWORD);
    let own = ["--incoming-security", "starttls", "--minimum-polling-interval", "1s"];
    let at = ["profile", "add", "typed", "--incoming-host", "localhost", "--incoming-port", port.as_str()];
    well(&daemon, &[&at[..], &own].concat());
    well(&daemon, &["queue", "add", "Bert", "--email-address", BERT, "--no-mailbox"]);
    let reads = ["--incoming", "server_side_sync", "--password-file", file.to_str().unwrap()];
    let of = ["mailbox", "add", BERT, "--owner", "queue:Bert", "--profile", "typed"];
    well(&daemon, &[&of[..], &reads].concat());
    well(&daemon, &["mailbox", "approve", BERT]);
    well(&daemon, &["mailbox", "test-enable", BERT, "--wait"]);
    daemon.wait_for_activities(2);

    let declared = daemon.configuration.profiles.remove(0);
    daemon.write_configuration();
    daemon.process().signal("HUP");
    daemon.wait_for_log(&["configuration reloaded"]);
    // A connection that is there serves on.
    server.doveadm(&["kick", BERT]);
    let told = ("typed", "port-not-allowed", "error");
    wait_for(LONG, "the alert", || is_open(&daemon, told.0, told.1, told.2).then_some(()));
    let (is, code, words) = why(&daemon, BERT);
    assert_eq!((is, code.as_str()), (state(State::Held), told.1), "{words}");
    only_one_goes_on(&mut daemon, &server, ANNA);

    daemon.configuration.profiles.insert(0, declared);
    daemon.write_configuration();
    daemon.process().signal("HUP");
    daemon.wait_for_activities(4);
    wait_for(LONG, "the end of the alert", || (!is_open(&daemon, told.0, told.1, told.2)).then_some(()));
    assert!(daemon.stop().success());
    row("port", ["a port that is allowed no more", told.1, "profile", "held 30 s", "held", told.2, "by itself"]);
}

#[test]
fn a_key_that_is_not_there_any_more_makes_its_mailboxes_wait_until_it_is() {
    if !ready() {
        return;
    }
    let server = two_users();
    let mut daemon = Daemon::new().with_server(&server).with_mailbox(ANNA, PASSWORD);
    daemon = daemon.with_mailbox_of_stored_password(BERT);
    daemon.configuration.sections.insert("failures", "confirmations = [\"1s\", \"2s\", \"1h\"]\n".into());
    let keys = ["key", "another"].map(|name| daemon.path(name));
    for key in &keys {
        well(&daemon, &["key", "new", key.to_str().unwrap()]);
    }
    let with = |daemon: &mut Daemon, key: usize| {
        daemon.configuration.sections.insert("secrets", format!("key_file = {:?}\n", keys[key]));
        daemon.write_configuration();
    };
    with(&mut daemon, 0);
    well(&daemon, &["db", "migrate"]);
    daemon.start();
    daemon.wait_for_activities(1);
    let stored = daemon.cli_with_input(&["secret", "set", BERT], &format!("{PASSWORD}\n"));
    assert!(stored.status.success(), "{}", text_of(&stored));
    daemon.wait_for_activities(2);

    with(&mut daemon, 1);
    daemon.process().signal("HUP");
    daemon.wait_for_log(&["configuration reloaded"]);
    // A connection that is there serves on.
    server.doveadm(&["kick", BERT]);
    let told = (BERT, "credentials-missing", "warning");
    wait_for(LONG, "the alert", || is_open(&daemon, told.0, told.1, told.2).then_some(()));
    let (_, code, words) = why(&daemon, BERT);
    assert!(code == told.1 && words.contains("the key in use is"), "{code}: {words}");
    only_one_goes_on(&mut daemon, &server, ANNA);

    with(&mut daemon, 0);
    daemon.process().signal("HUP");
    // A command writes the file anew, which nobody may be reading then.
    let reloads = |daemon: &Daemon| daemon.log().matches("\"configuration reloaded\"").count();
    wait_until(LONG, "another reload", || reloads(&daemon) == 2);
    well(&daemon, &["mailbox", "poll", BERT]);
    daemon.wait_for_activities(4);
    wait_for(LONG, "the end of the alert", || (!is_open(&daemon, told.0, told.1, told.2)).then_some(()));
    assert!(daemon.stop().success());
    let fault = "the key of stored passwords is not there";
    row("key", [fault, told.1, "mailbox", "waits", "waits", told.2, "by itself"]);
}
