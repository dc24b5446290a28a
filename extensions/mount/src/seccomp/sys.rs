//! The system calls of seccomp user notification, behind safe functions: install a filter, hand its listener over, receive calls and answer them, read
//! and write what a caller points at. All `unsafe` of the crate is here and in `inotify.rs`.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// First byte to the supervisor's socket when a listener comes with it. `ochre-worker` says `L`.
const OF_WORKER: u8 = b'L';
/// The same of a command.
const OF_COMMAND: u8 = b'C';
/// Longest reason of a refusal, in bytes.
const REASON_BYTES: u64 = 4 << 10;
/// A caller's page: what is mapped is mapped in whole pages, so reads do not cross into the next one before they must.
const PAGE: usize = 4096;

/// Puts a filter on all threads of this process and gives its listener.
///
/// # Errors
/// The system's reason, such as that this process has a listener already (`EBUSY`).
pub(super) fn install(program: &[libc::sock_filter]) -> io::Result<OwnedFd> {
    let len = u16::try_from(program.len()).map_err(|_| io::Error::other("the filter is too long"))?;
    let described = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_TSYNC | libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
    // SAFETY: prctl with integers; without it a process that is not root may not install a filter.
    checked(i64::from(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }))?;
    // SAFETY: the description points at `len` live instructions, which the system copies before it returns.
    let listener = checked(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const described) })?;
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(listener as RawFd) })
}

/// What came over the supervisor's socket.
pub(super) enum Delivered {
    /// A process is under the filter.
    Listener {
        fd: OwnedFd,
        /// It is the worker, not a command.
        worker: bool,
        process: u32,
    },
    /// The system refused the filter.
    Refused(String),
}

/// Sends a listener.
pub(super) fn send_listener(stream: &UnixStream, listener: &OwnedFd) -> io::Result<()> {
    let mut byte = [OF_COMMAND];
    let mut piece = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: byte.len() };
    // Of u64, so that it is aligned as a header must be.
    let mut control = [0u64; 8];
    let message = header(&mut piece, &mut control);
    // SAFETY: `control` has room for one header with one descriptor, so the header is not null and its data lies within; the message's pointers live.
    let sent = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
        libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(listener.as_raw_fd());
        libc::sendmsg(stream.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL)
    };
    checked(sent as i64).map(drop)
}

/// Tells why there is no listener.
pub(super) fn send_refusal(mut stream: &UnixStream, reason: &io::Error) -> io::Result<()> {
    stream.write_all(format!("!{reason}").as_bytes())
}

/// Receives what [`send_listener`] or [`send_refusal`] sent.
pub(super) fn receive(stream: &UnixStream) -> io::Result<Delivered> {
    let mut byte = [0u8];
    let mut piece = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: byte.len() };
    let mut control = [0u64; 8];
    let mut message = header(&mut piece, &mut control);
    // SAFETY: the message's pointers live and are as long as it says.
    let got = checked(unsafe { libc::recvmsg(stream.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) } as i64)?;
    // SAFETY: the system wrote the control data that the message describes; a header that it gives lies within, and is followed by its data.
    let listener = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        let rights = !header.is_null() && (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS;
        rights.then(|| OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned()))
    };
    match listener {
        Some(fd) if got == 1 && matches!(byte[0], OF_WORKER | OF_COMMAND) => {
            Ok(Delivered::Listener { fd, worker: byte[0] == OF_WORKER, process: peer(stream)? })
        }
        _ if got == 1 && byte[0] == b'!' => {
            let mut text = String::new();
            stream.take(REASON_BYTES).read_to_string(&mut text)?;
            Ok(Delivered::Refused(text))
        }
        _ => Err(io::Error::other("neither a listener nor a reason")),
    }
}

/// The process at the other end of a socket.
fn peer(stream: &UnixStream) -> io::Result<u32> {
    let mut who = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: room for one result of the length that is given.
    checked(i64::from(unsafe { libc::getsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut who).cast(), &raw mut length) }))?;
    Ok(who.pid as u32)
}

