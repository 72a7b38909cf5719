//! Faults of the machine, with a process of their own: what people are told, and that it ends. Each is a
//! line of the catalogue of faults that `tests/run` prints.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use mailsyncd::admin::why::State;
use serde_json::Value;

use super::{ANNA, BERT, anna, assert_recorded_once, input::mount, ready};
use crate::{
    faults::table::{Line, keep},
    support::{
        daemon::{Daemon, Profile, text_of},
        dovecot::Dovecot,
        mail,
        postgres::OwnServer,
        process::{LONG, installed, is_root, run, skip, wait_for, wait_until},
    },
};

/// The caretaker looks every second.
const WATCHFUL: &str = "stale_after = \"4s\"\n";

/// Alerts about the daemon: `code severity`, and whether it is open.
fn alerts(daemon: &Daemon) -> Vec<(String, bool)> {
    let listed = daemon.json(&["alert", "list", "--all"]);
    let about = |alert: &&Value| alert["kind"] == "daemon";
    let word = |alert: &Value, key: &str| alert[key].as_str().unwrap().to_owned();
    let told = |alert| (format!("{} {}", word(alert, "code"), word(alert, "severity")), alert["closed_at"].is_null());
    listed.as_array().unwrap().iter().filter(about).map(told).collect()
}

fn wait_for_alert(daemon: &mut Daemon, alert: &str, is_open: bool) {
    wait_for(LONG, &format!("{alert}, open: {is_open}"), || {
        assert!(daemon.process().ended().is_none(), "the daemon ended:\n{}", daemon.log());
        alerts(daemon).contains(&(alert.to_owned(), is_open)).then_some(())
    });
}

/// What `alert list` says of the machine: its name stands there.
fn assert_names_this_machine(daemon: &Daemon, code: &str) {
    let listed = daemon.json(&["alert", "list", "--all"]);
    let alert = listed.as_array().unwrap().iter().find(|alert| alert["code"] == code).unwrap();
    let name = run(Command::new("uname").arg("-n"));
    assert!(alert["text"].as_str().unwrap().starts_with(&format!("{name}, since ")), "{alert}");
}

/// How reading stands, by `mailbox why`: state, code, words.
pub fn why(daemon: &Daemon, address: &str) -> (String, String, String) {
    let answer = &daemon.json(&["mailbox", "why", address])["incoming"];
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (word(&answer["state"]), word(&answer["evidence"]["code"]), word(&answer["evidence"]["words"]))
}

/// The word for a state.
pub fn state(state: State) -> String {
    serde_json::to_value(state).unwrap().as_str().unwrap().to_owned()
}

/// Nobody is blamed for what the machine did.
fn assert_nobody_is_blamed(daemon: &Daemon) {
    let blamed = "SELECT count(*) FROM mailboxes WHERE NOT incoming_enabled OR incoming_transient_failures > 0 \
         OR incoming_confirmations > 0";
    assert_eq!(daemon.count(blamed), 0, "{}", daemon.log());
}

/// The line of the catalogue, after everything was asserted: fault, code, scope, how it waits at first and
/// at last, alert, recovery.
pub fn row(test: &str, cells: [&str; 7]) {
    let [fault, code, scope, first, last, alert, recovery] = cells.map(str::to_owned);
    keep(test, &[Line { fault, code, scope, first, last, alert, recovery, complaints: Vec::new() }]);
}

