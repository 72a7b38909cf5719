//! Records made, changed and removed by command.

use std::{fs, path::Path, process::Command};

use super::World;
use crate::support::{cli::run, golden};

/// A configuration that declares nothing, and an empty database.
const NOTHING: &str = "[email_settings]\napprove_queues = false\n";

/// As [`super::session`], with the configuration named.
fn session(directory: &Path, commands: &[&[&str]]) -> String {
    let named: Vec<Vec<&str>> =
        commands.iter().map(|command| [&["--config", "mailsyncd.toml"], *command].concat()).collect();
    let named: Vec<&[&str]> = named.iter().map(Vec::as_slice).collect();
    super::session(directory, &named).replace("--config mailsyncd.toml ", "")
}

#[test]
fn the_life_of_records_that_are_made_by_command() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let url = format!("[database]\nurl = \"sqlite:{}/mail.db\"\n", directory.display());
    fs::write(directory.join("mailsyncd.toml"), format!("{url}{NOTHING}")).unwrap();
    let commands: &[&[&str]] = &[
        &["db", "migrate"],
        &["profile", "add", "contoso", "--incoming-port", "0", "--in-doubt", "hold", "--save-to-sent", "maybe"],
        &["profile", "add", "contoso", "--incoming-host", "imap.contoso.example", "--default", "true"],
        &["profile", "add", "pop", "--server-type", "pop3_smtp", "--incoming-host", "pop.contoso.example"],
        &["profile", "set", "contoso", "--minimum-polling-interval", "2m", "--outgoing-host", "smtp.contoso.example"],
        &["queue", "add", "Support", "--email-address", "support@contoso.example", "--external-id", "crm-7"],
        &["user", "add", "Ada", "--email-address", "ada@contoso.example", "--json"],
        &["user", "add", "Eve", "--email-address", "eve@contoso.example", "--no-mailbox"],
        &["mailbox", "add", "all@contoso.example", "--kind", "forward", "--delete-after-processing", "true"],
        &["mailbox", "add", "eve@contoso.example", "--owner", "user:Eva"],
        &["mailbox", "set", "--profile", "contoso", "--outgoing", "server_side_sync"],
        &["mailbox", "set", "support@contoso.example", "ada@contoso.example", "--outgoing", "server_side_sync"],
        &["mailbox", "set", "ada@contoso.example", "--email-address", "ada.l@contoso.example"],
        &["mailbox", "set", "--all", "--to-profile", "pop", "--outgoing", "none"],
        &["mailbox", "apply-defaults", "--all"],
        &["user", "list"],
        &["queue", "show", "Support"],
        &["queue", "list", "--json"],
        &["profile", "list"],
        &["mailbox", "list"],
        &["mailbox", "disable", "--all"],
        &["profile", "remove", "contoso"],
        &["queue", "remove", "Support"],
        &["mailbox", "remove", "support@contoso.example", "nobody@contoso.example"],
        &["mailbox", "remove", "--all"],
        &["queue", "remove", "Support"],
        &["queue", "show", "Suport"],
        &["profile", "remove", "contoso"],
        &["mailbox", "set", "support@contoso.example", "--outgoing", "none"],
        &["profile", "add", "contoso", "--incoming-host", "imap2.contoso.example"],
    ];
    golden::compare("cli/edit.txt", &session(directory, commands));
}

#[test]
fn a_profile_of_exchange_online_fills_its_servers_in_and_approves_of_itself() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let url = format!("[database]\nurl = \"sqlite:{}/mail.db\"\n", directory.display());
    fs::write(directory.join("mailsyncd.toml"), url).unwrap();
    let commands: &[&[&str]] = &[
        &["db", "migrate"],
        &["profile", "add", "exo", "--server-type", "exchange_online", "--default", "true"],
        &["profile", "show", "exo"],
        &["user", "add", "Ada", "--email-address", "ada@contoso.example"],
        &["mailbox", "set", "ada@contoso.example", "--email-address", "ada.l@contoso.example"],
        &["profile", "set", "exo", "--server-type", "pop3_smtp"],
        &["profile", "set", "exo", "--server-type", "imap_smtp"],
    ];
    golden::compare("cli/exchange.txt", &session(directory, commands));
}

#[test]
fn declared_records_are_refused_and_made_ones_are_taken_over() {
    let world = World::full();
    let commands: &[&[&str]] = &[
        &["profile", "set", "contoso", "--description", "ours"],
        &["queue", "set", "Support", "--email-address", "s@contoso.example"],
        &["mailbox", "remove", "--all"],
        &["mailbox", "disable", "ok@contoso.example", "--incoming"],
        &["mailbox", "add", "made@contoso.example", "--kind", "forward"],
        &["check", "--plan"],
    ];
    let mut text = session(world.directory(), commands);
    let more = "[[mailbox]]\nemail_address = \"made@contoso.example\"\nkind = \"forward\"\n";
    fs::write(world.directory().join("mailsyncd.toml"), format!("{}{more}", world.config())).unwrap();
    text.push_str(&session(world.directory(), &[&["check", "--plan"]]));
    golden::compare("cli/edit_declared.txt", &text);
}

#[test]
fn who_changed_what_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let url = format!("[database]\nurl = \"sqlite:{}/mail.db\"\n", directory.display());
    fs::write(directory.join("mailsyncd.toml"), url).unwrap();
    let does = |arguments: &[&str]| {
        let ran = run(directory, &[&["--config", "mailsyncd.toml"], arguments].concat(), "");
        assert_eq!(ran.status, 0, "{arguments:?}: {}", ran.stderr);
        String::from_utf8(ran.stdout).unwrap()
    };
    does(&["db", "migrate"]);
    does(&["profile", "add", "contoso", "--incoming-host", "imap.contoso.example"]);
    does(&["profile", "set", "contoso", "--incoming-host", "mail.contoso.example", "--default", "true"]);
    does(&["profile", "add", "other", "--incoming-host", "imap.other.example"]);
    let id = Command::new("id").arg("-run").output().unwrap();
    let login = format!("cli:{}", String::from_utf8(id.stdout).unwrap().trim());

    let told = does(&["audit", "list", "--subject", "contoso", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told.as_array().unwrap().len(), 2, "{told}");
    assert_eq!(
        (&told[0]["who"], &told[0]["what"], &told[0]["name"]),
        (&login.into(), &"profile.put".into(), &"profile:contoso".into())
    );
    let differences =
        serde_json::json!(
            ["incoming.host: imap.contoso.example -> mail.contoso.example", "is_default: false -> true",]
        );
    assert_eq!(told[0]["differences"], differences);
    assert_eq!(told[1]["before"], serde_json::Value::Null);

    let told = does(&["audit", "list", "--limit", "2"]);
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].ends_with("  profile.put  profile:other"), "{told}");
    assert!(lines[1].ends_with("  profile.put  profile:contoso"), "{told}");
    assert_eq!(
        lines[2..],
        ["    incoming.host: imap.contoso.example -> mail.contoso.example", "    is_default: false -> true"]
    );
    let nobody = run(directory, &["--config", "mailsyncd.toml", "audit", "list", "--subject", "contosa"], "");
    assert!(nobody.stderr.contains("there is no record \"contosa\""), "{}", nobody.stderr);
}
