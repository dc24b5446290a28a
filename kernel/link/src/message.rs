//! The messages. Each variant says who sends it when, and what the other side does then.
use crate::Bundle;
use serde::{Deserialize, Serialize};

/// Number of one execution, given by the kernel, never used twice in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CellId(pub u64);

/// Exit code of a worker that lost its kernel: it tells a broken line from a cell that called `exit`.
pub const EXIT_LINK_LOST: i32 = 86;

/// From the kernel to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToWorker {
    /// First message. The worker answers [`FromWorker::Hello`] or [`FromWorker::Refused`] and ends.
    Hello { version: u32, prelude: String },
    /// A shared library. The worker writes it under `file` in its own directory and answers nothing; a
    /// `file` that it has already is not sent again.
    Library {
        file: String,
        #[serde(with = "crate::raw")]
        bytes: Vec<u8>,
    },
    /// Run a cell. Answered by outputs and exactly one [`FromWorker::Finished`].
    Run(Run),
    /// Evaluate source text (the evcxr engine only; `ochre-worker` refuses it).
    Evaluate { cell: CellId, code: String, allow_stdin: bool },
    /// The user interrupted. Sent once or twice; the worker unwinds the cell or detaches it.
    Interrupt,
    /// Answer to [`FromWorker::Input`]; `None` when the front end cannot ask.
    InputReply { text: Option<String> },
    /// Forget these variables (their destructors run); answered by [`FromWorker::Variables`].
    Forget { names: Vec<String> },
    /// Set (or with `None` remove) an environment variable.
    Environment { name: String, value: Option<String> },
    /// Change the working directory; answered by [`FromWorker::Directory`].
    Directory { path: String },
    /// A named setting of the cell side, such as `rows` (how many rows of a frame are shown).
    Setting { name: String, value: String },
    /// A message on a comm (widgets), from the front end.
    Comm(Comm),
    /// End yourself after the destructors of what must not outlive you. Answered by end of stream.
    Shutdown,
    /// Answer to the [`FromWorker::Request`] of this id. One whose asker has given up is dropped.
    Answer { id: u64, result: Answered },
    /// Have every thread, and every program that is started from now on, ask before it opens a file: `program` (a seccomp filter, `struct sock_filter`
    /// after another) is installed with a listener, which goes to the unix socket `socket`; so does the reason if the system refuses. For good: nothing
    /// takes a filter off. Only for workers on the kernel's machine.
    TrapOpens {
        socket: String,
        #[serde(with = "crate::raw")]
        program: Vec<u8>,
    },
}

/// What is to be run: the libraries are there (sent before as [`ToWorker::Library`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub cell: CellId,
    /// Libraries to load before, in this order (dependencies first); loaded ones are skipped.
    pub load: Vec<String>,
    /// The library that holds the entry point.
    pub library: String,
    /// Whether the front end can be asked for input.
    pub allow_stdin: bool,
    /// True while `%recover` replays: logging and uploads are no-ops.
    pub replaying: bool,
}

/// From a worker to the kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromWorker {
    /// Answer to [`ToWorker::Hello`].
    Hello { version: u32, pid: u32, host: String },
    /// The worker cannot work with this kernel; `reason` tells the user what to do.
    Refused { reason: String },
    /// Output of the running cell, or of a thread that it left behind. Not cut at character borders.
    Stream {
        cell: CellId,
        stream: Stream,
        #[serde(with = "crate::raw")]
        bytes: Vec<u8>,
    },
    /// `ochre::display` and its kind.
    Display { cell: CellId, bundle: Bundle, id: Option<String>, update: bool },
    /// `ochre::clear_output`.
    ClearOutput { cell: CellId, wait: bool },
    /// The cell waits for [`ToWorker::InputReply`].
    Input { cell: CellId, prompt: String, password: bool },
    /// An event for an extension, such as a logged metric: the topic names the extension.
    Event {
        cell: CellId,
        topic: String,
        #[serde(with = "crate::raw")]
        payload: Vec<u8>,
    },
    /// A message on a comm, to the front end.
    Comm(Comm),
    /// The cell has ended and all its output was sent before.
    Finished { cell: CellId, end: End, value: Option<Bundle>, variables: Vec<Variable> },
    /// A cell that was detached by an interrupt has ended after all.
    LateFinish { cell: CellId, variables: Vec<Variable> },
    /// The state of the variables, after [`ToWorker::Forget`].
    Variables { variables: Vec<Variable> },
    /// Where the worker is now, or why it could not go there.
    Directory { path: Result<String, String> },
    /// Last words of a dying worker (a fatal signal), as far as they could be said. `reason` is a fragment
    /// for the user, such as `stack overflow` or `segmentation fault at address 0x10`.
    Crash { signal: i32, reason: String, frames: Vec<Frame> },
    /// A question to the extension that the topic names, such as the credential of a storage account. Answered
    /// by exactly one [`ToWorker::Answer`] of this id, in any order. `id` is never used twice by a worker.
    Request {
        id: u64,
        cell: CellId,
        topic: String,
        #[serde(with = "crate::raw")]
        payload: Vec<u8>,
    },
}

/// How a request went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answered {
    /// What the extension says; its form is the topic's own.
    Done {
        #[serde(with = "crate::raw")]
        payload: Vec<u8>,
    },
    /// It could not.
    Refused(Refusal),
}

/// Why a request was not fulfilled, in words for the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub blame: Blame,
    /// What happened: a fragment, causes included.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// Who can put it right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Blame {
    /// The code of the cell.
    Code,
    /// A setting, a file or a permission on the user's side.
    Configuration,
    /// A service or machine that was asked.
    Remote,
    /// Ochre itself.
    Bug,
}

/// Which stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// How a cell ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// It ran to its end.
    Completed,
    /// A `?` or a `return Err` at top level left it. `message` is the error's `Display` chain, `debug` its `Debug`.
    Failed { message: String, debug: String, type_name: String },
    /// It panicked. `place` is in the generated crate; the kernel maps it to the cell.
    Panicked { message: String, place: Option<Place>, backtrace: Vec<Frame>, thread: String },
    /// It noticed an interrupt and unwound.
    Interrupted,
    /// It did not notice the interrupt in time: its thread goes on by itself, its variables come back later.
    Detached,
    /// The library could not be loaded, or the engine's own rules were broken: a bug of ours.
    Broken { message: String },
    /// Text did not compile (the evcxr engine only): diagnostics as text, ANSI colours included.
    Rejected { rendered: String },
}

/// A place in a source file: 1-based line and column, as rustc counts them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub file: String,
    pub line: u32,
    pub column: u32,
}

/// One frame of a backtrace, innermost first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    pub function: String,
    pub place: Option<Place>,
}

/// A stored variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    pub name: String,
    /// `std::any::type_name` of its type: for display only, never for code.
    pub type_name: String,
    /// Whether its type is `Send`, so that it survives a detached thread.
    pub send: bool,
    /// `std::mem::size_of` of its type, in bytes.
    pub size: u64,
    /// The cell that stored it last.
    pub cell: CellId,
    /// False while a detached cell holds it, or its thread is gone and it is not `Send`.
    pub available: bool,
}

/// A comm message, both ways. `data` and `metadata` are JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comm {
    pub id: String,
    pub action: CommAction,
    pub data: String,
    pub metadata: String,
    pub buffers: Vec<Vec<u8>>,
}

/// What a comm message does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommAction {
    Open { target: String },
    Message,
    Close,
}
