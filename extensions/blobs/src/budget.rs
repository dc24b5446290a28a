//! Memory that readers and writers share: a number of bytes that may be held at a time. Whoever wants to hold a part takes its size first, and
//! waits where the rest is in use, or does without.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that one permit of the semaphore stands for: counting bytes singly would overflow its 32-bit requests.
const UNIT: u64 = 4096;
/// The budget of who states none: 16 parts of 8 MiB twice over.
pub const DEFAULT_BUDGET: u64 = 256 << 20;

/// A bound on the memory of all readers and writers that have a clone of it.
#[derive(Debug, Clone)]
pub struct Budget {
    units: Arc<Semaphore>,
    total: u64,
}

/// Bytes taken from a budget; given back when dropped.
#[derive(Debug)]
pub struct Share {
    _permit: OwnedSemaphorePermit,
}

impl Budget {
    /// At most `bytes` in use; at least 16 MiB, so that one reader and one writer can go on.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let total = bytes.max(16 << 20);
        Self { units: Arc::new(Semaphore::new(usize::try_from(total / UNIT).unwrap_or(Semaphore::MAX_PERMITS))), total }
    }

    /// What it is in all, in bytes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// What nobody holds, in bytes.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.units.available_permits() as u64 * UNIT
    }

    fn units(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT).min(self.total / UNIT)).unwrap_or(u32::MAX)
    }

    /// Takes `bytes`, waiting for them. More than the whole budget counts as the whole.
    pub async fn take(&self, bytes: u64) -> Share {
        let permit = Arc::clone(&self.units).acquire_many_owned(self.units(bytes)).await.expect("the semaphore is never closed");
        Share { _permit: permit }
    }

    /// Takes `bytes` if they are free now.
    #[must_use]
    pub fn try_take(&self, bytes: u64) -> Option<Share> {
        Arc::clone(&self.units).try_acquire_many_owned(self.units(bytes)).ok().map(|permit| Share { _permit: permit })
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(DEFAULT_BUDGET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_taken_comes_back() {
        let budget = Budget::new(16 << 20);
        let first = budget.take(12 << 20).await;
        assert!(budget.try_take(8 << 20).is_none());
        assert_eq!(budget.free(), 4 << 20);
        drop(first);
        let all = budget.take(1 << 40).await;
        assert_eq!(budget.free(), 0, "more than there is counts as all");
        drop(all);
        assert_eq!(budget.free(), budget.total());
    }
}
