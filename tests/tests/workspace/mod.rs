//! Reads the workspace for the rules: its crates from their Cargo.toml, and its files.
use std::path::{Path, PathBuf};

/// A crate of ours.
pub struct Crate {
    pub name: String,
    /// Normal dependencies.
    pub dependencies: Vec<String>,
    /// Lines that name a version instead of the workspace's.
    pub versions: Vec<String>,
}

/// A file of the checkout.
pub struct File {
    pub path: String,
    pub text: String,
    /// The text before its module of tests.
    pub code: String,
    pub is_test: bool,
}

/// The checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("tests/ lies in the checkout")
}

/// A file of the checkout's root.
pub fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// All crates.
pub fn crates() -> Vec<Crate> {
    let manifests = listed().into_iter().filter(|p| p.ends_with("Cargo.toml") && p != "Cargo.toml");
    manifests.map(|path| parse(&read(&path))).collect()
}

/// All files with an extension.
pub fn files(extension: &str) -> Vec<File> {
    let wanted = listed().into_iter().filter(|p| Path::new(p).extension().is_some_and(|e| e == extension));
    wanted.map(file).collect()
}

fn file(path: String) -> File {
    let text = std::fs::read_to_string(root().join(&path)).unwrap_or_default();
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_string();
    let parts: Vec<&str> = path.split('/').collect();
    let is_test = path.starts_with("tests/tests") || parts[..parts.len() - 1].contains(&"tests") && !path.starts_with("tests/src") || path.ends_with("tests.rs");
    File { path, text, code, is_test }
}

/// Directories that hold nothing of ours.
const SKIPPED: [&str; 5] = ["target", ".git", "node_modules", "__pycache__", ".ipynb_checkpoints"];

/// All files below the checkout, by their paths from its root, sorted.
fn listed() -> Vec<String> {
    let root = root();
    let (mut found, mut waiting) = (Vec::new(), vec![root.clone()]);
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() {
                let skipped = SKIPPED.iter().any(|s| name == *s) || path == root.join("shared");
                waiting.extend((!skipped).then_some(path));
            } else if let Ok(inside) = path.strip_prefix(&root) {
                found.push(inside.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

fn parse(text: &str) -> Crate {
    let (mut section, mut one) = (String::new(), Crate { name: String::new(), dependencies: Vec::new(), versions: Vec::new() });
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_string();
        } else if section == "package" {
            if let Some(name) = line.strip_prefix("name = ") {
                one.name = name.trim_matches('"').to_string();
            }
        } else if section.ends_with("dependencies") {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if section == "dependencies" || section.ends_with("'.dependencies") {
                one.dependencies.push(name.to_string());
            }
            if !line.contains("workspace = true") {
                one.versions.push(line.to_string());
            }
        }
    }
    one
}
