//! The command line, run as a program: what it prints, compared with `tests/golden/cli/`.

mod alerts;
mod edit;
mod explain;
mod import;
mod locking;
mod reading;
mod rotate;
mod sending;
mod testing;
mod world;

use std::{fs, io::pipe, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio};

use sqlx::{ConnectOptions as _, Executor as _, sqlite::SqliteConnectOptions};

use crate::support::{
    cli::{Ran, program, run},
    golden,
};
use world::World;

/// What differs from run to run, masked: directories, identifiers, keys, versions, the time of the run.
fn masked(text: &str, directory: &Path) -> String {
    let migrations = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/migrations/sqlite");
    let text = text.replace(directory.to_str().unwrap(), "[DIR]").replace(env!("CARGO_PKG_VERSION"), "[VERSION]");
    // Each migration would change them all.
    let schema = fs::read_dir(migrations).unwrap().count();
    let numbers = ["schema {}", "({} applied)", "\"schema_version\": {}"];
    let text = numbers.iter().fold(text, |text, written| {
        text.replace(&written.replace("{}", &schema.to_string()), &written.replace("{}", "[SCHEMA]"))
    });
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = mask_hex(line, &[8, 4, 4, 4, 12], "[ID]");
        let line = mask_hex(&line, &[16], "[KEY]");
        let now = line.trim_start().starts_with("\"time\":");
        lines.push(if now { "  \"time\": \"[NOW]\",".to_owned() } else { line.trim_end().to_owned() });
    }
    lines.join("\n") + "\n"
}

/// Replaces each run of groups of hexadecimal digits, `-` between them, that has exactly these lengths.
fn mask_hex(line: &str, groups: &[usize], mask: &str) -> String {
    let word = |c: char| c.is_ascii_hexdigit() || c == '-';
    let mut masked = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(word) {
        let end = rest[start..].find(|c| !word(c)).map_or(rest.len(), |length| start + length);
        masked.push_str(&rest[..start]);
        let lengths: Vec<usize> = rest[start..end].split('-').map(str::len).collect();
        masked.push_str(if lengths == groups { mask } else { &rest[start..end] });
        rest = &rest[end..];
    }
    masked + rest
}

/// Runs each command and writes down what a person would see.
fn session(directory: &Path, commands: &[&[&str]]) -> String {
    let mut text = String::new();
    for arguments in commands {
        let Ran { status, stdout, stderr } = run(directory, arguments, "");
        let stdout = String::from_utf8(stdout).unwrap();
        text.push_str(&format!("$ mailsyncd {}\n{stdout}{stderr}[exit {status}]\n\n", arguments.join(" ")));
    }
    masked(&text, directory)
}

#[test]
fn help_names_everything() {
    let directory = tempfile::tempdir().unwrap();
    let commands: &[&[&str]] = &[
        &["--help"],
        &["run", "--help"],
        &["check", "--help"],
        &["mailbox", "--help"],
        &["mailbox", "list", "--help"],
        &["mailbox", "why", "--help"],
        &["activity", "list", "--help"],
        &["activity", "show", "--help"],
        &["activity", "send", "--help"],
        &["activity", "retry", "--help"],
        &["message", "list", "--help"],
        &["message", "retry", "--help"],
        &["profile", "add", "--help"],
        &["user", "add", "--help"],
        &["queue", "set", "--help"],
        &["user", "import", "--help"],
        &["mailbox", "add", "--help"],
        &["mailbox", "set", "--help"],
        &["mailbox", "disable", "--help"],
        &["audit", "list", "--help"],
        &["secret", "set", "--help"],
        &["key", "new", "--help"],
        &["key", "rotate", "--help"],
        &["db", "--help"],
    ];
    golden::compare("cli/help.txt", &session(directory.path(), commands));
}

