//! After a daemon that was cut off: whether its database is still sound.

use tokio_util::sync::CancellationToken;

use crate::{base::tasks::Tasks, means::stored, store::Store};

/// Looks beside the work: a large file takes minutes, and most are sound. What is found stops the schedule.
pub(super) fn start(tasks: &Tasks, store: Store, stop: CancellationToken) {
    if !store.was_cut_off() {
        return;
    }
    tracing::info!("the daemon before did not end in good order: the database is looked through beside the work");
    tasks.spawn("examination", async move {
        match store.look_through(stop.clone()).await {
            Ok(()) if stop.is_cancelled() => {}
            // The schedule tells of damage.
            Ok(()) if store.damage().is_some() => {}
            Ok(()) => tracing::info!("the database is sound"),
            Err(error) => {
                let failure = stored::failure(&error);
                let (code, words, hint) = (failure.code.name(), failure.text, "run: mailsyncd db check");
                tracing::warn!(code, words, hint, "the database could not be looked through");
            }
        }
    });
}
