//! One receive cycle: look → plan → open → plan again → list → fetch → parse → judge → commit.

use std::pin::pin;

use futures::future::{Either, select};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    base::clock::Clock,
    model::{
        activity::{BatchCommit, Committed, Fence},
        cursor::{Cursor, FolderView, InFlight},
        failure::{Failure, FailureCode, Persistence, Scope},
        lease::Claimed,
        report::CycleReport,
    },
    store::Store,
};

use super::{
    budget::Budget,
    fetch::{Broken, Fetcher},
    plan::{MAXIMUM_STARTS_OVER, Reading, ReceivePlan, plan},
    policy::ReceivePolicy,
    record::Recorder,
    source::MailSource,
    stored,
};

/// What all cycles share; cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where it is recorded.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The memory.
    pub budget: Budget,
    /// Set when the program stops: no further batch is begun.
    pub stop: CancellationToken,
}

/// Brings a mailbox up to date, or as far as limits and failures allow.
///
/// `source` is logged in. Afterwards it is in good order (to be parked) only where the report has no
/// failure; else it must be dropped.
///
/// # Cancel safety
/// May be dropped at any await: what was committed stays, at most a batch is fetched again, and the
/// next cycle ends where this one would have. The source must be dropped as well.
pub async fn receive<S: MailSource>(
    context: &Context,
    claimed: &Claimed,
    policy: &ReceivePolicy,
    source: &mut S,
) -> CycleReport {
    let (fence, address) = (claimed.fence, claimed.mailbox.email_address.as_str());
    let mut cycle = Cycle { context, fence, address, policy, source, report: CycleReport::default() };
    if let Err(failure) = cycle.run(claimed.cursor.clone()).await {
        cycle.report.failure = Some(failure);
    }
    cycle.report
}

struct Cycle<'a, S> {
    context: &'a Context,
    fence: Fence,
    address: &'a str,
    policy: &'a ReceivePolicy,
    source: &'a mut S,
    report: CycleReport,
}

