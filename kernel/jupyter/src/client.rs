//! The front end's side, as far as `ochre doctor` needs it: is a kernel there, and does it answer?
//!
//! Spoken with the sockets of the crate `zeromq`, an implementation that is not ours: a mistake that both ends of
//! our own server made would not hide another.
use crate::connection::ConnectionFile;
use crate::wire::{Codec, Message};
use bytes::Bytes;
use jupyter_protocol::{KernelInfoRequest, ShutdownRequest};
use std::time::{Duration, Instant};
use zeromq::{DealerSocket, Socket, SocketRecv, SocketSend, ZmqMessage};

/// How often a connection is tried while the kernel starts.
const RETRY: Duration = Duration::from_millis(20);

/// Why a kernel did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("no answer within {0:?}")]
    Silent(Duration),
    #[error("the connection broke")]
    Broken(#[source] zeromq::ZmqError),
}

/// Asks the kernel of a connection file (`tcp` on loopback) for its information, then has it shut down. Gives the
/// time from now to the answer.
pub async fn probe(file: &ConnectionFile, bound: Duration) -> Result<Duration, ProbeError> {
    let started = Instant::now();
    tokio::time::timeout(bound, ask(file, started)).await.map_err(|_| ProbeError::Silent(bound))?
}

async fn ask(file: &ConnectionFile, started: Instant) -> Result<Duration, ProbeError> {
    let codec = Codec::new(&file.key);
    let mut shell = connect(&file.ip, file.shell_port).await;
    send(&mut shell, &codec, &Message::new(KernelInfoRequest {})).await?;
    shell.recv().await.map_err(ProbeError::Broken)?;
    let took = started.elapsed();
    let mut control = connect(&file.ip, file.control_port).await;
    send(&mut control, &codec, &Message::new(ShutdownRequest { restart: false })).await?;
    control.recv().await.map_err(ProbeError::Broken)?;
    Ok(took)
}

/// Connects as soon as somebody listens; the caller's bound ends it.
async fn connect(ip: &str, port: u16) -> DealerSocket {
    loop {
        let mut socket = DealerSocket::new();
        if socket.connect(&format!("tcp://{ip}:{port}")).await.is_ok() {
            return socket;
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn send(socket: &mut DealerSocket, codec: &Codec, message: &Message) -> Result<(), ProbeError> {
    let frames: Vec<Bytes> = codec.encode(message, None);
    let message = ZmqMessage::try_from(frames).expect("an encoded message has frames");
    socket.send(message).await.map_err(ProbeError::Broken)
}
