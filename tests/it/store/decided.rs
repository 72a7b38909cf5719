//! Two people change one record at a time: both have their way, or the second is told.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use mailsyncd::{
    admin::{
        edit::{Desk, edit},
        error::AdminError,
        selection::Selection,
    },
    base::clock::Clock,
    config::Config,
    model::{
        audit::Actor,
        failure::FailureCode,
        mailbox::{Mailbox, MailboxKind},
        record::{CredentialSource, RecordChange},
    },
    store::{AuditFilter, Store, StoreError},
};

use super::fixtures::*;
use crate::support::databases::databases;

const ADDRESS: &str = "anna@contoso.example";

fn config(directory: &Path, text: &str) -> Config {
    let file = directory.join("mailsyncd.toml");
    std::fs::write(&file, text).unwrap();
    Config::load_with(&file, None).unwrap()
}

/// Somebody else's command, in the midst of ours.
fn meanwhile<T>(task: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(task))
}

async fn set(store: &Store, config: &Config, given: &[(&str, &str)]) -> Result<usize, AdminError> {
    let which = Selection::Addresses(vec![ADDRESS.into()]);
    let (clock, who) = (Clock::manual(at(10)), Actor::CommandLine("olga".into()));
    let edited = edit(store, config, &clock, &who, |desk: &Desk<'_>| desk.set_mailboxes(&which, given));
    Ok(edited.await?.changes.len())
}

/// A queue with its mailbox.
async fn with_anna(store: &Store) {
    let (profile, user) = (profile("example"), owner("anna", MailboxKind::Queue));
    let mailbox = Mailbox { kind: MailboxKind::Queue, owner: Some(user.id), ..mailbox(ADDRESS, &profile) };
    let profile = RecordChange::PutProfile(profile, CredentialSource::Stored);
    let changes = [profile, RecordChange::PutOwner(user), put(&mailbox)];
    store.apply(&changes, &Actor::Configuration, at(0)).await.unwrap();
}

fn newest(limit: u32) -> AuditFilter {
    AuditFilter { subjects: None, since: at(0), limit }
}

async fn anna(store: &Store) -> Mailbox {
    store.records().await.unwrap().mailboxes.remove(0).0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_commands_at_a_time_both_have_their_way() {
    for database in databases().await {
        let (store, directory) = (&database.store, tempfile::tempdir().unwrap());
        let config = config(directory.path(), "");
        with_anna(store).await;
        let (which, clock, times) =
            (Selection::Addresses(vec![ADDRESS.into()]), Clock::manual(at(20)), AtomicUsize::new(0));
        let who = Actor::CommandLine("anna".into());
        let ours = edit(store, &config, &clock, &who, |desk: &Desk<'_>| {
            let planned = desk.set_mailboxes(&which, &[("name", "Anna")]);
            if times.fetch_add(1, Ordering::Relaxed) == 0 {
                assert_eq!(meanwhile(set(store, &config, &[("username", "anna.k")])).unwrap(), 1);
            }
            planned
        });
        let edited = ours.await.unwrap();
        assert_eq!(edited.changes.len(), 1, "{edited:?}");
        let after = anna(store).await;
        assert_eq!((after.name.as_str(), after.username.as_str()), ("Anna", "anna.k"));
        // What the log has as the state before is what the other one made.
        let filter = newest(1);
        let log = store.audit(&filter).await.unwrap();
        let (was, is) = (log[0].before.clone().unwrap(), log[0].after.clone().unwrap());
        assert_eq!(was[0]["username"], "anna.k", "{was}");
        assert_eq!((&was[0]["name"], &is[0]["name"]), (&ADDRESS.into(), &"Anna".into()), "{was}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_always_overtaken_is_told_and_nothing_is_overwritten() {
    for database in databases().await {
        let (store, directory) = (&database.store, tempfile::tempdir().unwrap());
        let config = config(directory.path(), "");
        with_anna(store).await;
        let (which, clock, times) =
            (Selection::Addresses(vec![ADDRESS.into()]), Clock::manual(at(20)), AtomicUsize::new(0));
        let who = Actor::CommandLine("anna".into());
        let ours = edit(store, &config, &clock, &who, |desk: &Desk<'_>| {
            let planned = desk.set_mailboxes(&which, &[("name", "Anna")]);
            let username = format!("anna{}", times.fetch_add(1, Ordering::Relaxed));
            meanwhile(set(store, &config, &[("username", &username)])).unwrap();
            planned
        });
        let refused = ours.await.unwrap_err();
        assert!(matches!(&refused, AdminError::Store(StoreError::Overtaken { .. })), "{refused}");
        let (after, times) = (anna(store).await, times.load(Ordering::Relaxed));
        assert_eq!((after.name.as_str(), after.username), (ADDRESS, format!("anna{}", times - 1)));
        assert!((2..10).contains(&times), "{times}");
    }
}

/// The daemon writes down how the mailbox fares all the time: that overtakes nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn how_a_mailbox_fares_is_no_change_of_its_settings() {
    for database in databases().await {
        let (store, directory) = (&database.store, tempfile::tempdir().unwrap());
        let config = config(directory.path(), "");
        with_anna(store).await;
        let (which, clock, times) =
            (Selection::Addresses(vec![ADDRESS.into()]), Clock::manual(at(20)), AtomicUsize::new(0));
        let sql = format!(
            "UPDATE mailboxes SET incoming_failure_code = '{}', incoming_transient_failures = 3, updated_at = created_at",
            FailureCode::Timeout.name()
        );
        let who = Actor::CommandLine("anna".into());
        let ours = edit(store, &config, &clock, &who, |desk: &Desk<'_>| {
            times.fetch_add(1, Ordering::Relaxed);
            meanwhile(database.execute(&sql));
            desk.set_mailboxes(&which, &[("name", "Anna")])
        });
        ours.await.unwrap();
        assert_eq!((anna(store).await.name.as_str(), times.load(Ordering::Relaxed)), ("Anna", 1));
    }
}

/// Commands that truly run side by side: each change lies on the one before it in the log, and none is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_log_is_a_chain_whoever_comes_at_the_same_time() {
    for database in databases().await {
        let (store, directory) = (&database.store, tempfile::tempdir().unwrap());
        let config = config(directory.path(), "");
        with_anna(store).await;
        let name = async |round: usize| set(store, &config, &[("name", &format!("Anna {round}"))]).await;
        let username = async |round: usize| set(store, &config, &[("username", &format!("anna{round}"))]).await;
        for round in 0..10 {
            let (name, username) = tokio::join!(name(round), username(round));
            assert_eq!((name.unwrap(), username.unwrap()), (1, 1), "{round}");
            let after = anna(store).await;
            assert_eq!((after.name, after.username), (format!("Anna {round}"), format!("anna{round}")));
        }
        let mut log = store.audit(&newest(100)).await.unwrap();
        log.retain(|row| row.what == "mailbox.put");
        log.sort_by_key(|row| row.sequence);
        assert_eq!(log.len(), 21);
        for rows in log.windows(2) {
            assert_eq!(rows[0].after, rows[1].before);
        }
    }
}
