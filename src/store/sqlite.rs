//! One file, one writer, a few readers.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{ErrorKind, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::TryStreamExt;
use sqlx::{
    ConnectOptions, Connection, Either, Executor, SqliteConnection, SqlitePool,
    migrate::Migrator,
    pool::PoolConnection,
    query::Query,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio_util::sync::CancellationToken;

use super::{
    Examined,
    checkpoints::Checkpoints,
    error::StoreError,
    fresh::{self, APPLICATION_ID},
    quick_check::QuickCheck,
    schema::{self, Applied},
    sql::Sql,
    writer::Writer,
};
use crate::{
    base::{metrics::Latency, tasks::Tasks},
    model::room::Room,
};

/// Rows that refer to one that is not there, counted: whoever deletes a mailbox leaves a row for each of its mails.
const ORPHANS: &str = "SELECT \"table\", min(rowid), parent, count(*) FROM pragma_foreign_key_check GROUP BY \"table\", \
    parent, fkid ORDER BY \"table\", parent";

/// The database of the shared operations.
pub type Db = sqlx::Sqlite;
/// The connection of the shared operations.
pub type Conn = SqliteConnection;

/// The text of a statement in this dialect.
pub const fn text(sql: Sql) -> &'static str {
    sql.sqlite
}

pub use super::script::on_sqlite as run;

/// Whether a statement may have places for more rows than it is given: what has no value is NULL.
pub const PADDED: bool = true;

/// Runs one statement, which answers no rows; returns how many it wrote.
///
/// SQLite's thread tells the result and then the end; for the end nobody need be woken.
pub async fn written(conn: &mut Conn, statement: Query<'_, Db, SqliteArguments>) -> Result<u64, StoreError> {
    match conn.fetch_many(statement).try_next().await? {
        Some(Either::Left(done)) => Ok(done.rows_affected()),
        Some(Either::Right(_)) | None => Ok(0),
    }
}

#[path = "ops/mod.rs"]
pub mod ops;

/// Everything that was ever done to the tables.
pub static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

/// In KiB: a transaction of mails fits, so that none of its pages is written twice.
const WRITER_CACHE: &str = "-8000";
const READERS: u32 = 3;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How often, and how soon again, a daemon tries to take the lock that somebody may only look at.
const LOOKS_AT_THE_LOCK: u32 = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// What an open database consists of.
pub struct SqliteStore {
    path: PathBuf,
    read: SqlitePool,
    writer: std::sync::Mutex<Option<Writer>>,
    tasks: Tasks,
    /// How long commits take.
    pub commits: Latency,
    /// Whether the daemon before was cut off: it never said that it ended.
    pub cut_off: bool,
    check: QuickCheck,
    /// Held as long as the store is.
    _lock: Option<File>,
}

/// What the first bytes of a file say.
enum Header {
    Nothing,
    Ours,
    Foreign,
}

