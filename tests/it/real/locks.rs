//! A profile that is pointed at another server does not get anybody's password there.

use super::{ANNA, BERT, ready};
use crate::support::{
    chaos::ChaosProxy,
    daemon::{Daemon, text_of},
    dovecot::Dovecot,
    mail,
    process::{LONG, wait_until},
};

#[test]
fn a_password_is_not_sent_to_a_server_that_it_was_not_entered_for() {
    if !ready() {
        return;
    }
    let server = Dovecot::start();
    server.set_password(ANNA, "anna's password");
    server.set_password(BERT, "bert's password");
    server.deliver(BERT, &mail::small("1@sample.example"));
    let mut daemon =
        Daemon::new().with_server(&server).with_mailbox(ANNA, "anna's password").with_mailbox_of_stored_password(BERT);
    let key_file = daemon.path("key");
    assert!(daemon.cli(&["key", "new", key_file.to_str().unwrap()]).status.success());
    daemon.configuration.sections.insert("secrets", format!("key_file = {key_file:?}\n"));
    assert!(daemon.cli(&["db", "migrate"]).status.success());
    let set = |daemon: &Daemon| {
        let answer = daemon.cli_with_input(&["secret", "set", BERT], "bert's password\n");
        assert!(answer.status.success(), "{}", text_of(&answer));
        text_of(&answer)
    };
    set(&daemon);
    daemon.start();
    daemon.wait_for_activities(1);

    // Another server: it hears whoever comes.
    let other = ChaosProxy::start(server.imaps);
    let locked = "1 stored password is locked until entered again: mailsyncd secret set";
    daemon.configuration.mailboxes.remove(0); // Anna's password is in a file, and may go there.
    daemon.configuration.profiles[0].port = other.port;
    let plan = text_of(&daemon.cli(&["check", "--plan"]));
    assert!(plan.contains(locked), "{plan}");
    server.deliver(BERT, &mail::small("2@sample.example"));
    daemon.write_configuration();
    daemon.process().signal("HUP");
    // Every command writes the file anew: not while it is being read.
    daemon.wait_for_log(&["configuration reloaded"]);
    wait_until(LONG, "Bert's mailbox to fail", || {
        daemon.mailbox(BERT)["incoming"]["failure_code"] == "credentials-locked"
    });
    assert!(daemon.log().contains(locked), "{}", daemon.log());
    let shown = daemon.mailbox(BERT);
    assert_eq!(shown["incoming"]["enabled"], true, "{shown}");
    assert!(shown["password_locked_at"].is_string() && shown["incoming"]["confirmations"] == 0, "{shown}");
    let shown = text_of(&daemon.cli(&["mailbox", "show", BERT]));
    assert!(shown.contains("password locked since") && shown.contains("mailsyncd secret set"), "{shown}");
    assert_eq!(daemon.json(&["profile", "show", "sample"])["passwords_locked"], 1);
    let alerts = daemon.query("SELECT subject_kind, severity FROM alerts WHERE closed_at IS NULL ORDER BY 1");
    assert_eq!(alerts, [["mailbox", "warning"], ["profile", "error"]]);
    // However often it is asked for.
    let asked = text_of(&daemon.cli(&["mailbox", "poll", BERT]));
    assert!(asked.contains("due now"), "{asked}");
    let failed = || daemon.query("SELECT count FROM alerts WHERE subject_kind = 'mailbox' AND closed_at IS NULL");
    wait_until(LONG, "another try", || failed() != [["1"]]);
    assert_eq!(other.accepted(), 0, "the other server heard of us");
    assert_eq!(daemon.activities(), 1);

    let said = set(&daemon);
    assert!(said.contains(&format!("{BERT}: enabled, it is tried again")), "{said}");
    daemon.wait_for_activities(2);
    assert!(other.accepted() > 0);
    wait_until(LONG, "the alerts to be closed", || {
        daemon.query("SELECT code FROM alerts WHERE closed_at IS NULL").is_empty()
    });
    assert!(daemon.stop().success());
    assert!(daemon.mailbox(BERT)["password_locked_at"].is_null());

    // Entered before the daemon has seen the file: it is meant for the server that stands there now.
    daemon.configuration.profiles[0].port = server.imaps;
    set(&daemon);
    assert!(daemon.mailbox(BERT)["password_locked_at"].is_null());
    daemon.once_well();
}
