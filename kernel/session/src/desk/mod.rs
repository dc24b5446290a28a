//! The task that holds the connection to a worker: it listens also while no cell runs. Shared by the engines.
//!
//! ```text
//! engine --Desk--> task --Connection--> worker
//!    <-- follow <-- events of the cell     what comes later goes to the last cell's output
//! ```
mod controls;
mod evcxr_output;
mod follow;

pub(crate) use controls::WorkerControls;
pub(crate) use follow::{Ran, follow};

use crate::engine::OutputSender;
use crate::exchange::{Exchange, Requests};
use crate::front::Output;
use crate::worker::{Connection, Ended, Event, Handle, StartError, Target};
use ochre_cells::Library;
use ochre_link::{CellId, FromWorker, Run, ToWorker, Variable};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Orders that wait; the engine gives one at a time.
const MAX_ORDERS: usize = 16;
/// Events that may wait for the engine, so that a slow front end slows the worker.
const MAX_EVENTS: usize = 64;
/// How long a worker may take to change its directory.
const DIRECTORY_BOUND: Duration = Duration::from_secs(10);

/// The engine's end.
pub(crate) struct Desk {
    pub handle: Handle,
    pub pid: u32,
    orders: mpsc::Sender<Order>,
    ended: Arc<Mutex<Option<Ended>>>,
    late: Late,
}

/// The variables after a detached cell has ended, until the engine asks.
type Late = Arc<Mutex<Option<Vec<Variable>>>>;

enum Order {
    /// Load and run; events of the cell go to `events` until it has finished. `message` is `Run` or `Evaluate`.
    Run { libraries: Vec<Library>, message: ToWorker, events: mpsc::Sender<Event>, output: OutputSender },
    Directory { path: String, answer: oneshot::Sender<Result<String, String>> },
    Shutdown { bound: Duration, done: oneshot::Sender<()> },
}

impl Desk {
    /// Starts a worker and the task that listens to it.
    pub(crate) async fn open(target: Arc<dyn Target>, prelude: String, exchange: Exchange) -> Result<Self, StartError> {
        let connection = Connection::open(&*target, &prelude).await?;
        let presence = Presence::begin(exchange.clone(), connection.pid());
        let (orders, inbox) = mpsc::channel(MAX_ORDERS);
        let ended = Arc::new(Mutex::new(None));
        let desk = Self { handle: connection.handle(), pid: connection.pid(), orders, ended: ended.clone(), late: Late::default() };
        let requests = Requests::new(exchange.clone());
        let late = desk.late.clone();
        tokio::spawn(Task { connection, inbox, ended, late, shown: HashSet::new(), cell: None, output: None, directory: None, requests, exchange, presence }.serve());
        Ok(desk)
    }

    /// How the worker ended, if it did.
    pub(crate) fn ended(&self) -> Option<Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The variables, if a detached cell has ended since this was asked last.
    pub(crate) fn late(&self) -> Option<Vec<Variable>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Runs a cell; the receiver yields what happens, the last event is `Finished` or `Closed`.
    pub(crate) async fn run(&self, libraries: Vec<Library>, run: Run, output: OutputSender) -> mpsc::Receiver<Event> {
        self.start(libraries, ToWorker::Run(run), output).await
    }

    /// Has text evaluated by an engine on the other side; yields what [`Desk::run`] does.
    pub(crate) async fn evaluate(&self, cell: CellId, code: &str, allow_stdin: bool, output: OutputSender) -> mpsc::Receiver<Event> {
        let message = ToWorker::Evaluate { cell, code: code.to_owned(), allow_stdin };
        self.start(Vec::new(), message, output).await
    }

    async fn start(&self, libraries: Vec<Library>, message: ToWorker, output: OutputSender) -> mpsc::Receiver<Event> {
        let (events, receiver) = mpsc::channel(MAX_EVENTS);
        // If the task is gone, the receiver ends at once and the engine asks `ended`.
        let _ = self.orders.send(Order::Run { libraries, message, events, output }).await;
        receiver
    }

    /// Changes the worker's directory.
    pub(crate) async fn directory(&self, path: &str) -> Result<String, String> {
        let (answer, wait) = oneshot::channel();
        let _ = self.orders.send(Order::Directory { path: path.to_owned(), answer }).await;
        match tokio::time::timeout(DIRECTORY_BOUND, wait).await {
            Ok(Ok(answer)) => answer,
            _ => Err("the worker does not answer; interrupt what it does, or `%reset` it".to_owned()),
        }
    }

