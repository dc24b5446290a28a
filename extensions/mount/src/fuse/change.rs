//! The operations that change something: creating, writing, closing, deleting, renaming, directories.

use std::ffi::OsStr;
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use fuser::{Errno, FileAttr, FileHandle, FopenFlags, INodeNo, RenameFlags};
use ochre_blobs::{Meta, Mode};

use super::core::{Core, Handle, Opened};
use super::writing::Writing;
use super::errno;
use super::program::Opener;
use crate::names;
use crate::tree::Entry;

impl Core {
    /// `create`: a file that is not there yet, or (with the right to) one that is replaced.
    pub(super) async fn create(&self, parent: INodeNo, name: &OsStr, flags: i32, thread: u32) -> Result<(FileAttr, Opened), Errno> {
        self.may_write()?;
        let path = self.path(parent, name)?;
        let mode = match self.entry(&path).await? {
            Some(entry) if entry.directory => return Err(Errno::EISDIR),
            Some(_) if flags & libc::O_EXCL != 0 => return Err(Errno::EEXIST),
            Some(entry) => self.may_replace(&entry, flags)?,
            None => Mode::Create,
        };
        let fresh = matches!(mode, Mode::Create) || flags & libc::O_TRUNC != 0;
        let opened = self.begin(&path, mode, fresh, thread)?;
        let number = self.inodes.tell(&path, false);
        let entry = self.entry(&path).await?.ok_or(Errno::EIO)?;
        Ok((self.attr(number, &entry), opened))
    }

    /// `open` for writing.
    pub(super) async fn open_to_write(&self, number: INodeNo, flags: i32, thread: u32) -> Result<Opened, Errno> {
        self.may_write()?;
        let node = self.file(number)?;
        self.wait_for_close(&node.path).await?;
        let entry = self.entry(&node.path).await?.ok_or(Errno::ESTALE)?;
        let mode = self.may_replace(&entry, flags)?;
        if self.inodes.outdated(number, None) {
            return Err(Errno::ESTALE);
        }
        self.begin(&node.path, mode, flags & libc::O_TRUNC != 0, thread)
    }

    fn may_write(&self) -> Result<(), Errno> {
        if self.rights.write { Ok(()) } else { Err(Errno::EROFS) }
    }

