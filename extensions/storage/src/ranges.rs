//! Something of known length that is read by ranges: a local file, a blob, or what a web server offers by ranges.
use crate::copy::Blob;
use crate::failures::of_blob;
use bytes::Bytes;
use ochre_blobs::{ReadOptions, Reader};
use ochre_api::{Failure, async_trait};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes by their places; the content does not change while it is read (or the read fails).
#[async_trait]
pub(crate) trait RangeSource: Send + Sync {
    /// Length in bytes.
    fn size(&self) -> u64;
    /// Exactly `length` bytes from `offset` on, which is within [`RangeSource::size`].
    async fn read(&self, offset: u64, length: usize) -> Result<Bytes, Failure>;
}

/// A file of this machine.
pub(crate) struct LocalFile {
    file: Arc<std::fs::File>,
    path: PathBuf,
    size: u64,
}

impl LocalFile {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let cannot = |e| Failure::io(format!("cannot read {}", path.display()), e).hint("is the path right? `!ls` shows what is there");
        let file = std::fs::File::open(path).map_err(cannot)?;
        let meta = file.metadata().map_err(cannot)?;
        if meta.is_dir() {
            return Err(Failure::usage(format!("{} is a directory", path.display())).hint("name a file, or copy it with `--recursive`"));
        }
        Ok(Self { file: Arc::new(file), path: path.to_owned(), size: meta.len() })
    }
}

#[async_trait]
impl RangeSource for LocalFile {
    fn size(&self) -> u64 {
        self.size
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes, Failure> {
        let file = self.file.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, offset).map(|()| Bytes::from(bytes))
        });
        let bytes = read.await.map_err(|e| Failure::bug("reading a file panicked").because(e))?;
        bytes.map_err(|e| Failure::io(format!("cannot read {}", self.path.display()), e).hint("was it changed meanwhile? Run the cell again"))
    }
}

/// A blob, of one version.
pub(crate) struct BlobFile(Reader);

/// Opens a blob for reading by ranges.
pub(crate) async fn open_blob(blob: &Blob) -> Result<BlobFile, Failure> {
    blob.container.reader(&blob.path, ReadOptions::default()).await.map(BlobFile).map_err(of_blob)
}

#[async_trait]
impl RangeSource for BlobFile {
    fn size(&self) -> u64 {
        self.0.meta().size
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes, Failure> {
        let bytes = self.0.read_at(offset, length).await.map_err(of_blob)?;
        match bytes.len() == length {
            true => Ok(bytes),
            false => Err(Failure::remote(format!("{} came short: {} of {length} bytes at {offset}", self.0.meta().path, bytes.len())).hint("run the cell again")),
        }
    }
}

/// Bytes in memory.
#[cfg(test)]
#[async_trait]
impl RangeSource for Bytes {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes, Failure> {
        let offset = offset as usize;
        Ok(self.slice(offset..offset + length))
    }
}
