//! Users and queues out of a file, many at once. Everything is decided on before anything is done; doing
//! it again changes nothing.

pub mod rows;

use serde::Serialize;

use self::rows::{BadRow, Rows};
use super::{
    changes::PlannedChange,
    edit::{Desk, Importer, Outcome},
    error::AdminError,
};
use crate::{
    base::clock::Clock,
    config::Config,
    model::{audit::Actor, mailbox::MailboxKind, record::RecordChange},
    store::Store,
};

/// So many changes go into a transaction, and the rest of a row: an owner is not without its mailbox.
const TOGETHER: usize = 500;

/// How to import.
#[derive(Clone, Copy, Debug)]
pub struct Import {
    /// Users or queues.
    pub kind: MailboxKind,
    /// Nothing is done.
    pub dry_run: bool,
    /// Bad rows are left out; else nothing is done where there are any.
    pub skip_bad: bool,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many rows are decided on, of so many.
    Checked(usize, usize),
    /// So many rows are in the database, of so many.
    Written(usize, usize),
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Whether it was a dry run.
    pub dry_run: bool,
    /// Whether it was refused: rows are bad, and were not to be left out.
    pub refused: bool,
    /// Rows in the file.
    pub rows: usize,
    /// Rows that make a user or queue.
    pub new: usize,
    /// Rows that change one.
    pub changed: usize,
    /// Rows that say what is so already.
    pub unchanged: usize,
    /// Rows that are bad.
    pub bad_rows: usize,
    /// What is wrong, in the order of lines.
    pub bad: Vec<BadRow>,
    /// A line for each change that was made, or that would be made without the dry run.
    pub changes: Vec<String>,
}

/// Makes users or queues and their mailboxes of the rows of a file, or changes those that are there: found
/// by their external identifier, else by name.
///
/// # Errors
/// The database did not answer; some of the changes may have been made, and running it again makes the rest.
///
/// # Cancel safety
/// Dropped before it ends, some of the rows are in, each of them wholly.
pub async fn import(
    store: &Store,
    config: &Config,
    clock: &Clock,
    actor: &Actor,
    how: Import,
    rows: Rows,
    mut progress: impl FnMut(Progress),
) -> Result<Imported, AdminError> {
    let now = clock.now();
    let records = store.records().await?;
    let desk = Desk::new(&records, config, now);
    let (mut imported, planned) = plan(&desk, how, rows, &mut progress);
    if imported.refused {
        return Ok(imported);
    }
    imported.changes = planned.iter().flatten().map(PlannedChange::to_string).collect();
    if how.dry_run {
        return Ok(imported);
    }
    let (of, mut written) = (planned.len(), 0);
    for (rows, batch) in batches(planned) {
        let stopped = |error| AdminError::ImportStopped { written, of, error };
        store.apply_decided(&batch, &records, actor, now).await.map_err(stopped)?;
        written += rows;
        progress(Progress::Written(written, of));
    }
    Ok(imported)
}

/// What the rows come to, and the changes of each that makes any.
fn plan(
    desk: &Desk<'_>,
    how: Import,
    rows: Rows,
    progress: &mut impl FnMut(Progress),
) -> (Imported, Vec<Vec<PlannedChange>>) {
    let mut imported = Imported { dry_run: how.dry_run, rows: rows.count(), ..Imported::default() };
    let mut importer = Importer::new(desk, how.kind);
    let mut planned = Vec::new();
    let count = rows.good.len();
    imported.bad = rows.bad;
    for (index, row) in rows.good.iter().enumerate() {
        match importer.row(row) {
            Ok((outcome, changes)) => {
                *match outcome {
                    Outcome::New => &mut imported.new,
                    Outcome::Changed => &mut imported.changed,
                    Outcome::Unchanged => &mut imported.unchanged,
                } += 1;
                planned.extend(Some(changes).filter(|changes| !changes.is_empty()));
            }
            Err(bad) => imported.bad.extend(bad),
        }
        progress(Progress::Checked(index + 1, count));
    }
    imported.bad.sort_by_key(|bad| bad.line);
    imported.bad_rows = imported.rows - imported.new - imported.changed - imported.unchanged;
    imported.refused = !imported.bad.is_empty() && !how.skip_bad;
    (imported, planned)
}

/// Whole rows together, with how many they are.
fn batches(planned: Vec<Vec<PlannedChange>>) -> Vec<(usize, Vec<RecordChange>)> {
    let mut batches: Vec<(usize, Vec<RecordChange>)> = Vec::new();
    for row in planned {
        let changes = row.into_iter().map(|planned| planned.change);
        match batches.last_mut().filter(|(_, batch)| batch.len() < TOGETHER) {
            Some((rows, batch)) => {
                *rows += 1;
                batch.extend(changes);
            }
            None => batches.push((1, changes.collect())),
        }
    }
    batches
}
