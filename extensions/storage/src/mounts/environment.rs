//! What a mount process inherits: nothing that could be a credential.
use std::ffi::OsString;
use std::path::PathBuf;

/// Variables that a mount process needs: to find programs and certificates, to go through a proxy, to speak the user's language.
const KEPT: &[&str] = &[
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "FUSERMOUNT_PATH", "RUST_BACKTRACE", "LD_LIBRARY_PATH",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "OCHRE_CACHE_DIR", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR",
];

/// The environment of a mount process.
pub(super) fn kept() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|n| KEPT.contains(&n) || n.starts_with("LC_")))
}

/// Where blobs are kept that were read through a mount: `ochre/blobs` in the user's cache directory.
pub(super) fn cache_directory() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|h| h.join(".cache"))).unwrap_or_else(std::env::temp_dir);
    base.join("ochre").join("blobs")
}
