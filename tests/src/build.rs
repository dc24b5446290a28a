//! Builds the kernel and the prelude into the cache and says where they are.
use anyhow::Context;
use ochre_build::{Cache, Cargo, Compiler, Kind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A finished build.
#[derive(Clone, Debug)]
pub struct Built {
    pub cache: Cache,
    pub compiler: Compiler,
    /// The checkout.
    pub source: PathBuf,
    /// The binary `ochre`.
    pub ochre: PathBuf,
    /// The staged prelude directory.
    pub prelude: PathBuf,
}

/// The checkout that this xtask was compiled in.
pub fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| ".".into(), Path::to_path_buf)
}

/// Builds everything; fast when nothing has changed.
pub fn build() -> anyhow::Result<Built> {
    let (cache, compiler, source) = (Cache::find()?, Compiler::find()?, source());
    let prelude = ochre_build::build_prelude(&source, &cache, &compiler, &cache.staged())?;
    let ochre = build_kernel(&source, &cache, &compiler)?;
    Ok(Built { cache, compiler, source, ochre, prelude })
}

/// The cargo command for crates of the kernel's side.
pub fn kernel_command(source: &Path, cache: &Cache, compiler: &Compiler, packages: &[String]) -> Cargo {
    Cargo {
        source: source.to_path_buf(),
        target_dir: cache.kernel_target(compiler),
        packages: packages.to_vec(),
        arguments: Vec::new(),
        environment: BTreeMap::new(),
        what: "kernel".into(),
    }
}

fn build_kernel(source: &Path, cache: &Cache, compiler: &Compiler) -> anyhow::Result<PathBuf> {
    let artifacts = kernel_command(source, cache, compiler, &["ochre".into()]).build()?;
    let program = artifacts.iter().find(|a| a.kind == Kind::Program && a.package == "ochre");
    program.and_then(|a| a.files.first().cloned()).context("cargo built no program `ochre`")
}
