//! Cells of the past, over sessions: asked by front ends and by `%history`, kept in SQLite.
//!
//! A thread of its own owns the database, is started by the first record or question, and takes requests in
//! order: a question sees every record before it, and the start of a session touches no disk. Where the file
//! cannot be written, the history of this session is kept in memory and one note says so.
mod store;

use crate::front::{HistoryEntry, HistoryQuery};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::sync::mpsc as blocking;
use tokio::sync::oneshot;

/// Records and questions that wait for the disk; a record that finds the queue full is dropped rather than
/// the cell delayed.
const MAX_REQUESTS: usize = 4096;
/// Longest input or output that is kept, bytes: what lets a person recognise a cell, not its data.
pub(crate) const MAX_TEXT_BYTES: usize = 256 << 10;

/// Where the history is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryPlace {
    /// A file, made when it is missing, its directory too.
    File(PathBuf),
    /// Gone when the session ends.
    Memory,
}

impl Default for HistoryPlace {
    fn default() -> Self {
        Self::default_for_user()
    }
}

impl HistoryPlace {
    /// `$XDG_DATA_HOME/ochre/history.sqlite`, or below `~/.local/share`; memory where there is no home.
    pub fn default_for_user() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let base = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
        base.map_or(HistoryPlace::Memory, |base| HistoryPlace::File(base.join("ochre/history.sqlite")))
    }
}

enum Request {
    Record { line: u32, input: String, output: Option<String> },
    Query { query: HistoryQuery, answer: oneshot::Sender<Vec<HistoryEntry>> },
    Close { done: oneshot::Sender<()> },
}

/// The handle.
#[derive(Clone)]
pub struct History {
    place: Arc<HistoryPlace>,
    requests: Arc<Mutex<Option<blocking::SyncSender<Request>>>>,
}

impl History {
    /// A history that is opened when it is first used.
    pub fn new(place: HistoryPlace) -> Self {
        Self { place: Arc::new(place), requests: Arc::default() }
    }

    /// Keeps a cell; returns at once.
    pub fn record(&self, line: u32, input: String, output: Option<String>) {
        self.send(Request::Record { line, input, output });
    }

    /// Answers a question; nothing when there is nothing.
    pub async fn query(&self, query: HistoryQuery) -> Vec<HistoryEntry> {
        let (answer, answered) = oneshot::channel();
        self.send(Request::Query { query, answer });
        answered.await.unwrap_or_default()
    }

    /// Returns when all records are on the disk.
    pub async fn close(&self) {
        if self.sender_if_open().is_none() {
            return;
        }
        let (done, closed) = oneshot::channel();
        self.send(Request::Close { done });
        closed.await.ok();
    }

    fn sender_if_open(&self) -> Option<blocking::SyncSender<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn send(&self, request: Request) {
        let mut open = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = open.get_or_insert_with(|| {
            let (sender, receiver) = blocking::sync_channel(MAX_REQUESTS);
            let place = self.place.clone();
            // Without a thread the channel's other end is gone, and every request is answered with nothing.
            std::thread::Builder::new().name("history".into()).spawn(move || serve(&place, &receiver)).ok();
            sender
        });
        sender.try_send(request).ok();
    }
}

/// The thread's loop.
fn serve(place: &HistoryPlace, requests: &blocking::Receiver<Request>) {
    let mut store = store::Store::open(place);
    while let Ok(request) = requests.recv() {
        match request {
            Request::Record { line, input, output } => store.record(line, &input, output.as_deref()),
            Request::Query { query, answer } => drop(answer.send(store.query(&query))),
            Request::Close { done } => drop(done.send(())),
        }
    }
}

#[cfg(test)]
mod tests;
