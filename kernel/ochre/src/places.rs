//! Which directories things are installed to and found in.
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Environment variable that names a prelude directory, before any other is looked for.
pub const PRELUDE_VARIABLE: &str = "OCHRE_PRELUDE";

/// The second engine's program, beside this one.
pub const EVCXR_PROGRAM: &str = "ochre-evcxr";

/// An installation: Jupyter's data directory and Ochre's own beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Holds `kernels/ochre`.
    pub jupyter: PathBuf,
    /// Holds `bin/ochre` and `prelude/`.
    pub home: PathBuf,
}

impl Destination {
    /// For the user: `$JUPYTER_DATA_DIR` or the platform's place, and `$XDG_DATA_HOME/ochre`.
    pub fn user() -> anyhow::Result<Self> {
        let home = variable("HOME").context("there is no home directory (HOME is not set): use `ochre install --prefix DIR`")?;
        let data = variable("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share"));
        let jupyter = match variable("JUPYTER_DATA_DIR") {
            Some(set) => set,
            None if cfg!(target_os = "macos") => home.join("Library/Jupyter"),
            None => data.join("jupyter"),
        };
        Ok(Self { jupyter, home: data.join("ochre") })
    }

    /// Below a prefix, as Python's packages do it.
    pub fn prefix(prefix: &Path) -> Self {
        // The kernelspec holds absolute paths, whatever directory Jupyter starts it in.
        let prefix = std::path::absolute(prefix).unwrap_or_else(|_| prefix.to_path_buf());
        Self { jupyter: prefix.join("share/jupyter"), home: prefix.join("share/ochre") }
    }

    /// The Python environment in use.
    pub fn sys_prefix() -> anyhow::Result<Self> {
        if let Some(set) = variable("VIRTUAL_ENV").or_else(|| variable("CONDA_PREFIX")) {
            return Ok(Self::prefix(&set));
        }
        let output = Command::new("python3").args(["-c", "import sys; print(sys.prefix)"]).output();
        let output = output.context("--sys-prefix needs python3 on the PATH, or an activated environment")?;
        if !output.status.success() {
            bail!("python3 did not say its prefix; use `ochre install --prefix DIR`");
        }
        Ok(Self::prefix(Path::new(String::from_utf8_lossy(&output.stdout).trim())))
    }

    /// The kernelspec's directory.
    pub fn kernelspec(&self) -> PathBuf {
        self.jupyter.join("kernels/ochre")
    }

    /// The installed program.
    pub fn program(&self) -> PathBuf {
        self.home.join("bin/ochre")
    }

    /// Its preludes, one directory per hash.
    pub fn preludes(&self) -> PathBuf {
        self.home.join("prelude")
    }
}

/// The prelude directory in use: `$OCHRE_PRELUDE`, beside this program, of the user's installation, in the cache.
pub fn find_prelude() -> Option<PathBuf> {
    if let Some(set) = variable(PRELUDE_VARIABLE) {
        return Some(set);
    }
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.parent()?.join("prelude")));
    let installed = Destination::user().ok().map(|d| d.preludes());
    let cached = ochre_build::Cache::find().ok().map(|c| c.staged());
    [beside, installed, cached].into_iter().flatten().map(|root| root.join(ochre_build::CURRENT)).find_map(|link| {
        // Resolved, so that a later install does not change the prelude under a running kernel.
        let directory = link.canonicalize().ok()?;
        directory.join(ochre_build::Manifest::FILE).is_file().then_some(directory)
    })
}

/// The checkout to build from: `$OCHRE_SOURCE`, the one that this program was built in, the working directory.
pub fn find_source() -> Result<PathBuf, ochre_build::Error> {
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let here = std::env::current_dir().unwrap_or_default();
    let candidates: Vec<PathBuf> = built_in.canonicalize().into_iter().chain([here]).collect();
    ochre_build::find_source(&candidates)
}

/// Where compiled cells and `%dep` crates are kept: `$OCHRE_CACHE`, `$XDG_CACHE_HOME/ochre`, `~/.cache/ochre`, else a
/// directory for this user that does not outlive the machine.
pub fn cell_cache() -> PathBuf {
    let cache = ochre_build::Cache::find().map(|c| c.root().to_owned());
    match cache {
        Ok(root) if std::fs::create_dir_all(&root).is_ok() => root,
        _ => std::env::temp_dir().join("ochre"),
    }
}

/// A variable that is set and not empty, as a path.
pub fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_holds_both_below_share() {
        let destination = Destination::prefix(Path::new("/opt/env"));
        assert_eq!(destination.kernelspec(), Path::new("/opt/env/share/jupyter/kernels/ochre"));
        assert_eq!(destination.program(), Path::new("/opt/env/share/ochre/bin/ochre"));
    }

    #[test]
    fn this_program_finds_the_sources_it_was_built_from() {
        assert!(ochre_build::is_source(&find_source().unwrap()));
    }
}
