//! Wrong configurations and what is said of them: each `tests/golden/config/*.toml` (or directory
//! with a `mailsyncd.toml`) has its expected problems beside it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use mailsyncd::{base::secret::Kek, config::Config};

use crate::support::golden;

fn cases() -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(golden::directory().join("config")).unwrap().map(|entry| entry.unwrap().path());
    let cases = entries.filter_map(|path| {
        let name = path.file_stem()?.to_str()?.to_owned();
        let file = if path.is_dir() { path.join("mailsyncd.toml") } else { path };
        (file.extension()? == "toml").then_some((name, file))
    });
    let mut cases: Vec<_> = cases.collect();
    cases.sort();
    cases
}

fn problems(file: &Path) -> String {
    let error = Config::load_with(file, None).map(|_| "").unwrap_err();
    let directory = format!("{}/", file.parent().unwrap().display());
    format!("{error}\n").replace(&directory, "")
}

#[test]
fn wrong_configurations_are_explained() {
    let cases = cases();
    assert!(cases.len() >= 7, "{cases:?}");
    for (name, file) in cases {
        let problems = problems(&file);
        assert!(!problems.contains("canary"), "{name} shows a password: {problems}");
        golden::compare(&format!("config/{name}.txt"), &problems);
    }
}

#[test]
fn a_missing_file_is_explained() {
    let directory = tempfile::tempdir().unwrap();
    let problems = problems(&directory.path().join("mailsyncd.toml"));
    assert!(
        problems.contains("could not read mailsyncd.toml") && problems.contains("hint: give --config"),
        "{problems}"
    );
}

#[test]
fn a_file_that_is_not_text_is_explained() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mailsyncd.toml");
    fs::write(&file, b"[log]\nlevel = \"\xff\"\n").unwrap();
    assert_eq!(problems(&file), "the configuration has a problem\n  mailsyncd.toml:2: not UTF-8\n");
    fs::write(&file, "database.url = \"sqlite::memory:\"").unwrap();
    assert!(problems(&file).contains("write sqlite:/path/to/file"), "{}", problems(&file));
}

#[test]
fn the_first_configuration_of_the_readme_is_right() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let text = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(text.lines().count() <= 10, "ten lines were promised");
    let directory = tempfile::tempdir().unwrap();
    Kek::create(&directory.path().join("kek")).unwrap();
    let file = directory.path().join("mailsyncd.toml");
    fs::write(&file, text.replace("/etc/mailsyncd/kek", "kek")).unwrap();
    let config = Config::load_with(&file, None).unwrap();
    let [mailbox] = config.declared.mailboxes.as_slice() else { panic!("{:?}", config.declared.mailboxes) };
    assert_eq!(
        (mailbox.approved, mailbox.enabled),
        (Some(true), Some(mailsyncd::model::mailbox::DeclaredEnabled::True))
    );
}
