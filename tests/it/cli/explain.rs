//! The catalogue as it is shown, and the page that is made of it.

use std::{fs, path::Path};

use super::session;
use crate::support::{cli::run, golden};

#[test]
fn codes_are_explained() {
    let directory = tempfile::tempdir().unwrap();
    let commands: &[&[&str]] = &[
        &["explain", "--help"],
        &["explain"],
        &["explain", "auth-rejected"],
        &["explain", "delivery-in-doubt", "--json"],
        &["explain", "auth-worried"],
        &["explain", "auth-rejected", "--markdown"],
    ];
    golden::compare("cli/explain.txt", &session(directory.path(), commands));
}

#[test]
fn the_page_of_codes_is_what_the_program_prints() {
    let directory = tempfile::tempdir().unwrap();
    let printed = run(directory.path(), &["explain", "--markdown"], "").text();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/CODES.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return fs::write(page, printed).unwrap();
    }
    let kept = fs::read_to_string(page).unwrap();
    assert!(kept == printed, "make deploy/CODES.md anew: mailsyncd explain --markdown > deploy/CODES.md");
}
