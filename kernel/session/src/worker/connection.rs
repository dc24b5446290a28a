//! A conversation with one worker: frames out, frames in, and its end.
//!
//! ```text
//! send/post --> queue --> writer task --> stream        process task: kill, exit status
//! recv     <-- queue <-- reader task <-- stream
//! ```
//! The queue of events is bounded: who does not receive slows the worker down, not the memory up. What is
//! sent is bounded for libraries (the large ones) and free for controls, so an interrupt never waits.
use super::{Crash, Ended, How, Process, StartError, Started, Target};
use ochre_link::{EXIT_LINK_LOST, FrameError, FromWorker, ToWorker, VERSION, frame};
use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::timeout;

/// Events that may wait for the engine. With stream frames of 64 KiB this is at most 4 MiB.
const EVENT_QUEUE: usize = 64;
/// Bytes that may wait to be sent before [`Connection::send`] waits; a cell's library is some 10 kB.
const SEND_QUEUE_BYTES: usize = 64 << 20;
/// A new worker must answer in this time; a local one takes some 10 ms on an idle machine.
const GREETING_BOUND: Duration = Duration::from_secs(30);
/// After the process has ended its last frames are in the pipe: this long without any and all is read.
const LINGER: Duration = Duration::from_secs(1);
/// After the end of its stream a worker is about to exit; this is for a crash that writes a core file.
const EXIT_BOUND: Duration = Duration::from_secs(5);

/// What a worker says, or that it is no more.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Message(FromWorker),
    /// The last event; it is repeated if asked again.
    Closed(Ended),
}

/// The worker has ended; [`Connection::recv`] tells how.
#[derive(Debug, thiserror::Error)]
#[error("the worker has ended")]
pub struct Gone;

/// A live worker. Dropping it ends the worker.
pub struct Connection {
    handle: Handle,
    events: mpsc::Receiver<Event>,
    closed: Option<Ended>,
    libraries: HashSet<String>,
    pid: u32,
    host: String,
}

/// A frame that waits to be sent, and its share of [`SEND_QUEUE_BYTES`] if it was counted.
type Outgoing = (Vec<u8>, Option<OwnedSemaphorePermit>);

/// What may be done with a worker from any task while another one receives.
#[derive(Clone)]
pub struct Handle {
    queue: mpsc::UnboundedSender<Outgoing>,
    room: Arc<Semaphore>,
    kill: Arc<Notify>,
}

impl Handle {
    /// Sends a small message (interrupt, answer, comm) without waiting. Nothing happens if the worker is gone.
    pub fn post(&self, message: &ToWorker) {
        if let Ok(bytes) = frame::encode(message) {
            let _ = self.queue.send((bytes, None));
        }
    }

    /// Ends the worker at once; [`Connection::recv`] tells when it has.
    pub fn kill(&self) {
        self.kill.notify_one();
    }
}

impl Connection {
    /// Starts a worker and greets it. `prelude` names the prelude that cells are compiled against.
    pub async fn open(target: &dyn Target, prelude: &str) -> Result<Self, StartError> {
        let Started { reader, writer, process } = target.start().await?;
        let mut connection = Self::over(reader, writer, process);
        let hello = ToWorker::Hello { version: VERSION, prelude: prelude.to_owned() };
        connection.handle.post(&hello);
        let silent = StartError::Silent { target: target.name(), seconds: GREETING_BOUND.as_secs() };
        match timeout(GREETING_BOUND, connection.recv()).await.map_err(|_| silent)? {
            Event::Message(FromWorker::Hello { version: VERSION, pid, host }) => {
                (connection.pid, connection.host) = (pid, host);
                Ok(connection)
            }
            Event::Message(FromWorker::Refused { reason }) => Err(StartError::Refused { reason }),
            Event::Message(other) => Err(StartError::Refused {
                reason: format!("the worker on {} does not greet as this version of Ochre does ({other:?}); run `ochre install` again", target.name()),
            }),
            Event::Closed(ended) => Err(died(&target.name(), ended)),
        }
    }

