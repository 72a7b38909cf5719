//! Trying again at once what is likely to pass: a busy database, a connection refused under load.
//!
//! Only for faults of seconds. What lasts longer is postponed by the schedule, as data.

use std::{future::Future, time::Duration};

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder, backoff::Backoff as _};

/// How often and how soon something is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Delay before the first repetition, more or less; it doubles.
    pub first: Duration,
    /// Longest delay.
    pub longest: Duration,
    /// Repetitions after the first attempt.
    pub times: u32,
}

impl Retries {
    /// For a database that is locked or restarts: some five seconds.
    pub const DATABASE: Self = Self { first: Duration::from_millis(50), longest: Duration::from_secs(2), times: 7 };
    /// For connecting to a mail server: some two seconds.
    pub const CONNECT: Self = Self { first: Duration::from_millis(500), longest: Duration::from_secs(2), times: 2 };

    fn delays(self) -> ExponentialBackoff {
        ExponentialBackoffBuilder::new()
            .with_initial_interval(self.first)
            .with_max_interval(self.longest)
            .with_multiplier(2.0)
            .with_max_elapsed_time(None)
            .build()
    }
}

/// Does `attempt` until it succeeds, fails with what is not `transient`, or was repeated often enough.
///
/// # Errors
/// The last attempt's.
///
/// # Cancel safety
/// That of `attempt`.
pub async fn retry<T, E, F>(
    retries: Retries,
    transient: impl Fn(&E) -> bool,
    mut attempt: impl FnMut() -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut delays = retries.delays();
    let mut left = retries.times;
    loop {
        // Boxed: what waits around it would else be as large as a log-in, or a transaction, for as long as it waits.
        let error = match Box::pin(attempt()).await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        match delays.next_backoff() {
            Some(delay) if left > 0 && transient(&error) => {
                left -= 1;
                tokio::time::sleep(delay).await;
            }
            Some(_) | None => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::ready};

    use super::*;

    async fn fail(times: u32, transient: bool) -> (Result<u32, &'static str>, u32) {
        let count = Cell::new(0);
        let result = retry(
            Retries::DATABASE,
            |_| transient,
            || {
                count.set(count.get() + 1);
                ready(if count.get() > times { Ok(count.get()) } else { Err("busy") })
            },
        );
        (result.await, count.get())
    }

    #[tokio::test(start_paused = true)]
    async fn tries_again_while_it_may_help() {
        assert_eq!(fail(0, true).await, (Ok(1), 1));
        assert_eq!(fail(3, true).await, (Ok(4), 4));
        assert_eq!(fail(99, true).await, (Err("busy"), 8));
        assert_eq!(fail(99, false).await, (Err("busy"), 1));
    }
}
