//! Test & Enable: runs the tests that were asked for, beside the schedule.
//!
//! A test is a row of the database; whoever asks writes it and may watch it. One task looks for those that
//! are due, takes their leases, runs a few at a time, each with its [`Trial`], and writes what
//! [`decide`](decide::decide) makes of it. A lease that is not renewed ends, so that a test survives the
//! death of its daemon: another attempt follows.

pub mod decide;
mod mail;
pub mod trial;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, JoinError},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use self::{
    decide::{decide, refuse, worn_out},
    trial::{Trial, failed, within},
};
use super::{driver::Settings, journal};
use crate::{
    base::{clock::Clock, hints::Hints, tasks::Tasks},
    means::stored,
    model::{
        failure::{Failure, FailureCode, Persistence, Scope},
        ids::{MailboxId, NodeId},
        testing::{ClaimedTest, StageReport, TestSettlement, testable},
    },
    store::{Store, StoreError},
};

/// Tests under way at once, in all and at one host: log-in rates and connection limits hold besides.
const MOST: usize = 10;
const MOST_AT_A_HOST: usize = 3;
/// How often the database is asked what is due.
const TICK: Duration = Duration::from_secs(1);
/// How long a lease holds, and how often it is renewed.
const LEASE: Duration = Duration::from_secs(30);
const RENEWAL: Duration = Duration::from_secs(10);
/// An attempt that has not ended after this is stuck: the looking for a test mail, and much more, fits in.
const LONGEST: Duration = Duration::from_secs(600);

/// Which tests are run, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Whatever is due, until it is stopped.
    All,
    /// Those of these mailboxes, until it is stopped.
    Only(BTreeSet<MailboxId>),
    /// One attempt of whatever is due now; what must be tried again is left to the next run.
    Once,
}

/// Everything that tests are run with.
pub struct Testing<T> {
    /// Where they are asked for and written down.
    pub store: Store,
    /// Who carries an attempt out.
    pub trial: Arc<T>,
    /// The time.
    pub clock: Clock,
    /// Who we are among those that share the database.
    pub node: NodeId,
    /// The configuration; a change takes effect with the next attempt.
    pub settings: watch::Receiver<Settings>,
    /// Who is told that a mailbox was enabled.
    pub hints: Hints,
}

impl<T: Trial> Testing<T> {
    /// Runs tests until `stop`, or, with [`Extent::Once`], until each that is due had an attempt. What is
    /// under way at the stop is cut, and its lease given back: the attempt is made again.
    pub async fn run(self, extent: Extent, stop: CancellationToken) {
        let running = Running {
            store: self.store,
            trial: self.trial,
            clock: self.clock,
            node: self.node,
            settings: self.settings,
            hints: self.hints,
            extent,
            tasks: Tasks::new(),
            flights: FuturesUnordered::new(),
            aloft: BTreeMap::new(),
            done: BTreeSet::new(),
        };
        running.run(stop).await;
    }
}

/// An attempt under way.
struct Aloft {
    test: ClaimedTest,
    /// Where it reads; `None`: nobody knows its server.
    host: Option<String>,
    abort: AbortHandle,
}

type Flight = BoxFuture<'static, (MailboxId, Result<TestSettlement, JoinError>)>;

struct Running<T> {
    store: Store,
    trial: Arc<T>,
    clock: Clock,
    node: NodeId,
    settings: watch::Receiver<Settings>,
    hints: Hints,
    extent: Extent,
    tasks: Tasks,
    flights: FuturesUnordered<Flight>,
    aloft: BTreeMap<MailboxId, Aloft>,
    /// Had their attempt.
    done: BTreeSet<MailboxId>,
}

impl<T: Trial> Running<T> {
    async fn run(mut self, stop: CancellationToken) {
        let mut ticks = [TICK, RENEWAL].map(|period| {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks.reset();
            ticks
        });
        let [tick, renewal] = &mut ticks;
        loop {
            self.start_due().await;
            if self.extent == Extent::Once && self.flights.is_empty() {
                break;
            }
            tokio::select! {
                () = stop.cancelled() => break,
                Some((mailbox, ended)) = self.flights.next() => self.land(mailbox, ended).await,
                _ = tick.tick() => {}
                _ = renewal.tick() => self.renew().await,
            }
        }
        self.end().await;
    }