    pub(super) fn may_overwrite(&self) -> Result<(), Errno> {
        self.may_write()?;
        if self.rights.overwrite { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// A file that is there can be replaced, and not changed in its middle.
    fn may_replace(&self, entry: &Entry, flags: i32) -> Result<Mode, Errno> {
        self.may_overwrite()?;
        if flags & libc::O_TRUNC == 0 && entry.size > 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        Ok(Mode::Overwrite)
    }

    fn begin(&self, path: &str, mode: Mode, fresh: bool, thread: u32) -> Result<Opened, Errno> {
        let writing = Arc::new(Writing::new(self.container.clone(), self.read.budget.clone(), self.tree.key(path), mode, fresh, Opener::of(thread)));
        {
            let mut writings = self.writings.lock().unwrap_or_else(PoisonError::into_inner);
            if writings.contains_key(path) {
                return Err(Errno::EBUSY);
            }
            writings.insert(path.to_owned(), writing.clone());
        }
        if fresh {
            self.tree.add_local(path, Entry { directory: false, size: 0, modified: SystemTime::now(), etag: None });
        }
        self.small.drop(path);
        let handle = self.keep(Handle::Writing(path.to_owned(), writing));
        Ok((handle, FopenFlags::FOPEN_DIRECT_IO))
    }

    /// `write`.
    pub(super) async fn write(&self, handle: FileHandle, offset: u64, data: Bytes) -> Result<(), Errno> {
        match &*self.handle(handle)? {
            Handle::Writing(_, writing) => writing.write(offset, data).await.inspect_err(|_| writing.tell()),
            _ => Err(Errno::EBADF),
        }
    }

    /// `flush`, at each close: the file becomes visible when the process that opened it closes it and has written something.
    pub(super) async fn flush(&self, handle: FileHandle, thread: u32) -> Result<(), Errno> {
        let handle = self.handle(handle)?;
        let Handle::Writing(path, writing) = &*handle else { return Ok(()) };
        if writing.opener.was_killed() {
            // What it closed before it was killed is stored, and stays.
            if writing.is_unpublished() {
                writing.abandon().await;
            }
            return Ok(());
        }
        if !writing.opener.is(thread) {
            return Ok(());
        }
        self.publish(path, writing, true).await.inspect_err(|_| writing.tell())
    }

    /// `fsync`: as a close.
    pub(super) async fn sync(&self, handle: FileHandle) -> Result<(), Errno> {
        match &*self.handle(handle)? {
            Handle::Writing(path, writing) => self.publish(path, writing, false).await.inspect_err(|_| writing.tell()),
            _ => Ok(()),
        }
    }

    async fn publish(&self, path: &str, writing: &Writing, unless_empty: bool) -> Result<(), Errno> {
        if let Some(meta) = writing.publish(unless_empty).await? {
            self.published(path, &meta);
        }
        Ok(())
    }

    fn published(&self, path: &str, meta: &Meta) {
        self.tree.put(path, Entry::file(meta));
        self.small.drop(path);
    }

    /// `release`, when nobody has the file open any more: what was not published by a close is now, and nobody can be told that it failed.
    pub(super) async fn release(&self, handle: FileHandle) {
        let Some(handle) = self.give_up(handle) else { return };
        let Handle::Writing(path, writing) = &*handle else { return };
        if writing.is_unpublished() && writing.opener.was_killed() {
            writing.abandon().await;
        }
        let result = self.publish(path, writing, false).await;
        if result.is_err() {
            self.tree.remove_local(path);
        }
        self.end(path);
        if let Err(errno) = result
            && !writing.was_told()
        {
            let reason = std::io::Error::from_raw_os_error(errno.code());
            (self.warn)(format!("`{path}` was not written: {reason}"));
        }
    }

    /// Nobody writes `path` any more.
    pub(super) fn end(&self, path: &str) {
        self.writings.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
        self.closed.notify_waiters();
    }

    /// `setattr`: sizes that a sequential writer can have; modes and times are accepted and change nothing; owners cannot change.
    pub(super) async fn setattr(&self, number: INodeNo, size: Option<u64>, owner: (Option<u32>, Option<u32>)) -> Result<FileAttr, Errno> {
        let (uid, gid) = owner;
        if uid.is_some_and(|uid| uid != self.rights.uid) || gid.is_some_and(|gid| gid != self.rights.gid) {
            return Err(Errno::EPERM);
        }
        if let Some(size) = size {
            let node = self.file(number)?;
            if self.writing(&node.path).is_none() && self.rights.overwrite && self.inodes.outdated(number, None) {
                return Err(Errno::ESTALE);
            }
            self.resize(&node.path, size).await?;
        }
        self.getattr(number, None).await
    }

    async fn resize(&self, path: &str, size: u64) -> Result<(), Errno> {
        self.may_write()?;
        if let Some(writing) = self.writing(path) {
            return match size {
                size if size == writing.size() => Ok(()),
                0 => writing.truncate().await,
                _ => Err(Errno::EOPNOTSUPP),
            };
        }
        let entry = self.entry(path).await?.ok_or(Errno::ENOENT)?;
        if entry.size == size {
            return Ok(());
        }
        self.may_overwrite()?;
        if size != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        let meta = self.container.write(&self.tree.key(path), Bytes::new(), Mode::Overwrite).await.map_err(|error| errno::of(&error))?;
        self.published(path, &meta);
        Ok(())
    }

    /// `mkdir`: here, until a file lands in it.
    pub(super) async fn make_directory(&self, parent: INodeNo, name: &OsStr) -> Result<FileAttr, Errno> {
        self.may_write()?;
        let path = self.path(parent, name)?;
        if self.entry(&path).await?.is_some() {
            return Err(Errno::EEXIST);
        }
        self.tree.add_local(&path, Entry::directory());
        let number = self.inodes.tell(&path, true);
        Ok(self.attr(number, &Entry::directory()))
    }

    /// `rmdir`.
    pub(super) async fn remove_directory(&self, parent: INodeNo, name: &OsStr) -> Result<(), Errno> {
        self.may_write()?;
        let path = self.path(parent, name)?;
        match self.entry(&path).await? {
            None => return Err(Errno::ENOENT),
            Some(entry) if !entry.directory => return Err(Errno::ENOTDIR),
            Some(_) => {}
        }
        let entries = self.tree.list(&path).await.map_err(|error| errno::of(&error))?;
        if !entries.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.tree.remove_local(&path);
        if self.tree.lookup_now(&path).await.map_err(|error| errno::of(&error))?.is_some_and(|entry| entry.directory) {
            self.remove_markers(&path).await?;
        }
        self.inodes.unlink(&path, true);
        Ok(())
    }

    /// Deletes what alone makes `path` a directory: keys below it that are no names.
    async fn remove_markers(&self, path: &str) -> Result<(), Errno> {
        self.may_overwrite()?;
        let marker = format!("{}/", self.tree.key(path));
        self.container.delete(&marker).await.map_err(|error| errno::of(&error))?;
        self.tree.doubt(path);
        match self.tree.lookup_now(path).await.map_err(|error| errno::of(&error))? {
            Some(entry) if entry.directory => Err(Errno::ENOTEMPTY),
            _ => Ok(()),
        }
    }

    /// `unlink`.
    pub(super) async fn unlink(&self, parent: INodeNo, name: &OsStr) -> Result<(), Errno> {
        self.may_overwrite()?;
        let path = self.path(parent, name)?;
        self.wait_for_close(&path).await?;
        match self.entry(&path).await? {
            None => return Err(Errno::ENOENT),
            Some(entry) if entry.directory => return Err(Errno::EISDIR),
            Some(_) => {}
        }
        match self.container.delete(&self.tree.key(&path)).await.map_err(|error| errno::of(&error)) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno),
        }
        self.tree.remove(&path);
        self.inodes.unlink(&path, false);
        self.small.drop(&path);
        Ok(())
    }

