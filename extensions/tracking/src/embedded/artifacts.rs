//! Artifacts as files beside the database.
use super::file;
use crate::{ArtifactInfo, Result, Source, TrackingError};
use bytes::Bytes;
use std::io::Write;
use std::path::{Path, PathBuf};
use url::Url;

/// The folder that an artifact URI names.
pub(super) fn folder(uri: &str, database: &Path) -> Result<PathBuf> {
    let unsupported = || TrackingError::Unsupported { what: "reading and writing artifacts", at: format!("the store {uri}, which another program chose for this run") };
    if let Some(path) = uri.strip_prefix("mlflow-artifacts:") {
        // What a server in this folder (`mlflow ui`) makes; that is where it keeps them.
        return Ok(file::beside(database, "mlartifacts").join(path.trim_start_matches('/')));
    }
    let path = plain(uri).ok_or_else(unsupported)?;
    Ok(moved(&path, database).unwrap_or(path))
}

/// A path, or a `file:` address; `None` for what is elsewhere.
pub(super) fn plain(uri: &str) -> Option<PathBuf> {
    match uri.split_once(':') {
        Some(("file", _)) => Url::parse(uri).ok()?.to_file_path().ok(),
        Some((scheme, _)) if scheme.len() > 1 && !scheme.contains('/') => None,
        _ => Some(PathBuf::from(uri)),
    }
}

/// MLflow writes full paths. When the folder was moved with its database, they point to where it was: the same files are beside the database.
fn moved(path: &Path, database: &Path) -> Option<PathBuf> {
    if path.exists() {
        return None;
    }
    let parts: Vec<_> = path.components().collect();
    let root = parts.iter().rposition(|part| part.as_os_str() == "mlruns")?;
    let here = file::beside(database, "mlruns").join(parts[root + 1..].iter().collect::<PathBuf>());
    let experiment = here.parent()?.parent()?;
    (here.exists() || experiment.exists() && !path.parent()?.parent()?.exists()).then_some(here)
}

/// A path below the folder; nothing that leads out of it.
pub(crate) fn checked(path: &str) -> Result<&str> {
    let path = path.trim_matches('/');
    let bad = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains(['\\', '\0']);
    if path.is_empty() || path.split('/').any(bad) {
        return Err(TrackingError::Invalid { what: format!("the artifact path {path:?}"), why: "it is relative, without empty parts, . and ..".into() });
    }
    Ok(path)
}

/// Writes one file, which is seen whole or not at all.
pub(super) fn put(folder: &Path, path: &str, source: &Source) -> Result<()> {
    let target = folder.join(checked(path)?);
    let parent = target.parent().unwrap_or(folder);
    let at = |doing: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| TrackingError::File { doing, path, source }
    };
    std::fs::create_dir_all(parent).map_err(at("making the folder", parent))?;
    let aside = parent.join(format!(".{}.part", uuid::Uuid::new_v4().simple()));
    let written = match source {
        Source::File(from) => std::fs::copy(from, &aside).map(|_| ()).map_err(at("copying", from)),
        Source::Bytes(bytes) => std::fs::File::create(&aside).and_then(|mut file| file.write_all(bytes)).map_err(at("writing", &target)),
    };
    let done = written.and_then(|()| std::fs::rename(&aside, &target).map_err(at("writing", &target)));
    if done.is_err() {
        // It may not be there at all; the error that counts is the first one.
        let _ = std::fs::remove_file(&aside);
    }
    done
}

/// What is in a folder, by name; nothing where there is no folder.
pub(super) fn list(folder: &Path, path: &str) -> Result<Vec<ArtifactInfo>> {
    let inner = if path.trim_matches('/').is_empty() { "" } else { checked(path)? };
    let directory = folder.join(inner);
    let failed = |source| TrackingError::File { doing: "listing", path: directory.clone(), source };
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(about) = std::fs::metadata(entry.path()) else { continue };
        if name.starts_with('.') && name.ends_with(".part") {
            continue;
        }
        let path = if inner.is_empty() { name } else { format!("{inner}/{name}") };
        found.push(ArtifactInfo { path, is_directory: about.is_dir(), size: about.is_file().then_some(about.len()) });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// One file.
pub(super) fn get(folder: &Path, path: &str) -> Result<Bytes> {
    let file = folder.join(checked(path)?);
    match std::fs::read(&file) {
        Ok(bytes) => Ok(bytes.into()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(TrackingError::NotFound { what: format!("the artifact {path:?}") }),
        Err(source) => Err(TrackingError::File { doing: "reading", path: file, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_out_are_refused() {
        for bad in ["", "/", "..", "a/../b", "a//b", "./a", "a\\b"] {
            assert!(checked(bad).is_err(), "{bad}");
        }
        assert_eq!(checked("a/b.txt").unwrap(), "a/b.txt");
    }

    #[test]
    fn artifacts_of_a_folder_that_was_moved_are_found_beside_the_database() {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path().join("mlruns/1/r/artifacts");
        std::fs::create_dir_all(&here).unwrap();
        let database = directory.path().join("mlflow.db");
        assert_eq!(folder("/was/there/mlruns/1/r/artifacts", &database).unwrap(), here);
        assert_eq!(folder("mlflow-artifacts:/1/r/artifacts", &database).unwrap(), directory.path().join("mlartifacts/1/r/artifacts"));
        assert_eq!(folder("file:///a%20b/c", &database).unwrap(), Path::new("/a b/c"));
        assert!(matches!(folder("s3://bucket/x", &database), Err(TrackingError::Unsupported { .. })));
    }
}
