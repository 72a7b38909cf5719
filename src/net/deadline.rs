//! No wait without an end.

use std::{future::Future, time::Duration};

use super::pace::Pace;

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

/// How long each step may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the connection to the end of the TLS handshake.
    pub tls: Duration,
    /// From there to the greeting.
    pub greeting: Duration,
    /// A command that transfers no mail, from its first byte to its answer.
    pub command: Duration,
    /// The goodbye.
    pub logout: Duration,
    /// How slow a transfer of mail may be.
    pub pace: Pace,
}

impl Timeouts {
    /// What suits a profile with this `connection_timeout`: each step the usual limit, or
    /// `connection_timeout` where that is shorter.
    pub fn new(connection_timeout: Duration) -> Self {
        let seconds = |limit| connection_timeout.min(Duration::from_secs(limit));
        Self {
            tls: seconds(10),
            greeting: seconds(30),
            command: connection_timeout,
            logout: seconds(5),
            pace: Pace { silence: seconds(60), window: Duration::from_secs(60), minimum: 60 << 10 },
        }
    }
}
