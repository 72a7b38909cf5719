//! Real mail of others, where it is at hand: every message is recorded, or set aside with a reason.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{ANNA, anna, ready};
use crate::support::process::run;

#[test]
fn every_message_of_the_corpus_is_recorded_or_set_aside() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let archives = ["spamassassin-ham.tar.xz", "mail-gem-fixtures.tar.xz"].map(|name| corpus.join(name));
    if !ready() {
        return;
    }
    if !archives.iter().all(|archive| archive.exists()) {
        // Allowed: a fresh clone has no corpus, and the project's own mail must be enough for it.
        println!("skipped: no archives at {}", corpus.display());
        return;
    }
    let unpacked = TempDir::new().unwrap();
    for archive in &archives {
        run(Command::new("tar").arg("-xJf").arg(archive).arg("-C").arg(unpacked.path()));
    }
    let mut files = Vec::new();
    collect(unpacked.path(), &mut files);
    let (server, mut daemon) = anna();
    for file in &files {
        server.deliver(ANNA, &fs::read(file).unwrap());
    }
    daemon.once_well();

    let total = u64::try_from(files.len()).unwrap();
    assert!(total > 1_700, "the archives hold less than they should: {total}");
    let verdict =
        |verdict: &str| daemon.count(&format!("SELECT count(*) FROM inbox_ledger WHERE verdict = '{verdict}'"));
    let (recorded, set_aside) = (verdict("recorded"), verdict("set_aside"));
    println!("{total} messages: {recorded} recorded, {set_aside} set aside");
    assert_eq!(recorded + set_aside, total);
    assert!(set_aside * 100 <= total, "real mail is readable: {set_aside} of {total} set aside");
    let unexplained = "SELECT count(*) FROM inbox_ledger WHERE verdict = 'set_aside' AND coalesce(reason, '') = ''";
    assert_eq!(daemon.count(unexplained), 0);
    // The same mail may be there twice, but nobody's mail is hidden by another one's.
    let linked = daemon.count("SELECT count(*) FROM inbox_ledger WHERE activity IS NOT NULL");
    assert_eq!(linked, recorded);
    daemon.once_well();
    assert_eq!(daemon.count("SELECT count(*) FROM inbox_ledger"), total, "a second run records nothing");
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            collect(&path, files);
        } else if !name.starts_with("LICENSE") {
            files.push(path);
        }
    }
}