/// A message of one piece with room for one descriptor.
fn header(piece: &mut libc::iovec, control: &mut [u64; 8]) -> libc::msghdr {
    // SAFETY: all zeroes is a valid `msghdr`.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = piece;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: plain arithmetic.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<RawFd>() as u32) } as _;
    message
}

/// A trapped call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trapped {
    /// Of this call, for its answer.
    pub(super) id: u64,
    /// The calling thread, as this process's namespace numbers it.
    pub(super) thread: u32,
    pub(super) number: i64,
    pub(super) arguments: [u64; 6],
}

/// The receiving end of a filter.
pub(super) struct Listener(OwnedFd);

impl Listener {
    /// Takes a listener over; callers are woken at once where the system can (6.6), which takes 5 µs a call instead of 60.
    pub(super) fn new(fd: OwnedFd) -> Self {
        // SAFETY: an ioctl with an integer; older systems refuse it, and then calls are only slower.
        unsafe { libc::ioctl(fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS as _, 1u64) };
        Self(fd)
    }

    /// Waits for the next call; `None` when no process is under the filter any more.
    pub(super) fn next(&self) -> io::Result<Option<Trapped>> {
        loop {
            if !self.wait()? {
                return Ok(None);
            }
            // SAFETY: all zeroes is a valid notification, and what the system asks for.
            let mut one: libc::seccomp_notif = unsafe { std::mem::zeroed() };
            // SAFETY: RECV writes one notification.
            let got = unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV as _, &raw mut one) };
            if got == 0 {
                return Ok(Some(Trapped { id: one.id, thread: one.pid, number: i64::from(one.data.nr), arguments: one.data.args }));
            }
            match io::Error::last_os_error() {
                // ENOENT: the caller was killed or interrupted before its call was received.
                error if matches!(error.raw_os_error(), Some(libc::EINTR | libc::ENOENT)) => {}
                error => return Err(error),
            }
        }
    }

    /// Waits until there is a call; `false` when there will be none.
    fn wait(&self) -> io::Result<bool> {
        let mut polled = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        loop {
            // SAFETY: one valid entry.
            match unsafe { libc::poll(&raw mut polled, 1, -1) } {
                n if n > 0 => return Ok(polled.revents & libc::POLLIN != 0),
                _ => match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::Interrupted => {}
                    error => return Err(error),
                },
            }
        }
    }

    /// Lets the call run as if it had not been trapped.
    pub(super) fn proceed(&self, id: u64) {
        self.answer(id, 0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32);
    }

    /// The call fails with this errno.
    pub(super) fn fail(&self, id: u64, errno: i32) {
        self.answer(id, 0, -errno.abs(), 0);
    }

    /// The call succeeds with this value and does nothing.
    pub(super) fn succeed(&self, id: u64, value: i64) {
        self.answer(id, value, 0, 0);
    }

    fn answer(&self, id: u64, value: i64, error: i32, flags: u32) {
        let response = libc::seccomp_notif_resp { id, val: value, error, flags };
        // SAFETY: SEND reads one response. It fails only if the caller is gone, and then nobody waits.
        unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND as _, &raw const response) };
    }

    /// Whether the caller still waits: what was read from it is its own.
    pub(super) fn waits(&self, id: u64) -> bool {
        // SAFETY: ID_VALID reads one integer.
        unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID as _, &raw const id) == 0 }
    }

    /// Puts a file into the caller's table, at a number or at the lowest free one, and makes that the call's result.
    ///
    /// # Errors
    /// The caller is gone, or may not have that number.
    pub(super) fn give(&self, id: u64, file: &OwnedFd, at: Option<RawFd>, close_on_exec: bool) -> io::Result<RawFd> {
        let set = if at.is_some() { libc::SECCOMP_ADDFD_FLAG_SETFD as u32 } else { 0 };
        self.add(id, file, at, set | libc::SECCOMP_ADDFD_FLAG_SEND as u32, close_on_exec)
    }

    /// Puts a file in the place of one of the caller's, and does not answer the call.
    pub(super) fn put(&self, id: u64, file: &OwnedFd, at: RawFd) -> io::Result<RawFd> {
        self.add(id, file, Some(at), libc::SECCOMP_ADDFD_FLAG_SETFD as u32, true)
    }

    fn add(&self, id: u64, file: &OwnedFd, at: Option<RawFd>, flags: u32, close_on_exec: bool) -> io::Result<RawFd> {
        let newfd_flags = if close_on_exec { libc::O_CLOEXEC as u32 } else { 0 };
        let request = libc::seccomp_notif_addfd { id, flags, srcfd: file.as_raw_fd() as u32, newfd: at.unwrap_or(0) as u32, newfd_flags };
        // SAFETY: ADDFD reads one request.
        let got = unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ADDFD as _, &raw const request) };
        checked(i64::from(got)).map(|fd| fd as RawFd)
    }
}

