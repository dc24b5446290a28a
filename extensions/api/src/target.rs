//! A place where cells can run: it yields a byte stream to an `ochre-worker` there.
//!
//! The local target starts the worker as a child process. Nothing but the stream is assumed (no shared
//! files, no signals), so that another machine needs another stream and nothing else.
use crate::Failure;
use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// Both directions of a connection to a worker.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Yields workers.
#[async_trait]
pub trait Target: Send + Sync {
    /// What the user calls it: `local`, or the name given to `%attach`.
    fn name(&self) -> &str;

    /// Starts a worker and gives the stream to it, before any message. Dropping the stream ends the worker.
    async fn connect(&self) -> Result<Box<dyn ByteStream>, Failure>;
}