    fn over(reader: Box<dyn AsyncRead + Send + Unpin>, writer: Box<dyn AsyncWrite + Send + Unpin>, process: Box<dyn Process>) -> Self {
        let (queue, outgoing) = mpsc::unbounded_channel();
        let (events_in, events) = mpsc::channel(EVENT_QUEUE);
        let (ended_in, ended) = watch::channel(None);
        let room = Arc::new(Semaphore::new(SEND_QUEUE_BYTES));
        let kill = Arc::new(Notify::new());
        tokio::spawn(write_all(writer, outgoing, room.clone()));
        tokio::spawn(watch_process(process, kill.clone(), ended_in));
        tokio::spawn(read_all(reader, events_in, ended, kill.clone()));
        let handle = Handle { queue, room, kill };
        Self { handle, events, closed: None, libraries: HashSet::new(), pid: 0, host: String::new() }
    }

    /// The worker's process id on its machine.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The name of its machine.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// For other tasks.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Sends a message; waits while too much is on the way.
    pub async fn send(&self, message: &ToWorker) -> Result<(), Gone> {
        let bytes = frame::encode(message).map_err(|_| Gone)?;
        let permits = bytes.len().min(SEND_QUEUE_BYTES) as u32;
        // The writer drops the permit when the bytes are written.
        let permit = self.handle.room.clone().acquire_many_owned(permits).await.map_err(|_| Gone)?;
        self.handle.queue.send((bytes, Some(permit))).map_err(|_| Gone)
    }

    /// Whether this worker was sent a library already, so that its bytes need not be read.
    pub fn has_library(&self, file: &str) -> bool {
        self.libraries.contains(file)
    }

    /// Sends a library once.
    pub async fn library(&mut self, file: &str, bytes: Vec<u8>) -> Result<(), Gone> {
        if self.has_library(file) {
            return Ok(());
        }
        self.send(&ToWorker::Library { file: file.to_owned(), bytes }).await?;
        self.libraries.insert(file.to_owned());
        Ok(())
    }

    /// The next event. Can be dropped and called again without loss.
    pub async fn recv(&mut self) -> Event {
        if let Some(ended) = &self.closed {
            return Event::Closed(ended.clone());
        }
        let event = self.events.recv().await.unwrap_or_else(|| Event::Closed(lost()));
        if let Event::Closed(ended) = &event {
            self.closed = Some(ended.clone());
        }
        event
    }

    /// Asks the worker to end, kills it when it does not within `bound`, and returns when it is gone.
    pub async fn shutdown(mut self, bound: Duration) -> Ended {
        self.handle.post(&ToWorker::Shutdown);
        if let Ok(ended) = timeout(bound, self.closed()).await {
            return ended;
        }
        self.handle.kill();
        self.closed().await
    }

