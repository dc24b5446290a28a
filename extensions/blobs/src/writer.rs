//! Writing one object.
use bytes::{Bytes, BytesMut};

use crate::{Budget, Container, Meta, Mode, Result};

/// Objects up to this size are one put.
pub(crate) const ONE_PUT: u64 = 8 << 20;

/// How a [`Writer`] writes.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    pub mode: Mode,
    /// Memory shared with other readers and writers.
    pub budget: Budget,
}

/// An object that is being written.
#[derive(Debug)]
pub struct Writer {
    container: Container,
    path: String,
    options: WriteOptions,
    bytes: BytesMut,
}

impl Writer {
    pub(crate) async fn new(container: Container, path: &str, options: WriteOptions) -> Result<Self> {
        Ok(Self { container, path: path.to_owned(), options, bytes: BytesMut::new() })
    }

    /// Appends.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    /// Makes the object visible.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn finish(self) -> Result<Meta> {
        self.container.put(&self.path, self.bytes.freeze(), self.options.mode).await
    }

    /// Leaves nothing.
    pub async fn abort(self) {}
}
