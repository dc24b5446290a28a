//! The default engine: `ochre-cells` compiles a cell, a worker runs it.
//!
//! ```text
//! execute: text --Notebook--> libraries --Desk--> worker
//!                   commit <-- Finished, or the worker's end <--
//! ```
//! It holds no socket and no Jupyter field. What the worker says while no cell runs (threads that a cell left
//! behind) goes to the output of the last cell.
mod deps;
mod journal;
pub(crate) mod report;
mod run;
mod text;

use crate::desk::{Desk, WorkerControls};
use crate::engine::{Context, Controls, Engine, Outcome, OutputSender, Timing};
use crate::exchange::Exchange;
use crate::front::{Completion, Output, Report};
use crate::worker::{StartError, Target};
use async_trait::async_trait;
use journal::Journal;
use ochre_cells::diagnostics::CellSource;
use ochre_cells::{Cache, Compiler, Notebook, OptLevel, Prelude, dependencies};
use ochre_link::{Stream, ToWorker, Variable};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a worker may take to end when the session does: destructors of variables run in it.
const SHUTDOWN_BOUND: Duration = Duration::from_secs(3);

/// What an engine is made of.
pub struct EngineParts {
    pub prelude: Arc<Prelude>,
    pub compiler: Compiler,
    pub cache: Cache,
    /// Where `%dep` builds, shared by all sessions.
    pub dependencies: dependencies::Workshop,
    /// Where workers run.
    pub target: Arc<dyn Target>,
    /// The extensions that workers may ask.
    pub exchange: Exchange,
}

/// The default engine of a session.
pub struct OchreEngine {
    parts: EngineParts,
    notebook: Notebook,
    controls: Arc<WorkerControls>,
    desk: Option<Desk>,
    starting: Option<tokio::task::JoinHandle<Result<Desk, StartError>>>,
    /// The worker's variables after the last cell.
    variables: Vec<Variable>,
    journal: Journal,
    /// What detached cells hold: it is the compiler's again when they end.
    held: BTreeMap<String, ochre_cells::model::Variable>,
    next_cell: u64,
    timing: Timing,
    last_text: Option<String>,
    /// Environment, directory and settings, for a worker that takes the place of a dead one.
    setup: Vec<ToWorker>,
}

impl OchreEngine {
    /// An engine whose worker starts at once, beside whatever the caller does next. Needs a tokio runtime.
    pub fn new(parts: EngineParts) -> Self {
        let notebook = Notebook::new(parts.prelude.clone(), parts.compiler.clone(), parts.cache.clone());
        let controls = Arc::new(WorkerControls::new());
        let starting = open(&parts);
        Self {
            parts, notebook, controls, desk: None, starting: Some(starting), variables: Vec::new(), journal: Journal::default(), held: BTreeMap::new(),
            next_cell: 1, timing: Timing::default(), last_text: None, setup: Vec::new(),
        }
    }

    /// The worker, started if there is none. A worker that died while no cell ran is reported here.
    async fn desk(&mut self, output: &OutputSender) -> Result<&mut Desk, Report> {
        if let Some(ended) = self.desk.as_ref().and_then(Desk::ended) {
            self.lose_worker(&ended.words());
            say(output, &format!("The worker ended while no cell was running: {}. A new one has started; `%recover` brings variables back.\n", ended.words())).await;
        }
        if self.desk.is_none() {
            let starting = self.starting.take().unwrap_or_else(|| open(&self.parts));
            let desk = match starting.await {
                Ok(Ok(desk)) => desk,
                Ok(Err(error)) => return Err(report::of_error("worker did not start", &error)),
                Err(error) => return Err(report::of_error("worker did not start", &error)),
            };
            for message in &self.setup {
                desk.handle.post(message);
            }
            self.controls.set_handle(Some((desk.handle.clone(), desk.pid)));
            self.desk = Some(desk);
        }
        self.desk.as_mut().ok_or_else(|| report::bug("the worker is gone again"))
    }

    /// Forgets a dead worker: its variables are gone, and hints say why.
    fn lose_worker(&mut self, why: &str) {
        self.desk = None;
        self.controls.set_handle(None);
        self.held.clear();
        self.journal.lost(&self.notebook.model.variables);
        self.notebook.retain_variables(&Default::default(), &format!("was lost when the worker ended ({why}); `%recover` brings back what can be brought back"));
        self.variables.clear();
        // The next cell shall not wait for the start.
        self.starting = Some(open(&self.parts));
    }

    fn source(&self, code: &str, context: &Context) -> Arc<CellSource> {
        Arc::new(CellSource { label: format!("cell [{}]", context.count), text: code.to_owned(), id: self.next_cell })
    }

    /// Sends a setup message now, and to every later worker.
    async fn set_up(&mut self, message: ToWorker, same: impl Fn(&ToWorker) -> bool) {
        self.setup.retain(|m| !same(m));
        self.setup.push(message.clone());
        if let Some(desk) = &self.desk {
            desk.handle.post(&message);
        }
    }
}