/// Reads a text that ends with a NUL, of at most `PATH_MAX` bytes, from a thread's memory.
pub(super) fn read_text(thread: u32, address: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(256);
    while text.len() < libc::PATH_MAX as usize {
        let at = address + text.len() as u64;
        let mut buffer = [0u8; PAGE];
        let room = PAGE - (at as usize % PAGE);
        let got = read_memory(thread, at, &mut buffer[..room])?;
        match buffer[..got].iter().position(|&byte| byte == 0) {
            Some(end) => {
                text.extend_from_slice(&buffer[..end]);
                return Ok(text);
            }
            None if got == 0 => break,
            None => text.extend_from_slice(&buffer[..got]),
        }
    }
    Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG))
}

/// Reads up to the buffer's length.
pub(super) fn read_memory(thread: u32, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let here = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let there = libc::iovec { iov_base: address as *mut _, iov_len: buffer.len() };
    // SAFETY: the buffer is valid for its length; the other address is checked by the system.
    match checked(unsafe { libc::process_vm_readv(thread as i32, &raw const here, 1, &raw const there, 1, 0) } as i64) {
        Ok(n) => Ok(n as usize),
        // Some hosts forbid the call and not the file.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS)) => File::open(format!("/proc/{thread}/mem"))?.read_at(buffer, address),
        Err(error) => Err(error),
    }
}

/// Writes bytes where a caller wants its result.
pub(super) fn write_memory(thread: u32, address: u64, bytes: &[u8]) -> io::Result<()> {
    let here = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let there = libc::iovec { iov_base: address as *mut _, iov_len: bytes.len() };
    // SAFETY: the bytes are valid for their length and only read; the other address is checked by the system.
    match checked(unsafe { libc::process_vm_writev(thread as i32, &raw const here, 1, &raw const there, 1, 0) } as i64) {
        Ok(n) if n as usize == bytes.len() => Ok(()),
        Ok(_) => Err(io::Error::from_raw_os_error(libc::EFAULT)),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS)) => {
            File::options().write(true).open(format!("/proc/{thread}/mem"))?.write_all_at(bytes, address)
        }
        Err(error) => Err(error),
    }
}

/// Opens a file with flags of the system's.
pub(super) fn open(path: &Path, flags: i32) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a NUL-terminated path.
    let fd = checked(i64::from(unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, 0o600) }))?;
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// What `stat` writes, with the permissions that `fixed` makes of the true ones.
pub(super) fn stat_bytes(path: &Path, fixed: impl Fn(u32) -> u32) -> io::Result<Vec<u8>> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: all zeroes is a valid `stat`.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: a NUL-terminated path and room for one result.
    checked(i64::from(unsafe { libc::lstat(path.as_ptr(), &raw mut stat) }))?;
    stat.st_mode = fixed(stat.st_mode);
    // SAFETY: any initialised structure of integers is bytes; the C library's is the system's on the machines that we run on (64 bit).
    Ok(unsafe { std::slice::from_raw_parts((&raw const stat).cast::<u8>(), size_of::<libc::stat>()) }.to_vec())
}

