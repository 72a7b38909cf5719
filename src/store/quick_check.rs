//! Looking through a file that was worked on when its daemon was cut off.

use std::sync::OnceLock;

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio_util::sync::CancellationToken;

use super::error::StoreError;

/// After so many steps of SQLite's machine is looked whether to go on.
const STEPS: i32 = 20_000;

/// What a look found. Once found it stays so until the next start.
#[derive(Debug, Default)]
pub struct QuickCheck {
    damage: OnceLock<String>,
}

impl QuickCheck {
    /// What is damaged, in SQLite's words.
    pub fn damage(&self) -> Option<StoreError> {
        self.damage.get().map(|what| StoreError::Damaged { what: what.clone() })
    }

    /// Reads every page once, on a connection of its own: neither who reads nor who writes waits for it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn look(&self, options: SqliteConnectOptions, stop: CancellationToken) -> Result<(), StoreError> {
        let mut conn = options.read_only(true).connect().await?;
        let asked = stop.clone();
        conn.lock_handle().await?.set_progress_handler(STEPS, move || !asked.is_cancelled());
        let found = examine(&mut conn).await;
        let stopped = stop.is_cancelled();
        // A connection that only read has nothing to lose.
        let _ = conn.close().await;
        match found {
            Err(_) if stopped => {}
            Err(StoreError::Damaged { what }) => drop(self.damage.set(what)),
            Err(error) => return Err(error),
            Ok(found) => {
                if let Some(what) = found.into_iter().find(|line| line != "ok") {
                    drop(self.damage.set(what));
                }
            }
        }
        Ok(())
    }
}

/// One finding is enough: a person looks at the rest.
async fn examine(conn: &mut SqliteConnection) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar("PRAGMA quick_check(1)").fetch_all(conn).await?)
}
