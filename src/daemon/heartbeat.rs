//! Tells the database again and again that this daemon is at work: commands look there.

use std::time::Duration;

use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    base::{clock::Clock, host, tasks::Tasks},
    model::{
        ids::NodeId,
        presence::{HEARTBEAT, Heartbeat},
        timestamp::Timestamp,
    },
    schedule::progress::Progress,
    store::Store,
};

/// How often is looked whether there is something to tell.
const LOOK: Duration = Duration::from_secs(1);

/// The handle of the task that tells.
pub(super) struct Heart {
    keys: watch::Sender<Vec<String>>,
    stop: CancellationToken,
}

impl Heart {
    /// Begins to beat.
    pub(super) fn start(
        tasks: &Tasks,
        store: Store,
        clock: Clock,
        node: NodeId,
        progress: Progress,
        key_ids: Vec<String>,
    ) -> Self {
        let (keys, known) = watch::channel(key_ids);
        let stop = CancellationToken::new();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let machine = host::name();
        let heartbeat = Heartbeat { node, version, machine, started_at: clock.now(), key_ids: Vec::new(), pause: None };
        tasks.spawn("heartbeat", beat(store, clock, heartbeat, progress, known, stop.clone()));
        Self { keys, stop }
    }

    /// Other keys are in use from now on; told at once.
    pub(super) fn keys(&self, key_ids: Vec<String>) {
        self.keys.send_replace(key_ids);
    }

    /// The last word: this daemon is not at work any more.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }
}

async fn beat(
    store: Store,
    clock: Clock,
    mut heartbeat: Heartbeat,
    progress: Progress,
    mut keys: watch::Receiver<Vec<String>>,
    stop: CancellationToken,
) {
    let mut told: Option<Timestamp> = None;
    while !stop.is_cancelled() {
        let (now, snapshot) = (clock.now(), progress.snapshot());
        let pause = snapshot.paused.or(snapshot.strained);
        let news = pause != heartbeat.pause || keys.has_changed().unwrap_or(false);
        if news || told.is_none_or(|told| told > now || now.since(told) >= HEARTBEAT) {
            heartbeat.key_ids.clone_from(&keys.borrow_and_update());
            heartbeat.pause = pause;
            // The schedule has said already what is the matter with the database.
            match store.beat(&heartbeat, now).await {
                Ok(()) => told = Some(now),
                Err(error) => {
                    told = None;
                    tracing::debug!(%error, "the database was not told that this daemon is at work");
                }
            }
        }
        tokio::select! {
            () = sleep(LOOK) => {}
            Ok(()) = keys.changed() => keys.mark_changed(),
            () = stop.cancelled() => {}
        }
    }
    if let Err(error) = store.leave(heartbeat.node, clock.now()).await {
        tracing::debug!(%error, "the database was not told that this daemon ends");
    }
}
