//! The second engine: the crate evcxr, in a process of its own (`ochre-evcxr`) behind the same link.
//!
//! ```text
//! execute: text --Desk--> ochre-evcxr (analyses, compiles and runs with evcxr)
//!           commit <-- Finished, with the variables
//! ```
//! Slow and portable: it serves where no prelude can be built, and notebooks that rely on evcxr's exact ways.
//! It compiles nothing here and knows nothing of the prelude. SEMANTICS.md lists what differs.
mod ends;

use crate::desk::{Desk, Ran, WorkerControls, follow};
use crate::engine::{Context, Controls, Engine, Outcome, OutputSender, Timing};
use crate::exchange::Exchange;
use crate::front::{Completion, Output, Report};
use crate::ochre_engine::report;
use crate::worker::{StartError, Target};
use async_trait::async_trait;
use ochre_link::{CellId, Stream, ToWorker, Variable, evcxr as topics};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the process may take to end: it removes its temporary directory.
const SHUTDOWN_BOUND: Duration = Duration::from_secs(3);
/// evcxr's own level, which `auto` stands for.
const DEFAULT_OPT_LEVEL: &str = "2";

/// The engine of a session that asked for evcxr.
pub struct EvcxrEngine {
    target: Arc<dyn Target>,
    exchange: Exchange,
    controls: Arc<WorkerControls>,
    desk: Option<Desk>,
    starting: Option<tokio::task::JoinHandle<Result<Desk, StartError>>>,
    variables: Vec<Variable>,
    /// Names that evcxr knows as items.
    items: Vec<String>,
    /// The crate that evcxr compiled last.
    source: Option<String>,
    timing: Timing,
    next_cell: u64,
    /// A level that was asked for and not yet said to evcxr.
    opt_level: Option<String>,
    /// Environment and directory, for a process that takes the place of a dead one.
    setup: Vec<ToWorker>,
}

impl EvcxrEngine {
    /// An engine whose process starts at once; evcxr takes some seconds to get ready in it. Needs a tokio runtime.
    pub fn new(target: Arc<dyn Target>, exchange: Exchange) -> Self {
        let starting = tokio::spawn(Desk::open(target.clone(), String::new(), exchange.clone()));
        Self {
            target, exchange, controls: Arc::new(WorkerControls::new()), desk: None, starting: Some(starting), variables: Vec::new(), items: Vec::new(),
            source: None, timing: Timing::default(), next_cell: 1, opt_level: None, setup: Vec::new(),
        }
    }

    /// The process, started if there is none. One that died while no cell ran is reported here.
    async fn desk(&mut self, output: &OutputSender) -> Result<&mut Desk, Report> {
        if let Some(ended) = self.desk.as_ref().and_then(Desk::ended) {
            self.lose_process();
            let text = format!("ochre-evcxr ended while no cell was running: {}. A new one has started, without variables and items.\n", ended.words());
            // A front end that is gone does not stop a cell.
            let _ = output.send(Output::Stream { stream: Stream::Stderr, text }).await;
        }
        if self.desk.is_none() {
            let starting = self.starting.take().unwrap_or_else(|| tokio::spawn(Desk::open(self.target.clone(), String::new(), self.exchange.clone())));
            let desk = match starting.await {
                Ok(Ok(desk)) => desk,
                Ok(Err(error)) => return Err(report::of_error("evcxr did not start", &error)),
                Err(error) => return Err(report::of_error("evcxr did not start", &error)),
            };
            for message in &self.setup {
                desk.handle.post(message);
            }
            self.controls.set_handle(Some((desk.handle.clone(), desk.pid)));
            self.desk = Some(desk);
        }
        self.desk.as_mut().ok_or_else(|| report::bug("evcxr's process is gone again"))
    }

    /// Items live in evcxr's process: they are gone with it, too.
    fn lose_process(&mut self) {
        self.desk = None;
        self.controls.set_handle(None);
        self.variables.clear();
        self.items.clear();
        self.starting = Some(tokio::spawn(Desk::open(self.target.clone(), String::new(), self.exchange.clone())));
    }

    /// Evaluates a cell or a command of evcxr's.
    async fn evaluate(&mut self, code: &str, context: &Context) -> Outcome {
        self.controls.begin();
        let outcome = self.evaluate_now(code, context).await;
        self.controls.end();
        outcome
    }

    async fn evaluate_now(&mut self, code: &str, context: &Context) -> Outcome {
        if let Some(level) = self.opt_level.take()
            && let Outcome::Error(report) = self.send(&format!(":opt {level}"), context).await
        {
            return Outcome::Error(report);
        }
        self.send(code, context).await
    }

