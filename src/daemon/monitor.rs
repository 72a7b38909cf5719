//! What is shown to those who watch over the daemon: `/metrics`, `/healthz`, `/readyz`.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::Mutex, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{ANSWER, complaint};
use crate::{
    base::{clock::Clock, metrics::Gauges, tasks::Tasks},
    config::Config,
    means::slots::Slots,
    model::alert::Severity,
    net::http::{self, Answer},
    schedule::progress::Progress,
    store::{Pulse, Store},
};

/// What was looked up in the database is shown for so long: however many ask, it is asked no oftener.
const FRESH: Duration = Duration::from_secs(5);
/// A schedule that has not turned for so long stands still.
const STILL: Duration = Duration::from_secs(60);

/// What Prometheus is told that it gets.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is looked at.
pub(super) struct Eyes {
    store: Store,
    clock: Clock,
    progress: Progress,
    slots: Slots,
    /// In milliseconds.
    stale_after: AtomicU64,
    seen: Mutex<Seen>,
}

/// The last look into the database.
#[derive(Default)]
struct Seen {
    at: Option<Instant>,
    pulse: Pulse,
    answered: bool,
}

/// The listener, where there is one.
pub(super) struct Monitor {
    eyes: Arc<Eyes>,
    tasks: Tasks,
    wanted: Option<SocketAddr>,
    listening: Option<(SocketAddr, CancellationToken)>,
}

impl Monitor {
    /// Nothing is shown yet.
    pub(super) fn new(tasks: Tasks, store: Store, clock: Clock, progress: Progress, slots: Slots) -> Self {
        let eyes = Eyes { store, clock, progress, slots, stale_after: AtomicU64::default(), seen: Mutex::default() };
        Self { eyes: Arc::new(eyes), tasks, wanted: None, listening: None }
    }

    /// Takes over what the configuration says.
    pub(super) async fn configure(&mut self, config: &Config) {
        let stale_after = u64::try_from(config.alerts.stale_after.as_millis()).unwrap_or(u64::MAX);
        self.eyes.stale_after.store(stale_after, Ordering::Relaxed);
        self.listen(config.metrics.listen).await;
    }

    /// Listens there from now on, and only there. Where that cannot be, mail goes on all the same.
    async fn listen(&mut self, wanted: Option<SocketAddr>) {
        if self.wanted == wanted && self.listening.is_some() == wanted.is_some() {
            return;
        }
        self.stop();
        self.wanted = wanted;
        let Some(address) = wanted else { return };
        match http::listen(address).await {
            Ok((listener, bound)) => {
                let (stop, eyes) = (CancellationToken::new(), Arc::clone(&self.eyes));
                let handler = move |path: String| {
                    let eyes = Arc::clone(&eyes);
                    async move { eyes.show(&path).await }
                };
                self.tasks.spawn("monitor", http::serve(listener, handler, self.tasks.clone(), stop.clone()));
                tracing::info!(address = %bound, "metrics and health are shown");
                self.listening = Some((bound, stop));
            }
            Err(error) => complaint::not_shown(address, &error),
        }
    }

    /// Where is listened, if anywhere.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.listening.as_ref().map(|(address, _)| *address)
    }

    /// Nothing is shown any more.
    pub(super) fn stop(&mut self) {
        if let Some((_, stop)) = self.listening.take() {
            stop.cancel();
        }
    }
}

impl Eyes {
    async fn show(&self, path: &str) -> Answer {
        match path {
            "/metrics" => {
                let text = self.progress.metrics().render(&self.gauges().await);
                Answer { status: 200, content_type: OPEN_METRICS, body: text }
            }
            "/healthz" => health(self.alive().await),
            "/readyz" => health(self.ready().await),
            _ => Answer::text(404, "/metrics, /healthz or /readyz\n"),
        }
    }

    /// Whether a restart would help.
    async fn alive(&self) -> Result<(), String> {
        if self.progress.still_for().is_some_and(|still| still > STILL) {
            return Err("the schedule stands still".to_owned());
        }
        // A database that refuses is waited for; one that does not even refuse means that we hang.
        match timeout(ANSWER, self.store.ping()).await {
            Ok(_) => Ok(()),
            Err(_) => Err("the database does not answer".to_owned()),
        }
    }

    /// Whether mail is being read and sent.
    async fn ready(&self) -> Result<(), String> {
        self.alive().await?;
        let snapshot = self.progress.snapshot();
        if let Some(pause) = snapshot.paused {
            return Err(format!("paused since {}: {}: {}", pause.since, pause.code, pause.text));
        }
        self.store.ping().await.map_err(|error| format!("the database refuses: {error}"))
    }

    async fn gauges(&self) -> Gauges {
        let now = self.clock.now();
        let mut seen = self.seen.lock().await;
        if seen.at.is_none_or(|at| at.elapsed() >= FRESH) {
            let stale_after = Duration::from_millis(self.stale_after.load(Ordering::Relaxed));
            let looked = timeout(ANSWER, self.store.pulse(now, stale_after)).await;
            seen.answered = matches!(looked, Ok(Ok(_)));
            if let Ok(Ok(pulse)) = looked {
                seen.pulse = pulse;
            }
            seen.at = Some(Instant::now());
        }
        let (snapshot, pulse) = (self.progress.snapshot(), &seen.pulse);
        let age = |time: Option<_>| time.map_or(Duration::ZERO, |time| now.since(time));
        let alerts = |wanted: Severity| {
            pulse.alerts.iter().find(|(severity, _)| *severity == wanted).map_or(0, |(_, alerts)| *alerts)
        };
        let held = pulse.held.iter().map(|held| (held.profile.clone(), held.workload, now.since(held.hold.since)));
        let outbox = &pulse.outbox;
        Gauges {
            paused: snapshot.paused.is_some(),
            database_up: seen.answered,
            running: snapshot.running,
            turns: self.progress.turns(),
            connections: self.slots.open(),
            connections_limit: self.slots.limit_in_all(),
            held: held.collect(),
            mailboxes: pulse.views.named().to_vec(),
            oldest_success: age(pulse.oldest_success),
            outbox: vec![
                ("pending", outbox.pending),
                ("sending", outbox.sending),
                ("in_doubt", outbox.in_doubt),
                ("held", outbox.held),
            ],
            outbox_oldest: age(outbox.oldest_pending),
            alerts: vec![
                ("information", alerts(Severity::Information)),
                ("warning", alerts(Severity::Warning)),
                ("error", alerts(Severity::Error)),
            ],
        }
    }
}

fn health(found: Result<(), String>) -> Answer {
    match found {
        Ok(()) => Answer::text(200, "ok\n"),
        Err(why) => Answer::text(503, why + "\n"),
    }
}
