//! Real mail, read by us and by Python's `email` package: every difference is known and explained in
//! `tests/data/corpus-differences.txt`.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use mailsyncd::{
    mime::{self, Limits},
    model::message::{PartyRole, ReceivedMessage},
};
use serde_json::{Value, json};

use crate::support::process::installed;

/// Field → what was found in it.
type Fields = BTreeMap<String, Value>;

#[test]
fn real_mail_reads_as_python_reads_it() {
    let Some(corpus) = corpus() else {
        // It is no part of the repository, so a fresh clone is right to be without it.
        println!("skipped: no shared/corpus in a folder above the repository, and no MAILSYNCD_CORPUS");
        return;
    };
    if !installed(&["python3", "tar", "xz"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    unpack(&corpus, folder.path());
    let reference = reference(folder.path());
    assert!(reference.len() > 1_700, "only {} messages", reference.len());

    let mut differences = BTreeMap::new();
    for (path, theirs) in &reference {
        let ours = fields(&read(&folder.path().join(path)));
        for (field, theirs) in theirs.iter().filter(|(field, theirs)| ours[*field] != **theirs) {
            let values = format!("ours   {}\n    theirs {theirs}", ours[field]);
            differences.insert(format!("{path} {field}"), values);
        }
    }
    compare(&differences, &listed());
}

fn compare(found: &BTreeMap<String, String>, listed: &BTreeSet<String>) {
    let unlisted: Vec<String> = found
        .iter()
        .filter(|(key, _)| !listed.contains(*key))
        .map(|(key, values)| format!("  {key}\n    {values}"))
        .collect();
    let stale: Vec<&String> = listed.iter().filter(|key| !found.contains_key(*key)).collect();
    assert!(
        unlisted.is_empty() && stale.is_empty(),
        "{} differences are not in the table:\n{}\n{} entries of the table are no differences: {stale:#?}",
        unlisted.len(),
        unlisted.join("\n"),
        stale.len(),
    );
}

/// The differences that are known: `path field` of each line that is no comment and no heading.
fn listed() -> BTreeSet<String> {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/corpus-differences.txt");
    let table = fs::read_to_string(table).unwrap();
    let entries = table.lines().filter(|line| line.starts_with(' '));
    entries.map(|line| line.trim().to_owned()).collect()
}

/// Reads a message as it is (lines end in LF) and as a server would send it; both must say the same.
fn read(path: &Path) -> ReceivedMessage {
    let raw = fs::read(path).unwrap();
    let mail = mime::parse(&raw, &Limits::default()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut sent = Vec::with_capacity(raw.len() + 1_000);
    for (index, byte) in raw.iter().enumerate() {
        if *byte == b'\n' && (index == 0 || raw[index - 1] != b'\r') {
            sent.push(b'\r');
        }
        sent.push(*byte);
    }
    let crlf = mime::parse(&sent, &Limits::default()).unwrap();
    assert_eq!(fields(&mail), fields(&crlf), "{}", path.display());
    assert_eq!((&mail.text, &mail.references), (&crlf.text, &crlf.references), "{}", path.display());
    mail
}

fn fields(mail: &ReceivedMessage) -> Fields {
    let parties = |role: PartyRole| -> Value {
        let found = mail.parties.iter().filter(|party| party.role == role);
        found.map(|party| json!([party.address, party.display_name])).collect()
    };
    let names = mail.attachments.iter().filter(|part| !part.file_name.is_empty()).map(|part| &part.file_name);
    BTreeMap::from([
        ("subject".to_owned(), json!(mail.subject)),
        ("date".to_owned(), json!(mail.date.map(|date| date.as_micros() / 1_000_000))),
        ("attachments".to_owned(), names.map(|name| json!(name)).collect()),
        ("from".to_owned(), parties(PartyRole::From)),
        ("to".to_owned(), parties(PartyRole::To)),
        ("cc".to_owned(), parties(PartyRole::Cc)),
        ("bcc".to_owned(), parties(PartyRole::Bcc)),
        ("reply-to".to_owned(), parties(PartyRole::ReplyTo)),
    ])
}

fn corpus() -> Option<PathBuf> {
    let given = env::var_os("MAILSYNCD_CORPUS").map(PathBuf::from);
    let beside = || {
        let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1);
        folders.map(|folder| folder.join("shared/corpus")).find(|folder| folder.is_dir())
    };
    given.or_else(beside)
}

fn unpack(corpus: &Path, folder: &Path) {
    for archive in ["spamassassin-ham.tar.xz", "mail-gem-fixtures.tar.xz"] {
        let tar = Command::new("tar").arg("-xJf").arg(corpus.join(archive)).arg("-C").arg(folder).status();
        assert!(tar.unwrap().success(), "{archive}");
    }
}

/// What Python reads, by path.
fn reference(folder: &Path) -> BTreeMap<String, Fields> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/corpus_reference.py");
    let output = Command::new("python3").arg(script).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let read = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let fields = serde_json::from_value(line["fields"].take()).unwrap();
        (line["path"].as_str().unwrap().to_owned(), fields)
    };
    lines.lines().map(read).collect()
}
