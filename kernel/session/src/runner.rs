//! Runs one cell: its parts in order, magics through the registry, Rust through the engine.
//!
//! Owned by the session task while idle and lent to one execution at a time. What a cell does goes through
//! [`Access`](crate::access::Access); this file holds what outlives a cell.
use crate::access::Access;
use crate::engine::{Context, Engine, OutputSender};
use crate::exchange::Exchange;
use crate::front::{Completion, Execute, Output, Payload, Report, Status};
use crate::gate::Gate;
use crate::history::History;
use crate::session::EngineFactory;
use crate::switchboard::Switchboard;
use ochre_api::{Failure, Registry};
use ochre_link::{Bundle, CellId, Stream, Variable};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;

/// One execution.
pub(crate) struct Job {
    pub(crate) request: Execute,
    pub(crate) count: u32,
}

/// How it went.
pub(crate) struct JobEnd {
    pub(crate) status: Status,
    pub(crate) user_expressions: Vec<(String, Result<Bundle, Report>)>,
    pub(crate) payloads: Vec<Payload>,
    /// Plain text of the value, for the history.
    pub(crate) output: Option<String>,
}

impl JobEnd {
    pub(crate) fn failed(report: Report) -> Self {
        Self { status: Status::Error(report), user_expressions: Vec::new(), payloads: Vec::new(), output: None }
    }
}

/// Engine and surroundings of the cells.
pub(crate) struct Runner {
    pub(crate) engines: EngineFactory,
    pub(crate) exchange: Exchange,
    pub(crate) name: String,
    /// Absent until it could be made; tried again by each cell, so that a repaired set-up needs no restart.
    pub(crate) engine: Option<Box<dyn Engine>>,
    pub(crate) magics: Arc<Registry>,
    pub(crate) history: History,
    pub(crate) switchboard: Arc<Switchboard>,
    pub(crate) gate: Gate,
    /// Credentials of the kernel's environment that cells and commands are not handed, and were not yet told of.
    pub(crate) withheld: Vec<String>,
    /// What `%env` set (or removed), for commands.
    pub(crate) environment: BTreeMap<String, Option<String>>,
    pub(crate) directory: PathBuf,
    pub(crate) dependencies: BTreeMap<String, String>,
    pub(crate) timing: bool,
    /// How opens are trapped, once a mount needs it.
    pub(crate) trap: Option<ochre_api::Trap>,
    /// The number beside the cell for each of the engine's own ids that a variable carries.
    pub(crate) counts: BTreeMap<CellId, u32>,
}

impl Runner {
    pub(crate) fn new(name: String, engines: EngineFactory, magics: Arc<Registry>, history: History, switchboard: Arc<Switchboard>, exchange: Exchange, gate: Gate) -> Self {
        let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        Self {
            engines,
            exchange,
            name,
            engine: None,
            magics,
            history,
            switchboard,
            gate,
            withheld: ochre_secrets::environment::credentials().into_iter().map(|(name, _)| name.to_string_lossy().into_owned()).collect(),
            environment: BTreeMap::new(),
            directory,
            dependencies: BTreeMap::new(),
            timing: false,
            trap: None,
            counts: BTreeMap::new(),
        }
    }

    /// The engine, made when there is none.
    pub(crate) fn ensure_engine(&mut self) -> Result<&mut Box<dyn Engine>, Failure> {
        if self.engine.is_none() {
            let engine = self.make_engine(&self.name)?;
            self.switchboard.connect(Some(engine.controls()));
            self.engine = Some(engine);
        }
        self.engine.as_mut().ok_or_else(|| Failure::bug("there is no engine"))
    }

    /// A new engine. One that panics while it is made costs the cell and not the session.
    pub(crate) fn make_engine(&self, name: &str) -> Result<Box<dyn Engine>, Failure> {
        match std::panic::catch_unwind(AssertUnwindSafe(|| (self.engines)(name, &self.exchange))) {
            Ok(engine) => engine.map_err(crate::report::failure),
            Err(_) => Err(Failure::bug(format!("the engine `{name}` panicked when it was made"))),
        }
    }

    pub(crate) fn engine_name(&self) -> &str {
        &self.name
    }

    /// The variables, with the number of their cell as the user sees it.
    pub(crate) fn variables(&self) -> Vec<Variable> {
        let mut variables = self.engine.as_ref().map(|e| e.variables()).unwrap_or_default();
        for variable in &mut variables {
            if let Some(count) = self.counts.get(&variable.cell) {
                variable.cell = CellId(u64::from(*count));
            }
        }
        variables
    }

    /// After Rust ran in cell `count`: ids that were not seen before are of that cell.
    pub(crate) fn note_cell(&mut self, count: u32) {
        let variables = self.engine.as_ref().map(|e| e.variables()).unwrap_or_default();
        for variable in &variables {
            self.counts.entry(variable.cell).or_insert(count);
        }
        self.counts.retain(|id, _| variables.iter().any(|v| v.cell == *id));
    }

    pub(crate) fn items(&self) -> Vec<Completion> {
        self.engine.as_ref().map(|e| e.items()).unwrap_or_default()
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.directory.clone()
    }

    /// Ends the engine.
    pub(crate) async fn shutdown(&mut self) {
        self.switchboard.connect(None);
        if let Some(mut engine) = self.engine.take() {
            engine.shutdown().await;
        }
    }

    /// Runs a cell from its first output to its last user expression.
    pub(crate) async fn run(&mut self, job: Job, output: OutputSender) -> JobEnd {
        let Job { request, count } = job;
        output.send(Output::Started { code: request.code.clone(), count }).await.ok();
        let context = Context { output: output.clone(), allow_stdin: request.allow_stdin, count, silent: request.silent };
        if !request.silent {
            for warning in crate::keys::warnings(&request.code, self) {
                output.send(Output::Stream { stream: Stream::Stderr, text: warning }).await.ok();
            }
        }
        let mut access = Access::new(self, context);
        let end = access.cell(&request.code).await;
        let payloads = std::mem::take(&mut access.payloads);
        match end {
            Ok(value) => {
                let text = value.as_ref().and_then(|v| v.text()).map(str::to_owned);
                if let Some(bundle) = value {
                    output.send(Output::Result { bundle, count }).await.ok();
                }
                let user_expressions = access.user_expressions(request.user_expressions).await;
                JobEnd { status: Status::Ok, user_expressions, payloads, output: text }
            }
            Err(failure) => {
                let report = Report::from(failure);
                output.send(Output::Error(report.clone())).await.ok();
                JobEnd { payloads, ..JobEnd::failed(report) }
            }
        }
    }
}
