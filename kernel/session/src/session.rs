//! The handle that front ends hold: cheap to clone, every method answers whatever a cell is doing.
//!
//! Executions go to the session task in order; interrupts, answers and comms go straight to whoever waits
//! for them; completion and inspection read the view that the task publishes.
use crate::engine::{Engine, OutputSender};
use crate::exchange::Exchange;
use crate::front::*;
use crate::gate::Gate;
use crate::history::{History, HistoryPlace};
use crate::state::{Event, Start, View};
use crate::switchboard::Switchboard;
use crate::{complete, inspect, usage};
use ochre_api::{Magic, Observer, Registry, Service};
use ochre_link::{Bundle, Comm};
use ochre_secrets::Redactor;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot, watch};

/// Makes an engine by its name (`ochre`, `evcxr`); a report when there is none of that name, or when it
/// cannot work here. Called on the session's own task, so it must not wait for a worker to answer. The exchange is
/// what its workers may reach of the extensions.
pub type EngineFactory = Box<dyn Fn(&str, &Exchange) -> Result<Box<dyn Engine>, Report> + Send + Sync>;

/// Requests that wait for the session task, which never waits for anything itself: only a flood fills it.
const MAX_EVENTS: usize = 1024;
/// Outputs of left-behind threads that wait to be published; more of them wait in the thread.
const MAX_STRAY_OUTPUTS: usize = 256;

/// What a session is made of.
pub struct SessionParts {
    /// Name of the first engine.
    pub engine: String,
    pub engines: EngineFactory,
    /// Magics of the extensions; the session brings its own.
    pub magics: Vec<Arc<dyn Magic>>,
    pub observers: Vec<Arc<dyn Observer>>,
    /// What answers cells.
    pub services: Vec<Arc<dyn Service>>,
    /// What is known to be secret; nothing of it leaves the kernel.
    pub redactor: Redactor,
    pub history: HistoryPlace,
}

/// A notebook's session.
#[derive(Clone)]
pub struct Session {
    events: mpsc::Sender<Event>,
    switchboard: Arc<Switchboard>,
    gate: Gate,
    view: watch::Receiver<View>,
    magics: Arc<Registry>,
    history: History,
    usage: Arc<Mutex<usage::Meter>>,
    stray: Arc<Mutex<Option<mpsc::Receiver<Output>>>>,
}

impl Session {
    /// Starts the session task; must be called on a tokio runtime. Two magics of one name are refused, and
    /// two services of one topic.
    pub fn start(parts: SessionParts) -> Result<Self, ochre_api::RegistryError> {
        let mut magics = Registry::default();
        magics.add(crate::magics::all())?;
        magics.add(parts.magics)?;
        let magics = Arc::new(magics);
        let exchange = Exchange::new(parts.services, &parts.observers)?;
        let (events, receiver) = mpsc::channel(MAX_EVENTS);
        let (stray_sender, stray) = mpsc::channel(MAX_STRAY_OUTPUTS);
        let switchboard = Switchboard::new();
        for (_, secret) in ochre_secrets::environment::credentials() {
            parts.redactor.know(&secret);
        }
        let gate = Gate::new(parts.redactor);
        let history = History::new(parts.history);
        let view = crate::state::start(Start {
            engine: parts.engine,
            engines: parts.engines,
            magics: magics.clone(),
            exchange,
            history: history.clone(),
            switchboard: switchboard.clone(),
            gate: gate.clone(),
            stray: stray_sender,
            events: events.downgrade(),
            receiver,
        });
        let usage = Arc::default();
        Ok(Self { events, switchboard, gate, view, magics, history, usage, stray: Arc::new(Mutex::new(Some(stray))) })
    }

    /// Runs a cell when its turn comes. All its output is in `output` when this returns.
    pub async fn execute(&self, request: Execute, output: OutputSender) -> Executed {
        let (done, executed) = oneshot::channel();
        let ended = Executed { count: self.view.borrow().count, status: Status::Aborted, user_expressions: Vec::new(), payloads: Vec::new() };
        if self.events.send(Event::Execute { request, output, done }).await.is_err() {
            return ended;
        }
        self.gate.executed(executed.await.unwrap_or(ended))
    }

    /// Stops the running cell: politely first, harder when asked again.
    pub fn interrupt(&self) {
        self.switchboard.interrupt();
    }

    /// The answer to [`Output::Input`]; `None` gives the question up.
    pub fn answer(&self, text: Option<String>) {
        self.gate.answer(text.as_deref());
        self.switchboard.answer(text);
    }

    /// What may stand at the cursor (in code points).
    pub async fn complete(&self, code: &str, cursor_code_points: usize) -> Completions {
        let view = self.view.borrow().clone();
        let (code, magics) = (code.to_owned(), self.magics.clone());
        // Off this task, because paths are read from the disk, which may be a slow mount.
        let found = tokio::task::spawn_blocking(move || complete::complete(&code, cursor_code_points, &view, &magics));
        self.gate.completions(found.await.unwrap_or_default())
    }

    /// What is known of the name at the cursor; `detail` 1 adds more.
    pub async fn inspect(&self, code: &str, cursor: usize, detail: u8) -> Option<Bundle> {
        let view = self.view.borrow().clone();
        inspect::inspect(code, cursor, detail, &view, &self.magics).map(|bundle| self.gate.bundle(bundle))
    }

    /// Whether a text is a whole cell.
    pub fn is_complete(&self, code: &str) -> Completeness {
        complete::is_complete(code, &self.view.borrow(), &self.magics)
    }

    /// Cells of the past.
    pub async fn history(&self, query: HistoryQuery) -> Vec<HistoryEntry> {
        self.gate.history(self.history.query(query).await)
    }

    /// A comm message from the front end, to the cell side.
    pub fn comm(&self, message: Comm) {
        // When the task has a thousand events waiting, an opened comm is missing in a list: it still works.
        self.events.try_send(Event::FrontComm(message.clone())).ok();
        self.switchboard.comm(message);
    }

    /// Open comms: id and target.
    pub fn comms(&self) -> Vec<(String, String)> {
        self.gate.comms(self.view.borrow().comms.clone())
    }

    /// What this session's processes use; CPU since the last call.
    pub async fn usage(&self) -> Usage {
        let pids = self.switchboard.controls().map(|c| c.pids()).unwrap_or_default();
        let meter = self.usage.clone();
        let read = move || meter.lock().unwrap_or_else(PoisonError::into_inner).read(&pids);
        tokio::task::spawn_blocking(read).await.unwrap_or_default()
    }

    /// Ends cell and worker, politely first; returns when they are gone.
    pub async fn shutdown(&self, restart: bool) {
        let (done, ended) = oneshot::channel();
        if self.events.send(Event::Shutdown { restart, done }).await.is_ok() {
            ended.await.ok();
        }
        self.history.close().await;
    }

    /// Output of threads that outlived their cell; the first caller gets it.
    pub fn stray(&self) -> Option<mpsc::Receiver<Output>> {
        self.stray.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// All magics, for documentation.
    pub fn magics(&self) -> &Registry {
        &self.magics
    }
}
