//! Users and queues out of files.

use std::{fs, path::Path, process::Command, time::Instant};

use super::{World, session};
use crate::support::{
    cli::run,
    databases::{TestDatabase, databases},
    golden,
};

const CONFIG: [&str; 2] = ["--config", "mailsyncd.toml"];

fn commands(directory: &Path, commands: &[&[&str]]) -> String {
    let named: Vec<Vec<&str>> = commands.iter().map(|command| [&CONFIG, *command].concat()).collect();
    let named: Vec<&[&str]> = named.iter().map(Vec::as_slice).collect();
    session(directory, &named).replace("--config mailsyncd.toml ", "")
}

/// An empty database with a default profile.
fn empty(directory: &Path) {
    empty_at(directory, &format!("sqlite:{}/mail.db", directory.display()));
}

fn empty_at(directory: &Path, url: &str) {
    fs::write(directory.join("mailsyncd.toml"), format!("[database]\nurl = \"{url}\"\n")).unwrap();
    let profile = ["profile", "add", "contoso", "--incoming-host", "imap.contoso.example", "--default", "true"];
    for command in [&["db", "migrate"][..], &profile] {
        assert_eq!(run(directory, &[&CONFIG, command].concat(), "").status, 0);
    }
}

#[test]
fn users_and_queues_out_of_files() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    empty(directory);
    let file = |name: &str, text: &str| fs::write(directory.join(name), text).unwrap();
    file(
        "users.csv",
        "\u{feff}name,email_address,external_id,username\r\nAda,ada@contoso.example,7,\r\n\
         \"Bob \"\"B\"\"\",bob@contoso.example,8,bob\r\nCy,cy@contoso.example,,\r\n",
    );
    file(
        "again.csv",
        "external_id,name,email_address\n7,Ada Lovelace,ada.l@contoso.example\n8,\"Bob \"\"B\"\"\",bob@contoso.example\n9,Cy,cy@contoso.example\n",
    );
    file(
        "bad.csv",
        "name,email_address,external_id,profile\nDan,dan,,\nEve,EVE@contoso.example,,contosso\nBob \"B\",b@contoso.example,80,\n\
         Fay,fay@contoso.example,,\nFay,fay2@contoso.example,,\nGus,cy@contoso.example,,\n,\nCy,cy@contoso.example,,\n\
         Cyrus,cy@contoso.example,9,\n\u{1b}[31m,red@contoso.example,,\n",
    );
    file(
        "queues.jsonl",
        "{\"name\": \"Support\", \"email_address\": \"support@contoso.example\", \"external_id\": 1}\n\n{\"name\": \"Sales\", \"email_address\": \"sales@contoso.example\", \"profile\": null}\n",
    );
    file("eve.csv", "name,email_address,username\nEve,eve@contoso.example,eve\nCy,cy@contoso.example,\n");
    file("header.csv", "name,mail,emial_address\n");
    file("empty.csv", "");
    let text = commands(
        directory,
        &[
            &["user", "import", "users.csv", "--dry-run"],
            &["user", "list"],
            &["user", "import", "users.csv"],
            &["user", "import", "users.csv"],
            &["user", "import", "again.csv"],
            &["user", "import", "again.csv", "--json"],
            &["user", "import", "bad.csv"],
            &["user", "import", "bad.csv", "--dry-run", "--json"],
            &["user", "import", "bad.csv", "--skip-bad"],
            &["queue", "import", "queues.jsonl"],
            &["user", "add", "Eve", "--email-address", "eve@contoso.example", "--no-mailbox"],
            &["mailbox", "remove", "cy@contoso.example"],
            &["user", "import", "eve.csv"],
            &["user", "import", "eve.csv"],
            &["user", "import", "header.csv"],
            &["user", "import", "empty.csv"],
            &["user", "import", "missing.csv"],
            &["user", "list"],
            &["queue", "list"],
            &["mailbox", "list"],
        ],
    );
    golden::compare("cli/import.txt", &text);
}

#[test]
fn what_a_file_declares_is_no_row_to_change() {
    let world = World::full();
    let directory = world.directory();
    fs::write(directory.join("queues.csv"), "name,email_address\nSupport,new@contoso.example\n").unwrap();
    let ran = run(directory, &[&CONFIG[..], &["queue", "import", "queues.csv"]].concat(), "");
    assert_eq!(ran.status, 1);
    let declared = format!("queues.csv:2: queue Support is declared at {}/mailsyncd.toml:", directory.display());
    assert!(ran.stderr.starts_with(&declared), "{}", ran.stderr);
    assert_eq!(ran.text(), "rows 1: new 0, changed 0, unchanged 0, bad 1\nnothing was done\n");
}

