//! Compiled cells, kept across sessions: a key is all that the result depends on, an entry is a directory.
//!
//! Entries are made beside and renamed into place, so that sessions that run at the same time share them.
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A key: 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key(pub String);

impl Key {
    /// The key of some parts; their borders count.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        Self(digest.iter().take(16).map(|b| format!("{b:02x}")).collect())
    }

    /// The first digits, for names.
    pub fn short(&self) -> &str {
        &self.0[..16]
    }
}

/// What is kept of one rustc run besides the library.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Entry {
    pub library: String,
    /// Types of the variables, as MIR printed them.
    pub types: HashMap<String, String>,
    /// rustc's warnings, JSON, one a line.
    pub messages: String,
    /// Variables that a guess called moved, and that were dropped at the end instead.
    pub wrong_guesses: Vec<String>,
}

/// The directory of entries.
#[derive(Clone, Debug)]
pub struct Cache {
    dir: PathBuf,
}

const ENTRY_FILE: &str = "entry.json";

impl Cache {
    /// A cache in a directory, made when it is first written.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Where an entry's files are.
    pub fn path(&self, key: &Key) -> PathBuf {
        self.dir.join(&key.0[..2]).join(&key.0)
    }

    /// The entry of a key, if it is there and whole.
    pub fn get(&self, key: &Key) -> Option<Entry> {
        let dir = self.path(key);
        let entry: Entry = serde_json::from_slice(&std::fs::read(dir.join(ENTRY_FILE)).ok()?).ok()?;
        (entry.library.is_empty() || dir.join(&entry.library).is_file()).then_some(entry)
    }

    /// A scratch directory on the same file system.
    pub fn scratch(&self) -> std::io::Result<tempfile::TempDir> {
        std::fs::create_dir_all(&self.dir)?;
        tempfile::Builder::new().prefix(".new-").tempdir_in(&self.dir)
    }

    /// Moves a scratch directory's library in as the entry of a key.
    pub fn put(&self, key: &Key, scratch: tempfile::TempDir, entry: &Entry) -> std::io::Result<()> {
        let keep: [&str; 2] = [&entry.library, ENTRY_FILE];
        std::fs::write(scratch.path().join(ENTRY_FILE), serde_json::to_vec(entry)?)?;
        remove_others(scratch.path(), &keep)?;
        let to = self.path(key);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let from = scratch.keep();
        match std::fs::rename(&from, &to) {
            // Another session was faster, or a broken entry is there: ours is as good or better.
            Err(_) if to.exists() => {
                if self.get(key).is_none() {
                    std::fs::remove_dir_all(&to)?;
                    return std::fs::rename(&from, &to);
                }
                std::fs::remove_dir_all(&from)
            }
            other => other,
        }
    }

    /// A small text kept under a key (the plan that a cell ended with).
    pub fn note(&self, key: &Key) -> Option<String> {
        std::fs::read_to_string(self.note_path(key)).ok()
    }

    /// Keeps a small text under a key.
    pub fn put_note(&self, key: &Key, text: &str) -> std::io::Result<()> {
        let path = self.note_path(key);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    }

    fn note_path(&self, key: &Key) -> PathBuf {
        self.dir.join(&key.0[..2]).join(format!("{}.plan", key.0))
    }
}

fn remove_others(dir: &Path, keep: &[&str]) -> std::io::Result<()> {
    for file in std::fs::read_dir(dir)? {
        let file = file?;
        if !keep.iter().any(|k| file.file_name() == **k) {
            std::fs::remove_file(file.path())?;
        }
    }
    Ok(())
}
