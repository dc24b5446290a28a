//! Where compiled dependencies and the tests' peers are kept, outside the checkout, so that a second clone builds in seconds.
//!
//! ```text
//! <root>/build/<rustc version>-<commit>/source    what of a checkout is built: a copy
//! <root>/build/<rustc version>-<commit>/prelude   CARGO_TARGET_DIR of what cells link
//! <root>/build/<rustc version>-<commit>/kernel    CARGO_TARGET_DIR of the kernel
//! <root>/build/<rustc version>-<commit>/evcxr     CARGO_TARGET_DIR of the evcxr engine
//! <root>/prelude/<hash>                           staged prelude directories
//! <root>/peers/…                                  clients and servers that the tests talk to
//! ```
//! Within a target directory cargo itself keys by lock file and flags.
use crate::{Compiler, Error};
use std::path::{Path, PathBuf};

/// The cache's root directory.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `$OCHRE_CACHE`, else `$XDG_CACHE_HOME/ochre`, else `~/.cache/ochre`.
    pub fn find() -> Result<Self, Error> {
        let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let root = set("OCHRE_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|d| d.join("ochre")))
            .or_else(|| set("HOME").map(|d| d.join(".cache/ochre")))
            .ok_or(Error::NoCache)?;
        Ok(Self::at(root))
    }

    /// A cache at a given place.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The root itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The copy of a checkout that builds read.
    pub fn sources(&self, compiler: &Compiler) -> PathBuf {
        self.root.join("build").join(&compiler.id).join("source")
    }

    /// CARGO_TARGET_DIR of everything that is linked into cells.
    pub fn prelude_target(&self, compiler: &Compiler) -> PathBuf {
        self.root.join("build").join(&compiler.id).join("prelude")
    }

    /// CARGO_TARGET_DIR of the kernel's own crates.
    pub fn kernel_target(&self, compiler: &Compiler) -> PathBuf {
        self.root.join("build").join(&compiler.id).join("kernel")
    }

    /// CARGO_TARGET_DIR of the evcxr engine: rust-analyzer wants other features of shared crates than the kernel,
    /// and its long build shall not lock the kernel's directory.
    pub fn evcxr_target(&self, compiler: &Compiler) -> PathBuf {
        self.root.join("build").join(&compiler.id).join("evcxr")
    }

    /// Where prelude directories are staged, one per hash.
    pub fn staged(&self) -> PathBuf {
        self.root.join("prelude")
    }

    /// Where test peers and private Python environments live.
    pub fn peers(&self) -> PathBuf {
        self.root.join("peers")
    }
}
