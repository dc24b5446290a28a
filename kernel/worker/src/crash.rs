//! Last words: a fatal signal is told to the kernel, with its reason and the functions that were running,
//! before it ends the process as it would have done.
//!
//! ```text
//! crashing thread: collects addresses --semaphore--> reporter thread: names them, sends Crash
//!        \-- waits, at most REPORT_BOUND --> default action, raised again
//! ```
//! The handler itself only does what is allowed in a signal handler; the reporter may allocate. If it gets
//! stuck (the crash happened inside the allocator), the kernel still sees the signal. std's own handler,
//! which reports stack overflows on stderr, is replaced by this one.
use crate::state::installed;
use crate::{cells, libraries, os};
use libc::{c_int, c_void};
use ochre_link::{Frame, FromWorker, Place};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use std::{io, ptr, thread};

/// The signals that end a process by a fault of its code.
const FATAL: [c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT];
/// Most frames that are told: a stack overflow has hundreds of thousands.
const MAX_FRAMES: usize = 64;
/// The dying thread waits this long for its report: reading the symbols of the prelude takes up to a second.
const REPORT_BOUND: Duration = Duration::from_secs(4);
/// Bound for each lock that the reporter needs, which a dead thread may hold.
const LOCK_BOUND: Duration = Duration::from_millis(500);
/// Stack of the handler in bytes: unwinding needs more than the 8 KiB that threads get by default.
const HANDLER_STACK: usize = 128 << 10;
/// A fault this near to the stack pointer, in bytes, is the stack's guard: nothing else is unmapped there.
const NEAR_STACK: usize = 64 << 10;

static REPORTING: AtomicBool = AtomicBool::new(false);
static REPORTED: AtomicBool = AtomicBool::new(false);
static SIGNAL: AtomicI32 = AtomicI32::new(0);
static FAULT: AtomicUsize = AtomicUsize::new(0);
static PROGRAM_COUNTER: AtomicUsize = AtomicUsize::new(0);
static OVERFLOW: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicUsize = AtomicUsize::new(0);
static ADDRESSES: [AtomicUsize; MAX_FRAMES] = [const { AtomicUsize::new(0) }; MAX_FRAMES];
static WAKE: Semaphore = Semaphore(UnsafeCell::new(MaybeUninit::uninit()));

struct Semaphore(UnsafeCell<MaybeUninit<libc::sem_t>>);

// SAFETY: initialised in `install` before any handler or reporter exists; semaphores are made for sharing.
unsafe impl Sync for Semaphore {}

unsafe extern "C" {
    fn backtrace(buffer: *mut *mut c_void, size: c_int) -> c_int;
}

/// Installs the handlers and starts the reporter. Before any cell runs.
pub fn install() -> io::Result<()> {
    // SAFETY: the semaphore is initialised once, here. The first `backtrace` loads libgcc, which a handler must not do.
    unsafe {
        libc::sem_init(WAKE.0.get().cast(), 0, 0);
        let mut first = [ptr::null_mut(); 2];
        backtrace(first.as_mut_ptr(), 2);
    }
    thread::Builder::new().name("crash-reporter".into()).spawn(report)?;
    for signal in FATAL {
        // SAFETY: a zeroed sigaction is valid; the handler has the three-argument form that SA_SIGINFO says.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(signal, &action, ptr::null_mut());
        }
    }
    // SAFETY: the function stays valid as long as the process.
    unsafe { libc::atexit(on_exit) };
    Ok(())
}

/// Gives this thread a stack for the handler that is large enough to unwind on.
pub fn prepare_thread() {
    // SAFETY: an anonymous mapping that is never freed, handed over as this thread's signal stack.
    unsafe {
        let memory = libc::mmap(ptr::null_mut(), HANDLER_STACK, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
        if memory != libc::MAP_FAILED {
            let stack = libc::stack_t { ss_sp: memory, ss_flags: 0, ss_size: HANDLER_STACK };
            libc::sigaltstack(&stack, ptr::null_mut());
        }
    }
}

/// `exit` by user code: what was printed before must be seen. Bounded, because other threads still run.
extern "C" fn on_exit() {
    if os::is_fork() {
        return;
    }
    if let Some(worker) = installed() {
        worker.pump.drain_within(LOCK_BOUND);
    }
    libraries::remove_directory();
}

unsafe extern "C" fn on_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    if !os::is_fork() {
        if REPORTING.swap(true, SeqCst) {
            // Another thread is dying already and takes the process with it.
            wait(|| false);
        } else {
            // SAFETY: the kernel hands valid pointers to a handler with SA_SIGINFO.
            unsafe { remember(signal, info, context) };
            wait(|| REPORTED.load(SeqCst));
        }
    }
    // SAFETY: all of these are allowed in a handler. The signal is blocked here and comes when the handler returns.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &action, ptr::null_mut());
        libc::raise(signal);
    }
}