    async fn start_due(&mut self) {
        if self.aloft.len() >= MOST {
            return;
        }
        let due = match self.store.due_tests(self.clock.now()).await {
            Ok(due) => due,
            Err(error) => return journal::untested(&stored::failure(&error)),
        };
        for (mailbox, host) in due {
            if self.aloft.len() >= MOST {
                return;
            }
            if self.may_start(mailbox, host.as_deref()) {
                self.start(mailbox, host).await;
            }
        }
    }

    fn may_start(&self, mailbox: MailboxId, host: Option<&str>) -> bool {
        let wanted = match &self.extent {
            Extent::All => true,
            Extent::Only(mailboxes) => mailboxes.contains(&mailbox),
            Extent::Once => !self.done.contains(&mailbox),
        };
        let at_host = self.aloft.values().filter(|aloft| aloft.host.as_deref() == host).count();
        wanted && !self.aloft.contains_key(&mailbox) && at_host < MOST_AT_A_HOST
    }

    async fn start(&mut self, mailbox: MailboxId, host: Option<String>) {
        let (store, node, now) = (&self.store, self.node, self.clock.now());
        let test = match stored::patiently(|| store.claim_test(node, mailbox, now, LEASE)).await {
            Ok(Some(test)) => test,
            Ok(None) => return,
            Err(error) => return journal::untested(&stored::failure(&error)),
        };
        self.done.insert(mailbox);
        let organization = self.settings.borrow().organization.clone();
        let flight = fly(Arc::clone(&self.trial), self.store.clone(), self.clock.clone(), test.clone(), organization);
        let handle = self.tasks.spawn("test", flight);
        self.aloft.insert(mailbox, Aloft { test, host, abort: handle.abort_handle() });
        self.flights.push(handle.map(move |ended| (mailbox, ended)).boxed());
    }

    async fn land(&mut self, mailbox: MailboxId, ended: Result<TestSettlement, JoinError>) {
        let Some(Aloft { test, .. }) = self.aloft.remove(&mailbox) else { return };
        let now = self.clock.now();
        let settlement = ended.unwrap_or_else(|_| {
            let failure =
                Failure::new(FailureCode::InternalError, Scope::Mailbox, Persistence::Transient, "the test panicked");
            decide(&test, &failed(&test, &failure), Vec::new(), now)
        });
        let store = &self.store;
        match stored::patiently(|| store.settle_test(&settlement, now)).await {
            Ok(true) => {
                journal::tested(&test, &settlement);
                if !settlement.enabling.is_empty() {
                    self.hints.records();
                }
            }
            // Somebody asked for it anew, decided otherwise or has taken it over: they know better.
            Ok(false) => {}
            Err(error) => journal::untested(&stored::failure(&error)),
        }
    }

    async fn renew(&mut self) {
        if self.aloft.is_empty() {
            return;
        }
        if let Err(error) = self.store.renew_tests(self.node, self.clock.now(), LEASE).await {
            journal::untested(&stored::failure(&error));
        }
    }

    async fn end(self) {
        for aloft in self.aloft.values() {
            aloft.abort.abort();
        }
        self.tasks.close_and_wait().await;
        if let Err(error) = self.store.release_tests(self.node).await {
            journal::unreleased(&stored::failure(&error));
        }
    }
}

/// One attempt: the stages are written as they end, for whoever watches.
async fn fly<T: Trial>(
    trial: Arc<T>,
    store: Store,
    clock: Clock,
    test: ClaimedTest,
    organization: String,
) -> TestSettlement {
    if let Err(why) = testable(&test.mailbox, test.profile.as_ref(), test.run.request) {
        return refuse(&test, &why.to_string());
    }
    if let Some(failure) = worn_out(&test) {
        return decide(&test, &failed(&test, &failure), test.run.stages.clone(), clock.now());
    }
    let (told, heard) = mpsc::unbounded_channel();
    let attempt = within(LONGEST, &test, trial.attempt(test.clone(), organization, told));
    let (attempt, stages) = futures::future::join(attempt, listen(&store, &test, heard)).await;
    decide(&test, &attempt, stages, clock.now())
}

/// Writes down each stage that ends. That nobody can see it now is no reason to fail.
async fn listen(
    store: &Store,
    test: &ClaimedTest,
    mut heard: mpsc::UnboundedReceiver<StageReport>,
) -> Vec<StageReport> {
    let mut stages = test.run.stages.clone();
    while let Some(stage) = heard.recv().await {
        stages.push(stage);
        let noted: Result<(), StoreError> =
            store.note_stages((test.run.mailbox, test.run.run, test.node), &stages).await;
        if let Err(error) = noted {
            tracing::debug!(%error, "the stages of a test could not be written");
        }
    }
    stages
}
