//! What a magic may do with the session that it runs in.
//!
//! Implemented by `ochre-session` for real use and by doubles in the tests of extensions. All of it happens
//! inside the running cell: output goes to that cell, and an interrupt of the cell ends what waits.
use crate::magic::Place;
use crate::{Failure, Registry};
use async_trait::async_trait;
use ochre_link::{Bundle, Stream, Variable};
use std::sync::Arc;
use std::time::Duration;

/// How Rust text ended: its value, or why it failed.
pub type CellEnd = Result<Option<Bundle>, Failure>;

/// What the user typed when asked; `None` when the question was given up.
pub type Answer = Option<String>;

/// Time that the last cell took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    pub compile: Duration,
    pub run: Duration,
    /// Nothing was compiled.
    pub cached: bool,
}

/// A cell of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastCell {
    pub session: i64,
    pub line: i64,
    pub input: String,
    pub output: Option<String>,
}

/// How the opens of cells and commands are trapped, for a mount where the host forbids FUSE: whoever answers them listens on `socket`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// The unix socket to which listeners are handed.
    pub socket: String,
    /// The filter, one `struct sock_filter` after another.
    pub program: Vec<u8>,
    /// What stands before the words of a command so that it runs under the filter.
    pub wrapper: Vec<String>,
}

/// The session, as a magic sees it.
#[async_trait]
pub trait SessionAccess: Send {
    // --- what the user sees -----------------------------------------------------------------------
    /// Writes to a stream of the cell.
    async fn write(&mut self, stream: Stream, text: &str);
    /// Shows a value now, or updates the one shown under this id.
    async fn display(&mut self, bundle: Bundle, id: Option<&str>, update: bool);
    /// Asks; a failure when the front end cannot ask. `secret` hides what is typed.
    async fn ask(&mut self, prompt: &str, secret: bool) -> Result<Answer, Failure>;
    /// Puts text into the next cell, or with `replace` into this one.
    fn next_input(&mut self, text: String, replace: bool);
    /// Waits until the user interrupts; select on it beside anything that may take long.
    async fn interrupted(&mut self);

    // --- cells ------------------------------------------------------------------------------------
    /// Runs Rust text; `place` keeps diagnostics in the user's lines.
    async fn run_rust(&mut self, code: &str, place: Place) -> CellEnd;
    /// Runs a whole cell, magics included (`%run`).
    async fn run_cell(&mut self, code: &str) -> CellEnd;
    /// The type of a variable or an expression, which is compiled but not run.
    async fn type_of(&mut self, expression: &str) -> Result<String, Failure>;
    /// What the last Rust text took.
    fn spent(&self) -> Spent;
    /// The number beside the running cell.
    fn count(&self) -> u32;

    // --- what there is -----------------------------------------------------------------------------
    /// Variables, sorted by name.
    fn variables(&self) -> Vec<Variable>;
    /// Name, kind and one-line signature of what the user defined.
    fn items(&self) -> Vec<(String, String, Option<String>)>;
    /// All magics.
    fn magics(&self) -> Arc<Registry>;
    /// Cells of the past: `session` 0 is this one, negative counts back; `stop` `None` means to the end.
    async fn history(&mut self, session: i64, start: i64, stop: Option<i64>) -> Vec<PastCell>;
    /// Cells of the past, of all sessions, whose input matches a glob pattern, oldest first.
    async fn search_history(&mut self, pattern: &str, n: usize) -> Vec<PastCell>;

    // --- the engine --------------------------------------------------------------------------------
    /// `ochre` or `evcxr`.
    fn engine(&self) -> &str;
    /// Changes the engine; variables do not move over.
    async fn use_engine(&mut self, name: &str) -> Result<(), Failure>;
    /// Forgets variables and items.
    async fn reset(&mut self) -> Result<(), Failure>;
    /// Builds a dependency and makes it usable: `rand`, `"0.9"` or `{ version = "0.9", features = ["x"] }`.
    async fn add_dependency(&mut self, name: &str, requirement: &str) -> CellEnd;
    /// Dependencies added so far, as name and requirement.
    fn dependencies(&self) -> Vec<(String, String)>;
    /// `0` to `3`, or `auto`.
    fn set_opt_level(&mut self, level: &str) -> Result<(), Failure>;
    /// Replays what live variables need; `dry_run` only says what that is.
    async fn recover(&mut self, dry_run: bool) -> CellEnd;
    /// The generated crate of the last cell.
    fn expand(&self) -> Option<String>;
    /// A named setting of the cell side, such as `rows`.
    async fn setting(&mut self, name: &str, value: &str) -> Result<(), Failure>;
    /// An environment variable, for cells and commands; `None` removes it.
    async fn set_env(&mut self, name: &str, value: Option<&str>) -> Result<(), Failure>;
    /// Environment of cells and commands, as far as it differs from the kernel's own.
    fn environment(&self) -> Vec<(String, Option<String>)>;
    /// The directory of cells and commands.
    fn directory(&self) -> std::path::PathBuf;
    /// Changes it; gives the new one.
    async fn set_directory(&mut self, path: &str) -> Result<String, Failure>;
    /// Ids of the processes that run cells now; none before the first cell.
    fn workers(&self) -> Vec<u32> {
        Vec::new()
    }
    /// Whether each cell's times are to be written below it (`:timing`).
    fn set_timing(&mut self, on: bool);
    /// Whether it is on.
    fn timing(&self) -> bool;
    /// Traps the opens of the worker and of commands from now on, and those of every later worker of this session. Whether the system allowed it is told
    /// to the socket. Never the opens of compilers: those run beside the worker.
    async fn trap_opens(&mut self, _trap: Trap) -> Result<(), Failure> {
        Err(Failure::configuration("this session cannot trap the opens of its cells"))
    }
    /// What stands before the words of a command ([`Trap::wrapper`]); nothing without a trap.
    fn command_wrapper(&self) -> Vec<String> {
        Vec::new()
    }
}
