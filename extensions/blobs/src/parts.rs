//! Parts in parallel.
use std::sync::Arc;

use bytes::Bytes;
use object_store::{GetOptions, ObjectStore};

use crate::steady::Pressure;
use crate::{Container, Result};

/// Size of a part, in bytes.
pub(crate) const PART: u64 = 8 << 20;

pub(crate) struct Engine {
    _pressure: Arc<Pressure>,
}

impl Engine {
    pub(crate) fn new(pressure: Arc<Pressure>) -> Self {
        Self { _pressure: pressure }
    }
}

pub(crate) async fn read_whole(container: &Container, path: &str) -> Result<Bytes> {
    let location = container.path(path)?;
    let found = container.steady().get_opts(&location, GetOptions::default()).await.map_err(|e| container.failed("reading", path, &e))?;
    found.bytes().await.map_err(|e| container.failed("reading", path, &e))
}
