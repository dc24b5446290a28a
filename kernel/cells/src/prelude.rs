//! The prelude directory: what was built once and every cell links.
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Why a prelude cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PreludeError {
    #[error("there is no prelude in {}; run `ochre install`", dir.display())]
    Missing { dir: PathBuf, source: std::io::Error },
    #[error("the prelude's manifest in {} does not parse; run `ochre install`", dir.display())]
    Manifest { dir: PathBuf, source: serde_json::Error },
}

/// A crate that the prelude carries.
#[derive(Clone, Debug, Deserialize)]
pub struct PreludeCrate {
    /// As in code: `serde_json`.
    pub name: String,
    pub package: String,
    pub version: String,
    /// Relative to the prelude's directory.
    pub file: String,
    #[serde(default)]
    pub proc_macro: bool,
    /// Named in the prelude's own Cargo.toml, so that cells may name it.
    #[serde(default)]
    pub direct: bool,
}

#[derive(Deserialize)]
struct Manifest {
    hash: String,
    rustc: String,
    runtime: String,
    prelude: String,
    worker: String,
    crates: Vec<PreludeCrate>,
    #[serde(default)]
    features: HashMap<String, Vec<String>>,
}

/// A prelude that was found.
#[derive(Clone, Debug)]
pub struct Prelude {
    pub dir: PathBuf,
    /// Changes with every byte that cells could notice.
    pub hash: String,
    /// `rustc -vV` of the compiler that built it.
    pub rustc_version: String,
    pub runtime: PathBuf,
    pub prelude: PathBuf,
    pub worker: PathBuf,
    /// By name in code; several crates may share one.
    pub crates: HashMap<String, Vec<PreludeCrate>>,
    pub features: HashMap<String, Vec<String>>,
}

impl Prelude {
    /// Reads `manifest.json` of a prelude directory.
    pub fn load(dir: &Path) -> Result<Self, PreludeError> {
        let missing = |source| PreludeError::Missing { dir: dir.to_owned(), source };
        let text = std::fs::read(dir.join("manifest.json")).map_err(missing)?;
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|source| PreludeError::Manifest { dir: dir.to_owned(), source })?;
        let mut crates: HashMap<String, Vec<PreludeCrate>> = HashMap::new();
        for one in manifest.crates {
            crates.entry(one.name.clone()).or_default().push(one);
        }
        Ok(Self {
            runtime: dir.join(manifest.runtime),
            prelude: dir.join(manifest.prelude),
            worker: dir.join(manifest.worker),
            dir: dir.to_owned(),
            hash: manifest.hash,
            rustc_version: manifest.rustc,
            crates,
            features: manifest.features,
        })
    }

    /// Where the metadata of the crates below the prelude lies.
    pub fn dependencies(&self) -> PathBuf {
        self.dir.join("deps")
    }

    /// The crate of that name: the one that cells may name, else the only one.
    pub fn krate(&self, name: &str) -> Option<&PreludeCrate> {
        let all = self.crates.get(name)?;
        all.iter().find(|c| c.direct).or_else(|| all.first())
    }

    /// True for the crates that cells may name without `%dep`.
    pub fn offers(&self, name: &str) -> bool {
        self.crates.get(name).is_some_and(|all| all.iter().any(|c| c.direct))
    }

    /// The file of a crate.
    pub fn file(&self, krate: &PreludeCrate) -> PathBuf {
        self.dir.join(&krate.file)
    }
}
