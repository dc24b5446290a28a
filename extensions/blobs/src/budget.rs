//! Memory that readers and writers share: a number of bytes that may be held at a time. Whoever wants to hold a part takes its size first. When all is
//! taken, readers that have been idle let go of what they fetched ahead; a reader does without, a writer waits.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that one permit of the semaphore stands for: counting bytes singly would overflow its 32-bit requests.
const UNIT: u64 = 4096;
/// The budget of who states none: 32 parts of 8 MiB.
pub const DEFAULT_BUDGET: u64 = 256 << 20;
/// The least that is a budget: one part to read and one to write.
const LEAST: u64 = 16 << 20;
/// A reader that was not used for this long counts as idle.
const IDLE: Duration = Duration::from_millis(500);
/// How often a waiting writer looks for idle readers.
const LOOK: Duration = Duration::from_millis(100);

/// A bound on the memory of all readers and writers that have a clone of it.
#[derive(Clone)]
pub struct Budget {
    inner: Arc<Inner>,
}

struct Inner {
    units: Arc<Semaphore>,
    total: u64,
    holders: Mutex<Vec<Weak<dyn Holder>>>,
}

/// Who can let go of what it holds ahead of need.
pub(crate) trait Holder: Send + Sync {
    /// Lets go, if it was not used for `idle`. Must not wait for a lock: whoever asks for memory may hold it.
    fn let_go_if_idle(&self, idle: Duration);
}

/// Bytes taken from a budget; given back when dropped.
#[derive(Debug)]
pub struct Share {
    permit: OwnedSemaphorePermit,
}

impl Share {
    /// How much it is.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.permit.num_permits() as u64 * UNIT
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Budget({} of {} free)", self.free(), self.total())
    }
}

impl Budget {
    /// At most `bytes` in use; 16 MiB at least.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let total = bytes.max(LEAST);
        let units = Arc::new(Semaphore::new(usize::try_from(total / UNIT).unwrap_or(Semaphore::MAX_PERMITS)));
        Self { inner: Arc::new(Inner { units, total, holders: Mutex::default() }) }
    }

    /// What it is in all, in bytes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.inner.total
    }

    /// What nobody holds, in bytes.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.inner.units.available_permits() as u64 * UNIT
    }

    fn units(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT).min(self.inner.total / UNIT)).unwrap_or(u32::MAX)
    }

    pub(crate) fn register(&self, holder: Weak<dyn Holder>) {
        let mut holders = self.inner.holders.lock().unwrap_or_else(PoisonError::into_inner);
        holders.retain(|holder| holder.strong_count() > 0);
        holders.push(holder);
    }

    /// Takes `bytes` if they are free, or become free by what idle readers let go. More than the whole budget counts as the whole.
    #[must_use]
    pub fn try_take(&self, bytes: u64) -> Option<Share> {
        let take = || Arc::clone(&self.inner.units).try_acquire_many_owned(self.units(bytes)).ok().map(|permit| Share { permit });
        take().or_else(|| {
            self.reclaim();
            take()
        })
    }

    /// Takes `bytes`, waiting for them at most `bound`.
    pub async fn take(&self, bytes: u64, bound: Duration) -> Option<Share> {
        let until = Instant::now() + bound;
        loop {
            if let Some(share) = self.try_take(bytes) {
                return Some(share);
            }
            let waiting = Arc::clone(&self.inner.units).acquire_many_owned(self.units(bytes));
            if let Ok(Ok(permit)) = tokio::time::timeout(LOOK, waiting).await {
                return Some(Share { permit });
            }
            if Instant::now() >= until {
                return None;
            }
        }
    }

    /// Idle readers let go of what they hold.
    fn reclaim(&self) {
        let holders: Vec<_> = self.inner.holders.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect();
        for holder in holders {
            holder.let_go_if_idle(IDLE);
        }
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
        let budget = Budget::new(1);
        let first = budget.try_take(12 << 20).expect("free");
        assert!(budget.try_take(8 << 20).is_none());
        assert!(budget.take(8 << 20, Duration::from_millis(1)).await.is_none(), "waiting is bounded");
        assert_eq!(budget.free(), 4 << 20);
        drop(first);
        let all = budget.try_take(1 << 40).expect("more than there is counts as all");
        assert_eq!(budget.free(), 0);
        drop(all);
        assert_eq!(budget.free(), budget.total());
    }
}
