//! The way from a cell to whoever runs it. The worker installs one host at its start.
use crate::Mime;
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
