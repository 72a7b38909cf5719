//! Wrong input: one clear error each, with a hint, and the right exit status.

use std::{fs, path::Path, process::Command};

use super::{ANNA, anna, assert_recorded_once, ready};
use crate::support::{
    daemon::{Daemon, Mailbox, text_of},
    mail,
    process::{LONG, is_root, output, run, skip, wait_until},
};

/// Expects `run` to refuse with `status` and all of `words`: what is wrong, and what to do.
fn refused(daemon: &Daemon, status: i32, words: &[&str]) {
    let answer = daemon.cli(&["run", "--once"]);
    let text = text_of(&answer);
    assert_eq!(answer.status.code(), Some(status), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is missing:\n{text}");
    }
}

#[test]
fn a_wrong_configuration_is_refused_with_file_line_and_hint() {
    if !ready() {
        return;
    }
    type Spoil = fn(&mut Daemon);
    let wrong: [(Spoil, &[&str]); 4] = [
        (|daemon| daemon.configuration.mailboxes[0].profile = "sampel".into(), &["sampel", "mailsyncd.toml:", "hint"]),
        (
            |daemon| {
                let again =
                    Mailbox { address: "ANNA@sample.example".into(), ..daemon.configuration.mailboxes[0].clone() };
                daemon.configuration.mailboxes.push(again);
            },
            &["sample.example", "mailsyncd.toml:", "hint"],
        ),
        (
            |daemon| daemon.configuration.more = "\n[limts]\nconnections = 5\n".into(),
            &["limts", "hint: did you mean \"limits\"?"],
        ),
        (
            |daemon| daemon.configuration.profiles[0].more = "maximum_concurrent_connections = 301\n".into(),
            &["maximum_concurrent_connections", "must be 1 to 300"],
        ),
    ];
    for (spoil, words) in wrong {
        let (_server, mut daemon) = anna();
        spoil(&mut daemon);
        refused(&daemon, 2, words);
        assert!(!daemon.path("mailsyncd.db").exists(), "nothing is touched before the configuration is right");
    }
}

#[test]
fn a_key_that_is_missing_is_asked_for() {
    if !ready() {
        return;
    }
    let (_server, mut daemon) = anna();
    let key = daemon.path("no-such-key");
    daemon.configuration.sections.insert("secrets", format!("key_file = {key:?}\n"));
    let answer = daemon.cli(&["secret", "set", ANNA]);
    assert!(!answer.status.success(), "{}", text_of(&answer));
    refused(&daemon, 2, &["no-such-key", "hint: make a key with"]);
}

#[test]
fn a_database_that_is_not_ours_is_left_alone() {
    if !ready() {
        return;
    }
    let (_server, daemon) = anna();
    let file = daemon.path("mailsyncd.db");
    run(Command::new("sqlite3")
        .arg(&file)
        .arg("CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('soup')"));
    let before = fs::read(&file).unwrap();
    refused(&daemon, 2, &["mailsyncd.db", "give another path"]);
    assert_eq!(fs::read(&file).unwrap(), before);

    fs::write(&file, "this is a letter, not a database, and it is long enough to look at").unwrap();
    refused(&daemon, 2, &["mailsyncd.db", "give another path"]);
}

#[test]
fn a_database_of_a_newer_release_is_left_alone() {
    if !ready() {
        return;
    }
    let (server, mut daemon) = anna();
    server.deliver(ANNA, &mail::small("1@sample.example"));
    daemon.once_well();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        SELECT 9999, 'from the future', 1, checksum, 0 FROM _sqlx_migrations LIMIT 1";
    run(Command::new("sqlite3").arg(daemon.path("mailsyncd.db")).arg(newer));
    server.deliver(ANNA, &mail::small("2@sample.example"));
    refused(&daemon, 2, &["9999", "install the newer mailsyncd"]);
    assert!(!daemon.cli(&["status"]).status.success());
    assert_eq!(daemon.activities(), 1);
}

#[test]
fn a_full_disk_is_named_and_nothing_is_lost() {
    if !ready() {
        return;
    }
    let (server, mut daemon) = anna();
    let small = daemon.path("small");
    fs::create_dir(&small).unwrap();
    let Some(_mounted) = mount(&small, "6m") else { return };
    daemon.configuration.database = format!("sqlite:{}", small.join("mailsyncd.db").display());
    daemon.configuration.sections.insert("failures", "transient_backoff = \"1s\"\n".into());
    for number in 0..30 {
        server.deliver(ANNA, &noise(&format!("{number}@sample.example")));
    }
    daemon.start();
    daemon.wait_for_log(&["disk-full"]);
    run(Command::new("mount").args(["-o", "remount,size=64m"]).arg(&small));
    daemon.wait_for_activities(30);
    assert!(daemon.stop().success());
    assert_recorded_once(&server, &[ANNA], &daemon);
    wait_until(LONG, "the failure to be over", || !daemon.mailbox(ANNA).to_string().contains("disk-full"));
}

/// A message of 400 kB that cannot be compressed.
fn noise(id: &str) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut message = mail::small(id);
    for index in 0..400_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let letter = b'0' + u8::try_from(state % 64).unwrap();
        message.extend_from_slice(if index % 76 == 75 { b"\r\n" } else { std::slice::from_ref(&letter) });
    }
    message
}

/// Mounts a file system of this size in memory; `None`, said, where that cannot be.
pub fn mount(at: &Path, size: &str) -> Option<Unmount> {
    let options = format!("size={size}");
    let mounted = is_root()
        && output(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(at)).status.success();
    if !mounted {
        skip("a small file system cannot be mounted here");
    }
    mounted.then(|| Unmount(at.to_owned()))
}

/// A small file system that ends with this.
pub struct Unmount(pub std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        // Lazily: a daemon that a failing test left behind may still have files open.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
