//! The directory as programs see it: real directories, and for each file a placeholder of its true size and time. A placeholder is filled in its place
//! when it is first opened, so that its inode stays the same (`cp` compares), and from then on reads and maps are the system's own.
//!
//! ```text
//! not known --look--> placeholder (no permissions, a hole) --open--> filled (all bytes of one version)
//!                          ^------ another version in the store, or room is needed: a new inode ------|
//! ```
//! A file that somebody has open keeps the version with which it was opened: later versions are other inodes.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use ochre_blobs::{BlobError, Container, Meta, ReadOptions};

use super::state::Journal;
use super::supervisor::{FILE, FILE_READ_ONLY, UNFILLED};
use crate::names;
use crate::tree::{Entry, Tree};

/// Bytes of one request: 8 MiB with 8 to 32 of them at a time came closest to the raw limit, with and without a cap per connection.
const PART: u64 = 8 << 20;
/// Requests of one file at the same time.
const PARTS_AT_ONCE: usize = 24;
/// How often a file that changes while it is fetched is begun anew.
const VERSIONS_AT_MOST: usize = 4;

/// An errno.
pub(super) type Errno = i32;

/// The files of a mount's directory.
pub(super) struct Shadow {
    pub(super) directory: PathBuf,
    pub(super) container: Container,
    pub(super) tree: Tree,
    pub(super) read_only: bool,
    /// Bytes that filled files may hold; 0 is no bound.
    room: u64,
    /// How long a request may take.
    answer: Duration,
    journal: Mutex<Journal>,
    local: Mutex<Local>,
    clock: AtomicU64,
}

#[derive(Default)]
struct Local {
    /// All was taken away: what was asked before makes nothing any more.
    ended: bool,
    files: HashMap<String, Placed>,
    directories: BTreeSet<String>,
}

/// A file in the directory.
struct Placed {
    etag: Option<Arc<str>>,
    size: u64,
    modified: SystemTime,
    filled: bool,
    /// By the shadow's clock.
    used: u64,
    /// Held while it is filled.
    gate: Arc<tokio::sync::Mutex<()>>,
}

/// What is at a path.
pub(super) enum There {
    Directory,
    File(Entry),
    /// A file that somebody who is not under the filter has put there.
    Foreign,
}

impl Shadow {
    pub(super) fn new(directory: PathBuf, container: Container, tree: Tree, read_only: bool, room: u64, answer: Duration, journal: Journal) -> Self {
        let (journal, local) = (Mutex::new(journal), Mutex::default());
        Self { directory, container, tree, read_only, room, answer, journal, local, clock: AtomicU64::new(0) }
    }

    fn local(&self) -> MutexGuard<'_, Local> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn whole(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }

    fn shown(&self) -> u32 {
        if self.read_only { FILE_READ_ONLY } else { FILE }
    }

    /// What `path` is in the store, as a placeholder here.
    pub(super) async fn look(&self, path: &str) -> Result<There, Errno> {
        let entry = self.within(self.tree.lookup(path)).await?;
        self.show(path, entry)
    }

    fn show(&self, path: &str, entry: Option<Entry>) -> Result<There, Errno> {
        match entry {
            Some(entry) if entry.directory => self.place_directory(path).map(|()| There::Directory),
            Some(entry) => Ok(if self.place(path, &entry)? { There::File(entry) } else { There::Foreign }),
            None => {
                self.forget(path);
                if !self.local().directories.contains(path) && fs::symlink_metadata(self.whole(path)).is_ok() { Ok(There::Foreign) } else { Err(libc::ENOENT) }
            }
        }
    }

    /// Makes the names of a directory be there, and no others of ours.
    pub(super) async fn list(&self, path: &str) -> Result<(), Errno> {
        let entries = self.within(self.tree.list(path)).await?;
        tokio::task::block_in_place(|| {
            self.place_directory(path)?;
            let known: Vec<String> = self.local().within(path);
            let there: std::collections::HashSet<&str> = entries.iter().map(|(name, _)| &**name).collect();
            for old in known.iter().filter(|old| !there.contains(names::split(old).1)) {
                self.forget(old);
            }
            for (name, entry) in &entries {
                let whole = names::join(path, name);
                if entry.directory {
                    self.place_directory(&whole)?;
                } else {
                    self.place(&whole, entry)?;
                }
            }
            Ok(())
        })
    }

    /// Runs a request within the limit.
    pub(super) async fn within<T>(&self, request: impl Future<Output = Result<T, BlobError>>) -> Result<T, Errno> {
        match tokio::time::timeout(self.answer, request).await {
            Ok(result) => result.map_err(|error| errno(&error)),
            Err(_) => Err(libc::EIO),
        }
    }

    pub(super) fn place_directory(&self, path: &str) -> Result<(), Errno> {
        if path.is_empty() || self.local().directories.contains(path) {
            return Ok(());
        }
        self.place_directory(names::split(path).0)?;
        self.forget(path);
        self.journal().directory(path);
        match fs::create_dir(self.whole(path)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.whole(path).is_dir() => {}
            Err(error) => return Err(code(&error)),
        }
        let mut local = self.local();
        if local.ended {
            let _ = fs::remove_dir(self.whole(path));
            return Err(libc::EIO);
        }
        local.directories.insert(path.to_owned());
        Ok(())
    }

