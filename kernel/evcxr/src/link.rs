//! The link to the kernel: taken off the standard descriptors, so that nothing that evcxr prints gets into it.
use anyhow::Context;
use ochre_link::{CellId, FrameError, FromWorker, Stream, frame};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::File;
use std::io::{BufReader, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Longest piece of output in one message, in bytes: messages of a few do not hold up an interrupt.
const PIECE: usize = 64 << 10;
/// Descriptors below are the standard ones.
const FIRST_PRIVATE: i32 = 3;

/// Where the kernel speaks.
pub type Reader = BufReader<File>;

/// Where it listens; shared by all threads.
#[derive(Clone)]
pub struct Out {
    file: Arc<Mutex<File>>,
    /// The cell that outputs belong to: the running one, or the last.
    cell: Arc<AtomicU64>,
}

impl Out {
    /// Sends a message. A kernel that is gone is noticed by the reader.
    pub fn send(&self, message: &FromWorker) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = frame::write(&mut *file, message);
        if let Err(FrameError::TooLong { .. } | FrameError::Encode(_)) = sent {
            drop(file);
            self.print(Stream::Stderr, b"ochre-evcxr: an output is too large to be sent and was left out\n");
        }
    }

    /// Sends what a cell, or evcxr, has printed.
    pub fn print(&self, stream: Stream, bytes: &[u8]) {
        let cell = self.cell();
        for piece in bytes.chunks(PIECE) {
            self.send(&FromWorker::Stream { cell, stream, bytes: piece.to_vec() });
        }
    }

    /// Outputs belong to this cell from now on.
    pub fn begin(&self, cell: CellId) {
        self.cell.store(cell.0, Ordering::SeqCst);
    }

    /// The running cell, or the last.
    pub fn cell(&self) -> CellId {
        CellId(self.cell.load(Ordering::SeqCst))
    }
}

/// Takes the link; what this process prints from now on comes out of the returned stream.
pub fn take() -> anyhow::Result<(Reader, Out, File)> {
    let reader = File::from(fcntl_dupfd_cloexec(rustix::stdio::stdin(), FIRST_PRIVATE).context("stdin cannot be taken")?);
    let writer = File::from(fcntl_dupfd_cloexec(rustix::stdio::stdout(), FIRST_PRIVATE).context("stdout cannot be taken")?);
    let nothing = File::open("/dev/null").context("/dev/null cannot be opened")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    let (printed, print) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::stdio::dup2_stdout(&print)?;
    rustix::stdio::dup2_stderr(&print)?;
    let out = Out { file: Arc::new(Mutex::new(writer)), cell: Arc::default() };
    Ok((BufReader::new(reader), out, File::from(printed)))
}

/// Shows what evcxr itself prints, such as which crates it compiles, as the running cell's stderr.
pub fn show_own_output(mut printed: File, out: &Out) {
    let mut chunk = vec![0; PIECE];
    while let Ok(n) = printed.read(&mut chunk)
        && n > 0
    {
        out.print(Stream::Stderr, &chunk[..n]);
    }
}