/// SAFETY: `info` and `context` are those that the kernel gave to the handler.
unsafe fn remember(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: as promised by the caller; `backtrace` was called before, so it allocates nothing now.
    unsafe {
        let (counter, stack) = registers(context);
        let fault = (*info).si_addr() as usize;
        let is_fault = matches!(signal, libc::SIGSEGV | libc::SIGBUS);
        SIGNAL.store(signal, SeqCst);
        FAULT.store(fault, SeqCst);
        PROGRAM_COUNTER.store(counter, SeqCst);
        OVERFLOW.store(is_fault && stack != 0 && fault.abs_diff(stack) < NEAR_STACK, SeqCst);
        let mut addresses = [ptr::null_mut(); MAX_FRAMES];
        let count = backtrace(addresses.as_mut_ptr(), MAX_FRAMES as c_int).max(0) as usize;
        for (slot, address) in ADDRESSES.iter().zip(&addresses[..count]) {
            slot.store(*address as usize, SeqCst);
        }
        COUNT.store(count, SeqCst);
        libc::sem_post(WAKE.0.get().cast());
    }
}

/// Program counter and stack pointer at the fault; zeros where we do not know the layout.
unsafe fn registers(context: *mut c_void) -> (usize, usize) {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    // SAFETY: on this platform the third argument is a `ucontext_t`.
    unsafe {
        let registers = &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        (registers[libc::REG_RIP as usize] as usize, registers[libc::REG_RSP as usize] as usize)
    }
    #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
    // SAFETY: as above.
    unsafe {
        let machine = &(*context.cast::<libc::ucontext_t>()).uc_mcontext;
        (machine.pc as usize, machine.sp as usize)
    }
    #[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
    {
        let _ = context;
        (0, 0)
    }
}

/// Sleeps in small steps until `done` or the bound; nanosleep is allowed in handlers.
fn wait(done: impl Fn() -> bool) {
    const STEP_MILLISECONDS: u64 = 1;
    for _ in 0..(REPORT_BOUND.as_millis() as u64 / STEP_MILLISECONDS) {
        if done() {
            return;
        }
        let step = libc::timespec { tv_sec: 0, tv_nsec: (STEP_MILLISECONDS * 1_000_000) as _ };
        // SAFETY: a valid timespec.
        unsafe { libc::nanosleep(&step, ptr::null_mut()) };
    }
}

/// The reporter thread.
fn report() {
    // SAFETY: initialised in `install`. Interrupted waits are repeated.
    while unsafe { libc::sem_wait(WAKE.0.get().cast()) } != 0 {}
    if let Some(worker) = installed() {
        worker.pump.drain_within(LOCK_BOUND);
        let message = FromWorker::Crash { signal: SIGNAL.load(SeqCst), reason: reason(), frames: frames() };
        worker.out.send_within(message, LOCK_BOUND);
    }
    libraries::remove_directory();
    REPORTED.store(true, SeqCst);
}

fn reason() -> String {
    let fault = FAULT.load(SeqCst);
    match SIGNAL.load(SeqCst) {
        _ if OVERFLOW.load(SeqCst) => {
            format!("stack overflow: a recursion went deeper than the stack allows ({} MiB for cells)", cells::STACK_BYTES >> 20)
        }
        libc::SIGSEGV => format!("segmentation fault at address {fault:#x}"),
        libc::SIGBUS => format!("bus error at address {fault:#x} (a mapped file became shorter, or the disk is full)"),
        libc::SIGILL => "illegal instruction (code that declared itself unreachable was reached, or this CPU lacks an instruction)".to_owned(),
        libc::SIGFPE => "arithmetic fault".to_owned(),
        libc::SIGABRT => "abort".to_owned(),
        other => format!("signal {other}"),
    }
}

/// The frames from where it happened on, with names and places as far as the symbols tell.
fn frames() -> Vec<Frame> {
    let addresses: Vec<usize> = ADDRESSES[..COUNT.load(SeqCst)].iter().map(|a| a.load(SeqCst)).collect();
    // The first frames are the handler's own.
    let counter = PROGRAM_COUNTER.load(SeqCst);
    let begin = addresses.iter().position(|&a| a == counter).unwrap_or(0);
    let mut frames = Vec::new();
    for (depth, &address) in addresses[begin..].iter().enumerate() {
        // A return address is the instruction after the call.
        let within = if depth == 0 { address } else { address.saturating_sub(1) };
        let known = frames.len();
        ::backtrace::resolve(within as *mut c_void, |symbol| frames.push(frame(symbol)));
        if frames.len() == known {
            frames.push(Frame { function: format!("{address:#x}"), place: None });
        }
    }
    frames
}

fn frame(symbol: &::backtrace::Symbol) -> Frame {
    let function = symbol.name().map_or_else(|| "?".to_owned(), |name| format!("{name:#}"));
    let place = symbol.filename().zip(symbol.lineno()).map(|(file, line)| Place {
        file: file.to_string_lossy().into_owned(),
        line,
        column: symbol.colno().unwrap_or(1),
    });
    Frame { function, place }
}
