//! Tensors in files: safetensors, and numpy's npy and npz. All writing goes to a file beside the target that is renamed when it is complete.
pub mod npy;
pub mod safetensors;

use crate::error::{NnError, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes a file as a whole or not at all: who reads it meanwhile sees the old one.
pub(crate) fn write(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> Result<()> {
    let beside = beside(path);
    let failed = |operation, e| {
        // What could not be written whole is of no use to anybody; that it cannot be removed changes nothing.
        let _ = std::fs::remove_file(&beside);
        NnError::file(operation, path, e)
    };
    let mut file = BufWriter::new(File::create(&beside).map_err(|e| NnError::file("writing", path, e))?);
    fill(&mut file).and_then(|()| file.flush()).map_err(|e| failed("writing", e))?;
    drop(file);
    std::fs::rename(&beside, path).map_err(|e| failed("writing", e))
}

/// A name in the same folder that no other process takes.
pub(crate) fn beside(path: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.{}-{}.part", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
}
