//! What a session needs of an engine: something that runs cells and keeps variables.
//!
//! Implemented by `ochre_engine` (cells compiled one by one and run in a worker), by `evcxr_engine`, and by
//! the scripted engine of the tests.
use crate::front::{Completion, Output, Report};
use async_trait::async_trait;
use ochre_api::{Failure, Trap};
use ochre_link::{Bundle, Comm, Variable};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Where outputs of a cell go; bounded, so that a slow front end slows the cell and not the memory.
pub type OutputSender = mpsc::Sender<Output>;

/// What one execution is given besides its text.
#[derive(Clone)]
pub struct Context {
    /// May be kept when the cell has ended: what threads say later is then shown apart ([`crate::Session::stray`]).
    pub output: OutputSender,
    pub allow_stdin: bool,
    /// The number shown beside the cell, for error texts (`cell [3], line 2`).
    pub count: u32,
    /// A silent execution does not commit definitions for `%recover`.
    pub silent: bool,
}

/// How a cell ended, as the session sees it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The value of the last expression, if there is one.
    Ok(Option<Bundle>),
    /// The user's code failed, was interrupted or took its worker with it: all reported in words.
    Error(Report),
}

/// Timing of the last cell, for `%time` and `:timing`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    pub compile: std::time::Duration,
    pub run: std::time::Duration,
    /// Nothing was compiled: the library came from the cache.
    pub cached: bool,
}

/// Runs cells. `&mut self` methods are called one at a time by the session task; what must work while a
/// cell runs goes through [`Controls`].
#[async_trait]
pub trait Engine: Send {
    /// `ochre` or `evcxr`.
    fn name(&self) -> &'static str;
    /// Runs Rust text (magics were taken out before).
    async fn execute(&mut self, code: &str, context: &Context) -> Outcome;
    /// Handles that work while [`Engine::execute`] is running.
    fn controls(&self) -> Arc<dyn Controls>;
    /// The variables now, sorted by name, with their types as the user would write them.
    fn variables(&self) -> Vec<Variable>;
    /// Names and kinds that the user defined (functions, types, …), with a one-line signature.
    fn items(&self) -> Vec<Completion>;
    fn timing(&self) -> Timing;
    /// `%reset`: forgets variables and items.
    async fn reset(&mut self, context: &Context) -> Result<(), Report>;
    /// `%dep`: a line in the form of Cargo.toml (`rand = "0.9"`), already normalised.
    async fn add_dependency(&mut self, name: &str, requirement: &str, context: &Context) -> Outcome;
    /// `%opt`: `0`..`3`, or `auto`.
    fn set_opt_level(&mut self, level: &str) -> Result<(), Report>;
    /// `%recover`: shows what is to be replayed, and with `dry_run` stops there.
    async fn recover(&mut self, dry_run: bool, context: &Context) -> Outcome;
    /// `%expand`: the generated crate of the last cell.
    fn expand(&self) -> Option<String>;
    /// `:type`: the type of a variable or an expression, compiled but not run.
    async fn type_of(&mut self, expression: &str) -> Result<String, Report>;
    async fn set_env(&mut self, name: &str, value: Option<&str>) -> Result<(), Report>;
    /// Changes the worker's directory; gives the new one.
    async fn set_directory(&mut self, path: &str) -> Result<String, Report>;
    async fn setting(&mut self, name: &str, value: &str) -> Result<(), Report>;
    /// Has this worker and every later one trap its opens.
    async fn trap_opens(&mut self, _trap: &Trap) -> Result<(), Report> {
        Err(Report::from(Failure::configuration(format!("the engine `{}` cannot trap the opens of its cells", self.name())).hint("`%engine ochre` can")))
    }
    /// Ends the worker, politely first; returns when it is gone.
    async fn shutdown(&mut self);
}

/// Works at any time, from any task.
pub trait Controls: Send + Sync {
    /// First call: the cell (or its compilation) is asked to stop; a later call while it still runs kills the worker.
    fn interrupt(&self);
    /// The answer to [`Output::Input`]; `None` when the question was given up.
    fn answer(&self, text: Option<String>);
    /// A comm message from the front end.
    fn comm(&self, message: Comm);
    /// Ids of the worker process(es), for usage figures.
    fn pids(&self) -> Vec<u32>;
}
