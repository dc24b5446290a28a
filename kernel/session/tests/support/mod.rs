//! What the tests of real cells share: an engine over the staged prelude.
use ochre_cells::{Cache, Compiler, Prelude, dependencies::Workshop};
use ochre_session::ochre_engine::{EngineParts, OchreEngine};
use ochre_session::worker::proxy::{Faults, Faulty};
use ochre_session::worker::{LocalWorker, Target};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Long enough for a loaded machine, short enough for a test.
const BOUND: Duration = Duration::from_secs(60);

/// The staged prelude: `$OCHRE_PRELUDE`, else the one that `cargo xtask build` put into the cache.
pub fn prelude_dir() -> PathBuf {
    let set = std::env::var_os("OCHRE_PRELUDE").map(PathBuf::from);
    let cached = || Some(cache_root()?.join("prelude/current"));
    let dir = set.or_else(cached).and_then(|d| d.canonicalize().ok());
    dir.expect("no staged prelude: run `cargo xtask build` first (or `cargo xtask test`, which does)")
}

fn cache_root() -> Option<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    var("OCHRE_CACHE").or_else(|| Some(var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")))?.join("ochre")))
}

/// The program `ochre`, which is rustc's stand-in while a layer is built; `cargo xtask test` builds it before.
fn wrapper() -> PathBuf {
    let test = std::env::current_exe().expect("this program's path");
    let release = test.parent().and_then(Path::parent).expect("a target directory");
    std::env::var_os("OCHRE_PROGRAM").map_or_else(|| release.join("ochre"), PathBuf::from)
}

fn sysroot() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let output = Command::new("rustc").args(["--print", "sysroot"]).output().expect("rustc on the PATH");
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    })
}

/// The parts of an engine with a cache that this test process shares.
pub fn parts() -> EngineParts {
    static CACHE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let cache = CACHE.get_or_init(|| tempfile::tempdir().expect("a temporary directory")).path().to_owned();
    let prelude = Arc::new(Prelude::load(&prelude_dir()).expect("a prelude"));
    EngineParts {
        compiler: Compiler { path: sysroot().join("bin/rustc") },
        cache: Cache::new(cache.join("cells")),
        dependencies: Workshop { dir: cache.join("dependencies"), wrapper: wrapper(), cargo: sysroot().join("bin/cargo") },
        target: target(&prelude),
        exchange: Default::default(),
        prelude,
    }
}

fn target(prelude: &Prelude) -> Arc<dyn Target> {
    Arc::new(LocalWorker::new(&prelude.dir, &sysroot().join("lib")))
}

/// An engine as users have it.
#[allow(dead_code, reason = "the tests of the other engine have their own")]
pub fn engine() -> OchreEngine {
    OchreEngine::new(parts())
}

/// An engine whose worker is behind a line that delays, splits and perhaps cuts.
#[allow(dead_code)] // not every test program that shares this module has a bad line
pub fn engine_behind(faults: Faults) -> OchreEngine {
    let mut parts = parts();
    let prelude = parts.prelude.clone();
    parts.target = Arc::new(Faulty { target: LocalWorker::new(&prelude.dir, &sysroot().join("lib")), faults });
    OchreEngine::new(parts)
}

/// Waits for a future, and says what it waited for when it does not come.
pub async fn bounded<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(BOUND, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {BOUND:?} for {what}"),
    }
}

/// Text without ANSI colours.
pub fn clean(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            chars.by_ref().find(|c| c.is_ascii_alphabetic());
        } else {
            out.push(c);
        }
    }
    out
}
