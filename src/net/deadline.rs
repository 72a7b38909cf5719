//! No wait without an end.

use std::{future::Future, time::Duration};

/// Something did not happen in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} did not end in time")]
pub struct TimedOut {
    /// What was waited for.
    pub what: &'static str,
}

/// Waits for `future`, but no longer than `limit`.
///
/// # Errors
/// It was not done by then; it is dropped.
///
/// # Cancel safety
/// As safe as `future` is.
pub async fn within<F: Future>(limit: Duration, what: &'static str, future: F) -> Result<F::Output, TimedOut> {
    tokio::time::timeout(limit, future).await.map_err(|_| TimedOut { what })
}
