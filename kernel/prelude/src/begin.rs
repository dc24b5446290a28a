//! What the prelude does once in a process, before the first cell that links it runs: extensions that know nothing of cells are told of the host.
use ochre_stores::{Blob, Store};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// Generated code calls it first in each cell that links the prelude; after the first time it costs a nanosecond.
#[inline(never)]
pub fn __begin() {
    static BEGIN: Once = Once::new();
    BEGIN.call_once(|| {
        // *Interrupt* ends tensor operations, and then the cell as it ends any other.
        ochre_tensors::interrupt::set_check(ochre_runtime::interrupted);
        ochre_tensors::interrupt::set_unwind(ochre_runtime::__rt::check);
        ochre_nn::data::set_fetch(fetch);
    });
}

/// Data of a store, for `ochre::data::cifar10("az://…")`: a blob or a folder, by the credentials of the notebook, kept in the stores' cache.
fn fetch(address: &str) -> Result<PathBuf, String> {
    let store = ochre_stores::store(address);
    let error = match store.local("") {
        Ok(file) => return Ok(file),
        Err(error) => error,
    };
    // The name of a folder, or of the whole container, is no blob.
    match store.list("") {
        Ok(blobs) if !blobs.is_empty() => folder(&store, &blobs),
        _ => Err(error.to_string()),
    }
}

/// All blobs of a folder as a directory of links to their files in the cache; its name tells their versions.
fn folder(store: &Store, blobs: &[Blob]) -> Result<PathBuf, String> {
    let mut hasher = DefaultHasher::new();
    (store.url(), blobs.iter().map(|b| (&b.path, &b.etag, b.size, b.time)).collect::<Vec<_>>()).hash(&mut hasher);
    let failed = |doing: &str, path: &Path, error: std::io::Error| format!("{doing} {}: {error}", path.display());
    let mut directory = None;
    for blob in ochre_runtime::progress(blobs).label(format!("fetching {}", store.url())) {
        let file = store.local(&blob.path).map_err(|error| error.to_string())?;
        // <cache>/blobs/<version>/<name> gives <cache>/folders/<versions>.
        let cache = file.ancestors().nth(3).unwrap_or(Path::new("/tmp")).join("folders");
        let directory = directory.get_or_insert_with(|| cache.join(format!("{:016x}", hasher.finish())));
        let link = directory.join(blob.path.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect::<PathBuf>());
        if std::fs::read_link(&link).is_ok_and(|to| to == file) {
            continue;
        }
        let above = link.parent().unwrap_or(directory);
        std::fs::create_dir_all(above).map_err(|e| failed("creating", above, e))?;
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(&file, &link).map_err(|e| failed("linking", &link, e))?;
    }
    directory.ok_or_else(|| format!("{} is empty", store.url()))
}
