//! The composition root: configuration → store → schedule, the signals, and the three phases of an
//! end: nothing starts any more; running cycles finish their batch; what is left is cut. The cut is
//! safe because it is tested: a receive cycle may be dropped at every await.

mod complaint;
mod examination;
mod heartbeat;
mod monitor;
mod service;
mod work;

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{self, error::AdminError},
    base::{clock::Clock, hints::Hints, metrics::Metrics, tasks::Tasks, telemetry},
    config::{Config, ConfigError, Declared},
    means::{
        lockout::Lockout,
        network::{Network, NetworkSettings},
    },
    model::{failure::Failure, ids::NodeId},
    net::tls::{TlsClient, TlsConfigError},
    receive::{imap_source::ImapSources, sources::ServerSources},
    schedule::{agenda::Mode, caretaker::Caretaker, driver::Settings, progress::Progress, summary::Summary},
    store::{Role, Store, StoreError},
};

use heartbeat::Heart;
use monitor::Monitor;
use service::{Request, Signals};
use work::Work;

/// How long running cycles may take to finish their batch after SIGTERM. The unit's `TimeoutStopSec`
/// leaves some seconds more.
const GRACE: Duration = Duration::from_secs(30);
/// What is left after [`GRACE`] may take this long to log out.
const LOG_OUT: Duration = Duration::from_secs(3);
/// How often the status line is renewed and parked connections are looked through.
const HOUSEKEEPING: Duration = Duration::from_secs(10);
/// The database must answer the watchdog within this.
const ANSWER: Duration = Duration::from_secs(10);

