//! Mailboxes that send too fast for their provider send evenly and slowly for a day.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

use crate::{
    model::{care::Care, failure::Failure, ids::MailboxId, timestamp::Timestamp},
    send::{
        judge::Answer,
        sink::{Begun, MailSink, Shipment},
    },
};

/// Exchange Online, the strictest of the large ones, takes 30 a minute.
const A_MINUTE: NonZeroU32 = NonZeroU32::new(28).unwrap();

/// How fast one sends.
pub(super) type Pace = Arc<DefaultDirectRateLimiter>;

/// How fast they go who send slowly. Who does, and until when, is remembered with the mailbox.
#[derive(Debug, Default)]
pub(super) struct Paces {
    slow: Mutex<BTreeMap<MailboxId, Pace>>,
}

impl Paces {
    /// How `mailbox` sends, of which the server made us take `care`; `None`: as fast as it can.
    pub(super) fn of(&self, mailbox: MailboxId, care: &Care, now: Timestamp) -> Option<Pace> {
        // Each change is complete before the lock is let go, so a panic elsewhere spoils nothing.
        let mut slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        if !care.is_slow(now) {
            slow.remove(&mailbox);
            return None;
        }
        let even = || Arc::new(RateLimiter::direct(Quota::per_minute(A_MINUTE).allow_burst(NonZeroU32::MIN)));
        Some(Arc::clone(slow.entry(mailbox).or_insert_with(even)))
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_mailbox_that_was_limited_is_slow_until_it_may_be_faster_and_no_other_is() {
        let (paces, now) = (Paces::default(), Timestamp::from_seconds(1_800_000_000));
        let [limited, other] = [1, 2].map(|number| MailboxId(uuid::Uuid::from_u128(number)));
        let slow = Care { slow_until: Some(now.plus(Duration::from_secs(60))), ..Care::default() };
        assert!(paces.of(other, &Care::default(), now).is_none());
        assert!(paces.of(limited, &slow, now).unwrap().check().is_ok());
        let pace = paces.of(limited, &slow, now).unwrap();
        assert!(pace.check().is_err(), "one pace for all its cycles");
        let pace = Paces::default().of(limited, &slow, now).unwrap();
        assert!(pace.check().is_ok());
        let not_until = pace.check().unwrap_err();
        let wait = not_until.wait_time_from(DefaultClock::default().now());
        assert!(wait > Duration::from_secs(1) && wait <= Duration::from_millis(2_150), "{wait:?}");
        assert!(paces.of(limited, &slow, now.plus(Duration::from_secs(60))).is_none());
        assert!(paces.slow.lock().unwrap().is_empty());
    }
}
