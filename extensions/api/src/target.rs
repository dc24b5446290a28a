//! A place where cells can run: it yields a byte stream to an `ochre-worker` there.
//!
//! The local target starts the worker as a child process. Nothing but the stream is assumed (no shared
//! files, no signals), so that another machine needs another stream and nothing else. The session speaks
//! with what a target starts (`ochre_session::worker`); a target never looks into the stream.
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

/// What became of the worker, as far as the outside shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// It called `exit`.
    Exited(i32),
    /// A signal ended it.
    Signalled(i32),
    /// We ended it (second interrupt, shutdown).
    Killed,
    /// The stream broke and nothing more is known.
    Cut(String),
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
