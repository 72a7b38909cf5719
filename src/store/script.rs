//! Statements that follow each other whatever they find: on SQLite they are handed over to its thread
//! together, for each hand-over costs as much as a small statement.

use futures::{TryStreamExt, stream::BoxStream};
use sqlx::{
    AssertSqlSafe, ColumnIndex, Database, Decode, Either, Executor, PgConnection, Postgres, Row, Sqlite,
    SqliteConnection, Type, postgres::PgQueryResult, sqlite::SqliteQueryResult,
};

use super::{
    codec::{Id, Json},
    error::StoreError,
    sql::Sql,
};

/// Statements, each with one of the lists as its only parameter.
#[derive(Debug, Default)]
pub struct Script {
    lists: Vec<Json>,
    steps: Vec<(Sql, usize)>,
}

/// What one of them did.
#[derive(Debug, Default)]
pub struct Done {
    /// How many rows it wrote.
    pub written: u64,
    /// What it found.
    pub found: Vec<Id>,
}

impl Script {
    /// Adds statements for a list.
    pub fn add(&mut self, list: Json, statements: &[Sql]) {
        let place = self.lists.len();
        self.lists.push(list);
        self.steps.extend(statements.iter().map(|sql| (*sql, place)));
    }

    /// Goes on with all of another.
    pub fn append(&mut self, other: Self) {
        let places = self.lists.len();
        self.lists.extend(other.lists);
        self.steps.extend(other.steps.into_iter().map(|(sql, place)| (sql, place + places)));
    }

    /// How many statements it has.
    pub fn len(&self) -> usize {
        self.steps.len()
    }
}

/// Runs `opening`, which begins what the script is a part of, and the script.
///
/// # Errors
/// One of the statements failed; none after it was run.
pub async fn on_sqlite(conn: &mut SqliteConnection, opening: &str, script: Script) -> Result<Vec<Done>, StoreError> {
    let Script { lists, steps } = script;
    let mut text = opening.to_owned();
    for (sql, place) in &steps {
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(&sql.sqlite.replace("$1", &format!("${}", place + 1)));
    }
    let query = lists.into_iter().fold(sqlx::query::<Sqlite>(AssertSqlSafe(text)), |query, list| query.bind(list));
    let mut done = collect::<Sqlite>(conn.fetch_many(query), SqliteQueryResult::rows_affected).await?;
    Ok(done.split_off(done.len().saturating_sub(steps.len())))
}

/// Runs a script in the transaction that was begun: `opening` is for SQLite.
///
/// # Errors
/// As [`on_sqlite`].
pub async fn on_postgres(conn: &mut PgConnection, _opening: &str, script: Script) -> Result<Vec<Done>, StoreError> {
    let Script { lists, steps } = script;
    let mut done = Vec::with_capacity(steps.len());
    for (sql, place) in steps {
        let query = sqlx::query::<Postgres>(sql.postgres).bind(lists.get(place));
        done.extend(collect::<Postgres>(conn.fetch_many(query), PgQueryResult::rows_affected).await?);
    }
    Ok(done)
}

type Results<'c, D> = BoxStream<'c, Result<Either<<D as Database>::QueryResult, <D as Database>::Row>, sqlx::Error>>;

async fn collect<D: Database>(
    mut results: Results<'_, D>,
    written: fn(&D::QueryResult) -> u64,
) -> Result<Vec<Done>, StoreError>
where
    Id: for<'r> Decode<'r, D> + Type<D>,
    usize: ColumnIndex<D::Row>,
{
    let (mut done, mut current) = (Vec::new(), Done::default());
    while let Some(result) = results.try_next().await? {
        match result {
            Either::Right(row) => current.found.push(row.try_get(0)?),
            Either::Left(result) => {
                current.written = written(&result);
                done.push(std::mem::take(&mut current));
            }
        }
    }
    Ok(done)
}
