//! Test & Enable as a person sees it, with servers that talk.

use std::{fs, path::Path};

use tokio::runtime::Runtime;

use super::session;
use crate::{
    faults::{
        server::{Identity, Server, Then, Trouble, Wrong},
        talk,
    },
    support::{daemon::write_secret, golden},
};

/// What differs from run to run: how long things took, when they were, where servers listen.
fn masked(text: &str, ports: &[u16]) -> String {
    let mut text = text.to_owned();
    for (port, name) in ports.iter().zip(["[IMAP]", "[SMTP]", "[NOBODY]"]) {
        text = text.replace(&port.to_string(), name);
    }
    let lines = text.lines().map(|line| {
        let line = match line.split_once("\"milliseconds\": ") {
            Some((before, _)) => format!("{before}\"milliseconds\": [MS],"),
            None => masked_time(line),
        };
        let line = masked_value(line, "_at\": \"", "[NOW]");
        masked_words(&masked_value(line, "requested_by\": \"", "[WHO]"))
    });
    // Columns are as wide as what is masked in them.
    let narrow = |line: String| match line.starts_with(' ') {
        true => line,
        false => line.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    lines.map(narrow).collect::<Vec<_>>().join("\n") + "\n"
}

/// The line with another text after `key`, up to the next quotation mark.
fn masked_value(line: String, key: &str, mask: &str) -> String {
    let Some((before, rest)) = line.split_once(key) else { return line };
    let after = rest.find('"').map_or("", |end| &rest[end..]);
    format!("{before}{key}{mask}{after}")
}

/// The line with times of now, and with whoever runs the tests, named otherwise.
fn masked_words(line: &str) -> String {
    let is_now = |word: &str| word.starts_with("20") && word.ends_with('Z') && !word.starts_with("2026-03-02");
    let word = |word: &str| {
        let bare = word.trim_end_matches([';', ':', ',']);
        let mask = match bare {
            bare if is_now(bare) => "[NOW]",
            bare if bare.starts_with("cli:") => "[WHO]",
            _ => return word.to_owned(),
        };
        format!("{mask}{}", &word[bare.len()..])
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// The line with `   12 ms`, or `12 ms  ` in a table, as `[MS]`.
fn masked_time(line: &str) -> String {
    let Some((before, after)) = line.split_once(" ms") else { return line.to_owned() };
    let number = before.trim_end_matches(|c: char| c.is_ascii_digit());
    if number.len() == before.len() {
        return line.to_owned();
    }
    format!("{} [MS] {}", number.trim_end(), after.trim_start())
}

fn configuration(ports: &[u16; 3]) -> String {
    let [imap, smtp, nobody] = ports;
    let mailbox = |name: &str, more: &str| {
        format!(
            "[[user]]\nname = \"{name}\"\nemail_address = \"{name}@contoso.example\"\n[[mailbox]]\nemail_address = \
             \"{name}@contoso.example\"\nowner = \"user:{name}\"\npassword_file = \"password\"\n{more}\n"
        )
    };
    let profile = |name: &str, port: u16| {
        format!(
            "[[profile]]\nname = \"{name}\"\nincoming = {{ host = \"localhost\", port = {port}, security = \"none\" }}\n\
             outgoing = {{ host = \"localhost\", port = {smtp}, security = \"none\" }}\n"
        )
    };
    [
        format!("[database]\nurl = \"sqlite:mail.db\"\n[network]\nallowed_ports = {ports:?}\nallow_cleartext = true\n"),
        "[email_settings]\ndefault_profile = \"contoso\"\noutgoing = \"server_side_sync\"\norganization = \"Contoso Ltd\"\n"
            .to_owned(),
        profile("contoso", *imap),
        profile("closed", *nobody),
        mailbox("ok", "approved = true"),
        mailbox("bad", "approved = true"),
        mailbox("pending", ""),
        mailbox("reads", "approved = true\noutgoing = \"none\""),
    ]
    .concat()
}

fn commands(directory: &Path, commands: &[&[&str]]) -> String {
    let named: Vec<Vec<&str>> =
        commands.iter().map(|command| [&["--config", "mailsyncd.toml"], *command].concat()).collect();
    let named: Vec<&[&str]> = named.iter().map(Vec::as_slice).collect();
    session(directory, &named).replace("--config mailsyncd.toml ", "")
}

#[test]
fn what_tests_say() {
    let runtime = Runtime::new().unwrap();
    let entered = runtime.enter();
    let mut imap = Server::start(talk::imap, Identity::default());
    let smtp = Server::start(talk::smtp, Identity::default());
    let mut nobody = Server::start(talk::imap, Identity::default());
    drop(entered);
    runtime.block_on(async {
        nobody.put_into(Trouble::Refuses).await;
        // To those alone whose name begins with "bad".
        let says = "{tag} NO [AUTHENTICATIONFAILED] Wrong \u{1b}[31mpassword\r\n";
        let wrong = vec![Wrong { at: "AUTHENTICATE", says, then: Then::GoesOn }];
        imap.put_into(Trouble::Talks { wrong, to_all: false }).await;
    });
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let ports = [imap.port, smtp.port, nobody.port];
    write_secret(&directory.join("password"), "secret");
    fs::write(directory.join("mailsyncd.toml"), configuration(&ports)).unwrap();
    assert!(commands(directory, &[&["db", "migrate"], &["run", "--once"]]).contains("[exit 0]"));
    let [ok, bad, pending, reads] = ["ok", "bad", "pending", "reads"].map(|name| format!("{name}@contoso.example"));
    let text = commands(
        directory,
        &[
            &["profile", "test", "contoso"],
            &["profile", "test", "closed"],
            &["profile", "test", "closed", "--json"],
            &["mailbox", "test-enable", &ok, &pending],
            &["mailbox", "show", &ok],
            &["mailbox", "disable", &ok],
            &["mailbox", "disable", &ok],
            &["mailbox", "why", &ok],
            &["mailbox", "test-enable", &pending, &reads, "--wait", "--round-trip"],
            &["mailbox", "test-enable", &ok, "--dry-run"],
            &["mailbox", "test-enable", &pending, &ok, "--wait"],
            &["mailbox", "test-enable", &bad, "--wait"],
            &["mailbox", "test-enable", &bad, "--wait", "--json"],
            &["mailbox", "show", &bad],
            &["mailbox", "list"],
        ],
    );
    golden::compare("cli/testing.txt", &masked(&text, &ports));
}
