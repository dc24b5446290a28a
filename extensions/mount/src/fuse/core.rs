//! What the file system does, apart from the kernel's messages: each operation as an async function. `filesystem.rs` calls them; `change.rs` has those
//! that change something.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fuser::{Errno, FileAttr, FileHandle, FileType, FopenFlags, INodeNo};
use ochre_blobs::{Container, ReadOptions, Reader};
use tokio::sync::OnceCell;

use super::errno;
use super::inodes::{Inodes, Node};
use super::limit::Limits;
use super::small::{SMALL, Small, Whole};
use super::writing::Writing;
use crate::names;
use crate::tree::{Entry, Snapshot, Tree};

/// Files of at least this many bytes bypass the page cache: their bytes are read once, and copying them twice halves the rate.
pub(super) const DIRECT_FROM: u64 = 32 << 20;
/// Part of the time for which names are believed that the kernel keeps them; the rest is ours, where an answer costs microseconds.
const KERNEL_PART: u32 = 5;
/// How long the opening of a file waits for a close of it that is under way.
const CLOSING_LIMIT: Duration = Duration::from_secs(2);

/// What a program has opened.
pub(super) enum Handle {
    /// A small file, which is here.
    Whole(Whole),
    /// A small file that the page cache holds; fetched only if it does not any more.
    Lazy(String, Entry, OnceCell<Whole>),
    /// A large file, in ranges.
    Ranges(Reader),
    /// A file that is being written.
    Writing(String, Arc<Writing>),
    /// A directory as it was when it was opened.
    Directory(String, Snapshot),
}

/// What may be done in a mount, and as whom.
#[derive(Clone, Copy)]
pub(super) struct Rights {
    pub(super) write: bool,
    pub(super) overwrite: bool,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Says something that no program can be told.
pub(super) type Warn = Arc<dyn Fn(String) + Send + Sync>;

/// One mount.
pub(super) struct Core {
    pub(super) container: Container,
    pub(super) tree: Tree,
    pub(super) inodes: Inodes,
    pub(super) small: Small,
    pub(super) limits: Limits,
    pub(super) rights: Rights,
    pub(super) warn: Warn,
    /// Budget and cache of all reads; writes share the budget.
    pub(super) read: ReadOptions,
    pub(super) kernel_ttl: Duration,
    began: SystemTime,
    handles: RwLock<HashMap<u64, Arc<Handle>>>,
    last_handle: AtomicU64,
    /// Files that are being written, by path.
    pub(super) writings: Mutex<HashMap<String, Arc<Writing>>>,
    /// Told whenever one of them is closed.
    pub(super) closed: tokio::sync::Notify,
}

/// An opened file: its handle, and how the kernel treats it.
pub(super) type Opened = (FileHandle, FopenFlags);

impl Core {
    pub(super) fn new(container: Container, root: &str, ttl: Duration, limits: Limits, rights: Rights, read: ReadOptions, warn: Warn) -> Self {
        let kernel_ttl = ttl / KERNEL_PART;
        let tree = Tree::new(container.clone(), root, ttl - kernel_ttl);
        Self {
            small: Small::new(container.clone(), tree.clone(), read.clone()),
            read,
            container,
            tree,
            inodes: Inodes::new(),
            limits,
            rights,
            warn,
            kernel_ttl,
            began: SystemTime::now(),
            handles: RwLock::default(),
            last_handle: AtomicU64::new(0),
            writings: Mutex::default(),
            closed: tokio::sync::Notify::new(),
        }
    }

    /// The directory `parent` and `name` as a path.
    pub(super) fn path(&self, parent: INodeNo, name: &OsStr) -> Result<String, Errno> {
        let node = self.inodes.node(parent)?;
        if !node.directory {
            return Err(Errno::ENOTDIR);
        }
        if name.len() > names::NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let name = name.to_str().filter(|name| names::usable(name)).ok_or(Errno::EINVAL)?;
        Ok(names::join(&node.path, name))
    }

    /// What a path is.
    pub(super) async fn entry(&self, path: &str) -> Result<Option<Entry>, Errno> {
        let entry = self.tree.lookup(path).await.map_err(|error| errno::of(&error))?;
        Ok(entry.map(|entry| self.with_size(path, entry)))
    }

    /// With the size that a file has which is being written.
    fn with_size(&self, path: &str, mut entry: Entry) -> Entry {
        if !entry.directory
            && let Some(writing) = self.writing(path).filter(|writing| writing.is_unpublished())
        {
            entry.size = writing.size();
        }
        entry
    }

