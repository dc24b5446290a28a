//! How long anything may take: every operation that asks the store runs within a limit and ends early when the program that waits for it is
//! interrupted. So no program ever hangs on a mount. (Where even the limits do not come, `watch.rs` answers.)
//!
//! The kernel tells a file system of interrupts by a request that fuser answers itself, so whether a signal waits for the program's thread is read
//! from `/proc`, which is exact: the signal stays pending until our answer lets the system call return.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fuser::Errno;

/// How long an operation runs before it is worth looking for signals, and between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The limit of operations after one ran into its limit, until one succeeds: a dead server costs a program one full wait and not one per file.
const SICK_LIMIT: Duration = Duration::from_secs(5);

/// The limits of one mount.
pub(super) struct Limits {
    answer: Duration,
    close: Duration,
    sick: AtomicBool,
}

impl Limits {
    pub(super) fn new(answer: Duration, close: Duration) -> Self {
        Self { answer, close, sick: AtomicBool::new(false) }
    }

    /// Runs an operation for the thread `waiting` within the limit of reads and listings.
    pub(super) async fn answer<T>(&self, waiting: u32, work: impl Future<Output = Result<T, Errno>>) -> Result<T, Errno> {
        self.within(self.limit(), waiting, work).await
    }

    /// The longest that an answer may take.
    pub(super) fn answers_within(&self) -> Duration {
        self.answer
    }

    /// The longest that a close may take.
    pub(super) fn closes_within(&self) -> Duration {
        self.close.max(self.answer)
    }

    fn limit(&self) -> Duration {
        if self.sick.load(Ordering::Relaxed) { self.answer.min(SICK_LIMIT) } else { self.answer }
    }

    /// Runs an operation within the limit of closing a written file.
    pub(super) async fn close<T>(&self, waiting: u32, work: impl Future<Output = Result<T, Errno>>) -> Result<T, Errno> {
        self.within(self.closes_within(), waiting, work).await
    }

    async fn within<T>(&self, limit: Duration, waiting: u32, work: impl Future<Output = Result<T, Errno>>) -> Result<T, Errno> {
        let result = tokio::select! {
            biased;
            result = work => result,
            () = interrupted(waiting) => return Err(Errno::EINTR),
            () = tokio::time::sleep(limit) => {
                self.sick.store(true, Ordering::Relaxed);
                return Err(Errno::EIO);
            }
        };
        if result.is_ok() {
            self.sick.store(false, Ordering::Relaxed);
        }
        result
    }
}

/// Returns once a signal waits for the thread; never for thread 0, which is in another namespace.
async fn interrupted(thread: u32) {
    if thread == 0 {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if std::fs::read_to_string(format!("/proc/{thread}/status")).is_ok_and(|status| signal_waits(&status)) {
            return;
        }
    }
}

/// Whether `/proc/…/status` names a signal that is pending, for the thread or its process, and not blocked.
fn signal_waits(status: &str) -> bool {
    let set = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(line.trim_start_matches(':').trim(), 16).ok()
    };
    let pending = set("SigPnd").unwrap_or(0) | set("ShdPnd").unwrap_or(0);
    pending & !set("SigBlk").unwrap_or(0) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pending_signal_is_seen_unless_it_is_blocked() {
        let status = |own: &str, shared: &str, blocked: &str| format!("Name:\tcat\nSigQ:\t0/9\nSigPnd:\t{own}\nShdPnd:\t{shared}\nSigBlk:\t{blocked}\n");
        assert!(!signal_waits(&status("0000000000000000", "0000000000000000", "0000000000000000")));
        assert!(signal_waits(&status("0000000000000100", "0000000000000000", "0000000000000000")));
        assert!(signal_waits(&status("0000000000000000", "0000000000000002", "0000000000000000")));
        assert!(!signal_waits(&status("0000000000000000", "0000000000000002", "0000000000000002")));
    }

    #[tokio::test]
    async fn what_never_ends_is_an_error_within_the_limit() {
        let limits = Limits::new(Duration::from_millis(30), Duration::from_secs(120));
        let result: Result<(), Errno> = limits.answer(0, std::future::pending()).await;
        assert_eq!((result, limits.sick.load(Ordering::Relaxed)), (Err(Errno::EIO), true));
        assert_eq!(limits.answer(0, async { Ok(7) }).await, Ok(7));
        assert!(!limits.sick.load(Ordering::Relaxed));
    }

    #[test]
    fn after_a_full_wait_the_next_is_short() {
        let limits = Limits::new(Duration::from_secs(30), Duration::from_secs(120));
        assert_eq!(limits.limit(), Duration::from_secs(30));
        limits.sick.store(true, Ordering::Relaxed);
        assert_eq!(limits.limit(), SICK_LIMIT);
    }
}
