//! What the documents tell people to type works.

use std::{fs, path::Path, process::Command};

use super::{ANNA, anna, ready};
use crate::support::{mail, process::run};

#[test]
fn the_sql_of_the_operators_page_runs() {
    if !ready() {
        return;
    }
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/README.md")).unwrap();
    let sql = page.split_once("```sql\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0;
    let statements: Vec<&str> = sql.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()).collect();
    assert_eq!(statements.len(), 5);
    let (server, mut daemon) = anna();
    server.deliver(ANNA, &mail::small("order-4711@customer.example"));
    daemon.once_well();
    let answers: Vec<usize> = statements.iter().map(|statement| daemon.query(statement).len()).collect();
    // The newest mail, its two parties, no attachment, nothing set aside, no mailbox failing.
    assert_eq!(answers, [1, 2, 0, 0, 0]);
}

#[test]
fn the_files_for_systemd_are_understood_by_it() {
    if !crate::support::process::installed(&["systemd-sysusers", "systemd-tmpfiles"]) {
        return;
    }
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd");
    run(Command::new("systemd-sysusers").arg("--dry-run").arg(dir.join("mailsyncd.sysusers.conf")));
    let root = tempfile::TempDir::new().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    let tmpfiles = fs::read_to_string(dir.join("mailsyncd.tmpfiles.conf")).unwrap().replace("root mailsyncd", "- -");
    fs::write(root.path().join("tmpfiles.conf"), tmpfiles).unwrap();
    run(Command::new("systemd-tmpfiles")
        .args(["--create", "--root"])
        .arg(root.path())
        .arg(root.path().join("tmpfiles.conf")));
    for made in ["etc/mailsyncd/conf.d", "etc/mailsyncd/secrets"] {
        assert!(root.path().join(made).is_dir(), "{made}");
    }
}