#[test]
fn thousands_of_rows_in_several_transactions() {
    const ROWS: usize = 1_200;
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    empty(directory);
    let rows = (0..ROWS).map(|n| format!("User {n},user{n}@contoso.example,{n}\n"));
    let text: String = ["name,email_address,external_id\n".to_owned()].into_iter().chain(rows).collect();
    fs::write(directory.join("users.csv"), text).unwrap();
    let import = |expected: &str| {
        let began = Instant::now();
        let ran = run(directory, &[&CONFIG[..], &["user", "import", "users.csv"]].concat(), "");
        assert_eq!((ran.status, ran.text().lines().last()), (0, Some(expected)), "{}", ran.stderr);
        assert_eq!(ran.stderr, "", "nobody watches");
        println!("{expected}: {:?}", began.elapsed());
        ran.text().lines().count()
    };
    // A line for each user and each mailbox.
    assert_eq!(import("rows 1200: new 1200, changed 0, unchanged 0, bad 0"), 2 * ROWS + 1);
    assert_eq!(import("rows 1200: new 0, changed 0, unchanged 1200, bad 0"), 1);
    let shown = run(directory, &[&CONFIG[..], &["mailbox", "list", "--json"]].concat(), "").text();
    assert_eq!(shown.matches("\"email_address\": \"user").count(), ROWS);
}

/// The database takes no user of this name any more; with [`take_again`] it does.
async fn refuse(database: &TestDatabase, name: &str) {
    let sql = if database.url.starts_with("sqlite:") {
        format!(
            "CREATE TRIGGER no BEFORE INSERT ON users WHEN NEW.name = '{name}' BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    } else {
        format!(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''full''; END'; \
             CREATE TRIGGER no BEFORE INSERT ON users FOR EACH ROW WHEN (NEW.name = '{name}') EXECUTE FUNCTION no()"
        )
    };
    database.execute(&sql).await;
}

async fn take_again(database: &TestDatabase) {
    let on = if database.url.starts_with("sqlite:") { "" } else { " ON users" };
    database.execute(&format!("DROP TRIGGER no{on}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stops_in_the_middle_says_how_far_it_came_and_goes_on_when_it_is_run_again() {
    for database in databases().await {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        empty_at(directory, &database.url);
        let rows = (0..600).map(|n| format!("{{\"name\": \"U{n}\", \"email_address\": \"u{n}@contoso.example\"}}\n"));
        fs::write(directory.join("users.jsonl"), rows.collect::<String>()).unwrap();
        let import = || run(directory, &[&CONFIG[..], &["user", "import", "users.jsonl"]].concat(), "");
        refuse(&database, "U400").await;
        let stopped = import();
        assert_eq!(stopped.status, 1, "{}", stopped.stderr);
        // Two changes for each row, five hundred together.
        assert!(stopped.stderr.contains("250 of 600 rows"), "{}", stopped.stderr);
        let users = || run(directory, &[&CONFIG[..], &["user", "list", "--json"]].concat(), "").text();
        assert_eq!(users().matches("\"email_address\"").count(), 250);

        take_again(&database).await;
        let again = import();
        let last = "rows 600: new 350, changed 0, unchanged 250, bad 0";
        assert_eq!((again.status, again.text().lines().last()), (0, Some(last)), "{}", again.stderr);
        let last = "rows 600: new 0, changed 0, unchanged 600, bad 0";
        assert_eq!(import().text().lines().last(), Some(last));
    }
}

#[test]
fn on_a_terminal_the_progress_shows() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    empty(directory);
    let rows: String = (0..300).map(|n| format!("U{n},u{n}@contoso.example\n")).collect();
    fs::write(directory.join("users.csv"), format!("name,email_address\n{rows}")).unwrap();
    // `script` is a terminal to the program; what it prints itself goes elsewhere.
    let line = format!("{} --config mailsyncd.toml user import users.csv >out", env!("CARGO_BIN_EXE_mailsyncd"));
    let shown = Command::new("script").args(["-qefc", &line, "/dev/null"]).current_dir(directory).output().unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.status.success(), "{text}");
    for line in ["checked 100 of 300 rows (33 %)", "checked 300 of 300 rows (100 %)", "written 300 of 300 rows (100 %)"]
    {
        assert!(text.contains(&format!("\r\u{1b}[K{line}")), "{line} is not in {text:?}");
    }
    assert!(text.ends_with("\r\u{1b}[K"), "and it goes when all is done: {text:?}");
    assert!(fs::read_to_string(directory.join("out")).unwrap().ends_with("new 300, changed 0, unchanged 0, bad 0\n"));
}
