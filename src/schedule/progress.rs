//! What the schedule is at, for the watchdog and for people.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{base::metrics::Metrics, model::presence::Pause};

/// A look at the running schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Mailboxes that are read.
    pub mailboxes: usize,
    /// Mailboxes that have mail to send.
    pub outboxes: usize,
    /// Cycles that run.
    pub running: u32,
    /// Profiles that are held, for reading and for sending each.
    pub held: usize,
    /// Since when nothing starts because the daemon itself is in trouble, and why.
    pub paused: Option<Pause>,
    /// Since when less runs at a time than it should because its machine gives too little, and why.
    pub strained: Option<Pause>,
}

/// Shared between the driver, which reports, and the daemon, which looks. Clones share one.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    metrics: Metrics,
    turns: Arc<AtomicU64>,
    snapshot: Arc<Mutex<Snapshot>>,
    turned_at: Arc<Mutex<Option<Instant>>>,
}

impl Progress {
    /// What is counted goes to `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, ..Self::default() }
    }

    /// The recorder of the driver.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Turns of the driver's loop so far. It turns at least every second, unless it is stuck or
    /// the database is: where this stands still, no watchdog may be fed.
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// For how long it has not turned; `None`: it never has.
    pub fn still_for(&self) -> Option<Duration> {
        let turned_at = *self.turned_at.lock().unwrap_or_else(PoisonError::into_inner);
        turned_at.map(|at| at.elapsed())
    }

    /// What it is at.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn turned(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.snapshot.lock().unwrap_or_else(PoisonError::into_inner));
        *self.turned_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.turns.fetch_add(1, Ordering::Relaxed);
    }
}
