//! Alerts on the command line.

use mailsyncd::{
    config::Config,
    model::{
        alert::{AlertChange, AlertSubject, NewAlert, Severity},
        failure::FailureCode,
        mailbox::Workload,
        timestamp::Timestamp,
    },
    store::{Role, Store},
};

use super::{session, world::World};
use crate::support::{cli::run, golden};

/// Raises alerts about all there is in the world of the command line's tests.
async fn raise(world: &World) {
    let config = Config::load_with(&world.directory().join("mailsyncd.toml"), None).unwrap();
    let store = Store::open(&config.database_url, Role::Tool).await.unwrap();
    let records = store.records().await.unwrap();
    let mailbox = |address: &str| {
        let (mailbox, _) = records.mailboxes.iter().find(|(mailbox, _)| mailbox.email_address == address).unwrap();
        AlertSubject::Mailbox(mailbox.id)
    };
    let (fabrikam, _) = records.profiles.iter().find(|(profile, _)| profile.name == "fabrikam").unwrap();
    let ok = mailbox("ok@contoso.example");
    let new = |subject, severity, code, workload, text: &str| {
        AlertChange::Raise(NewAlert { subject, severity, code, text: text.to_owned(), workload })
    };
    let (reading, sending) = (Some(Workload::Incoming), Some(Workload::Outgoing));
    let refused = "NO [AUTHENTICATIONFAILED] \u{1b}[31mno\u{202e}";
    let moments = [
        (10, new(ok, Severity::Warning, FailureCode::AuthRejected, reading, refused)),
        (11, new(ok, Severity::Error, FailureCode::AuthRejected, sending, refused)),
        (
            12,
            new(AlertSubject::Profile(fabrikam.id), Severity::Error, FailureCode::DnsNotFound, reading, "no such name"),
        ),
        (
            13,
            new(AlertSubject::Daemon, Severity::Warning, FailureCode::ResourcesExhausted, None, "too many open files"),
        ),
        (14, new(ok, Severity::Information, FailureCode::MailboxConnected, None, "all went well")),
        (15, AlertChange::Close(ok, FailureCode::MailboxConnected)),
    ];
    for (minute, change) in moments {
        let at: Timestamp = format!("2026-03-01T12:{minute}:00Z").parse().unwrap();
        store.change_alerts(&[change], at).await.unwrap();
    }
    store.close().await;
}

#[test]
fn alerts_are_listed_and_dismissed() {
    let world = World::full();
    tokio::runtime::Runtime::new().unwrap().block_on(raise(&world));
    let commands: &[&[&str]] = &[
        &["alert", "--help"],
        &["alert", "list"],
        &["alert", "list", "--all", "--severity", "information"],
        &["alert", "list", "--mailbox", "OK@contoso.example", "--json"],
        &["alert", "list", "--profile", "fabrikam"],
        &["alert", "list", "--owner", "ok@contoso.example"],
        &["alert", "list", "--owner", "postmaster@fabrikam.example"],
        &["alert", "list", "--mailbox", "okay@contoso.example"],
        &["alert", "list", "--severity", "loud"],
        &["mailbox", "show", "ok@contoso.example"],
        &["profile", "show", "fabrikam"],
        &["status"],
        &["alert", "dismiss"],
        &["alert", "dismiss", "--all", "--code", "dns-not-found"],
        &["alert", "dismiss", "00000000-0000-4000-8000-000000000000"],
        &["alert", "dismiss", "--code", "dns-not-found"],
    ];
    let configured = ["--config", "mailsyncd.toml"];
    let session = |commands: &[&[&str]]| {
        let commands: Vec<Vec<&str>> = commands.iter().map(|command| [&configured, *command].concat()).collect();
        let commands: Vec<&[&str]> = commands.iter().map(Vec::as_slice).collect();
        session(world.directory(), &commands).replace(" --config mailsyncd.toml", "")
    };
    let mut text = session(commands);
    let listed = run(world.directory(), &[&configured[..], &["alert", "list", "--json"]].concat(), "").text();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let id = listed[0]["id"].as_str().unwrap();
    text.push_str(&session(&[&["alert", "dismiss", id], &["alert", "dismiss", "--all", "--json"], &["alert", "list"]]));
    golden::compare("cli/alerts.txt", &text);
}
