//! Which schema a database has, whether it is ours, and bringing it up to date.

use std::sync::Arc;

use sqlx::migrate::{Migrate, MigrateError, Migrator};

use super::error::StoreError;

/// The migrations a database has seen.
pub const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";

/// How the migrations of a database compare with ours.
pub enum Applied {
    /// It has all of them.
    All,
    /// It lacks some.
    Missing {
        /// The newest it has; 0: none.
        found: i64,
        /// The newest we know.
        known: i64,
        /// How many are lacking.
        count: u32,
    },
}

/// The newest migration.
pub fn newest(migrations: &Migrator) -> i64 {
    migrations.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Compares what a database called `what` has seen with what we know.
///
/// # Errors
/// Somebody else's migrations, or newer ones.
pub fn check(migrations: &Migrator, applied: &[(i64, Vec<u8>)], what: &str) -> Result<Applied, StoreError> {
    let known = newest(migrations);
    let found = applied.iter().map(|(version, _)| *version).max().unwrap_or(0);
    // An applied migration never changes, so the first one tells whose database it is.
    let first = migrations.iter().find(|migration| migration.version == 1);
    let is_ours = match (applied.first(), first) {
        (Some((version, checksum)), Some(first)) => *version == 1 && **checksum == *first.checksum,
        _ => true,
    };
    match (is_ours, found) {
        (false, _) => Err(StoreError::NotOurs { what: what.to_owned() }),
        (true, found) if found > known => Err(StoreError::NewerSchema { found, known }),
        (true, found) if found < known => {
            let count = migrations.iter().count().saturating_sub(applied.len());
            Ok(Applied::Missing { found, known, count: u32::try_from(count).unwrap_or(u32::MAX) })
        }
        (true, _) => Ok(Applied::All),
    }
}

/// Applies what is missing.
pub async fn migrate<C: Migrate>(migrations: &Migrator, conn: &mut C) -> Result<(), StoreError> {
    migrations.run_direct(None, conn, false).await.map_err(refused)
}

/// Notes the migrations up to `version` as applied: the tables are made already.
pub async fn skip<C: Migrate>(migrations: &Migrator, version: i64, conn: &mut C) -> Result<(), StoreError> {
    migrations.run_direct(Some(version), conn, true).await.map_err(refused)
}

fn refused(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        other => StoreError::Sql(Arc::new(sqlx::Error::Migrate(Box::new(other)))),
    }
}
