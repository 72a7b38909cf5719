//! What the daemon does: the schedule with its two lines, and the tests beside it.

use std::sync::Arc;

use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::GRACE;
use crate::{
    base::{clock::Clock, hints::Hints, tasks::Tasks},
    config::Config,
    means::{budget::Budget, network::Network},
    model::{failure::Failure, ids::NodeId},
    receive::sources::ServerSources,
    schedule::{
        agenda::Mode,
        driver::{Driver, Settings},
        limits::LoginRate,
        progress::Progress,
        reading::Reading,
        sending::Sending,
        summary::Summary,
        testing::{Extent, Testing, trial::NetTrial},
    },
    send::net_sinks::NetSinks,
    store::Store,
};

/// Everything that the work is done with.
pub(super) struct Work {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) node: NodeId,
    pub(super) mode: Mode,
    pub(super) network: Network,
    pub(super) sources: Arc<ServerSources>,
    pub(super) settings: watch::Receiver<Settings>,
    pub(super) hints: Hints,
    pub(super) progress: Progress,
    pub(super) stop: CancellationToken,
}

impl Work {
    /// Starts it; the schedule ends last.
    pub(super) fn start(self, tasks: &Tasks, config: &Config) -> JoinHandle<Result<Summary, Failure>> {
        let logins = LoginRate::new(config.limits.logins_per_host_per_second);
        let testing = Testing {
            store: self.store.clone(),
            trial: Arc::new(NetTrial {
                store: self.store.clone(),
                clock: self.clock.clone(),
                network: self.network.clone(),
                sources: Arc::clone(&self.sources),
                logins: logins.clone(),
            }),
            clock: self.clock.clone(),
            node: self.node,
            settings: self.settings.clone(),
            hints: self.hints.clone(),
        };
        let (mode, stop) = (self.mode, self.stop.clone());
        let driver = self.driver(tasks, config, logins);
        match mode {
            Mode::Daemon => {
                tasks.spawn("tests", testing.run(Extent::All, stop.clone()));
                tasks.spawn("schedule", driver.run(stop))
            }
            // What is tested and enabled now is brought up to date with the others.
            Mode::Once => tasks.spawn("schedule", async move {
                testing.run(Extent::Once, stop.clone()).await;
                driver.run(stop).await
            }),
        }
    }

    fn driver(self, tasks: &Tasks, config: &Config, logins: LoginRate) -> Driver {
        let budget = Budget::new(config.limits.bytes_in_flight);
        let sinks = Arc::new(NetSinks::new(self.network, tasks.clone()));
        let reading = Arc::new(Reading {
            store: self.store.clone(),
            clock: self.clock.clone(),
            budget: budget.clone(),
            sources: self.sources,
        });
        let sending = Arc::new(Sending::new(self.store.clone(), self.clock.clone(), budget, sinks));
        Driver {
            store: self.store,
            lines: vec![reading, sending],
            clock: self.clock,
            node: self.node,
            mode: self.mode,
            settings: self.settings,
            hints: self.hints,
            logins,
            progress: self.progress,
            stop_within: GRACE,
        }
    }
}
