//! What a spool says about itself: whose records it holds, where they go, and how far they got.
//!
//! ```text
//! magic | version | nonce | delivered | length of the JSON | 0 0 0 | JSON      the file `head`, locked by the owner
//! ```
//! The lock is the owner's sign of life. No credential is in it: whoever delivers has its own.
use crate::sys::{self, Map, WORD};
use crate::{FORMAT, SpoolError};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::atomic::Ordering;

/// Name of the file.
pub(crate) const HEAD: &str = "head";
const MAGIC: u64 = u64::from_le_bytes(*b"OCHSPOOL");
const AT_MAGIC: usize = 0;
const AT_VERSION: usize = 8;
const AT_NONCE: usize = 16;
const AT_DELIVERED: usize = 24;
const AT_LENGTH: usize = 32;
const AT_JSON: usize = 64;
/// Longest head in bytes: names of experiments are short, and a file of another format is not read whole.
const LARGEST: u64 = 1 << 20;

/// Whose records a spool holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    pub run_id: String,
    /// The experiment's name.
    pub experiment: String,
    /// Where runs are kept, without user and password. Empty: by default.
    pub tracking_uri: String,
    pub pid: u32,
    pub host: String,
    pub created_ms: i64,
}

impl Header {
    /// The header for a run that this process writes to.
    pub fn new(run_id: &str, experiment: &str, tracking_uri: &str) -> Self {
        Self {
            run_id: run_id.to_owned(),
            experiment: experiment.to_owned(),
            tracking_uri: without_credentials(tracking_uri),
            pid: std::process::id(),
            host: std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
            created_ms: sys::now_ms(),
        }
    }
}

/// A URI without `user:password@`, and without a query (Azure's signatures stand there).
fn without_credentials(uri: &str) -> String {
    let uri = uri.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.to_owned() };
    let (authority, path) = rest.split_once('/').map_or((rest, None), |(a, p)| (a, Some(p)));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match path {
        Some(path) => format!("{scheme}://{host}/{path}"),
        None => format!("{scheme}://{host}"),
    }
}

/// The open head of a spool.
#[derive(Debug)]
pub(crate) struct Head {
    pub header: Header,
    pub nonce: u64,
    map: Map,
    /// Held open for its lock, by owners and by those who take over from a dead one.
    lock: Option<File>,
    forks: u32,
}

impl Head {
    /// Makes the head in a directory that nobody else writes to, and locks it.
    pub fn create(directory: &Path, header: &Header) -> Result<Self, SpoolError> {
        let path = directory.join(HEAD);
        let json = serde_json::to_vec(header).map_err(|e| SpoolError::File { what: "write", path: path.clone(), source: e.into() })?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).map_err(SpoolError::file("create", &path))?;
        lock(&file, &path)?;
        let bytes = (AT_JSON + json.len()).next_multiple_of(WORD);
        sys::allocate(&file, bytes as u64).map_err(SpoolError::file("make room for", &path))?;
        let map = Map::file(&file, bytes, true).map_err(SpoolError::file("map", &path))?;
        let nonce = nonce();
        map.put(AT_JSON, &json);
        for (at, value) in [(AT_VERSION, FORMAT), (AT_NONCE, nonce), (AT_LENGTH, json.len() as u64), (AT_MAGIC, MAGIC)] {
            map.word(at).store(value, Ordering::Release);
        }
        sys::drop_in_children(&file);
        Ok(Self { header: header.clone(), nonce, map, lock: Some(file), forks: sys::forks() })
    }

    /// Opens the head of a spool; with `take`, as its new owner.
    pub fn open(directory: &Path, take: bool) -> Result<Self, SpoolError> {
        let path = directory.join(HEAD);
        let file = OpenOptions::new().read(true).write(take).open(&path).map_err(SpoolError::file("open", &path))?;
        if take {
            lock(&file, &path)?;
        }
        let not = |why| SpoolError::NotASpool { path: path.clone(), why };
        let bytes = file.metadata().map_err(SpoolError::file("read", &path))?.len();
        if bytes < AT_JSON as u64 || bytes > LARGEST || !bytes.is_multiple_of(WORD as u64) {
            return Err(not("its head is cut off"));
        }
        let map = Map::file(&file, bytes as usize, take).map_err(SpoolError::file("map", &path))?;
        let word = |at: usize| map.word(at).load(Ordering::Acquire);
        if word(AT_MAGIC) != MAGIC {
            return Err(not("its head is not one"));
        }
        if word(AT_VERSION) != FORMAT {
            return Err(not("another version of Ochre wrote it, which has to deliver it"));
        }
        let length = word(AT_LENGTH) as usize;
        if length > map.len() - AT_JSON {
            return Err(not("its head is cut off"));
        }
        let mut json = Vec::new();
        map.get(AT_JSON, length, &mut json);
        let header = serde_json::from_slice(&json).map_err(|_| not("its head does not parse"))?;
        let nonce = word(AT_NONCE);
        if take {
            sys::drop_in_children(&file);
        }
        Ok(Self { header, nonce, map, lock: take.then_some(file), forks: sys::forks() })
    }

    /// The position up to which everything is kept elsewhere.
    pub fn delivered(&self) -> u64 {
        self.map.word(AT_DELIVERED).load(Ordering::Acquire)
    }

    /// Moves that position on; it never goes back.
    pub fn deliver(&self, upto: u64) {
        self.map.word(AT_DELIVERED).fetch_max(upto, Ordering::AcqRel);
    }

    /// Whether this process is a fork of the one that opened it.
    pub fn is_parents(&self) -> bool {
        self.forks != sys::forks()
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        let Some(file) = self.lock.take() else { return };
        if self.is_parents() {
            // Closed by the fork already; its number may be another file's by now.
            std::mem::forget(file);
        } else {
            sys::forget_lock(&file);
        }
    }
}

fn lock(file: &File, path: &Path) -> Result<(), SpoolError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(SpoolError::Owned { path: path.parent().unwrap_or(path).to_owned() }),
        Err(TryLockError::Error(source)) => Err(SpoolError::File { what: "lock", path: path.to_owned(), source }),
    }
}

/// A number that no other spool has.
fn nonce() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one((std::process::id(), sys::now_ms()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_credential_gets_into_a_head() {
        for (uri, kept) in [
            ("http://user:word@host:5000/a", "http://host:5000/a"),
            ("https://host/x?sig=abc", "https://host/x"),
            ("databricks://profile", "databricks://profile"),
            ("sqlite:////tmp/mlflow.db", "sqlite:////tmp/mlflow.db"),
            ("", ""),
            ("/tmp/mlflow.db", "/tmp/mlflow.db"),
        ] {
            assert_eq!(without_credentials(uri), kept);
        }
    }
}
