//! What cells print: descriptors 1 and 2 are pipes that this process reads itself.
//!
//! ```text
//! print!  --> pipe on 1 --\
//! eprint! --> pipe on 2 ---+--> pump thread, or whoever must send in order --> Stream frames
//! ```
//! The pump thread sends while nothing else happens. Before a display, a question or the end of a cell,
//! [`Pump::drain`] sends what was printed before it, so the order that the user wrote is the order shown.
use crate::{os, worker};
use ochre_link::{CellId, FromWorker, Stream};
use std::io::{self, Write};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// Longest piece of output in one frame, in bytes.
const FRAME_BYTES: usize = 64 << 10;
/// How long the pump waits for more before it sends little: lines that are printed one by one travel together.
const COALESCE: Duration = Duration::from_millis(5);
/// With this much waiting, in bytes, the pump does not wait for more.
const ENOUGH: usize = 32 << 10;
/// `print!` without a newline appears after this long while a cell runs.
const FLUSH_RUNNING: Duration = Duration::from_millis(50);
/// The same for threads that cells left behind; longer, because it wakes an idle process.
const FLUSH_IDLE: Duration = Duration::from_secs(1);
/// How long a cell waits for a lock of stdout that a detached cell may hold.
const FLUSH_BOUND: Duration = Duration::from_millis(200);

/// The two pipes.
pub struct Pump {
    pipes: [Pipe; 2],
    buffer: Mutex<Vec<u8>>,
    /// The cell that output belongs to: the last one that was started.
    cell: AtomicU64,
}

struct Pipe {
    stream: Stream,
    read: RawFd,
    write: RawFd,
    /// The descriptor that cells know.
    shown: RawFd,
}

impl Pump {
    /// Puts pipes on descriptors 1 and 2.
    pub fn install() -> io::Result<Self> {
        let pipes = [Pipe::on(Stream::Stdout, 1)?, Pipe::on(Stream::Stderr, 2)?];
        Ok(Self { pipes, buffer: Mutex::new(vec![0; FRAME_BYTES]), cell: AtomicU64::new(0) })
    }

    /// From now on output belongs to this cell. What closed descriptors a cell left is mended.
    pub fn begin(&self, cell: u64) {
        self.mend();
        self.cell.store(cell, Ordering::SeqCst);
    }

    /// The cell that was started last.
    pub fn cell(&self) -> CellId {
        CellId(self.cell.load(Ordering::SeqCst))
    }

    /// Opens the standard descriptors again that user code closed: else the next file that anyone opens
    /// would get what is printed.
    pub fn mend(&self) {
        for pipe in &self.pipes {
            if !os::is_open(pipe.shown) {
                let _ = os::replace(pipe.write, pipe.shown);
            }
        }
    }

    /// Sends what was printed before this call. What is printed meanwhile may wait, so this ends even if
    /// a thread prints for ever.
    pub fn drain(&self) {
        let mut buffer = self.buffer.lock().unwrap_or_else(|e| e.into_inner());
        self.send_waiting(&mut buffer, |message| {
            worker().out.send(message);
            true
        });
    }

    /// The same for a dying process: gives up when locks are not free in time.
    pub fn drain_within(&self, bound: Duration) {
        let begun = Instant::now();
        let Some(mut buffer) = self.lock_within(bound) else { return };
        self.send_waiting(&mut buffer, |message| worker().out.send_within(message, bound.saturating_sub(begun.elapsed())));
    }

    fn lock_within(&self, bound: Duration) -> Option<MutexGuard<'_, Vec<u8>>> {
        let begun = Instant::now();
        loop {
            if let Ok(buffer) = self.buffer.try_lock() {
                return Some(buffer);
            }
            if begun.elapsed() > bound {
                return None;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn send_waiting(&self, buffer: &mut [u8], send: impl Fn(FromWorker) -> bool) {
        for pipe in &self.pipes {
            let mut left = os::waiting(pipe.read);
            while left > 0 {
                let wanted = left.min(buffer.len());
                let n = os::read_some(pipe.read, &mut buffer[..wanted]);
                let sent = n > 0 && send(FromWorker::Stream { cell: self.cell(), stream: pipe.stream, bytes: buffer[..n].to_vec() });
                if !sent {
                    return;
                }
                left -= n;
            }
        }
    }

    /// The pump thread: sends output as it comes.
    pub fn run(&self) {
        let fds = [self.pipes[0].read, self.pipes[1].read];
        loop {
            os::wait_readable(fds);
            if fds.map(os::waiting).iter().sum::<usize>() < ENOUGH {
                thread::sleep(COALESCE);
            }
            self.drain();
        }
    }
}

impl Pipe {
    fn on(stream: Stream, shown: RawFd) -> io::Result<Self> {
        let (read, write) = os::pipe()?;
        os::replace(write, shown)?;
        Ok(Self { stream, read, write, shown })
    }
}

/// Puts what Rust's stdout has buffered into the pipe. A detached cell may hold the lock of stdout for
/// ever; then the wait is bounded, so that later cells end.
pub fn flush() {
    if worker().has_detached() {
        flush_within(FLUSH_BOUND);
    } else {
        flush_here();
    }
}

/// The same on this thread, however long it takes.
pub fn flush_here() {
    let _ = io::stdout().flush();
}

fn flush_within(bound: Duration) {
    static BLOCKED: AtomicBool = AtomicBool::new(false);
    if BLOCKED.swap(true, Ordering::SeqCst) {
        return;
    }
    let (done, wait) = sync_channel(1);
    let helper = move || {
        flush_here();
        BLOCKED.store(false, Ordering::SeqCst);
        let _ = done.send(());
    };
    match thread::Builder::new().name("late-flusher".into()).spawn(helper) {
        Ok(_) => drop(wait.recv_timeout(bound)),
        Err(_) => BLOCKED.store(false, Ordering::SeqCst),
    }
}

/// The flusher thread: makes `print!` without a newline appear. It alone blocks while a cell holds the lock of stdout.
pub fn keep_flushing() {
    loop {
        if worker().wait_for_cell(FLUSH_IDLE) {
            thread::sleep(FLUSH_RUNNING);
        }
        flush_here();
    }
}
