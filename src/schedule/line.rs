//! The seam between the driver and what it runs: a line of work for each workload.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{driver::Settings, limits::LoginRate};
use crate::model::{
    failure::{Failure, FailureCode, Persistence, Scope},
    lease::Claimed,
    mailbox::Workload,
    profile::ServerProfile,
    report::{CycleReport, Report, SendReport},
    timestamp::Timestamp,
};

/// What the driver runs for one workload. It decides what a cycle does, never when.
pub trait Line: Send + Sync + 'static {
    /// Which workload.
    fn workload(&self) -> Workload;

    /// A cycle that has not ended after this is stuck, and is cut.
    fn longest(&self, settings: &Settings) -> Duration;

    /// One cycle: log-in permit, connection, work, and the connection given back.
    ///
    /// # Cancel safety
    /// May be dropped at any await: nothing is lost and nothing doubled.
    fn cycle(self: Arc<Self>, job: Job) -> BoxFuture<'static, Ended>;
}

/// One cycle to be done.
#[derive(Clone, Debug)]
pub struct Job {
    /// The mailbox and its lease.
    pub claimed: Claimed,
    /// How it is reached.
    pub profile: Arc<ServerProfile>,
    /// The configuration of this moment.
    pub settings: Arc<Settings>,
    /// When the mailbox is likely to be polled again.
    pub interval: Duration,
    /// Permits to log in, shared by all lines.
    pub logins: LoginRate,
    /// When somebody set the clock forward: what was before is no measure of patience.
    pub leapt_at: Option<Timestamp>,
    /// Set when the program stops: nothing further is begun.
    pub stop: CancellationToken,
}

/// How a cycle ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With a report.
    Report(Box<Report>),
    /// Before it reached the server: the program stops.
    Cut,
}

impl Ended {
    /// The end of a cycle of `workload` that did nothing but fail.
    pub fn failed(workload: Workload, failure: Failure) -> Self {
        let failure = Some(failure);
        Self::Report(Box::new(match workload {
            Workload::Incoming => Report::Received(CycleReport { failure, ..CycleReport::default() }),
            Workload::Outgoing => Report::Sent(SendReport { failure, ..SendReport::default() }),
        }))
    }
}

/// Runs a cycle to its end, or to the time when it must be stuck.
pub(super) async fn fly(line: Arc<dyn Line>, job: Job) -> Ended {
    let (workload, longest) = (line.workload(), line.longest(&job.settings));
    match timeout(longest, line.cycle(job)).await {
        Ok(ended) => ended,
        Err(_) => {
            let text = format!("no end within {} seconds", longest.as_secs());
            Ended::failed(workload, own_failure(FailureCode::Timeout, &text))
        }
    }
}

/// A failure of ours that concerns one mailbox.
pub(super) fn own_failure(code: FailureCode, text: &str) -> Failure {
    Failure::new(code, Scope::Mailbox, Persistence::Transient, text)
}