/// The same for `statx`.
pub(super) fn statx_bytes(path: &Path, flags: i32, mask: u32, fixed: impl Fn(u32) -> u32) -> io::Result<Vec<u8>> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: all zeroes is a valid `statx`.
    let mut stat: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: a NUL-terminated path and room for one result.
    checked(unsafe { libc::syscall(libc::SYS_statx, libc::AT_FDCWD, path.as_ptr(), flags | libc::AT_SYMLINK_NOFOLLOW, mask, &raw mut stat) })?;
    stat.stx_mode = fixed(u32::from(stat.stx_mode)) as u16;
    // SAFETY: any initialised structure of integers is bytes; this one is the system's own.
    Ok(unsafe { std::slice::from_raw_parts((&raw const stat).cast::<u8>(), size_of::<libc::statx>()) }.to_vec())
}

/// Runs `child` in a fork of this process and gives its exit code; `None` if it did not end within `limit`, and then it was killed. `child` may call the
/// system and nothing else: other threads' locks are held for ever in a fork.
pub(super) fn in_fork(limit: Duration, child: impl FnOnce() -> i32) -> io::Result<Option<i32>> {
    // SAFETY: the child calls only what the caller promises, and ends without running anything of ours.
    let pid = checked(i64::from(unsafe { libc::fork() }))? as libc::pid_t;
    if pid == 0 {
        let code = child();
        // SAFETY: never returns.
        unsafe { libc::_exit(code) }
    }
    let began = std::time::Instant::now();
    loop {
        let mut status = 0;
        // SAFETY: waits for our own child; writes one integer.
        let ended = checked(i64::from(unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) }))?;
        if ended != 0 {
            return Ok(Some(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -1 }));
        }
        if began.elapsed() > limit {
            // SAFETY: our own child, which was not waited for yet.
            unsafe {
                libc::kill(pid, libc::SIGKILL);
                libc::waitpid(pid, &raw mut status, 0);
            }
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Opens and closes a file by the bare system call: for children of [`in_fork`].
pub(super) fn try_open(path: &std::ffi::CStr) -> bool {
    // SAFETY: a NUL-terminated path; the descriptor is ours.
    unsafe {
        let fd = libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), libc::O_RDONLY);
        if fd >= 0 {
            libc::close(fd as RawFd);
        }
        fd >= 0
    }
}

/// Whether somebody has the file open for writing: then the system gives no lease on it. `None` where it gives none anyway.
pub(super) fn is_being_written(file: &File) -> Option<bool> {
    static DEAF: std::sync::Once = std::sync::Once::new();
    // SAFETY: ignoring a signal. It comes when somebody wants to write in the moment of the lease, and would end the process.
    DEAF.call_once(|| unsafe {
        libc::signal(libc::SIGIO, libc::SIG_IGN);
    });
    // SAFETY: takes and returns a lease on a descriptor that lives; no memory is involved.
    let lease = |kind: i32| checked(i64::from(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) }));
    match lease(libc::F_RDLCK) {
        Ok(_) => {
            let _ = lease(libc::F_UNLCK);
            Some(false)
        }
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Some(true),
        Err(_) => None,
    }
}

/// How many files this process may have open.
pub(super) fn open_files_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: room for one result.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0 { limit.rlim_cur } else { 0 }
}

/// The user of this process.
pub(super) fn user() -> u32 {
    // SAFETY: no preconditions.
    unsafe { libc::geteuid() }
}

/// The reason of the last call for a negative result.
pub(super) fn checked(result: i64) -> io::Result<i64> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
