//! The line of work that sends mail.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};

use super::{
    driver::Settings,
    limits::LoginRate,
    line::{Ended, Job, Line},
    pace::{Pace, Paced, Paces},
};
use crate::{
    base::clock::Clock,
    means::{Context, account::Account, budget::Budget},
    model::{failure::Failure, mailbox::Workload, report::Report},
    send::{cycle::send, policy::SendPolicy, sink::Sinks},
    store::Store,
};

/// A cycle begins no mail after its own time limit. A large mail over a slow line, and the ten
/// minutes that a server may take for its answer (RFC 5321 section 4.5.3.2.6), fit into this.
const MARGIN: Duration = Duration::from_secs(3_600);

/// Sends mail through `sinks`.
#[derive(Debug)]
pub struct Sending<K> {
    /// The outbox.
    store: Store,
    /// The time.
    clock: Clock,
    /// Memory for mail, shared by all cycles.
    budget: Budget,
    /// Where cycles get their connections from.
    sinks: Arc<K>,
    /// Who sends slowly.
    paces: Arc<Paces>,
}

impl<K> Sending<K> {
    /// Sends what lies in `store`.
    pub fn new(store: Store, clock: Clock, budget: Budget, sinks: Arc<K>) -> Self {
        Self { store, clock, budget, sinks, paces: Arc::default() }
    }
}

impl<K: Sinks> Line for Sending<K> {
    fn workload(&self) -> Workload {
        Workload::Outgoing
    }

    fn longest(&self, settings: &Settings) -> Duration {
        settings.send_steps.time_limit + MARGIN
    }

    fn cycle(self: Arc<Self>, job: Job) -> BoxFuture<'static, Ended> {
        async move { self.send(job).await }.boxed()
    }
}

impl<K: Sinks> Sending<K> {
    async fn send(&self, job: Job) -> Ended {
        let Job { claimed, profile, settings, logins, leapt_at, stop, .. } = job;
        let policy = SendPolicy::new(&profile, &claimed.mailbox, &settings.sending, settings.send_steps);
        // Where the profile sends no mail any more, the next refresh takes the mailbox off the schedule.
        let Some(mut policy) = policy.filter(|_| !stop.is_cancelled()) else { return Ended::Cut };
        policy.terms.leapt_at = leapt_at;
        let context =
            Context { store: self.store.clone(), clock: self.clock.clone(), budget: self.budget.clone(), stop };
        let pace = self.paces.of(claimed.mailbox.id, &claimed.mailbox.outgoing.care, self.clock.now());
        let sinks = Permitted { sinks: Arc::clone(&self.sinks), logins, pace };
        Ended::Report(Box::new(Report::Sent(send(&context, &claimed, &policy, &sinks).await)))
    }
}

/// Waits for a permit before each log-in.
struct Permitted<K> {
    sinks: Arc<K>,
    logins: LoginRate,
    pace: Option<Pace>,
}

impl<K: Sinks> Sinks for Permitted<K> {
    type Sink = Paced<K::Sink>;
    type Folder = K::Folder;

    async fn take(&self, account: &Account) -> Result<Paced<K::Sink>, Failure> {
        self.logins.permit(&account.endpoint.host).await;
        Ok(Paced::new(self.sinks.take(account).await?, self.pace.clone()))
    }

    async fn sent_folder(&self, account: &Account) -> Result<Option<K::Folder>, Failure> {
        self.logins.permit(&account.endpoint.host).await;
        self.sinks.sent_folder(account).await
    }
}
