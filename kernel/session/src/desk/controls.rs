//! What may be done while a cell compiles or runs.
use crate::engine::Controls;
use crate::worker::Handle;
use ochre_link::{Comm, ToWorker};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Shared by the engine and whoever interrupts it.
pub(crate) struct WorkerControls {
    state: Mutex<State>,
    /// True stops a compilation.
    stop: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    worker: Option<(Handle, u32)>,
    busy: bool,
    interrupts: u32,
}

impl WorkerControls {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), stop: watch::channel(false).0 }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A cell begins: earlier interrupts are forgotten.
    pub(crate) fn begin(&self) {
        let mut state = self.lock();
        state.busy = true;
        state.interrupts = 0;
        self.stop.send_replace(false);
    }

    /// The cell has ended.
    pub(crate) fn end(&self) {
        self.lock().busy = false;
    }

    /// For the compiler.
    pub(crate) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Whether the running cell was interrupted.
    pub(crate) fn interrupted(&self) -> bool {
        self.lock().interrupts > 0
    }

    pub(crate) fn set_handle(&self, worker: Option<(Handle, u32)>) {
        self.lock().worker = worker;
    }
}

impl Controls for WorkerControls {
    fn interrupt(&self) {
        let mut state = self.lock();
        if !state.busy {
            return;
        }
        state.interrupts += 1;
        self.stop.send_replace(true);
        if let Some((handle, _)) = &state.worker {
            if state.interrupts == 1 {
                handle.post(&ToWorker::Interrupt);
            } else {
                handle.kill();
            }
        }
    }

    fn answer(&self, text: Option<String>) {
        if let Some((handle, _)) = &self.lock().worker {
            handle.post(&ToWorker::InputReply { text });
        }
    }

    fn comm(&self, message: Comm) {
        if let Some((handle, _)) = &self.lock().worker {
            handle.post(&ToWorker::Comm(message));
        }
    }

    fn pids(&self) -> Vec<u32> {
        self.lock().worker.iter().map(|(_, pid)| *pid).collect()
    }
}