    /// `rename` of a file: a copy within the store, then a delete. For directories `EXDEV`, on which `mv` moves file by file.
    pub(super) async fn rename(&self, from: (INodeNo, &OsStr), to: (INodeNo, &OsStr), flags: RenameFlags) -> Result<(), Errno> {
        self.may_overwrite()?;
        let (from, to) = (self.path(from.0, from.1)?, self.path(to.0, to.1)?);
        let mode = match flags {
            flags if flags.is_empty() => Mode::Overwrite,
            RenameFlags::RENAME_NOREPLACE => Mode::Create,
            _ => return Err(Errno::EINVAL),
        };
        self.wait_for_close(&from).await?;
        self.wait_for_close(&to).await?;
        let source = self.entry(&from).await?.ok_or(Errno::ENOENT)?;
        if source.directory {
            return Err(Errno::EXDEV);
        }
        match self.entry(&to).await? {
            Some(entry) if entry.directory => return Err(Errno::EISDIR),
            Some(_) if matches!(mode, Mode::Create) => return Err(Errno::EEXIST),
            _ if from == to => return Ok(()),
            _ => {}
        }
        let (from_key, to_key) = (self.tree.key(&from), self.tree.key(&to));
        self.container.copy(&from_key, &to_key, mode).await.map_err(|error| errno::of(&error))?;
        let meta = self.container.stat(&to_key).await.map_err(|error| errno::of(&error))?;
        self.published(&to, &meta);
        self.container.delete(&from_key).await.map_err(|error| errno::of(&error))?;
        self.tree.remove(&from);
        self.small.drop(&from);
        self.inodes.rename(&from, &to);
        Ok(())
    }

    /// Waits until nothing is being written, then gives up the rest: their paths.
    pub(super) async fn finish_writes(&self, limit: std::time::Duration) -> Vec<String> {
        let none_left = async {
            loop {
                let told = self.closed.notified();
                if self.writings.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                    return;
                }
                told.await;
            }
        };
        if tokio::time::timeout(limit, none_left).await.is_ok() {
            return Vec::new();
        }
        let left: Vec<_> = self.writings.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
        let mut paths = Vec::new();
        for (path, writing) in left {
            if writing.is_unpublished() {
                // Another thread may be in the middle of a part, and hold it; the process ends soon in any case.
                let _ = tokio::time::timeout(std::time::Duration::from_secs(1), writing.abandon()).await;
                paths.push(names::split(&path).1.to_owned());
            }
        }
        paths
    }
}
