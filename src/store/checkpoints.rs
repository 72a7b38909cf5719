//! Brings what was committed from SQLite's log into its file, beside the writer.
//!
//! A checkpoint reads and writes as much as the commits before it did. On the writer's connection
//! everybody would wait for it; on one of its own nobody does. What is committed meanwhile is left to
//! the writer's own checkpoint (`wal_autocheckpoint`), after which the log begins anew.

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::mpsc;

use super::error::StoreError;
use crate::base::tasks::Tasks;

/// Bytes of mail for which a checkpoint is worth its two waits for the disk.
const STEP: usize = 16 << 20;

/// Says when a checkpoint is due. Dropping it ends the task that makes them.
pub struct Checkpoints {
    /// Bytes of mail committed since one was due.
    written: usize,
    due: mpsc::Sender<()>,
}

impl Checkpoints {
    /// Starts the task; its connection is opened by `options` when there is something to do.
    pub fn start(options: SqliteConnectOptions, tasks: &Tasks) -> Self {
        let (due, waiting) = mpsc::channel(1);
        tasks.spawn("store-checkpoints", serve(options, waiting));
        Self { written: 0, due }
    }

    /// So many bytes of mail were committed.
    pub fn written(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written >= STEP {
            self.written = 0;
            // One that is due already takes these along.
            let _ = self.due.try_send(());
        }
    }
}

async fn serve(options: SqliteConnectOptions, mut due: mpsc::Receiver<()>) {
    let mut conn = None;
    while due.recv().await.is_some() {
        // Whatever is the matter: the writer does it in the end, and its errors are told.
        if let Err(error) = checkpoint(&options, &mut conn).await {
            tracing::debug!(%error, "no checkpoint beside the writer");
        }
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
    sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(conn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::sqlite::SqliteJournalMode;

    use super::*;

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
        let mut checkpoints = Checkpoints::start(options, &tasks);
        checkpoints.written(STEP - 1);
        checkpoints.written(1);
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
