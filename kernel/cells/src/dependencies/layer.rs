//! A built layer, as it is found again by a later session.
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A crate that a layer (or the prelude) holds, and that needs no second build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// As in code.
    pub name: String,
    pub package: String,
    pub version: String,
    pub features: Vec<String>,
    pub file: PathBuf,
    pub proc_macro: bool,
    /// The user asked for it: cells may name it.
    pub direct: bool,
}

/// A dylib with crates of the user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    pub crate_name: String,
    pub library: PathBuf,
    /// Where the metadata of its crates is.
    pub search: Vec<PathBuf>,
    /// It shares crates with the prelude, so cells that use it link the prelude too.
    pub heavy: bool,
    /// All crates that it holds.
    pub shared: Vec<Shared>,
    /// Shared crates that had to be built once more, because features were missing.
    pub private_copies: Vec<String>,
}

/// Name of the file that makes a directory a layer; written last.
const FILE: &str = "layer.json";

impl Layer {
    /// The layer in a directory, if it is whole.
    pub fn read(dir: &Path) -> Option<Self> {
        let layer: Self = serde_json::from_slice(&std::fs::read(dir.join(FILE)).ok()?).ok()?;
        layer.library.is_file().then_some(layer)
    }

    /// Makes a directory a layer.
    pub fn write(&self, dir: &Path) -> std::io::Result<()> {
        std::fs::write(dir.join(FILE), serde_json::to_vec_pretty(self)?)
    }
}
