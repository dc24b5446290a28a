//! The kernel's messages: each becomes a task, so that the threads that read them never wait. What is known at once is answered at once.

use std::ffi::OsStr;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fuser::{
    AccessFlags, BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags, KernelConfig, LockOwner,
    OpenAccMode, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyOpen,
    ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use tokio::runtime::Handle as Runtime;

use super::core::{Core, Handle};
use super::watch::Watch;
use crate::names;
use crate::tree::Entry;

/// Requests that the kernel may have under way without a program waiting (read-ahead).
const BACKGROUND: u16 = 64;
/// Largest write that the kernel sends at once, in bytes; the kernel's own limit is 256 pages.
const WRITE_MOST: u32 = 1 << 20;
/// The inode number in a listing that names no inode (libfuse's `FUSE_UNKNOWN_INO`).
const UNKNOWN: INodeNo = INodeNo(0xffff_ffff);
/// The first version of every number: numbers are never used again.
const FIRST: Generation = Generation(0);
/// Block size of `statfs`, in bytes, and how many there are: a store has no end, so a number that no program runs out of (4 EiB).
const BLOCK: u32 = 4096;
const BLOCKS: u64 = 1 << 50;

/// The file system as fuser calls it.
pub(super) struct Mounted {
    pub(super) core: Arc<Core>,
    pub(super) runtime: Runtime,
    pub(super) watch: Watch,
}

impl Mounted {
    /// Runs `work` within the limit of answers and hands its result to `done`.
    pub(super) fn answer<T: Send + 'static, W>(&self, thread: u32, work: impl FnOnce(Arc<Core>) -> W, done: impl FnOnce(Result<T, Errno>) + Send + 'static)
    where
        W: Future<Output = Result<T, Errno>> + Send + 'static,
    {
        let core = self.core.clone();
        let work = work(core.clone());
        let once = self.watch.once(core.limits.answers_within(), done);
        self.runtime.spawn(async move { once.answer(core.limits.answer(thread, work).await) });
    }

    /// The same within the limit of closes.
    fn close<T: Send + 'static, W>(&self, thread: u32, work: impl FnOnce(Arc<Core>) -> W, done: impl FnOnce(Result<T, Errno>) + Send + 'static)
    where
        W: Future<Output = Result<T, Errno>> + Send + 'static,
    {
        let core = self.core.clone();
        let work = work(core.clone());
        let once = self.watch.once(core.limits.closes_within(), done);
        self.runtime.spawn(async move { once.answer(core.limits.close(thread, work).await) });
    }
}

fn empty(reply: ReplyEmpty) -> impl FnOnce(Result<(), Errno>) + Send {
    move |result| match result {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(errno),
    }
}

fn entry(reply: ReplyEntry, ttl: Duration) -> impl FnOnce(Result<FileAttr, Errno>) + Send {
    move |result| match result {
        Ok(attr) => reply.entry(&ttl, &attr, FIRST),
        Err(errno) => reply.error(errno),
    }
}

fn attr(reply: ReplyAttr, ttl: Duration) -> impl FnOnce(Result<FileAttr, Errno>) + Send {
    move |result| match result {
        Ok(attr) => reply.attr(&ttl, &attr),
        Err(errno) => reply.error(errno),
    }
}

fn opened(reply: ReplyOpen) -> impl FnOnce(Result<(FileHandle, FopenFlags), Errno>) + Send {
    move |result| match result {
        Ok((handle, flags)) => reply.opened(handle, flags),
        Err(errno) => reply.error(errno),
    }
}

