//! The databases under test, and what is in them past the store.

use std::sync::Arc;

use mailsyncd::store::Store;
use sqlx::{PgPool, SqlitePool};

use crate::support::databases::{TestDatabase, databases};

pub struct Database {
    pub store: Store,
    rows: Rows,
    _kept: TestDatabase,
}

enum Rows {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A fresh database of each kind there is.
pub async fn on_both() -> Vec<Arc<Database>> {
    let mut both = Vec::new();
    for kept in databases().await {
        let rows = if kept.url.starts_with("sqlite:") {
            Rows::Sqlite(SqlitePool::connect(&kept.url).await.unwrap())
        } else {
            Rows::Postgres(PgPool::connect(&kept.url).await.unwrap())
        };
        both.push(Arc::new(Database { store: kept.store.clone(), rows, _kept: kept }));
    }
    both
}

impl Database {
    /// The rows of a query with one text parameter and one text column.
    pub async fn rows(&self, sql: &'static str, parameter: &str) -> Vec<String> {
        match &self.rows {
            Rows::Sqlite(pool) => sqlx::query_scalar(sql).bind(parameter).fetch_all(pool).await.unwrap(),
            Rows::Postgres(pool) => sqlx::query_scalar(sql).bind(parameter).fetch_all(pool).await.unwrap(),
        }
    }

    /// From now on the database refuses activities whose subject contains `word`.
    pub async fn refuse_subjects_with(&self, word: &str) {
        let rule = match &self.rows {
            Rows::Sqlite(_) => format!(
                "CREATE TRIGGER refuse BEFORE INSERT ON email_activities WHEN NEW.subject LIKE '%{word}%' \
                 BEGIN SELECT RAISE(ABORT, 'refused'); END"
            ),
            Rows::Postgres(_) => {
                format!("ALTER TABLE email_activities ADD CONSTRAINT refuse CHECK (subject NOT LIKE '%{word}%')")
            }
        };
        self.execute(rule).await;
    }

    /// Runs a statement past the store.
    pub async fn execute(&self, statement: impl Into<String>) {
        let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.into()));
        match &self.rows {
            Rows::Sqlite(pool) => drop(statement.execute(pool).await.unwrap()),
            Rows::Postgres(pool) => drop(statement.execute(pool).await.unwrap()),
        }
    }
}
