//! A blob written piece by piece.
use crate::error::{Fault, StoreError};
use crate::wait::{runtime, wait};
use bytes::{Bytes, BytesMut};
use ochre_blobs::Writer;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Small writes are gathered to this many bytes before they are handed on.
const GATHERED: usize = 1 << 20;

/// A blob that is being written: `Write`, then [`BlobWriter::finish`]. Dropped before that, it leaves nothing.
#[must_use = "call `.finish()?` when all is written: nothing is there before"]
pub struct BlobWriter {
    /// `None` while `%recover` replays: all of it goes nowhere.
    writer: Option<Arc<Mutex<Option<Writer>>>>,
    gathered: BytesMut,
    written: u64,
}

impl BlobWriter {
    pub(crate) fn new(writer: Writer) -> Self {
        Self { writer: Some(Arc::new(Mutex::new(Some(writer)))), gathered: BytesMut::new(), written: 0 }
    }

    pub(crate) fn nowhere() -> Self {
        Self { writer: None, gathered: BytesMut::new(), written: 0 }
    }

    /// Makes the blob: now it is there, whole, in place of one that was. Gives its length in bytes.
    pub fn finish(mut self) -> Result<u64, StoreError> {
        self.hand_on()?;
        if let Some(writer) = self.writer.take() {
            wait(async move {
                let writer = writer.lock().await.take().ok_or_else(broken)?;
                Ok(writer.finish().await.map(drop)?)
            })?;
        }
        Ok(self.written)
    }

    fn hand_on(&mut self) -> Result<(), StoreError> {
        let bytes: Bytes = self.gathered.split().freeze();
        let Some(writer) = self.writer.clone().filter(|_| !bytes.is_empty()) else { return Ok(()) };
        wait(async move {
            let mut slot = writer.lock().await;
            // Taken out while it works: after a failure or an interrupt nothing incomplete can be finished.
            let mut inner = slot.take().ok_or_else(broken)?;
            match inner.write(bytes).await {
                Ok(()) => {
                    *slot = Some(inner);
                    Ok(())
                }
                Err(error) => {
                    inner.abort().await;
                    Err(error.into())
                }
            }
        })
    }
}

fn broken() -> StoreError {
    StoreError::refused(Fault::YourCode, "an earlier write to this blob has failed or was interrupted, so nothing of it was kept".to_owned(), Some("begin again with `.create(path)`".to_owned()))
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        self.written += bytes.len() as u64;
        if self.gathered.len() >= GATHERED {
            self.hand_on()?;
        }
        Ok(bytes.len())
    }

    /// Nothing is seen of the blob before [`BlobWriter::finish`], so there is nothing to do.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if let (Some(writer), Ok(runtime)) = (self.writer.take(), runtime()) {
            runtime.spawn(async move {
                if let Some(writer) = writer.lock().await.take() {
                    writer.abort().await;
                }
            });
        }
    }
}

impl fmt::Debug for BlobWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobWriter({} bytes)", self.written)
    }
}