    /// The file at `path` that is being written.
    pub(super) fn writing(&self, path: &str) -> Option<Arc<Writing>> {
        self.writings.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    /// `lookup`: `None` where there is nothing.
    pub(super) async fn lookup(&self, parent: INodeNo, name: &OsStr) -> Result<Option<FileAttr>, Errno> {
        let path = match self.path(parent, name) {
            Err(Errno::EINVAL) => return Ok(None),
            path => path?,
        };
        let Some(entry) = self.entry(&path).await? else { return Ok(None) };
        let number = self.inodes.tell(&path, entry.directory);
        Ok(Some(self.attr(number, &entry)))
    }

    /// `getattr`.
    pub(super) async fn getattr(&self, number: INodeNo, handle: Option<FileHandle>) -> Result<FileAttr, Errno> {
        let node = self.inodes.node(number)?;
        if node.directory {
            return Ok(self.attr(number, &Entry::directory()));
        }
        if let Some(entry) = self.inodes.left_behind(number) {
            return Ok(self.attr(number, &entry));
        }
        if let Some(entry) = self.entry(&node.path).await?.filter(|entry| !entry.directory) {
            return Ok(self.attr(number, &entry));
        }
        // It was deleted; who has it open still sees it.
        let open = handle.and_then(|handle| self.handle(handle).ok());
        let entry = open.and_then(|open| open.entry()).ok_or(Errno::ENOENT)?;
        Ok(self.attr(number, &entry))
    }

    pub(super) fn attr(&self, number: INodeNo, entry: &Entry) -> FileAttr {
        let modified = if entry.directory { self.began } else { entry.modified };
        let write = if self.rights.write { 0o200 } else { 0 };
        FileAttr {
            ino: number,
            size: entry.size,
            blocks: entry.size.div_ceil(512),
            atime: modified,
            mtime: modified,
            ctime: modified,
            crtime: modified,
            kind: if entry.directory { FileType::Directory } else { FileType::RegularFile },
            perm: write | if entry.directory { 0o555 } else { 0o444 },
            nlink: 1,
            uid: self.rights.uid,
            gid: self.rights.gid,
            rdev: 0,
            blksize: BLOCK,
            flags: 0,
        }
    }

    /// `open` for reading.
    pub(super) async fn open(&self, number: INodeNo) -> Result<Opened, Errno> {
        let node = self.file(number)?;
        self.wait_for_close(&node.path).await?;
        let entry = self.entry(&node.path).await?.ok_or(Errno::ESTALE)?;
        if entry.directory || self.inodes.outdated(number, Some(&entry)) {
            return Err(Errno::ESTALE);
        }
        let opened = if entry.size <= SMALL { self.open_whole(number, &node, entry.clone()).await } else { self.open_ranges(number, &node, &entry).await };
        if opened.is_ok() {
            self.inodes.opened(number, &entry);
        }
        opened
    }

    async fn open_whole(&self, number: INodeNo, node: &Node, entry: Entry) -> Result<Opened, Errno> {
        if self.inodes.same_version(number, entry.etag.as_ref()) {
            let handle = self.keep(Handle::Lazy(node.path.to_string(), entry, OnceCell::new()));
            return Ok((handle, FopenFlags::FOPEN_KEEP_CACHE));
        }
        let whole = self.small.open(&node.path, &entry).await.map_err(|error| self.doubted(node, &errno::of(&error)))?;
        if whole.bytes.len() as u64 != entry.size || (entry.etag.is_some() && whole.etag != entry.etag) {
            return Err(self.doubted(node, &Errno::ESTALE));
        }
        Ok((self.keep(Handle::Whole(whole)), FopenFlags::empty()))
    }

    async fn open_ranges(&self, number: INodeNo, node: &Node, entry: &Entry) -> Result<Opened, Errno> {
        let reader = self.container.reader(&self.tree.key(&node.path), self.read.clone()).await;
        let reader = reader.map_err(|error| self.doubted(node, &errno::of(&error)))?;
        let found = Entry::file(reader.meta());
        if found.size != entry.size || (entry.etag.is_some() && found.etag != entry.etag) {
            return Err(self.doubted(node, &Errno::ESTALE));
        }
        let same = self.inodes.same_version(number, found.etag.as_ref());
        let flags = match (entry.size >= DIRECT_FROM, same) {
            (true, _) => FopenFlags::FOPEN_DIRECT_IO,
            (false, true) => FopenFlags::FOPEN_KEEP_CACHE,
            (false, false) => FopenFlags::empty(),
        };
        Ok((self.keep(Handle::Ranges(reader)), flags))
    }

    /// The store says otherwise than its listing did: the kernel looks the name up again on `ESTALE`, and then opens what is there now.
    fn doubted(&self, node: &Node, errno: &Errno) -> Errno {
        match *errno {
            Errno::ESTALE | Errno::ENOENT => {
                self.tree.doubt(&node.path);
                self.small.drop(&node.path);
                Errno::ESTALE
            }
            other => other,
        }
    }

    /// Waits for a close that is under way; a file that somebody still writes cannot be read.
    pub(super) async fn wait_for_close(&self, path: &str) -> Result<(), Errno> {
        let closed = async {
            loop {
                let told = self.closed.notified();
                if self.writing(path).is_none() {
                    return;
                }
                told.await;
            }
        };
        match self.writing(path) {
            None => Ok(()),
            Some(_) => tokio::time::timeout(CLOSING_LIMIT, closed).await.map_err(|_| Errno::EBUSY),
        }
    }

    /// `read`.
    pub(super) async fn read(&self, handle: FileHandle, offset: u64, length: u32) -> Result<Bytes, Errno> {
        let handle = self.handle(handle)?;
        match &*handle {
            Handle::Whole(whole) => Ok(slice(&whole.bytes, offset, length)),
            Handle::Lazy(path, entry, cell) => {
                let whole = cell.get_or_try_init(|| self.small.open(path, entry)).await.map_err(|error| errno::of(&error))?;
                // The page cache was emptied and the file has changed since: not this version.
                let same = whole.bytes.len() as u64 == entry.size && (entry.etag.is_none() || whole.etag == entry.etag);
                if same { Ok(slice(&whole.bytes, offset, length)) } else { Err(Errno::ESTALE) }
            }
            Handle::Ranges(reader) => {
                let left = reader.meta().size.saturating_sub(offset);
                let length = u64::from(length).min(left) as usize;
                if length == 0 {
                    return Ok(Bytes::new());
                }
                reader.read_at(offset, length).await.map_err(|error| errno::of(&error))
            }
            Handle::Writing(..) => Err(Errno::EBADF),
            Handle::Directory(..) => Err(Errno::EISDIR),
        }
    }

    /// `read` of what is here, without waiting.
    pub(super) fn read_now(&self, handle: FileHandle, offset: u64, length: u32) -> Option<Bytes> {
        match &*self.handle(handle).ok()? {
            Handle::Whole(whole) => Some(slice(&whole.bytes, offset, length)),
            _ => None,
        }
    }

    /// `opendir`.
    pub(super) async fn open_directory(&self, number: INodeNo) -> Result<FileHandle, Errno> {
        let node = self.inodes.node(number)?;
        if !node.directory {
            return Err(Errno::ENOTDIR);
        }
        let entries = self.tree.list(&node.path).await.map_err(|error| errno::of(&error))?;
        let entries = entries.into_iter().map(|(name, entry)| {
            let entry = if entry.directory { entry } else { self.with_size(&names::join(&node.path, &name), entry) };
            (name, entry)
        });
        Ok(self.keep(Handle::Directory(node.path.to_string(), entries.collect())))
    }

    /// The file of a number.
    pub(super) fn file(&self, number: INodeNo) -> Result<Node, Errno> {
        let node = self.inodes.node(number)?;
        if node.directory { Err(Errno::EISDIR) } else { Ok(node) }
    }

    pub(super) fn keep(&self, handle: Handle) -> FileHandle {
        let number = self.last_handle.fetch_add(1, Ordering::Relaxed) + 1;
        self.handles.write().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::new(handle));
        FileHandle(number)
    }

