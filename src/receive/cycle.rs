//! One receive cycle: look → plan → open → plan again → list → fetch → parse → judge → commit.

use std::pin::pin;

use futures::future::{Either, select};
use tokio::sync::mpsc;

use crate::{
    means::{Context, stored},
    model::{
        activity::{BatchCommit, Committed, Fence},
        cursor::{Cursor, FolderView, InFlight},
        failure::{Failure, FailureCode, Persistence, Scope},
        lease::Claimed,
        report::CycleReport,
    },
};

use super::{
    cleanup::{Folder, clean_up},
    fetch::{Ahead, Broken, Fetcher},
    plan::{MAXIMUM_STARTS_OVER, Reading, ReceivePlan, StartOverReason, plan},
    policy::ReceivePolicy,
    record::Recorder,
    source::{MailSource, Opened},
    windows::{Window, first_window},
};

/// Brings a mailbox up to date, or as far as limits and failures allow.
///
/// `source` is logged in. It is given to `release` as soon as it is not needed any more, while the
/// last of what it gave is still being recorded, with the word whether there is more to be read;
/// where it is not in good order it is dropped.
///
/// # Cancel safety
/// May be dropped at any await: what was committed stays, at most a batch is fetched again, and the
/// next cycle ends where this one would have.
pub async fn receive<S: MailSource, R: Future<Output = ()> + Send>(
    context: &Context,
    claimed: &Claimed,
    policy: &ReceivePolicy,
    source: S,
    release: impl FnOnce(S, bool) -> R + Send,
) -> CycleReport {
    let (fence, address) = (claimed.fence, claimed.mailbox.email_address.as_str());
    let retries = claimed.retries;
    let mut cycle = Cycle { context, fence, address, policy, retries, report: CycleReport::default() };
    if let Err(failure) = cycle.run(claimed.cursor.clone(), source, release).await {
        cycle.report.failure = Some(failure);
    }
    cycle.report
}

/// Whether the cursor is in the database.
#[derive(Clone, Copy, Debug)]
enum Begun {
    /// Already.
    Before,
    /// It is to be committed before anything else.
    Now,
}

struct Cycle<'a> {
    context: &'a Context,
    fence: Fence,
    address: &'a str,
    policy: &'a ReceivePolicy,
    retries: bool,
    report: CycleReport,
}

