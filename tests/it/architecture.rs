//! The layer picture of `src/lib.rs`, enforced; and what may not come in as a dependency.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Layers, lowest first. A module names only modules of lower layers (`base` may also name `model`).
const LAYERS: &[&[&str]] = &[
    &["model"],
    &["base"],
    &["mime", "net", "config"],
    &["imap", "pop3", "smtp", "store"],
    &["classify", "means"],
    &["receive", "send", "probe"],
    &["schedule", "admin"],
    &["cli"],
    &["daemon"],
    &["main", "lib"],
];

/// Words and where alone they may stand: modules (`store`) or files (`base/tasks.rs`).
const WORDS: &[(&str, &[&str])] = &[
    ("sqlx", &["store"]),
    ("TcpStream", &["imap", "net", "pop3", "smtp"]),
    ("TcpListener", &["imap", "net"]),
    ("UdpSocket", &["imap", "net"]),
    ("tokio::spawn", &["base/tasks.rs"]),
    ("task::spawn", &["base/tasks.rs"]),
    ("JoinSet", &["base/tasks.rs"]),
    ("thread::spawn", &["base/tasks.rs"]),
    ("SystemTime::now", &["base/clock.rs"]),
    ("jiff::Timestamp::now", &["base/clock.rs"]),
    ("Zoned::now", &["base/clock.rs"]),
    ("env::var", &["config"]),
];

/// Files that decide and never act.
const PURE_FILES: &[&str] = &[
    "admin/import/rows.rs",
    "admin/import/rows/csv.rs",
    "admin/import/rows/json.rs",
    "admin/why.rs",
    "admin/why/words.rs",
    "receive/batch.rs",
    "receive/judge.rs",
    "receive/maildrop.rs",
    "receive/plan.rs",
    "receive/reconcile.rs",
    "receive/windows.rs",
    "schedule/agenda.rs",
    "schedule/agenda/evidence.rs",
    "schedule/agenda/landing.rs",
    "schedule/agenda/refresh.rs",
    "schedule/alarm.rs",
    "schedule/backoff.rs",
    "schedule/breaker.rs",
    "schedule/concern.rs",
    "schedule/daemons.rs",
    "schedule/duty.rs",
    "schedule/heard.rs",
    "schedule/incident.rs",
    "schedule/jitter.rs",
    "schedule/leap.rs",
    "schedule/machine.rs",
    "schedule/stale.rs",
    "schedule/storm.rs",
    "schedule/strain.rs",
    "schedule/summary.rs",
    "schedule/testing/decide.rs",
    "schedule/testing/mail.rs",
    "schedule/turns.rs",
    "schedule/waits.rs",
    "send/doubt.rs",
    "send/judge.rs",
];
/// Modules that decide and never act.
const PURE_MODULES: &[&str] = &["classify", "mime", "model"];
const IMPURE_WORDS: &[&str] = &["tokio", "async fn", "async move", ".await", "SystemTime", "Instant", "Clock"];
/// What a pure file may name of modules that act: the errors that it classifies, and what it decides about.
const PURE_MAY_NAME: &[&str] = &[
    "config::nearest",
    "config::show_duration",
    "imap::error",
    "net::error",
    "pop3::error",
    "smtp::error",
    "smtp::reply",
    "store::AlertDetail",
    "store::DaemonAlert",
    "store::Health",
    "store::KnownCopy",
    "store::KnownVerdict",
    "store::Stale",
    "store::HeldLease",
    "store::OpenAlert",
    "store::Surroundings",
    "store::WaitingMail",
];

const LONGEST_FILE: usize = 450;
const LONGEST_MAIN: usize = 40;

/// Everything wrong with the file at `inner` (relative to `src/`).
fn violations(inner: &Path, text: &str) -> Vec<String> {
    let name = inner.to_str().unwrap();
    let module = top_module(inner);
    if is_test_file(inner) {
        return wrong_imports(name, &module, &without_comments(text));
    }
    let code = production(&without_comments(text));
    let mut found = wrong_imports(name, &module, &without_comments(text));
    for (word, places) in WORDS {
        if contains_word(&code, word) && !places.iter().any(|place| *place == module || *place == name) {
            found.push(format!("{name}: only {places:?} may name `{word}`"));
        }
    }
    if is_pure(inner, &module) {
        for word in IMPURE_WORDS.iter().filter(|word| contains_word(&code, word)) {
            found.push(format!("{name}: a pure file may not name `{word}`"));
        }
        for path in crate_paths(&code) {
            let acts = ["store", "imap", "pop3", "smtp", "net", "config"].contains(&path[0].as_str());
            if acts && !PURE_MAY_NAME.contains(&path[..path.len().min(2)].join("::").as_str()) {
                found.push(format!("{name}: a pure file may not name `crate::{}`", path.join("::")));
            }
        }
    }
    let longest = if name == "main.rs" { LONGEST_MAIN } else { LONGEST_FILE };
    let lines = text.lines().count();
    if lines > longest {
        found.push(format!("{name}: {lines} lines, more than {longest}"));
    }
    found
}