/// Why the daemon could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The configuration has problems; the process ends with status 2.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A certificate file of the configuration cannot be used; status 2 as well.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
    /// Logging could not be set up; status 2 as well.
    #[error(transparent)]
    Telemetry(#[from] telemetry::TelemetryError),
    /// The database cannot be used.
    #[error("could not open the database")]
    Store(#[from] StoreError),
    /// The declared records could not be written.
    #[error("could not bring the declared records into the database")]
    Declared(#[source] AdminError),
    /// The operating system gives no signals.
    #[error("could not listen to signals")]
    Signals(#[source] std::io::Error),
    /// The daemon's own trouble ended `run --once`.
    #[error("ended early: {0}")]
    Trouble(Failure),
    /// A defect: a task died without which there is no daemon, above all the schedule's.
    #[error("a part of the daemon died")]
    Died(#[source] tokio::task::JoinError),
}

impl DaemonError {
    /// Whether the configuration is at fault, the database it names included: exit status 2, and no
    /// restart helps.
    pub const fn is_configuration(&self) -> bool {
        use StoreError::{BadUrl, NewerSchema, NotOurs};
        matches!(
            self,
            Self::Config(_)
                | Self::Tls(_)
                | Self::Telemetry(_)
                | Self::Store(BadUrl { .. } | NewerSchema { .. } | NotOurs { .. })
        )
    }
}

/// Runs the daemon: until a signal ends it, or, with [`Mode::Once`], until every mailbox is up to date and
/// what is due is sent.
///
/// # Errors
/// It could not start; or, with [`Mode::Once`], trouble of its own ended it early.
pub async fn run(file: &Path, mode: Mode) -> Result<Summary, DaemonError> {
    let config = Config::load(file)?;
    telemetry::start(config.log.format, &config.log.level)?;
    let extra_ca_files = config.network.extra_ca_files.clone();
    let tls = tokio::task::spawn_blocking(move || TlsClient::new(&extra_ca_files));
    let mut signals = Signals::listen().map_err(DaemonError::Signals)?;
    let clock = Clock::System;
    let opened = Store::open_and_migrate(&config.database_url, Role::Daemon).await;
    let tls = tls.await.map_err(DaemonError::Died)??;
    let (store, migrations) = opened?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config = %config.file.display(),
        backend = store.backend().name(),
        migrations,
        "starting"
    );
    let ended = Daemon::start(config, tls, store.clone(), clock, mode).await?.attend(&mut signals).await;
    store.close().await;
    if let Ok(Summary { left_out: count @ 1.., .. }) = &ended {
        tracing::warn!(count, "mailboxes were left for a later run: each says why: mailsyncd mailbox why ADDRESS");
    }
    match &ended {
        Ok(done) if mode == Mode::Once => tracing::info!(
            cycles = done.cycles,
            count = done.recorded,
            linked = done.linked,
            ignored = done.ignored,
            set_aside = done.set_aside,
            sent = done.sent,
            deferred = done.deferred,
            failed = done.failed,
            in_doubt = done.in_doubt,
            held = done.held,
            failures = done.failures,
            left_out = done.left_out,
            unfinished = done.unfinished,
            "ended"
        ),
        _ => tracing::info!("ended"),
    }
    ended
}

/// A running daemon: its schedule, and what goes with it.
///
/// [`run`] attends it to signals; who steers it by hand has [`Daemon::hints`], [`Daemon::progress`] and [`Daemon::end`].
pub struct Daemon {
    config: Arc<Config>,
    tls: TlsClient,
    store: Store,
    clock: Clock,
    network: Network,
    sources: Arc<ServerSources>,
    settings: watch::Sender<Settings>,
    hints: Hints,
    progress: Progress,
    tasks: Tasks,
    stop: CancellationToken,
    schedule: JoinHandle<Result<Summary, Failure>>,
    heart: Heart,
    monitor: Monitor,
    /// Turns of the schedule when the watchdog last looked.
    turns: u64,
}

impl Daemon {
    /// Brings the declared records into `store` and starts the schedule.
    ///
    /// # Errors
    /// The records could not be written.
    pub async fn start(
        config: Config,
        tls: TlsClient,
        store: Store,
        clock: Clock,
        mode: Mode,
    ) -> Result<Self, DaemonError> {
        let config = reconcile(&store, config, &clock).await?;
        let progress = Progress::new(Metrics::new(store.commits()));
        let (hints, tasks) = (Hints::new(), Tasks::new());
        let lockout = Lockout::new(store.clone(), clock.clone());
        let network = Network::new(tls.clone(), lockout, NetworkSettings::of(&store, &config));
        let imap = ImapSources::new(network.clone(), hints.clone(), tasks.clone(), clock.clone());
        imap.set_push(config.polling.push);
        let sources = Arc::new(ServerSources::new(imap, network.clone(), store.clone()));
        let (settings, in_force) = watch::channel(Settings::of(&config));
        let stop = CancellationToken::new();
        let node = NodeId::generate(clock.now());
        let heart = Heart::start(&tasks, store.clone(), clock.clone(), node, progress.clone(), key_ids(&config));
        examination::start(&tasks, store.clone(), stop.clone());
        if mode == Mode::Daemon {
            let settings = settings.subscribe();
            let caretaker = Caretaker { store: store.clone(), clock: clock.clone(), settings };
            tasks.spawn("caretaker", caretaker.run(stop.clone()));
        }
        let slots = network.slots().clone();
        let mut monitor = Monitor::new(tasks.clone(), store.clone(), clock.clone(), progress.clone(), slots);
        monitor.configure(&config).await;
        let work = Work {
            store: store.clone(),
            clock: clock.clone(),
            node,
            mode,
            network: network.clone(),
            sources: Arc::clone(&sources),
            settings: in_force,
            hints: hints.clone(),
            progress: progress.clone(),
            stop: stop.clone(),
        };
        let schedule = work.start(&tasks, &config);
        Ok(Self {
            config,
            tls,
            store,
            clock,
            network,
            sources,
            settings,
            hints,
            progress,
            tasks,
            stop,
            schedule,
            heart,
            monitor,
            turns: 0,
        })
    }

    /// Where the schedule takes hints.
    pub fn hints(&self) -> &Hints {
        &self.hints
    }

    /// Where metrics and health are shown, if anywhere.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.monitor.address()
    }

    /// What the schedule is at.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Ends it as SIGTERM does: cycles that run end after their batch.
    ///
    /// # Errors
    /// As [`run`].
    pub async fn end(mut self) -> Result<Summary, DaemonError> {
        self.stop.cancel();
        let ended = (&mut self.schedule).await;
        self.say_goodbye(ended).await
    }

    /// Answers signals and the watchdog until the schedule has ended.
    async fn attend(mut self, signals: &mut Signals) -> Result<Summary, DaemonError> {
        service::ready(&self.status());
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        let mut watchdog = service::watchdog_interval().map(tokio::time::interval);
        let ended = loop {
            tokio::select! {
                ended = &mut self.schedule => break ended,
                request = signals.next() => match request {
                    Request::Stop => break self.stop(signals).await,
                    Request::Reload => self.reload().await,
                },
                _ = housekeeping.tick() => {
                    self.sources.imap().sweep();
                    service::status(&self.status());
                }
                () = due(&mut watchdog) => self.feed_watchdog().await,
            }
        };
        self.say_goodbye(ended).await
    }

    async fn say_goodbye(
        mut self,
        ended: Result<Result<Summary, Failure>, tokio::task::JoinError>,
    ) -> Result<Summary, DaemonError> {
        self.stop.cancel();
        self.heart.stop();
        self.monitor.stop();
        self.sources.imap().close_all();
        // Whoever does not answer our goodbye is left without.
        let _ = timeout(LOG_OUT, self.tasks.close_and_wait()).await;
        ended.map_err(DaemonError::Died)?.map_err(DaemonError::Trouble)
    }

    /// Nothing starts any more; what runs may finish, unless asked a second time.
    async fn stop(&mut self, signals: &mut Signals) -> Result<Result<Summary, Failure>, tokio::task::JoinError> {
        service::stopping(GRACE + LOG_OUT);
        tracing::info!(running = self.progress.snapshot().running, "stopping");
        self.stop.cancel();
        loop {
            tokio::select! {
                ended = &mut self.schedule => return ended,
                request = signals.next() => if request == Request::Stop {
                    tracing::warn!("asked to stop a second time: ending at once");
                    self.schedule.abort();
                },
            }
        }
    }

    /// Reads the configuration again. A wrong one changes nothing.
    async fn reload(&mut self) {
        service::reloading();
        match self.take_over().await {
            Ok(()) => tracing::info!(config = %self.config.file.display(), "configuration reloaded"),
            Err(error) => complaint::not_reloaded(&self.config.file, &error),
        }
        service::ready(&self.status());
    }

    async fn take_over(&mut self) -> Result<(), DaemonError> {
        let config = Config::load(&self.config.file)?;
        // What may fail comes before what changes something.
        let tls = TlsClient::new(&config.network.extra_ca_files)?;
        let config = reconcile(&self.store, config, &self.clock).await?;
        self.tls.replace(&tls);
        for (key, changed) in [
            ("database.url", config.database_url != self.config.database_url),
            ("log", config.log != self.config.log),
            ("limits.bytes_in_flight", config.limits.bytes_in_flight != self.config.limits.bytes_in_flight),
        ] {
            if changed {
                tracing::warn!(key, "takes effect at the next start only");
            }
        }
        self.network.reconfigure(NetworkSettings::of(&self.store, &config));
        self.sources.imap().set_push(config.polling.push);
        self.settings.send_replace(Settings::of(&config));
        self.heart.keys(key_ids(&config));
        self.monitor.configure(&config).await;
        self.hints.records();
        self.config = config;
        Ok(())
    }

    /// Fed only if the schedule turned since the last look and the database answers.
    async fn feed_watchdog(&mut self) {
        let turns = self.progress.turns();
        if turns == self.turns {
            complaint::stands_still(turns);
            return;
        }
        // A database that is down is trouble the schedule waits out by itself; one that does not
        // even refuse means that we hang.
        if timeout(ANSWER, self.store.ping()).await.is_err() {
            complaint::no_answer(ANSWER);
            return;
        }
        self.turns = turns;
        service::alive();
    }

    fn status(&self) -> String {
        let at = self.progress.snapshot();
        let connections = self.sources.imap().open_connections();
        let paused = at.paused.as_ref().or(at.strained.as_ref());
        let trouble = paused.map_or_else(String::new, |pause| {
            let what = if pause.is_partial() { "short of resources" } else { "paused" };
            format!("; {what} since {}: {}: {}", pause.since, pause.code, pause.text)
        });
        format!(
            "{} mailboxes, {} outboxes with mail, {} cycles running, {connections} connections, {} profiles held{trouble}",
            at.mailboxes, at.outboxes, at.running, at.held
        )
    }
}

/// The next tick, if there is a clock that ticks.
async fn due(interval: &mut Option<tokio::time::Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// Brings the database in line with the files. What they declare is not needed after that, and with
/// thousands of mailboxes it is most of what a configuration holds.
async fn reconcile(store: &Store, mut config: Config, clock: &Clock) -> Result<Arc<Config>, DaemonError> {
    let reconciled = admin::declared::reconcile(store, &config, clock).await.map_err(|error| match error {
        AdminError::Config(error) => DaemonError::Config(error),
        error => DaemonError::Declared(error),
    })?;
    store.set_raised_severities(&config.alerts.raised).await?;
    for line in reconciled.lines {
        tracing::info!(change = %line, "declared record");
    }
    config.declared = Declared::default();
    Ok(Arc::new(config))
}

/// Identifiers of the keys that stored passwords open with; one that cannot be read now opens none.
fn key_ids(config: &Config) -> Vec<String> {
    config.keyring().map(|keys| keys.ids()).unwrap_or_default()
}
