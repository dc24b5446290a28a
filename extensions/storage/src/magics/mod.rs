//! The magics of storage, one file for each family.
mod copy;
mod credential;
mod listing;
mod mounting;
mod unzip;

use crate::Storage;
use crate::spot::Spot;
use ochre_api::{Arguments, Failure, Magic};
use std::path::Path;
use std::sync::Arc;

/// All of them, in the order of `%lsmagic`.
pub(crate) fn all(storage: &Arc<Storage>) -> Vec<Arc<dyn Magic>> {
    vec![
        Arc::new(credential::CredentialMagic(storage.clone())),
        Arc::new(listing::Ls(storage.clone())),
        Arc::new(copy::Cp(storage.clone())),
        Arc::new(unzip::Unzip(storage.clone())),
        Arc::new(mounting::Mount(storage.clone())),
        Arc::new(mounting::Unmount(storage.clone())),
        Arc::new(mounting::MountList(storage.clone())),
    ]
}

/// The arguments `from` and `to`; what is written to is no mount that is read only. Relative paths belong to `directory`.
async fn ends(storage: &Storage, arguments: &Arguments, directory: &Path) -> Result<(Spot, Spot), Failure> {
    let (from, to) = (arguments.value("from").unwrap_or_default(), arguments.value("to").unwrap_or_default());
    let from = Spot::read(from, directory, storage).await?;
    storage.check_writable(to, directory)?;
    Ok((from, Spot::read(to, directory, storage).await?))
}

/// Beginnings of URLs, and the containers that were named before.
pub(crate) fn urls(storage: &Storage, prefix: &str) -> Vec<String> {
    const SCHEMES: &[&str] = &["az://", "abfss://", "s3://", "gs://", "file:///", "https://", "azureml://datastores/"];
    let known = storage.accounts().list().into_iter().map(|l| l.scope).chain(storage.mounts().rows().into_iter().map(|r| r.wanted.location.to_string()));
    let mut all: Vec<String> = SCHEMES.iter().map(|s| (*s).to_owned()).chain(known).filter(|u| !prefix.is_empty() && u.starts_with(prefix) && u != prefix).collect();
    all.sort();
    all.dedup();
    all
}

/// Credential words, and nothing that is secret.
pub(crate) fn words(prefix: &str) -> Vec<String> {
    const WORDS: &[&str] =
        &["auto", "anonymous", "cli", "managed-identity", "managed-identity:", "workload-identity", "service-principal:", "device-code", "device-code:", "environment", "account-key", "secret:"];
    WORDS.iter().filter(|w| w.starts_with(prefix)).map(|w| (*w).to_owned()).collect()
}

#[cfg(test)]
mod tests;
