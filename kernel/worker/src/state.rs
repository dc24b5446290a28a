//! The worker's state that threads share: the queue of jobs, the running cell, and how it is interrupted.
//!
//! ```text
//! reader thread --jobs--> cell thread --Finished--> link
//!      \--interrupt--> supervisor --(2 s later)--> Finished(Detached), a new cell thread
//! ```
use crate::cells::{self, Job};
use crate::host::Questions;
use crate::libraries::Libraries;
use crate::out::Out;
use crate::pump::Pump;
use crate::requests::Requests;
use crate::convert;
use ochre_link::{CellId, End, FromWorker, Run};
use ochre_runtime::__rt::{self, Known, store};
use ochre_runtime::host::AskFailure;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// How long an interrupted cell may take to notice before it is detached: long enough for a library call
/// between two looks at the flag, short enough for a person who waits for the prompt.
const DETACH_AFTER: Duration = Duration::from_secs(2);
/// How often the interrupt is repeated, for a cell that was about to begin when it came.
const REPEAT: Duration = Duration::from_millis(50);

static WORKER: OnceLock<Worker> = OnceLock::new();

/// The one worker of this process.
pub struct Worker {
    pub out: Out,
    pub pump: Pump,
    pub questions: Questions,
    pub requests: Requests,
    libraries: Mutex<Libraries>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    /// Number and id of the thread that takes jobs.
    current: u64,
    thread: Option<ThreadId>,
    running: Option<Running>,
    generation: u64,
    /// Cells that run on without anybody waiting for them.
    detached: usize,
}

/// The cell that the kernel waits for.
struct Running {
    cell: CellId,
    generation: u64,
    entered: bool,
    interrupted: Option<Instant>,
    /// The variables before it began.
    before: Vec<Known>,
}

/// The worker; `install` was called at the start of `main`.
pub fn worker() -> &'static Worker {
    WORKER.get().expect("the worker is installed before any thread of it starts")
}

/// The worker, for those who may come before it is there: signal handlers and exit handlers.
pub fn installed() -> Option<&'static Worker> {
    WORKER.get()
}

/// Makes the worker and starts its first cell thread.
pub fn install(out: Out, pump: Pump) -> std::io::Result<()> {
    let _ = WORKER.set(Worker {
        out,
        pump,
        questions: Questions::default(),
        requests: Requests::default(),
        libraries: Mutex::default(),
        state: Mutex::default(),
        changed: Condvar::new(),
    });
    let thread = cells::start(0)?;
    worker().lock().thread = Some(thread);
    Ok(())
}

impl Worker {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub fn libraries(&self) -> MutexGuard<'_, Libraries> {
        self.libraries.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Queues a job for the cell thread.
    pub fn post(&self, job: Job) {
        self.lock().queue.push_back(job);
        self.changed.notify_all();
    }

    /// Queues a cell. From here on an interrupt means this cell.
    pub fn post_run(&self, run: Run) {
        self.pump.begin(run.cell.0);
        self.questions.allow(run.allow_stdin);
        let mut state = self.lock();
        state.generation += 1;
        let generation = state.generation;
        state.running = Some(Running { cell: run.cell, generation, entered: false, interrupted: None, before: Vec::new() });
        state.queue.push_back(Job::Run { run, generation });
        self.changed.notify_all();
    }

    /// The next job for a cell thread; `None` when another thread has taken its place.
    pub fn next_job(&self, number: u64) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.current != number {
                return None;
            }
            if let Some(job) = state.queue.pop_front() {
                return Some(job);
            }
            state = self.changed.wait(state).unwrap_or_else(|e| e.into_inner());
        }
    }

    /// The cell is about to take its variables.
    pub fn entered(&self, generation: u64) {
        let before = store::all(thread::current().id());
        if let Some(running) = self.lock().running.as_mut().filter(|r| r.generation == generation) {
            running.entered = true;
            running.before = before;
        }
    }

    pub fn is_interrupted(&self, generation: u64) -> bool {
        self.lock().running.as_ref().is_some_and(|r| r.generation == generation && r.interrupted.is_some())
    }

    /// The cell has ended: true if the kernel still waits for it, false if it was detached.
    pub fn take_running(&self, generation: u64) -> bool {
        let mut state = self.lock();
        let awaited = state.running.take_if(|r| r.generation == generation).is_some();
        if !awaited {
            state.detached = state.detached.saturating_sub(1);
        }
        awaited
    }

    /// Whether a detached cell is still running.
    pub fn has_detached(&self) -> bool {
        self.lock().detached > 0
    }

    /// The id of the thread that runs cells now.
    pub fn cell_thread(&self) -> ThreadId {
        self.lock().thread.unwrap_or_else(|| thread::current().id())
    }

    /// Waits until a cell runs, no longer than `bound`; tells whether one does.
    pub fn wait_for_cell(&self, bound: Duration) -> bool {
        let state = self.lock();
        let (state, _) = self.changed.wait_timeout_while(state, bound, |s| s.running.is_none()).unwrap_or_else(|e| e.into_inner());
        state.running.is_some()
    }

    /// The user interrupted.
    pub fn interrupt(&self) {
        let mut state = self.lock();
        let Some(running) = state.running.as_mut() else { return };
        running.interrupted.get_or_insert_with(Instant::now);
        drop(state);
        self.changed.notify_all();
        // Before the question is given up: the cell looks at the flag then.
        __rt::request_interrupt();
        self.questions.give(Err(AskFailure::Interrupted));
        self.requests.look();
    }

    /// The supervisor thread: repeats interrupts and detaches cells that do not notice them.
    pub fn supervise(&self) {
        let mut state = self.lock();
        loop {
            match state.running.as_ref().and_then(|r| r.interrupted.map(|since| (r.entered, since))) {
                None => state = self.changed.wait(state).unwrap_or_else(|e| e.into_inner()),
                Some((_, since)) if since.elapsed() >= DETACH_AFTER => {
                    self.detach(state);
                    state = self.lock();
                }
                Some((entered, _)) => {
                    if entered {
                        __rt::request_interrupt();
                        self.questions.give(Err(AskFailure::Interrupted));
                    }
                    state = self.changed.wait_timeout(state, REPEAT).unwrap_or_else(|e| e.into_inner()).0;
                }
            }
        }
    }

    /// Leaves the running cell to itself and gives the prompt back.
    fn detach(&self, mut state: MutexGuard<'_, State>) {
        let Some(running) = state.running.take() else { return };
        let number = state.current + 1;
        // Not begun at all: then it is not run later either.
        state.queue.retain(|job| !matches!(job, Job::Run { generation, .. } if *generation == running.generation));
        let Ok(thread) = cells::start(number) else {
            // No thread can be made: the cell stays attached, and the kernel's second interrupt ends the worker.
            state.running = Some(Running { interrupted: Some(Instant::now()), ..running });
            return;
        };
        // A cell that had not begun never tells its late end.
        state.detached += usize::from(running.entered);
        state.current = number;
        state.thread = Some(thread);
        drop(state);
        self.changed.notify_all();
        self.questions.allow(false);
        self.pump.drain();
        let variables = convert::variables(store::all(thread), &running.before);
        self.out.send(FromWorker::Finished { cell: running.cell, end: End::Detached, value: None, variables });
    }
}