    async fn send(&mut self, code: &str, context: &Context) -> Outcome {
        let cell = CellId(self.next_cell);
        self.next_cell += 1;
        let desk = match self.desk(&context.output).await {
            Ok(desk) => desk,
            Err(report) => return Outcome::Error(report),
        };
        let started = Instant::now();
        let events = desk.evaluate(cell, code, context.allow_stdin, context.output.clone()).await;
        let mut told = Vec::new();
        let ran = follow(desk, cell, events, &context.output, |topic, payload| told.push((topic, payload)), |text| text).await;
        let took = started.elapsed();
        self.learn(told, took);
        match ran {
            Ran::Finished { end, value, variables } => {
                let before = std::mem::replace(&mut self.variables, variables);
                ends::outcome(end, value, &before, &self.variables, context.count)
            }
            Ran::WorkerEnded(ended) => {
                let interrupted = self.controls.interrupted();
                self.lose_process();
                Outcome::Error(ends::process_ended(&ended, interrupted))
            }
        }
    }

    fn learn(&mut self, told: Vec<(String, Vec<u8>)>, took: Duration) {
        self.timing = Timing { compile: took, run: Duration::ZERO, cached: false };
        for (topic, payload) in told {
            let text = String::from_utf8_lossy(&payload).into_owned();
            match topic.as_str() {
                topics::ITEMS => self.items = text.lines().map(str::to_owned).collect(),
                topics::SOURCE => self.source = Some(text),
                topics::COMPILED => {
                    let compile = text.parse().map_or(took, Duration::from_micros).min(took);
                    self.timing = Timing { compile, run: took - compile, cached: false };
                }
                _ => {}
            }
        }
    }

    fn set_up(&mut self, message: ToWorker, same: impl Fn(&ToWorker) -> bool) {
        self.setup.retain(|m| !same(m));
        if let Some(desk) = &self.desk {
            desk.handle.post(&message);
        }
        self.setup.push(message);
    }
}

#[async_trait]
impl Engine for EvcxrEngine {
    fn name(&self) -> &'static str {
        "evcxr"
    }

    async fn execute(&mut self, code: &str, context: &Context) -> Outcome {
        self.evaluate(code, context).await
    }

    fn controls(&self) -> Arc<dyn Controls> {
        self.controls.clone()
    }

    fn variables(&self) -> Vec<Variable> {
        self.variables.clone()
    }

    /// evcxr tells names only.
    fn items(&self) -> Vec<Completion> {
        self.items.iter().map(|name| Completion { text: name.clone(), kind: "item".to_owned(), signature: None }).collect()
    }

    fn timing(&self) -> Timing {
        self.timing
    }

    async fn reset(&mut self, context: &Context) -> Result<(), Report> {
        match self.evaluate(":clear", context).await {
            Outcome::Ok(_) => Ok(()),
            Outcome::Error(report) => Err(report),
        }
    }

    async fn add_dependency(&mut self, name: &str, requirement: &str, context: &Context) -> Outcome {
        self.evaluate(&format!(":dep {name} = {requirement}"), context).await
    }

    fn set_opt_level(&mut self, level: &str) -> Result<(), Report> {
        let level = match level {
            "auto" => DEFAULT_OPT_LEVEL,
            "0" | "1" | "2" | "3" => level,
            other => return Err(report::usage(format!("`{other}` is no optimisation level; use 0, 1, 2, 3 or auto"))),
        };
        self.opt_level = Some(level.to_owned());
        Ok(())
    }

    async fn recover(&mut self, _dry_run: bool, _context: &Context) -> Outcome {
        Outcome::Error(report::usage("the evcxr engine keeps nothing that could bring variables back: run their cells again, or use `%engine ochre`"))
    }

    fn expand(&self) -> Option<String> {
        self.source.clone()
    }

    async fn type_of(&mut self, expression: &str) -> Result<String, Report> {
        let known = self.variables.iter().find(|v| v.name == expression.trim());
        known.map(|v| v.type_name.clone()).ok_or_else(|| {
            report::usage(format!("the evcxr engine knows the types of variables only, and `{expression}` is none: keep it with `let x = {expression};`, then `%type x`"))
        })
    }

    async fn set_env(&mut self, name: &str, value: Option<&str>) -> Result<(), Report> {
        let message = ToWorker::Environment { name: name.to_owned(), value: value.map(str::to_owned) };
        self.set_up(message, |m| matches!(m, ToWorker::Environment { name: n, .. } if n == name));
        Ok(())
    }

    async fn set_directory(&mut self, path: &str) -> Result<String, Report> {
        let silent = tokio::sync::mpsc::channel(1).0;
        let now = self.desk(&silent).await?.directory(path).await.map_err(report::usage)?;
        self.setup.retain(|m| !matches!(m, ToWorker::Directory { .. }));
        self.setup.push(ToWorker::Directory { path: now.clone() });
        Ok(now)
    }

    async fn setting(&mut self, name: &str, _value: &str) -> Result<(), Report> {
        Err(report::usage(format!("the evcxr engine has no setting `{name}`: values show themselves there, by `evcxr_display` or `Debug`")))
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
