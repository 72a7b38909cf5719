//! Batches are read and judged ahead of those that are being committed: while the disk is waited for, the
//! processors have something to do.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::{mpsc, watch};

use crate::{
    means::{Context, budget::Share, stored},
    model::{
        activity::LedgerEntry,
        cursor::{InFlight, Numbering},
        failure::Failure,
        message::MessageKey,
    },
    store::StoreError,
};

use super::{
    judge::{Facts, Prepared, judge_all, may_be_ours},
    policy::ReceivePolicy,
    prepare::{Fetched, Ready, prepare},
};

/// A batch whose rows are decided.
#[derive(Debug)]
pub struct Judged {
    /// Its rows, ascending.
    pub entries: Vec<LedgerEntry>,
    /// See [`Batch`](super::batch::Batch).
    pub through: u32,
    /// See [`Fetched`].
    pub again: Option<Numbering>,
    /// The marker of what is parsed next.
    pub in_flight: Option<InFlight>,
    /// Bytes of mail that came.
    pub bytes: u64,
    /// The memory it takes.
    pub share: Share,
}

/// What is handed to the recording half.
#[derive(Debug)]
pub enum Next {
    /// To be committed.
    Judged(Judged),
    /// Its marker is to be committed before it is parsed; all before it are committed.
    Unmarked(Fetched),
}

/// How far the recording half is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    /// The marker of this cycle that stands in the database.
    pub marker: Option<InFlight>,
    /// How many batches were committed.
    pub committed: u64,
}

/// Reads and judges what comes, each batch as soon as its marker stands in the database, and hands it over
/// in order. It ends with `fetched`, or when nobody takes what it hands over.
///
/// # Errors
/// The database cannot be read. What was handed over before is complete.
pub async fn read_ahead(
    context: &Context,
    policy: &ReceivePolicy,
    fetched: &mut mpsc::Receiver<Fetched>,
    mut standing: watch::Receiver<Standing>,
    out: mpsc::Sender<Next>,
) -> Result<(), Failure> {
    let mut handed_over = 0;
    while let Some(batch) = fetched.recv().await {
        let next = match batch.marker() {
            Some(wanted) if !is_marked(wanted, handed_over, &mut standing).await => Next::Unmarked(batch),
            Some(_) | None => Next::Judged(read_and_judge(context, policy, batch).await?),
        };
        if out.send(next).await.is_err() {
            break;
        }
        handed_over += 1;
    }
    Ok(())
}

/// Whether `wanted` is marked, once it is, or will not be by any commit of what was handed over.
async fn is_marked(wanted: InFlight, handed_over: u64, standing: &mut watch::Receiver<Standing>) -> bool {
    loop {
        let Standing { marker, committed } = *standing.borrow_and_update();
        if marker.is_some_and(|marker| covers(marker, wanted)) {
            return true;
        }
        if committed >= handed_over || standing.changed().await.is_err() {
            return false;
        }
    }
}

/// Whether what `wanted` names is named by `marker` too.
fn covers(marker: InFlight, wanted: InFlight) -> bool {
    marker.attempts == wanted.attempts && marker.first <= wanted.first && wanted.last <= marker.last
}

/// Reads and judges a batch. What is being recorded meanwhile is not among the facts: the commit sees
/// it, and links to it.
///
/// # Errors
/// The database cannot be read, or the program ends.
pub async fn read_and_judge(context: &Context, policy: &ReceivePolicy, fetched: Fetched) -> Result<Judged, Failure> {
    let ready = prepare(fetched, policy.rules.clone(), &context.budget).await?;
    let Ready { batch, through, again, ahead: in_flight, bytes, share } = ready;
    let known = facts(context, &batch).await.map_err(|error| stored::failure(&error))?;
    let entries = judge_all(batch, known, &policy.rules, context.clock.now());
    Ok(Judged { entries, through, again, in_flight, bytes, share })
}

async fn facts(context: &Context, batch: &[Prepared]) -> Result<Facts, StoreError> {
    let store = &context.store;
    let keys: BTreeSet<MessageKey> = batch.iter().filter_map(Prepared::key).collect();
    let keys: Vec<MessageKey> = keys.into_iter().collect();
    let activities = stored::patiently(|| store.facts(&keys)).await?;
    let ours = batch.iter().filter_map(Prepared::message_id).filter(|id| may_be_ours(id));
    let ours: Vec<String> = ours.map(str::to_owned).collect();
    // Nearly never: not worth a question for each batch.
    let test_mails = match ours.is_empty() {
        true => BTreeMap::new(),
        false => stored::patiently(|| store.test_mails(&ours)).await?,
    };
    Ok(Facts { activities, test_mails })
}
