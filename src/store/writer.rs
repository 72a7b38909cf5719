//! The one task that writes to SQLite: what is waiting is committed together.
//!
//! A commit to disk costs about the same for one operation as for fifty. So the writer takes what
//! is queued, runs each operation in a savepoint of its own (one that fails is rolled back alone),
//! commits once, and only then answers anybody. An operation whose caller is gone is run all the
//! same: it happens wholly or not at all.

use futures::future::BoxFuture;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::error::StoreError;
use crate::base::tasks::Tasks;

/// What an operation promises once it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It survives a loss of power.
    Durable,
    /// It survives the death of the process; a loss of power may take the last seconds.
    Lazy,
}

/// Operations that may wait for the writer; further callers wait to get in.
const QUEUE: usize = 256;
/// The most operations of one transaction.
const MOST_OPERATIONS: usize = 64;
/// No further operation joins a transaction that writes this many bytes of mail.
const MOST_BYTES: usize = 8 << 20;

/// Tells the caller, once it is known whether the transaction was committed.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// An operation on its way, with the caller who waits for it.
trait Work: Send {
    /// Runs it. Gives the error, if it failed, and who is to be told.
    fn run(self: Box<Self>, conn: &mut SqliteConnection) -> BoxFuture<'_, (Option<StoreError>, Answer)>;

    /// Answers without having run.
    fn refuse(self: Box<Self>, error: StoreError);
}

struct Operation<T, F> {
    operation: F,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Work for Operation<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
{
    fn run(self: Box<Self>, conn: &mut SqliteConnection) -> BoxFuture<'_, (Option<StoreError>, Answer)> {
        let Self { operation, answer } = *self;
        let running = operation(conn);
        Box::pin(async move {
            let result = running.await;
            let failed = result.as_ref().err().cloned();
            let tell: Answer = Box::new(move |committed| {
                // Nobody may be waiting any more.
                let _ = answer.send(committed.and(result));
            });
            (failed, tell)
        })
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        let _ = self.answer.send(Err(error));
    }
}

struct Queued {
    durability: Durability,
    bytes: usize,
    work: Box<dyn Work>,
}

/// Where operations are handed in.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Queued>,
}

impl Writer {
    /// Starts the task that owns `conn`. It ends when the last handle is dropped.
    pub fn start(conn: SqliteConnection, tasks: &Tasks) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tasks.spawn("store-writer", serve(conn, waiting));
        Self { queue }
    }

    /// Runs `operation` in a transaction and returns when that is committed. `bytes` is about how
    /// much it writes.
    ///
    /// # Cancel safety
    /// Dropped before the operation was queued: nothing happens. Dropped later: it happens wholly
    /// or, if it fails, not at all.
    pub async fn run<T, F>(&self, durability: Durability, bytes: usize, operation: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let work = Box::new(Operation { operation, answer });
        self.queue.send(Queued { durability, bytes, work }).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

async fn serve(mut conn: SqliteConnection, mut waiting: mpsc::Receiver<Queued>) {
    let mut durability = Durability::Durable;
    while let Some(first) = waiting.recv().await {
        let mut bytes = first.bytes;
        let mut group = vec![first];
        while group.len() < MOST_OPERATIONS && bytes < MOST_BYTES {
            let Ok(next) = waiting.try_recv() else { break };
            bytes += next.bytes;
            group.push(next);
        }
        // As durable as the most demanding of the group.
        let durable = group.iter().any(|queued| queued.durability == Durability::Durable);
        let wanted = if durable { Durability::Durable } else { Durability::Lazy };
        match begin(&mut conn, wanted, &mut durability).await {
            Ok(()) => commit_together(&mut conn, group).await,
            Err(error) => group.into_iter().for_each(|queued| queued.work.refuse(error.clone())),
        }
    }
    if let Err(error) = conn.close().await {
        tracing::warn!(%error, "could not close the database in good order");
    }
}

/// Begins a transaction; `current` is how durable the connection's commits are.
async fn begin(conn: &mut SqliteConnection, wanted: Durability, current: &mut Durability) -> Result<(), StoreError> {
    if wanted != *current {
        let pragma = match wanted {
            Durability::Durable => "PRAGMA synchronous = FULL",
            Durability::Lazy => "PRAGMA synchronous = NORMAL",
        };
        execute(conn, pragma).await?;
        *current = wanted;
    }
    execute(conn, "BEGIN IMMEDIATE").await
}

/// Runs a group in the transaction that was begun, commits it, and answers everybody.
async fn commit_together(conn: &mut SqliteConnection, group: Vec<Queued>) {
    let mut done: Vec<Answer> = Vec::with_capacity(group.len());
    let mut broken: Option<StoreError> = None;
    let in_company = group.len() > 1;
    // Each statement is a wait for SQLite's thread, so one says the end of an operation and the
    // beginning of the next. The commit is the end of the last.
    let mut boundary = "SAVEPOINT operation";
    for Queued { work, .. } in group {
        if let Some(error) = &broken {
            // The transaction is gone: nothing may run outside of one.
            work.refuse(error.clone());
            continue;
        }
        if in_company && let Err(error) = execute(conn, boundary).await {
            work.refuse(error.clone());
            broken = Some(error);
            continue;
        }
        let (failed, answer) = work.run(conn).await;
        match failed {
            None => {
                boundary = "RELEASE operation; SAVEPOINT operation";
                done.push(answer);
            }
            Some(error) => {
                // A full disk or an I/O error may have rolled everything back; then this fails.
                let undone = in_company && execute(conn, "ROLLBACK TO operation; RELEASE operation").await.is_ok();
                boundary = "SAVEPOINT operation";
                answer(Ok(()));
                if !undone {
                    broken = Some(error);
                }
            }
        }
    }
    let outcome = match broken {
        None => execute(conn, "COMMIT").await,
        Some(error) => Err(error),
    };
    if outcome.is_err() {
        // Where no transaction is open any more this fails, and that is as good.
        let _ = execute(conn, "ROLLBACK").await;
    }
    done.into_iter().for_each(|answer| answer(outcome.clone()));
}

async fn execute(conn: &mut SqliteConnection, statement: &'static str) -> Result<(), StoreError> {
    sqlx::query(statement).execute(conn).await?;
    Ok(())
}