#[test]
fn a_disk_that_gets_full_stops_everything_before_a_mail_is_fetched() {
    if !ready() {
        return;
    }
    let (server, mut daemon) = anna();
    let small = daemon.path("small");
    fs::create_dir(&small).unwrap();
    let Some(_mounted) = mount(&small, "40m") else { return };
    daemon.configuration.database = format!("sqlite:{}", small.join("mailsyncd.db").display());
    daemon.configuration.sections.insert("alerts", WATCHFUL.into());
    server.deliver(ANNA, &mail::small("before@sample.example"));
    daemon.start();
    daemon.wait_for_activities(1);

    let ballast = small.join("ballast");
    fill(&small, &ballast, 600_000);
    wait_for_alert(&mut daemon, "disk-full error", true);
    assert_names_this_machine(&daemon, "disk-full");
    server.deliver(ANNA, &mail::small("during@sample.example"));
    let paused = |daemon: &Daemon| {
        let (is, code, words) = why(daemon, ANNA);
        assert_eq!((is, code.as_str()), (state(State::Paused), "disk-full"), "{words}");
        assert!(words.contains("free"), "{words}");
    };
    paused(&daemon);
    let status = text_of(&daemon.cli(&["status"]));
    assert!(status.contains("starts nothing since") && status.contains("disk-full"), "{status}");

    // Not a byte is left, for longer than a daemon may be silent.
    fill(&small, &ballast, 0);
    let full = Instant::now();
    wait_until(LONG, "a silent daemon", || {
        paused(&daemon);
        full.elapsed() > Duration::from_secs(65)
    });
    assert_eq!(daemon.activities(), 1, "what cannot be recorded is not fetched");
    fs::remove_file(&ballast).unwrap();
    daemon.wait_for_activities(2);
    wait_for_alert(&mut daemon, "disk-full error", false);
    assert_nobody_is_blamed(&daemon);
    wait_until(LONG, "the end of it", || why(&daemon, ANNA).1.is_empty());
    assert!(daemon.stop().success());
    assert_recorded_once(&server, &[ANNA], &daemon);
    let fault = "the disk of the database gets full (SQLite)";
    row("disk", [fault, "disk-full", "daemon", "paused", "paused", "error", "by itself"]);
}

/// Leaves so many bytes free.
fn fill(place: &Path, ballast: &Path, free: u64) {
    let at = place.to_str().unwrap();
    let available = run(Command::new("sh").args(["-c", &format!("df --output=avail -B1 '{at}' | tail -n 1")]));
    let (available, size) = (available.parse::<u64>().unwrap(), fs::metadata(ballast).map_or(0, |file| file.len()));
    run(Command::new("fallocate").args(["-l", &(size + available - free).to_string()]).arg(ballast));
}

#[test]
fn a_database_server_that_stops_is_told_of_when_it_is_back() {
    if !ready() {
        return;
    }
    let Some(mut database) = OwnServer::start() else { return };
    let server = Dovecot::start();
    let mut daemon = Daemon::on_postgres(&database.url()).with_server(&server);
    for user in [ANNA, BERT] {
        server.set_password(user, "their password");
        daemon = daemon.with_mailbox(user, "their password");
    }
    daemon.configuration.sections.insert("alerts", WATCHFUL.into());
    server.deliver(ANNA, &mail::small("before@sample.example"));
    daemon.start();
    daemon.wait_for_activities(1);

    database.stop();
    daemon.wait_for_log(&["database-unavailable", "ERROR"]);
    let stopped = Instant::now();
    let status = daemon.cli(&["status"]);
    assert!(!status.status.success() && text_of(&status).contains("the database is unavailable"), "{status:?}");
    for user in [ANNA, BERT] {
        server.deliver(user, &mail::small(&format!("during-{user}")));
    }
    // What is shorter is no news.
    wait_until(LONG, "a long outage", || stopped.elapsed() > Duration::from_secs(62));
    assert!(daemon.process().ended().is_none(), "{}", daemon.log());
    database.go_on();

    daemon.wait_for_activities(3);
    wait_for_alert(&mut daemon, "database-unavailable error", false);
    assert_names_this_machine(&daemon, "database-unavailable");
    assert!(alerts(&daemon).iter().all(|(_, is_open)| !is_open), "{:?}", alerts(&daemon));
    assert_nobody_is_blamed(&daemon);
    assert!(daemon.stop().success());
    assert_recorded_once(&server, &[ANNA, BERT], &daemon);
    let fault = "the database is stopped, and started (PostgreSQL)";
    row("postgresql", [fault, "database-unavailable", "daemon", "paused", "paused", "error", "by itself"]);
}

