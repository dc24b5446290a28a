//! ROUTER: every message comes with the identity of its sender, and goes to the identity that it names.
use super::connection::{self, Socket};
use super::frame;
use super::handshake::Role;
use super::listener::Listener;
use super::outbox::Outbox;
use bytes::Bytes;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Messages read from peers and not yet taken; a peer that sends more waits.
const INCOMING_MESSAGES: usize = 64;

/// A message and who sent it.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) identity: Bytes,
    pub(crate) frames: Vec<Bytes>,
}

/// The sending side of a ROUTER socket. Its connections end when it is dropped.
#[derive(Debug)]
pub(crate) struct Router {
    peers: Arc<Peers>,
    accepting: JoinHandle<()>,
}

impl Router {
    pub(crate) fn start(listener: Listener) -> (Self, mpsc::Receiver<Received>) {
        let (incoming, received) = mpsc::channel(INCOMING_MESSAGES);
        let peers = Arc::new(Peers { by_identity: Mutex::default(), incoming });
        let accepting = tokio::spawn(connection::accept(listener, peers.clone()));
        (Self { peers, accepting }, received)
    }

    /// Queues a message; false when that peer is not connected (any more).
    pub(crate) fn send(&self, identity: &[u8], frames: &[Bytes]) -> bool {
        let outbox = crate::lock(&self.peers.by_identity).get(identity).map(|(_, outbox)| outbox.clone());
        outbox.is_some_and(|outbox| outbox.push(frame::encode(frames)))
    }

    /// Whether everything sent has been handed to the system.
    pub(crate) fn is_flushed(&self) -> bool {
        crate::lock(&self.peers.by_identity).values().all(|(_, outbox)| outbox.is_empty())
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

#[derive(Debug)]
struct Peers {
    /// The number tells a connection from a later one with the same identity.
    by_identity: Mutex<HashMap<Bytes, (u64, Arc<Outbox>)>>,
    incoming: mpsc::Sender<Received>,
}

impl Socket for Peers {
    const ROLE: Role = Role::Router;

    fn joined(&self, number: u64, identity: Option<Bytes>, outbox: &Arc<Outbox>) -> Bytes {
        // A chosen identity never begins with a zero byte; ours do.
        let identity = identity.unwrap_or_else(|| [&[0][..], &number.to_be_bytes()].concat().into());
        let before = crate::lock(&self.by_identity).insert(identity.clone(), (number, outbox.clone()));
        // The peer has reconnected before we noticed that its old connection is dead.
        if let Some((_, old)) = before {
            old.close();
        }
        identity
    }

    async fn message(&self, _number: u64, identity: &Bytes, frames: Vec<Bytes>) -> io::Result<()> {
        let received = Received { identity: identity.clone(), frames };
        self.incoming.send(received).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn left(&self, number: u64, identity: &Bytes) {
        let mut peers = crate::lock(&self.by_identity);
        if peers.get(identity).is_some_and(|(current, _)| *current == number) {
            peers.remove(identity);
        }
    }
}
