//! Reads the relay's lines and knows where the cells are: running or not, and which outputs have come.
use crate::link::Out;
use crate::tagged::Line;
use ochre_link::Stream;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a cell prints at the end is on its way to us when evcxr has seen the end already; so long it is waited for.
const LAST_OUTPUT_BOUND: Duration = Duration::from_secs(2);
/// Longest part of stderr that is kept for the message of a panic, in bytes.
const TAIL: usize = 64 << 10;

/// Shared by the thread that reads, the evaluator and whoever interrupts.
#[derive(Default)]
pub struct Streams {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The run of the present relay that has ended last.
    ended: u64,
    /// Code is running in the child.
    running: bool,
    gone: bool,
    /// The end of the cell's stderr.
    tail: Vec<u8>,
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line of evcxr's stderr channel.
    pub fn take(&self, token: &str, line: String, out: &Out) {
        match Line::decode(token, &line) {
            Some(Line::Printed(stream, bytes)) => {
                if stream == Stream::Stderr {
                    self.remember(&bytes);
                }
                out.print(stream, &bytes);
            }
            Some(Line::Begun) => self.change(|state| (state.running, state.gone) = (true, false)),
            Some(Line::Ended(run)) => self.change(|state| (state.running, state.ended) = (false, run)),
            Some(Line::Gone) => self.change(|state| (state.running, state.gone, state.ended) = (false, true, 0)),
            // The relay's own complaint.
            None => out.print(Stream::Stderr, format!("{line}\n").as_bytes()),
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn remember(&self, bytes: &[u8]) {
        let tail = &mut self.lock().tail;
        tail.extend_from_slice(bytes);
        let over = tail.len().saturating_sub(TAIL);
        tail.drain(..over);
    }

    /// A cell begins.
    pub fn begin(&self) {
        self.change(|state| {
            state.tail.clear();
            // A killed relay says no farewell: what it said before must not count for the next one.
            (state.running, state.gone, state.ended) = (false, false, 0);
        });
    }

    /// Whether code is running now.
    pub fn running(&self) -> bool {
        self.lock().running
    }

    /// Waits until all output of a run has come, and gives the end of its stderr.
    pub fn after_run(&self, run: u64) -> String {
        self.after(|state| state.ended == run)
    }

    /// Waits until all output of a child that has died has come, and gives the end of its stderr.
    pub fn after_death(&self) -> String {
        self.after(|state| state.gone)
    }

    fn after(&self, reached: impl Fn(&State) -> bool) -> String {
        let waited = self.changed.wait_timeout_while(self.lock(), LAST_OUTPUT_BOUND, |state| !reached(state));
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&state.tail).into_owned()
    }
}