impl<S: MailSource> Cycle<'_, S> {
    async fn run(&mut self, mut cursor: Option<Cursor>) -> Result<(), Failure> {
        if let Some(known) = &cursor {
            let view = self.source.look().await?;
            if self.plan(Some(known), &view) == ReceivePlan::UpToDate {
                return self.up_to_date(known.clone()).await;
            }
        }
        // The cheap look may be a cached one: only what the opened folder says counts.
        let view = self.source.open().await?;
        loop {
            match (self.plan(cursor.as_ref(), &view), cursor) {
                (ReceivePlan::First(new), _) => cursor = Some(self.start(new).await?),
                (ReceivePlan::StartOver(reason, new), _) => {
                    self.report.started_over = Some(reason.name());
                    cursor = Some(self.start(new).await?);
                }
                (ReceivePlan::UpToDate, Some(known)) => return self.up_to_date(known).await,
                (ReceivePlan::UidsNotKept, Some(known)) => return self.give_up(known).await,
                (ReceivePlan::Read(reading), Some(known)) => return self.read(reading, known, &view).await,
                (ReceivePlan::UpToDate | ReceivePlan::UidsNotKept | ReceivePlan::Read(_), None) => return Ok(()),
            }
        }
    }

    fn plan(&self, cursor: Option<&Cursor>, view: &FolderView) -> ReceivePlan {
        plan(cursor, view, self.policy, self.context.clock.now())
    }

    async fn start(&mut self, cursor: Cursor) -> Result<Cursor, Failure> {
        let store = &self.context.store;
        stored::patiently(|| store.start_cursor(self.fence, &cursor)).await.map_err(|error| stored::failure(&error))?;
        Ok(cursor)
    }

    async fn up_to_date(&mut self, cursor: Cursor) -> Result<(), Failure> {
        let starts_over = self.starts_over(&cursor);
        self.save(&cursor, Cursor { starts_over, ..cursor.clone() }).await
    }

    /// A person has to look. Should the mailbox be enabled again, it has as many visits as at first.
    async fn give_up(&mut self, cursor: Cursor) -> Result<(), Failure> {
        self.save(&cursor, Cursor { starts_over: 0, ..cursor.clone() }).await?;
        let text = format!("the server changed the UIDs of the Inbox {} visits in a row", MAXIMUM_STARTS_OVER + 1);
        Err(Failure::new(FailureCode::UidsNotKept, Scope::Mailbox, Persistence::Permanent, &text))
    }

    /// UIDs have proved to be kept only when a later visit finds the same: a server that renumbers
    /// at every visit would otherwise fill the ledger with a row per message and visit.
    fn starts_over(&self, cursor: &Cursor) -> u32 {
        if self.report.started_over.is_some() { cursor.starts_over } else { 0 }
    }

    /// Runs both halves until the reading is done; fetching goes on while batches are recorded.
    async fn read(&mut self, reading: Reading, cursor: Cursor, view: &FolderView) -> Result<(), Failure> {
        let (out, fetched) = mpsc::channel(1);
        let mut recorder = Recorder::new(self.context, self.fence, self.address, self.policy, cursor.clone());
        let fetcher = Fetcher::new(self.context, self.fence.mailbox, &cursor, self.policy, &mut *self.source, out);
        let ended = {
            let fetching = pin!(fetcher.run(reading));
            let recording = pin!(recorder.run(fetched));
            match select(fetching, recording).await {
                Either::Left((fetched, recording)) => recording.await.map_err(Broken::from).and(fetched),
                Either::Right((Ok(()), fetching)) => fetching.await,
                Either::Right((Err(failure), _)) => Err(failure.into()),
            }
        };
        self.count(&recorder);
        let progress = match ended {
            Ok(progress) => progress,
            Err(Broken { failure, suspects }) => {
                self.mark(suspects).await?;
                return Err(failure);
            }
        };
        self.report.more = progress.more;
        if progress.more {
            return Ok(());
        }
        let done = Cursor {
            last_uid: recorder.cursor.last_uid.max(progress.covered),
            exists: view.exists,
            compared_at: Some(self.context.clock.now()),
            starting_point: self.policy.starting_point,
            starts_over: self.starts_over(&cursor),
            in_flight: None,
            ..recorder.cursor.clone()
        };
        self.save(&recorder.cursor, done).await
    }

    /// Leaves a marker where the conversation broke: next time the suspects go one by one.
    async fn mark(&mut self, suspects: Option<InFlight>) -> Result<(), Failure> {
        if suspects.is_some() {
            let (store, fence) = (&self.context.store, self.fence);
            let marked = stored::patiently(|| store.mark_in_flight(fence, suspects)).await;
            marked.map_err(|error| stored::failure(&error))?;
        }
        Ok(())
    }

    fn count(&mut self, recorder: &Recorder<'_>) {
        let Committed { recorded, linked, ignored, set_aside } = recorder.committed;
        let report = &mut self.report;
        (report.recorded, report.linked, report.ignored, report.set_aside) = (recorded, linked, ignored, set_aside);
        report.bytes = recorder.bytes;
    }

    /// Writes the cursor where it changed. UIDs that were listed and held nothing are passed in a
    /// transaction like any other.
    async fn save(&mut self, before: &Cursor, after: Cursor) -> Result<(), Failure> {
        let (store, fence) = (&self.context.store, self.fence);
        let written = if after.last_uid != before.last_uid {
            let commit = BatchCommit { entries: Vec::new(), cursor: after };
            let now = self.context.clock.now();
            stored::patiently(|| store.commit_batch(fence, &commit, now)).await.map(drop)
        } else if after != *before {
            stored::patiently(|| store.save_cursor(fence, &after)).await
        } else {
            return Ok(());
        };
        written.map_err(|error| stored::failure(&error))
    }
}
