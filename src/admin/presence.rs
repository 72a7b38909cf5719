//! Whether anybody does the work.

use crate::{
    model::{
        failure::FailureCode,
        presence::{DaemonState, Pause, daemon_state, none_runs},
        room::Room,
        timestamp::Timestamp,
    },
    store::{Store, StoreError},
};

/// What daemons wrote down of themselves; and where the disk is so full that none can, that it is.
///
/// # Errors
/// The database did not answer.
pub async fn daemon(store: &Store, now: Timestamp) -> Result<DaemonState, StoreError> {
    let daemons = store.daemons().await?;
    if store.has_daemon() == Some(false) {
        return Ok(none_runs(&daemons));
    }
    let state = daemon_state(&daemons, now);
    let DaemonState::Silent { since } = state else { return Ok(state) };
    Ok(match store.room().await.filter(|room: &Room| room.is_low()) {
        Some(room) => {
            let text = format!("the disk of the database is full, no daemon can write that it is at work: {room}");
            DaemonState::Paused(Pause { since, code: FailureCode::DiskFull, text })
        }
        None => DaemonState::Silent { since },
    })
}
