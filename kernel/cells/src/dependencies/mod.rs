//! `%dep`: crates of the user's, built by cargo once, linked by cells, kept for later sessions.
//!
//! Each addition is a *layer*: a dylib that holds the new crates and stands on the prelude and on the layers
//! before it. A crate that is there already (same version, no feature missing) is not built again: cargo runs
//! with [`wrapper`] in rustc's place, which answers with the artifact of the prelude or of an earlier layer.
//! So a value of a shared crate's type means the same in old and new cells.
//!
//! ```text
//! Cargo.toml (the new crates) --cargo--> wrapper --> rustc, or "it is there already"
//!       lib.rs: pub use of each --------> libochre_layer_<key>.so, layer.json
//! ```
mod build;
mod layer;
pub mod wrapper;

pub use layer::{Layer, Shared};

use crate::cache::Key;
use crate::model::Model;
use crate::prelude::Prelude;
use build::Build;
use std::path::PathBuf;
use tokio::sync::{mpsc, watch};

/// How far a build is.
#[derive(Clone, Debug)]
pub struct Progress {
    pub done: usize,
    pub total: usize,
    pub text: String,
}

/// What `%dep` did.
#[derive(Debug)]
pub enum Added {
    /// The crate is part of the prelude or of an earlier layer.
    Already { version: String },
    /// A layer to be put on top; `cached` if an earlier session had built it.
    Layer { layer: Layer, cached: bool },
}

/// Why a crate could not be added.
#[derive(Debug, thiserror::Error)]
pub enum DependencyError {
    #[error("interrupted")]
    Interrupted,
    #[error("`{text}` is not a dependency as Cargo.toml has them; write `name = \"1.2\"` or `name = {{ version = \"1.2\", features = [\"a\"] }}`")]
    Syntax { text: String },
    #[error("cannot write below {}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot start cargo ({}); the Rust toolchain is needed to build crates", path.display())]
    Cargo { path: PathBuf, source: std::io::Error },
    #[error("cargo could not build it:\n{output}")]
    Build { output: String },
    #[error("the built layer is not whole: {what}; remove {} and try again", dir.display())]
    Broken { what: String, dir: PathBuf },
}

/// Where crates are built and kept.
#[derive(Clone, Debug)]
pub struct Workshop {
    /// One directory per layer below it.
    pub dir: PathBuf,
    /// The program whose `main` calls [`wrapper::run_if_asked`] first.
    pub wrapper: PathBuf,
    /// The toolchain's own cargo.
    pub cargo: PathBuf,
}

impl Workshop {
    /// Adds a crate on top of what the session has. `requirement` is what stands right of `name =` in Cargo.toml.
    pub async fn add(&self, prelude: &Prelude, model: &Model, name: &str, requirement: &str, progress: mpsc::Sender<Progress>, stop: &mut watch::Receiver<bool>) -> Result<Added, DependencyError> {
        let line = format!("{name} = {requirement}");
        if name.is_empty() || line.contains('\n') {
            return Err(DependencyError::Syntax { text: line });
        }
        if let Some(version) = offered(prelude, model, name, requirement) {
            return Ok(Added::Already { version });
        }
        let below: Vec<&str> = model.layers.iter().map(|l| l.crate_name.as_str()).collect();
        let key = Key::of([line.as_str(), &below.join(" "), &prelude.hash, &prelude.rustc_version]);
        let dir = self.dir.join(&key.0);
        // A path may have changed since: cargo knows.
        let fixed = !requirement.contains("path") && !requirement.contains("git");
        if let Some(layer) = Layer::read(&dir).filter(|_| fixed) {
            return Ok(Added::Layer { layer, cached: true });
        }
        let build = Build { workshop: self, prelude, layers: &model.layers, line: &line, name, key: &key, dir };
        Ok(Added::Layer { layer: build.run(progress, stop).await?, cached: false })
    }
}

/// The version of a crate that cells can use already, if it meets the requirement.
fn offered(prelude: &Prelude, model: &Model, name: &str, requirement: &str) -> Option<String> {
    let in_code = name.replace('-', "_");
    let version = if prelude.offers(&in_code) {
        prelude.krate(&in_code).map(|k| k.version.clone())
    } else {
        let found = model.layers.iter().flat_map(|l| &l.shared).find(|s| s.name == in_code && s.direct);
        found.map(|s| s.version.clone())
    }?;
    let plain = requirement.trim().trim_matches('"');
    let simple = requirement.trim().starts_with('"');
    (simple && (plain == "*" || compatible(plain, &version))).then_some(version)
}

/// Whether a version meets a plain requirement such as `1`, `0.9` or `1.2.3`, by cargo's caret rule.
fn compatible(requirement: &str, version: &str) -> bool {
    let numbers = |text: &str| -> Option<Vec<u64>> { text.trim_start_matches('^').split(['-', '+']).next()?.split('.').map(|n| n.parse().ok()).collect() };
    let (Some(wanted), Some(have)) = (numbers(requirement), numbers(version)) else { return false };
    let significant = wanted.iter().position(|n| *n != 0).map_or(wanted.len(), |i| i + 1);
    have.len() >= wanted.len() && wanted[..significant] == have[..significant] && have[significant..wanted.len()] >= wanted[significant..]
}

#[cfg(test)]
mod tests {
    use super::compatible;

    #[test]
    fn caret_rule() {
        for (wanted, have, expected) in [
            ("1", "1.9.2", true), ("1.2", "1.9.0", true), ("1.9.5", "1.9.2", false), ("2", "1.9.2", false), ("0.9", "0.9.5", true),
            ("0.8", "0.9.5", false), ("0.9.6", "0.9.5", false), ("=1.0", "1.0.0", false), ("0", "0.4.1", true),
        ] {
            assert_eq!(compatible(wanted, have), expected, "{wanted} and {have}");
        }
    }
}
