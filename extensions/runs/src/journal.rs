//! Which runs this kernel has open, on the disk: when the kernel dies, the next one that starts says in the store that they are over.
//!
//! ```text
//! <spools>/kernels/<pid>-<n>.journal      lines of JSON, locked as long as the kernel lives
//!     {"began":{"run":"…","address":"sqlite:////…"}}
//!     {"over":{"run":"…","status":"FINISHED","end_ms":…}}      decided; the store may not know it yet
//!     {"told":{"run":"…"}}                                      the store knows
//! ```
use crate::names::unique;
use ochre_tracking::Status;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Below the directory of the spools.
const DIRECTORY: &str = "kernels";
const EXTENSION: &str = "journal";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Began { run: String, address: String },
    Over { run: String, status: String, end_ms: i64 },
    Told { run: String },
}

/// The journal of this kernel. A disk that is full costs the marks of a later death, and nothing now.
pub(crate) struct Journal {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

/// A run that a kernel left open when it died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Orphan {
    pub(crate) run: String,
    pub(crate) address: String,
    pub(crate) status: Status,
    /// When it ended; the time of the journal's last line where the end was not noted.
    pub(crate) end_ms: i64,
}

/// The journal of a dead kernel, taken over.
pub(crate) struct Left {
    path: PathBuf,
    file: File,
    pub(crate) orphans: Vec<Orphan>,
}

impl Journal {
    pub(crate) fn new(spools: &Path) -> Self {
        let path = spools.join(DIRECTORY).join(format!("{}-{:x}.{EXTENSION}", std::process::id(), unique()));
        Self { path, file: Mutex::default() }
    }

    pub(crate) fn began(&self, run: &str, address: &str) {
        self.write(&Line::Began { run: run.into(), address: address.into() });
    }

    pub(crate) fn over(&self, run: &str, status: Status, end_ms: i64) {
        self.write(&Line::Over { run: run.into(), status: status.name().into(), end_ms });
    }

    pub(crate) fn told(&self, run: &str) {
        self.write(&Line::Told { run: run.into() });
    }

    fn write(&self, line: &Line) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            *file = create(&self.path).ok();
        }
        if let (Some(file), Ok(text)) = (&mut *file, serde_json::to_string(line)) {
            // One write, so that a kernel that is killed leaves whole lines. The end of a line is the next one's affair: a full disk may cut one off.
            file.write_all(format!("\n{text}").as_bytes()).ok();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // What the store does not know yet is for the next kernel.
        if let Some(file) = &mut *file
            && read(file).is_ok_and(|orphans| orphans.is_empty())
        {
            std::fs::remove_file(&self.path).ok();
        }
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let file = OpenOptions::new().create_new(true).read(true).append(true).open(path)?;
    file.try_lock().map_err(std::io::Error::from)?;
    Ok(file)
}

/// Takes over the journals of kernels that are dead.
pub(crate) fn left(spools: &Path) -> Vec<Left> {
    let Ok(entries) = std::fs::read_dir(spools.join(DIRECTORY)) else { return Vec::new() };
    let paths = entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == EXTENSION));
    paths.filter_map(take).collect()
}

fn take(path: PathBuf) -> Option<Left> {
    let mut file = OpenOptions::new().read(true).append(true).open(&path).ok()?;
    file.try_lock().ok()?;
    let orphans = read(&mut file).ok()?;
    Some(Left { path, file, orphans })
}

fn read(file: &mut File) -> std::io::Result<Vec<Orphan>> {
    let last = file.metadata()?.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok()).map_or(0, |d| d.as_millis() as i64);
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    let mut open: BTreeMap<String, Orphan> = BTreeMap::new();
    // The last line may be cut off: it was never said to anybody.
    for line in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        match line {
            Line::Began { run, address } => drop(open.insert(run.clone(), Orphan { run, address, status: Status::Killed, end_ms: last })),
            Line::Over { run, status, end_ms } => {
                if let Some(orphan) = open.get_mut(&run) {
                    (orphan.status, orphan.end_ms) = (Status::parse(&status).unwrap_or(Status::Killed), end_ms);
                }
            }
            Line::Told { run } => drop(open.remove(&run)),
        }
    }
    Ok(open.into_values().collect())
}

impl Left {
    /// The store knows of this run.
    pub(crate) fn told(&mut self, run: &str) {
        self.orphans.retain(|orphan| orphan.run != run);
        if let Ok(text) = serde_json::to_string(&Line::Told { run: run.to_owned() }) {
            self.file.write_all(format!("\n{text}").as_bytes()).ok();
        }
        if self.orphans.is_empty() {
            std::fs::remove_file(&self.path).ok();
        }
    }

    /// Nothing was left open.
    pub(crate) fn finish_if_empty(&self) -> bool {
        if self.orphans.is_empty() {
            std::fs::remove_file(&self.path).ok();
        }
        self.orphans.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_kernel_left_open_is_found_once() {
        let spools = tempfile::tempdir().expect("a directory");
        let journal = Journal::new(spools.path());
        journal.began("a", "sqlite:///x");
        journal.began("b", "sqlite:///x");
        journal.began("c", "http://h");
        journal.over("b", Status::Failed, 17);
        journal.told("c");
        assert!(left(spools.path()).is_empty(), "its kernel lives");
        drop(journal);
        let mut found = left(spools.path());
        assert!(left(spools.path()).is_empty(), "another kernel has it");
        let seen: Vec<(String, Status)> = found[0].orphans.iter().map(|o| (o.run.clone(), o.status)).collect();
        assert_eq!(seen, [("a".into(), Status::Killed), ("b".into(), Status::Failed)]);
        assert_eq!(found[0].orphans[1].end_ms, 17);
        assert!(found[0].orphans[0].end_ms > 1_700_000_000_000);
        found[0].told("a");
        drop(found);
        let mut found = left(spools.path());
        assert_eq!(found[0].orphans.len(), 1, "the rest is found again");
        found[0].told("b");
        drop(found);
        assert!(left(spools.path()).is_empty());
        assert_eq!(std::fs::read_dir(spools.path().join(DIRECTORY)).expect("lists").count(), 0);
    }

    #[test]
    fn a_kernel_that_ended_in_order_leaves_nothing() {
        let spools = tempfile::tempdir().expect("a directory");
        let journal = Journal::new(spools.path());
        journal.began("a", "");
        journal.over("a", Status::Finished, 1);
        journal.told("a");
        drop(journal);
        assert!(left(spools.path()).is_empty());
        assert_eq!(std::fs::read_dir(spools.path().join(DIRECTORY)).expect("lists").count(), 0);
    }
}
