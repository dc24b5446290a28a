//! What keeps secrets inside the process: no cores, no readers of its memory, and a stderr without secrets.
//!
//! Called once, at the start of `ochre kernel` and `ochre run`, before there is any secret. The programs that they start are themselves again: a
//! worker can be traced (the mount's supervisor reads its memory), but writes no core either unless its limit is raised.
use ochre_secrets::Redactor;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use std::io::ErrorKind;
use std::thread::JoinHandle;
use std::time::Duration;

/// Bytes of the log that are read at once: what a pipe holds.
const READ_BYTES: usize = 64 << 10;
/// How long the log's thread may take to write the last lines; a program that was started may still hold the pipe.
const LAST_LINES: Duration = Duration::from_millis(200);

/// No core holds this process's memory, and nobody but root reads it while it lives, cells of the same user included.
pub fn harden() {
    // Where the system refuses either (an odd container), the kernel works as it did before.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let limit = rustix::process::getrlimit(Resource::Core);
    let _ = rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: limit.maximum });
}

/// While it lives, all that this process and its threads write to stderr is redacted.
pub struct Log {
    original: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Log {
    /// Puts a pipe in stderr's place. Where that cannot be, stderr stays as it is.
    pub fn redacted(redactor: Redactor) -> Self {
        Self::start(redactor).unwrap_or(Self { original: None, thread: None })
    }

    fn start(redactor: Redactor) -> std::io::Result<Self> {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let original = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)?;
        let out = original.try_clone()?;
        let thread = std::thread::Builder::new().name("log".into()).spawn(move || pass(&read, &out, &redactor))?;
        rustix::stdio::dup2_stderr(&write)?;
        Ok(Self { original: Some(original), thread: Some(thread) })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // The last writer of the pipe goes, and the thread ends with its last line.
        if let Some(original) = self.original.take() {
            let _ = rustix::stdio::dup2_stderr(&original);
        }
        let Some(thread) = self.thread.take() else { return };
        let end = std::time::Instant::now() + LAST_LINES;
        while !thread.is_finished() && std::time::Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Reads the pipe to its end; what may be the beginning of a secret waits as long as its stream says.
fn pass(read: &OwnedFd, out: &OwnedFd, redactor: &Redactor) {
    let mut stream = redactor.stream();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let patience = stream.patience().and_then(|time| Timespec::try_from(time).ok());
        let mut ready = [PollFd::new(read, PollFlags::IN)];
        let shown = match poll(&mut ready, patience.as_ref()) {
            Ok(0) => stream.release(),
            Ok(_) => match rustix::io::read(read, &mut buffer) {
                Ok(0) => break,
                Ok(n) => stream.push(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            },
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        write(out, &shown);
    }
    write(out, &stream.finish());
}

/// A log that nobody reads any more is no reason to end.
fn write(out: &OwnedFd, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(out, bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ochre_secrets::Secret;

    #[test]
    fn memory_is_for_this_process_alone() {
        // A kernel that crashes leaves no core, and nobody reads its memory while it lives.
        harden();
        assert_eq!(rustix::process::dumpable_behavior().ok(), Some(DumpableBehavior::NotDumpable));
        assert_eq!(rustix::process::getrlimit(Resource::Core).current, Some(0));
    }

    #[test]
    fn a_log_passes_without_secrets_and_to_its_last_line() {
        let redactor = Redactor::new();
        redactor.know(&Secret::from("s3cr3t-value"));
        let (read, write_end) = rustix::pipe::pipe().expect("a pipe");
        let (log, out) = rustix::pipe::pipe().expect("a pipe");
        let thread = std::thread::spawn(move || pass(&read, &out, &redactor));
        for piece in [&b"a line\xff\nwith s3cr3t"[..], b"-value in it\nand the end s3"] {
            write(&write_end, piece);
        }
        drop(write_end);
        thread.join().expect("ends with the pipe");
        let mut buffer = [0; 256];
        let n = rustix::io::read(&log, &mut buffer).expect("reads");
        assert_eq!(&buffer[..n], b"a line\xff\nwith [REDACTED] in it\nand the end s3");
    }
}
