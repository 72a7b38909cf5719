//! The recording half of a cycle: marks and commits, batch after batch, in order.

use futures::{FutureExt, future::try_join};
use tokio::sync::{mpsc, watch};

use crate::{
    means::{Context, stored},
    model::{
        activity::{BatchCommit, Committed, Fence, LedgerEntry, Verdict},
        cursor::{Cursor, InFlight},
        failure::{Failure, FailureCode},
        report::Tally,
    },
    store::StoreError,
};

use super::{
    batch::message_failure,
    policy::ReceivePolicy,
    prepare::Fetched,
    ready::{Judged, Next, Standing, read_ahead, read_and_judge},
};

/// The marker of one batch and of those `ahead` of it.
fn with(marker: InFlight, ahead: Option<InFlight>) -> InFlight {
    match ahead.filter(|ahead| ahead.attempts == marker.attempts) {
        Some(ahead) => InFlight { first: marker.first.min(ahead.first), last: marker.last.max(ahead.last), ..marker },
        None => marker,
    }
}

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
    /// Why messages were set aside.
    pub failed: Tally,
    /// Bytes of mail that came.
    pub bytes: u64,
    /// Told to who reads ahead.
    standing: watch::Sender<Standing>,
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
        let (committed, failed, standing) = (Committed::default(), Tally::default(), watch::Sender::default());
        Self { context, fence, address, policy, cursor, committed, failed, bytes: 0, standing }
    }

    /// Records what comes until the other half is done.
    ///
    /// # Errors
    /// The database failed. What was committed stays; a marker of this cycle is taken back where
    /// that is still possible, for nothing died.
    pub async fn run(&mut self, mut fetched: mpsc::Receiver<Fetched>) -> Result<(), Failure> {
        let result = self.record_all(&mut fetched).await;
        if self.standing.borrow().marker.is_some() {
            // Where the database is gone, the marker stays: the messages then go one by one next time.
            let _ = self.context.store.mark_in_flight(self.fence, None).await;
        }
        result
    }

    async fn record_all(&mut self, fetched: &mut mpsc::Receiver<Fetched>) -> Result<(), Failure> {
        let (out, ready) = mpsc::channel(1);
        let ahead = read_ahead(self.context, self.policy, fetched, self.standing.subscribe(), out);
        // Only the commit's failure ends both at once.
        try_join(self.commit_all(ready), ahead.map(Ok)).await?.1
    }

    async fn commit_all(&mut self, mut ready: mpsc::Receiver<Next>) -> Result<(), Failure> {
        while let Some(next) = ready.recv().await {
            let judged = match next {
                Next::Judged(judged) => judged,
                Next::Unmarked(batch) => self.judge_marked(batch).await?,
            };
            self.commit(judged).await?;
            self.standing.send_modify(|standing| standing.committed += 1);
        }
        Ok(())
    }

    /// Reads and judges a batch once it is marked. A suspect that survives its parse is suspect no more:
    /// only deaths of the parser count, not those of a machine that is killed again and again.
    async fn judge_marked(&mut self, next: Fetched) -> Result<Judged, Failure> {
        let attempts = next.attempts;
        let parsed = self.mark(&next).await?;
        let judged = read_and_judge(self.context, self.policy, next).await?;
        // One that is only kept was not put to the test: it stays suspect until it has its row.
        if parsed && attempts > 1 {
            self.set_marker(None).await?;
        }
        Ok(judged)
    }

    /// Commits the marker that tells the next start what was being parsed, should this process die of it;
    /// `false` where nothing will be.
    async fn mark(&mut self, next: &Fetched) -> Result<bool, Failure> {
        let Some(marker) = next.marker() else { return Ok(false) };
        self.set_marker(Some(with(marker, next.ahead))).await?;
        Ok(true)
    }

    async fn set_marker(&mut self, marker: Option<InFlight>) -> Result<(), Failure> {
        let store = &self.context.store;
        stored::patiently(|| store.mark_in_flight(self.fence, marker))
            .await
            .map_err(|error| stored::failure(&error))?;
        self.standing.send_modify(|standing| standing.marker = marker);
        Ok(())
    }

    /// Commits one batch, with the marker of what is parsed next.
    async fn commit(&mut self, judged: Judged) -> Result<(), Failure> {
        let Judged { entries, through, again, in_flight, bytes, share } = judged;
        self.bytes += bytes;
        let whole = BatchCommit { again, ..self.batch(entries, through, in_flight) };
        match self.commit_batch(&whole).await {
            Err(error) if stored::blames_content(&error) => self.commit_each(whole, through).await,
            result => result,
        }
        .map_err(|error| stored::failure(&error))?;
        drop(share);
        Ok(())
    }

    fn batch(&self, entries: Vec<LedgerEntry>, through: u32, in_flight: Option<InFlight>) -> BatchCommit {
        let cursor = Cursor {
            last_uid: self.cursor.last_uid.max(through),
            // Rows before the later of the two points may have been skipped until all are judged again.
            starting_point: self.cursor.starting_point.max(self.policy.starting_point),
            in_flight,
            ..self.cursor.clone()
        };
        BatchCommit { entries, delete: self.policy.delete_after.is_some(), again: None, cursor }
    }

    async fn commit_batch(&mut self, commit: &BatchCommit) -> Result<(), StoreError> {
        let (store, now) = (&self.context.store, self.context.clock.now());
        let done = stored::patiently(|| store.commit_batch(self.fence, commit, now)).await?;
        self.standing.send_modify(|standing| standing.marker = commit.cursor.in_flight);
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
        BatchCommit { entries, again, cursor: Cursor { in_flight, .. }, .. }: BatchCommit,
        through: u32,
    ) -> Result<(), StoreError> {
        let here = self.cursor.last_uid;
        let (mut recorded, mut refused) = (false, Vec::new());
        for entry in entries {
            let records = matches!(entry.verdict, Verdict::Record(_));
            match self.commit_batch(&BatchCommit { again, ..self.batch(vec![entry.clone()], here, in_flight) }).await {
                Ok(()) => recorded |= records,
                Err(error) if stored::blames_content(&error) => refused.push((entry, error)),
                Err(error) => return Err(error),
            }
        }
        for (entry, error) in refused {
            // One that is tried again is set aside already, and must not fail the mailbox.
            if !recorded && again.is_none() && !matches!(error, StoreError::Conflict { .. }) {
                return Err(error);
            }
            let verdict = Verdict::SetAside(message_failure(FailureCode::InternalError, &stored::failure(&error).text));
            let entry = LedgerEntry { key: None, message_id: None, verdict, ..entry };
            self.commit_batch(&BatchCommit { again, ..self.batch(vec![entry], here, in_flight) }).await?;
        }
        self.commit_batch(&self.batch(Vec::new(), through, in_flight)).await
    }

    fn warn_of_set_aside(&mut self, entries: &[LedgerEntry]) {
        for entry in entries {
            if let Verdict::SetAside(failure) = &entry.verdict {
                self.failed.add(failure);
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
