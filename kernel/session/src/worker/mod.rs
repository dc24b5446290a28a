//! The kernel's side of a worker: start it, greet it, speak with it, and know how it ended.
//!
//! ```text
//! Target::start --> stream + Process --> Connection --send--> worker
//!                                              \<--recv-- Message | Closed(Ended)
//! ```
//! Called by the engine. A [`Target`] is the only thing that knows where a worker runs: [`LocalWorker`]
//! starts a process here, [`proxy::Faulty`] puts a bad line before any target, remote targets come later.
//! What a cell did to its worker is an [`Ended`], never an error.
mod connection;
mod ended;
mod local;
mod memory;
pub mod proxy;

pub use connection::{Connection, Event, Gone, Handle};
pub use ended::{Crash, Ended, How, signal_name};
pub use local::LocalWorker;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// A place where a worker can be started.
#[async_trait]
pub trait Target: Send + Sync {
    /// What the user knows it as, for texts.
    fn name(&self) -> String;
    /// Starts a worker and gives the stream to it.
    async fn start(&self) -> Result<Started, StartError>;
}

/// A worker that was started and not greeted yet.
pub struct Started {
    /// What the worker sends.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// What the worker receives.
    pub writer: Box<dyn AsyncWrite + Send + Unpin>,
    pub process: Box<dyn Process>,
}

/// What is known of a worker besides its stream.
#[async_trait]
pub trait Process: Send {
    /// Waits for the end. Can be dropped and called again.
    async fn ended(&mut self) -> How;
    /// Ends it at once, with all that it started.
    fn kill(&mut self);
    /// What it said before it spoke on the link, such as a loader's error.
    async fn complaint(&mut self) -> String {
        String::new()
    }
    /// Whether an end by SIGKILL was probably for want of memory.
    fn ran_out_of_memory(&self) -> bool {
        false
    }
}

/// Why there is no worker.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("could not start the worker `{program}`; run `ochre install` to build it")]
    Spawn {
        program: String,
        #[source]
        source: std::io::Error,
    },
    /// The worker's own words, which say what to do.
    #[error("{reason}")]
    Refused { reason: String },
    #[error("the worker on {target} ended before it was ready: {ended}{complaint}; run `ochre doctor` to see what is missing")]
    Died { target: String, ended: String, complaint: String },
    #[error("the worker on {target} did not answer within {seconds} s; is the machine overloaded? Restart the kernel to try again")]
    Silent { target: String, seconds: u64 },
}
