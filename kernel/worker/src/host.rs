//! What cells may ask of the worker: displays, questions, events, comm messages.
//!
//! Calls come from any thread, also from one that outlived its cell, and from forked children, which must
//! stay silent: the link belongs to the parent.
use crate::cells::own_cell;
use crate::{convert, os, pump, worker};
use ochre_link::{CellId, Comm, CommAction, FromWorker};
use ochre_runtime::Mime;
use ochre_runtime::host::{AskFailure, Host, RequestFailure};
use std::sync::{Condvar, Mutex, MutexGuard};

/// The worker as cells see it.
pub struct Link;

impl Host for Link {
    fn display(&self, mime: Mime, id: Option<&str>, update: bool) {
        let bundle = convert::bundle(mime);
        in_order(|cell| FromWorker::Display { cell, bundle, id: id.map(str::to_owned), update });
    }

    fn clear_output(&self, wait: bool) {
        in_order(|cell| FromWorker::ClearOutput { cell, wait });
    }

    fn ask(&self, prompt: &str, password: bool) -> Result<String, AskFailure> {
        if os::is_fork() {
            return Err(AskFailure::NotAllowed);
        }
        worker().questions.ask(prompt, password)
    }

    fn event(&self, topic: &str, payload: &[u8]) {
        if !os::is_fork() {
            worker().out.send(FromWorker::Event { cell: cell(), topic: topic.to_owned(), payload: payload.to_vec() });
        }
    }

    fn request(&self, topic: &str, payload: &[u8]) -> Result<Vec<u8>, RequestFailure> {
        if os::is_fork() {
            return Err(RequestFailure::NoKernel);
        }
        worker().requests.ask(cell(), topic, payload)
    }

    fn comm(&self, id: &str, action: &str, data: &str, metadata: &str, buffers: &[Vec<u8>]) {
        let action = match action.split_once(':') {
            Some(("open", target)) => CommAction::Open { target: target.to_owned() },
            _ if action == "close" => CommAction::Close,
            _ => CommAction::Message,
        };
        let comm = Comm { id: id.to_owned(), action, data: data.to_owned(), metadata: metadata.to_owned(), buffers: buffers.to_vec() };
        in_order(|_| FromWorker::Comm(comm));
    }
}

/// The cell that a call belongs to: a cell thread's own, for other threads the last one.
fn cell() -> CellId {
    own_cell().map_or_else(|| worker().pump.cell(), CellId)
}

/// Sends a message after all that was printed before it.
fn in_order(message: impl FnOnce(CellId) -> FromWorker) {
    if os::is_fork() {
        return;
    }
    pump::flush();
    worker().pump.drain();
    worker().out.send(message(cell()));
}

/// Questions to the user: one at a time.
#[derive(Default)]
pub struct Questions {
    /// Held by the thread whose question is open.
    turn: Mutex<()>,
    state: Mutex<Question>,
    changed: Condvar,
}

#[derive(Default)]
struct Question {
    /// Whether the running cell may ask.
    allowed: bool,
    open: bool,
    answer: Option<Result<String, AskFailure>>,
}

impl Questions {
    fn lock(&self) -> MutexGuard<'_, Question> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// A cell begins or (`false`) ends.
    pub fn allow(&self, allowed: bool) {
        self.lock().allowed = allowed;
        if !allowed {
            self.give(Err(AskFailure::NotAllowed));
        }
    }

    /// Answers the open question; without one it is too late and nothing happens.
    pub fn give(&self, answer: Result<String, AskFailure>) {
        let mut state = self.lock();
        if state.open && state.answer.is_none() {
            state.answer = Some(answer);
            self.changed.notify_all();
        }
    }

    fn ask(&self, prompt: &str, password: bool) -> Result<String, AskFailure> {
        let _turn = self.turn.lock().unwrap_or_else(|e| e.into_inner());
        if ochre_runtime::interrupted() {
            return Err(AskFailure::Interrupted);
        }
        {
            let mut state = self.lock();
            // A detached cell has lost its place before the user.
            let current = own_cell().is_none_or(|cell| cell == worker().pump.cell().0);
            if !state.allowed || !current {
                return Err(AskFailure::NotAllowed);
            }
            *state = Question { allowed: true, open: true, answer: None };
        }
        in_order(|cell| FromWorker::Input { cell, prompt: prompt.to_owned(), password });
        let mut state = self.lock();
        loop {
            if let Some(answer) = state.answer.take() {
                state.open = false;
                return answer;
            }
            state = self.changed.wait(state).unwrap_or_else(|e| e.into_inner());
        }
    }
}
