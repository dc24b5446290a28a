//! Files as artifacts: what is logged is the file as it is now, so a copy is made before the call returns.
use crate::LogError;
use crate::recorder::Recorder;
use ochre_spool::{Record, limits};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Bytes between two looks at the interrupt flag while a file is copied.
const STRIDE: u64 = 64 << 20;

/// Logs a file, or a folder with all that is below it, under `folder` of the run's artifacts.
pub fn log(recorder: &Recorder, path: &Path, folder: &str) -> Result<(), LogError> {
    let name = path.canonicalize().map_err(LogError::file(path))?.file_name().unwrap_or_default().to_string_lossy().into_owned();
    one(recorder, path, &join(folder, &name))
}

/// Logs what is in a folder, without the folder itself.
pub fn log_inside(recorder: &Recorder, directory: &Path, folder: &str) -> Result<(), LogError> {
    let mut entries = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(LogError::file(directory))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type().map_err(LogError::file(&path))?;
        // A link to a folder may lead back up.
        if kind.is_symlink() && path.is_dir() {
            continue;
        }
        one(recorder, &path, &join(folder, &entry.file_name().to_string_lossy()))?;
    }
    Ok(())
}

fn one(recorder: &Recorder, path: &Path, to: &str) -> Result<(), LogError> {
    let metadata = fs::metadata(path).map_err(LogError::file(path))?;
    if metadata.is_dir() {
        return log_inside(recorder, path, to);
    }
    if !metadata.is_file() {
        return Err(LogError::NotAFile { path: path.to_owned() });
    }
    let to = limits::artifact_path(to);
    let copy = recorder.spool.place_for_copy(to.rsplit('/').next().unwrap_or_default())?;
    if let Err(error) = copy_file(path, &copy) {
        let _ = fs::remove_file(&copy);
        return Err(error);
    }
    recorder.record(&Record::Artifact { path: to, file: copy, owned: true });
    Ok(())
}

/// Copies by the system's own means, which share the blocks where the file system can.
fn copy_file(from: &Path, to: &Path) -> Result<(), LogError> {
    let mut source = File::open(from).map_err(LogError::file(from))?;
    let mut target = File::create_new(to).map_err(LogError::file(to))?;
    while io::copy(&mut source.by_ref().take(STRIDE), &mut target).map_err(LogError::file(from))? > 0 {
        ochre_runtime::__rt::check();
        if ochre_runtime::interrupted() {
            return Err(LogError::Interrupted);
        }
    }
    Ok(())
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