impl Cycle<'_> {
    async fn run<S: MailSource, R: Future<Output = ()>>(
        &mut self,
        mut cursor: Option<Cursor>,
        mut source: S,
        release: impl FnOnce(S, bool) -> R,
    ) -> Result<(), Failure> {
        let mut window = Window { first: 1, last: self.policy.steps.window };
        self.report.login_delay = source.login_delay();
        if let Some(known) = &cursor {
            let view = source.look().await?;
            self.report.notice = source.notice();
            self.report.left_out = source.left_out();
            match self.plan(Some(known), &view) {
                ReceivePlan::UpToDate => {
                    self.up_to_date(known.clone()).await?;
                    return self.clean_up_and_release(known, source, Folder::Closed, release).await;
                }
                ReceivePlan::Read(reading) => window = first_window(&reading, &self.policy.steps),
                ReceivePlan::First(_) | ReceivePlan::StartOver(..) | ReceivePlan::UidsNotKept => {}
            }
        }
        // The cheap look may be a cached one: only what the opened folder says counts.
        let Opened { view, listed } = source.open(&window.uids()).await?;
        self.report.notice = source.notice().or(self.report.notice.take());
        self.report.left_out = source.left_out();
        let mut begun = Begun::Before;
        loop {
            match (self.plan(cursor.as_ref(), &view), cursor) {
                (ReceivePlan::First(new), _) => (cursor, begun) = (Some(new), Begun::Now),
                (ReceivePlan::StartOver(reason, new), _) => {
                    self.report.started_over = Some(reason.name());
                    (cursor, begun) = (Some(new), Begun::Now);
                }
                (ReceivePlan::UpToDate, Some(known)) => {
                    self.begin(&known, begun).await?;
                    self.up_to_date(known.clone()).await?;
                    return self.clean_up_and_release(&known, source, Folder::Open, release).await;
                }
                (ReceivePlan::UidsNotKept, Some(known)) => return self.give_up(known).await,
                (ReceivePlan::Read(reading), Some(known)) => {
                    let ahead = listed.map(|listed| Ahead { window, listed });
                    // Boxed, as most cycles read nothing, and thousands of them may be waiting for a server.
                    return Box::pin(self.read((reading, ahead), (known, begun), &view, source, release)).await;
                }
                (ReceivePlan::UpToDate | ReceivePlan::UidsNotKept | ReceivePlan::Read(_), None) => return Ok(()),
            }
        }
    }

    fn plan(&self, cursor: Option<&Cursor>, view: &FolderView) -> ReceivePlan {
        plan(cursor, view, self.policy, self.retries, self.context.clock.now())
    }

    /// Commits a cursor that is new.
    async fn begin(&self, cursor: &Cursor, begun: Begun) -> Result<(), Failure> {
        let store = &self.context.store;
        match begun {
            Begun::Before => Ok(()),
            Begun::Now => stored::patiently(|| store.start_cursor(self.fence, cursor))
                .await
                .map_err(|error| stored::failure(&error)),
        }
    }

    async fn up_to_date(&mut self, cursor: Cursor) -> Result<(), Failure> {
        let starts_over = self.starts_over(&cursor);
        self.save(&cursor, Cursor { starts_over, ..cursor.clone() }).await
    }

    async fn clean_up_and_release<S: MailSource, R: Future<Output = ()>>(
        &mut self,
        cursor: &Cursor,
        mut source: S,
        folder: Folder,
        release: impl FnOnce(S, bool) -> R,
    ) -> Result<(), Failure> {
        let done = clean_up(self.context, self.fence, cursor, self.policy, &mut source, folder).await;
        self.report.deleted = done?;
        release(source, false).await;
        Ok(())
    }

    /// A person has to look. Should the mailbox be enabled again, it has as many visits as at first.
    async fn give_up(&mut self, cursor: Cursor) -> Result<(), Failure> {
        self.save(&cursor, Cursor { starts_over: 0, ..cursor.clone() }).await?;
        let text = format!("the server changed the UIDs of the Inbox {} visits in a row", MAXIMUM_STARTS_OVER + 1);
        Err(Failure::new(FailureCode::UidsNotKept, Scope::Mailbox, Persistence::Permanent, &text))
    }

    /// UIDs have proved to be kept only when a later visit finds the same: a server that renumbers
    /// at every visit would otherwise fill the ledger with a row per message and visit.
    ///
    /// New names over mail that was not there before are no change of names after all: another
    /// program empties the maildrop.
    fn starts_over(&self, cursor: &Cursor) -> u32 {
        match self.report.started_over {
            None => 0,
            Some(why) if why == StartOverReason::UidlsChanged.name() && self.report.recorded > self.report.linked => 0,
            Some(_) => cursor.starts_over,
        }
    }

    /// Runs both halves until the reading is done; fetching goes on while batches are recorded.
    async fn read<S: MailSource, R: Future<Output = ()>>(
        &mut self,
        (reading, ahead): (Reading, Option<Ahead>),
        (cursor, begun): (Cursor, Begun),
        view: &FolderView,
        mut source: S,
        release: impl FnOnce(S, bool) -> R,
    ) -> Result<(), Failure> {
        let (out, fetched) = mpsc::channel(1);
        let mut recorder = Recorder::new(self.context, self.fence, self.address, self.policy, cursor.clone());
        let ended = {
            let fetching = pin!(async {
                let fetcher = Fetcher::new(self.context, self.fence, &cursor, self.policy, &mut source, out);
                let progress = fetcher.run(reading, ahead).await?;
                let deleted = clean_up(self.context, self.fence, &cursor, self.policy, &mut source, Folder::Open).await;
                if deleted.is_ok() {
                    release(source, progress.more).await;
                }
                Ok((progress, deleted))
            });
            let recording = pin!(async {
                // The server need not wait for our disk.
                self.begin(&cursor, begun).await?;
                recorder.run(fetched).await
            });
            match select(fetching, recording).await {
                Either::Left((fetched, recording)) => recording.await.map_err(Broken::from).and(fetched),
                Either::Right((Ok(()), fetching)) => fetching.await,
                Either::Right((Err(failure), _)) => Err(failure.into()),
            }
        };
        self.count(&recorder);
        let (progress, deleted) = match ended {
            Ok(done) => done,
            Err(Broken { failure, suspects }) => {
                self.mark(suspects).await?;
                return Err(failure);
            }
        };
        self.report.more = progress.more;
        if !progress.more {
            let done = Cursor {
                last_uid: recorder.cursor.last_uid.max(progress.covered),
                exists: view.exists,
                compared_at: Some(self.context.clock.now()),
                starting_point: self.policy.starting_point,
                starts_over: self.starts_over(&cursor),
                in_flight: None,
                ..recorder.cursor.clone()
            };
            self.save(&recorder.cursor, done).await?;
        }
        self.report.deleted = deleted?;
        Ok(())
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
        report.mails_failed = recorder.failed.clone();
    }

    /// Writes the cursor where it changed. UIDs that were listed and held nothing are passed in a
    /// transaction like any other.
    async fn save(&mut self, before: &Cursor, after: Cursor) -> Result<(), Failure> {
        let (store, fence) = (&self.context.store, self.fence);
        let written = if after.last_uid != before.last_uid {
            let commit = BatchCommit { entries: Vec::new(), delete: false, again: None, cursor: after };
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
