//! Secrets that are mounted as files, by Docker (`/run/secrets`), Kubernetes or whoever sets `OCHRE_SECRETS_DIR`.
//!
//! `SCOPE/KEY` is the file `SCOPE/KEY`, or where there are no directories (Docker) `SCOPE_KEY` or `SCOPE-KEY`. A line break at the end of a file
//! is no part of the secret.
use crate::VaultError;
use crate::backend::{Backend, Place};
use async_trait::async_trait;
use ochre_secrets::Secret;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Where Docker and Podman mount secrets.
pub(crate) const RUN_SECRETS: &str = "/run/secrets";
/// A larger file is no secret.
const LARGEST: u64 = 1 << 20;

/// Directories, the first one first.
pub(crate) struct Files(pub(crate) Vec<PathBuf>);

impl Files {
    fn candidates(&self, scope: &str, key: &str) -> Vec<PathBuf> {
        let names = [format!("{scope}/{key}"), format!("{scope}_{key}"), format!("{scope}-{key}")];
        self.0.iter().flat_map(|directory| names.iter().map(move |name| directory.join(name))).collect()
    }
}

fn read(path: &Path) -> Result<Option<Secret>, VaultError> {
    let failed = |source| VaultError::File { doing: "read", path: path.to_owned(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut text = String::new();
    if file.metadata().map_err(failed)?.is_dir() {
        return Ok(None);
    }
    file.take(LARGEST).read_to_string(&mut text).map_err(failed)?;
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    Ok(Some(text.into()))
}

#[async_trait]
impl Backend for Files {
    fn name(&self) -> &'static str {
        "files"
    }
    async fn place(&self) -> Place {
        let there = self.0.iter().any(|directory| directory.is_dir());
        let text = self.0.iter().map(|d| d.display().to_string()).collect::<Vec<_>>().join(", ");
        Place { text: if there { text } else { format!("{text} (not there)") }, writable: false }
    }
    async fn get(&self, scope: &str, key: &str) -> Result<Option<Secret>, VaultError> {
        for path in self.candidates(scope, key) {
            if let Some(secret) = read(&path)? {
                return Ok(Some(secret));
            }
        }
        Ok(None)
    }
    async fn list(&self) -> Result<Vec<(String, String)>, VaultError> {
        let mut found = Vec::new();
        let entries = |directory: &Path| std::fs::read_dir(directory).into_iter().flatten().flatten();
        for directory in &self.0 {
            for entry in entries(directory) {
                let name = entry.file_name().to_string_lossy().into_owned();
                // Kubernetes keeps versions in `..data` and links to them.
                if name.starts_with('.') {
                    continue;
                }
                if entry.path().is_dir() {
                    let keys = entries(&entry.path()).map(|e| e.file_name().to_string_lossy().into_owned());
                    found.extend(keys.filter(|key| !key.starts_with('.')).map(|key| (name.clone(), key)));
                } else if let Some((scope, key)) = name.split_once(['_', '-']) {
                    found.push((scope.to_owned(), key.to_owned()));
                }
            }
        }
        Ok(found)
    }
}
