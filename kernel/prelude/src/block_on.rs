//! `.await` at the top level of a cell: one tokio runtime for the session, and an interrupt that reaches it.
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{MissedTickBehavior, interval};

/// Time between two looks at the interrupt flag while a cell waits: the prompt comes back within it.
const LOOK: Duration = Duration::from_millis(100);

/// Runs a future to its end on this thread. Tasks that it spawns live on between cells.
///
/// An interrupt unwinds the cell as in a loop.
pub fn __block_on<F: Future>(future: F) -> F::Output {
    let mut output = None;
    drive(pin!(async { output = Some(future.await) }));
    output.expect("drive returns only when the future has ended")
}

/// The part that does not depend on the future's type, so that it is compiled here and not in each cell.
fn drive(mut task: Pin<&mut dyn Future<Output = ()>>) {
    runtime().block_on(async {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut task => return,
                _ = look.tick() => ochre_runtime::__rt::check(),
            }
        }
    });
}


/// Started by the first cell that waits.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .thread_name("ochre-tokio")
            .enable_all()
            .build()
            .unwrap_or_else(|error| panic!("the threads for `.await` could not be started: {error}; close programs that hold many threads and run the cell again"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spawned_tasks_and_timers_work() {
        let text = String::from("borrowed");
        let length = __block_on(async {
            let spawned = tokio::spawn(async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                1
            });
            text.len() + spawned.await.expect("the task does not panic")
        });
        assert_eq!(length, 9);
    }

    #[test]
    fn an_interrupt_ends_the_waiting() {
        use ochre_runtime::__rt::{CellEnd, Cx, request_interrupt, run};
        use std::sync::atomic::{AtomicBool, Ordering};
        static WAITING: AtomicBool = AtomicBool::new(false);
        fn cell(cx: &mut Cx) {
            cx.body(|_| {
                __block_on(async {
                    WAITING.store(true, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_secs(600)).await;
                })
            });
        }
        let (ended, end) = std::sync::mpsc::channel();
        std::thread::spawn(move || ended.send(matches!(run(cell, 1, 1).0, CellEnd::Interrupted)));
        while !WAITING.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        request_interrupt();
        assert_eq!(end.recv_timeout(Duration::from_secs(30)), Ok(true));
    }

    #[test]
    fn a_panic_leaves_the_runtime_usable() {
        assert!(std::panic::catch_unwind(|| __block_on(async { panic!("on purpose") })).is_err());
        assert_eq!(__block_on(async { 7 }), 7);
    }
}
