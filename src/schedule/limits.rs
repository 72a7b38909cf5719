//! How fast log-ins begin at one host.

use std::{
    num::NonZeroU32,
    sync::{Arc, PoisonError, RwLock},
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

/// Gives permits to log in, so many per second for each host. Clones share the count.
///
/// A host that was left alone for a second may get a second's worth at once.
#[derive(Clone, Debug)]
pub struct LoginRate {
    limiter: Arc<RwLock<Arc<DefaultKeyedRateLimiter<String>>>>,
}

impl LoginRate {
    /// A rate for each host; 0 counts as 1.
    pub fn new(per_second: u32) -> Self {
        Self { limiter: Arc::new(RwLock::new(limiter(per_second))) }
    }

    /// Changes the rate. What was granted before is forgotten.
    pub fn set(&self, per_second: u32) {
        *self.limiter.write().unwrap_or_else(PoisonError::into_inner) = limiter(per_second);
    }

    /// Waits until a log-in at `host` may begin.
    ///
    /// # Cancel safety
    /// Dropping the future takes no permit.
    pub async fn permit(&self, host: &str) {
        let host = host.to_ascii_lowercase();
        loop {
            let limiter = self.current();
            let Err(not_until) = limiter.check_key(&host) else { return };
            tokio::time::sleep(not_until.wait_time_from(DefaultClock::default().now())).await;
        }
    }

    /// Forgets hosts that nobody has logged in at for a while.
    pub fn tidy(&self) {
        self.current().retain_recent();
    }

    fn current(&self) -> Arc<DefaultKeyedRateLimiter<String>> {
        Arc::clone(&self.limiter.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn limiter(per_second: u32) -> Arc<DefaultKeyedRateLimiter<String>> {
    Arc::new(RateLimiter::keyed(Quota::per_second(NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN))))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use futures::{FutureExt, future::join_all};

    use super::*;

    #[tokio::test]
    async fn a_host_gets_its_rate_and_no_other_waits_for_it() {
        let rate = LoginRate::new(20);
        let start = Instant::now();
        join_all((0..30).map(|_| rate.permit("one.example"))).await;
        // 20 at once, 10 more at 50 ms each. Only the lower bound is certain on a busy machine.
        assert!(start.elapsed() >= Duration::from_millis(490), "{:?}", start.elapsed());
        assert!(rate.permit("two.example").now_or_never().is_some());
        assert!(rate.permit("ONE.example").now_or_never().is_none());
        rate.set(1_000);
        assert!(rate.permit("one.example").now_or_never().is_some());
    }
}
