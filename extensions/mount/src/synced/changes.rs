//! What differs between the folder and what was fetched, and sending it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use ochre_blobs::{BlobError, Container, Mode, Progress};

use super::{Warn, fetch, note};
use crate::names;
use crate::seccomp::state::Journal;
use crate::tree::Entry;

/// What the transfers of `ochre-blobs` leave beside a file while they run.
const UNFINISHED: &str = ".ochre-part";
/// Behind the name of a file that could not be sent, because the store has another version.
const CONFLICT: &str = ".conflict";

/// A file as it was fetched or sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) etag: Option<String>,
    pub(super) size: u64,
    pub(super) modified: SystemTime,
}

/// Size and time of a file here.
type Seen = (u64, SystemTime);

/// The folder and what is known of it.
pub(super) struct Changes {
    directory: PathBuf,
    container: Container,
    root: String,
    overwrite: bool,
    warn: Warn,
    journal: Journal,
    files: BTreeMap<String, Fetched>,
    directories: BTreeSet<String>,
    /// As the last look found them: a file that still grows is not sent.
    growing: HashMap<String, Seen>,
    /// Said once.
    told: HashSet<String>,
}

impl Changes {
    pub(super) fn new(directory: PathBuf, container: Container, root: String, overwrite: bool, warn: Warn, journal: Journal) -> Self {
        let (files, directories, growing, told) = Default::default();
        Self { directory, container, root, overwrite, warn, journal, files, directories, growing, told }
    }

    pub(super) fn make_directory(&mut self, path: &str) -> io::Result<()> {
        if path.is_empty() || self.directories.contains(path) {
            return Ok(());
        }
        self.make_directory(names::split(path).0)?;
        fs::create_dir(self.directory.join(path))?;
        self.journal.directory(path);
        self.directories.insert(path.to_owned());
        Ok(())
    }

    pub(super) fn fetched(&mut self, path: &str, fetched: Fetched) {
        note(&mut self.journal, path, &fetched);
        self.files.insert(path.to_owned(), fetched);
    }

    /// Sends what is new or changed; `last`: also what may still grow.
    pub(super) async fn send(&mut self, last: bool) {
        let here = self.look();
        for (path, seen) in &here {
            let known = self.files.get(path).map(|known| (known.size, known.modified));
            if known == Some(*seen) {
                continue;
            }
            if !last && self.growing.insert(path.clone(), *seen) != Some(*seen) {
                continue;
            }
            self.growing.remove(path);
            self.send_one(path, *seen).await;
        }
        let gone: Vec<String> = self.files.keys().filter(|path| !here.contains_key(*path)).cloned().collect();
        for path in gone {
            self.delete_one(&path).await;
        }
    }

    async fn send_one(&mut self, path: &str, seen: Seen) {
        let key = names::key(&self.root, path);
        let mode = match self.files.get(path) {
            None => Mode::Create,
            Some(_) if !self.overwrite => return self.tell(path, "was changed here and not sent, for the mount may not overwrite (`--overwrite`)"),
            Some(fetched) => match self.container.stat(&key).await {
                Ok(meta) if meta.etag == fetched.etag => Mode::Overwrite,
                Ok(_) => return self.conflict(path, &key).await,
                Err(BlobError::NotFound { .. }) => Mode::Create,
                Err(error) => return self.tell(path, &format!("was not sent yet: {error}")),
            },
        };
        match self.container.upload(&self.directory.join(path), &key, Progress::none(), mode).await {
            Ok(meta) => {
                self.told.remove(path);
                let sent = Fetched { etag: meta.etag, size: seen.0, modified: seen.1 };
                self.fetched(path, sent);
            }
            Err(BlobError::Exists { .. }) => self.conflict(path, &key).await,
            Err(error) => self.tell(path, &format!("was not sent yet: {error}")),
        }
    }

    /// The store has another version: it comes here, and the file that was here is put beside it.
    async fn conflict(&mut self, path: &str, key: &str) {
        let whole = self.directory.join(path);
        let mut beside = format!("{path}{CONFLICT}");
        for number in 2.. {
            if !self.directory.join(&beside).exists() {
                break;
            }
            beside = format!("{path}{CONFLICT}{number}");
        }
        if fs::rename(&whole, self.directory.join(&beside)).is_err() {
            return;
        }
        self.files.remove(path);
        if let Ok(meta) = fetch(&self.container, key, &whole, false).await {
            let modified = Entry::file(&meta).modified;
            self.fetched(path, Fetched { etag: meta.etag, size: meta.size, modified });
        }
        (self.warn)(format!("`{path}` was changed here and in the store: the store's is there now, and yours is `{beside}`, which is not sent"));
    }

    async fn delete_one(&mut self, path: &str) {
        let key = names::key(&self.root, path);
        if !self.overwrite {
            return self.tell(path, "was deleted here and not in the store, for the mount may not (`--overwrite`)");
        }
        let fetched = self.files.get(path).and_then(|fetched| fetched.etag.clone());
        let same = match self.container.stat(&key).await {
            Ok(meta) => meta.etag == fetched,
            Err(BlobError::NotFound { .. }) => return drop(self.files.remove(path)),
            Err(error) => return self.tell(path, &format!("was not deleted yet: {error}")),
        };
        if !same {
            self.files.remove(path);
            return (self.warn)(format!("`{path}` was deleted here and changed in the store: the store keeps it"));
        }
        match self.container.delete(&key).await {
            Ok(()) | Err(BlobError::NotFound { .. }) => drop(self.files.remove(path)),
            Err(error) => self.tell(path, &format!("was not deleted yet: {error}")),
        }
    }

    fn tell(&mut self, path: &str, what: &str) {
        if self.told.insert(path.to_owned()) {
            (self.warn)(format!("`{path}` {what}"));
        }
    }

    /// The files that are here.
    fn look(&self) -> BTreeMap<String, Seen> {
        let mut found = BTreeMap::new();
        let mut directories = vec![String::new()];
        while let Some(directory) = directories.pop() {
            let Ok(entries) = fs::read_dir(self.directory.join(&directory)) else { continue };
            for entry in entries.flatten() {
                let Some(path) = entry.file_name().to_str().map(|name| names::join(&directory, name)) else { continue };
                let Ok(meta) = entry.metadata() else { continue };
                let ours = path.contains(UNFINISHED) || path.rsplit_once(CONFLICT).is_some_and(|(_, rest)| rest.parse::<u32>().is_ok() || rest.is_empty());
                if meta.is_dir() {
                    directories.push(path);
                } else if meta.is_file() && !ours {
                    found.insert(path, (meta.len(), meta.modified().unwrap_or(SystemTime::UNIX_EPOCH)));
                }
            }
        }
        found
    }

    /// Takes away what is in the store as it is here; gives how many files are left.
    pub(super) fn clear(&mut self) -> usize {
        let here = self.look();
        for (path, fetched) in &self.files {
            if here.get(path) == Some(&(fetched.size, fetched.modified)) {
                let _ = fs::remove_file(self.directory.join(path));
            }
        }
        let mut directories: Vec<PathBuf> = Vec::new();
        let mut left = 0;
        let mut open = vec![self.directory.clone()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    open.push(entry.path());
                    directories.push(entry.path());
                } else {
                    left += 1;
                }
            }
        }
        for directory in directories.iter().rev() {
            let _ = fs::remove_dir(directory);
        }
        left
    }
}
