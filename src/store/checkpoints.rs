//! Brings what was committed from SQLite's log into its file, beside the writer.
//!
//! A checkpoint reads and writes as much as the commits before it did, and waits for the disk. On the
//! writer's connection everybody would wait for it; on one of its own nobody does. But while the writer
//! goes on, its log never comes home as a whole, and only then does it begin anew: so the writer brings
//! home the little that came meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::mpsc;

use super::error::StoreError;
use crate::base::tasks::Tasks;

/// In pages: a log that is worth a checkpoint. It costs two waits for the disk, and writes what changed
/// often only once.
const LONG: i64 = 4_000;
/// So much the writer brings home itself.
const LITTLE: i64 = 600;
/// Where a log is so long, the checkpoints beside the writer do not succeed.
const TOO_LONG: i64 = 16_000;

/// A log, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// What it holds.
    pub pages: i64,
    /// How much of that is in the file.
    pub home: i64,
}

/// What is to be done about a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    /// A checkpoint beside the writer.
    Beside,
    /// One by the writer.
    Here,
}

fn step(log: Log, under_way: bool) -> Step {
    if log.pages >= TOO_LONG {
        Step::Here
    } else if log.pages < LONG || under_way {
        Step::Nothing
    } else if log.pages - log.home <= LITTLE {
        Step::Here
    } else {
        Step::Beside
    }
}

/// Says when a checkpoint is due. Dropping it ends the task that makes them.
pub struct Checkpoints {
    due: mpsc::Sender<()>,
    under_way: Arc<AtomicBool>,
}

impl Checkpoints {
    /// Starts the task; its connection is opened by `options` when there is something to do.
    pub fn start(options: SqliteConnectOptions, tasks: &Tasks) -> Self {
        let (due, waiting) = mpsc::channel(1);
        let under_way = Arc::new(AtomicBool::new(false));
        tasks.spawn("store-checkpoints", serve(options, waiting, Arc::clone(&under_way)));
        Self { due, under_way }
    }

    /// Looks at the log after a commit; `true` where the writer is to make a checkpoint.
    pub fn is_due(&self, log: Log) -> bool {
        match step(log, self.under_way.load(Ordering::Acquire)) {
            Step::Nothing => false,
            Step::Here => true,
            Step::Beside => {
                self.under_way.store(true, Ordering::Release);
                // Where nobody takes it any more, the database is being closed.
                let _ = self.due.try_send(());
                false
            }
        }
    }
}

async fn serve(options: SqliteConnectOptions, mut due: mpsc::Receiver<()>, under_way: Arc<AtomicBool>) {
    let mut conn = None;
    while due.recv().await.is_some() {
        // Whatever is the matter: the writer does it in the end, and its errors are told.
        if let Err(error) = checkpoint(&options, &mut conn).await {
            tracing::debug!(%error, "no checkpoint beside the writer");
        }
        under_way.store(false, Ordering::Release);
    }
    if let Some(conn) = conn
        && let Err(error) = conn.close().await
    {
        tracing::warn!(%error, "could not close the database in good order");
    }
}

/// One that disturbs nobody.
async fn checkpoint(options: &SqliteConnectOptions, conn: &mut Option<SqliteConnection>) -> Result<(), StoreError> {
    let conn = match conn {
        Some(conn) => conn,
        None => conn.insert(options.connect().await?),
    };
    sqlx::query(PASSIVE).execute(conn).await?;
    Ok(())
}

/// A checkpoint that waits for nobody.
pub const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";
/// None: it only says what a [`Log`] holds.
pub const LOOK: &str = "PRAGMA wal_checkpoint(NOOP)";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::sqlite::SqliteJournalMode;

    use super::*;

    #[test]
    fn a_long_log_is_brought_home_beside_the_writer_and_its_rest_by_it() {
        let log = |pages, home| Log { pages, home };
        for (log, under_way, expected) in [
            (log(LONG - 1, 0), false, Step::Nothing),
            (log(LONG, 0), false, Step::Beside),
            (log(LONG + 900, 0), true, Step::Nothing),
            (log(LONG + 900, LONG), false, Step::Beside),
            (log(LONG + 900, LONG + 300), false, Step::Here),
            (log(TOO_LONG, 0), true, Step::Here),
            (log(-1, -1), false, Step::Nothing),
        ] {
            assert_eq!(step(log, under_way), expected, "{log:?} {under_way}");
        }
    }

    #[tokio::test]
    async fn what_was_committed_is_in_the_file_while_the_writer_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.db");
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("wal_autocheckpoint", "0");
        let mut writer = options.connect().await.unwrap();
        for statement in [
            "CREATE TABLE mails (bytes BLOB)",
            "INSERT INTO mails VALUES (zeroblob(1000000))",
            "BEGIN IMMEDIATE",
            "INSERT INTO mails VALUES (zeroblob(10))",
        ] {
            sqlx::query(statement).execute(&mut writer).await.unwrap();
        }
        let size = || std::fs::metadata(&file).unwrap().len();
        assert!(size() < 1_000_000, "it is in the log");
        let tasks = Tasks::new();
        let checkpoints = Checkpoints::start(options, &tasks);
        assert!(!checkpoints.is_due(Log { pages: LONG, home: 0 }));
        assert!(!checkpoints.is_due(Log { pages: LONG + 1, home: LONG }), "one is under way");
        tokio::time::timeout(Duration::from_secs(30), async {
            while size() < 1_000_000 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        sqlx::query("COMMIT").execute(&mut writer).await.unwrap();
        drop(checkpoints);
        tasks.close_and_wait().await;
        writer.close().await.unwrap();
    }
}
