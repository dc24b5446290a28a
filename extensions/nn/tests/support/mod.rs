//! Where the peers are that `cargo xtask peers` (and every `cargo xtask test`) installs.
use std::path::PathBuf;

/// Folder of the environment `name` below the peers.
pub fn peer(name: &str) -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = || variable("OCHRE_CACHE").or_else(|| variable("XDG_CACHE_HOME").map(|d| d.join("ochre"))).or_else(|| variable("HOME").map(|d| d.join(".cache/ochre")));
    let folder = variable("OCHRE_PEERS").or_else(|| cache().map(|d| d.join("peers"))).expect("OCHRE_PEERS or HOME is set").join(name);
    assert!(folder.join("bin/python").is_file(), "there is no {}: run `cargo xtask peers`", folder.display());
    folder
}
