//! Where the Python packages of this machine are: data and libraries that pip or conda installed. Nothing of Python is run.
use std::path::{Path, PathBuf};

/// The site-packages of the Python that owns the kernel, of the active environments, and of the `python3` on the path; those that exist.
pub fn site_packages() -> Vec<PathBuf> {
    let named = ["OCHRE_PYTHON_PREFIX", "VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).find(|folder| folder.join("python3").exists()).and_then(|folder| Some(folder.parent()?.to_owned()));
    let mut all: Vec<PathBuf> = named.chain(found).flat_map(|prefix| below(&prefix)).collect();
    all.dedup();
    all
}

/// `PREFIX/lib/python3.*/site-packages`, and Debian's `dist-packages`; the newest Python first.
fn below(prefix: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(prefix.join("lib")) else { return Vec::new() };
    let mut pythons: Vec<PathBuf> = entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with("python3")).map(|e| e.path()).collect();
    pythons.sort_by(|a, b| b.cmp(a));
    pythons.iter().flat_map(|python| [python.join("site-packages"), python.join("dist-packages")]).filter(|folder| folder.is_dir()).collect()
}
