//! What the sockets ask of a kernel. `ochre_session::Session` is one; the tests have a toy.
use async_trait::async_trait;
use ochre_link::{Bundle, Comm};
use ochre_session::engine::OutputSender;
use ochre_session::front::{Completeness, Completions, Execute, Executed, HistoryEntry, HistoryQuery, Output, Usage};
use tokio::sync::mpsc;

/// Answers what clients ask. All methods may be called at any time and from several tasks at once; cells
/// come one at a time from each shell channel.
#[async_trait]
pub trait Kernel: Send + Sync + 'static {
    /// What `kernel_info` says; must not wait for anything.
    fn about(&self) -> About;
    /// Runs a cell. All its output has been sent when this returns.
    async fn execute(&self, request: Execute, output: OutputSender) -> Executed;
    fn interrupt(&self);
    /// The answer to [`Output::Input`]; `None`: nobody can be asked.
    fn answer(&self, text: Option<String>);
    /// `cursor` in code points; it may lie beyond the end.
    async fn complete(&self, code: &str, cursor: usize) -> Completions;
    async fn inspect(&self, code: &str, cursor: usize, detail: u8) -> Option<Bundle>;
    fn is_complete(&self, code: &str) -> Completeness;
    async fn history(&self, query: HistoryQuery) -> Vec<HistoryEntry>;
    /// Whether somebody here listens to comms that clients open with this target.
    fn serves(&self, target: &str) -> bool;
    /// A comm message from a client.
    fn comm(&self, message: Comm);
    /// Id and target of the open comms.
    fn comms(&self) -> Vec<(String, String)>;
    async fn usage(&self) -> Usage;
    /// Ends what the kernel runs; the process ends soon after.
    async fn shutdown(&self, restart: bool);
    /// Once: output that belongs to no running cell.
    fn stray(&self) -> Option<mpsc::Receiver<Output>>;
}

/// Names and versions for `kernel_info`.
#[derive(Clone, Debug)]
pub struct About {
    pub implementation: String,
    pub implementation_version: String,
    /// Of Rust.
    pub language_version: String,
    pub banner: String,
}

#[async_trait]
impl Kernel for ochre_session::Session {
    fn about(&self) -> About {
        About::default()
    }
    async fn execute(&self, request: Execute, output: OutputSender) -> Executed {
        Self::execute(self, request, output).await
    }
    fn interrupt(&self) {
        Self::interrupt(self);
    }
    fn answer(&self, text: Option<String>) {
        Self::answer(self, text);
    }
    async fn complete(&self, code: &str, cursor: usize) -> Completions {
        Self::complete(self, code, cursor).await
    }
    async fn inspect(&self, code: &str, cursor: usize, detail: u8) -> Option<Bundle> {
        Self::inspect(self, code, cursor, detail).await
    }
    fn is_complete(&self, code: &str) -> Completeness {
        Self::is_complete(self, code)
    }
    async fn history(&self, query: HistoryQuery) -> Vec<HistoryEntry> {
        Self::history(self, query).await
    }
    /// No cell can listen to a front end's comm yet: the worker has only the way to the front end.
    fn serves(&self, _target: &str) -> bool {
        false
    }
    fn comm(&self, message: Comm) {
        Self::comm(self, message);
    }
    fn comms(&self) -> Vec<(String, String)> {
        Self::comms(self)
    }
    async fn usage(&self) -> Usage {
        Self::usage(self).await
    }
    async fn shutdown(&self, restart: bool) {
        Self::shutdown(self, restart).await;
    }
    fn stray(&self) -> Option<mpsc::Receiver<Output>> {
        Self::stray(self)
    }
}

impl Default for About {
    /// Ochre, and the Rust that its workspace asks for.
    fn default() -> Self {
        let (version, rust) = (env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_RUST_VERSION"));
        Self {
            implementation: "ochre".into(),
            implementation_version: version.into(),
            language_version: rust.into(),
            banner: format!("Ochre {version}: Rust {rust} with polars. %lsmagic lists the magics."),
        }
    }
}