impl SqliteStore {
    /// Opens, and with `migrate` creates and migrates.
    pub async fn open(path: &Path, exclusive: bool, migrate: bool) -> Result<(Self, u32), StoreError> {
        let header = header(path)?;
        match header {
            Header::Foreign => return Err(StoreError::NotOurs { what: path.display().to_string() }),
            Header::Nothing if !migrate => return Err(StoreError::Missing { path: path.to_owned() }),
            Header::Nothing | Header::Ours => {}
        }
        if let Some(directory) =
            path.parent().filter(|directory| !directory.as_os_str().is_empty() && !directory.exists())
        {
            return Err(StoreError::NoDirectory { path: directory.to_owned() });
        }
        let lock = if exclusive { Some(lock(path).await?) } else { None };
        let created = match header {
            Header::Nothing => fresh::create(path).await?,
            Header::Ours | Header::Foreign => 0,
        };
        let options = options(path);
        let mut conn = options
            .clone()
            .pragma("cache_size", WRITER_CACHE)
            // See [`Checkpoints`].
            .pragma("wal_autocheckpoint", "0")
            .connect()
            .await?;
        let applied = schema::check(&MIGRATIONS, &applied(&mut conn).await?, &path.display().to_string())?;
        let migrated = match applied {
            Applied::All => created,
            Applied::Missing { count, .. } if migrate => {
                apply_migrations(&mut conn).await?;
                count
            }
            Applied::Missing { found, known, .. } => return Err(StoreError::Outdated { found, known }),
        };
        let mut cut_off = false;
        if lock.is_some() {
            // Whoever had a lease held the lock too: that daemon is dead, and nobody need wait until
            // its leases run out. Epochs stay, so the fence holds all the same.
            for workload in ["", "outgoing_"] {
                let statement = format!(
                    "UPDATE mailboxes SET {workload}lease_owner = NULL, {workload}lease_expires = NULL \
                     WHERE {workload}lease_owner IS NOT NULL"
                );
                sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut conn).await?;
            }
            cut_off = sqlx::query("DELETE FROM daemons").execute(&mut conn).await?.rows_affected() > 0;
        }
        let read = SqlitePoolOptions::new()
            .max_connections(READERS)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options.read_only(true))
            .await?;
        let (tasks, commits) = (Tasks::new(), Latency::default());
        let checkpoints = Checkpoints::start(self::options(path), &tasks);
        let writer = Writer::start(conn, path, &tasks, commits.clone(), checkpoints)
            .map_err(|error| StoreError::Io { path: path.to_owned(), source: Arc::new(error) })?;
        let writer = std::sync::Mutex::new(Some(writer));
        let (path, check) = (path.to_owned(), QuickCheck::default());
        Ok((Self { path, read, writer, tasks, commits, cut_off, check, _lock: lock }, migrated))
    }

    /// A connection to read with. It sees every transaction that was answered before.
    pub async fn reader(&self) -> Result<PoolConnection<Db>, StoreError> {
        Ok(self.read.acquire().await?)
    }

    /// The way to write.
    pub fn writer(&self) -> Result<Writer, StoreError> {
        let writer = self.writer.lock().map_err(|_| StoreError::Closed)?;
        writer.clone().ok_or(StoreError::Closed)
    }

    /// Finishes what is queued and closes the file.
    pub async fn close(&self) {
        if let Ok(mut writer) = self.writer.lock() {
            writer.take();
        }
        self.read.close().await;
        self.tasks.close_and_wait().await;
    }

    /// Whether somebody holds the lock; `None`: that cannot be seen.
    pub fn has_daemon(&self) -> Option<bool> {
        let file = File::open(lock_path(&self.path)).ok()?;
        // Shared, and given back with the file: others who look are not in the way, and a daemon that starts waits.
        match file.try_lock_shared() {
            Ok(()) => Some(false),
            Err(TryLockError::WouldBlock) => Some(true),
            Err(TryLockError::Error(_)) => None,
        }
    }

    /// How much room its file system has; `None`: it does not say.
    pub async fn room(&self) -> Option<Room> {
        let path = self.path.clone();
        // A file system that is on a network may take its time.
        let found = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&path)).await.ok()?.ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Some(Room { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
    }

    /// Reads every page once, beside all work.
    pub async fn look_through(&self, stop: CancellationToken) -> Result<(), StoreError> {
        self.check.look(options(&self.path), stop).await
    }

    /// What [`SqliteStore::look_through`] found.
    pub fn damage(&self) -> Option<StoreError> {
        self.check.damage()
    }

    /// SQLite's own examination.
    pub async fn examine(&self) -> Result<Examined, StoreError> {
        let mut conn = self.reader().await?;
        let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut *conn).await?;
        // Only who writes without PRAGMA foreign_keys leaves such rows; a row without a number has its key.
        type Orphans = (String, Option<i64>, String, i64);
        let orphans: Vec<Orphans> = sqlx::query_as(ORPHANS).fetch_all(&mut *conn).await?;
        let told = |(table, row, parent, count): Orphans| {
            let row = row.map_or_else(|| "a row".to_owned(), |row| format!("row {row}"));
            let others = if count > 1 { format!("; so do {} more", count - 1) } else { String::new() };
            format!("{row} of {table} refers to a row of {parent} that is not there{others}")
        };
        Ok(Examined {
            damage: found.into_iter().filter(|line| line != "ok").collect(),
            contradictions: orphans.into_iter().map(told).collect(),
        })
    }

    /// A complete copy in a new file.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let io = |error| StoreError::Io { path: to.to_owned(), source: Arc::new(error) };
        // Never over an existing file, and from the first byte for our eyes only.
        fresh::new_file(to).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => StoreError::Exists { path: to.to_owned() },
            _ => io(error),
        })?;
        let mut conn = options(&self.path).connect().await?;
        let copied = sqlx::query("VACUUM INTO $1").bind(to.to_string_lossy().into_owned()).execute(&mut conn).await;
        conn.close().await?;
        if let Err(error) = copied {
            std::fs::remove_file(to).map_err(io)?;
            return Err(error.into());
        }
        File::open(to).and_then(|file| file.sync_all()).map_err(io)
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .pragma("temp_store", "memory")
        .pragma("trusted_schema", "off")
        .disable_statement_logging()
}

/// Reads the header without SQLite, which might touch the file.
fn header(path: &Path) -> Result<Header, StoreError> {
    let io = |error| StoreError::Io { path: path.to_owned(), source: Arc::new(error) };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Header::Nothing),
        Err(error) => return Err(io(error)),
    };
    let mut start = [0u8; 100];
    let mut length = 0;
    while let Some(rest) = start.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest).map_err(io)? {
            0 => break,
            more => length += more,
        }
    }
    let is_sqlite = start.starts_with(b"SQLite format 3\0");
    let application = start.get(68..72) == Some(&APPLICATION_ID.to_be_bytes());
    Ok(match (length, is_sqlite && application) {
        (0, _) => Header::Nothing,
        (_, true) => Header::Ours,
        (_, false) => Header::Foreign,
    })
}

/// The lock that says which daemon works on the file; the system releases it with the process.
async fn lock(path: &Path) -> Result<File, StoreError> {
    let path = lock_path(path);
    let io = |error| StoreError::Io { path: path.clone(), source: Arc::new(error) };
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io)?;
    // Who only looks whether somebody holds it has it for a moment.
    let mut looks = 0..LOOKS_AT_THE_LOCK;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if looks.next().is_some() => tokio::time::sleep(BETWEEN_LOOKS).await,
            Err(TryLockError::WouldBlock) => return Err(StoreError::AlreadyRunning { path }),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
    }
}

/// Where the lock of the database at `path` lies.
fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Applies the migrations that are missing. A table that is copied is dropped and made again under
/// the eyes of those that refer to it: the migration looks after its foreign keys itself.
pub async fn apply_migrations(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("PRAGMA foreign_keys = OFF").execute(&mut *conn).await?;
    schema::migrate(&MIGRATIONS, conn).await?;
    sqlx::query("PRAGMA foreign_keys = ON").execute(conn).await?;
    Ok(())
}

/// The migrations the file has seen: version and checksum.
async fn applied(conn: &mut SqliteConnection) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'")
        .fetch_one(&mut *conn)
        .await?;
    if tables == 0 {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_as(schema::APPLIED).fetch_all(conn).await?)
}
