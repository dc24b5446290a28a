//! Requests of cells to the kernel's extensions: many may be open, each answered by its id.
//!
//! ```text
//! any thread: ask --Request--> kernel        reader thread: give <--Answer-- kernel
//! ```
//! The kernel bounds how long an answer may take; a kernel that is gone ends this process.
use crate::worker;
use ochre_link::{Answered, CellId, FromWorker};
use ochre_runtime::host::{Blame, RequestFailure};
use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// How often a waiting thread looks at the interrupt flag; it is woken by the interrupt, so this is for threads
/// whose cell was interrupted before they asked.
const LOOK: Duration = Duration::from_millis(100);

/// What was asked and not yet taken.
#[derive(Default)]
pub struct Requests {
    state: Mutex<Open>,
    changed: Condvar,
}

#[derive(Default)]
struct Open {
    last: u64,
    /// `None` until the answer is there.
    answers: HashMap<u64, Option<Answered>>,
}

impl Requests {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Sends a request and waits for its answer, or for an interrupt of the cell that it belongs to.
    pub fn ask(&self, cell: CellId, topic: &str, payload: &[u8]) -> Result<Vec<u8>, RequestFailure> {
        if ochre_runtime::interrupted() {
            return Err(RequestFailure::Interrupted);
        }
        let id = {
            let mut state = self.lock();
            state.last += 1;
            let id = state.last;
            state.answers.insert(id, None);
            id
        };
        worker().out.send(FromWorker::Request { id, cell, topic: topic.to_owned(), payload: payload.to_vec() });
        let mut state = self.lock();
        loop {
            if let Some(Some(answer)) = state.answers.get_mut(&id).map(Option::take) {
                state.answers.remove(&id);
                return of_answer(answer);
            }
            if ochre_runtime::interrupted() {
                // Its answer comes too late and is dropped.
                state.answers.remove(&id);
                return Err(RequestFailure::Interrupted);
            }
            state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(|e| e.into_inner()).0;
        }
    }

    /// An answer has come; nothing happens when nobody waits for it any more.
    pub fn give(&self, id: u64, answer: Answered) {
        // The first answer counts: one more is a kernel's mistake.
        if let Some(open @ None) = self.lock().answers.get_mut(&id) {
            *open = Some(answer);
            self.changed.notify_all();
        }
    }

    /// The user has interrupted: who waits looks at the flag.
    pub fn look(&self) {
        let _state = self.lock();
        self.changed.notify_all();
    }
}

fn of_answer(answer: Answered) -> Result<Vec<u8>, RequestFailure> {
    match answer {
        Answered::Done { payload } => Ok(payload),
        Answered::Refused(refusal) => {
            let blame = match refusal.blame {
                ochre_link::Blame::Code => Blame::Code,
                ochre_link::Blame::Configuration => Blame::Configuration,
                ochre_link::Blame::Remote => Blame::Remote,
                ochre_link::Blame::Bug => Blame::Bug,
            };
            Err(RequestFailure::Refused { blame, message: refusal.message, hint: refusal.hint })
        }
    }
}
