//! A database that is not there yet: a file with all tables, put in its place complete.

use std::{
    fs::{File, OpenOptions},
    io::ErrorKind,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use sqlx::{
    ConnectOptions, Connection, Executor, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::{
    error::StoreError,
    schema,
    sqlite::{MIGRATIONS, apply_migrations},
};

/// "MSYD" in the file's header: this file is ours.
pub const APPLICATION_ID: u32 = 0x4d53_5944;
/// Mails are long: a larger page means fewer overflow pages and fewer frames of the log for each.
const PAGE_SIZE: u32 = 16_384;

/// What the migrations up to [`AS_OF`] make of nothing, without the way there: that takes a tenth of their time.
/// A test writes it and compares. It need not be the newest: the migrations after it are applied to it.
const TABLES: &str = include_str!("migrations/fresh/0017_sqlite.sql");
const AS_OF: i64 = 17;

/// A new empty file that only we may read.
///
/// # Errors
/// There is one, or none can be made.
pub fn new_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Makes a file that says from its first page on whose it is, and that only we may read; returns how
/// many migrations it has seen.
///
/// Where the file system can, it is made beside its place and put there complete: that takes one
/// wait for the disk and not a dozen.
///
/// # Errors
/// No file can be made there.
pub async fn create(path: &Path) -> Result<u32, StoreError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let mut applied = 0;
    if new_file(&beside).is_ok() {
        let made = make(&beside).await;
        let linked = made.is_ok() && File::open(&beside).and_then(|file| file.sync_all()).is_ok();
        // Unlike a renaming this replaces nothing: somebody else may have been faster.
        if linked && std::fs::hard_link(&beside, path).is_ok() {
            applied = made?;
        }
        let _ = std::fs::remove_file(&beside);
    }
    if applied == 0 {
        create_in_place(path).await?;
    }
    Ok(applied)
}

/// Makes a complete database of a file that nobody knows of yet.
async fn make(file: &Path) -> Result<u32, StoreError> {
    let hurried = SqliteConnectOptions::new()
        .filename(file)
        .page_size(PAGE_SIZE)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Off);
    let mut conn = hurried.connect().await?;
    mark_ours(&mut conn).await?;
    let mut transaction = conn.begin().await?;
    transaction.execute(TABLES).await?;
    schema::skip(&MIGRATIONS, AS_OF, &mut *transaction).await?;
    transaction.commit().await?;
    apply_migrations(&mut conn).await?;
    sqlx::query("PRAGMA journal_mode = WAL").execute(&mut conn).await?;
    conn.close().await?;
    Ok(u32::try_from(MIGRATIONS.iter().count()).unwrap_or(u32::MAX))
}

async fn create_in_place(path: &Path) -> Result<(), StoreError> {
    match new_file(path) {
        Ok(_) => {}
        // Empty, from a start that was cut short or made by an administrator.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(StoreError::Io { path: path.to_owned(), source: Arc::new(error) }),
    }
    let plain = SqliteConnectOptions::new().filename(path).page_size(PAGE_SIZE).create_if_missing(false);
    let mut conn = plain.connect().await?;
    // Not yet with a write-ahead log: this must stand in the file itself.
    mark_ours(&mut conn).await?;
    conn.close().await?;
    Ok(())
}

async fn mark_ours(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let statement = format!("PRAGMA application_id = {APPLICATION_ID}");
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(conn).await?;
    Ok(())
}
