//! A new SQLite file is made by one script: it is what the migrations would have made.

use std::{fs, path::Path};

use mailsyncd::store::{Role, Store};
use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection, migrate::Migrator};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/migrations");

/// What the migrations make of nothing.
async fn migrated(up_to: Option<i64>) -> SqliteConnection {
    let migrations = Migrator::new(Path::new(DIRECTORY).join("sqlite")).await.unwrap();
    let mut conn = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    conn.execute("PRAGMA foreign_keys = OFF").await.unwrap();
    migrations.run_direct(up_to, &mut conn, false).await.unwrap();
    conn
}

/// The statements that make what is there: tables, indexes and triggers, and their rows.
async fn statements(conn: &mut SqliteConnection) -> Vec<String> {
    let ours = "sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> '_sqlx_migrations'";
    let made = format!("SELECT sql || ';' FROM sqlite_master WHERE {ours} ORDER BY rowid");
    let mut found: Vec<String> = sqlx::query_scalar(AssertSqlSafe(made)).fetch_all(&mut *conn).await.unwrap();
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> '_sqlx_migrations' ORDER BY rowid";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut *conn).await.unwrap();
    for table in tables {
        let columns = "SELECT group_concat('quote(' || name || ')', ' || '', '' || ') FROM pragma_table_info($1)";
        let columns: String = sqlx::query_scalar(columns).bind(&table).fetch_one(&mut *conn).await.unwrap();
        let rows =
            format!("SELECT 'INSERT INTO {table} VALUES (' || {columns} || ');' AS made FROM {table} ORDER BY 1");
        found.extend(sqlx::query_scalar::<_, String>(AssertSqlSafe(rows)).fetch_all(&mut *conn).await.unwrap());
    }
    found
}

/// Which migrations it has seen.
async fn seen(conn: &mut SqliteConnection) -> Vec<(i64, String, bool, Vec<u8>)> {
    let seen = "SELECT version, description, success, checksum FROM _sqlx_migrations ORDER BY version";
    sqlx::query_as(seen).fetch_all(conn).await.unwrap()
}

/// `UPDATE_GOLDEN=1` writes it anew; to bring it up to date, give it the number of the newest migration first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_script_is_what_the_migrations_make() {
    let mut scripts = fs::read_dir(Path::new(DIRECTORY).join("fresh")).unwrap();
    let script = scripts.next().unwrap().unwrap().path();
    assert!(scripts.next().is_none(), "one script for new files is enough");
    let name = script.file_name().unwrap().to_str().unwrap();
    let as_of = name.strip_suffix("_sqlite.sql").unwrap().parse().unwrap();
    let made = statements(&mut migrated(Some(as_of)).await).await.join("\n\n") + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&script, &made).unwrap();
    }
    assert_eq!(fs::read_to_string(&script).unwrap(), made, "migrations do not change: UPDATE_GOLDEN=1 writes {name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_file_is_what_the_migrations_make() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("mail.db").display());
    let (store, applied) = Store::open_and_migrate(&url, Role::Daemon).await.unwrap();
    store.close().await;
    let mut made = SqliteConnection::connect(&url).await.unwrap();
    let mut migrated = migrated(None).await;
    let (versions, expected) = (seen(&mut made).await, seen(&mut migrated).await);
    assert_eq!(versions, expected);
    assert_eq!(usize::try_from(applied).unwrap(), expected.len());
    let (mut made, mut expected) = (statements(&mut made).await, statements(&mut migrated).await);
    made.sort();
    expected.sort();
    assert_eq!(made, expected);
}
