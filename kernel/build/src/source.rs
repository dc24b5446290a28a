//! Finds the sources that the prelude is built from.
use crate::Error;
use std::path::{Path, PathBuf};

/// Environment variable that names a checkout.
pub const SOURCE_VARIABLE: &str = "OCHRE_SOURCE";

/// `$OCHRE_SOURCE` when it is set, else the first of `candidates` that is a checkout.
pub fn find(candidates: &[PathBuf]) -> Result<PathBuf, Error> {
    if let Some(set) = std::env::var_os(SOURCE_VARIABLE).filter(|v| !v.is_empty()) {
        let path = PathBuf::from(set);
        return if is_source(&path) { Ok(path) } else { Err(Error::NoSource) };
    }
    candidates.iter().find(|p| is_source(p)).cloned().ok_or(Error::NoSource)
}

/// Whether a directory is a checkout of Ochre.
pub fn is_source(path: &Path) -> bool {
    ["Cargo.toml", "kernel/prelude/Cargo.toml", "kernel/runtime/Cargo.toml", "kernel/worker/Cargo.toml"]
        .iter()
        .all(|file| path.join(file).is_file())
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_checkout_is_one_and_its_parts_are_not() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(!super::is_source(here));
        assert!(super::is_source(&here.join("../..")));
    }
}
