//! What can go wrong with the database, by what to do about it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::model::{activity::ActivityStatus, ids::ActivityId};

/// An operation on the database failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Another daemon holds the lock file.
    #[error(
        "another mailsyncd is running on this database ({}): stop it first, or give this one its own database",
        path.display()
    )]
    AlreadyRunning {
        /// The lock file.
        path: PathBuf,
    },
    /// Not a database of ours; it was not touched.
    #[error("{what} is not a mailsyncd database and was left alone: give another path or an empty database")]
    NotOurs {
        /// Path or database name.
        what: String,
    },
    /// Written by a newer release.
    #[error("the database has schema {found}, this program knows {known}: install the newer mailsyncd again")]
    NewerSchema {
        /// In the database.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
    /// Written by an older release, or empty.
    #[error("the database has schema {found}, this program needs {known}: run mailsyncd db migrate")]
    Outdated {
        /// In the database; 0: empty.
        found: i64,
        /// What this program needs.
        known: i64,
    },
    /// There is no such file.
    #[error("there is no database at {}: run mailsyncd db migrate, or correct the path", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is no such directory.
    #[error("there is no directory {} for the database: make it, for the user that mailsyncd runs as", path.display())]
    NoDirectory {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The address of the database cannot be understood.
    #[error("not a database address: {url} (sqlite:/path/file.db or postgres://user@host/name)")]
    BadUrl {
        /// As given, without a password.
        url: String,
    },
    /// The lock file or the database file cannot be used.
    #[error("could not use {}: check owner and permissions", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// A copy would overwrite a file.
    #[error("{} exists already and is not overwritten: give another name", path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// No space is left where the database lives. Nothing was written.
    #[error("no space left for the database, nothing was written: free disk space")]
    DiskFull(#[source] Arc<sqlx::Error>),
    /// Others held the database for too long, or transactions kept colliding.
    #[error("the database is busy: another program holds it, or it is overloaded")]
    Busy(#[source] Arc<sqlx::Error>),
    /// The database cannot be reached, was shut down, or takes no writes.
    #[error("the database is unavailable: check that it runs, can be reached and takes writes")]
    Unavailable(#[source] Arc<sqlx::Error>),
    /// The store was closed meanwhile.
    #[error("the database was closed by this program")]
    Closed,
    /// Somebody else holds the mailbox's lease now: nothing was written.
    #[error("the lease of the mailbox is lost: another daemon works on it, nothing was written")]
    LeaseLost,
    /// Its file, or its pages, are damaged: nothing that it says can be trusted.
    #[error("the file of the database is damaged ({what}): stop mailsyncd, run mailsyncd db check, restore a backup")]
    Damaged {
        /// In the database's words.
        what: String,
    },
    /// The database contains what it must not.
    #[error("the database is damaged ({what}): restore a backup, or run mailsyncd db check")]
    Corrupt {
        /// What was found.
        what: String,
    },
    /// What was to be written contradicts what is there: nothing was written.
    #[error("the change contradicts what the database has ({what}): nothing was written")]
    Conflict {
        /// The rule that was broken.
        what: String,
    },
    /// Somebody else changed what a decision was made on: nothing was written.
    #[error("somebody else has changed {what} at the same time: nothing was written, try again")]
    Overtaken {
        /// Which record.
        what: String,
    },
    /// A mail cannot go from where it stands to where it was to go: nothing was written.
    #[error("activity {activity} is {from}: it cannot become {to}")]
    IllegalMove {
        /// Which mail.
        activity: ActivityId,
        /// Where it stands.
        from: ActivityStatus,
        /// Where it was to go.
        to: ActivityStatus,
    },
    /// A mail cannot be queued as it is: nothing was written.
    #[error("{what}")]
    Unsendable {
        /// What is wrong with it.
        what: String,
    },
    /// This database cannot do that.
    #[error("{what}")]
    Unsupported {
        /// What to do instead.
        what: &'static str,
    },
    /// A defect of ours, or of the database.
    #[error("the database refused a statement")]
    Sql(#[source] Arc<sqlx::Error>),
}

impl StoreError {
    /// Whether the same transaction may succeed at once when it is run again.
    pub(super) fn is_collision(&self) -> bool {
        let Self::Busy(source) = self else { return false };
        matches!(&**source, sqlx::Error::Database(error) if matches!(error.code().as_deref(), Some("40001" | "40P01")))
    }

    /// The same, with the file that takes no writes named.
    pub(super) fn of_file(self, path: &Path) -> Self {
        let read_only = |error: &sqlx::Error| {
            let code =
                error.as_database_error().and_then(|answer| answer.code()).and_then(|code| code.parse::<i32>().ok());
            code.is_some_and(|code| code & 0xff == 8)
        };
        match self {
            Self::Unavailable(error) if read_only(&error) => {
                Self::Io { path: path.to_owned(), source: Arc::new(std::io::Error::other(error.to_string())) }
            }
            other => other,
        }
    }

    /// A value in a column that no release of ours writes.
    pub(super) fn unreadable(column: &str, value: impl std::fmt::Display) -> Self {
        Self::Corrupt { what: format!("column {column} holds {value}") }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Database(answer) => {
                let code = answer.code().unwrap_or_default().into_owned();
                let sqlite = answer.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some();
                let message = answer.message().to_owned();
                if sqlite { of_sqlite(&code, message, error) } else { of_postgres(&code, message, error) }
            }
            E::Io(_) | E::Tls(_) | E::WorkerCrashed | E::Protocol(_) | E::PoolTimedOut => {
                Self::Unavailable(Arc::new(error))
            }
            E::PoolClosed => Self::Closed,
            E::ColumnDecode { index, .. } => Self::Corrupt { what: format!("column {index} cannot be read") },
            E::Decode(_) => Self::Corrupt { what: "a value cannot be read".into() },
            _ => Self::Sql(Arc::new(error)),
        }
    }
}

/// By SQLite's extended result code (<https://www.sqlite.org/rescode.html>).
fn of_sqlite(code: &str, message: String, error: sqlx::Error) -> StoreError {
    let code: i32 = code.parse().unwrap_or(0);
    let source = Arc::new(error);
    match code & 0xff {
        5 | 6 => StoreError::Busy(source),
        13 => StoreError::DiskFull(source),
        11 => StoreError::Damaged { what: message },
        26 => StoreError::NotOurs { what: "the file".into() },
        // READONLY, IOERR, CANTOPEN, PROTOCOL: the disk or its permissions.
        8 | 10 | 14 | 15 => StoreError::Unavailable(source),
        19 => StoreError::Conflict { what: message },
        _ => StoreError::Sql(source),
    }
}

/// By SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn of_postgres(code: &str, message: String, error: sqlx::Error) -> StoreError {
    let source = Arc::new(error);
    match code {
        "53100" => StoreError::DiskFull(source),
        "40001" | "40P01" | "55P03" | "53300" | "53400" => StoreError::Busy(source),
        // Wrong password, no such role or database: as unreachable as a dead server.
        "25006" | "28000" | "28P01" | "3D000" | "53200" => StoreError::Unavailable(source),
        "XX001" | "XX002" => StoreError::Damaged { what: message },
        code if code.starts_with("57P") || code.starts_with("08") || code.starts_with("58") => {
            StoreError::Unavailable(source)
        }
        code if code.starts_with("23") => StoreError::Conflict { what: message },
        _ => StoreError::Sql(source),
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, Executor, SqliteConnection};

    use super::*;

    async fn sqlite(path: &std::path::Path) -> SqliteConnection {
        let url = format!("sqlite:{}?mode=rwc", path.display());
        SqliteConnection::connect(&url).await.unwrap()
    }

    #[tokio::test]
    async fn sqlite_says_what_is_wrong_by_code() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        let mut conn = sqlite(&path).await;
        conn.execute("CREATE TABLE t (a TEXT NOT NULL UNIQUE); PRAGMA max_page_count = 4").await.unwrap();
        let full = conn.execute("INSERT INTO t VALUES (hex(randomblob(100000)))").await.unwrap_err();
        assert!(matches!(StoreError::from(full), StoreError::DiskFull(_)));
        let null = conn.execute("INSERT INTO t VALUES (NULL)").await.unwrap_err();
        assert!(matches!(StoreError::from(null), StoreError::Conflict { what } if what.contains("t.a")));
        let wrong = conn.execute("SELECT nothing").await.unwrap_err();
        assert!(matches!(StoreError::from(wrong), StoreError::Sql(_)));

        let mut other = sqlite(&path).await;
        other.execute("PRAGMA busy_timeout = 0").await.unwrap();
        conn.execute("BEGIN IMMEDIATE").await.unwrap();
        let busy = StoreError::from(other.execute("BEGIN IMMEDIATE").await.unwrap_err());
        assert!(matches!(busy, StoreError::Busy(_)) && !busy.is_collision());

        drop((conn, other));
        let torn = directory.path().join("torn.db");
        let mut conn = sqlite(&torn).await;
        conn.execute("CREATE TABLE t (a TEXT)").await.unwrap();
        conn.execute("INSERT INTO t VALUES (hex(randomblob(100000)))").await.unwrap();
        conn.close().await.unwrap();
        let mut bytes = std::fs::read(&torn).unwrap();
        bytes[4_096..].fill(0xee);
        std::fs::write(&torn, bytes).unwrap();
        let damaged = sqlite(&torn).await.fetch_all("SELECT length(a) FROM t").await.unwrap_err();
        assert!(matches!(StoreError::from(damaged), StoreError::Damaged { .. }));

        let text = directory.path().join("notes.txt");
        std::fs::write(&text, "notes ".repeat(1_000)).unwrap();
        let url = format!("sqlite:{}", text.display());
        let foreign = async { SqliteConnection::connect(&url).await?.execute("SELECT * FROM t").await };
        assert!(matches!(StoreError::from(foreign.await.unwrap_err()), StoreError::NotOurs { .. }));
    }
}
