//! Lays out a built prelude as a directory that is used alone: no cargo, no checkout, no target directory.
//!
//! ```text
//! <root>/<hash>/manifest.json
//! <root>/<hash>/deps/            .rmeta of every crate, the proc macros, the two dylibs
//! <root>/<hash>/libochre_*.so    links into deps/
//! <root>/<hash>/libstd-*.so, ochre-worker
//! ```
//! A dylib's own metadata names the crates below it, so rustc needs their `.rmeta` files beside it, but not
//! the twice as large `.rlib` files.
use crate::{Artifact, Cache, Cargo, Compiler, Crate, Error, FORMAT, Kind, Manifest, cargo::release_dir};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What cells link. Always all of them in one command: another selection means other features for shared crates,
/// and polars is compiled again.
pub const PRELUDE_PACKAGES: [&str; 8] =
    ["ochre-prelude", "ochre-frames", "ochre-plots", "ochre-stores", "ochre-logging", "ochre-ml", "ochre-nn", "ochre-runtime"];

/// What runs cells, by a command of its own: what it depends on shall not decide over polars' features.
pub const WORKER_PACKAGES: [&str; 1] = ["ochre-worker"];

/// Link in a directory of preludes to the one in use.
pub const CURRENT: &str = "current";

/// Digits of the hash that names a prelude directory: 64 bits are plenty for the few that one machine has.
const HASH_DIGITS: usize = 16;

/// The cargo command that builds for cells; tests of cell-side crates start from it too.
pub fn prelude_command(source: &Path, cache: &Cache, compiler: &Compiler) -> Cargo {
    cell_side(source, cache, compiler, &PRELUDE_PACKAGES, "prelude")
}

/// The cargo command that builds what runs cells.
pub fn worker_command(source: &Path, cache: &Cache, compiler: &Compiler) -> Cargo {
    cell_side(source, cache, compiler, &WORKER_PACKAGES, "worker")
}

fn cell_side(source: &Path, cache: &Cache, compiler: &Compiler, packages: &[&str], what: &str) -> Cargo {
    Cargo {
        source: source.to_path_buf(),
        copy: cache.sources(compiler),
        target_dir: cache.prelude_target(compiler),
        packages: packages.iter().map(|p| p.to_string()).collect(),
        // With `--target`, RUSTFLAGS leave build scripts and proc macros alone.
        arguments: vec!["--target".into(), compiler.host.clone()],
        environment: BTreeMap::from([("RUSTFLAGS".into(), "-C prefer-dynamic".into())]),
        what: what.into(),
    }
}

/// Builds the prelude from a checkout, stages it below `root` and makes it the current one there; gives its directory.
pub fn build_prelude(source: &Path, cache: &Cache, compiler: &Compiler, root: &Path) -> Result<PathBuf, Error> {
    std::fs::create_dir_all(root).map_err(Error::file("create", root))?;
    let cargo = prelude_command(source, cache, compiler);
    let mut artifacts = cargo.build()?;
    // Of the second build only the program is new: the crates below it are not the prelude's business.
    artifacts.extend(worker_command(source, cache, compiler).build()?.into_iter().filter(|a| a.kind == Kind::Program));
    let directory = stage(&cargo, compiler, &artifacts, root)?;
    set_current(root, &directory)?;
    Ok(directory)
}

/// Points `current` at a prelude and removes all others but the one that was current before: running
/// kernels may still compile against that one.
fn set_current(root: &Path, prelude: &Path) -> Result<(), Error> {
    let link = root.join(CURRENT);
    let before = link.canonicalize().ok();
    if before.is_some() && before == prelude.canonicalize().ok() {
        return Ok(());
    }
    let fresh = root.join(format!(".{CURRENT}.{}", std::process::id()));
    let _ = std::fs::remove_file(&fresh);
    std::os::unix::fs::symlink(prelude.file_name().unwrap_or_default(), &fresh).map_err(Error::file("link", &fresh))?;
    std::fs::rename(&fresh, &link).map_err(Error::file("link", &link))?;
    let keep = [prelude.canonicalize().ok(), before];
    for entry in std::fs::read_dir(root).map_err(Error::file("read", root))?.flatten() {
        let path = entry.path();
        if path != link && !keep.iter().flatten().any(|k| path.canonicalize().is_ok_and(|p| p == *k)) {
            // What cannot be removed only takes room.
            let _ = std::fs::remove_dir_all(&path);
        }
    }
    Ok(())
}

