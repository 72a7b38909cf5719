//! The one task that writes to SQLite: what is waiting is committed together.
//!
//! A commit to disk costs about the same for one operation as for fifty. So the writer takes what
//! is queued, runs each operation in a savepoint of its own (one that fails is rolled back alone),
//! commits once, and only then answers anybody. An operation whose caller is gone is run all the
//! same: it happens wholly or not at all.

use std::{
    collections::VecDeque,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{TryStreamExt, future::BoxFuture};
use sqlx::{AssertSqlSafe, Connection, Either, Executor, FromRow, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::{
    checkpoints::{self, Checkpoints, Log},
    error::StoreError,
    mails::MailWrite,
    sqlite::ops::mails,
};
use crate::{
    base::{metrics::Latency, tasks::Tasks},
    model::ids::ActivityId,
};

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

/// How long marks and ends of mails wait for others to share their commit, which costs several times
/// as much.
const MOMENT: Duration = Duration::from_micros(300);

/// Tells the callers, once it is known whether the transaction was committed.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// What became of a piece of work.
enum Outcome {
    /// It is written, or it was seen that nothing is to be written.
    Done(Answer),
    /// What it wrote must be undone.
    Failed(StoreError, Answer),
    /// What it wrote must be undone; each of its parts may do better alone.
    Apart(StoreError, Vec<Box<dyn Work>>),
}

/// An operation on its way, with the callers who wait for it.
trait Work: Send {
    /// Runs it after `opening`, which begins what it can be undone to.
    fn run<'c>(self: Box<Self>, conn: &'c mut SqliteConnection, opening: String) -> BoxFuture<'c, Outcome>;

    /// Answers without having run.
    fn refuse(self: Box<Self>, error: StoreError);
}

type Answered<T> = oneshot::Sender<Result<T, StoreError>>;

struct Operation<T, F> {
    operation: F,
    answer: Answered<T>,
}

impl<T, F> Work for Operation<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
{
    fn run<'c>(self: Box<Self>, conn: &'c mut SqliteConnection, opening: String) -> BoxFuture<'c, Outcome> {
        let Self { operation, answer } = *self;
        Box::pin(async move {
            let result = match execute(conn, opening).await {
                Ok(()) => operation(conn).await,
                Err(error) => Err(error),
            };
            let failed = result.as_ref().err().cloned();
            let tell: Answer = Box::new(move |committed| {
                // Nobody may be waiting any more.
                let _ = answer.send(committed.and(result));
            });
            match failed {
                None => Outcome::Done(tell),
                Some(error) => Outcome::Failed(error, tell),
            }
        })
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        let _ = self.answer.send(Err(error));
    }
}

/// Marks and ends of mails, each of another mail: written together.
struct Mails {
    writes: Vec<MailWrite>,
    answers: Vec<Answered<()>>,
}

impl Mails {
    fn one(write: MailWrite, answer: Answered<()>) -> Self {
        Self { writes: vec![write], answers: vec![answer] }
    }

    fn has(&self, activity: ActivityId) -> bool {
        self.writes.iter().any(|write| write.activity() == activity)
    }
}

impl Work for Mails {
    fn run<'c>(self: Box<Self>, conn: &'c mut SqliteConnection, opening: String) -> BoxFuture<'c, Outcome> {
        let Self { writes, answers } = *self;
        Box::pin(async move {
            match mails::write_mails(conn, &opening, &writes).await {
                Ok(results) => Outcome::Done(Box::new(move |committed| {
                    for (answer, result) in answers.into_iter().zip(results) {
                        let _ = answer.send(committed.clone().and(result));
                    }
                })),
                Err(error) if writes.len() > 1 => {
                    let parts = writes.into_iter().zip(answers);
                    Outcome::Apart(
                        error,
                        parts.map(|(write, answer)| -> Box<dyn Work> { Box::new(Self::one(write, answer)) }).collect(),
                    )
                }
                Err(error) => {
                    let result = Err(error.clone());
                    Outcome::Failed(
                        error,
                        Box::new(move |_| {
                            answers.into_iter().for_each(|answer| {
                                let _ = answer.send(result.clone());
                            })
                        }),
                    )
                }
            }
        })
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        self.answers.into_iter().for_each(|answer| {
            let _ = answer.send(Err(error.clone()));
        });
    }
}

/// What a caller wants.
enum Wish {
    Operation(Box<dyn Work>),
    Mail(MailWrite, Answered<()>),
}

