//! Where the programs are that tests talk to. `cargo xtask peers` (and every `cargo xtask test`) installs them; nothing is installed here.
use crate::StartError;
use std::path::PathBuf;

/// Directory of the peers: `OCHRE_PEERS`, else `peers` in Ochre's cache.
pub fn peers() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(peers) = variable("OCHRE_PEERS") {
        return peers;
    }
    let cache = variable("OCHRE_CACHE").or_else(|| variable("XDG_CACHE_HOME").map(|d| d.join("ochre")));
    cache.or_else(|| variable("HOME").map(|d| d.join(".cache/ochre"))).unwrap_or_else(|| ".cache/ochre".into()).join("peers")
}

/// A program of the storage peers' Python environment: `python`, `rclone`, `moto_server`.
pub fn python_script(name: &str) -> Result<PathBuf, StartError> {
    present(peers().join("python-storage/bin").join(name))
}

/// Python with azure-storage-blob, azure-identity, boto3, polars and the others of `peers/requirements.txt`.
pub fn python() -> Result<PathBuf, StartError> {
    python_script("python")
}

/// A program of the environment of the tests of runs: `mlflow`, `python`.
pub fn runs_program(name: &str) -> Result<PathBuf, StartError> {
    present(peers().join("python-runs/bin").join(name))
}

/// Python with MLflow, scikit-learn and Databricks' SDK (`peers/runs.txt`).
pub fn runs_python() -> Result<PathBuf, StartError> {
    runs_program("python")
}

/// Python with azureml-mlflow (`peers/azureml.txt`).
pub fn azureml_python() -> Result<PathBuf, StartError> {
    present(peers().join("python-azureml/bin/python"))
}

/// A program that npm installed for the storage peers.
pub fn node_program(name: &str) -> Result<PathBuf, StartError> {
    present(peers().join("azurite/node_modules/.bin").join(name))
}

/// A program of the machine: `s3fs`, `fusermount3`, `podman`.
pub fn storage_program(name: &str) -> Result<PathBuf, StartError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).map(|d| d.join(name)).find(|p| p.is_file());
    found.ok_or_else(|| StartError::Missing { program: name.into() })
}

fn present(program: PathBuf) -> Result<PathBuf, StartError> {
    if program.is_file() { Ok(program) } else { Err(StartError::Missing { program }) }
}
