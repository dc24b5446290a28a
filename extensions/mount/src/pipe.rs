//! The two pipes to the kernel. A thread reads stdin and a thread writes stdout, so that a kernel which neither reads nor writes holds nothing up.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use ochre_blobs::{BlobError, Grant, Grants, Location};
use tokio::sync::{mpsc, oneshot};

use crate::{FromMount, MountConfig, MountError, ToMount};

/// How long the kernel may take to find a credential: it may ask a service of its own.
const GRANT_LIMIT: Duration = Duration::from_secs(20);
/// How long the last lines may take to be written when the process ends.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);
/// A credential that ends within this time is asked for anew, in seconds.
const SOON: u64 = 60;

/// What came from the kernel.
pub(crate) enum Said {
    /// The first line.
    Config(Box<Result<MountConfig, MountError>>),
    /// The answer to a question.
    Answer {
        /// Of the question.
        id: u64,
        /// The credential, or why there is none.
        grant: Result<Grant, String>,
    },
    /// The kernel wants the mount to end, or is gone.
    End,
}

enum Out {
    Line(String),
    Flushed(oneshot::Sender<()>),
}

/// Both pipes. Clones share them.
#[derive(Clone)]
pub(crate) struct Pipe {
    shared: Arc<Shared>,
}

struct Shared {
    out: mpsc::UnboundedSender<Out>,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Result<Grant, String>>>>,
    last: AtomicU64,
}

impl Pipe {
    /// The pipes of this process.
    pub(crate) fn open() -> (Self, mpsc::UnboundedReceiver<Said>) {
        let (out, mut lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            let mut stdout = std::io::stdout();
            while let Some(line) = lines.blocking_recv() {
                match line {
                    Out::Line(line) => {
                        // A kernel that is gone is noticed at stdin.
                        let _ = stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush());
                    }
                    Out::Flushed(done) => drop(done.send(())),
                }
            }
        });
        let (say, said) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            read(&mut std::io::stdin().lock(), |line| say.send(line).is_ok());
        });
        (Self { shared: Arc::new(Shared { out, waiting: Mutex::default(), last: AtomicU64::new(0) }) }, said)
    }

    /// Writes a line.
    pub(crate) fn say(&self, message: &FromMount) {
        let _ = self.shared.out.send(Out::Line(message.to_line()));
    }

    /// Returns when all lines are written, or the kernel does not read them.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.shared.out.send(Out::Flushed(done)).is_ok() {
            let _ = tokio::time::timeout(FLUSH_LIMIT, written).await;
        }
    }

    /// The kernel's answer to a question.
    pub(crate) fn answer(&self, id: u64, grant: Result<Grant, String>) {
        if let Some(waiting) = self.waiting().remove(&id) {
            let _ = waiting.send(grant);
        }
    }

    /// Where the mount's credentials come from: `first`, and then the kernel.
    pub(crate) fn grants(&self, first: Option<&serde_json::Value>) -> Result<Arc<dyn Grants>, BlobError> {
        let first = first.map(|value| Grant::from_wire(value.to_string().as_bytes())).transpose()?;
        Ok(Arc::new(PipeGrants { pipe: self.clone(), held: Mutex::new(first) }))
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Result<Grant, String>>>> {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads lines until the end of the pipe or until `say` says that nobody listens.
fn read(input: &mut impl BufRead, mut say: impl FnMut(Said) -> bool) {
    let mut first = true;
    let mut line = String::new();
    loop {
        line.clear();
        if !matches!(input.read_line(&mut line), Ok(1..)) {
            say(Said::End);
            return;
        }
        let said = if std::mem::take(&mut first) {
            Said::Config(Box::new(MountConfig::from_wire(&line)))
        } else {
            match ToMount::from_line(&line) {
                Some(ToMount::Grant { id, grant }) => {
                    let grant = Grant::from_wire(grant.to_string().as_bytes()).map_err(|error| error.to_string());
                    Said::Answer { id, grant }
                }
                Some(ToMount::Refuse { id, error }) => Said::Answer { id, grant: Err(error) },
                Some(ToMount::End) => Said::End,
                // Of a later version.
                None => continue,
            }
        };
        if !say(said) {
            return;
        }
    }
}

/// Credentials from the kernel.
struct PipeGrants {
    pipe: Pipe,
    held: Mutex<Option<Grant>>,
}

#[async_trait]
impl Grants for PipeGrants {
    async fn grant(&self, location: &Location, refresh: bool) -> Result<Grant, BlobError> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(grant) = held.filter(|grant| !refresh && !ends_soon(grant)) {
            return Ok(grant);
        }
        let at = location.to_string();
        let id = self.pipe.shared.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (answer, answered) = oneshot::channel();
        self.pipe.waiting().insert(id, answer);
        self.pipe.say(&FromMount::Ask { id, grant: at.clone(), refresh });
        let answer = tokio::time::timeout(GRANT_LIMIT, answered).await;
        self.pipe.waiting().remove(&id);
        match answer {
            Ok(Ok(Ok(grant))) => {
                *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(grant.clone());
                Ok(grant)
            }
            Ok(Ok(Err(why))) => Err(BlobError::BadCredential { at, why }),
            Ok(Err(_)) | Err(_) => Err(BlobError::BadCredential { at, why: "the kernel gave none in time".to_owned() }),
        }
    }
}

fn ends_soon(grant: &Grant) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    grant.expires.is_some_and(|expires| expires < now + SOON)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ochre_blobs::Credential;

    #[test]
    fn lines_become_what_was_said_and_the_end_of_the_pipe_an_end() {
        let grant = String::from_utf8(Grant::new(Credential::Anonymous).to_wire()).unwrap();
        let lines = format!(
            "{}{{\"do\":\"dance\"}}\n{{\"do\":\"grant\",\"id\":3,\"grant\":{grant}}}\n{{\"do\":\"grant\",\"id\":4,\"grant\":{{}}}}\n{{\"do\":\"refuse\",\"id\":5,\"error\":\"no\"}}\n",
            MountConfig::new("s3://b", "/mnt/b").to_wire()
        );
        let mut heard = Vec::new();
        read(&mut lines.as_bytes(), |said| {
            heard.push(match said {
                Said::Config(config) => config.unwrap().location,
                Said::Answer { id, grant } => format!("{id} {}", grant.is_ok()),
                Said::End => "end".to_owned(),
            });
            true
        });
        assert_eq!(heard, ["s3://b", "3 true", "4 false", "5 false", "end"]);
    }

    #[test]
    fn a_credential_about_to_expire_is_not_used() {
        let mut grant = Grant::new(Credential::Anonymous);
        assert!(!ends_soon(&grant));
        grant.expires = Some(1);
        assert!(ends_soon(&grant));
        grant.expires = Some(u64::MAX / 2);
        assert!(!ends_soon(&grant));
    }
}