#[test]
fn wrong_usage_is_explained_with_status_2() {
    let directory = tempfile::tempdir().unwrap();
    let commands: &[&[&str]] = &[
        &[],
        &["statsu"],
        &["mailbox", "show"],
        &["mailbox", "poll"],
        &["mailbox", "list", "--view", "all"],
        &["mailbox", "list", "--view", "mine"],
        &["activity", "list", "--limit", "0"],
        &["activity", "list", "--since", "yesterday"],
        &["activity", "list", "--status", "lost"],
        &["activity", "show", "42"],
        &["activity", "send", "mail.eml", "--subject", "x"],
        &["activity", "send", "--body", "x", "--body-file", "y"],
        &["activity", "send", "--send-after", "tomorrow"],
        &["message", "retry"],
        &["message", "retry", "--all", "--uid", "1"],
        &["secret", "set", "a@b", "password-as-argument"],
        &["--config", "missing.toml", "status"],
    ];
    let text = session(directory.path(), commands);
    assert_eq!(text.matches("[exit 2]").count(), commands.len(), "{text}");
    golden::compare("cli/usage.txt", &text);
}

#[test]
fn a_wrong_configuration_is_explained_with_status_2() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("c.toml"), "[log]\nlevel = \"loud\"\n[[mailbx]]\n").unwrap();
    let commands: &[&[&str]] = &[
        &["--config", "c.toml", "check"],
        &["--config", "c.toml", "check", "--json"],
        &["--config", "c.toml", "status"],
    ];
    golden::compare("cli/wrong-config.txt", &session(directory.path(), commands));
}

#[test]
fn a_password_file_that_others_may_read_is_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for (name, mode) in [("open", 0o644), ("group", 0o640), ("closed", 0o400)] {
        fs::write(at(name), "hunter2\n").unwrap();
        fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let config = "[[profile]]\nname = \"contoso\"\nincoming = { host = \"imap.contoso.example\" }\n\
                  authenticate_using = \"profile\"\nusername = \"sync\"\npassword_file = \"open\"\n\
                  [[profile]]\nname = \"fabrikam\"\nincoming = { host = \"imap.fabrikam.example\" }\n";
    let mailbox = |name: &str| {
        format!(
            "[[mailbox]]\nemail_address = \"{name}@fabrikam.example\"\nkind = \"forward\"\nprofile = \"fabrikam\"\n\
             password_file = \"{name}\"\n"
        )
    };
    fs::write(at("c.toml"), [config, &mailbox("group"), &mailbox("closed"), &mailbox("missing")].concat()).unwrap();
    let commands: &[&[&str]] = &[&["--config", "c.toml", "check"], &["--config", "c.toml", "check", "--json"]];
    golden::compare("cli/warnings.txt", &masked(&session(directory.path(), commands), directory.path()));
}

#[test]
fn a_first_installation_goes_step_by_step() {
    let directory = tempfile::tempdir().unwrap();
    let write = |text: &str| fs::write(directory.path().join("m.toml"), text).unwrap();
    let database = format!("database.url = \"sqlite:{}/x.db\"\n", directory.path().display());
    let mailbox = "[[profile]]\nname = \"contoso\"\nincoming = { host = \"imap.contoso.example\" }\n[[mailbox]]\n\
                   email_address = \"a@contoso.example\"\nkind = \"forward\"\nprofile = \"contoso\"\nenabled = true\n";
    let with_key = format!("{database}secrets.key_file = \"key\"\n{mailbox}");
    write(&with_key);
    let mut text = String::new();
    let mut step = |arguments: &[&str], input: &str| {
        let ran = run(directory.path(), &[&["--config", "m.toml"], arguments].concat(), input);
        let (out, error) = (ran.text(), &ran.stderr);
        text.push_str(&format!("$ mailsyncd {}\n{out}{error}[exit {}]\n\n", arguments.join(" "), ran.status));
    };
    step(&["db", "migrate"], "");
    step(&["key", "new", "key"], "");
    step(&["key", "new", "key"], "");
    step(&["status"], "");
    step(&["check", "--plan"], "");
    step(&["db", "migrate"], "");
    step(&["db", "migrate"], "");
    step(&["secret", "set", "b@contoso.example"], "hunter2\n");
    step(&["secret", "set", "contoso"], "hunter2\n");
    step(&["secret", "set", "a@contoso.example"], "");
    step(&["secret", "set", "a@contoso.example"], &"x".repeat(4_097));
    step(&["secret", "set", "A@contoso.example"], "hunter2\n");
    step(&["mailbox", "show", "a@contoso.example"], "");
    step(&["check", "--plan"], "");
    step(&["db", "backup", "copy.db"], "");
    step(&["db", "backup", "copy.db"], "");
    write(&with_key.replace("enabled = true", ""));
    step(&["secret", "set", "a@contoso.example"], "hunter2\n");
    write(&format!("{database}{mailbox}"));
    step(&["secret", "set", "a@contoso.example"], "hunter2\n");
    write(&with_key.replace("enabled = true", "password_file = \"pass\""));
    step(&["secret", "set", "a@contoso.example"], "hunter2\n");
    golden::compare("cli/first-steps.txt", &masked(&text, directory.path()));
}

