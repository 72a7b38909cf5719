//! One cycle as a task: log-in permit, source, receive, park.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::limits::LoginRate;
use crate::{
    means::{Context, account::Account},
    model::{
        failure::{Failure, FailureCode, Persistence, Scope},
        lease::Claimed,
        profile::ServerProfile,
        report::CycleReport,
    },
    receive::{cycle::receive, policy::ReceivePolicy, source::Sources},
};

/// A cycle begins no batch after its own time limit; one that has not ended so long after is stuck.
const MARGIN: Duration = Duration::from_secs(300);

/// What all cycles share.
pub(super) struct Shared<S> {
    pub(super) sources: Arc<S>,
    pub(super) context: Context,
    pub(super) logins: LoginRate,
}

/// One cycle to be done.
pub(super) struct Job {
    pub(super) claimed: Claimed,
    pub(super) profile: Arc<ServerProfile>,
    pub(super) policy: ReceivePolicy,
    /// When the mailbox is likely to be polled again, for parking the connection.
    pub(super) interval: Duration,
}

/// How a task ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// With a report.
    Report(CycleReport),
    /// Before it reached the server: the program stops.
    Cut,
}

impl Ended {
    pub(super) fn failed(code: FailureCode, text: &str) -> Self {
        let failure = Failure::new(code, Scope::Mailbox, Persistence::Transient, text);
        Self::Report(CycleReport { failure: Some(failure), ..CycleReport::default() })
    }
}

/// Runs the cycle to its end, or to the time when it must be stuck.
///
/// # Cancel safety
/// May be dropped at any await, as [`receive`] may.
pub(super) async fn fly<S: Sources>(shared: Arc<Shared<S>>, job: Job) -> Ended {
    let longest = job.policy.steps.time_limit + MARGIN;
    match timeout(longest, shared.cycle(&job)).await {
        Ok(ended) => ended,
        Err(_) => Ended::failed(FailureCode::Timeout, &format!("no end within {} seconds", longest.as_secs())),
    }
}

impl<S: Sources> Shared<S> {
    async fn cycle(&self, job: &Job) -> Ended {
        let account = Account::new(&job.profile, &job.claimed.mailbox);
        if !self.sources.is_parked(account.mailbox) {
            tokio::select! {
                biased;
                () = self.context.stop.cancelled() => return Ended::Cut,
                () = self.logins.permit(&account.endpoint.host) => {}
            }
        }
        let source = match self.sources.take(&account).await {
            Ok(source) => source,
            Err(failure) => return Ended::Report(CycleReport { failure: Some(failure), ..CycleReport::default() }),
        };
        let park = |source, more| {
            let next_poll_in = if more { Duration::ZERO } else { job.interval };
            self.sources.park(&account, source, next_poll_in)
        };
        Ended::Report(receive(&self.context, &job.claimed, &job.policy, source, park).await)
    }
}
