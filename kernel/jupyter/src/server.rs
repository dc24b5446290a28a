//! The five sockets and what runs behind them, from the first connection to the last flush.
use crate::connection::ConnectionFile;
use crate::iopub::Iopub;
use crate::kernel::Kernel;
use crate::lane::Lanes;
use crate::outputs::Outputs;
use crate::stdin::Questions;
use crate::wire::{Codec, Request};
use crate::zmtp::{Address, Listener, Received, Router};
use crate::{control, lane, stdin};
use bytes::Bytes;
use jupyter_protocol::Status;
use ochre_session::front::Output;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What the kernel may take to end its workers: jupyter_client kills the process 5 s after its request.
pub(crate) const KERNEL_SHUTDOWN: Duration = Duration::from_secs(3);
/// What is queued is written before the process ends, unless nobody reads it for so long.
const FLUSH: Duration = Duration::from_secs(1);
const FLUSH_LOOK_AGAIN: Duration = Duration::from_millis(2);

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A client asked for it; with `restart` it will start another kernel at the same addresses.
    Shutdown { restart: bool },
    /// The `stop` future was ready (a signal, the parent process is gone).
    Stopped,
}

/// A socket could not listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for {socket} at {address}")]
pub struct BindError {
    /// `shell`, `iopub`, ….
    pub socket: &'static str,
    pub address: String,
    pub source: std::io::Error,
}

/// Bound sockets. Clients may connect and send already; they are answered once [`Server::serve`] runs.
#[derive(Debug)]
pub struct Server {
    connection: ConnectionFile,
    codec: Arc<Codec>,
    iopub: Iopub,
    shell: Socket,
    control: Socket,
    stdin: Socket,
    heartbeat: Socket,
}

type Socket = (Router, mpsc::Receiver<Received>);

impl Server {
    /// Binds all sockets. Must be called in a tokio runtime.
    pub async fn bind(mut connection: ConnectionFile) -> Result<Self, BindError> {
        let codec = Arc::new(Codec::new(&connection.key));
        let shell = listen("shell", &connection, connection.shell_port).await?;
        let iopub = listen("iopub", &connection, connection.iopub_port).await?;
        let stdin = listen("stdin", &connection, connection.stdin_port).await?;
        let control = listen("control", &connection, connection.control_port).await?;
        let heartbeat = listen("heartbeat", &connection, connection.hb_port).await?;
        for (port, listener) in [
            (&mut connection.shell_port, &shell),
            (&mut connection.iopub_port, &iopub),
            (&mut connection.stdin_port, &stdin),
            (&mut connection.control_port, &control),
            (&mut connection.hb_port, &heartbeat),
        ] {
            *port = listener.port().unwrap_or(*port);
        }
        Ok(Self {
            connection,
            iopub: Iopub::start(iopub, codec.clone()),
            codec,
            shell: Router::start(shell),
            control: Router::start(control),
            stdin: Router::start(stdin),
            heartbeat: Router::start(heartbeat),
        })
    }

    /// The connection with the ports that were really taken.
    pub fn connection(&self) -> &ConnectionFile {
        &self.connection
    }

    /// Answers clients until one asks for the end or `stop` is ready. All that was sent has left when this returns.
    pub async fn serve(self, kernel: Arc<dyn Kernel>, stop: impl Future<Output = ()>) -> Ended {
        let (end, mut ended) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            kernel,
            codec: self.codec,
            iopub: self.iopub,
            shell: self.shell.0,
            control: self.control.0,
            stdin: self.stdin.0,
            connection: self.connection,
            lanes: Lanes::default(),
            questions: Questions::default(),
            last_cell: Mutex::default(),
            count: AtomicU32::new(0),
            end,
        });
        shared.iopub.status(Status::starting(), None);
        let mut tasks = JoinSet::new();
        tasks.spawn(lane::dispatch(shared.clone(), self.shell.1));
        tasks.spawn(control::run(shared.clone(), self.control.1));
        tasks.spawn(stdin::run(shared.clone(), self.stdin.1));
        tasks.spawn(echo(self.heartbeat));
        tasks.spawn(stray(shared.clone()));
        let how = tokio::select! {
            Some(how) = ended.recv() => how,
            () = stop => {
                // A kernel that does not end in time is ended with the process.
                let _ = tokio::time::timeout(KERNEL_SHUTDOWN, shared.kernel.shutdown(false)).await;
                Ended::Stopped
            }
        };
        shared.flush().await;
        shared.lanes.end();
        how
    }
}

async fn listen(socket: &'static str, connection: &ConnectionFile, port: u16) -> Result<Listener, BindError> {
    let address = connection.address(port);
    Listener::bind(&address).await.map_err(|source| {
        let address = match address {
            Address::Tcp { host, port } => format!("{host}:{port}"),
            Address::Path(path) => path.display().to_string(),
        };
        BindError { socket, address, source }
    })
}

/// What the tasks of a server have in common.
pub(crate) struct Shared {
    pub(crate) kernel: Arc<dyn Kernel>,
    pub(crate) codec: Arc<Codec>,
    pub(crate) iopub: Iopub,
    pub(crate) shell: Router,
    pub(crate) control: Router,
    pub(crate) stdin: Router,
    pub(crate) connection: ConnectionFile,
    pub(crate) lanes: Lanes,
    pub(crate) questions: Questions,
    /// The header of the last cell's request: late output belongs to it.
    pub(crate) last_cell: Mutex<Option<Bytes>>,
    /// The number of the last cell.
    pub(crate) count: AtomicU32,
    pub(crate) end: mpsc::Sender<Ended>,
}

impl Shared {
    /// Reads a message; one that cannot be believed or answered is noted and dropped.
    pub(crate) fn decode(&self, socket: &str, received: Received) -> Option<Request> {
        let refused = match self.codec.decode(received) {
            Ok(request) => return Some(request),
            Err(refused) => refused,
        };
        crate::log::note(format_args!("a message on the {socket} socket was dropped: {refused}"));
        None
    }

    async fn flush(&self) {
        let flushed = || {
            self.iopub.is_flushed() && self.shell.is_flushed() && self.control.is_flushed() && self.stdin.is_flushed()
        };
        let start = Instant::now();
        while !flushed() && start.elapsed() < FLUSH {
            tokio::time::sleep(FLUSH_LOOK_AGAIN).await;
        }
    }
}

/// Heartbeat: every message goes back as it came.
async fn echo((router, mut incoming): Socket) {
    while let Some(Received { identity, frames }) = incoming.recv().await {
        router.send(&identity, &frames);
    }
}

/// Publishes output of threads that outlived their cell, and of comms that are handled while none runs.
async fn stray(shared: Arc<Shared>) {
    let Some(mut late) = shared.kernel.stray() else { return };
    let mut outputs = Outputs::new(&shared, None);
    loop {
        tokio::select! {
            output = late.recv() => match output {
                // There is no cell that could have asked.
                Some(Output::Input { .. }) => shared.kernel.answer(None),
                Some(output) => {
                    let parent = crate::lock(&shared.last_cell).clone();
                    outputs.set_parent(parent).await;
                    outputs.send(output).await;
                }
                None => return outputs.flush().await,
            },
            () = outputs.due() => outputs.flush().await,
        }
    }
}
