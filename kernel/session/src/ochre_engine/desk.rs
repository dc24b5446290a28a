//! The task that holds the connection to a worker: it listens also while no cell runs.
use crate::engine::OutputSender;
use crate::front::Output;
use crate::worker::{Connection, Ended, Event, Handle, StartError, Target};
use ochre_cells::Library;
use ochre_link::{FromWorker, Run, ToWorker};
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
pub(super) struct Desk {
    pub handle: Handle,
    pub pid: u32,
    orders: mpsc::Sender<Order>,
    ended: Arc<Mutex<Option<Ended>>>,
}

enum Order {
    /// Load and run; events of the cell go to `events` until it has finished.
    Run { libraries: Vec<Library>, run: Run, events: mpsc::Sender<Event>, output: OutputSender },
    Directory { path: String, answer: oneshot::Sender<Result<String, String>> },
    Shutdown { bound: Duration, done: oneshot::Sender<()> },
}

impl Desk {
    /// Starts a worker and the task that listens to it.
    pub(super) async fn open(target: Arc<dyn Target>, prelude: String) -> Result<Self, StartError> {
        let connection = Connection::open(&*target, &prelude).await?;
        let (orders, inbox) = mpsc::channel(MAX_ORDERS);
        let ended = Arc::new(Mutex::new(None));
        let desk = Self { handle: connection.handle(), pid: connection.pid(), orders, ended: ended.clone() };
        tokio::spawn(Task { connection, inbox, ended, cell: None, output: None, directory: None }.serve());
        Ok(desk)
    }

    /// How the worker ended, if it did.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs a cell; the receiver yields what happens, the last event is `Finished` or `Closed`.
    pub(super) async fn run(&self, libraries: Vec<Library>, run: Run, output: OutputSender) -> mpsc::Receiver<Event> {
        let (events, receiver) = mpsc::channel(MAX_EVENTS);
        // If the task is gone, the receiver ends at once and the engine asks `ended`.
        let _ = self.orders.send(Order::Run { libraries, run, events, output }).await;
        receiver
    }

    /// Changes the worker's directory.
    pub(super) async fn directory(&self, path: &str) -> Result<String, String> {
        let (answer, wait) = oneshot::channel();
        let _ = self.orders.send(Order::Directory { path: path.to_owned(), answer }).await;
        match tokio::time::timeout(DIRECTORY_BOUND, wait).await {
            Ok(Ok(answer)) => answer,
            _ => Err("the worker does not answer; interrupt what it does, or `%reset` it".to_owned()),
        }
    }

    /// Ends the worker.
    pub(super) async fn shutdown(self, bound: Duration) {
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
    /// Where the running cell's events go.
    cell: Option<mpsc::Sender<Event>>,
    /// Where the last cell's output went, for threads that it left behind.
    output: Option<OutputSender>,
    directory: Option<oneshot::Sender<Result<String, String>>>,
}

impl Task {
    async fn serve(mut self) {
        loop {
            tokio::select! {
                order = self.inbox.recv() => match order {
                    Some(Order::Run { libraries, run, events, output }) => {
                        self.cell = Some(events);
                        self.output = Some(output);
                        self.start(libraries, run).await;
                    }
                    Some(Order::Directory { path, answer }) => {
                        self.directory = Some(answer);
                        let _ = self.connection.send(&ToWorker::Directory { path }).await;
                    }
                    Some(Order::Shutdown { bound, done }) => {
                        self.connection.shutdown(bound).await;
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
    async fn start(&mut self, libraries: Vec<Library>, run: Run) {
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
        let _ = self.connection.send(&ToWorker::Run(run)).await;
    }

    async fn pass(&mut self, event: Event) {
        if let Event::Closed(ended) = &event {
            *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended.clone());
        }
        if let Event::Message(FromWorker::Directory { path }) = event {
            if let Some(answer) = self.directory.take() {
                let _ = answer.send(path);
            }
            return;
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
