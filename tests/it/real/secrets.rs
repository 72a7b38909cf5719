//! Secrets planted everywhere they are used must turn up nowhere else.

use std::{fs, process::Command};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{ANNA, BERT, ready};
use crate::support::{
    daemon::{Daemon, text_of},
    dovecot::Dovecot,
    mail,
    process::run,
};

const CARL: &str = "carl@sample.example";
const IN_FILE: &str = "canary-file-7f3a91";
const STORED: &str = "canary-stored-c2d804";
const WRONG: &str = "canary-wrong-5be6f0";

#[test]
fn no_secret_reaches_a_log_the_database_or_the_terminal() {
    if !ready() {
        return;
    }
    let server = Dovecot::start();
    server.set_password(ANNA, IN_FILE);
    server.set_password(BERT, STORED);
    server.set_password(CARL, "something else");
    server.deliver(ANNA, &mail::small("canary-subject-1@sample.example"));
    server.deliver(BERT, &mail::small("canary-subject-2@sample.example"));
    let mut daemon = Daemon::new()
        .with_server(&server)
        .with_mailbox(ANNA, IN_FILE)
        .with_mailbox_of_stored_password(BERT)
        .with_mailbox(CARL, WRONG);
    let key_file = daemon.path("key");
    let made = daemon.cli(&["key", "new", key_file.to_str().unwrap()]);
    assert!(made.status.success(), "{}", text_of(&made));
    let key = fs::read_to_string(&key_file).unwrap().trim().to_owned();
    daemon.configuration.sections.insert("secrets", format!("key_file = {key_file:?}\n"));
    // Libraries speak too.
    daemon.configuration.sections.insert("log", "level = \"trace,mailsyncd=trace\"\n".into());

    let mut said = text_of(&made);
    // Migrates, and declares Bert, whose password comes next.
    assert_eq!(daemon.once().code(), Some(1), "{}", daemon.log());
    assert!(daemon.mailbox(BERT).to_string().contains("credentials-missing"), "{}", daemon.mailbox(BERT));
    let stored = daemon.cli_with_input(&["secret", "set", BERT], &format!("{STORED}\n"));
    assert!(stored.status.success(), "{}", text_of(&stored));
    said += &text_of(&stored);
    said += &text_of(&daemon.cli(&["mailbox", "poll", BERT]));
    daemon.start();
    daemon.wait_for_activities(2);
    assert!(daemon.stop().success());

    let backup = daemon.path("backup.db");
    let commands: [&[&str]; 12] = [
        &["status"],
        &["status", "--json"],
        &["mailbox", "list"],
        &["mailbox", "show", BERT],
        &["mailbox", "show", CARL, "--json"],
        &["profile", "list"],
        &["profile", "show", "sample", "--json"],
        &["activity", "list"],
        &["check"],
        &["check", "--plan"],
        &["db", "check"],
        &["db", "backup", backup.to_str().unwrap()],
    ];
    for command in commands {
        let answer = daemon.cli(command);
        assert!(answer.status.success(), "{command:?}: {}", text_of(&answer));
        said += &text_of(&answer);
    }
    assert!(said.contains(CARL), "the commands said nothing");

    let mut places = vec![("log", daemon.log().into_bytes()), ("terminal", said.into_bytes())];
    for name in ["mailsyncd.db", "mailsyncd.db-wal", "backup.db"] {
        places.extend(fs::read(daemon.path(name)).ok().map(|bytes| (name, bytes)));
    }
    places.push(("dump", run(Command::new("sqlite3").arg(daemon.path("mailsyncd.db")).arg(".dump")).into_bytes()));
    assert!(places.len() >= 5);
    let mut canaries = vec![key];
    for (user, password) in [(ANNA, IN_FILE), (BERT, STORED), (CARL, WRONG)] {
        canaries.push(password.to_owned());
        canaries.push(STANDARD.encode(format!("\0{user}\0{password}")));
        canaries.push(STANDARD.encode(password));
        canaries.push(password.bytes().map(|byte| format!("{byte:02x}")).collect());
    }
    for (place, bytes) in &places {
        for canary in &canaries {
            assert!(!contains(bytes, canary), "{canary} stands in the {place}");
        }
    }
    assert!(!contains(&places[0].1, "about canary-subject"), "a subject stands in the log");
    assert!(!contains(&places[0].1, "Kurzer Gru"), "a body stands in the log");
    assert!(contains(&places[0].1, CARL), "the log was not looked at");
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}
