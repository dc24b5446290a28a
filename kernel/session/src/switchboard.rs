//! What must work at any moment, whatever the session task and the cell are doing: interrupt, answers, comms.
//!
//! Held by the handle ([`crate::Session`]) and by the runner. It is no session state: only lines that lead
//! to whoever is listening now.
use crate::engine::Controls;
use ochre_link::Comm;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{oneshot, watch};

/// Lines to the running cell.
pub(crate) struct Switchboard {
    controls: Mutex<Option<Arc<dyn Controls>>>,
    /// The engine is working: an interrupt concerns it.
    in_engine: AtomicBool,
    /// Counts interrupts; what waits in the kernel (a command, a question) watches it.
    interrupts: watch::Sender<u64>,
    /// A question that the kernel itself has asked (a magic), not the worker.
    question: Mutex<Option<oneshot::Sender<Option<String>>>>,
}

/// Marks the engine as working while it lives.
pub(crate) struct Working(Arc<Switchboard>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.in_engine.store(false, Ordering::SeqCst);
    }
}

impl Switchboard {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            controls: Mutex::new(None),
            in_engine: AtomicBool::new(false),
            interrupts: watch::Sender::new(0),
            question: Mutex::new(None),
        })
    }

    pub(crate) fn connect(&self, controls: Option<Arc<dyn Controls>>) {
        *lock(&self.controls) = controls;
    }

    pub(crate) fn controls(&self) -> Option<Arc<dyn Controls>> {
        lock(&self.controls).clone()
    }

    pub(crate) fn working(self: &Arc<Self>) -> Working {
        self.in_engine.store(true, Ordering::SeqCst);
        Working(self.clone())
    }

    pub(crate) fn interrupt(&self) {
        self.interrupts.send_modify(|n| *n += 1);
        lock(&self.question).take();
        // An idle worker must not be told: it would stop the next cell.
        if self.in_engine.load(Ordering::SeqCst)
            && let Some(controls) = self.controls()
        {
            controls.interrupt();
        }
    }

    pub(crate) fn interrupts(&self) -> watch::Receiver<u64> {
        self.interrupts.subscribe()
    }

    /// A question of the kernel's own; the receiver fails when it is given up.
    pub(crate) fn question(&self) -> oneshot::Receiver<Option<String>> {
        let (sender, receiver) = oneshot::channel();
        *lock(&self.question) = Some(sender);
        receiver
    }

    pub(crate) fn answer(&self, text: Option<String>) {
        let asked = lock(&self.question).take();
        match (asked, self.controls()) {
            (Some(sender), _) => drop(sender.send(text)),
            (None, Some(controls)) => controls.answer(text),
            (None, None) => {}
        }
    }

    pub(crate) fn comm(&self, message: Comm) {
        if let Some(controls) = self.controls() {
            controls.comm(message);
        }
    }
}

/// A poisoned lock holds nothing half-written here: each is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