    /// Makes a placeholder for this version unless it is there. `false`: a file that is not ours is in its place.
    fn place(&self, path: &str, entry: &Entry) -> Result<bool, Errno> {
        self.place_directory(names::split(path).0)?;
        let mut local = self.local();
        if local.ended {
            return Err(libc::EIO);
        }
        let replace = match local.files.get(path) {
            Some(placed) if placed.etag == entry.etag && placed.size == entry.size => return Ok(true),
            found => found.is_some(),
        };
        if !self.make(path, entry.size, entry.modified, replace).map_err(|error| code(&error))? {
            return Ok(false);
        }
        let placed = Placed {
            etag: entry.etag.clone(),
            size: entry.size,
            modified: entry.modified,
            filled: entry.size == 0,
            used: self.tick(),
            gate: Arc::default(),
        };
        local.files.insert(path.to_owned(), placed);
        Ok(true)
    }

    /// Makes a placeholder: a new inode, also where there is one already.
    fn make(&self, path: &str, size: u64, modified: SystemTime, replace: bool) -> io::Result<bool> {
        let whole = self.whole(path);
        let at = if replace {
            let temporary = names::join(names::split(path).0, &format!(".ochre-{}", self.tick()));
            self.journal().temporary(&temporary);
            self.whole(&temporary)
        } else {
            whole.clone()
        };
        let mode = if size == 0 { self.shown() } else { UNFILLED };
        self.journal().file(path, size, modified);
        let file = match File::options().write(true).create_new(true).mode(mode).open(&at) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(error),
        };
        file.set_len(size)?;
        file.set_times(FileTimes::new().set_modified(modified))?;
        if replace {
            fs::rename(&at, &whole)?;
        }
        Ok(true)
    }

    /// Makes a file that [`Shadow::look`] has found complete. The entry is of the version that is there then.
    pub(super) async fn fill(&self, path: &str, entry: Entry) -> Result<(), Errno> {
        let mut entry = entry;
        for _ in 0..VERSIONS_AT_MOST {
            match self.fill_version(path, &entry).await {
                Ok(()) => {
                    self.make_room(path);
                    return Ok(());
                }
                Err(BlobError::Changed { .. }) => {
                    self.tree.doubt(path);
                    match self.within(self.tree.lookup_now(path)).await? {
                        Some(newer) if !newer.directory => entry = newer,
                        other => return self.show(path, other).and(Err(libc::EISDIR)),
                    }
                    self.place(path, &entry)?;
                }
                Err(BlobError::NotFound { .. }) => {
                    self.tree.doubt(path);
                    self.forget(path);
                    return Err(libc::ENOENT);
                }
                Err(error) => return Err(errno(&error)),
            }
        }
        Err(libc::ESTALE)
    }

    async fn fill_version(&self, path: &str, entry: &Entry) -> Result<(), BlobError> {
        let gate = self.local().files.get(path).map(|placed| placed.gate.clone());
        let Some(gate) = gate else { return Err(self.changed(path)) };
        let _one_at_a_time = gate.lock().await;
        match self.local().files.get_mut(path) {
            Some(placed) if placed.etag != entry.etag || placed.size != entry.size => return Err(self.changed(path)),
            Some(placed) if placed.filled => {
                placed.used = self.tick();
                return Ok(());
            }
            Some(_) => {}
            None => return Err(self.changed(path)),
        }
        let file = Arc::new(self.writable(path).map_err(|error| self.failed(path, &error))?);
        self.fetch(path, entry, &file).await?;
        let mut local = self.local();
        // A newer version may have taken its place meanwhile; this one is for nobody then.
        let Some(placed) = local.files.get_mut(path).filter(|placed| Arc::ptr_eq(&placed.gate, &gate)) else { return Err(self.changed(path)) };
        let finished = file.set_times(FileTimes::new().set_modified(entry.modified)).and_then(|()| file.set_permissions(Permissions::from_mode(self.shown())));
        finished.map_err(|error| self.failed(path, &error))?;
        placed.filled = true;
        placed.used = self.tick();
        Ok(())
    }

    /// A placeholder, open for writing: it has permissions for this moment alone, and none to read.
    fn writable(&self, path: &str) -> io::Result<File> {
        let whole = self.whole(path);
        fs::set_permissions(&whole, Permissions::from_mode(0o200))?;
        let file = File::options().write(true).open(&whole)?;
        file.set_permissions(Permissions::from_mode(UNFILLED))?;
        Ok(file)
    }

    /// Fetches all bytes of one version, in parts.
    async fn fetch(&self, path: &str, entry: &Entry, file: &Arc<File>) -> Result<(), BlobError> {
        let meta = Meta { path: self.tree.key(path), size: entry.size, modified: entry.modified.into(), etag: entry.etag.as_deref().map(str::to_owned), md5: None };
        let reader = self.container.reader_of(meta, ReadOptions::default())?;
        let parts = (0..entry.size).step_by(PART as usize).map(|offset| {
            let (reader, file, length) = (&reader, file.clone(), PART.min(entry.size - offset));
            async move {
                let read = tokio::time::timeout(self.answer, reader.read_at(offset, length as usize)).await;
                let bytes = read.map_err(|_| self.failed(path, &io::ErrorKind::TimedOut.into()))??;
                if bytes.len() as u64 != length {
                    return Err(self.changed(path));
                }
                let written = tokio::task::spawn_blocking(move || file.write_all_at(&bytes, offset)).await;
                written.map_err(io::Error::other).flatten().map_err(|error| self.failed(path, &error))
            }
        });
        let mut parts = futures::stream::iter(parts).buffer_unordered(PARTS_AT_ONCE);
        while let Some(part) = parts.next().await {
            part?;
        }
        Ok(())
    }

    /// Empties the files that were not used for longest, until the rest has room.
    fn make_room(&self, keep: &str) {
        if self.room == 0 {
            return;
        }
        let mut local = self.local();
        let mut held: u64 = local.files.values().filter(|placed| placed.filled).map(|placed| placed.size).sum();
        while held > self.room && !local.ended {
            let oldest = local.files.iter_mut().filter(|(path, placed)| placed.filled && placed.size > 0 && *path != keep).min_by_key(|(_, placed)| placed.used);
            let Some((path, placed)) = oldest else { return };
            if self.make(path, placed.size, placed.modified, true).is_err() {
                return;
            }
            placed.filled = false;
            // Who fills the old inode finds that its time is over.
            placed.gate = Arc::default();
            held -= placed.size;
        }
    }

    /// Puts a file that was written here and is in the store now into its place.
    pub(super) fn adopt(&self, path: &str, from: &std::path::Path, meta: &Meta) {
        let entry = Entry::file(meta);
        let adopted = self.place_directory(names::split(path).0).is_ok() && {
            self.journal().file(path, entry.size, entry.modified);
            let mut local = self.local();
            if local.ended {
                return drop(fs::remove_file(from));
            }
            let times = File::options().write(true).open(from).and_then(|file| file.set_times(FileTimes::new().set_modified(entry.modified)));
            let moved = times.and_then(|()| fs::set_permissions(from, Permissions::from_mode(self.shown()))).and_then(|()| fs::rename(from, self.whole(path)));
            if moved.is_ok() {
                let placed = Placed { etag: entry.etag.clone(), size: entry.size, modified: entry.modified, filled: true, used: self.tick(), gate: Arc::default() };
                local.files.insert(path.to_owned(), placed);
            }
            moved.is_ok()
        };
        if !adopted {
            // Another file system: it is fetched when it is read.
            let _ = fs::remove_file(from);
            let _ = self.place(path, &entry);
        }
        self.make_room(path);
    }

    /// Takes a file of ours away.
    pub(super) fn forget(&self, path: &str) {
        if self.local().files.remove(path).is_some() {
            let _ = fs::remove_file(self.whole(path));
        }
    }

    /// Takes a directory of ours away; one that holds something stays.
    pub(super) fn forget_directory(&self, path: &str) {
        self.local().directories.remove(path);
        let _ = fs::remove_dir(self.whole(path));
    }

    /// Takes all of ours away; gives how many names are left that are not ours.
    pub(super) fn clear(&self) -> usize {
        let (files, directories) = {
            let mut local = self.local();
            local.ended = true;
            (std::mem::take(&mut local.files), std::mem::take(&mut local.directories))
        };
        for path in files.keys() {
            let _ = fs::remove_file(self.whole(path));
        }
        for path in directories.iter().rev() {
            let _ = fs::remove_dir(self.whole(path));
        }
        fs::read_dir(&self.directory).map_or(0, Iterator::count)
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    fn changed(&self, path: &str) -> BlobError {
        BlobError::Changed { doing: "reading", at: path.to_owned(), etag: String::new() }
    }

    fn failed(&self, path: &str, error: &io::Error) -> BlobError {
        BlobError::Internal { doing: "filling", at: path.to_owned(), detail: error.to_string() }
    }
}

impl Local {
    /// The files of ours directly in a directory.
    fn within(&self, directory: &str) -> Vec<String> {
        self.files.keys().filter(|path| names::split(path).0 == directory).cloned().collect()
    }
}

/// The errno for an error of the store.
pub(super) fn errno(error: &BlobError) -> Errno {
    match error {
        BlobError::NotFound { .. } => libc::ENOENT,
        BlobError::Denied { .. } | BlobError::BadCredential { .. } => libc::EACCES,
        BlobError::Exists { .. } => libc::EEXIST,
        BlobError::Changed { .. } => libc::ESTALE,
        BlobError::Unsupported { .. } => libc::EOPNOTSUPP,
        BlobError::BadLocation { .. } => libc::EINVAL,
        _ => libc::EIO,
    }
}

/// The errno of an error of the system.
pub(super) fn code(error: &io::Error) -> Errno {
    error.raw_os_error().unwrap_or(libc::EIO)
}
