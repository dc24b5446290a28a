//! `manifest.json` of a prelude directory: what the engine needs to know without running cargo.
use crate::Error;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Version of this file's form. The engine refuses another one.
pub const FORMAT: u32 = 1;

/// The file. Paths are relative to the prelude directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// Names the directory; changes with the compiler and with anything that cells link.
    pub hash: String,
    /// The whole `rustc -vV` text of the compiler that built it: only that compiler can use it.
    pub rustc: String,
    /// Target triple.
    pub host: String,
    /// `libochre_runtime.so`.
    pub runtime: String,
    /// `libochre_prelude.so`.
    pub prelude: String,
    /// The program that runs cells.
    pub worker: String,
    /// The standard library's shared object.
    pub std: String,
    pub crates: Vec<Crate>,
    /// Package name and version (`serde 1.0.2`) to its enabled features.
    pub features: BTreeMap<String, Vec<String>>,
}

/// A crate that is part of the prelude.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Crate {
    /// As in code: `serde_json`.
    pub name: String,
    /// As in Cargo.toml: `serde-json`, with its version.
    pub package: String,
    pub version: String,
    /// The file to give to `--extern`.
    pub file: String,
    pub proc_macro: bool,
    /// A direct dependency of `ochre-prelude`: users may name it.
    pub direct: bool,
}

impl Manifest {
    /// Name of the file in its directory.
    pub const FILE: &'static str = "manifest.json";

    /// Reads the manifest of a prelude directory.
    pub fn read(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(Self::FILE);
        let text = std::fs::read(&path).map_err(Error::file("read", &path))?;
        serde_json::from_slice(&text).map_err(|source| Error::Manifest { path, source })
    }

    /// Writes it.
    pub fn write(&self, directory: &Path) -> Result<(), Error> {
        let path = directory.join(Self::FILE);
        let text = serde_json::to_vec_pretty(self).map_err(|source| Error::Manifest { path: path.clone(), source })?;
        std::fs::write(&path, text).map_err(Error::file("write", &path))
    }
}
