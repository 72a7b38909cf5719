//! A pool of connections, each operation in a transaction of its own.

use std::{borrow::Cow, str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool, Transaction,
    migrate::Migrator,
    pool::PoolConnection,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions},
    query::Query,
};
use tokio::time::timeout;

use super::{
    error::StoreError,
    schema::{self, Applied},
    sql::Sql,
    writer::Durability,
};
use crate::base::metrics::Latency;

/// The database of the shared operations.
pub type Db = sqlx::Postgres;
/// The connection of the shared operations.
pub type Conn = PgConnection;

/// The text of a statement in this dialect.
pub const fn text(sql: Sql) -> &'static str {
    sql.postgres
}

pub use super::script::on_postgres as run;

/// Whether a statement may have places for more rows than it is given: here each wants its value.
pub const PADDED: bool = false;

/// Runs one statement, which answers no rows; returns how many it wrote.
pub async fn written(conn: &mut Conn, statement: Query<'_, Db, PgArguments>) -> Result<u64, StoreError> {
    Ok(statement.execute(conn).await?.rows_affected())
}

#[path = "ops/mod.rs"]
pub mod ops;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/postgres");

const CONNECTIONS: u32 = 8;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// For the one connection that finds out why there is none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a transaction that collided with another is run again.
const RETRIES: u32 = 5;

/// What an open database consists of.
pub struct PgStore {
    pool: PgPool,
    options: Box<PgConnectOptions>,
    /// How long transactions take.
    pub commits: Latency,
}

impl PgStore {
    /// Opens, and with `migrate` migrates.
    pub async fn open(url: &str, migrate: bool) -> Result<(Self, u32), StoreError> {
        let options = options(url)?.application_name("mailsyncd").disable_statement_logging();
        let mut conn = options.connect().await?;
        let what = format!("database {}", options.get_database().unwrap_or("of this user"));
        let applied = schema::check(&MIGRATIONS, &applied(&mut conn, &what).await?, &what)?;
        let migrated = match applied {
            Applied::All => 0,
            Applied::Missing { count, .. } if migrate => {
                schema::migrate(&MIGRATIONS, &mut conn).await?;
                count
            }
            Applied::Missing { found, known, .. } => return Err(StoreError::Outdated { found, known }),
        };
        conn.close().await?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options.clone())
            .await?;
        Ok((Self { pool, options: Box::new(options), commits: Latency::default() }, migrated))
    }

    /// A connection to read with.
    pub async fn reader(&self) -> Result<PoolConnection<Db>, StoreError> {
        match self.pool.acquire().await {
            Ok(connection) => Ok(connection),
            Err(error) => Err(self.why(error).await),
        }
    }

    /// A pool that waited in vain says only that: what a connection of one's own meets is the reason.
    async fn why(&self, error: sqlx::Error) -> StoreError {
        if !matches!(error, sqlx::Error::PoolTimedOut) {
            return error.into();
        }
        match timeout(CONNECT_TIMEOUT, self.options.connect()).await {
            Ok(Err(reason)) => reason.into(),
            Ok(Ok(_)) | Err(_) => error.into(),
        }
    }

    /// Begins a transaction. Dropped without a commit, it never happened.
    pub async fn begin(&self, durability: Durability) -> Result<Transaction<'static, Db>, StoreError> {
        let begun = match durability {
            Durability::Durable => self.pool.begin().await,
            Durability::Lazy => self.pool.begin_with("BEGIN; SET LOCAL synchronous_commit = off").await,
        };
        match begun {
            Ok(transaction) => Ok(transaction),
            Err(error) => Err(self.why(error).await),
        }
    }

    /// Closes the connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// What an address says.
pub fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    PgConnectOptions::from_str(&with_host(url)).map_err(|_| StoreError::BadUrl { url: super::without_password(url) })
}

/// Waits before a collided transaction is run again; `false`: it has been tried often enough.
pub async fn wait_for_retry(error: &StoreError, attempts: &mut u32) -> bool {
    if !error.is_collision() || *attempts >= RETRIES {
        return false;
    }
    *attempts += 1;
    tokio::time::sleep(Duration::from_millis(10 << *attempts)).await;
    true
}

/// The migrations the database has seen; none only where it has no tables at all.
async fn applied(conn: &mut PgConnection, what: &str) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    let (ours, all): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE table_name = '_sqlx_migrations'), count(*) \
         FROM information_schema.tables WHERE table_schema = current_schema()",
    )
    .fetch_one(&mut *conn)
    .await?;
    match (ours, all) {
        (0, 0) => Ok(Vec::new()),
        (0, _) => Err(StoreError::NotOurs { what: what.to_owned() }),
        (_, all) => {
            let applied: Vec<(i64, Vec<u8>)> = sqlx::query_as(schema::APPLIED).fetch_all(conn).await?;
            // A first migration that was cut short leaves its own table, and nothing else.
            if applied.is_empty() && all > 1 { Err(StoreError::NotOurs { what: what.to_owned() }) } else { Ok(applied) }
        }
    }
}

/// `postgres://user@/name?host=/run/postgresql`, as libpq writes a socket, is no URL: a user needs a
/// host there. The parameter `host` wins over the one that is put in.
fn with_host(url: &str) -> Cow<'_, str> {
    match url.split_once("://").map(|(scheme, rest)| (scheme, rest.split_once('/'))) {
        Some((scheme, Some((user, rest)))) if user.ends_with('@') => {
            Cow::Owned(format!("{scheme}://{user}localhost/{rest}"))
        }
        _ => Cow::Borrowed(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_may_be_named_as_libpq_names_it() {
        let options =
            PgConnectOptions::from_str(&with_host("postgres://mailsyncd@/mail?host=/run/postgresql")).unwrap();
        assert_eq!(options.get_socket(), Some(&"/run/postgresql".into()));
        assert_eq!((options.get_username(), options.get_database()), ("mailsyncd", Some("mail")));
        for url in ["postgres://mailsyncd@db.example/mail", "postgres:///mail?host=/run/postgresql", "postgres://a@b"] {
            assert_eq!(with_host(url), url);
        }
    }
}
