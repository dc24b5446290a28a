//! Builds the kernel, the prelude and the evcxr engine into the cache and says where they are.
use anyhow::Context;
use ochre_build::{Artifact, Cache, Cargo, Compiler, Kind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Package and program of the second engine.
pub const EVCXR: &str = "ochre-evcxr";

/// A finished build.
#[derive(Clone, Debug)]
pub struct Built {
    pub cache: Cache,
    pub compiler: Compiler,
    /// The checkout.
    pub source: PathBuf,
    /// What was built: the checkout as it was then.
    pub copy: PathBuf,
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
    let copy = ochre_build::hold(&source, &cache.sources(&compiler))?;
    let prelude = ochre_build::build_prelude(&source, &cache, &compiler, &cache.staged())?;
    let ochre = build_kernel(&source, &cache, &compiler)?;
    build_evcxr(&source, &cache, &compiler, &ochre)?;
    Ok(Built { cache, compiler, source, copy, ochre, prelude })
}

/// The cargo command for the evcxr engine.
pub fn evcxr_command(source: &Path, cache: &Cache, compiler: &Compiler) -> Cargo {
    let target_dir = cache.evcxr_target(compiler);
    Cargo { target_dir, what: "the evcxr engine".into(), ..kernel_command(source, cache, compiler, &[EVCXR.into()]) }
}

/// The cargo command for crates of the kernel's side.
pub fn kernel_command(source: &Path, cache: &Cache, compiler: &Compiler, packages: &[String]) -> Cargo {
    Cargo {
        source: source.to_path_buf(),
        copy: cache.sources(compiler),
        target_dir: cache.kernel_target(compiler),
        packages: packages.to_vec(),
        arguments: Vec::new(),
        environment: BTreeMap::new(),
        what: "kernel".into(),
    }
}

/// Builds the second engine and puts it beside `ochre`, where it is looked for.
fn build_evcxr(source: &Path, cache: &Cache, compiler: &Compiler, ochre: &Path) -> anyhow::Result<()> {
    let built = program(&evcxr_command(source, cache, compiler).build()?, EVCXR)?;
    let place = ochre.with_file_name(EVCXR);
    let partial = place.with_file_name(format!(".{EVCXR}.{}", std::process::id()));
    std::fs::hard_link(&built, &partial).or_else(|_| std::fs::copy(&built, &partial).map(drop)).context("the evcxr engine cannot be put beside `ochre`")?;
    // Renaming onto a link to the same file does nothing, and leaves the other name.
    std::fs::rename(&partial, &place).context("the evcxr engine cannot be put beside `ochre`")?;
    let _ = std::fs::remove_file(&partial);
    Ok(())
}

fn build_kernel(source: &Path, cache: &Cache, compiler: &Compiler) -> anyhow::Result<PathBuf> {
    let artifacts = kernel_command(source, cache, compiler, &["ochre".into()]).build()?;
    program(&artifacts, "ochre")
}

fn program(artifacts: &[Artifact], name: &str) -> anyhow::Result<PathBuf> {
    let program = artifacts.iter().find(|a| a.kind == Kind::Program && a.package == name);
    program.and_then(|a| a.files.first().cloned()).with_context(|| format!("cargo built no program `{name}`"))
}
