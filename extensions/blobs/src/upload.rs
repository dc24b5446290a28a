//! A file into an object.
use std::path::Path;

use crate::{BlobError, Container, Meta, Mode, Progress, Result};

pub(crate) async fn upload(container: &Container, file: &Path, path: &str, progress: Progress, mode: Mode) -> Result<Meta> {
    let bytes = std::fs::read(file).map_err(|error| BlobError::local("reading", file, &error))?;
    let meta = container.write(path, bytes.into(), mode).await?;
    progress.say(meta.size, meta.size);
    Ok(meta)
}
