//! What the supervisor (in the kernel) and the mount process say to each other, over a unix socket that the mount process has in its state directory:
//! one JSON object a line, one question at a time on a connection, as many connections as there are callers that wait.
//!
//! ```text
//! {"ask":"open","path":"a/b.csv","flags":0}  -->   {"still":true}…   {"errno":0,"is":"file"}
//! ```
//! While an answer takes long the mount process says so every [`STILL_EVERY`]; who hears nothing for [`SILENCE`] gives up, so nobody hangs on a mount
//! process that does.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often a mount process says that it still works.
pub(super) const STILL_EVERY: Duration = Duration::from_secs(2);
/// How long a mount process may be silent before it counts as dead.
const SILENCE: Duration = Duration::from_secs(20);
/// Connections that are kept for later callers.
const IDLE_CONNECTIONS: usize = 16;

/// A question about a path in the mount ("" is its root).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(super) enum Ask {
    /// Make it be there, as a placeholder at least.
    Look { path: String },
    /// Make it ready to be opened with these flags of `open`.
    Open { path: String, flags: i32 },
    /// The file that `Open` staged is handed to this process. `worker`: it closes what it has finished, and what it has not when it dies is nothing.
    Begun { id: u64, process: u32, worker: bool },
    /// It could not be handed over.
    Dropped { id: u64 },
    /// This process ends of its own will: what it has written, it wanted to write.
    Exits { process: u32 },
    /// Send what a staged file holds, now.
    Finish { id: u64 },
    Delete { path: String, directory: bool },
    MakeDirectory { path: String },
    Rename { from: String, to: String, exclusive: bool },
}

/// What a path is, or what became of the wish.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// 0 is success.
    #[serde(default)]
    pub(super) errno: i32,
    /// The answer is still to come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) still: bool,
    /// A file that is filled and can be opened where it lies.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) filled: bool,
    /// The file to write into instead, and its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) staged: Option<(u64, PathBuf)>,
    /// The mount cannot be written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) read_only: bool,
}

impl Answer {
    pub(super) fn failed(errno: i32) -> Self {
        Self { errno, ..Self::default() }
    }
}

/// The way to one mount process.
pub(super) struct Client {
    socket: PathBuf,
    idle: Mutex<Vec<BufReader<UnixStream>>>,
}

impl Client {
    pub(super) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), idle: Mutex::default() }
    }

    /// Asks and waits. A mount process that is dead or silent is `EIO`.
    pub(super) fn ask(&self, ask: &Ask) -> Answer {
        // A kept connection may be one to a process that has ended since.
        let kept = self.lock().pop();
        let answer = match kept {
            Some(stream) => self.over(stream, ask).or_else(|_| self.over(self.connect()?, ask)),
            None => self.connect().and_then(|stream| self.over(stream, ask)),
        };
        answer.unwrap_or_else(|_| Answer::failed(libc::EIO))
    }

    fn connect(&self) -> io::Result<BufReader<UnixStream>> {
        let stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        Ok(BufReader::new(stream))
    }

    fn over(&self, mut stream: BufReader<UnixStream>, ask: &Ask) -> io::Result<Answer> {
        let mut line = serde_json::to_vec(ask)?;
        line.push(b'\n');
        stream.get_mut().write_all(&line)?;
        let mut text = String::new();
        loop {
            text.clear();
            if stream.read_line(&mut text)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let answer: Answer = serde_json::from_str(&text)?;
            if !answer.still {
                let mut idle = self.lock();
                if idle.len() < IDLE_CONNECTIONS {
                    idle.push(stream);
                }
                return Ok(answer);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<BufReader<UnixStream>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
