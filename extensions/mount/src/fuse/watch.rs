//! The last resort: a thread of its own that answers where an operation gave neither a result nor its limit's error, because what runs operations is
//! itself stuck. Limits are timers of the runtime, so whatever blocks its threads blocks them too; a program must not hang even then.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fuser::Errno;

/// How long after its limit an operation counts as stuck: its own limit comes first wherever it can.
const GRACE: Duration = Duration::from_secs(1);
/// How often it is looked for such operations.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The operations that are not answered yet.
pub(super) struct Watch {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    table: Mutex<Table>,
    end: Condvar,
}

#[derive(Default)]
struct Table {
    open: HashMap<u64, Open>,
    last: u64,
    ended: bool,
}

struct Open {
    until: Instant,
    give_up: Box<dyn FnOnce() + Send>,
}

/// An answer that is given once: by the operation, or by the watch.
pub(super) struct Once<F> {
    done: Arc<Mutex<Option<F>>>,
    number: u64,
    shared: Arc<Shared>,
}

impl Watch {
    /// Starts the thread, which ends with the watch.
    pub(super) fn start() -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let of_thread = shared.clone();
        std::thread::Builder::new().name("watch".to_owned()).spawn(move || of_thread.run())?;
        Ok(Self { shared })
    }

    /// `done` will be called: with what [`Once::answer`] is given, or with `EIO` a moment after `limit`.
    pub(super) fn once<T, F: FnOnce(Result<T, Errno>) + Send + 'static>(&self, limit: Duration, done: F) -> Once<F> {
        let done = Arc::new(Mutex::new(Some(done)));
        let late = done.clone();
        let give_up = Box::new(move || {
            if let Some(done) = taken(&late) {
                done(Err(Errno::EIO));
            }
        });
        let mut table = self.shared.table();
        table.last += 1;
        let number = table.last;
        table.open.insert(number, Open { until: Instant::now() + limit + GRACE, give_up });
        drop(table);
        Once { done, number, shared: self.shared.clone() }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.table().ended = true;
        self.shared.end.notify_all();
    }
}

fn taken<F>(done: &Mutex<Option<F>>) -> Option<F> {
    done.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl<F> Once<F> {
    /// Gives the answer, unless the watch has.
    pub(super) fn answer<T>(self, result: Result<T, Errno>)
    where
        F: FnOnce(Result<T, Errno>),
    {
        if let Some(done) = taken(&self.done) {
            done(result);
        }
    }
}

impl<F> Drop for Once<F> {
    fn drop(&mut self) {
        let open = self.shared.table().open.remove(&self.number);
        // Outside the lock: a reply that nobody gave is an answer when it is dropped.
        drop(open);
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        loop {
            let mut table = self.table();
            if table.ended {
                return;
            }
            let now = Instant::now();
            let late: Vec<Open> = table.open.extract_if(|_, open| open.until <= now).map(|(_, open)| open).collect();
            if late.is_empty() {
                drop(self.end.wait_timeout(table, LOOK_EVERY));
                continue;
            }
            drop(table);
            late.into_iter().for_each(|open| (open.give_up)());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use ochre_blobs::object_store::memory::InMemory;
    use ochre_blobs::{Container, ReadOptions};

    use super::super::core::{Core, Rights};
    use super::super::filesystem::Mounted;
    use super::super::limit::Limits;
    use super::*;

    /// Whatever happens below it, an operation is answered: here one that blocks the only thread of its runtime, and with it every timer.
    #[test]
    fn an_operation_that_blocks_the_runtime_is_answered() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let limit = Duration::from_millis(50);
        let rights = Rights { write: false, overwrite: false, uid: 0, gid: 0 };
        let container = Container::over(Arc::new(InMemory::new()));
        let core = Core::new(container, "", limit, Limits::new(limit, limit), rights, ReadOptions::default(), Arc::new(|_| {}));
        let mounted = Mounted { core: Arc::new(core), runtime: runtime.handle().clone(), watch: Watch::start().unwrap() };
        let (say, said) = mpsc::channel();
        let (free, stuck) = mpsc::channel::<()>();
        let tell = say.clone();
        let work = |_| async move {
            let _ = stuck.recv();
            Ok(())
        };
        mounted.answer(0, work, move |result: Result<(), Errno>| tell.send(result).unwrap());
        assert_eq!(said.recv_timeout(Duration::from_secs(30)), Ok(Err(Errno::EIO)));
        // The late result goes nowhere, and the next operation has its own.
        drop(free);
        mounted.answer(0, |_| async { Ok(()) }, move |result: Result<(), Errno>| say.send(result).unwrap());
        assert_eq!(said.recv_timeout(Duration::from_secs(30)), Ok(Ok(())));
        assert!(said.try_recv().is_err());
    }
}
