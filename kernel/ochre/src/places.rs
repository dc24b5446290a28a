//! Which directories things are installed to and found in.
use anyhow::{Context, bail};
use crate::lab::find_on_path;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Environment variable that names a prelude directory, before any other is looked for.
pub const PRELUDE_VARIABLE: &str = "OCHRE_PRELUDE";

/// Bytes of a script that are looked through for its interpreter: Linux reads as many.
const INTERPRETER_BYTES: u64 = 256;

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
        if find_on_path("python3").is_none() {
            bail!("--sys-prefix needs python3 on the PATH, or an activated environment");
        }
        let prefix = prefix_of(Path::new("python3")).context("python3 did not say its prefix; use `ochre install --prefix DIR`")?;
        Ok(Self::prefix(&prefix))
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

/// `sys.prefix` of the Python that runs Jupyter for a kernelspec in this place: an environment that the kernelspec lies in, the activated one,
/// that of the `jupyter` on the PATH, that of `python3`. There pip's packages are looked for (CUDA's libraries, onnxruntime).
pub fn python_prefix(place: &Destination) -> Option<PathBuf> {
    // `PREFIX/share/jupyter`; `~/.local/bin` may have a Python that belongs elsewhere, so it is asked.
    let around = place.jupyter.parent().and_then(Path::parent).and_then(|prefix| prefix_of(&prefix.join("bin/python3")));
    let activated = || variable("VIRTUAL_ENV").or_else(|| variable("CONDA_PREFIX"));
    let jupyter = || ["jupyter-lab", "jupyter"].iter().find_map(|name| interpreter(&find_on_path(name)?)).and_then(|python| prefix_of(&python));
    around.or_else(activated).or_else(jupyter).or_else(|| prefix_of(Path::new("python3")))
}

/// The Python of a script's first line.
fn interpreter(script: &Path) -> Option<PathBuf> {
    let mut start = Vec::new();
    std::fs::File::open(script).ok()?.take(INTERPRETER_BYTES).read_to_end(&mut start).ok()?;
    let start = String::from_utf8_lossy(&start);
    let program = PathBuf::from(start.lines().next()?.strip_prefix("#!")?.split_whitespace().next()?);
    program.file_name()?.to_str()?.starts_with("python").then_some(program)
}

/// What a Python says of itself.
fn prefix_of(python: &Path) -> Option<PathBuf> {
    let output = Command::new(python).args(["-c", "import sys; print(sys.prefix)"]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(text.trim())).filter(|prefix| output.status.success() && prefix.is_absolute())
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
    fn a_kernelspec_in_an_environment_belongs_to_its_python() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("bin")).unwrap();
        let python = root.path().join("bin/python3");
        std::fs::write(&python, "#!/bin/sh\necho /opt/elsewhere\n").unwrap();
        std::fs::set_permissions(&python, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        // A process that another test starts at this moment has the file open for writing until it is its own program.
        assert!((0..1000).any(|_| Command::new(&python).output().is_ok()));
        assert_eq!(python_prefix(&Destination::prefix(root.path())).as_deref(), Some(Path::new("/opt/elsewhere")));
    }

    #[test]
    fn the_python_of_a_script_is_that_of_its_first_line() {
        let root = tempfile::tempdir().unwrap();
        let read = |text: &[u8]| {
            std::fs::write(root.path().join("jupyter"), text).unwrap();
            interpreter(&root.path().join("jupyter"))
        };
        assert_eq!(read(b"#!/opt/env/bin/python3.12 -E\nimport re\n").as_deref(), Some(Path::new("/opt/env/bin/python3.12")));
        // Not every program is a script, and not every script Python's.
        assert_eq!(read(b"#!/bin/sh\nexec /opt/env/bin/python3 -m jupyter"), None);
        assert_eq!(read(b"\x7fELF\xff\xfe"), None);
        // One that does not say its prefix counts as none.
        assert_eq!(prefix_of(&root.path().join("jupyter")), None);
    }

    #[test]
    fn this_program_finds_the_sources_it_was_built_from() {
        assert!(ochre_build::is_source(&find_source().unwrap()));
    }
}
