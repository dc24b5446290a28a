//! The way to the kernel: whole frames, one at a time, written straight to the stream.
//!
//! There is no queue: who sends waits until the bytes are taken. So a cell that prints 200 MB is slowed by
//! a slow kernel and costs no memory. The reader thread never sends, so interrupts always get through.
use crate::os;
use ochre_link::{Bundle, FrameError, FromWorker, frame};
use std::os::fd::RawFd;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often a bounded sender looks whether the stream is free, in milliseconds.
const RETRY: Duration = Duration::from_millis(2);

/// The sending half of the link.
pub struct Out {
    fd: RawFd,
    lock: Mutex<()>,
}

impl Out {
    pub fn new(fd: RawFd) -> Self {
        Self { fd, lock: Mutex::new(()) }
    }

    /// Sends a message; returns when its bytes are taken. A kernel that is gone ends this process.
    pub fn send(&self, message: FromWorker) {
        if os::is_fork() {
            return;
        }
        let bytes = encoded(message);
        let _turn = self.lock.lock().unwrap_or_else(|e| e.into_inner());
        if !os::write_all(self.fd, &bytes) {
            os::end_without_kernel();
        }
    }

    /// Sends if the stream becomes free in time: for a dying process, where a lock's holder may be dead too.
    pub fn send_within(&self, message: FromWorker, bound: Duration) -> bool {
        let bytes = encoded(message);
        let begun = Instant::now();
        loop {
            if let Ok(_turn) = self.lock.try_lock() {
                return os::write_all(self.fd, &bytes);
            }
            if begun.elapsed() > bound {
                return false;
            }
            std::thread::sleep(RETRY);
        }
    }
}

/// The frame of a message; what is too long to be sent is replaced by a note that says so.
fn encoded(mut message: FromWorker) -> Vec<u8> {
    match frame::encode(&message) {
        Ok(bytes) => return bytes,
        Err(FrameError::TooLong { len }) => shorten(&mut message, len),
        Err(_) => {}
    }
    frame::encode(&message).unwrap_or_default()
}

fn shorten(message: &mut FromWorker, len: usize) {
    let note = Bundle::plain(format!("<a value of {len} bytes, too long to be shown; show a part of it>"));
    match message {
        FromWorker::Display { bundle, .. } => *bundle = note,
        FromWorker::Finished { value, .. } => *value = Some(note),
        FromWorker::Event { payload, .. } | FromWorker::Request { payload, .. } => payload.clear(),
        FromWorker::Comm(comm) => comm.buffers.clear(),
        _ => {}
    }
}
