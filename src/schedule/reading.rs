//! The line of work that reads mail.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};

use super::{
    driver::Settings,
    line::{Ended, Job, Line},
};
use crate::{
    base::clock::Clock,
    means::{Context, account::Account, budget::Budget},
    model::{mailbox::Workload, report::Report},
    receive::{cycle::receive, policy::ReceivePolicy, source::Sources},
    store::Store,
};

/// A cycle begins no batch after its own time limit; one that has not ended so long after is stuck.
const MARGIN: Duration = Duration::from_secs(300);

/// Reads mail through `sources`.
#[derive(Debug)]
pub struct Reading<S> {
    /// Where it is recorded.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Memory for mail, shared by all cycles.
    pub budget: Budget,
    /// Where cycles get their connections from.
    pub sources: Arc<S>,
}

impl<S: Sources> Line for Reading<S> {
    fn workload(&self) -> Workload {
        Workload::Incoming
    }

    fn longest(&self, settings: &Settings) -> Duration {
        settings.steps.time_limit + MARGIN
    }

    fn cycle(self: Arc<Self>, job: Job) -> BoxFuture<'static, Ended> {
        async move { self.read(&job).await }.boxed()
    }
}

impl<S: Sources> Reading<S> {
    async fn read(&self, job: &Job) -> Ended {
        let account = Account::new(&job.profile, &job.claimed.mailbox);
        if !self.sources.is_parked(account.mailbox) {
            tokio::select! {
                biased;
                () = job.stop.cancelled() => return Ended::Cut,
                () = job.logins.permit(&account.endpoint.host) => {}
            }
        }
        let source = match self.sources.take(&account).await {
            Ok(source) => source,
            Err(failure) => return Ended::failed(Workload::Incoming, failure),
        };
        let park = |source, more| {
            let next_poll_in = if more { Duration::ZERO } else { job.interval };
            self.sources.park(&account, source, next_poll_in)
        };
        let (rules, steps) = (Arc::clone(&job.settings.receive), job.settings.steps);
        let policy = ReceivePolicy::new(&job.profile, &job.claimed.mailbox, rules, steps);
        let context = Context {
            store: self.store.clone(),
            clock: self.clock.clone(),
            budget: self.budget.clone(),
            stop: job.stop.clone(),
        };
        Ended::Report(Box::new(Report::Received(receive(&context, &job.claimed, &policy, source, park).await)))
    }
}