    /// Ends the worker.
    pub(crate) async fn shutdown(self, bound: Duration) {
        let (done, wait) = oneshot::channel();
        if self.orders.send(Order::Shutdown { bound, done }).await.is_ok() {
            let _ = wait.await;
        }
    }
}

struct Task {
    connection: Connection,
    inbox: mpsc::Receiver<Order>,
    ended: Arc<Mutex<Option<Ended>>>,
    late: Late,
    /// Ids under which something was shown.
    shown: HashSet<String>,
    /// Where the running cell's events go.
    cell: Option<mpsc::Sender<Event>>,
    /// Where the last cell's output went, for threads that it left behind.
    output: Option<OutputSender>,
    directory: Option<oneshot::Sender<Result<String, String>>>,
    requests: Requests,
    exchange: Exchange,
    presence: Presence,
}

/// Tells observers of a worker's start, and of its end when dropped.
struct Presence {
    exchange: Exchange,
    pid: u32,
}

impl Presence {
    fn begin(exchange: Exchange, pid: u32) -> Self {
        exchange.tell(|observer| observer.worker_started(pid));
        Self { exchange, pid }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.exchange.tell(|observer| observer.worker_ended(self.pid));
    }
}

impl Task {
    async fn serve(mut self) {
        loop {
            tokio::select! {
                order = self.inbox.recv() => match order {
                    Some(Order::Run { libraries, message, events, output }) => {
                        self.cell = Some(events);
                        self.output = Some(output);
                        self.start(libraries, message).await;
                    }
                    Some(Order::Directory { path, answer }) => {
                        self.directory = Some(answer);
                        let _ = self.connection.send(&ToWorker::Directory { path }).await;
                    }
                    Some(Order::Shutdown { bound, done }) => {
                        self.connection.shutdown(bound).await;
                        drop(self.presence);
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                },
                event = self.connection.recv() => {
                    let closed = matches!(event, Event::Closed(_));
                    self.pass(event).await;
                    if closed {
                        return;
                    }
                }
            }
        }
    }

    /// Sends what the worker lacks, then the order to run. A worker that dies meanwhile is noticed by `recv`.
    async fn start(&mut self, libraries: Vec<Library>, message: ToWorker) {
        for library in libraries {
            if self.connection.has_library(&library.file) {
                continue;
            }
            match std::fs::read(&library.path) {
                Ok(bytes) => {
                    if self.connection.library(&library.file, bytes).await.is_err() {
                        return;
                    }
                }
                // The worker then says which library it lacks.
                Err(_) => break,
            }
        }
        let _ = self.connection.send(&message).await;
    }

    async fn pass(&mut self, mut event: Event) {
        if let Event::Message(FromWorker::Display { id: Some(id), update, .. }) = &mut event {
            // The first time there is nothing to update.
            *update &= !self.shown.insert(id.clone());
        }
        if let Event::Closed(ended) = &event {
            *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended.clone());
        }
        if let Event::Message(FromWorker::Directory { path }) = event {
            if let Some(answer) = self.directory.take() {
                let _ = answer.send(path);
            }
            return;
        }
        if let Event::Message(FromWorker::Request { id, topic, payload, .. }) = event {
            return self.requests.take(self.connection.handle(), id, topic, payload);
        }
        if let Event::Message(FromWorker::Event { topic, payload, .. }) = &event {
            self.exchange.tell(|observer| observer.event(topic, payload));
        }
        let last = matches!(event, Event::Closed(_) | Event::Message(FromWorker::Finished { .. }));
        match &self.cell {
            Some(cell) => {
                let _ = cell.send(event).await;
                if last {
                    self.cell = None;
                }
            }
            None => self.stray(event).await,
        }
    }

    /// What comes while no cell runs.
    async fn stray(&mut self, event: Event) {
        if let Event::Message(FromWorker::LateFinish { variables, .. }) = event {
            *self.late.lock().unwrap_or_else(PoisonError::into_inner) = Some(variables);
            return;
        }
        let (Some(output), Event::Message(message)) = (&self.output, event) else { return };
        let shown = match message {
            FromWorker::Stream { stream, bytes, .. } => Output::Stream { stream, text: String::from_utf8_lossy(&bytes).into_owned() },
            FromWorker::Display { bundle, id, update, .. } => Output::Display { bundle, id, update },
            FromWorker::ClearOutput { wait, .. } => Output::Clear { wait },
            FromWorker::Comm(comm) => Output::Comm(comm),
            _ => return,
        };
        let _ = output.send(shown).await;
    }
}
