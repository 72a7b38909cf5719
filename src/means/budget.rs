//! What all cycles together may take: bytes of mail in memory, and processors to work on them.

use std::{num::NonZero, sync::Arc, thread::available_parallelism};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

const UNIT: u64 = 1_024;

/// Shares of memory and of the processors among all cycles; cheap to clone.
#[derive(Clone, Debug)]
pub struct Budget {
    units: Arc<Semaphore>,
    capacity: u32,
    turns: Arc<Semaphore>,
}

/// Bytes taken from the [`Budget`]; dropping gives them back.
#[derive(Debug)]
pub struct Share {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: u64) -> Self {
        let capacity = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        let units = Arc::new(Semaphore::new(usize::try_from(capacity).unwrap_or(Semaphore::MAX_PERMITS)));
        let turns = Arc::new(Semaphore::new(available_parallelism().map_or(1, NonZero::get)));
        Self { units, capacity, turns }
    }

    /// Waits for a share; what is larger than the whole budget gets all of it.
    ///
    /// Who holds a share that it cannot give back while it waits must use [`Budget::try_take`].
    ///
    /// # Cancel safety
    /// Dropping the future takes nothing; the place in the queue is lost.
    pub async fn take(&self, bytes: u64) -> Share {
        Share { _permit: Arc::clone(&self.units).acquire_many_owned(self.units(bytes)).await.ok() }
    }

    /// A share, if there is one now.
    pub fn try_take(&self, bytes: u64) -> Option<Share> {
        let permit = Arc::clone(&self.units).try_acquire_many_owned(self.units(bytes)).ok()?;
        Some(Share { _permit: Some(permit) })
    }

    /// Waits for a processor to work on mail: more threads than there are processors would only
    /// hold more memory at a time.
    ///
    /// # Cancel safety
    /// Dropping the future takes nothing; the place in the queue is lost.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    fn units(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.capacity)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_share_is_given_back_and_the_largest_gets_all() {
        let budget = Budget::new(10 * UNIT);
        let share = budget.take(u64::MAX).await;
        assert!(budget.try_take(1).is_none());
        drop(share);
        let most = budget.try_take(9 * UNIT).unwrap();
        assert!(budget.try_take(UNIT + 1).is_none());
        assert!(budget.try_take(UNIT).is_some());
        drop(most);
        assert!(budget.try_take(0).is_some());
    }

    #[tokio::test]
    async fn as_many_work_at_a_time_as_there_are_processors() {
        let budget = Budget::new(UNIT);
        let processors = available_parallelism().map_or(1, NonZero::get);
        let mut turns = Vec::new();
        for _ in 0..processors {
            turns.push(budget.turn().await);
        }
        assert!(budget.turn().now_or_never().is_none());
        turns.pop();
        assert!(budget.turn().now_or_never().is_some());
    }
}