#[test]
fn too_few_file_descriptors_slow_down_and_disable_nothing() {
    if !ready() || !installed(&["prlimit"]) {
        return;
    }
    let server = Dovecot::start();
    let mut daemon = Daemon::new().with_server(&server);
    daemon.configuration.sections.insert("alerts", WATCHFUL.into());
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
    daemon.open_files = None;
    daemon.wait_for_activities(40);
    wait_for_alert(&mut daemon, "resources-exhausted warning", true);
    assert_names_this_machine(&daemon, "resources-exhausted");
    assert_nobody_is_blamed(&daemon);
    assert!(!daemon.log().contains("credentials-missing"), "{}", daemon.log());
    assert!(daemon.stop().success(), "{}", daemon.log());
    // Its successor gives it enough.
    daemon.start();
    wait_for_alert(&mut daemon, "resources-exhausted warning", false);
    assert!(daemon.stop().success(), "{}", daemon.log());

    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    assert_recorded_once(&server, &users, &daemon);
    let fault = "too few file descriptors";
    row("descriptors", [fault, "resources-exhausted", "daemon", "less runs", "less runs", "warning", "by itself"]);
}

#[test]
fn a_resolver_that_is_down_is_the_machine_s_trouble_and_others_go_on() {
    if !ready() || !installed(&["unshare"]) {
        return;
    }
    if !is_root() {
        skip("another resolv.conf needs a name space of one's own, and so root");
        return;
    }
    let server = Dovecot::start();
    let mut daemon = Daemon::new();
    daemon.configuration.sections.insert("alerts", WATCHFUL.into());
    daemon.configuration.sections.insert("network", "allow_cleartext = true\n".into());
    for name in ["one", "two", "three", "localhost"] {
        let host = if name == "localhost" { name.to_owned() } else { format!("{name}.mail.example") };
        let user = format!("{name}@sample.example");
        server.set_password(&user, "their password");
        server.deliver(&user, &mail::small(&format!("to-{user}")));
        let profile = Profile { host, ..Profile::at(server.imap, "none").named(name) };
        daemon = daemon.with_profile(profile).with_mailbox(&user, "their password");
    }
    let (one, well) = ("one@sample.example", "localhost@sample.example");
    let hosts = another_view(&mut daemon);
    daemon.start();
    daemon.wait_for_activities(1);
    wait_for_alert(&mut daemon, "dns-down error", true);
    assert_names_this_machine(&daemon, "dns-down");
    let (is, code, words) = why(&daemon, one);
    assert_eq!((is, code.as_str()), (state(State::Held), "dns-down"), "{words}");
    assert!(words.contains("one.mail.example dns-failed"), "{words}");
    server.deliver(well, &mail::small("while-others-wait"));
    daemon.wait_for_activities(2);
    assert_eq!(why(&daemon, well).1, "", "it has nothing to do with it");

    fs::write(&hosts, "127.0.0.1 localhost one.mail.example two.mail.example three.mail.example\n").unwrap();
    daemon.wait_for_activities(5);
    wait_for_alert(&mut daemon, "dns-down error", false);
    wait_until(LONG, "the end of all alerts", || daemon.json(&["alert", "list"]).as_array().unwrap().is_empty());
    assert_nobody_is_blamed(&daemon);
    assert!(daemon.stop().success());
    let fault = "the resolver is down: no host can be looked up";
    row("resolver", [fault, "dns-down", "daemon", "held 30 s", "held", "error", "by itself"]);
}

/// Lets the daemon see a resolver that is down, and a file of hosts of its own, which is returned.
fn another_view(daemon: &mut Daemon) -> PathBuf {
    let (hosts, resolver) = (daemon.path("hosts"), daemon.path("resolv.conf"));
    fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
    fs::write(&resolver, "nameserver 127.0.0.9\noptions timeout:1 attempts:1\n").unwrap();
    let bind = |file: &Path, over: &str| format!("mount --bind '{}' {over}", file.display());
    let script = format!("{} && {} && exec \"$@\"", bind(&hosts, "/etc/hosts"), bind(&resolver, "/etc/resolv.conf"));
    let words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", &script, "sh"];
    daemon.within = words.map(str::to_owned).to_vec();
    hosts
}
