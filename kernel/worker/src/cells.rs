//! The cell thread: one long-lived thread runs all cells, so that thread-locals last.
//!
//! It takes jobs from the worker's queue. After a detach a new thread takes over, and the old one leaves
//! when its cell ends.
use crate::{convert, crash, libraries, os, pump, worker};
use ochre_link::{CellId, End, FromWorker, Run, Variable};
use ochre_runtime::__rt::{self, CellEnd, store};
use ochre_runtime::host::set_setting;
use std::cell::Cell;
use std::sync::mpsc::SyncSender;
use std::thread::{self, ThreadId};

/// Stack of the cell thread in bytes. Only what is used costs memory; recursive code gets as far as in a large program.
pub const STACK_BYTES: usize = 256 << 20;
/// Name of the cell thread, as panics tell it.
pub const THREAD_NAME: &str = "cell";

/// What the cell thread is asked to do.
pub enum Job {
    Run { run: Run, generation: u64 },
    Forget(Vec<String>),
    Environment { name: String, value: Option<String> },
    Directory(String),
    /// Run the destructors of all variables and say when that is done.
    DropAll(SyncSender<()>),
}

thread_local! {
    static OWN: Cell<u64> = const { Cell::new(0) };
}

/// The cell that this thread runs, if it is a cell thread.
pub fn own_cell() -> Option<u64> {
    OWN.try_with(Cell::get).ok().filter(|&cell| cell != 0)
}

/// Starts a cell thread; it serves as long as the state says that `number` is the current one.
pub fn start(number: u64) -> std::io::Result<ThreadId> {
    let handle = thread::Builder::new().name(THREAD_NAME.into()).stack_size(STACK_BYTES).spawn(move || {
        crash::prepare_thread();
        while let Some(job) = worker().next_job(number) {
            perform(job);
        }
    })?;
    Ok(handle.thread().id())
}

fn perform(job: Job) {
    match job {
        Job::Run { run, generation } => perform_run(&run, generation),
        Job::Forget(names) => {
            let dropped = std::panic::catch_unwind(|| store::forget(&names));
            if let Err(payload) = dropped {
                std::mem::forget(payload);
            }
            finish_output();
            worker().out.send(FromWorker::Variables { variables: variables_here() });
        }
        Job::Environment { name, value } => set_environment(&name, value.as_deref()),
        Job::Directory(path) => worker().out.send(FromWorker::Directory { path: change_directory(&path) }),
        Job::DropAll(done) => {
            let names: Vec<String> = store::all(thread::current().id()).into_iter().map(|k| k.name).collect();
            for name in names {
                if let Err(payload) = std::panic::catch_unwind(|| store::forget(&[name])) {
                    std::mem::forget(payload);
                }
            }
            let _ = done.send(());
        }
    }
}

fn perform_run(run: &Run, generation: u64) {
    OWN.set(run.cell.0);
    set_setting("replaying", if run.replaying { "true" } else { "false" });
    // Bound first: the lock must be free while the cell runs, because the reader writes libraries.
    let entry = worker().libraries().entry(&run.load, &run.library);
    let (end, value) = match entry {
        Err(message) => (End::Broken { message }, None),
        Ok(_) if worker().is_interrupted(generation) => (End::Interrupted, None),
        Ok(entry) => {
            worker().entered(generation);
            let (end, value) = __rt::run(entry, run.cell.0, generation);
            let value = if matches!(end, CellEnd::Completed) { value } else { None };
            (convert::end(end, THREAD_NAME), value.map(convert::bundle))
        }
    };
    if os::is_fork() {
        // A child that user code forked and that came back: the parent tells how the cell ended.
        pump::flush_here();
        os::end(0);
    }
    finish_output();
    finish(run.cell, generation, end, value);
    OWN.set(0);
}

fn finish(cell: CellId, generation: u64, end: End, value: Option<ochre_link::Bundle>) {
    let worker = worker();
    if !worker.take_running(generation) {
        // Detached before: the kernel has had its `Finished`.
        let variables = convert::variables(store::all(worker.cell_thread()), &[]);
        worker.out.send(FromWorker::LateFinish { cell, variables });
        return;
    }
    worker.questions.allow(false);
    worker.pump.drain();
    worker.out.send(FromWorker::Finished { cell, end, value, variables: variables_here() });
}

fn finish_output() {
    pump::flush();
    worker().pump.drain();
}

fn variables_here() -> Vec<Variable> {
    convert::variables(store::all(thread::current().id()), &[])
}

fn set_environment(name: &str, value: Option<&str>) {
    if name.is_empty() || name.contains(['=', '\0']) {
        return;
    }
    // SAFETY: std's own readers take std's lock. Foreign code that reads the environment at this moment
    // from a thread that a cell left behind is the caveat of `%env`, as it is of `setenv` in any process.
    unsafe {
        match value.filter(|v| !v.contains('\0')) {
            Some(value) => std::env::set_var(name, value),
            None => std::env::remove_var(name),
        }
    }
}

fn change_directory(path: &str) -> Result<String, String> {
    std::env::set_current_dir(path)
        .and_then(|()| std::env::current_dir())
        .map(|now| now.to_string_lossy().into_owned())
        .map_err(|e| format!("cannot change to `{path}`: {e}"))
}

/// Runs destructors on the cell thread within a time bound, then ends the process.
pub fn shut_down(bound: std::time::Duration) -> ! {
    let (done, wait) = std::sync::mpsc::sync_channel(1);
    worker().post(Job::DropAll(done));
    let _ = wait.recv_timeout(bound);
    worker().pump.drain_within(bound);
    libraries::remove_directory();
    os::end(0)
}
