//! Commands that show what there is.

use super::*;

#[test]
fn what_there_is_is_shown() {
    let world = World::full();
    let c: &[&str] = &["--config", "mailsyncd.toml"];
    let commands: Vec<Vec<&str>> = [
        &["status"][..],
        &["mailbox", "list"],
        &["mailbox", "list", "--view", "disabled"],
        &["mailbox", "list", "--view", "stale"],
        &["mailbox", "list", "--view", "mine", "--owner", "Support"],
        &["mailbox", "list", "--view", "test-and-enable-failed"],
        &["mailbox", "show", "OK@contoso.example"],
        &["mailbox", "show", "disabled@contoso.example"],
        &["mailbox", "show", "held@fabrikam.example"],
        &["mailbox", "show", "okk@contoso.example"],
        &["mailbox", "why", "ok@contoso.example"],
        &["mailbox", "why", "Postponed@contoso.example"],
        &["mailbox", "why", "held@fabrikam.example"],
        &["mailbox", "why", "okk@contoso.example"],
        &["mailbox", "poll", "ok@contoso.example", "pending@contoso.example", "held@fabrikam.example"],
        &["mailbox", "poll", "ok@contoso.example", "nobody@contoso.example"],
        &["profile", "list"],
        &["profile", "show", "contoso"],
        &["profile", "show", "fabrikam"],
        &["profile", "show", "contosso"],
        &["activity", "list"],
        &["activity", "list", "--mailbox", "disabled@contoso.example"],
        &["activity", "list", "--since", "2026-03-02T00:00:00Z"],
        &["activity", "list", "--mailbox", "ok@contoso.exmple"],
        &["activity", "show", world.activity.as_str()],
        &["activity", "show", "00000000-0000-7000-8000-000000000000"],
        &["message", "list"],
        &["message", "list", "--set-aside"],
        &["message", "list", "--set-aside", "--mailbox", "disabled@contoso.example"],
        &["db", "check"],
        &["check", "--plan"],
    ]
    .iter()
    .map(|command| [c, *command].concat())
    .collect();
    let commands: Vec<&[&str]> = commands.iter().map(Vec::as_slice).collect();
    let text = session(world.directory(), &commands).replace(" --config mailsyncd.toml", "");
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "control characters of a mail were printed");
    golden::compare("cli/records.txt", &text);
}

#[test]
fn json_has_stable_keys() {
    let world = World::full();
    let c: &[&str] = &["--config", "mailsyncd.toml"];
    let mut text = String::new();
    for command in [
        &["status"][..],
        &["mailbox", "list"],
        &["mailbox", "show", "disabled@contoso.example"],
        &["mailbox", "why", "disabled@contoso.example"],
        &["profile", "list"],
        &["profile", "show", "fabrikam"],
        &["activity", "list"],
        &["activity", "show", world.activity.as_str()],
        &["message", "list", "--set-aside"],
        &["db", "check"],
        &["check", "--plan"],
    ] {
        let ran = run(world.directory(), &[c, command, &["--json"]].concat(), "");
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{command:?}");
        let value: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
        if command.last() != Some(&"list") || command[0] == "activity" {
            text.push_str(&format!("$ mailsyncd {}\n{}", command.join(" "), ran.text()));
        } else {
            assert!(value.as_array().is_some_and(|rows| !rows.is_empty()), "{command:?}");
        }
    }
    golden::compare("cli/json.txt", &masked(&text, world.directory()));
}

#[test]
fn what_was_set_aside_is_tried_again_on_request() {
    let world = World::full();
    let c: &[&str] = &["--config", "mailsyncd.toml"];
    let commands: Vec<Vec<&str>> = [
        &["message", "retry", "--mailbox", "ok@contoso.example", "--uid", "1"][..],
        &["message", "retry", "--mailbox", "okk@contoso.example"],
        &["message", "retry", "--all", "--code", "message-poison"],
        &["message", "retry", "--mailbox", "OK@contoso.example", "--uid", "2"],
        &["message", "list"],
        &["message", "retry", "--all", "--code", "message-too-large"],
    ]
    .iter()
    .map(|command| [c, *command].concat())
    .collect();
    let commands: Vec<&[&str]> = commands.iter().map(Vec::as_slice).collect();
    let text = session(world.directory(), &commands).replace(" --config mailsyncd.toml", "");
    golden::compare("cli/retry.txt", &text);
    let ran = run(world.directory(), &[c, &["message", "retry", "--all", "--json"]].concat(), "");
    let rows: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert!(rows[0]["retry_requested_at"].is_string(), "{rows}");
    let ran = run(world.directory(), &[c, &["audit", "list", "--subject", "ok@contoso.example"]].concat(), "");
    assert!(ran.text().contains("message.retry") && ran.text().contains("uids: none -> [2]"), "{}", ran.text());
}

#[test]
fn a_source_is_written_byte_for_byte() {
    let world = World::full();
    let arguments = ["--config", "mailsyncd.toml", "activity", "show", &world.activity, "--source"];
    let ran = run(world.directory(), &arguments, "");
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert_eq!(ran.stdout, world::MAIL);
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let world = World::full();
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let mut command = program(world.directory(), &["--config", "mailsyncd.toml", "mailbox", "list"]);
    let output = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
}
