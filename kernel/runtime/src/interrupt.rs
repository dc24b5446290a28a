//! The interrupt flag: set by the worker, looked at by loops of cells and by long library calls.
use std::sync::atomic::{AtomicU64, Ordering};

/// Zero, or the generation of the cell that is to stop.
static WANTED: AtomicU64 = AtomicU64::new(0);
/// Generation of the running cell; a detached cell keeps its own, so a later interrupt does not hit it.
static RUNNING: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static MINE: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// What an interrupted cell unwinds with; not an error of the user's.
#[derive(Debug)]
pub struct Interrupt;

/// True once the user has interrupted the running cell. Long calls look at it and return early.
pub fn interrupted() -> bool {
    let wanted = WANTED.load(Ordering::Relaxed);
    if wanted == 0 {
        return false;
    }
    let mine = MINE.get();
    // A helper thread of the cell (rayon, tokio) has no generation of its own: it belongs to the running cell.
    wanted == if mine == 0 { RUNNING.load(Ordering::Relaxed) } else { mine }
}

/// The execution that this thread works for: its own on a cell thread, also a detached one, else that of the cell that began last. Zero before any.
pub fn execution() -> u64 {
    let mine = MINE.try_with(std::cell::Cell::get).unwrap_or(0);
    if mine == 0 { RUNNING.load(Ordering::Relaxed) } else { mine }
}

/// Begins a generation on the cell thread.
pub(crate) fn begin(generation: u64) {
    MINE.set(generation);
    RUNNING.store(generation, Ordering::SeqCst);
}

/// Ends a generation: a request for it is fulfilled, and the loops of later cells look at a zero again.
pub(crate) fn end(generation: u64) {
    let _ = WANTED.compare_exchange(generation, 0, Ordering::SeqCst, Ordering::SeqCst);
}

/// Asks the running cell to stop; the worker calls it.
pub fn request() {
    WANTED.store(RUNNING.load(Ordering::SeqCst), Ordering::SeqCst);
}

/// Unwinds if the user has interrupted; generated code calls it in outer loops.
#[inline]
pub fn check() {
    if WANTED.load(Ordering::Relaxed) != 0 {
        unwind();
    }
}

#[cold]
#[inline(never)]
fn unwind() {
    if interrupted() && MINE.get() != 0 && !std::thread::panicking() {
        std::panic::resume_unwind(Box::new(Interrupt));
    }
}
