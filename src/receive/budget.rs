//! How many bytes of mail all cycles together may hold in memory.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const UNIT: u64 = 1_024;

/// A share of memory among all cycles; cheap to clone.
#[derive(Clone, Debug)]
pub struct Budget {
    units: Arc<Semaphore>,
    capacity: u32,
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
        Self { units: Arc::new(Semaphore::new(usize::try_from(capacity).unwrap_or(Semaphore::MAX_PERMITS))), capacity }
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

    fn units(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.capacity)
    }
}

#[cfg(test)]
mod tests {
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
}
