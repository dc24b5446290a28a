//! The few system calls that std does not offer: descriptors, pipes, process identity.
use libc::c_int;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, Ordering};

/// Lowest number of a private descriptor: user code that closes and reopens the standard ones never hits it.
const PRIVATE_FROM: c_int = 100;
/// The same where few files may be open: just above the standard ones.
const PRIVATE_FALLBACK: c_int = 3;
/// Wanted capacity of an output pipe in bytes: a cell prints that much without waiting for the pump.
const PIPE_BYTES: c_int = 1 << 20;

/// The process that speaks on the link; a fork of it must not.
static OWNER: AtomicI32 = AtomicI32::new(0);
/// The link's descriptors, closed in forked children so that the kernel sees the end of the stream.
static LINK: [AtomicI32; 2] = [AtomicI32::new(-1), AtomicI32::new(-1)];

/// True in a child that user code forked.
pub fn is_fork() -> bool {
    // SAFETY: getpid has no preconditions.
    OWNER.load(Ordering::Relaxed) != unsafe { libc::getpid() }
}

/// Declares this process the worker and these descriptors its link.
pub fn own(link_in: RawFd, link_out: RawFd) {
    // SAFETY: getpid has no preconditions; the handler only calls close, which is allowed after a fork.
    unsafe {
        OWNER.store(libc::getpid(), Ordering::SeqCst);
        LINK[0].store(link_in, Ordering::SeqCst);
        LINK[1].store(link_out, Ordering::SeqCst);
        libc::pthread_atfork(None, None, Some(in_child));
    }
}

unsafe extern "C" fn in_child() {
    for fd in &LINK {
        let fd = fd.load(Ordering::Relaxed);
        if fd >= 0 {
            // SAFETY: the child's own copy of the descriptor.
            unsafe { libc::close(fd) };
        }
    }
}

/// A private copy of a descriptor, not inherited by programs that cells start.
pub fn private_copy(fd: RawFd) -> io::Result<RawFd> {
    // SAFETY: fcntl with an integer argument.
    let copy = |from: c_int| check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, from) });
    // A low limit of open files may forbid the wanted number.
    copy(PRIVATE_FROM).or_else(|_| copy(PRIVATE_FALLBACK))
}

/// Makes `to` another name of `from`.
pub fn replace(from: RawFd, to: RawFd) -> io::Result<()> {
    // SAFETY: dup2 on integers.
    check(unsafe { libc::dup2(from, to) }).map(drop)
}

/// Whether a descriptor is open.
pub fn is_open(fd: RawFd) -> bool {
    // SAFETY: fcntl without argument.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
}

pub fn close(fd: RawFd) {
    // SAFETY: the caller owns the descriptor.
    unsafe { libc::close(fd) };
}

/// A pipe: its private reading end (which does not block) and its private writing end.
pub fn pipe() -> io::Result<(RawFd, RawFd)> {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two descriptors.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    let (read, write) = (private_copy(ends[0])?, private_copy(ends[1])?);
    close(ends[0]);
    close(ends[1]);
    // SAFETY: fcntl with integer arguments. A refused size leaves the default of 64 KiB.
    unsafe {
        libc::fcntl(read, libc::F_SETFL, libc::O_NONBLOCK);
        libc::fcntl(write, libc::F_SETPIPE_SZ, PIPE_BYTES);
    }
    Ok((read, write))
}

/// Bytes that wait in a pipe.
pub fn waiting(fd: RawFd) -> usize {
    let mut bytes: c_int = 0;
    // SAFETY: FIONREAD writes one int.
    if unsafe { libc::ioctl(fd, libc::FIONREAD, &mut bytes) } == 0 { bytes.max(0) as usize } else { 0 }
}

/// Reads what is there, up to the buffer's length; zero when nothing is.
pub fn read_some(fd: RawFd, buffer: &mut [u8]) -> usize {
    loop {
        // SAFETY: the buffer is valid for its length.
        let n = unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) };
        if n >= 0 {
            return n as usize;
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return 0;
        }
    }
}

/// Waits until one of two pipes has something to read.
pub fn wait_readable(fds: [RawFd; 2]) {
    let mut polled = fds.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // SAFETY: two valid entries.
    unsafe { libc::poll(polled.as_mut_ptr(), 2, -1) };
}

/// Writes all bytes; false when the other side is gone.
pub fn write_all(fd: RawFd, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        // SAFETY: the slice is valid for its length.
        let n = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
        if n >= 0 {
            bytes = &bytes[n as usize..];
            continue;
        }
        match io::Error::last_os_error().kind() {
            io::ErrorKind::Interrupted => {}
            // A transport that handed us a non-blocking stream: wait until it takes more.
            io::ErrorKind::WouldBlock => {
                let mut polled = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
                // SAFETY: one valid entry.
                unsafe { libc::poll(&mut polled, 1, -1) };
            }
            _ => return false,
        }
    }
    true
}

/// The name of this machine.
pub fn host_name() -> String {
    let mut name = [0u8; 256];
    // SAFETY: the buffer is valid for its length; the last byte stays zero.
    unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) };
    let end = name.iter().position(|&b| b == 0).unwrap_or(0);
    String::from_utf8_lossy(&name[..end]).into_owned()
}

/// Makes C's `stdout` send each line when it is complete, as Rust's does.
pub fn line_buffer_c_stdout() {
    unsafe extern "C" {
        static mut stdout: *mut libc::FILE;
    }
    // SAFETY: before any thread exists, and nothing was printed yet.
    unsafe { libc::setvbuf(stdout, std::ptr::null_mut(), libc::_IOLBF, 0) };
}

/// Ends this process at once, without destructors: nobody would see what they do.
pub fn end(code: i32) -> ! {
    // SAFETY: never returns.
    unsafe { libc::_exit(code) }
}

/// The kernel is gone: so is the reason to live.
pub fn end_without_kernel() -> ! {
    crate::libraries::remove_directory();
    end(ochre_link::EXIT_LINK_LOST)
}

fn check(result: c_int) -> io::Result<c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
