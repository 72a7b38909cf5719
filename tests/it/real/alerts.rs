//! What people are told while real servers refuse and fall silent, and that it ends.

use std::{fs, path::Path};

use super::{ANNA, BERT, anna, ready};
use crate::support::{
    daemon::{Daemon, Profile},
    dovecot::Dovecot,
    postfix::{self, Postfix},
    process::{LONG, wait_for},
};

/// Open alerts as `subject code severity`.
fn open(daemon: &Daemon) -> Vec<String> {
    let listed = daemon.json(&["alert", "list"]);
    let word = |alert: &serde_json::Value, key: &str| alert[key].as_str().unwrap().to_owned();
    let told = |alert| ["subject", "code", "severity"].map(|key| word(alert, key)).join(" ");
    listed.as_array().unwrap().iter().map(told).collect()
}

fn wait_for_alerts(daemon: &mut Daemon, what: &str, is_so: impl Fn(&[String]) -> bool) {
    wait_for(LONG, what, || {
        assert!(daemon.process().ended().is_none(), "the daemon ended:\n{}", daemon.log());
        let open = open(daemon);
        is_so(&open).then_some(())
    });
}

#[test]
fn a_wrong_password_is_an_alert_until_it_is_right() {
    if !ready() {
        return;
    }
    let (server, daemon) = anna();
    server.set_password(BERT, "bert's password");
    let mut daemon = daemon.with_mailbox(BERT, "not bert's password");
    daemon.start();
    daemon.wait_for_log(&["auth-rejected", BERT]);
    let told = format!("{BERT} auth-rejected warning");
    wait_for_alerts(&mut daemon, "the alert", |open| open == [told.as_str()]);
    let shown = daemon.mailbox(BERT);
    assert_eq!(shown["alerts"][0]["workloads"], serde_json::json!(["incoming"]), "{shown}");

    daemon.configuration.mailboxes.last_mut().unwrap().password = Some("bert's password".to_owned());
    daemon.write_configuration();
    assert!(daemon.cli(&["mailbox", "poll", BERT]).status.success());
    wait_for_alerts(&mut daemon, "its end", <[String]>::is_empty);
    let all = daemon.json(&["alert", "list", "--all", "--mailbox", BERT]);
    assert!(all[0]["closed_at"].is_string() && all[0]["count"] == 1, "{all}");
    daemon.stop();
}

#[test]
fn a_mailbox_that_stands_still_is_an_alert_whatever_the_cause() {
    if !ready() {
        return;
    }
    let (mut server, mut daemon) = anna();
    daemon.configuration.sections.insert("alerts", "stale_after = \"4s\"\n".to_owned());
    daemon.start();
    let read =
        format!("SELECT count(*) FROM mailboxes WHERE email_address = '{ANNA}' AND incoming_last_success_at > ''");
    daemon.wait_for_log(&["declared record", ANNA]);
    wait_for(LONG, "a success", || (daemon.count(&read) == 1).then_some(()));
    assert!(open(&daemon).is_empty(), "{:?}", open(&daemon));
    server.kill();
    let stale = format!("{ANNA} mailbox-stale warning");
    wait_for_alerts(&mut daemon, "the alert", |open| open.contains(&stale));
    server.restart();
    wait_for_alerts(&mut daemon, "the end of all alerts", <[String]>::is_empty);
    daemon.stop();
}

#[test]
fn an_owner_is_told_by_mail_but_not_through_the_profile_that_fails() {
    if !ready() || !postfix::ready() {
        return;
    }
    let (carl, dora) = ("carl@sample.example", "dora@sample.example");
    let dovecot = Dovecot::start();
    for user in [ANNA, BERT, carl, dora] {
        dovecot.set_password(user, "a password");
    }
    let postfix = Postfix::start(&dovecot);
    let mut daemon = Daemon::new();
    let read = |authority: &Path| fs::read_to_string(authority).unwrap();
    fs::write(daemon.path("authorities"), read(dovecot.authority()) + &read(postfix.authority())).unwrap();
    let outgoing = format!("outgoing = {{ host = \"localhost\", port = {} }}\n", postfix.submissions);
    let owned = format!("owner = \"{BERT}\"\n{outgoing}");
    daemon = daemon
        .with_profile(Profile::at(postfix.submissions, "tls").named("port"))
        .with_profile(Profile { more: outgoing, ..Profile::of(&dovecot) })
        .with_mailbox(ANNA, "a password")
        .with_profile(Profile { more: owned, ..Profile::of(&dovecot).named("faulty") })
        .with_mailbox(carl, "not carl's")
        .with_mailbox(dora, "not dora's");
    daemon.configuration.authority = Some(daemon.path("authorities"));
    let sections = &mut daemon.configuration.sections;
    sections.insert("email_settings", "outgoing = \"server_side_sync\"\n".to_owned());
    let from = |mailbox: &str| format!("stale_after = \"4s\"\nmail_profile_owner = true\nmail_from = \"{mailbox}\"\n");
    sections.insert("alerts", from(carl));
    daemon.start();
    daemon.wait_for_log(&["faulty", "the mail would go through that profile", carl]);
    assert!(open(&daemon).contains(&"faulty profile-failing error".to_owned()), "{:?}", open(&daemon));
    assert_eq!(daemon.count("SELECT count(*) FROM email_activities"), 0);

    daemon.configuration.sections.insert("alerts", from(ANNA));
    daemon.write_configuration();
    daemon.process().signal("HUP");
    wait_for(LONG, "the mail", || (!dovecot.messages(BERT).is_empty()).then_some(()));
    let mail = fs::read_to_string(&dovecot.messages(BERT)[0]).unwrap();
    for line in [
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        "Subject: mailsyncd: profile faulty fails",
        "2 of 2 mailboxes fail: auth-rejected 2",
    ] {
        assert!(mail.contains(line), "{line:?} in\n{mail}");
    }
    // Once for the incident, however often is looked again.
    let looks = |daemon: &Daemon| daemon.log().lines().filter(|line| line.contains("a mail tells the owner")).count();
    let polled = format!("SELECT incoming_last_success_at FROM mailboxes WHERE email_address = '{ANNA}'");
    for _ in 0..3 {
        let before = daemon.query(&polled);
        wait_for(LONG, "another poll", || (daemon.query(&polled) != before).then_some(()));
    }
    assert_eq!((looks(&daemon), dovecot.messages(BERT).len()), (1, 1), "{}", daemon.log());
    daemon.stop();
}
