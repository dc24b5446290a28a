//! Blobs as files of this machine: `store.local(path)`. One file for each version of a blob, in a directory that
//! only the user can read, the oldest removed when they take too much room.
//!
//! ```text
//! <cache>/blobs/<hash of URL and version>/<name of the blob>
//! ```
use crate::error::{Fault, StoreError};
use ochre_blobs::{Container, Location, Progress};
use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes that the files may take together before the oldest go; `OCHRE_LOCAL_BYTES` sets another number.
const BUDGET: u64 = 20 << 30;

/// The file of a blob's version that is there now.
pub(crate) async fn file(container: &Container, at: &Location, path: &str) -> Result<PathBuf, StoreError> {
    let meta = container.stat(path).await?;
    let version = meta.etag.clone().unwrap_or_else(|| meta.modified.to_rfc3339());
    let directory = root()?.join(name_of(&(at.to_string(), version, meta.size)));
    let file = directory.join(at.name());
    if fs::metadata(&file).is_ok_and(|found| found.len() == meta.size) {
        // Used again: not among the oldest.
        let _ = fs::File::open(&file).and_then(|f| f.set_modified(SystemTime::now()));
        return Ok(file);
    }
    make(&directory)?;
    container.download(path, &file, Progress::none()).await?;
    trim(&directory, meta.size);
    Ok(file)
}

/// A name from a hash: two blobs of one name would need 2^32 files.
fn name_of(of: &impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The directory of all of them.
fn root() -> Result<PathBuf, StoreError> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = set("OCHRE_CACHE").or_else(|| Some(set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?.join("ochre")));
    Ok(cache.unwrap_or_else(|| std::env::temp_dir().join("ochre")).join("blobs"))
}

fn make(directory: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| failed("creating", directory, &error))
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> StoreError {
    StoreError::refused(Fault::YourConfiguration, format!("{doing} {}: {error}", path.display()), None)
}

/// Removes the oldest until all fit; `keep` stays, which was made just now and holds `size` bytes.
fn trim(keep: &Path, size: u64) {
    let budget = std::env::var("OCHRE_LOCAL_BYTES").ok().and_then(|v| v.parse().ok()).unwrap_or(BUDGET);
    let Some(root) = keep.parent() else { return };
    let mut others: Vec<(SystemTime, u64, PathBuf)> = fs::read_dir(root).into_iter().flatten().flatten().filter(|e| e.path() != keep).filter_map(|e| age(&e.path())).collect();
    others.sort();
    let mut total: u64 = size + others.iter().map(|(_, size, _)| size).sum::<u64>();
    for (_, size, directory) in others {
        if total <= budget {
            return;
        }
        // A file that is open stays readable; what cannot be removed only takes room.
        if fs::remove_dir_all(&directory).is_ok() {
            total -= size;
        }
    }
}

/// When the file in a directory was used last, and its size.
fn age(directory: &Path) -> Option<(SystemTime, u64, PathBuf)> {
    let found = fs::read_dir(directory).ok()?.flatten().next()?.metadata().ok()?;
    Some((found.modified().ok()?, found.len(), directory.to_owned()))
}
