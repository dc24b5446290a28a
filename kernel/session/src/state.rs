//! The session task: it alone writes session state, and it never waits for a cell, an engine or a disk.
//!
//! ```text
//! Session handles --Event--> task --(lends the runner)--> one spawned execution
//!                             ^------------Event::Finished------------|
//! ```
//! The runner (engine, environment, dependencies) is owned by whoever works with it: by the task while
//! nothing runs, by the execution while it runs. There is nothing to lock.
use crate::engine::OutputSender;
use crate::exchange::Exchange;
use crate::front::{Completion, Execute, Executed, Output, Report, Status};
use crate::gate::Gate;
use crate::history::History;
use crate::pump::{Pump, Sinks};
use crate::runner::{Job, JobEnd, Runner};
use crate::screen::CellScreen;
use crate::session::EngineFactory;
use crate::switchboard::Switchboard;
use futures::FutureExt;
use ochre_api::{CellFinished, CellStarted, Ending, Failure, Registry, Screen};
use ochre_link::{Comm, CommAction, Stream, Variable};
use std::collections::{BTreeMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// Cells that may wait: Run All of the largest notebooks, ten times over.
const MAX_QUEUED_CELLS: usize = 10_000;
/// How long a cell has for its polite end at shutdown before its worker is killed.
const SHUTDOWN_POLITE: Duration = Duration::from_millis(1500);
/// How long a killed worker or an ending engine is waited for; front ends kill the kernel after about 5 s.
const SHUTDOWN_LAST: Duration = Duration::from_secs(2);
/// How long extensions have for what is left to do; with the bounds above it stays below those 5 s unless a cell hangs.
const SETTLE: Duration = Duration::from_millis(1500);

/// All that can wake the task.
pub(crate) enum Event {
    Execute { request: Execute, output: OutputSender, done: oneshot::Sender<Executed> },
    /// The execution gives the runner back.
    Finished { runner: Box<Runner>, end: JobEnd },
    /// The front end opened or closed a comm (or said something on one).
    FrontComm(Comm),
    Shutdown { restart: bool, done: oneshot::Sender<()> },
}

/// What handles may read at any time.
#[derive(Clone, Default)]
pub(crate) struct View {
    pub(crate) count: u32,
    pub(crate) engine: String,
    pub(crate) variables: Vec<Variable>,
    pub(crate) items: Vec<Completion>,
    pub(crate) comms: Vec<(String, String)>,
    pub(crate) directory: std::path::PathBuf,
}

/// What the task begins with.
pub(crate) struct Start {
    pub(crate) engine: String,
    pub(crate) engines: EngineFactory,
    pub(crate) magics: Arc<Registry>,
    pub(crate) exchange: Exchange,
    pub(crate) history: History,
    pub(crate) switchboard: Arc<Switchboard>,
    pub(crate) gate: Gate,
    pub(crate) stray: mpsc::Sender<Output>,
    pub(crate) events: mpsc::WeakSender<Event>,
    pub(crate) receiver: mpsc::Receiver<Event>,
}

/// Starts the task and gives the view that it keeps up to date.
pub(crate) fn start(start: Start) -> watch::Receiver<View> {
    let runner = Runner::new(start.engine.clone(), start.engines, start.magics, start.history.clone(), start.switchboard.clone(), start.exchange.clone(), start.gate.clone());
    let first = View { engine: start.engine, directory: runner.directory(), ..View::default() };
    let (view, receiver) = watch::channel(first);
    let (comm_sender, comm_events) = mpsc::unbounded_channel();
    let task = Task {
        count: 0,
        queue: VecDeque::new(),
        runner: Some(Box::new(runner)),
        running: None,
        comms: BTreeMap::new(),
        view,
        exchange: start.exchange,
        history: start.history,
        switchboard: start.switchboard,
        gate: start.gate,
        stray: start.stray,
        events: start.events,
        comm_sender,
        ending: None,
    };
    tokio::spawn(task.run(start.receiver, comm_events));
    receiver
}

struct Waiting {
    request: Execute,
    output: OutputSender,
    done: oneshot::Sender<Executed>,
}

struct Running {
    request: Execute,
    done: oneshot::Sender<Executed>,
    count: u32,
    since: Instant,
}

struct Task {
    count: u32,
    queue: VecDeque<Waiting>,
    runner: Option<Box<Runner>>,
    running: Option<Running>,
    comms: BTreeMap<String, String>,
    view: watch::Sender<View>,
    exchange: Exchange,
    history: History,
    switchboard: Arc<Switchboard>,
    gate: Gate,
    stray: mpsc::Sender<Output>,
    events: mpsc::WeakSender<Event>,
    /// Opened and closed comms, seen by the pumps; few and small, so not bounded.
    comm_sender: mpsc::UnboundedSender<Comm>,
    ending: Option<Closing>,
}

/// A shutdown that waits for the running cell.
struct Closing {
    restart: bool,
    done: Vec<oneshot::Sender<()>>,
    /// When the next, harder step is taken.
    next: tokio::time::Instant,
    killed: bool,
}

impl Task {
    async fn run(mut self, mut events: mpsc::Receiver<Event>, mut comms: mpsc::UnboundedReceiver<Comm>) {
        if let Some(runner) = &mut self.runner {
            runner.ensure_engine().ok();
        }
        loop {
            let deadline = self.ending.as_ref().map(|e| e.next);
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.event(event),
                    None => break,
                },
                Some(comm) = comms.recv() => self.comm(&comm),
                () = sleep_until(deadline), if deadline.is_some() => self.press_on(),
            }
            if self.ending.is_some() && self.running.is_none() {
                break;
            }
        }
        self.end().await;
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Execute { request, output, done } => self.enqueue(Waiting { request, output, done }),
            Event::Finished { runner, end } => self.finished(runner, end),
            Event::FrontComm(comm) => self.comm(&comm),
            Event::Shutdown { restart, done } => self.begin_end(restart, done),
        }
        self.start_next();
    }

    fn enqueue(&mut self, waiting: Waiting) {
        if self.ending.is_some() || self.queue.len() >= MAX_QUEUED_CELLS {
            return self.abort(waiting);
        }
        self.queue.push_back(waiting);
    }

    fn abort(&self, waiting: Waiting) {
        let executed = Executed { count: self.count, status: Status::Aborted, user_expressions: Vec::new(), payloads: Vec::new() };
        waiting.done.send(executed).ok();
    }

    /// Lends the runner to the next execution.
    fn start_next(&mut self) {
        if self.ending.is_some() || self.running.is_some() {
            return;
        }
        let Some(events) = self.events.upgrade() else { return };
        let Some(mut runner) = self.runner.take() else { return };
        let Some(Waiting { request, output, done }) = self.queue.pop_front() else {
            self.runner = Some(runner);
            return;
        };
        // Silent cells and those that are not to be remembered show the next number and leave it unused.
        let count = self.count + 1;
        let pump = Pump::start(Sinks { front: output, stray: self.stray.clone(), comms: self.comm_sender.clone(), silent: request.silent, gate: self.gate.clone() });
        if !request.silent {
            let screen: Arc<dyn Screen> = Arc::new(CellScreen(pump.output.clone()));
            self.exchange.tell(|observer| observer.screen(&screen));
            // Observers write to services and files: they are handed what may be seen.
            let _ = self.gate.learn(&request.code);
            let code = self.gate.text(request.code.clone());
            let cell = CellStarted { count, code: &code, cell_id: request.cell_id.as_deref() };
            self.exchange.tell(|observer| observer.cell_started(&cell));
        }
        let notices = if request.silent { Vec::new() } else { self.exchange.notices() };
        let job = Job { request: request.clone(), count };
        self.running = Some(Running { request, done, count, since: Instant::now() });
        tokio::spawn(async move {
            for notice in notices {
                pump.output.send(Output::Stream { stream: Stream::Stderr, text: format!("{notice}\n") }).await.ok();
            }
            let run = AssertUnwindSafe(runner.run(job, pump.output.clone())).catch_unwind();
            let end = match run.await {
                Ok(end) => end,
                Err(_) => {
                    let report = Report::from(Failure::bug("the session panicked while it ran this cell"));
                    pump.output.send(Output::Error(report.clone())).await.ok();
                    JobEnd::failed(report)
                }
            };
            pump.finish().await;
            events.send(Event::Finished { runner, end }).await.ok();
        });
    }

    fn finished(&mut self, runner: Box<Runner>, end: JobEnd) {
        let Some(Running { request, done, count, since }) = self.running.take() else { return };
        if !request.silent {
            let shown;
            let ending = match &end.status {
                Status::Error(report) => {
                    shown = self.gate.report(report.clone());
                    Ending::Error { name: &shown.name, message: &shown.message }
                }
                _ => Ending::Ok,
            };
            let cell = CellFinished { count, ending, took: since.elapsed() };
            self.exchange.tell(|observer| observer.cell_finished(&cell));
        }
        if request.store_history && !request.silent {
            self.count = count;
            let (input, output) = self.gate.record(request.code, end.output);
            self.history.record(count, input, output);
        }
        let failed = matches!(end.status, Status::Error(_));
        self.view.send_modify(|view| {
            view.count = self.count;
            view.engine = runner.engine_name().to_owned();
            view.variables = runner.variables();
            view.items = runner.items();
            view.directory = runner.directory();
        });
        self.runner = Some(runner);
        if failed && request.stop_on_error {
            for waiting in std::mem::take(&mut self.queue) {
                self.abort(waiting);
            }
        }
        done.send(Executed { count, status: end.status, user_expressions: end.user_expressions, payloads: end.payloads }).ok();
    }

    fn comm(&mut self, comm: &Comm) {
        match &comm.action {
            CommAction::Open { target } => drop(self.comms.insert(comm.id.clone(), target.clone())),
            CommAction::Close => drop(self.comms.remove(&comm.id)),
            CommAction::Message => return,
        }
        let comms = self.comms.iter().map(|(id, target)| (id.clone(), target.clone())).collect();
        self.view.send_modify(|view| view.comms = comms);
    }

    fn begin_end(&mut self, restart: bool, done: oneshot::Sender<()>) {
        for waiting in std::mem::take(&mut self.queue) {
            self.abort(waiting);
        }
        if let Some(ending) = &mut self.ending {
            ending.done.push(done);
            return;
        }
        if self.running.is_some() {
            self.switchboard.interrupt();
        }
        self.ending = Some(Closing { restart, done: vec![done], next: tokio::time::Instant::now() + SHUTDOWN_POLITE, killed: false });
    }

    /// The cell did not end in time: its worker is killed, and then it is left behind.
    fn press_on(&mut self) {
        let Some(ending) = &mut self.ending else { return };
        if ending.killed {
            self.running = None;
            return;
        }
        ending.killed = true;
        ending.next = tokio::time::Instant::now() + SHUTDOWN_LAST;
        self.switchboard.interrupt();
    }

    async fn end(mut self) {
        if let Some(runner) = &mut self.runner {
            tokio::time::timeout(SHUTDOWN_LAST, runner.shutdown()).await.ok();
        }
        let ending = self.ending.take();
        let restart = ending.as_ref().is_some_and(|e| e.restart);
        self.exchange.tell(|observer| observer.session_ended(restart));
        tokio::time::timeout(SETTLE, self.exchange.settle()).await.ok();
        self.switchboard.connect(None);
        for done in ending.into_iter().flat_map(|e| e.done) {
            done.send(()).ok();
        }
    }
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}
