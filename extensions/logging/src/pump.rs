//! The thread that delivers: batches of committed records go to the kernel, which answers when the backend has them.
//!
//! It looks ten times a second while something is logged, and sleeps when nothing was for a while: the first call after that wakes it.
use crate::active;
use crate::recorder::Recorder;
use crate::registry::registry;
use ochre_runtime::host::RequestFailure;
use ochre_spool::wire::{Appended, Request};
use ochre_spool::{Batch, Most};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Time between two looks while something is logged: a chart that moves ten times a second moves.
const PACE: Duration = Duration::from_millis(100);
/// Without anything to deliver for this long, the thread sleeps until it is woken.
const IDLE_AFTER: Duration = Duration::from_secs(2);
/// A batch: some of the backend's requests (1,000 metrics each), and a message that is read at once.
const BATCH: Most = Most { records: 10_000, bytes: 1 << 20 };
/// After a failure: the first wait, and the longest.
const RETRY: Duration = Duration::from_millis(500);
const RETRY_MOST: Duration = Duration::from_secs(30);
/// Bytes of a file that are sent at once.
const PART: usize = 4 << 20;

/// The recorders that are delivered from, and their thread.
#[derive(Debug, Default)]
pub struct Pump {
    state: Mutex<State>,
    changed: Condvar,
    asleep: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    recorders: Vec<Arc<Recorder>>,
    running: bool,
    woken: bool,
    /// Passes over all recorders that have ended.
    passes: u64,
}

/// What came of a look at one spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Nothing,
    Delivered,
    /// There is more already.
    DeliveredFull,
    Later(Duration),
    /// No kernel will come: this is a forked child, or the kernel has gone.
    Never,
}

/// Something was logged: wakes the thread if it sleeps.
#[inline]
pub fn note(_recorder: &Recorder) {
    let pump = &registry().pump;
    if pump.asleep.load(Ordering::SeqCst) {
        pump.wake();
    }
}

/// Wakes the thread.
pub fn wake() {
    registry().pump.wake();
}

impl Pump {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    #[cold]
    fn wake(&self) {
        self.lock().woken = true;
        self.changed.notify_all();
    }

    /// The recorder of a run that is still delivered from.
    pub fn find(&self, run_id: &str) -> Option<Arc<Recorder>> {
        self.lock().recorders.iter().find(|r| r.active.run_id == run_id).cloned()
    }

    /// Delivers from this recorder from now on.
    pub fn add(&'static self, recorder: Arc<Recorder>) {
        let mut state = self.lock();
        state.recorders.push(recorder);
        state.woken = true;
        if !state.running {
            // Without a thread the records stay in the spool, and the kernel takes them from there when this process has ended.
            state.running = std::thread::Builder::new().name("ochre-runs".into()).spawn(move || self.run()).is_ok();
        }
        drop(state);
        self.changed.notify_all();
    }

    fn run(&self) {
        let mut last = Instant::now();
        let mut retry = RETRY;
        loop {
            let recorders = self.lock().recorders.clone();
            let came: Vec<Came> = recorders.iter().map(|r| deliver(r)).collect();
            drop(recorders);
            if came.contains(&Came::Never) {
                self.lock().running = false;
                return;
            }
            self.retire();
            let later = came.iter().filter_map(|c| if let Came::Later(wait) = c { Some(*wait) } else { None }).max();
            let delivered = came.iter().any(|c| matches!(c, Came::Delivered | Came::DeliveredFull));
            if delivered || later.is_some() {
                last = Instant::now();
            }
            let pause = match later {
                Some(wait) => {
                    let pause = wait.max(retry);
                    retry = (retry * 2).min(RETRY_MOST);
                    pause
                }
                None => {
                    retry = RETRY;
                    if came.contains(&Came::DeliveredFull) { Duration::ZERO } else { PACE }
                }
            };
            self.rest(pause, last.elapsed() > IDLE_AFTER);
        }
    }

    /// Waits for the next look; `idle` waits for a log call.
    fn rest(&self, pause: Duration, idle: bool) {
        let mut state = self.lock();
        state.passes += 1;
        self.changed.notify_all();
        if idle && !state.woken {
            self.asleep.store(true, Ordering::SeqCst);
            // A call that wrote before it could see the flag wakes nobody: look once more.
            if state.recorders.iter().all(|r| r.spool.is_quiet()) {
                state = self.changed.wait_while(state, |s| !s.woken).unwrap_or_else(|e| e.into_inner());
            }
            self.asleep.store(false, Ordering::SeqCst);
        }
        if !pause.is_zero() {
            state = self.changed.wait_timeout_while(state, pause, |s| !s.woken).unwrap_or_else(|e| e.into_inner()).0;
        }
        state.woken = false;
    }

