//! A fresh database of each kind, for test bodies that must hold on both.

use mailsyncd::store::{Role, Store};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};
use tempfile::TempDir;

use super::postgres;

/// A migrated, empty database, gone with this value.
pub struct TestDatabase {
    /// Open as the daemon opens it.
    pub store: Store,
    /// Its address, to open it again.
    pub url: String,
    /// Keeps the file of SQLite.
    pub directory: Option<TempDir>,
}

impl TestDatabase {
    /// The one number that a query answers with.
    pub async fn count(&self, sql: &str) -> i64 {
        let statement = AssertSqlSafe(sql);
        if self.url.starts_with("sqlite:") {
            let mut conn = SqliteConnection::connect(&self.url).await.unwrap();
            return sqlx::query_scalar(statement).fetch_one(&mut conn).await.unwrap();
        }
        let mut conn = PgConnection::connect(&self.url).await.unwrap();
        sqlx::query_scalar(statement).fetch_one(&mut conn).await.unwrap()
    }

    /// Runs SQL as another program would.
    pub async fn execute(&self, sql: &str) {
        let statement = AssertSqlSafe(sql);
        let done = if self.url.starts_with("sqlite:") {
            SqliteConnection::connect(&self.url).await.unwrap().execute(statement).await.map(drop)
        } else {
            PgConnection::connect(&self.url).await.unwrap().execute(statement).await.map(drop)
        };
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// A fresh SQLite database and, where there is a PostgreSQL, one of that.
///
/// ```ignore
/// for database in databases().await { body(&database.store).await; }
/// ```
pub async fn databases() -> Vec<TestDatabase> {
    let mut all = vec![sqlite().await];
    all.extend(postgres().await);
    all
}

/// A fresh SQLite database.
pub async fn sqlite() -> TestDatabase {
    let directory = tempfile::tempdir().expect("a directory");
    let url = format!("sqlite:{}", directory.path().join("mail.db").display());
    let (store, _) = Store::open_and_migrate(&url, Role::Daemon).await.expect("SQLite opens");
    TestDatabase { store, url, directory: Some(directory) }
}

/// A fresh PostgreSQL database, where there is a PostgreSQL.
pub async fn postgres() -> Option<TestDatabase> {
    let url = postgres::fresh_database()?;
    let (store, _) = Store::open_and_migrate(&url, Role::Daemon).await.expect("PostgreSQL opens");
    Some(TestDatabase { store, url, directory: None })
}