/// A worker that starts while something else is done.
fn open(parts: &EngineParts) -> tokio::task::JoinHandle<Result<Desk, StartError>> {
    tokio::spawn(Desk::open(parts.target.clone(), parts.prelude.hash.clone(), parts.exchange.clone()))
}

/// Writes a note into the cell's stderr.
async fn say(output: &OutputSender, text: &str) {
    // A front end that is gone does not stop a cell.
    let _ = output.send(Output::Stream { stream: Stream::Stderr, text: text.to_owned() }).await;
}

#[async_trait]
impl Engine for OchreEngine {
    fn name(&self) -> &'static str {
        "ochre"
    }

    async fn execute(&mut self, code: &str, context: &Context) -> Outcome {
        self.controls.begin();
        let outcome = self.run_cell(code, context).await;
        self.controls.end();
        outcome
    }

    fn controls(&self) -> Arc<dyn Controls> {
        self.controls.clone()
    }

    fn variables(&self) -> Vec<Variable> {
        let types: BTreeMap<&String, String> =
            self.notebook.model.variables.iter().filter_map(|(n, v)| Some((n, text::short_type(&v.ty.as_ref().ok()?.text)))).collect();
        let known = |v: &Variable| Variable { type_name: types.get(&v.name).cloned().unwrap_or_else(|| text::short_type(&v.type_name)), ..v.clone() };
        self.variables.iter().map(known).collect()
    }

    fn items(&self) -> Vec<Completion> {
        text::items(&self.notebook.model)
    }

    fn timing(&self) -> Timing {
        self.timing
    }

    async fn reset(&mut self, context: &Context) -> Result<(), Report> {
        let names: Vec<String> = self.variables.iter().map(|v| v.name.clone()).collect();
        self.desk(&context.output).await?.handle.post(&ToWorker::Forget { names });
        let layers = std::mem::take(&mut self.notebook.model.layers);
        self.notebook.model = Default::default();
        self.notebook.model.layers = layers;
        self.variables.clear();
        self.journal = Journal::default();
        Ok(())
    }

    async fn add_dependency(&mut self, name: &str, requirement: &str, context: &Context) -> Outcome {
        self.controls.begin();
        let outcome = self.depend(name, requirement, context).await;
        self.controls.end();
        outcome
    }

    fn set_opt_level(&mut self, level: &str) -> Result<(), Report> {
        self.notebook.overflow_checks = level != "release";
        self.notebook.opt = match level {
            "auto" => OptLevel::Auto,
            "release" => OptLevel::Fixed(3),
            "0" | "1" | "2" | "3" => OptLevel::Fixed(level.as_bytes()[0] - b'0'),
            other => return Err(report::usage(format!("`{other}` is no optimisation level; use 0, 1, 2, 3, auto, or release (3, and arithmetic wraps instead of panicking)"))),
        };
        Ok(())
    }

    async fn recover(&mut self, dry_run: bool, context: &Context) -> Outcome {
        self.controls.begin();
        let outcome = self.replay(dry_run, context).await;
        self.controls.end();
        outcome
    }

    fn expand(&self) -> Option<String> {
        self.last_text.clone()
    }

    async fn type_of(&mut self, expression: &str) -> Result<String, Report> {
        self.controls.begin();
        let ty = self.probe_type(expression).await;
        self.controls.end();
        ty
    }

    async fn set_env(&mut self, name: &str, value: Option<&str>) -> Result<(), Report> {
        let message = ToWorker::Environment { name: name.to_owned(), value: value.map(str::to_owned) };
        self.set_up(message, |m| matches!(m, ToWorker::Environment { name: n, .. } if n == name)).await;
        Ok(())
    }

    async fn set_directory(&mut self, path: &str) -> Result<String, Report> {
        let silent = tokio::sync::mpsc::channel(1).0;
        let answer = self.desk(&silent).await?.directory(path).await;
        let now = answer.map_err(|e| report::usage(e))?;
        self.setup.retain(|m| !matches!(m, ToWorker::Directory { .. }));
        self.setup.push(ToWorker::Directory { path: now.clone() });
        Ok(now)
    }

    async fn setting(&mut self, name: &str, value: &str) -> Result<(), Report> {
        let message = ToWorker::Setting { name: name.to_owned(), value: value.to_owned() };
        self.set_up(message, |m| matches!(m, ToWorker::Setting { name: n, .. } if n == name)).await;
        Ok(())
    }

    async fn trap_opens(&mut self, trap: &ochre_api::Trap) -> Result<(), Report> {
        let message = ToWorker::TrapOpens { socket: trap.socket.clone(), program: trap.program.clone() };
        if !self.setup.contains(&message) {
            self.set_up(message, |m| matches!(m, ToWorker::TrapOpens { .. })).await;
        }
        // One that is still starting is told with its other settings.
        let silent = tokio::sync::mpsc::channel(1).0;
        self.desk(&silent).await.map(drop)
    }

    async fn shutdown(&mut self) {
        if let Some(starting) = self.starting.take() {
            starting.abort();
        }
        if let Some(desk) = self.desk.take() {
            desk.shutdown(SHUTDOWN_BOUND).await;
        }
    }
}
