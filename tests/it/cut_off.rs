//! A daemon after one that was cut off: the database is looked through beside the work.

use std::{fs, os::unix::fs::FileExt as _, path::Path, str::FromStr as _, time::Duration};

use mailsyncd::{
    base::clock::Clock,
    config::Config,
    daemon::Daemon,
    model::{
        audit::Actor,
        failure::FailureCode,
        ids::{NodeId, OwnerId},
        mailbox::MailboxKind,
        presence::Heartbeat,
        record::{FilterMethod, Owner, RecordChange},
        timestamp::Timestamp,
    },
    net::tls::TlsClient,
    schedule::agenda::Mode,
    store::{AlertFilter, Role, Store},
};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

const PAGE: u64 = 16_384;

fn now() -> Timestamp {
    Clock::System.now()
}

fn config(directory: &Path) -> Config {
    let file = directory.join("m.toml");
    let text = format!("database.url = \"sqlite:{}/mail.db\"\nalerts.stale_after = \"4s\"\n", directory.display());
    fs::write(&file, text).unwrap();
    Config::load_with(&file, None).unwrap()
}

async fn start(config: &Config) -> (Daemon, Store) {
    let store = Store::open(&config.database_url, Role::Daemon).await.unwrap();
    let tls = TlsClient::new(&[]).unwrap();
    let daemon = Daemon::start(config.clone(), tls, store.clone(), Clock::System, Mode::Daemon).await.unwrap();
    (daemon, store)
}

/// A daemon that did much, and never said that it ended.
async fn cut_off(config: &Config) {
    let (store, _) = Store::open_and_migrate(&config.database_url, Role::Daemon).await.unwrap();
    let user = |number: u32| Owner {
        id: OwnerId::generate(now()),
        kind: MailboxKind::User,
        name: format!("name {number} {}", "x".repeat(500)),
        email_address: format!("{number}@contoso.example"),
        external_id: None,
        filter_method: FilterMethod::All,
        managed_by: None,
        active: true,
    };
    let changes: Vec<RecordChange> = (0..400).map(|number| RecordChange::PutOwner(user(number))).collect();
    store.apply(&changes, &Actor::Configuration, now()).await.unwrap();
    let heartbeat = Heartbeat {
        node: NodeId::generate(now()),
        version: "1".into(),
        machine: "one".into(),
        started_at: now(),
        key_ids: Vec::new(),
        pause: None,
    };
    store.beat(&heartbeat, now()).await.unwrap();
    store.close().await;
    log_to_file(config).await;
}

/// Whoever closes a database last brings its log home; not even a reader that is about to go lets it.
async fn log_to_file(config: &Config) {
    let options = SqliteConnectOptions::from_str(&config.database_url).unwrap();
    let mut conn = options.connect().await.unwrap();
    let (busy, ..): (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut conn).await.unwrap();
    assert_eq!(busy, 0);
    conn.close().await.unwrap();
}

/// Tears the page of the audit log that tells of `name 200`: nothing reads it, neither at the start nor later.
fn tear(file: &Path) {
    let bytes = fs::read(file).unwrap();
    let told = b"\"name\":\"name 200 ";
    let at = bytes.windows(told.len()).position(|window| window == told).expect("the log has it") as u64;
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(&[0xee; PAGE as usize], at / PAGE * PAGE).unwrap();
}

async fn wait(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..1_200 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited in vain: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_that_nobody_would_meet_for_years_stops_everything_and_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    cut_off(&config).await;
    tear(&directory.path().join("mail.db"));
    let (daemon, store) = start(&config).await;
    let paused = || daemon.progress().snapshot().paused;
    wait("the end of work", async || paused().is_some()).await;
    let pause = paused().unwrap();
    assert_eq!(pause.code, FailureCode::DatabaseDamaged, "{}", pause.text);
    wait("an alert", async || {
        let alerts = store.alerts(&AlertFilter::default()).await.unwrap();
        alerts.iter().any(|alert| alert.alert.code == FailureCode::DatabaseDamaged.name())
    })
    .await;
    daemon.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sound_database_is_looked_through_once() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    cut_off(&config).await;
    let (daemon, store) = start(&config).await;
    assert!(store.was_cut_off());
    wait("a heartbeat", async || !store.daemons().await.unwrap().is_empty()).await;
    store.look_through(tokio_util::sync::CancellationToken::new()).await.unwrap();
    assert!(store.damage().is_none() && daemon.progress().snapshot().paused.is_none());
    daemon.end().await.unwrap();
    store.close().await;
    drop(store);
    let (daemon, store) = start(&config).await;
    assert!(!store.was_cut_off(), "it ended in good order");
    // Who is asked to end does not wait for the end of it.
    let stop = tokio_util::sync::CancellationToken::new();
    stop.cancel();
    store.look_through(stop).await.unwrap();
    daemon.end().await.unwrap();
}
