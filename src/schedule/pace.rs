//! Mailboxes that send too fast for their provider send evenly and slowly for a day.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

use crate::{
    model::{failure::Failure, ids::MailboxId, timestamp::Timestamp},
    send::{
        judge::Answer,
        sink::{Begun, MailSink, Shipment},
    },
};

/// Exchange Online, the strictest of the large ones, takes 30 a minute.
const A_MINUTE: NonZeroU32 = NonZeroU32::new(28).unwrap();
/// For how long.
const SLOW_FOR: Duration = Duration::from_secs(24 * 3_600);

/// How fast one sends.
pub(super) type Pace = Arc<DefaultDirectRateLimiter>;

/// Who sends slowly, and until when.
#[derive(Debug, Default)]
pub(super) struct Paces {
    slow: Mutex<BTreeMap<MailboxId, (Timestamp, Pace)>>,
}

impl Paces {
    /// The provider finds that `mailbox` sends too fast.
    pub(super) fn slow_down(&self, mailbox: MailboxId, now: Timestamp) {
        // Each change is complete before the lock is let go, so a panic elsewhere spoils nothing.
        let mut slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        slow.retain(|_, (until, _)| *until > now);
        let even = || Arc::new(RateLimiter::direct(Quota::per_minute(A_MINUTE).allow_burst(NonZeroU32::MIN)));
        slow.entry(mailbox).or_insert_with(|| (now, even())).0 = now.plus(SLOW_FOR);
    }

    /// How `mailbox` sends; `None`: as fast as it can.
    pub(super) fn of(&self, mailbox: MailboxId, now: Timestamp) -> Option<Pace> {
        let slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        slow.get(&mailbox).filter(|(until, _)| *until > now).map(|(_, pace)| Arc::clone(pace))
    }
}

/// A server that takes mail no faster than its pace.
#[derive(Debug)]
pub(super) struct Paced<S> {
    sink: S,
    pace: Option<Pace>,
}

impl<S> Paced<S> {
    pub(super) const fn new(sink: S, pace: Option<Pace>) -> Self {
        Self { sink, pace }
    }
}

impl<S: MailSink> MailSink for Paced<S> {
    async fn begin(&mut self, shipment: Shipment<'_>) -> Result<Begun, Failure> {
        while let Some(Err(not_until)) = self.pace.as_ref().map(|pace| pace.check()) {
            tokio::time::sleep(not_until.wait_time_from(DefaultClock::default().now())).await;
        }
        self.sink.begin(shipment).await
    }

    async fn body(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.sink.body(bytes).await
    }

    async fn finish(&mut self) -> Result<Answer, Failure> {
        self.sink.finish().await
    }

    fn is_usable(&self) -> bool {
        self.sink.is_usable()
    }

    fn close(self) {
        self.sink.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_that_was_limited_is_slow_for_a_day_and_no_other_is() {
        let (paces, now) = (Paces::default(), Timestamp::from_seconds(1_800_000_000));
        let [limited, other] = [1, 2].map(|number| MailboxId(uuid::Uuid::from_u128(number)));
        paces.slow_down(limited, now);
        assert!(paces.of(other, now).is_none());
        let pace = paces.of(limited, now.plus(SLOW_FOR / 2)).unwrap();
        assert!(pace.check().is_ok());
        let not_until = pace.check().unwrap_err();
        let wait = not_until.wait_time_from(DefaultClock::default().now());
        assert!(wait > Duration::from_secs(1) && wait <= Duration::from_millis(2_150), "{wait:?}");
        assert!(paces.of(limited, now.plus(SLOW_FOR)).is_none());
    }
}
