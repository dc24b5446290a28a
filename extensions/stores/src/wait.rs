//! Waits for storage on threads of our own, so that it works in plain code and within `.await` alike, and so that an
//! interrupt of the cell ends the waiting.
use crate::error::StoreError;
use std::future::Future;
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::AbortHandle;

/// Time between two looks at the interrupt flag: the prompt comes back within it.
const LOOK: Duration = Duration::from_millis(50);
/// Threads that decrypt and copy; more of them than cores gain nothing, and fewer than two would let one slow
/// response stand in the way of all others.
const THREADS: std::ops::RangeInclusive<usize> = 2..=8;

/// Runs a future to its end and gives what it gives. An interrupt unwinds a cell's own thread as in a loop; on other
/// threads it is an error. Whatever the reason, a future that nobody waits for any more is dropped.
pub(crate) fn wait<T: Send + 'static>(future: impl Future<Output = Result<T, StoreError>> + Send + 'static) -> Result<T, StoreError> {
    let (done, end) = sync_channel(1);
    let task = runtime()?.spawn(async move { drop(done.send(future.await)) });
    let _stopped = StopOnDrop(task.abort_handle());
    loop {
        match end.recv_timeout(LOOK) {
            Ok(result) => {
                // What failed because of the interrupt is no failure.
                if result.is_err() {
                    look()?;
                }
                return result;
            }
            Err(RecvTimeoutError::Disconnected) => return Err(StoreError::LOST),
            Err(RecvTimeoutError::Timeout) => look()?,
        }
    }
}

/// Unwinds the interrupted cell, or says on a helper thread of it that it is.
fn look() -> Result<(), StoreError> {
    ochre_runtime::__rt::check();
    if ochre_runtime::interrupted() { Err(StoreError::INTERRUPTED) } else { Ok(()) }
}

struct StopOnDrop(AbortHandle);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The threads that storage works on, started by the first use.
pub(crate) fn runtime() -> Result<&'static Handle, StoreError> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let start = || {
        let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(*THREADS.start(), *THREADS.end());
        Builder::new_multi_thread().worker_threads(threads).thread_name("ochre-stores").enable_all().build().ok()
    };
    RUNTIME.get_or_init(start).as_ref().map(Runtime::handle).ok_or(StoreError::LOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// An interrupt is for the whole process: one test at a time.
    fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[test]
    fn it_works_within_a_runtime_and_without() {
        let _alone = alone();
        assert_eq!(wait(async { Ok(1) }).expect("plain"), 1);
        let outer = Builder::new_current_thread().build().expect("a runtime");
        assert_eq!(outer.block_on(async { wait(async { Ok(2) }) }).expect("within a runtime"), 2);
        let outer = Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        assert_eq!(outer.block_on(async { tokio::spawn(async { wait(async { Ok(3) }) }).await.expect("no panic") }).expect("within a task"), 3);
    }

    #[test]
    fn a_panic_of_a_task_is_an_error() {
        let _alone = alone();
        let error = wait::<()>(async { panic!("on purpose") }).expect_err("it panicked");
        assert_eq!(error.fault(), crate::Fault::Bug);
    }

    #[test]
    fn an_interrupt_ends_the_waiting_and_drops_the_future() {
        let _alone = alone();
        use ochre_runtime::__rt::{CellEnd, Cx, request_interrupt, run};
        use std::sync::atomic::{AtomicBool, Ordering};
        static WAITING: AtomicBool = AtomicBool::new(false);
        static DROPPED: AtomicBool = AtomicBool::new(false);
        struct Guard;
        impl Drop for Guard {
            fn drop(&mut self) {
                DROPPED.store(true, Ordering::SeqCst);
            }
        }
        fn cell(cx: &mut Cx) {
            cx.body(|_| {
                let _ = wait::<()>(async {
                    let _guard = Guard;
                    WAITING.store(true, Ordering::SeqCst);
                    std::future::pending().await
                });
            });
        }
        let (ended, end) = std::sync::mpsc::channel();
        std::thread::spawn(move || ended.send(matches!(run(cell, 1, 1).0, CellEnd::Interrupted)));
        while !WAITING.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        request_interrupt();
        assert_eq!(end.recv_timeout(Duration::from_secs(30)), Ok(true));
        let begun = std::time::Instant::now();
        while !DROPPED.load(Ordering::SeqCst) {
            assert!(begun.elapsed() < Duration::from_secs(30), "the future still lives");
            std::thread::yield_now();
        }
    }
}
