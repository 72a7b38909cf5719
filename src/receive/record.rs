//! The recording half of a cycle: marks, prepares, judges and commits, batch after batch, in order.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join;
use tokio::sync::mpsc;

use crate::{
    means::{Context, stored},
    model::{
        activity::{BatchCommit, Committed, Fence, LedgerEntry, Verdict},
        cursor::{Cursor, InFlight},
        failure::{Failure, FailureCode},
        message::MessageKey,
    },
    store::StoreError,
};

use super::{
    batch::message_failure,
    judge::{Facts, Prepared, judge_all, may_be_ours},
    policy::ReceivePolicy,
    prepare::{Fetched, Ready, prepare},
};

/// The recording half.
pub struct Recorder<'a> {
    context: &'a Context,
    fence: Fence,
    /// The mailbox's, for the log.
    address: &'a str,
    policy: &'a ReceivePolicy,
    /// The cursor as committed.
    pub cursor: Cursor,
    /// What was committed.
    pub committed: Committed,
    /// Bytes of mail that came.
    pub bytes: u64,
    /// Whether a marker of this cycle stands in the database.
    marked: bool,
}

impl<'a> Recorder<'a> {
    /// Ready to record from `cursor` on.
    pub fn new(
        context: &'a Context,
        fence: Fence,
        address: &'a str,
        policy: &'a ReceivePolicy,
        cursor: Cursor,
    ) -> Self {
        Self { context, fence, address, policy, cursor, committed: Committed::default(), bytes: 0, marked: false }
    }

    /// Records what comes until the other half is done.
    ///
    /// # Errors
    /// The database failed. What was committed stays; a marker of this cycle is taken back where
    /// that is still possible, for nothing died.
    pub async fn run(&mut self, mut fetched: mpsc::Receiver<Fetched>) -> Result<(), Failure> {
        let result = self.record_all(&mut fetched).await;
        if result.is_err() && self.marked {
            // Where the database is gone, the marker stays: the messages then go one by one next time.
            let _ = self.context.store.mark_in_flight(self.fence, None).await;
        }
        result
    }

    /// While one batch is committed, the next one, if it is there already, is prepared.
    async fn record_all(&mut self, fetched: &mut mpsc::Receiver<Fetched>) -> Result<(), Failure> {
        let mut ready: Option<Ready> = None;
        loop {
            let next = match ready {
                Some(_) => fetched.try_recv().ok(),
                None => fetched.recv().await,
            };
            self.bytes += next.as_ref().map_or(0, Fetched::bytes);
            ready = match (ready.take(), next) {
                (None, None) => return Ok(()),
                (Some(ready), None) => {
                    self.commit(ready, None).await?;
                    None
                }
                (None, Some(next)) => Some(self.prepare_alone(next).await?),
                (Some(ready), Some(next)) if next.attempts > 1 => {
                    self.commit(ready, None).await?;
                    Some(self.prepare_alone(next).await?)
                }
                (Some(ready), Some(next)) => {
                    let marker = self.mark(&next).await?;
                    let preparing = prepare(next, self.policy.rules.clone(), &self.context.budget);
                    let (committed, prepared) = join(self.commit(ready, marker), preparing).await;
                    committed?;
                    Some(prepared?)
                }
            };
        }
    }

    /// Prepares a batch while nothing else goes on. A suspect that survives its parse is suspect no
    /// more: only deaths of the parser count, not those of a machine that is killed again and again.
    async fn prepare_alone(&mut self, next: Fetched) -> Result<Ready, Failure> {
        let attempts = next.attempts;
        let parsed = self.mark(&next).await?.is_some();
        let ready = prepare(next, self.policy.rules.clone(), &self.context.budget).await?;
        // One that is only kept was not put to the test: it stays suspect until it has its row.
        if parsed && attempts > 1 {
            let store = &self.context.store;
            stored::patiently(|| store.mark_in_flight(self.fence, None))
                .await
                .map_err(|error| stored::failure(&error))?;
            self.marked = false;
        }
        Ok(ready)
    }

    /// Commits the marker that tells the next start what was being parsed, should this process die of it.
    async fn mark(&mut self, next: &Fetched) -> Result<Option<InFlight>, Failure> {
        let marker = next.marker();
        if marker.is_some() {
            let store = &self.context.store;
            stored::patiently(|| store.mark_in_flight(self.fence, marker))
                .await
                .map_err(|error| stored::failure(&error))?;
            self.marked = true;
        }
        Ok(marker)
    }