struct Queued {
    durability: Durability,
    bytes: usize,
    wish: Wish,
}

/// The work of a group, in its order: what is said of mails one after the other is one piece.
fn pieces(group: Vec<Queued>) -> VecDeque<Box<dyn Work>> {
    let mut pieces: VecDeque<Box<dyn Work>> = VecDeque::new();
    let mut together: Option<Mails> = None;
    for Queued { wish, .. } in group {
        match (wish, &mut together) {
            (Wish::Mail(write, answer), Some(mails)) if !mails.has(write.activity()) => {
                mails.writes.push(write);
                mails.answers.push(answer);
            }
            (wish, _) => {
                pieces.extend(together.take().map(|mails| -> Box<dyn Work> { Box::new(mails) }));
                match wish {
                    Wish::Operation(work) => pieces.push_back(work),
                    Wish::Mail(write, answer) => together = Some(Mails::one(write, answer)),
                }
            }
        }
    }
    pieces.extend(together.map(|mails| -> Box<dyn Work> { Box::new(mails) }));
    pieces
}

/// Where operations are handed in.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Queued>,
    /// The file, to be named where it takes no writes.
    path: Arc<Path>,
}

impl Writer {
    /// Starts the task that owns `conn`. It ends when the last handle is dropped. Between two
    /// statements of a transaction everybody waits for it, so it has a thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        conn: SqliteConnection,
        path: &Path,
        tasks: &Tasks,
        commits: Latency,
        checkpoints: Checkpoints,
    ) -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tasks.spawn_thread("store-writer", serve(conn, waiting, commits, checkpoints))?;
        Ok(Self { queue, path: path.into() })
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
        let wish = Wish::Operation(Box::new(Operation { operation, answer }));
        self.queue.send(Queued { durability, bytes, wish }).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?.map_err(|error| error.of_file(&self.path))
    }

    /// Writes what is to be said of a mail, with what else waits to be said of others, and returns
    /// when it is on the disk.
    ///
    /// # Cancel safety
    /// As [`Writer::run`].
    pub async fn mail(&self, write: MailWrite) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        let queued = Queued { durability: Durability::Durable, bytes: 0, wish: Wish::Mail(write, answer) };
        self.queue.send(queued).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?.map_err(|error| error.of_file(&self.path))
    }
}

/// What waits, as far as one transaction takes it. Those who were told last time of so many mails come
/// again soon, with what the server answers or with their next mail: where fewer wait, they have a
/// moment to do so. This blocks the writer's thread, which has nothing else to do.
fn gather(first: Queued, waiting: &mut mpsc::Receiver<Queued>, last_time: usize) -> Vec<Queued> {
    let mut bytes = first.bytes;
    let (mut group, mut patient) = (vec![first], true);
    while group.len() < MOST_OPERATIONS && bytes < MOST_BYTES {
        match waiting.try_recv() {
            Ok(next) => {
                bytes += next.bytes;
                group.push(next);
            }
            Err(_) if patient && (1..last_time).contains(&mails_in(&group)) => {
                patient = false;
                std::thread::sleep(MOMENT);
            }
            Err(_) => break,
        }
    }
    group
}

fn mails_in(group: &[Queued]) -> usize {
    group.iter().filter(|queued| matches!(queued.wish, Wish::Mail(..))).count()
}

async fn serve(
    mut conn: SqliteConnection,
    mut waiting: mpsc::Receiver<Queued>,
    commits: Latency,
    checkpoints: Checkpoints,
) {
    let mut durability: Option<Durability> = None;
    let mut mails = 0;
    while let Some(first) = waiting.recv().await {
        let group = gather(first, &mut waiting, mails);
        mails = mails_in(&group);
        // As durable as the most demanding of the group.
        let durable = group.iter().any(|queued| queued.durability == Durability::Durable);
        let wanted = if durable { Durability::Durable } else { Durability::Lazy };
        let pieces = pieces(group);
        let begun = Instant::now();
        let opening = format!("{}BEGIN IMMEDIATE", pragma(wanted, durability));
        let Committed { good, log } = commit_together(&mut conn, opening, pieces).await;
        // Where something failed, it may have been the pragma.
        durability = good.then_some(wanted);
        commits.observe(begun.elapsed());
        if log.is_some_and(|log| checkpoints.is_due(log))
            && let Err(error) = execute(&mut conn, checkpoints::PASSIVE.to_owned()).await
        {
            tracing::warn!(%error, "could not bring the database's log into its file");
        }
    }
    if let Err(error) = conn.close().await {
        tracing::warn!(%error, "could not close the database in good order");
    }
}