/// Stages the artifacts of a build; a directory with the same content is used as it is.
pub fn stage(cargo: &Cargo, compiler: &Compiler, artifacts: &[Artifact], root: &Path) -> Result<PathBuf, Error> {
    let parts = Parts::pick(cargo, compiler, artifacts)?;
    let hash = parts.hash(compiler)?;
    let directory = root.join(&hash);
    if Manifest::read(&directory).is_ok_and(|m| m.hash == hash && m.format == FORMAT) {
        return Ok(directory);
    }
    // Made aside and renamed, so that a half-written directory is never found by another process.
    let partial = root.join(format!(".{hash}.{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&partial);
    parts.lay_out(&partial, &hash, compiler)?;
    if directory.exists() {
        std::fs::remove_dir_all(&directory).map_err(Error::file("replace", &directory))?;
    }
    std::fs::rename(&partial, &directory).map_err(Error::file("move the prelude to", &directory))?;
    Ok(directory)
}

/// The files that make up a prelude.
struct Parts {
    crates: Vec<(Crate, PathBuf)>,
    runtime: PathBuf,
    prelude: PathBuf,
    worker: PathBuf,
    std: PathBuf,
    features: BTreeMap<String, Vec<String>>,
    /// The checkout's lock: crates that a user adds come in the same versions.
    lock: PathBuf,
}

impl Parts {
    fn pick(cargo: &Cargo, compiler: &Compiler, artifacts: &[Artifact]) -> Result<Self, Error> {
        let release = release_dir(&cargo.target_dir, Some(&compiler.host));
        let direct = direct_dependencies(cargo)?;
        let missing = |missing: &str| Error::MissingArtifact { what: cargo.what.clone(), missing: missing.to_string() };
        let (mut crates, mut features) = (Vec::new(), BTreeMap::new());
        let (mut runtime, mut prelude, mut worker) = (None, None, None);
        for artifact in artifacts {
            let file = match artifact.kind {
                Kind::ProcMacro => artifact.file(&["so", "dylib"]),
                // Libraries of build scripts and proc macros lie outside the target's directory. Crates that are
                // made in several forms have no `.rmeta`, and a `.so` that is no Rust library: their `.rlib` serves.
                Kind::Library => artifact.file(&["rmeta", "rlib", "so", "dylib"]).filter(|f| f.starts_with(&release)),
                Kind::Program if artifact.package == "ochre-worker" => {
                    worker = artifact.files.first().cloned();
                    None
                }
                Kind::Program | Kind::Test | Kind::Other => None,
            };
            let Some(file) = file else { continue };
            match artifact.package.as_str() {
                "ochre-runtime" => runtime = Some(file.clone()),
                "ochre-prelude" => prelude = Some(file.clone()),
                _ => {}
            }
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            features.insert(format!("{} {}", artifact.package, artifact.version), artifact.features.clone());
            crates.push((
                Crate {
                    name: artifact.crate_name.clone(),
                    package: artifact.package.clone(),
                    version: artifact.version.clone(),
                    file: format!("deps/{name}"),
                    proc_macro: artifact.kind == Kind::ProcMacro,
                    direct: direct.contains(&(artifact.package.clone(), artifact.version.clone())),
                },
                file.clone(),
            ));
        }
        crates.sort();
        crates.dedup();
        Ok(Self {
            crates,
            runtime: runtime.ok_or_else(|| missing("runtime library"))?,
            prelude: prelude.ok_or_else(|| missing("prelude library"))?,
            worker: worker.ok_or_else(|| missing("worker program"))?,
            std: compiler.std_library()?,
            features,
            lock: cargo.source.join("Cargo.lock"),
        })
    }

    /// Over the compiler, the two libraries' bytes and the names (which hold cargo's hashes) of all others.
    fn hash(&self, compiler: &Compiler) -> Result<String, Error> {
        let mut hasher = Sha256::new();
        hasher.update(FORMAT.to_le_bytes());
        hasher.update(compiler.text.as_bytes());
        for (part, _) in &self.crates {
            hasher.update(part.file.as_bytes());
            hasher.update([0]);
        }
        for file in [&self.runtime, &self.prelude, &self.worker] {
            hasher.update(std::fs::read(file).map_err(Error::file("read", file))?);
        }
        let digest = hasher.finalize();
        Ok(digest.iter().flat_map(|b| [b >> 4, b & 15]).take(HASH_DIGITS).filter_map(|d| char::from_digit(d.into(), 16)).collect())
    }

    fn lay_out(&self, directory: &Path, hash: &str, compiler: &Compiler) -> Result<(), Error> {
        let deps = directory.join("deps");
        std::fs::create_dir_all(&deps).map_err(Error::file("create", &deps))?;
        for (part, from) in &self.crates {
            // Files of our own crates are written anew by the next build, those of the registry never.
            place(from, &directory.join(&part.file), !part.package.starts_with("ochre"))?;
        }
        place_top(directory, &self.lock)?;
        let manifest = Manifest {
            format: FORMAT,
            hash: hash.to_string(),
            rustc: compiler.text.clone(),
            host: compiler.host.clone(),
            runtime: link_up(directory, &self.runtime)?,
            prelude: link_up(directory, &self.prelude)?,
            worker: place_top(directory, &self.worker)?,
            std: place_top(directory, &self.std)?,
            crates: self.crates.iter().map(|(part, _)| part.clone()).collect(),
            features: self.features.clone(),
        };
        manifest.write(directory)
    }
}

/// The direct dependencies of `ochre-prelude`, as package and version.
fn direct_dependencies(cargo: &Cargo) -> Result<BTreeSet<(String, String)>, Error> {
    let mut tree = cargo.tree(&["ochre-prelude".into()]);
    let output = tree.args(["--depth", "1", "-e", "normal"]).output();
    let output = output.map_err(|source| Error::NoToolchain { program: "cargo".into(), source })?;
    if !output.status.success() {
        return Err(Error::CargoFailed { what: "the list of packages".into(), status: String::from_utf8_lossy(&output.stderr).trim().to_string() });
    }
    // Lines such as `serde v1.0.2` and `ochre-frames v0.1.0 (path)`; the first is the prelude itself.
    let text = String::from_utf8_lossy(&output.stdout);
    let pair = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.to_string(), words.next()?.trim_start_matches('v').to_string()))
    };
    Ok(text.lines().skip(1).filter_map(pair).collect())
}

