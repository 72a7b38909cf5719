//! Passwords that wait to be entered again, from the command line, on both databases.

use std::{fs, path::Path};

use crate::support::{cli::run, databases::databases};

/// Runs the command, which must succeed, with a password on its standard input.
fn does(directory: &Path, arguments: &[&str]) -> String {
    let ran = run(directory, &[&["--config", "mailsyncd.toml"], arguments].concat(), "a password\n");
    assert_eq!(ran.status, 0, "{arguments:?}: {}{}", ran.text(), ran.stderr);
    ran.text()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_locks_passwords_until_they_are_entered_again() {
    for database in databases().await {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let text = format!("[database]\nurl = \"{}\"\n[secrets]\nkey_file = \"key\"\n", database.url);
        fs::write(directory.join("mailsyncd.toml"), text).unwrap();
        let made = run(directory, &["key", "new", "key"], "");
        assert_eq!(made.status, 0, "{}", made.stderr);
        let does = |arguments: &[&str]| does(directory, arguments);
        let [ada, bob] = ["ada@contoso.example", "bob@contoso.example"];
        does(&["profile", "add", "contoso", "--incoming-host", "imap.contoso.example", "--default", "true"]);
        for address in [ada, bob] {
            does(&["mailbox", "add", address, "--kind", "forward"]);
            does(&["secret", "set", address]);
        }
        let locked = "SELECT count(*) FROM secrets WHERE locked_at IS NOT NULL";
        assert_eq!(database.count(locked).await, 0);

        // What names no other server locks nothing.
        does(&["profile", "set", "contoso", "--description", "ours", "--incoming-host", "IMAP.contoso.example"]);
        assert_eq!(database.count(locked).await, 0);

        let said = does(&["profile", "set", "contoso", "--incoming-host", "imap.elsewhere.example"]);
        let words = "2 stored passwords are locked until entered again: mailsyncd secret set";
        assert!(said.contains(words), "{said}");
        assert_eq!(database.count(locked).await, 2);
        assert!(does(&["mailbox", "show", ada]).contains("locked"), "{}", does(&["mailbox", "show", ada]));
        let alerts = || does(&["alert", "list", "--profile", "contoso"]);
        assert!(alerts().contains("credentials-locked"), "{}", alerts());
        // The server that was there is another one by now.
        does(&["profile", "set", "contoso", "--incoming-host", "imap.contoso.example"]);
        assert_eq!(database.count(locked).await, 2);

        does(&["secret", "set", ada]);
        assert_eq!(database.count(locked).await, 1);
        assert!(!does(&["mailbox", "show", ada]).contains("locked"));
        assert!(alerts().contains("credentials-locked"), "Bob's is locked still");
        does(&["secret", "set", bob]);
        assert_eq!(database.count(locked).await, 0);
        assert!(!alerts().contains("credentials-locked"), "{}", alerts());

        // So does a move to a profile at another server.
        does(&["profile", "add", "other", "--incoming-host", "imap.other.example"]);
        does(&["mailbox", "set", ada, "--to-profile", "other"]);
        assert_eq!(database.count(locked).await, 1);
        let told = does(&["audit", "list", "--json"]);
        assert_eq!((told.matches("\"secret.lock\"").count(), told.matches("\"secret.set\"").count()), (3, 4), "{told}");
        assert!(!told.contains("a password"));
    }
}