#[test]
fn a_new_password_wakes_the_mailboxes_that_wait_for_it() {
    let world = World::full();
    let mut text = String::new();
    let mut step = |arguments: &[&str], input: &str| {
        let ran = run(world.directory(), &[&["--config", "mailsyncd.toml"], arguments].concat(), input);
        let (out, error) = (ran.text(), &ran.stderr);
        text.push_str(&format!("$ mailsyncd {}\n{out}{error}[exit {}]\n\n", arguments.join(" "), ran.status));
    };
    // Disabled by a failure, and the file says nothing of it; then the file enables it.
    step(&["secret", "set", "disabled@contoso.example"], "hunter2\n");
    let forward = "kind = \"forward\"\n#password_file";
    let enabled = world.config().replacen(forward, "kind = \"forward\"\nenabled = true\n#password_file", 1);
    fs::write(world.directory().join("mailsyncd.toml"), enabled).unwrap();
    step(&["secret", "set", "disabled@contoso.example"], "hunter2\n");
    // Enabled, and waiting after a failure.
    step(&["secret", "set", "postponed@contoso.example"], "hunter2\n");
    // Nothing is the matter with it.
    step(&["secret", "set", "ok@contoso.example"], "hunter2\n");
    // Logs in with its profile's password.
    step(&["secret", "set", "held@fabrikam.example"], "hunter2\n");
    step(&["secret", "set", "fabrikam"], "hunter2\n");
    step(&["mailbox", "list"], "");
    golden::compare("cli/secret-set.txt", &masked(&text, world.directory()));
}

#[test]
fn a_key_to_standard_output_is_a_key_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let ran = run(directory.path(), &["key", "new", "-"], "");
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let text = ran.text();
    assert!(text.trim_end().len() == 64 && text.trim_end().chars().all(|c| c.is_ascii_hexdigit()), "{}", text.len());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// Passwords and keys are planted everywhere they may be; then everything printed and every file that
