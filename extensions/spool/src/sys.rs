//! The system calls that std does not offer: shared mappings, blocks that are really there, and what a fork does.
//!
//! A [`Map`] is read and written by atomic words only, so that threads and processes that share it cannot race in the sense of the language, and
//! the only promise that is not checked is the mapping's own.
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::NonNull;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

/// Bytes of a word: records are aligned to it.
pub const WORD: usize = 8;
/// Step in which pages are touched; larger pages are touched more often than needed.
const PAGE: usize = 4096;
/// Spools whose lock a forked child lets go of. With more, a child that lives on keeps the others' records from being swept until it ends.
const TRACKED_LOCKS: usize = 256;

/// Memory that is shared with other processes: a file's, or nobody's.
#[derive(Debug)]
pub struct Map {
    start: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the memory is only reached as atomic words, and stays mapped until the last owner drops it.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    /// Maps the first `bytes` (a multiple of a word) of a file that is at least that long.
    pub fn file(file: &File, bytes: usize, writable: bool) -> io::Result<Self> {
        let protection = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        Self::map(bytes, protection, libc::MAP_SHARED, file.as_raw_fd())
    }

    /// Memory that ends with the process.
    pub fn memory(bytes: usize) -> io::Result<Self> {
        Self::map(bytes, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1)
    }

    fn map(bytes: usize, protection: i32, flags: i32, fd: RawFd) -> io::Result<Self> {
        // SAFETY: a new mapping at an address of the system's choice touches nothing that exists.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, fd, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        Ok(Self { start, words: bytes / WORD })
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.words * WORD
    }

    /// The word at a byte offset, which is a multiple of a word and inside. Words of a mapping that is not writable are only loaded.
    #[inline]
    pub fn word(&self, at: usize) -> &AtomicU64 {
        let index = at / WORD;
        assert!(at.is_multiple_of(WORD) && index < self.words, "a word outside of its mapping");
        // SAFETY: inside the mapping, as was just checked, which lives as long as `self`; mappings begin at a page.
        unsafe { self.start.add(index).as_ref() }
    }

    /// Copies bytes in from `at` on, filling the last word with zeros. The caller has reserved the range.
    #[inline]
    pub fn put(&self, at: usize, bytes: &[u8]) {
        let mut place = at;
        let (words, rest) = bytes.as_chunks::<WORD>();
        for word in words {
            self.word(place).store(u64::from_ne_bytes(*word), Ordering::Relaxed);
            place += WORD;
        }
        if !rest.is_empty() {
            let mut last = [0; WORD];
            last[..rest.len()].copy_from_slice(rest);
            self.word(place).store(u64::from_ne_bytes(last), Ordering::Relaxed);
        }
    }

    /// Copies bytes out, behind those that `out` has.
    pub fn get(&self, at: usize, length: usize, out: &mut Vec<u8>) {
        let end = out.len() + length;
        for place in (at..at + length).step_by(WORD) {
            out.extend_from_slice(&self.word(place).load(Ordering::Relaxed).to_ne_bytes());
        }
        out.truncate(end);
    }

    /// Takes all page faults now, so that the calls that write later have none.
    pub fn touch(&self) {
        for at in (0..self.len()).step_by(PAGE) {
            self.word(at).fetch_or(0, Ordering::Relaxed);
        }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the very range that was mapped; no reference into it outlives `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len()) };
    }
}

/// Gives a new file `bytes` of blocks that are really there, so that a full disk is met now and not by a signal later.
pub fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    // Beyond the limit of file sizes the system would send SIGXFSZ, which ends the process.
    if bytes > largest_file() {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    #[cfg(target_os = "linux")]
    {
        // SAFETY: a descriptor that is open, and integers.
        let refused = unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, bytes as libc::off_t) } != 0;
        let error = io::Error::last_os_error();
        if !refused {
            return Ok(());
        }
        if !matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL)) {
            return Err(error);
        }
    }
    // File systems that cannot reserve (NFS 3): what was written once has its blocks.
    use std::os::unix::fs::FileExt;
    let zeros = [0u8; 1 << 16];
    let mut at = 0;
    while at < bytes {
        let n = zeros.len().min((bytes - at) as usize);
        file.write_all_at(&zeros[..n], at)?;
        at += n as u64;
    }
    Ok(())
}

fn largest_file() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes one struct.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) } == 0;
    if known { limit.rlim_cur } else { u64::MAX }
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one struct.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut time) };
    time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
}

/// The user that this process belongs to.
pub fn user_id() -> u32 {
    // SAFETY: has no preconditions.
    unsafe { libc::geteuid() }
}

static FORKS: AtomicU32 = AtomicU32::new(0);
static LOCKS: [AtomicI32; TRACKED_LOCKS] = [const { AtomicI32::new(-1) }; TRACKED_LOCKS];

/// How often this process has become another by `fork`: who remembers an older number is looking at its parent's things.
#[inline]
pub fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// Lets forked children drop this lock: it is the parent's life that it tells of.
pub fn drop_in_children(file: &File) {
    static REGISTERED: Once = Once::new();
    // SAFETY: the handler stays valid as long as the process, and does only what is allowed after a fork.
    REGISTERED.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(in_child));
    });
    for slot in &LOCKS {
        if slot.compare_exchange(-1, file.as_raw_fd(), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return;
        }
    }
}

/// The lock's file is about to be closed.
pub fn forget_lock(file: &File) {
    for slot in &LOCKS {
        let _ = slot.compare_exchange(file.as_raw_fd(), -1, Ordering::Relaxed, Ordering::Relaxed);
    }
}

unsafe extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    for slot in &LOCKS {
        let fd = slot.swap(-1, Ordering::Relaxed);
        if fd >= 0 {
            // SAFETY: the child's own copy of the descriptor; what the parent made is never used in a child (see `forks`).
            unsafe { libc::close(fd) };
        }
    }
}