/// What makes commits as durable as `wanted`; `current` is how durable they are, where that is known.
fn pragma(wanted: Durability, current: Option<Durability>) -> &'static str {
    match wanted {
        _ if current == Some(wanted) => "",
        Durability::Durable => "PRAGMA synchronous = FULL; ",
        Durability::Lazy => "PRAGMA synchronous = NORMAL; ",
    }
}

/// What became of a group.
struct Committed {
    /// Nothing failed.
    good: bool,
    /// What the log holds now; unknown where there was no commit.
    log: Option<Log>,
}

/// Runs a group in a transaction, which `opening` begins, commits it, and answers everybody. What is alone needs no savepoint, which costs a copy of every page that is
/// changed: its failure is that of the transaction.
async fn commit_together(
    conn: &mut SqliteConnection,
    opening: String,
    mut pieces: VecDeque<Box<dyn Work>>,
) -> Committed {
    let mut alone = pieces.len() == 1;
    let mut done: Vec<Answer> = Vec::with_capacity(pieces.len());
    let mut broken: Option<StoreError> = None;
    let mut good = true;
    // Each statement is a wait for SQLite's thread, so what begins an operation is handed over with it:
    // that may be the end of the one before. The commit is the end of the last.
    let mut boundary = if alone { opening } else { format!("{opening}; SAVEPOINT {}", SAVEPOINTS.0) };
    let (mut this, mut next) = SAVEPOINTS;
    while let Some(work) = pieces.pop_front() {
        if let Some(error) = &broken {
            // The transaction is gone: nothing may run outside of one.
            work.refuse(error.clone());
            continue;
        }
        match work.run(conn, std::mem::replace(&mut boundary, format!("SAVEPOINT {this}"))).await {
            Outcome::Done(answer) => {
                boundary = format!("RELEASE {this}; SAVEPOINT {next}");
                std::mem::swap(&mut this, &mut next);
                done.push(answer);
            }
            Outcome::Failed(error, answer) => {
                good = false;
                // A full disk or an I/O error may have rolled everything back; then this fails.
                let undone = !alone && execute(conn, undo(this)).await.is_ok();
                answer(Ok(()));
                if !undone {
                    broken = Some(error);
                }
            }
            Outcome::Apart(error, parts) => {
                good = false;
                let undo = if alone { AFRESH.to_owned() } else { undo(this) };
                // Where nothing can be undone, its error says why.
                broken = execute(conn, undo).await.err().map(|_| error);
                alone = false;
                parts.into_iter().rev().for_each(|part| pieces.push_front(part));
            }
        }
    }
    let outcome = match broken {
        None => commit(conn).await,
        Some(error) => Err(error),
    };
    let (outcome, log) = match outcome {
        Ok(log) => (Ok(()), log),
        Err(error) => (Err(error), None),
    };
    if outcome.is_err() {
        // Where no transaction is open any more this fails, and that is as good.
        let _ = execute(conn, "ROLLBACK".to_owned()).await;
    }
    good &= outcome.is_ok();
    done.into_iter().for_each(|answer| answer(outcome.clone()));
    Committed { good, log }
}

/// Commits, and looks at the log on the way; whatever that look meets, the commit stands.
async fn commit(conn: &mut SqliteConnection) -> Result<Option<Log>, StoreError> {
    let statements = format!("COMMIT; {}", checkpoints::LOOK);
    let mut results = conn.fetch_many(sqlx::query(AssertSqlSafe(statements)));
    results.try_next().await?;
    let Ok(Some(Either::Right(row))) = results.try_next().await else { return Ok(None) };
    Ok(<(i64, i64, i64)>::from_row(&row).ok().map(|(_, pages, home)| Log { pages, home }))
}

/// What operations among others can be undone to, in turn: one that never began is not undone to the
/// beginning of the one before.
const SAVEPOINTS: (&str, &str) = ("one", "other");

/// What was alone and failed leaves nothing, and its parts begin again.
const AFRESH: &str = "ROLLBACK; BEGIN IMMEDIATE";

/// An operation that failed leaves nothing.
fn undo(savepoint: &str) -> String {
    format!("ROLLBACK TO {savepoint}; RELEASE {savepoint}")
}

async fn execute(conn: &mut SqliteConnection, statement: String) -> Result<(), StoreError> {
    sqlx::query(AssertSqlSafe(statement)).execute(conn).await?;
    Ok(())
}
