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
        let package = package_of(name, requirement);
        let build = Build { workshop: self, prelude, layers: &model.layers, line: &line, name, package: &package, key: &key, dir };
        Ok(Added::Layer { layer: build.run(progress, stop).await?, cached: false })
    }
}

/// What stands right of `name =`, as far as it can be met without building.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    version: String,
    features: Vec<String>,
}

impl Wanted {
    /// `None` where only cargo knows: paths, repositories, other names, features left out.
    fn read(requirement: &str) -> Option<Self> {
        let table: toml::Table = format!("x = {requirement}").parse().ok()?;
        match table.get("x")? {
            toml::Value::String(version) => Some(Self { version: version.clone(), features: Vec::new() }),
            toml::Value::Table(keys) if keys.keys().all(|k| k == "version" || k == "features") => {
                let features = keys.get("features").and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
                let features = features.iter().filter_map(|f| f.as_str().map(str::to_owned)).collect();
                Some(Self { version: keys.get("version").and_then(toml::Value::as_str).unwrap_or("*").to_owned(), features })
            }
            _ => None,
        }
    }

    fn met_by(&self, version: &str, features: &[String]) -> bool {
        (self.version == "*" || compatible(&self.version, version)) && self.features.iter().all(|f| features.contains(f))
    }
}

/// The package that a dependency means: its name, or what `package` says.
fn package_of(name: &str, requirement: &str) -> String {
    let table: Option<toml::Table> = format!("x = {requirement}").parse().ok();
    let package = table.as_ref().and_then(|t| t.get("x")?.as_table()?.get("package")?.as_str());
    package.unwrap_or(name).to_owned()
}

/// The version of a crate that cells can use already, if it meets the requirement.
fn offered(prelude: &Prelude, model: &Model, name: &str, requirement: &str) -> Option<String> {
    let in_code = name.replace('-', "_");
    let wanted = Wanted::read(requirement)?;
    if let Some((shared, _)) = model.added(&in_code) {
        return wanted.met_by(&shared.version, &shared.features).then(|| shared.version.clone());
    }
    let krate = prelude.krate(&in_code).filter(|k| k.direct)?;
    let features = prelude.features.get(&format!("{} {}", krate.package, krate.version)).map(Vec::as_slice).unwrap_or_default();
    wanted.met_by(&krate.version, features).then(|| krate.version.clone())
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
    use super::{Wanted, compatible, package_of};

    #[test]
    fn what_is_there_is_not_built() {
        let has = ["lazy".to_owned(), "csv".to_owned()];
        let met = |requirement: &str| Wanted::read(requirement).map(|w| w.met_by("0.55.2", &has));
        assert_eq!(met("\"0.55\""), Some(true));
        assert_eq!(met("{ version = \"0.55\", features = [\"lazy\"] }"), Some(true));
        assert_eq!(met("{ version = \"0.55\", features = [\"avro\"] }"), Some(false));
        assert_eq!(met("{ version = \"0.54\" }"), Some(false));
        assert_eq!(met("{ path = \"x\" }"), None);
        assert_eq!(package_of("rand8", "{ package = \"rand\", version = \"0.8\" }"), "rand");
    }

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
