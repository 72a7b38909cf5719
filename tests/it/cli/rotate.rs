//! `key rotate`, killed, raced, and done again.

use std::{collections::BTreeMap, fs, path::Path, process::Stdio, time::Duration};

use mailsyncd::{
    base::secret::{Kek, Secret},
    config::Config,
    model::{
        audit::Actor,
        ids::{MailboxId, NodeId},
        presence::Heartbeat,
        record::{KeptSecret, SecretOwner},
        timestamp::Timestamp,
    },
    store::{Role, Store},
};
use sqlx::Connection as _;

use super::{World, masked};
use crate::support::{
    cli::{program, run},
    golden,
};

const SECRETS: usize = 4_000;
const KILLS: usize = 20;

fn configure(directory: &Path, keys: &str) -> String {
    let url = format!("sqlite:{}/mail.db", directory.display());
    fs::write(directory.join("mailsyncd.toml"), format!("database.url = \"{url}\"\n[secrets]\n{keys}\n")).unwrap();
    url
}

fn now() -> Timestamp {
    mailsyncd::base::clock::Clock::System.now()
}

async fn count(store: &Store, key_id: &str) -> u64 {
    let by_key = store.secrets_by_key().await.unwrap();
    by_key.into_iter().find(|(id, _)| id == key_id).map_or(0, |(_, secrets)| secrets)
}

/// Drill: killed twenty times in the middle, while passwords are being set.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_is_killed_again_and_again_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (old, new) = (Kek::create(&directory.join("old")).unwrap(), Kek::create(&directory.join("new")).unwrap());
    let url = configure(directory, "key_file = \"new\"\nold_key_files = [\"old\"]");
    let (store, _) = Store::open_and_migrate(&url, Role::Tool).await.unwrap();
    let owners: Vec<_> = (0..SECRETS).map(|_| SecretOwner::Mailbox(MailboxId::generate(now()))).collect();
    let password = |number: usize| Secret::new(format!("password {number}"));
    let sealed: Vec<_> = owners.iter().enumerate().map(|(n, owner)| old.seal(*owner, &password(n)).unwrap()).collect();
    let puts = owners
        .iter()
        .zip(&sealed)
        .map(|(owner, sealed)| store.put_secret(*owner, sealed, &Actor::Configuration, now()));
    futures::future::try_join_all(puts).await.unwrap();

    let mut changed = BTreeMap::new();
    let mut in_the_middle = 0;
    for kill in 0..KILLS {
        let before = count(&store, new.id()).await;
        let mut command = program(directory, &["--config", "mailsyncd.toml", "key", "rotate"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Somebody sets a password meanwhile: near the front of the work, or behind it.
        let (number, owner) = (kill * SECRETS / KILLS, owners[kill * SECRETS / KILLS]);
        let text = format!("changed {kill}");
        store
            .put_secret(owner, &new.seal(owner, &Secret::new(text.clone())).unwrap(), &Actor::Configuration, now())
            .await
            .unwrap();
        changed.insert(number, text);
        while child.try_wait().unwrap().is_none() && count(&store, new.id()).await <= before + 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        in_the_middle += usize::from((1..SECRETS as u64).contains(&count(&store, old.id()).await));
    }
    assert!(in_the_middle >= 3, "killed in the middle only {in_the_middle} times");
    assert!(store.check().await.unwrap().is_empty());

    let last = run(directory, &["--config", "mailsyncd.toml", "key", "rotate", "--json"], "");
    assert_eq!((last.status, last.stderr.as_str()), (0, ""));
    let said: serde_json::Value = serde_json::from_slice(&last.stdout).unwrap();
    let passwords = serde_json::json!([{ "key_id": new.id(), "passwords": SECRETS }]);
    assert_eq!((&said["passwords"], &said["unopened"]), (&passwords, &serde_json::json!([])));
    for (number, owner) in owners.iter().enumerate() {
        let KeptSecret::Sealed(sealed) = store.secret(*owner).await.unwrap() else { panic!("{number}") };
        let expected = changed.get(&number).cloned().unwrap_or_else(|| password(number).expose().to_owned());
        assert_eq!(new.open(*owner, &sealed).unwrap().expose(), expected, "{number}");
    }
    let mut conn = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let audit = "SELECT count(*), count(DISTINCT subject) FROM audit_log WHERE what = 'secret.reseal' AND before = \
                 json_object('key_id', $1) AND after = json_object('key_id', $2)";
    let (rows, subjects): (i64, i64) =
        sqlx::query_as(audit).bind(old.id()).bind(new.id()).fetch_one(&mut conn).await.unwrap();
    assert_eq!(rows, subjects, "each was sealed anew once");
    assert!(rows >= (SECRETS - KILLS) as i64, "{rows}");
}

#[test]
fn a_key_is_changed_step_by_step() {
    let world = World::full();
    let (directory, first) = (world.directory(), world.config());
    let mut text = String::new();
    let mut step = |arguments: &[&str], input: &str| {
        let ran = run(directory, &[&["--config", "mailsyncd.toml"], arguments].concat(), input);
        let (out, error) = (ran.text(), &ran.stderr);
        text.push_str(&format!("$ mailsyncd {}\n{out}{error}[exit {}]\n\n", arguments.join(" "), ran.status));
    };
    step(&["secret", "set", "ok@contoso.example"], "hunter2\n");
    step(&["secret", "set", "fabrikam"], "hunter3\n");
    step(&["key", "new", "second"], "");
    let both = first.replace("key_file = \"key\"", "key_file = \"second\"\nold_key_files = [\"key\"]");
    fs::write(directory.join("mailsyncd.toml"), &both).unwrap();
    // The daemon of this world has not read the configuration again.
    step(&["key", "rotate"], "");
    beat(directory);
    step(&["key", "rotate"], "");
    step(&["key", "rotate"], "");
    // A third key, and the second one forgotten.
    step(&["key", "new", "third"], "");
    let third = first.replace("key_file = \"key\"", "key_file = \"third\"\nold_key_files = [\"key\"]");
    fs::write(directory.join("mailsyncd.toml"), third).unwrap();
    beat(directory);
    step(&["key", "rotate"], "");
    step(&["secret", "set", "new@contoso.example"], "hunter4\n");
    step(&["key", "rotate", "--json"], "");
    let missing = first.replace("key_file = \"key\"", "key_file = \"third\"\nold_key_files = [\"fourth\"]");
    fs::write(directory.join("mailsyncd.toml"), missing).unwrap();
    step(&["key", "rotate"], "");
    golden::compare("cli/rotate.txt", &masked(&text, directory));
}

/// The daemon of the world takes the configuration over.
pub(super) fn beat(directory: &Path) {
    let config = Config::load_with(&directory.join("mailsyncd.toml"), None).unwrap();
    let key_ids = config.keyring().ok().unwrap().ids();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::open(&config.database_url, Role::Tool).await.unwrap();
        let known = store.daemons().await.unwrap();
        for presence in &known {
            let heartbeat = Heartbeat { key_ids: key_ids.clone(), ..presence.heartbeat.clone() };
            store.beat(&heartbeat, presence.seen_at).await.unwrap();
        }
        // One that died long ago, without the key, is in nobody's way.
        let dead = Heartbeat { node: NodeId::generate(now()), key_ids: Vec::new(), ..known[0].heartbeat.clone() };
        store.beat(&dead, now().minus(Duration::from_secs(3_600))).await.unwrap();
        store.close().await;
    });
}