/// Puts a file of the toolchain or the build at the top of the directory; gives its name.
fn place_top(directory: &Path, from: &Path) -> Result<String, Error> {
    let name = from.file_name().unwrap_or_default().to_string_lossy().into_owned();
    place(from, &directory.join(&name), false)?;
    Ok(name)
}

/// Links `deps/NAME` to the top of the directory, where the loader looks; gives the name.
fn link_up(directory: &Path, from: &Path) -> Result<String, Error> {
    let name = from.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let link = directory.join(&name);
    std::os::unix::fs::symlink(Path::new("deps").join(&name), &link).map_err(Error::file("link", &link))?;
    Ok(name)
}

/// A hard link where that is safe and possible, else a copy.
fn place(from: &Path, to: &Path, may_link: bool) -> Result<(), Error> {
    if may_link && std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    std::fs::copy(from, to).map(drop).map_err(Error::file("copy to", to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_prelude_becomes_current_and_only_its_predecessor_is_kept() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            let prelude = root.path().join(name);
            std::fs::create_dir(&prelude).unwrap();
            set_current(root.path(), &prelude).unwrap();
            assert!(root.path().join(CURRENT).canonicalize().unwrap().ends_with(name));
        }
        set_current(root.path(), &root.path().join("c")).unwrap();
        assert!(!root.path().join("a").exists());
        assert!(root.path().join("b").exists() && root.path().join("c").exists());
    }
}
