//! An object into a file.
use std::path::Path;

use crate::{BlobError, Container, Meta, Progress, Result};

pub(crate) async fn download(container: &Container, path: &str, file: &Path, progress: Progress) -> Result<Meta> {
    let meta = container.stat(path).await?;
    let bytes = container.read(path).await?;
    std::fs::write(file, &bytes).map_err(|error| BlobError::local("writing", file, &error))?;
    progress.say(meta.size, meta.size);
    Ok(meta)
}