    pub(super) fn handle(&self, handle: FileHandle) -> Result<Arc<Handle>, Errno> {
        self.handles.read().unwrap_or_else(PoisonError::into_inner).get(&handle.0).cloned().ok_or(Errno::EBADF)
    }

    pub(super) fn give_up(&self, handle: FileHandle) -> Option<Arc<Handle>> {
        self.handles.write().unwrap_or_else(PoisonError::into_inner).remove(&handle.0)
    }
}

/// The size that programs are told to read in, in bytes.
const BLOCK: u32 = 128 << 10;

impl Handle {
    /// What `stat` of the open file says.
    fn entry(&self) -> Option<Entry> {
        match self {
            Self::Whole(whole) => {
                Some(Entry { directory: false, size: whole.bytes.len() as u64, modified: whole.modified, etag: whole.etag.clone() })
            }
            Self::Lazy(_, entry, _) => Some(entry.clone()),
            Self::Ranges(reader) => Some(Entry::file(reader.meta())),
            Self::Writing(..) | Self::Directory(..) => None,
        }
    }
}

/// What of `bytes` lies in a range that may go beyond them.
fn slice(bytes: &Bytes, offset: u64, length: u32) -> Bytes {
    let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    let end = begin.saturating_add(length as usize).min(bytes.len());
    bytes.slice(begin..end)
}
