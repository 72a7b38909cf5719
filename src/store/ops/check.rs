//! Our own invariants that no constraint of the schema can say.

use super::{Conn, Db, Result, text};
use crate::store::{
    codec::Id,
    sql::{self, Sql},
};

/// Fails where a statement does.
pub async fn ping(conn: &mut Conn) -> Result<()> {
    sqlx::query::<Db>(text(sql::PING)).execute(conn).await?;
    Ok(())
}

/// Number of the newest migration applied.
pub async fn schema_version(conn: &mut Conn) -> Result<i64> {
    Ok(sqlx::query_scalar::<Db, i64>(text(sql::SCHEMA_VERSION)).fetch_one(conn).await?)
}

/// One sentence for each violation.
pub async fn invariants(conn: &mut Conn) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for address in names(conn, sql::CHECK_OWNERS).await? {
        found.push(format!("mailbox {address} belongs to a user or queue that does not exist"));
    }
    for address in names(conn, sql::CHECK_CURSORS).await? {
        found.push(format!("mailbox {address} has ledger rows beyond its cursor"));
    }
    for id in ids(conn, sql::CHECK_ACTIVITIES).await? {
        found.push(format!("activity {id} has no row in the ledger"));
    }
    for id in ids(conn, sql::CHECK_SOURCES).await? {
        found.push(format!("activity {id} has no source"));
    }
    for id in ids(conn, sql::CHECK_SENT).await? {
        found.push(format!("activity {id} is sent, but nothing shows that a server took it"));
    }
    for id in ids(conn, sql::CHECK_COMPOSED).await? {
        found.push(format!("activity {id} is composed by half: its Message-ID or its bytes are missing"));
    }
    let defaults = names(conn, sql::CHECK_DEFAULTS).await?;
    if defaults.len() > 1 {
        found.push(format!("more than one default profile: {}", defaults.join(", ")));
    }
    Ok(found)
}

async fn names(conn: &mut Conn, statement: Sql) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar::<Db, String>(text(statement)).fetch_all(conn).await?)
}

async fn ids(conn: &mut Conn, statement: Sql) -> Result<Vec<uuid::Uuid>> {
    let rows: Vec<Id> = sqlx::query_scalar::<Db, Id>(text(statement)).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|id| id.0).collect())
}
