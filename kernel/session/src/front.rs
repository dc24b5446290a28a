//! What a front end asks of a session and what it is told: plain data, no Jupyter field names, no serde.
//!
//! `ochre-jupyter` turns these into messages; `ochre run` and the tests use them directly.
use ochre_link::{Bundle, Comm, Stream};

/// A cell to execute.
#[derive(Clone, Debug)]
pub struct Execute {
    pub code: String,
    /// Nothing is shown, counted or remembered.
    pub silent: bool,
    pub store_history: bool,
    /// Name and expression, evaluated after the cell.
    pub user_expressions: Vec<(String, String)>,
    pub allow_stdin: bool,
    pub stop_on_error: bool,
    /// The notebook's id of the cell, when the front end sent one.
    pub cell_id: Option<String>,
}

/// Something that a cell shows while it runs, in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// The cell has begun: its number and text (front ends repeat it to other clients).
    Started { code: String, count: u32 },
    Stream { stream: Stream, text: String },
    Display { bundle: Bundle, id: Option<String>, update: bool },
    /// The value of the last expression.
    Result { bundle: Bundle, count: u32 },
    Error(Report),
    Clear { wait: bool },
    Comm(Comm),
    /// A question; the answer goes to [`crate::Session::answer`].
    Input { prompt: String, password: bool },
}

/// An error as the user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Short class: a rustc code (`E0382`), `panic`, `error`, `interrupted`, `worker died`, `usage`, ….
    pub name: String,
    /// One line.
    pub message: String,
    /// The whole text, lines with ANSI colours, the hint last.
    pub traceback: Vec<String>,
}

/// How an execution went.
#[derive(Clone, Debug)]
pub struct Executed {
    pub count: u32,
    pub status: Status,
    pub user_expressions: Vec<(String, Result<Bundle, Report>)>,
    pub payloads: Vec<Payload>,
}

/// The three ends that a front end knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Ok,
    Error(Report),
    /// Not run, because an earlier cell of the queue failed.
    Aborted,
}

/// Old-style payloads that front ends still honour.
#[derive(Clone, Debug)]
pub enum Payload {
    /// A text for the pager.
    Page(Bundle),
    /// Put this text into the next cell (or with `replace`, into this one).
    NextInput { text: String, replace: bool },
}

/// A completion.
#[derive(Clone, Debug, Default)]
pub struct Completions {
    /// Start and end of what is replaced, in Unicode code points.
    pub start: usize,
    pub end: usize,
    pub items: Vec<Completion>,
}

#[derive(Clone, Debug)]
pub struct Completion {
    pub text: String,
    /// `function`, `variable`, `magic`, `keyword`, `module`, `type`, ….
    pub kind: String,
    pub signature: Option<String>,
}

/// Whether a text is a whole cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completeness {
    Complete,
    /// `indent` is what the next line begins with.
    Incomplete { indent: String },
    Invalid,
}

/// A question about the history.
#[derive(Clone, Debug)]
pub enum HistoryQuery {
    Tail { n: usize },
    /// `session` 0 is this one, negative counts back; `start..stop` are line numbers, `stop` `None` means to the end.
    Range { session: i64, start: i64, stop: Option<i64> },
    /// A glob pattern (`*`, `?`).
    Search { pattern: String, n: Option<usize>, unique: bool },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    pub session: i64,
    pub line: i64,
    pub input: String,
    pub output: Option<String>,
}

/// What the processes of this session use.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    pub pid: u32,
    pub host: String,
    /// Percent of one core.
    pub cpu: f64,
    /// Bytes, kernel and workers together.
    pub memory: u64,
    pub host_cpu_percent: f64,
    pub cpu_count: u32,
    pub host_memory_total: u64,
    pub host_memory_available: u64,
    pub host_memory_used: u64,
    pub host_memory_percent: f64,
}
