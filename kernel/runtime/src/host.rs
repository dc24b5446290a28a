//! The way from a cell to whoever runs it. The worker installs one host at its start.
use crate::Mime;
use std::fmt;
use std::sync::OnceLock;

/// Why the front end could not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskFailure {
    /// The front end said that it cannot answer (`allow_stdin` is false).
    NotAllowed,
    /// The user interrupted while the question was open.
    Interrupted,
    /// The kernel is gone.
    Gone,
}

/// Why a request to an extension was not fulfilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestFailure {
    /// No kernel is there: the code runs in a score server, a plain program, or a forked child.
    NoKernel,
    /// The user interrupted while the request was open.
    Interrupted,
    /// The extension could not: what happened, who can put it right, and what to do next.
    Refused { blame: Blame, message: String, hint: Option<String> },
}

/// Who can put it right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl fmt::Display for RequestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestFailure::NoKernel => f.write_str("no Ochre kernel is there to ask"),
            RequestFailure::Interrupted => f.write_str("interrupted"),
            RequestFailure::Refused { message, hint: None, .. } => f.write_str(message),
            RequestFailure::Refused { message, hint: Some(hint), .. } => write!(f, "{message} ({hint})"),
        }
    }
}

impl std::error::Error for RequestFailure {}

/// What a worker offers to cells. Every call may come from any thread, also after the cell has ended.
pub trait Host: Send + Sync {
    /// Shows a value, ordered after all that was printed before. With `id`, it can be updated later;
    /// with `update`, what was shown under that id is replaced.
    fn display(&self, mime: Mime, id: Option<&str>, update: bool);
    /// Clears the cell's output; with `wait`, when the next output comes.
    fn clear_output(&self, wait: bool);
    /// Asks through the front end and waits for the answer.
    fn ask(&self, prompt: &str, password: bool) -> Result<String, AskFailure>;
    /// Sends an event to the extension that the topic names.
    fn event(&self, topic: &str, payload: &[u8]);
    /// Asks the extension that the topic names and waits for the answer.
    fn request(&self, topic: &str, payload: &[u8]) -> Result<Vec<u8>, RequestFailure>;
    /// Sends a comm message (see `ochre_link::Comm`): id, action (`open:TARGET`, `message`, `close`), data, metadata, buffers.
    fn comm(&self, id: &str, action: &str, data: &str, metadata: &str, buffers: &[Vec<u8>]);
}

static HOST: OnceLock<Box<dyn Host>> = OnceLock::new();

/// Installs the host; the first one stays.
pub fn install(host: Box<dyn Host>) {
    let _ = HOST.set(host);
}

/// The host, if a worker installed one (in a score server or a plain program there is none).
pub fn get() -> Option<&'static dyn Host> {
    HOST.get().map(|h| &**h)
}

/// Asks the kernel's extension that the topic names (`storage`), and waits for its answer, which the kernel gives
/// within a bound of its own. From any thread, many at a time, also after the cell has ended. An interrupt ends
/// the waiting: on the cell's own thread it unwinds the cell, on others the call fails.
pub fn request(topic: &str, payload: &[u8]) -> Result<Vec<u8>, RequestFailure> {
    let answer = get().ok_or(RequestFailure::NoKernel)?.request(topic, payload);
    if answer == Err(RequestFailure::Interrupted) {
        crate::interrupt::check();
    }
    answer
}

/// A named setting that the kernel sent, such as `rows`.
pub fn setting(name: &str) -> Option<String> {
    settings().lock().unwrap_or_else(|e| e.into_inner()).get(name).cloned()
}

/// Stores a setting; the worker calls it.
pub fn set_setting(name: &str, value: &str) {
    settings().lock().unwrap_or_else(|e| e.into_inner()).insert(name.into(), value.into());
}

fn settings() -> &'static std::sync::Mutex<std::collections::HashMap<String, String>> {
    static SETTINGS: OnceLock<std::sync::Mutex<std::collections::HashMap<String, String>>> = OnceLock::new();
    SETTINGS.get_or_init(Default::default)
}
