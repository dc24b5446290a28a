//! A filter over the opens of this process and of the programs that it starts, so that files of a mount can be fetched before they are read where the
//! host forbids FUSE. Which calls are asked about and how they are answered is the kernel's: here the filter is installed, and its listener handed over.
//!
//! ```text
//! kernel --TrapOpens{socket, program}--> install on all threads --listener (or why not)--> socket
//! ```
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of one instruction of a filter (`struct sock_filter`).
const INSTRUCTION_BYTES: usize = size_of::<libc::sock_filter>();
/// First byte to the socket when a listener comes with it.
const LISTENER: u8 = b'L';
/// First byte to the socket when a reason follows.
const REFUSED: u8 = b'!';

static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Installs the filter once; how that went is told to the socket. Without a socket nothing is installed: nobody would answer.
pub fn install(socket: &str, program: &[u8]) {
    if INSTALLED.load(Ordering::SeqCst) {
        return;
    }
    let Ok(mut stream) = UnixStream::connect(socket) else { return };
    match filter(program) {
        Ok(listener) => {
            INSTALLED.store(true, Ordering::SeqCst);
            // Kept open here it would make opens wait for ever once the kernel is gone; it is closed when this returns.
            let _ = hand_over(&stream, &listener);
        }
        Err(error) => {
            let mut text = vec![REFUSED];
            text.extend_from_slice(error.to_string().as_bytes());
            let _ = stream.write_all(&text);
        }
    }
}

/// Puts the filter on all threads and gives its listener.
fn filter(program: &[u8]) -> io::Result<OwnedFd> {
    if program.is_empty() || !program.len().is_multiple_of(INSTRUCTION_BYTES) {
        return Err(io::Error::other("the kernel sent no filter"));
    }
    // Copied, because bytes from the link are not aligned as instructions are.
    let mut instructions: Vec<libc::sock_filter> = program
        .chunks_exact(INSTRUCTION_BYTES)
        .map(|b| libc::sock_filter { code: u16::from_ne_bytes([b[0], b[1]]), jt: b[2], jf: b[3], k: u32::from_ne_bytes([b[4], b[5], b[6], b[7]]) })
        .collect();
    let count = u16::try_from(instructions.len()).map_err(|_| io::Error::other("the filter is too long"))?;
    let described = libc::sock_fprog { len: count, filter: instructions.as_mut_ptr() };
    // With TSYNC a thread that cannot be synchronised would be reported as a number that looks like a descriptor.
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_TSYNC | libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
    // SAFETY: prctl with integers; without it a process that is not root may not install a filter.
    let allowed = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    if allowed != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the description points at `count` live instructions, which the system copies before it returns.
    let listener = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const described) };
    if listener < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(listener as i32) })
}

/// Sends the listener over the socket.
fn hand_over(stream: &UnixStream, listener: &OwnedFd) -> io::Result<()> {
    let mut byte = [LISTENER];
    let mut piece = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: byte.len() };
    // Of u64, so that it is aligned as a header must be.
    let mut control = [0u64; 8];
    // SAFETY: all zeroes is a valid `msghdr`.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: plain arithmetic.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<i32>() as u32) } as _;
    // SAFETY: `control` has room for one header with one descriptor, so the header is not null and its data lies within; the message's pointers live.
    let sent = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<i32>() as u32) as _;
        libc::CMSG_DATA(header).cast::<i32>().write_unaligned(listener.as_raw_fd());
        libc::sendmsg(stream.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