    /// Lets go of runs that nobody logs to any more and of which everything is delivered.
    fn retire(&self) {
        let mut done = Vec::new();
        self.lock().recorders.retain_mut(|recorder| {
            // The one in the list is the only one: no thread can begin to log to it.
            let over = Arc::strong_count(recorder) == 1 && !registry().holds(&recorder.active.run_id) && recorder.spool.is_drained();
            if over {
                done.push(Arc::clone(recorder));
            }
            !over
        });
        for recorder in done.into_iter().filter_map(Arc::into_inner) {
            recorder.spool.finish();
        }
    }

    /// Waits until everything that was logged so far is delivered, no longer than `bound`, or until the cell is interrupted.
    pub fn flush(&self, bound: Duration) -> bool {
        /// Between two looks at the interrupt flag.
        const LOOK: Duration = Duration::from_millis(50);
        let end = Instant::now() + bound;
        // Once: a backend that is away is not asked more often because somebody waits.
        self.wake();
        loop {
            let recorders = self.lock().recorders.clone();
            if recorders.iter().all(|r| r.spool.is_drained()) {
                return true;
            }
            drop(recorders);
            if Instant::now() >= end || ochre_runtime::interrupted() {
                return false;
            }
            let state = self.lock();
            let passes = state.passes;
            drop(self.changed.wait_timeout_while(state, LOOK, |s| s.passes == passes));
        }
    }
}

/// Sends one batch of a spool.
fn deliver(recorder: &Recorder) -> Came {
    recorder.spool.prepare();
    let batch = recorder.spool.batch(BATCH);
    if batch.is_empty() {
        if batch.end != batch.from {
            recorder.spool.delivered(&batch);
        }
        return Came::Nothing;
    }
    match send(recorder, &batch) {
        Ok(answer) if answer.upto >= batch.end => {
            recorder.spool.delivered(&batch);
            let full = batch.len() >= BATCH.records;
            if full { Came::DeliveredFull } else { Came::Delivered }
        }
        Ok(answer) => Came::Later(Duration::from_millis(answer.wait_ms)),
        Err(RequestFailure::NoKernel) => Came::Never,
        Err(RequestFailure::Interrupted) => Came::Later(PACE),
        Err(RequestFailure::Refused { .. }) => Came::Later(RETRY),
    }
}

fn send(recorder: &Recorder, batch: &Batch) -> Result<Appended, RequestFailure> {
    let run_id = recorder.active.run_id.clone();
    let spool = recorder.spool.path().to_string_lossy().into_owned();
    if !recorder.active.remote {
        return active::ask(&Request::Append { run_id, spool, batch: batch.clone() });
    }
    let (rest, files) = batch.without_files();
    for (path, file) in files {
        match send_file(&run_id, &path, &file) {
            Ok(true) => {}
            Ok(false) => return Ok(Appended { upto: batch.from, wait_ms: RETRY.as_millis() as u64 }),
            Err(SendFile::Request(failure)) => return Err(failure),
            // The copy is gone or cannot be read: that will not get better, and what follows shall not wait for it.
            Err(SendFile::File(error)) => recorder.said.once(&format!("artifact {path}"), || format!("the artifact `{path}` is lost: {error}")),
        }
    }
    active::ask(&Request::Append { run_id, spool, batch: rest })
}

enum SendFile {
    Request(RequestFailure),
    File(std::io::Error),
}

/// Sends a file in parts; false when the kernel did not keep one.
fn send_file(run_id: &str, path: &str, file: &Path) -> Result<bool, SendFile> {
    use std::io::Read;
    let mut source = std::fs::File::open(file).map_err(SendFile::File)?;
    let total = source.metadata().map_err(SendFile::File)?.len();
    let mut offset = 0;
    loop {
        let mut bytes = Vec::new();
        source.by_ref().take(PART as u64).read_to_end(&mut bytes).map_err(SendFile::File)?;
        let end = offset + bytes.len() as u64;
        let request = Request::Artifact { run_id: run_id.to_owned(), path: path.to_owned(), offset, total, bytes };
        let kept: Appended = active::ask(&request).map_err(SendFile::Request)?;
        if kept.upto != end {
            return Ok(false);
        }
        if end >= total || end == offset {
            return Ok(true);
        }
        offset = end;
    }
}