impl Filesystem for Mounted {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        // Each is an improvement that an old kernel may lack.
        for flag in [
            InitFlags::FUSE_ATOMIC_O_TRUNC,
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
            InitFlags::FUSE_ASYNC_DIO,
            InitFlags::FUSE_AUTO_INVAL_DATA,
            InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP,
        ] {
            let _ = config.add_capabilities(flag);
        }
        let _ = config.set_max_background(BACKGROUND);
        let _ = config.set_max_write(WRITE_MOST);
        Ok(())
    }

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let (name, ttl) = (name.to_owned(), self.core.kernel_ttl);
        self.answer(
            request.pid(),
            |core| async move { core.lookup(parent, &name).await },
            move |result| match result {
                Ok(Some(attr)) => reply.entry(&ttl, &attr, FIRST),
                Ok(None) => reply.error(Errno::ENOENT),
                Err(errno) => reply.error(errno),
            },
        );
    }

    fn forget(&self, _: &Request, number: INodeNo, count: u64) {
        self.core.inodes.forget(number, count);
    }

    fn getattr(&self, request: &Request, number: INodeNo, handle: Option<FileHandle>, reply: ReplyAttr) {
        let ttl = self.core.kernel_ttl;
        self.answer(request.pid(), |core| async move { core.getattr(number, handle).await }, attr(reply, ttl));
    }

    fn setattr(
        &self,
        request: &Request,
        number: INodeNo,
        _mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _handle: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let ttl = self.core.kernel_ttl;
        self.answer(request.pid(), |core| async move { core.setattr(number, size, (uid, gid)).await }, attr(reply, ttl));
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, _mode: u32, _umask: u32, reply: ReplyEntry) {
        let (name, ttl) = (name.to_owned(), self.core.kernel_ttl);
        self.answer(request.pid(), |core| async move { core.make_directory(parent, &name).await }, entry(reply, ttl));
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.answer(request.pid(), |core| async move { core.unlink(parent, &name).await }, empty(reply));
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.answer(request.pid(), |core| async move { core.remove_directory(parent, &name).await }, empty(reply));
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (name, new_name) = (name.to_owned(), new_name.to_owned());
        // A copy of a large object takes as long as a close of one.
        self.close(request.pid(), |core| async move { core.rename((parent, &name), (new_parent, &new_name), flags).await }, empty(reply));
    }

    fn open(&self, request: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let thread = request.pid();
        if flags.acc_mode() == OpenAccMode::O_RDONLY && flags.0 & libc::O_TRUNC == 0 {
            self.answer(thread, |core| async move { core.open(number).await }, opened(reply));
        } else {
            self.answer(thread, |core| async move { core.open_to_write(number, flags.0, thread).await }, opened(reply));
        }
    }

    fn create(&self, request: &Request, parent: INodeNo, name: &OsStr, _mode: u32, _umask: u32, flags: i32, reply: ReplyCreate) {
        let (name, thread, ttl) = (name.to_owned(), request.pid(), self.core.kernel_ttl);
        self.answer(
            thread,
            |core| async move { core.create(parent, &name, flags, thread).await },
            move |result| match result {
                Ok((attr, (handle, flags))) => reply.created(&ttl, &attr, FIRST, handle, flags),
                Err(errno) => reply.error(errno),
            },
        );
    }

    fn read(
        &self,
        request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        if let Some(bytes) = self.core.read_now(handle, offset, size) {
            reply.data(&bytes);
            return;
        }
        self.answer(
            request.pid(),
            |core| async move { core.read(handle, offset, size).await },
            move |result| match result {
                Ok(bytes) => reply.data(&bytes),
                Err(errno) => reply.error(errno),
            },
        );
    }

    fn write(
        &self,
        request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let (data, length) = (Bytes::copy_from_slice(data), data.len() as u32);
        // A write waits while the parts before it go out, so it has a close's time.
        self.close(
            request.pid(),
            |core| async move { core.write(handle, offset, data).await },
            move |result| match result {
                Ok(()) => reply.written(length),
                Err(errno) => reply.error(errno),
            },
        );
    }

    fn flush(&self, request: &Request, _number: INodeNo, handle: FileHandle, _lock_owner: LockOwner, reply: ReplyEmpty) {
        let thread = request.pid();
        self.close(thread, |core| async move { core.flush(handle, thread).await }, empty(reply));
    }

    fn fsync(&self, request: &Request, _number: INodeNo, handle: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        self.close(request.pid(), |core| async move { core.sync(handle).await }, empty(reply));
    }

    fn release(
        &self,
        _request: &Request,
        number: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        if !matches!(self.core.handle(handle).as_deref(), Ok(Handle::Writing(..))) {
            self.core.give_up(handle);
            self.core.inodes.closed(number);
            reply.ok();
            return;
        }
        let core = self.core.clone();
        self.runtime.spawn(async move {
            core.release(handle).await;
            reply.ok();
        });
    }

    fn opendir(&self, request: &Request, number: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        self.answer(
            request.pid(),
            |core| async move { core.open_directory(number).await },
            move |result| match result {
                Ok(handle) => reply.opened(handle, FopenFlags::empty()),
                Err(errno) => reply.error(errno),
            },
        );
    }

    fn readdir(&self, _: &Request, number: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let handle = self.core.handle(handle);
        let Ok(Handle::Directory(_, entries)) = handle.as_deref() else { return reply.error(Errno::EBADF) };
        for (name, next) in [(".", 1), ("..", 2)] {
            if offset < next && reply.add(number, next, FileType::Directory, name) {
                return reply.ok();
            }
        }
        for (index, (name, entry)) in entries.iter().enumerate().skip(past_dots(offset)) {
            let kind = if entry.directory { FileType::Directory } else { FileType::RegularFile };
            if reply.add(UNKNOWN, index as u64 + 3, kind, OsStr::new(&**name)) {
                break;
            }
        }
        reply.ok();
    }

    fn readdirplus(&self, _: &Request, number: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectoryPlus) {
        let handle = self.core.handle(handle);
        let Ok(Handle::Directory(directory, entries)) = handle.as_deref() else { return reply.error(Errno::EBADF) };
        let ttl = self.core.kernel_ttl;
        for (name, next) in [(".", 1), ("..", 2)] {
            // The kernel takes no count for these two.
            let attr = self.core.attr(number, &Entry::directory());
            if offset < next && reply.add(number, next, name, &ttl, &attr, FIRST) {
                return reply.ok();
            }
        }
        for (index, (name, entry)) in entries.iter().enumerate().skip(past_dots(offset)) {
            let number = self.core.inodes.tell(&names::join(directory, name), entry.directory);
            let attr = self.core.attr(number, entry);
            if reply.add(number, index as u64 + 3, OsStr::new(&**name), &ttl, &attr, FIRST) {
                self.core.inodes.forget(number, 1);
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _number: INodeNo, handle: FileHandle, _flags: OpenFlags, reply: ReplyEmpty) {
        self.core.give_up(handle);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, _number: INodeNo, _handle: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn statfs(&self, _: &Request, _number: INodeNo, reply: ReplyStatfs) {
        reply.statfs(BLOCKS, BLOCKS, BLOCKS, BLOCKS, BLOCKS, BLOCK, names::NAME_MAX as u32, BLOCK);
    }

    fn access(&self, _: &Request, _number: INodeNo, _mask: AccessFlags, reply: ReplyEmpty) {
        reply.ok();
    }
}

/// The index of the entry at a directory offset: 1 and 2 are what follows `.` and `..`.
fn past_dots(offset: u64) -> usize {
    usize::try_from(offset.saturating_sub(2)).unwrap_or(usize::MAX)
}
