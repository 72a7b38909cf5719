//! All SQL, and nothing but SQL.
//!
//! [`Store`] speaks to SQLite or PostgreSQL; callers see no difference. Every write is one
//! transaction. Time comes as a parameter. Operations are written once (`ops`) and compiled for
//! each database; the texts of the statements are in `sql`, the few words that differ beside each other.
//!
//! Invariants: a cursor moves only in the transaction that records; whatever a cycle writes is
//! fenced by its lease; running the same commit again changes nothing; nobody is told of a success
//! before it is on disk (or, for what is called lazy, in the hands of the operating system).
#![allow(clippy::duplicate_mod, reason = "`ops` is compiled once for each database")]

mod alerts;
mod around;
mod audit;
mod batch;
mod checkpoints;
mod codec;
mod copies;
mod error;
mod fresh;
mod mails;
mod names;
mod postgres;
mod quick_check;
mod rows;
mod schema;
mod script;
mod snapshot;
mod sql;
mod sqlite;
mod stuck;
mod views;
mod writer;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

pub use alerts::{AlertDetail, AlertFilter, DaemonAlert, Health, Stale, Unwanted};
pub use around::{HeldLease, Pulse, Surroundings, WaitingMail};
pub use audit::{AuditFilter, AuditRow};
pub use copies::{Aside, KnownCopy, KnownVerdict, RetryRequest};
pub use error::StoreError;
#[doc(hidden)]
pub use sql::{ALL as STATEMENTS, Sql};
pub use stuck::Stuck;
pub use views::{
    ActivityDetail, ActivityFilter, ActivityRow, AttachmentRow, Delivery, Examined, HeldProfile, LateMailbox,
    MailboxCounts, OpenAlert, OutboxCounts, PartyRow, SeenIn, SetAsideRow, StatusView, TroubledMailbox,
};

use self::{
    batch::Batch,
    postgres::PgStore,
    snapshot::Basis,
    sqlite::SqliteStore,
    writer::Durability::{Durable, Lazy},
};
use crate::model::{
    activity::{BatchCommit, Committed, Fence, NewSource},
    alert::AlertChange,
    audit::Actor,
    cursor::{Cursor, InFlight, ListedMessage, Numbering},
    ids::{ActivityId, MailboxId, NodeId, ProfileId},
    lease::{Claimed, ProfileHold, ScheduleEntry, Settlement},
    mailbox::Workload,
    message::{MessageKey, Sha256},
    profile::ServerProfile,
    record::{CredentialSource, RecordChange, Records, SealedSecret, SecretOwner},
    timestamp::Timestamp,
    uid::Uid,
};

/// As what the database is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The daemon: the only one on a SQLite file.
    Daemon,
    /// A command, beside a daemon or without.
    Tool,
}

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

impl Backend {
    /// The name in `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

enum Inner {
    Sqlite(SqliteStore),
    Postgres(PgStore),
}

/// An open database. Clones share it.
///
/// # Cancel safety
/// Any future of it may be dropped at any time: the operation then happens wholly or not at all.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("backend", &self.backend()).finish_non_exhaustive()
    }
}

/// Runs a reading operation: `read!(self, module::operation(arguments…))`.
macro_rules! read {
    ($store:ident, $module:ident :: $operation:ident ( $($argument:expr),* )) => {
        match &*$store.inner {
            Inner::Sqlite(db) => sqlite::ops::$module::$operation(&mut *db.reader().await?, $($argument),*).await,
            Inner::Postgres(db) => postgres::ops::$module::$operation(&mut *db.reader().await?, $($argument),*).await,
        }
    };
}

/// Runs a writing operation in a transaction:
/// `write!(self, Durable or Lazy, bytes, module::operation(name = value, …))`. On PostgreSQL the
/// values are made again for every attempt.
macro_rules! write {
    ($store:ident, $durability:ident, $bytes:expr,
     $module:ident :: $operation:ident ( $($name:ident = $value:expr),* )) => {
        match &*$store.inner {
            Inner::Sqlite(db) => {
                let ($($name,)*) = ($($value,)*);
                let writer = db.writer()?;
                let operation = writer.run($durability, $bytes, move |conn| {
                    Box::pin(sqlite::ops::$module::$operation(conn, $($name),*))
                });
                operation.await
            }
            Inner::Postgres(db) => on_postgres!(db, $durability, $module::$operation($($value),*)),
        }
    };
}

/// Runs a writing operation in a transaction on PostgreSQL, again where it collided with another.
macro_rules! on_postgres {
    ($db:ident, $durability:ident, $module:ident :: $operation:ident ( $($value:expr),* )) => {{
        let mut attempts = 0;
        loop {
            let attempt = async {
                let begun = std::time::Instant::now();
                let mut transaction = $db.begin($durability).await?;
                let done = postgres::ops::$module::$operation(&mut transaction, $($value),*).await?;
                transaction.commit().await?;
                $db.commits.observe(begun.elapsed());
                Ok(done)
            };
            match attempt.await {
                Err(error) if postgres::wait_for_retry(&error, &mut attempts).await => {}
                result => break result,
            }
        }
    }};
}

mod api;

/// A database address without the password it may contain.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    }
}