fn wrong_imports(name: &str, module: &str, code: &str) -> Vec<String> {
    let Some(own) = layer(module) else { return vec![format!("{name}: `{module}` stands in no layer")] };
    let mut heads: BTreeSet<String> = crate_paths(code).into_iter().map(|path| path[0].clone()).collect();
    heads.extend(heads_above(name, code));
    heads
        .into_iter()
        .filter(|head| head != module && layer(head).is_some_and(|theirs| theirs >= own))
        .map(|head| format!("{name}: `{module}` may not name `{head}`"))
        .collect()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

fn top_module(inner: &Path) -> String {
    let first = inner.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn is_test_file(inner: &Path) -> bool {
    let stem = inner.file_stem().unwrap().to_str().unwrap();
    stem == "tests" || stem.ends_with("_tests") || inner.components().any(|part| part.as_os_str() == "tests")
}

fn is_pure(inner: &Path, module: &str) -> bool {
    PURE_MODULES.contains(&module) || PURE_FILES.contains(&inner.to_str().unwrap())
}

fn without_comments(text: &str) -> String {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.map(|line| line.split(" // ").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// `code` without its inline test modules.
fn production(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]\nmod ") {
        out.push_str(&rest[..at]);
        let tests = &rest[at..];
        let declared_only = tests.lines().nth(1).is_some_and(|line| line.ends_with(';'));
        let end =
            if declared_only { "#[cfg(test)]\n".len() } else { tests.find("\n}").map_or(tests.len(), |end| end + 2) };
        rest = &tests[end..];
    }
    out + rest
}

/// Whether `word` stands in `code` with no letter before or after it.
fn contains_word(code: &str, word: &str) -> bool {
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word)
        .any(|(at, _)| !letter(code[..at].chars().next_back()) && !letter(code[at + word.len()..].chars().next()))
}

/// Every path named with `crate::` (or, in `main.rs`, `mailsyncd::`), groups taken apart.
fn crate_paths(code: &str) -> Vec<Vec<String>> {
    let starts = ["crate::", "mailsyncd::"].map(|root| code.match_indices(root).map(move |(at, _)| at + root.len()));
    let mut found = Vec::new();
    for at in starts.into_iter().flatten() {
        expand(&code[at..], &[], &mut found);
    }
    found.retain(|path: &Vec<String>| !path.is_empty());
    found
}

/// Takes the tree that `text` begins with apart and returns how many bytes it has.
fn expand(text: &str, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        if text[at..].starts_with('{') {
            at += 1;
            loop {
                at += expand(&text[at..], &path, found);
                match text[at..].chars().next() {
                    Some(',') => at += 1,
                    Some('}') => return at + 1,
                    Some(other) => at += other.len_utf8(),
                    None => return at,
                }
            }
        }
        let word: String = text[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        at += word.len();
        if word.is_empty() {
            break;
        }
        path.push(word);
        match text[at..].strip_prefix("::") {
            Some(_) => at += 2,
            None => break,
        }
    }
    if path.len() > prefix.len() {
        found.push(path);
    }
    at
}

/// Top-level modules that a file reaches with `use super::…`.
fn heads_above(name: &str, code: &str) -> Vec<String> {
    let depth = name.trim_end_matches("/mod.rs").split('/').count();
    let imports = code.lines().filter_map(|line| line.strip_prefix("pub use ").or(line.strip_prefix("use ")));
    imports
        .filter_map(|import| {
            let rest = import.trim_start_matches("super::");
            let ups = (import.len() - rest.len()) / "super::".len();
            (ups >= depth).then(|| rest.split([':', ';', ' ', '{']).next().unwrap_or("").to_owned())
        })
        .collect()
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn modules_keep_to_their_layers() {
    let src = root().join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let missing: Vec<_> = PURE_FILES.iter().filter(|file| !src.join(file).exists()).collect();
    assert!(missing.is_empty(), "moved or gone: {missing:?}");
    let mut broken: Vec<String> = files
        .iter()
        .flat_map(|file| violations(file.strip_prefix(&src).unwrap(), &fs::read_to_string(file).unwrap()))
        .collect();
    broken.sort();
    assert!(broken.is_empty(), "architecture broken:\n  {}", broken.join("\n  "));
}

#[test]
fn planted_violations_are_found() {
    let long = "//\n".repeat(LONGEST_FILE + 1);
    let long_main = "//\n".repeat(LONGEST_MAIN + 1);
    let planted = [
        ("store/views.rs", "use crate::imap::session::Session;", "`store` may not name `imap`"),
        ("imap/fetch.rs", "use crate::{base::chain,\n    receive::{plan, cycle}};", "`imap` may not name `receive`"),
        ("schedule/driver.rs", "fn f() { crate::admin::records() }", "`schedule` may not name `admin`"),
        ("model/uid.rs", "use crate::base::clock::Clock;", "`model` may not name `base`"),
        ("mime/parse.rs", "use super::super::net::dial;", "`mime` may not name `net`"),
        ("mime/mod.rs", "use super::config::limits;", "`mime` may not name `config`"),
        ("store/tests.rs", "use crate::daemon::run;", "`store` may not name `daemon`"),
        ("cli/mod.rs", "use crate::daemon;", "`cli` may not name `daemon`"),
        ("alarm/mod.rs", "", "`alarm` stands in no layer"),
        ("admin/status.rs", "use sqlx::Row;", "may name `sqlx`"),
        ("receive/watch.rs", "use tokio::net::TcpStream;", "may name `TcpStream`"),
        ("schedule/driver.rs", "fn f() { tokio::spawn(g()); }", "may name `tokio::spawn`"),
        ("imap/mod.rs", "fn f() { let a = SystemTime::now(); }", "may name `SystemTime::now`"),
        ("net/tls.rs", "fn f() { std::env::var(\"A\"); }", "may name `env::var`"),
        ("receive/plan.rs", "use tokio::time;", "pure file may not name `tokio`"),
        ("receive/judge.rs", "use crate::store::Store;", "pure file may not name `crate::store::Store`"),
        ("schedule/agenda.rs", "fn f() { g().await }", "pure file may not name `.await`"),
        ("schedule/turns.rs", "use std::time::Instant;", "pure file may not name `Instant`"),
        ("receive/reconcile.rs", "use crate::store::StoreError;", "pure file may not name `crate::store::StoreError`"),
        (
            "classify/imap.rs",
            "use crate::imap::{error::E, session::S};",
            "pure file may not name `crate::imap::session::S`",
        ),
        ("imap/quirks.rs", &long, "more than 450"),
        ("main.rs", &long_main, "more than 40"),
    ];
    for (name, text, message) in planted {
        let found = violations(Path::new(name), text);
        assert!(found.iter().any(|line| line.contains(message)), "{name}: expected {message:?}, found {found:?}");
    }
}

#[test]
fn lawful_code_is_left_alone() {
    let lawful = [
        ("receive/cycle.rs", "use crate::{store::Store, classify::imap, model::uid::Uid};\nuse super::plan::plan;"),
        ("classify/imap.rs", "use crate::imap::error::Error;\nuse crate::net::error::{Tls, Tcp};"),
        ("classify/mod.rs", "#[cfg(test)]\nmod tests {\n    use super::imap::table;\n    async fn f() {}\n}\n"),
        ("base/telemetry.rs", "// SystemTime::now is not read\nuse crate::model::ids;"),
        ("base/tasks.rs", "fn f() { tokio::spawn(g()); }"),
        ("store/mod.rs", "use sqlx::Row;"),
        ("schedule/driver.rs", "fn respawn() { my_tokio::spawner() }"),
    ];
    for (name, text) in lawful {
        let found = violations(Path::new(name), text);
        assert!(found.is_empty(), "{name}: {found:?}");
    }
}

#[test]
fn banned_crates_stay_out() {
    let deny: toml::Table = fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap();
    let banned = deny["bans"]["deny"].as_array().unwrap();
    assert!(banned.len() >= 4, "deny.toml lost its bans");
    let lock: toml::Table = fs::read_to_string(root().join("Cargo.lock")).unwrap().parse().unwrap();
    let locked: BTreeSet<&str> =
        lock["package"].as_array().unwrap().iter().map(|package| package["name"].as_str().unwrap()).collect();
    assert!(locked.contains("rustls"), "Cargo.lock was not understood");
    for ban in banned {
        let name = ban["crate"].as_str().unwrap();
        assert!(!locked.contains(name), "`{name}` came in: {}", ban["reason"]);
    }
}