/// the program wrote is searched for them.
#[test]
fn planted_secrets_show_nowhere() {
    const STORED: &str = "canary-stored-3f9a";
    const FILE: &str = "canary-file-77c1";
    let world = World::full();
    let directory = world.directory();
    let config = ["--config", "mailsyncd.toml"];
    fs::write(directory.join("password"), format!("{FILE}\n")).unwrap();
    let with_file = world.config().replace("#password_file", "password_file");
    let mut printed = Vec::new();
    let mut go = |arguments: &[&str], input: &str| {
        let ran = run(directory, &[&config, arguments].concat(), input);
        printed.push((format!("{arguments:?}"), [ran.stdout, ran.stderr.into_bytes()].concat()));
        ran.status
    };
    assert_eq!(go(&["secret", "set", "ok@contoso.example"], &format!("{STORED}\n")), 0);
    fs::write(directory.join("mailsyncd.toml"), &with_file).unwrap();
    assert_eq!(go(&["secret", "set", "disabled@contoso.example"], &format!("{STORED}\n")), 1);
    assert_eq!(go(&["secret", "set", "nobody@contoso.example"], &format!("{STORED}\n")), 1);
    for form in [&[][..], &["--json"]] {
        for command in [
            &["status"][..],
            &["check", "--plan"],
            &["mailbox", "list"],
            &["mailbox", "show", "ok@contoso.example"],
            &["mailbox", "show", "disabled@contoso.example"],
            &["profile", "list"],
            &["profile", "show", "contoso"],
            &["activity", "list"],
            &["activity", "show", world.activity.as_str()],
            &["message", "list", "--set-aside"],
            &["db", "check"],
        ] {
            assert_eq!(go(&[command, form].concat(), ""), 0, "{command:?}");
        }
    }
    assert_eq!(go(&["key", "new", "second"], ""), 0);
    let second = with_file.replace("key_file = \"key\"", "key_file = \"second\"\nold_key_files = [\"key\"]");
    fs::write(directory.join("mailsyncd.toml"), second).unwrap();
    rotate::beat(directory);
    assert_eq!(go(&["key", "rotate"], ""), 0);
    assert_eq!(go(&["db", "backup", "copy.db"], ""), 0);
    // Typed into the wrong places.
    let wrong = format!(
        "{with_file}\npassword = \"{STORED}\"\npasword = \"{STORED}\"\n[database]\nurl = \"postgres://u:{STORED}@h/d\"\n\
         [[profile]]\nname = \"x\"\nincoming = {{ host = \"h\", pass = \"{STORED}\" }}\npassword = \"{FILE}\"\n"
    );
    fs::write(directory.join("mailsyncd.toml"), &wrong).unwrap();
    assert_eq!(go(&["check"], ""), 2);
    assert_eq!(go(&["check", "--json"], ""), 2);
    fs::write(directory.join("mailsyncd.toml"), format!("password = {STORED}\n{wrong}\"")).unwrap();
    assert_eq!(go(&["status"], ""), 2);

    let keys = ["key", "second"].map(|name| fs::read_to_string(directory.join(name)).unwrap());
    let canaries = [STORED, FILE, keys[0].trim(), keys[1].trim()];
    for (command, output) in &printed {
        let text = String::from_utf8_lossy(output);
        assert!(!canaries.iter().any(|canary| text.contains(canary)), "{command} printed a secret: {text}");
    }
    let mut searched = 0;
    for file in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if ["mailsyncd.toml", "password", "key", "second"].contains(&name.as_str()) {
            continue;
        }
        let bytes = fs::read(&file).unwrap();
        searched += usize::from(name.ends_with(".db"));
        for canary in canaries {
            assert!(!bytes.windows(canary.len()).any(|part| part == canary.as_bytes()), "{name} holds {canary}");
        }
    }
    assert_eq!(searched, 2, "the database and its copy");
}

#[test]
fn rows_that_another_program_left_behind_are_not_called_damage() {
    let world = World::full();
    let go = |arguments: &[&str]| run(world.directory(), &[&["--config", "mailsyncd.toml"], arguments].concat(), "");
    assert_eq!(go(&["db", "check"]).status, 0);
    let stray = "INSERT INTO email_activities (mailbox, direction, status, subject) VALUES \
                 ('00000000-0000-7000-8000-000000000000', 'outgoing', 'draft', 'x')";
    let insert = || {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let options = SqliteConnectOptions::new().filename(world.directory().join("mail.db")).foreign_keys(false);
            options.connect().await.unwrap().execute(stray).await.unwrap();
        });
    };
    insert();
    let ran = go(&["db", "check"]);
    assert_eq!((ran.status, ran.text().lines().count()), (1, 1), "{}", ran.text());
    assert!(
        ran.text().ends_with("of email_activities refers to a row of mailboxes that is not there\n"),
        "{}",
        ran.text()
    );
    assert!(ran.stderr.contains("contradict each other") && !ran.stderr.contains("backup"), "{}", ran.stderr);
    insert();
    let listed: Vec<String> = serde_json::from_slice(&go(&["db", "check", "--json"]).stdout).unwrap();
    assert!(listed.len() == 1 && listed[0].ends_with("that is not there; so do 1 more"), "{listed:?}");
}

#[test]
fn a_database_address_is_taken_apart_before_it_is_needed() {
    let directory = tempfile::tempdir().unwrap();
    let check = |url: &str| {
        fs::write(directory.path().join("m.toml"), format!("database.url = \"{url}\"\n")).unwrap();
        run(directory.path(), &["--config", "m.toml", "check"], "")
    };
    for right in ["postgres://mailsyncd@/mail?host=/run/postgresql", "postgres://db.example:5433/mail?sslmode=require"]
    {
        assert_eq!(check(right).status, 0, "{right}: {}", check(right).stderr);
    }
    for wrong in ["postgres://db.example:port/mail", "postgres://db.example/mail?sslmode=perhaps"] {
        let ran = check(wrong);
        assert_eq!(ran.status, 2, "{wrong}: {}", ran.text());
        assert!(ran.stderr.contains("url of [database]: not a database address"), "{}", ran.stderr);
    }
}
