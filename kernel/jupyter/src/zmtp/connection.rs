//! The life of a connection, the same for every socket type: accepted, greeted, read and written until one
//! side fails, forgotten.
use super::frame::{self, Incoming, invalid};
use super::handshake::{self, Role};
use super::listener::{Halves, Listener};
use super::outbox::Outbox;
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::BufReader;
use tokio::task::JoinSet;

/// Who has not said READY by then is no ZeroMQ peer (libzmq waits as long).
const HANDSHAKE: Duration = Duration::from_secs(30);
/// Connections of one socket at a time: clients have a handful, and a port scanner must not use up our files.
const MAX_CONNECTIONS: usize = 500;
/// After a failed accept (no file descriptor left) the next try waits this long.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// What a socket type does with its peers.
pub(crate) trait Socket: Send + Sync + 'static {
    const ROLE: Role;
    /// A new peer; `number` is never used twice.
    fn joined(&self, number: u64, identity: Option<Bytes>, outbox: &Arc<Outbox>) -> Bytes;
    /// A message; not reading on while it waits is how a peer is slowed down.
    fn message(&self, number: u64, identity: &Bytes, frames: Vec<Bytes>) -> impl Future<Output = io::Result<()>> + Send;
    /// A command other than PING.
    fn command(&self, _number: u64, _name: &str, _data: Bytes) -> io::Result<()> {
        Ok(())
    }
    fn left(&self, number: u64, identity: &Bytes);
}

/// Accepts for ever. Dropping the future ends all connections.
pub(crate) async fn accept<S: Socket>(listener: Listener, socket: Arc<S>) {
    let mut connections = JoinSet::new();
    for number in 0.. {
        while connections.len() >= MAX_CONNECTIONS {
            connections.join_next().await;
        }
        let halves = loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok(halves) => break halves,
                    Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
                },
                Some(_) = connections.join_next() => {}
            }
        };
        let socket = socket.clone();
        // How a connection ended matters to nobody: a client that wants something connects again.
        connections.spawn(async move { live(number, halves, &*socket).await.ok() });
    }
}

async fn live<S: Socket>(number: u64, (reader, mut writer): Halves, socket: &S) -> io::Result<()> {
    let mut reader = BufReader::new(reader);
    let greeting = handshake::greet(S::ROLE, &mut reader, &mut writer);
    let identity = tokio::time::timeout(HANDSHAKE, greeting).await.map_err(|_| io::ErrorKind::TimedOut)??;
    let outbox = Arc::new(Outbox::default());
    let identity = socket.joined(number, identity, &outbox);
    let reading = async {
        loop {
            match frame::read(&mut reader).await? {
                Incoming::Message(frames) => socket.message(number, &identity, frames).await?,
                Incoming::Command { name, data } if name == "PING" => {
                    // Two bytes of time to live, then a context to send back.
                    let context = data.get(2..).ok_or_else(|| invalid("PING is cut"))?;
                    outbox.push(frame::encode_command("PONG", context));
                }
                Incoming::Command { name, data } => socket.command(number, &name, data)?,
            }
        }
    };
    let end = tokio::select! {
        end = reading => end,
        end = outbox.drain(&mut writer) => end,
    };
    outbox.close();
    socket.left(number, &identity);
    end
}
