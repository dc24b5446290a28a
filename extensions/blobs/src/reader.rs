//! Reading one version of an object.
use bytes::Bytes;
use object_store::{GetOptions, GetRange, ObjectStore};

use crate::{Budget, Container, Meta, Result};

/// How a [`Reader`] reads.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Memory shared with other readers and writers.
    pub budget: Budget,
}

/// An object that is open for reading, in one version.
#[derive(Debug, Clone)]
pub struct Reader {
    container: Container,
    meta: Meta,
}

impl Reader {
    pub(crate) fn new(container: Container, meta: Meta, _options: ReadOptions) -> Result<Self> {
        Ok(Self { container, meta })
    }

    /// What was opened.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Up to `len` bytes from `offset`; fewer only at the object's end.
    ///
    /// # Errors
    /// [`crate::BlobError::Changed`] when the object is not the opened version any more.
    pub async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes> {
        let end = self.meta.size.min(offset.saturating_add(len as u64));
        if offset >= end {
            return Ok(Bytes::new());
        }
        let location = self.container.path(&self.meta.path)?;
        let options = GetOptions { if_match: self.meta.etag.clone(), range: Some(GetRange::Bounded(offset..end)), ..GetOptions::default() };
        let failed = |e| self.container.failed("reading", &self.meta.path, &e);
        let found = self.container.steady().get_opts(&location, options).await.map_err(failed)?;
        found.bytes().await.map_err(failed)
    }
}