    /// Drops messages until the worker has ended.
    async fn closed(&mut self) -> Ended {
        loop {
            if let Event::Closed(ended) = self.recv().await {
                return ended;
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.handle.kill();
    }
}

fn lost() -> Ended {
    Ended { how: How::Cut("the task that reads from the worker has ended".to_owned()), crash: None, out_of_memory: false, complaint: String::new() }
}

fn died(target: &str, ended: Ended) -> StartError {
    let complaint = if ended.complaint.is_empty() { String::new() } else { format!(" ({})", ended.complaint) };
    StartError::Died { target: target.to_owned(), ended: ended.words(), complaint }
}

async fn write_all(mut writer: Box<dyn AsyncWrite + Send + Unpin>, mut queue: mpsc::UnboundedReceiver<Outgoing>, room: Arc<Semaphore>) {
    while let Some((bytes, permit)) = queue.recv().await {
        // A broken stream shows in the reader, which knows more.
        if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
            break;
        }
        drop(permit);
    }
    room.close();
}

/// Ends of the process: its own status and whether memory was short.
type Exit = (How, bool, String);

async fn watch_process(mut process: Box<dyn Process>, kill: Arc<Notify>, ended: watch::Sender<Option<Exit>>) {
    let how = loop {
        tokio::select! {
            how = process.ended() => break how,
            () = kill.notified() => process.kill(),
        }
    };
    let complaint = process.complaint().await;
    let short = how == How::Signalled(9) && process.ran_out_of_memory();
    let _ = ended.send(Some((how, short, complaint)));
}

async fn read_all(mut reader: Box<dyn AsyncRead + Send + Unpin>, events: mpsc::Sender<Event>, mut ended: watch::Receiver<Option<Exit>>, kill: Arc<Notify>) {
    let mut crash = None;
    let broken = loop {
        let mut gone = ended.clone();
        let quiet = async {
            let _ = gone.wait_for(Option::is_some).await;
            tokio::time::sleep(LINGER).await;
        };
        let message = tokio::select! {
            message = read_message(&mut reader) => message,
            () = quiet => Ok(None),
        };
        match message {
            Ok(Some(FromWorker::Crash { signal, reason, frames })) => crash = Some(Crash { signal, reason, frames }),
            Ok(Some(message)) => {
                if events.send(Event::Message(message)).await.is_err() {
                    break Broken::Unheard;
                }
            }
            Ok(None) => break Broken::Silent("the stream ended".to_owned()),
            Err(error @ (FrameError::Truncated | FrameError::Io(_))) => break Broken::Silent(chain(&error)),
            Err(error) => break Broken::Nonsense(chain(&error)),
        }
    };
    let (how, out_of_memory, complaint) = farewell(broken, &mut ended, &kill).await;
    let _ = events.send(Event::Closed(Ended { how, crash, out_of_memory, complaint })).await;
}

/// Why nothing more is read.
enum Broken {
    /// The stream ended or failed: mostly because the process has ended.
    Silent(String),
    /// What came is no message of ours.
    Nonsense(String),
    /// The connection was dropped.
    Unheard,
}

/// How the worker ended; one that lives on without a stream is killed.
async fn farewell(broken: Broken, ended: &mut watch::Receiver<Option<Exit>>, kill: &Notify) -> Exit {
    let cause = match broken {
        Broken::Silent(cause) => cause,
        Broken::Nonsense(cause) => {
            kill.notify_one();
            return (How::Cut(format!("the worker sent what is no message: {cause}")), false, String::new());
        }
        Broken::Unheard => String::new(),
    };
    let exit = timeout(EXIT_BOUND, ended.wait_for(Option::is_some)).await;
    let exit = exit.ok().and_then(Result::ok).and_then(|exit| exit.clone());
    kill.notify_one();
    match exit {
        // The worker lost us, we did not lose the worker: the line between is broken.
        Some((How::Exited(EXIT_LINK_LOST), ..)) | None => (How::Cut(cause), false, String::new()),
        Some(exit) => exit,
    }
}

/// Reads one message; `None` at a clean end of the stream.
async fn read_message(reader: &mut (impl AsyncRead + Unpin)) -> Result<Option<FromWorker>, FrameError> {
    let mut prefix = [0u8; 4];
    let first = reader.read(&mut prefix).await.map_err(FrameError::Io)?;
    if first == 0 {
        return Ok(None);
    }
    reader.read_exact(&mut prefix[first..]).await.map_err(truncated)?;
    let len = frame::body_len(prefix)?;
    // Grown as bytes arrive: a lying length costs nothing.
    let mut body = Vec::with_capacity(len.min(64 << 10));
    reader.take(len as u64).read_to_end(&mut body).await.map_err(truncated)?;
    if body.len() < len {
        return Err(FrameError::Truncated);
    }
    frame::decode(&body).map(Some)
}

fn truncated(error: io::Error) -> FrameError {
    if error.kind() == io::ErrorKind::UnexpectedEof { FrameError::Truncated } else { FrameError::Io(error) }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
