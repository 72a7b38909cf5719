//! A database of an older release, brought up to date: everything is still there.

use std::path::Path;

use mailsyncd::store::{Role, Store};
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection,
    migrate::{Migrate, Migrator},
};

use crate::support::postgres;

/// Rows of the first release, in every table.
const ROWS: &str = "
INSERT INTO server_profiles VALUES ('00000000-0000-7000-8000-000000000001', 'p', '', 'imap_smtp', 'mailbox', NULL,
    'stored', NULL, 'imap.example.org', 993, 'tls', 'auto', NULL, 300, 10, 30, TRUE, NULL, NULL, 0, NULL, NULL,
    'active', NULL, '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z');
INSERT INTO users VALUES ('00000000-0000-7000-8000-000000000002', 'u', 'u@x', NULL, 'all', 'active', NULL,
    '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z');
INSERT INTO queues VALUES ('00000000-0000-7000-8000-000000000003', 'q', 'q@x', NULL, 'all', 'active', NULL,
    '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z');
INSERT INTO mailboxes VALUES ('00000000-0000-7000-8000-000000000004', 'm', 'm@x', 'user',
    '00000000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-000000000001', 'm', 'stored', NULL,
    'server_side_sync', NULL, 'approved', 'active', NULL, TRUE, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL,
    '00000000-0000-7000-8000-00000000000f', 7, '2026-01-01T00:00:00.000000Z',
    '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z');
INSERT INTO inbox_cursors VALUES ('00000000-0000-7000-8000-000000000004', 1, 0, 2, 2, NULL,
    '2026-01-01T00:00:00.000000Z', 0, NULL, NULL, NULL);
INSERT INTO email_sources VALUES (HASH, 3, 'none', HASH);
INSERT INTO email_activities VALUES ('00000000-0000-7000-8000-000000000005', 'incoming', 'received', HASH, HASH,
    '00000000-0000-7000-8000-000000000004', 'żółw', 'a@x', 'id@x', NULL, '', '2026-01-01T00:00:00.000000Z', NULL,
    'text', NULL, '', '2026-01-01T00:00:00.000000Z');
INSERT INTO email_parties VALUES ('00000000-0000-7000-8000-000000000005', 0, 'from', 'a@x', 'A');
INSERT INTO email_attachments VALUES ('00000000-0000-7000-8000-000000000005', 0, 1, 'a.pdf', 'application/pdf', NULL,
    5, HASH, NULL);
INSERT INTO inbox_ledger VALUES ('00000000-0000-7000-8000-000000000004', 1, 0, 1, 'recorded', NULL,
    '00000000-0000-7000-8000-000000000005', NULL, 3, HASH, 'id@x', NULL, NULL, NULL, '2026-01-01T00:00:00.000000Z');
INSERT INTO inbox_ledger VALUES ('00000000-0000-7000-8000-000000000004', 1, 0, 2, 'set_aside', NULL, NULL, NULL, 3,
    NULL, NULL, 'message-unparsable', 'words', HASH, '2026-01-01T00:00:00.000000Z');
INSERT INTO secrets VALUES ('mailbox', '00000000-0000-7000-8000-000000000004', 'k', HASH, HASH,
    '2026-01-01T00:00:00.000000Z');
INSERT INTO events (occurred_at, kind, subject, payload) VALUES ('2026-01-01T00:00:00.000000Z', 'activity.recorded',
    '00000000-0000-7000-8000-000000000005', '{}');
INSERT INTO audit_log (occurred_at, who, what, subject, before, after) VALUES ('2026-01-01T00:00:00.000000Z', 'config',
    'mailbox.put', '00000000-0000-7000-8000-000000000004', NULL, '{}');
";

/// The tables of the first release; the columns of each then.
const TABLES: &[(&str, &str)] = &[
    ("server_profiles", "id, name, incoming_host, minimum_polling_interval, is_default"),
    ("users", "id, name"),
    ("queues", "id, name"),
    ("mailboxes", "id, owner, server_profile, lease_epoch, created_at"),
    ("inbox_cursors", "mailbox, last_uid"),
    ("email_sources", "sha256, size, bytes"),
    (
        "email_activities",
        "id, direction, status, message_key, source, mailbox, subject, sender, message_id, in_reply_to, \
         message_references, received_at, sent_at, body_text, body_html, notifications, created_at",
    ),
    ("email_parties", "activity, position, role, address, display_name"),
    ("email_attachments", "activity, position, part, file_name, content_type, content_id, size, sha256, blocked"),
    ("inbox_ledger", "mailbox, uid, verdict, activity, message_key, source"),
    ("secrets", "owner, key_id, ciphertext"),
    ("events", "sequence, subject, payload"),
    ("audit_log", "sequence, subject, after"),
];