    /// Judges and commits one batch. `in_flight` is being parsed meanwhile.
    async fn commit(&mut self, ready: Ready, in_flight: Option<InFlight>) -> Result<(), Failure> {
        let Ready { batch, through, share } = ready;
        let keys: BTreeSet<MessageKey> = batch.iter().filter_map(Prepared::key).collect();
        let keys: Vec<MessageKey> = keys.into_iter().collect();
        let known = self.facts(&batch, &keys).await.map_err(|error| stored::failure(&error))?;
        let entries = judge_all(batch, known, &self.policy.rules, self.context.clock.now());
        let whole = self.batch(entries, through, in_flight);
        match self.commit_batch(&whole).await {
            Err(error) if stored::blames_content(&error) => self.commit_each(whole.entries, through, in_flight).await,
            result => result,
        }
        .map_err(|error| stored::failure(&error))?;
        drop(share);
        Ok(())
    }

    async fn facts(&self, batch: &[Prepared], keys: &[MessageKey]) -> Result<Facts, StoreError> {
        let store = &self.context.store;
        let activities = stored::patiently(|| store.facts(keys)).await?;
        let ours = batch.iter().filter_map(Prepared::message_id).filter(|id| may_be_ours(id));
        let ours: Vec<String> = ours.map(str::to_owned).collect();
        // Nearly never: not worth a question for each batch.
        let test_mails = match ours.is_empty() {
            true => BTreeMap::new(),
            false => stored::patiently(|| store.test_mails(&ours)).await?,
        };
        Ok(Facts { activities, test_mails })
    }

    fn batch(&self, entries: Vec<LedgerEntry>, through: u32, in_flight: Option<InFlight>) -> BatchCommit {
        let cursor = Cursor {
            last_uid: self.cursor.last_uid.max(through),
            // Rows before the later of the two points may have been skipped until all are judged again.
            starting_point: self.cursor.starting_point.max(self.policy.starting_point),
            in_flight,
            ..self.cursor.clone()
        };
        BatchCommit { entries, delete: self.policy.delete_after.is_some(), cursor }
    }

    async fn commit_batch(&mut self, commit: &BatchCommit) -> Result<(), StoreError> {
        let (store, now) = (&self.context.store, self.context.clock.now());
        let done = stored::patiently(|| store.commit_batch(self.fence, commit, now)).await?;
        self.marked = commit.cursor.in_flight.is_some();
        self.cursor = commit.cursor.clone();
        self.committed.recorded += done.recorded;
        self.committed.linked += done.linked;
        self.committed.ignored += done.ignored;
        self.committed.set_aside += done.set_aside;
        self.warn_of_set_aside(&commit.entries);
        Ok(())
    }

    /// The database refused a batch, perhaps for what is in it: each message alone, and what it
    /// refuses again is set aside. One message must not stop a mailbox; but where it refuses them
    /// all for no reason of theirs, the fault is not the messages'.
    ///
    /// The cursor moves only at the end: until then a repetition finds every row it made.
    async fn commit_each(
        &mut self,
        entries: Vec<LedgerEntry>,
        through: u32,
        in_flight: Option<InFlight>,
    ) -> Result<(), StoreError> {
        let here = self.cursor.last_uid;
        let (mut recorded, mut refused) = (false, Vec::new());
        for entry in entries {
            let records = matches!(entry.verdict, Verdict::Record(_));
            match self.commit_batch(&self.batch(vec![entry.clone()], here, in_flight)).await {
                Ok(()) => recorded |= records,
                Err(error) if stored::blames_content(&error) => refused.push((entry, error)),
                Err(error) => return Err(error),
            }
        }
        for (entry, error) in refused {
            if !recorded && !matches!(error, StoreError::Conflict { .. }) {
                return Err(error);
            }
            let verdict = Verdict::SetAside(message_failure(FailureCode::InternalError, &stored::failure(&error).text));
            let entry = LedgerEntry { key: None, message_id: None, verdict, ..entry };
            self.commit_batch(&self.batch(vec![entry], here, in_flight)).await?;
        }
        self.commit_batch(&self.batch(Vec::new(), through, in_flight)).await
    }

    fn warn_of_set_aside(&self, entries: &[LedgerEntry]) {
        for entry in entries {
            if let Verdict::SetAside(failure) = &entry.verdict {
                tracing::warn!(
                    mailbox = self.address,
                    mailbox.id = %self.fence.mailbox,
                    uid = entry.uid.get(),
                    code = failure.code.name(),
                    words = failure.text,
                    hint = failure.code.hint(),
                    "message set aside"
                );
            }
        }
    }
}
