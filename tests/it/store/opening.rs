//! Whose database it is, which schema it has, who else is on it.

use std::os::unix::fs::PermissionsExt;

use mailsyncd::store::{Role, Store, StoreError};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};

use super::fixtures::*;
use crate::support::{
    databases::{databases, sqlite},
    postgres,
};

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_daemon_is_refused_and_a_tool_is_not() {
    let database = sqlite().await;
    let second = Store::open(&database.url, Role::Daemon).await.unwrap_err();
    assert!(matches!(second, StoreError::AlreadyRunning { .. }), "{second}");
    assert!(second.to_string().contains("another mailsyncd is running"), "{second}");
    let tool = Store::open(&database.url, Role::Tool).await.unwrap();
    assert_eq!(tool.records().await.unwrap(), database.store.records().await.unwrap());
    database.store.close().await;
    assert!(matches!(database.store.ping().await, Err(StoreError::Closed)));
    drop(database.store);
    let next = Store::open(&database.url, Role::Daemon).await.unwrap();
    next.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_ours_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("notes.txt");
    std::fs::write(&text, "not a database, but longer than a header would be: ".repeat(10)).unwrap();
    let other = directory.path().join("other.db");
    let url = format!("sqlite:{}?mode=rwc", other.display());
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    conn.execute("CREATE TABLE mailboxes (id TEXT)").await.unwrap();
    conn.close().await.unwrap();
    for path in [text, other] {
        let before = std::fs::read(&path).unwrap();
        for role in [Role::Daemon, Role::Tool] {
            let refused = Store::open_and_migrate(&format!("sqlite:{}", path.display()), role).await.unwrap_err();
            assert!(matches!(refused, StoreError::NotOurs { .. }), "{refused}");
            assert!(refused.to_string().contains("not a mailsyncd database"), "{refused}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
    let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing was put beside them: {names:?}");

    let Some(url) = postgres::fresh_database() else { return };
    let mut conn = PgConnection::connect(&url).await.unwrap();
    conn.execute("CREATE TABLE customers (id INT)").await.unwrap();
    let refused = Store::open_and_migrate(&url, Role::Daemon).await.unwrap_err();
    assert!(matches!(refused, StoreError::NotOurs { .. }), "{refused}");
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newer_older_and_absent_schemas_are_told_apart() {
    for database in databases().await {
        database.store.close().await;
        drop(database.store);
        assert_eq!(Store::open_and_migrate(&database.url, Role::Daemon).await.unwrap().1, 0, "nothing left to do");
        let change = |statement: &'static str| {
            let url = database.url.clone();
            async move {
                if url.starts_with("sqlite") {
                    SqliteConnection::connect(&url).await.unwrap().execute(statement).await.unwrap();
                } else {
                    PgConnection::connect(&url).await.unwrap().execute(statement).await.unwrap();
                }
            }
        };
        change(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'of the future', TRUE, 'x', 1)",
        )
        .await;
        for refused in [
            Store::open(&database.url, Role::Tool).await.unwrap_err(),
            Store::open_and_migrate(&database.url, Role::Tool).await.unwrap_err(),
        ] {
            assert!(matches!(refused, StoreError::NewerSchema { found: 9999, .. }), "{refused}");
        }
        change("UPDATE _sqlx_migrations SET checksum = 'x' WHERE version = 1").await;
        let refused = Store::open(&database.url, Role::Tool).await.unwrap_err();
        assert!(matches!(refused, StoreError::NotOurs { .. }), "{refused}");
    }
    let Some(url) = postgres::fresh_database() else { return };
    let refused = Store::open(&url, Role::Tool).await.unwrap_err();
    assert!(matches!(refused, StoreError::Outdated { found: 0, .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_addresses_have_clear_errors() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none.db");
    let missing = Store::open(&format!("sqlite:{}", path.display()), Role::Tool).await.unwrap_err();
    assert!(matches!(missing, StoreError::Missing { .. }), "{missing}");
    assert!(!path.exists());
    let nowhere = format!("sqlite:{}", path.join("deeper.db").display());
    let refused = Store::open_and_migrate(&nowhere, Role::Daemon).await.unwrap_err();
    assert!(matches!(&refused, StoreError::NoDirectory { path: named } if *named == path), "{refused}");
    let bad = Store::open("mysql://me:hunter2@host/db", Role::Tool).await.unwrap_err();
    assert!(matches!(bad, StoreError::BadUrl { .. }) && !bad.to_string().contains("hunter2"), "{bad}");
    // Port 1 of the loopback: nobody listens.
    let down = Store::open("postgres://me:hunter2@127.0.0.1:1/db", Role::Tool).await.unwrap_err();
    assert!(matches!(down, StoreError::Unavailable(_)) && !format!("{down:?}").contains("hunter2"), "{down}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_ours_alone_and_a_backup_is_complete() {
    let database = sqlite().await;
    let directory = database.directory.as_ref().unwrap().path();
    let mailbox = with_mailboxes(&database.store, &["a@example.org"]).await.remove(0);
    let fence = claim(&database.store, mailbox.id, at(0)).await;
    database.store.commit_batch(fence, &commit(vec![record(1, 1)], 1), at(0)).await.unwrap();
    for name in ["mail.db", "mail.db-wal", "mail.db-shm", "mail.db.lock"] {
        assert_eq!(mode(&directory.join(name)), 0o600, "{name}");
    }
    let copy = directory.join("copy.db");
    database.store.backup(&copy).await.unwrap();
    assert_eq!(mode(&copy), 0o600);
    let again = database.store.backup(&copy).await.unwrap_err();
    assert!(matches!(again, StoreError::Exists { .. }), "never over an existing file: {again}");
    let restored = Store::open(&format!("sqlite:{}", copy.display()), Role::Daemon).await.unwrap();
    assert_eq!(restored.check().await.unwrap(), Vec::<String>::new());
    let id = restored.facts(&[key(1)]).await.unwrap()[&key(1)];
    assert_eq!(restored.source(id).await.unwrap().unwrap(), source(1, 40));

    for database in databases().await.into_iter().skip(1) {
        let refused = database.store.backup(&copy).await.unwrap_err();
        assert!(refused.to_string().contains("pg_dump"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_found() {
    for database in databases().await {
        let store = &database.store;
        let mailbox = with_mailboxes(store, &["a@example.org"]).await.remove(0);
        let fence = claim(store, mailbox.id, at(0)).await;
        store.commit_batch(fence, &commit(vec![record(1, 1), record(2, 2)], 2), at(0)).await.unwrap();
        let statements = "UPDATE inbox_cursors SET last_uid = 1; DELETE FROM inbox_ledger WHERE uid = 1";
        if database.url.starts_with("sqlite") {
            SqliteConnection::connect(&database.url).await.unwrap().execute(statements).await.unwrap();
        } else {
            PgConnection::connect(&database.url).await.unwrap().execute(statements).await.unwrap();
        }
        let found = store.check().await.unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("beyond its cursor") && found[1].contains("no row in the ledger"), "{found:?}");
    }
}

/// SQLite cannot widen a CHECK or drop a NOT NULL without copying the table, however large: what the
/// product will keep in these tables must fit from the first release on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outgoing_mail_and_other_servers_fit_into_the_tables() {
    for database in databases().await {
        let mailbox = with_mailboxes(&database.store, &["a@example.org"]).await.remove(0);
        let draft = |id: &str| {
            format!(
                "INSERT INTO email_activities (id, direction, status, mailbox, subject, sender, message_references, \
                 notifications, created_at) VALUES ('{id}', 'outgoing', 'draft', '{}', '', '', '', '', \
                 '2026-01-01T00:00:00.000000Z')",
                mailbox.id
            )
        };
        let id = |number: u8| format!("01a1fb4f-0000-7000-8000-0000000000{number:02}");
        let mut fits = vec![draft(&id(1)), draft(&id(2))];
        for status in ["pending_send", "sending", "sent", "failed", "held", "canceled"] {
            fits.push(format!("UPDATE email_activities SET status = '{status}', send_epoch = 1"));
        }
        for (column, words) in [
            ("server_type", &["pop3_smtp", "exchange_online"][..]),
            ("authenticate_using", &["oauth"]),
            ("incoming_auth", &["xoauth2", "oauthbearer"]),
        ] {
            fits.extend(words.iter().map(|word| format!("UPDATE server_profiles SET {column} = '{word}'")));
        }
        fits.push("UPDATE mailboxes SET incoming_method = 'forward_mailbox'".into());
        for statement in fits {
            if let Err(error) = raw(&database.url, &statement).await {
                panic!("{statement}: {error}");
            }
        }
        let received = "UPDATE email_activities SET direction = 'incoming', status = 'received'";
        assert!(raw(&database.url, received).await.is_err(), "incoming mail has a key and a time");
    }
}

async fn raw(url: &str, statement: &str) -> Result<(), sqlx::Error> {
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    if url.starts_with("sqlite") {
        SqliteConnection::connect(url).await?.execute(statement).await?;
    } else {
        PgConnection::connect(url).await?.execute(statement).await?;
    }
    Ok(())
}