/// The migrations of the first release alone.
async fn first(backend: &str) -> Migrator {
    let directory = tempfile::tempdir().unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/migrations").join(backend);
    std::fs::copy(ours.join("0001_first.sql"), directory.path().join("0001_first.sql")).unwrap();
    Migrator::new(directory.path()).await.unwrap()
}

async fn make<C>(mut conn: C, backend: &str, hash: &str)
where
    C: Connection + Migrate,
    for<'c> &'c mut C: Executor<'c, Database = C::Database>,
{
    first(backend).await.run_direct(None, &mut conn, false).await.unwrap();
    conn.execute(AssertSqlSafe(ROWS.replace("HASH", hash))).await.unwrap();
    conn.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_survives_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mail.db");
    let mut conn = SqliteConnection::connect(&format!("sqlite:{}?mode=rwc", path.display())).await.unwrap();
    conn.execute("PRAGMA application_id = 0x4d535944").await.unwrap();
    make(conn, "sqlite", "zeroblob(32)").await;
    let url = format!("sqlite:{}", path.display());
    let all = async || {
        let mut conn = SqliteConnection::connect(&url).await.unwrap();
        let mut found = Vec::new();
        for (table, columns) in TABLES {
            let quoted =
                columns.split(", ").map(|column| format!("quote({column})")).collect::<Vec<_>>().join(" || ' ' || ");
            let rows = AssertSqlSafe(format!("SELECT {quoted} FROM {table} ORDER BY 1"));
            let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(&mut conn).await.unwrap();
            assert!(!rows.is_empty(), "{table}");
            found.push((*table, rows));
        }
        found
    };
    let before = all().await;
    let (store, applied) = Store::open_and_migrate(&url, Role::Daemon).await.unwrap();
    assert!(applied >= 1, "{applied}");
    assert_eq!(all().await, before);
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    assert_eq!(store.records().await.unwrap().mailboxes.len(), 1);
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    let orphan = "INSERT INTO email_parties (activity, position, role, address) VALUES ('x', 0, 'to', 'a@x')";
    assert!(conn.execute(orphan).await.is_err(), "what refers to a copied table still does");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_survives_on_postgres() {
    let Some(url) = postgres::fresh_database() else { return };
    make(PgConnection::connect(&url).await.unwrap(), "postgres", "decode(repeat('00', 32), 'hex')").await;
    let all = async || {
        let mut conn = PgConnection::connect(&url).await.unwrap();
        let mut found = Vec::new();
        for (table, columns) in TABLES {
            let rows = AssertSqlSafe(format!("SELECT row({columns})::text FROM {table} ORDER BY 1"));
            let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(&mut conn).await.unwrap();
            assert!(!rows.is_empty(), "{table}");
            found.push((*table, rows));
        }
        found
    };
    let before = all().await;
    let (store, applied) = Store::open_and_migrate(&url, Role::Daemon).await.unwrap();
    assert!(applied >= 1, "{applied}");
    assert_eq!(all().await, before);
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    assert_eq!(store.records().await.unwrap().mailboxes.len(), 1);
}

/// A migration that would leave a row without its parent is not applied at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_stays_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mail.db");
    let mut conn = SqliteConnection::connect(&format!("sqlite:{}?mode=rwc", path.display())).await.unwrap();
    conn.execute("PRAGMA application_id = 0x4d535944").await.unwrap();
    make(conn, "sqlite", "zeroblob(32)").await;
    let url = format!("sqlite:{}", path.display());
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    conn.execute("PRAGMA foreign_keys = OFF; DELETE FROM email_activities").await.unwrap();
    let refused = Store::open_and_migrate(&url, Role::Daemon).await.unwrap_err();
    assert!(refused.to_string().contains("contradicts"), "{refused}");
    let columns: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pragma_table_info('mailboxes')").fetch_one(&mut conn).await.unwrap();
    assert_eq!(columns, 29);
}
