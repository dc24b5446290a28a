//! XPUB: a message goes to every peer that subscribed to a prefix of its topic, and each subscription is
//! welcomed. No peer waits for another: see [`super::outbox`] for who is slowed down and who is cut off.
use super::connection::{self, Socket};
use super::frame::{self, invalid};
use super::handshake::Role;
use super::listener::Listener;
use super::outbox::Outbox;
use bytes::Bytes;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Subscriptions of one peer; clients have one.
const MAX_SUBSCRIPTIONS: usize = 1_000;
/// How often a slow reader is looked at while the cell waits for it.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Builds the message that greets a subscription to this topic.
pub(crate) type Welcome = Box<dyn Fn(&[u8]) -> Vec<Bytes> + Send + Sync>;

/// An XPUB socket. Its connections end when it is dropped.
#[derive(Debug)]
pub(crate) struct Publisher {
    subscribers: Arc<Subscribers>,
    accepting: JoinHandle<()>,
}

impl Publisher {
    pub(crate) fn start(listener: Listener, welcome: Welcome) -> Self {
        let subscribers = Arc::new(Subscribers { list: Mutex::default(), welcome });
        let accepting = tokio::spawn(connection::accept(listener, subscribers.clone()));
        Self { subscribers, accepting }
    }

    /// Queues a message for all whom it concerns; never waits. The first frame is the topic.
    pub(crate) fn publish(&self, frames: &[Bytes]) {
        let topic = frames.first().map_or(&b""[..], |topic| topic);
        let mut wire = None;
        for subscriber in crate::lock(&self.subscribers.list).iter().filter(|s| s.wants(topic)) {
            // A peer that is cut off here is told so by its closed connection, and may subscribe anew.
            subscriber.outbox.push(wire.get_or_insert_with(|| frame::encode(frames)).clone());
        }
    }

    /// Waits while a subscriber has much to read and is reading: bounded by what it reads, and not at all for
    /// one that has stopped.
    pub(crate) async fn room(&self) {
        while crate::lock(&self.subscribers.list).iter().any(|s| s.outbox.holds_back(Instant::now())) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Whether everything published has been handed to the system.
    pub(crate) fn is_flushed(&self) -> bool {
        crate::lock(&self.subscribers.list).iter().all(|subscriber| subscriber.outbox.is_empty())
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Subscribers {
    list: Mutex<Vec<Subscriber>>,
    welcome: Welcome,
}

impl std::fmt::Debug for Subscribers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscribers").field("list", &self.list).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Subscriber {
    number: u64,
    outbox: Arc<Outbox>,
    /// As often as it subscribed.
    topics: Vec<Bytes>,
}

impl Subscriber {
    fn wants(&self, topic: &[u8]) -> bool {
        self.topics.iter().any(|prefix| topic.starts_with(prefix))
    }
}

impl Subscribers {
    fn subscribe(&self, number: u64, topic: Bytes) -> io::Result<()> {
        let mut list = crate::lock(&self.list);
        let Some(subscriber) = list.iter_mut().find(|s| s.number == number) else { return Ok(()) };
        if subscriber.topics.len() >= MAX_SUBSCRIPTIONS {
            return Err(invalid("too many subscriptions"));
        }
        // Under the lock: the welcome is the first thing that a new subscriber gets.
        subscriber.outbox.push(frame::encode(&(self.welcome)(&topic)));
        subscriber.topics.push(topic);
        Ok(())
    }

    fn cancel(&self, number: u64, topic: &[u8]) {
        let mut list = crate::lock(&self.list);
        let Some(subscriber) = list.iter_mut().find(|s| s.number == number) else { return };
        if let Some(at) = subscriber.topics.iter().position(|t| t == topic) {
            subscriber.topics.swap_remove(at);
        }
    }
}

impl Socket for Subscribers {
    const ROLE: Role = Role::Publisher;

    fn joined(&self, number: u64, identity: Option<Bytes>, outbox: &Arc<Outbox>) -> Bytes {
        crate::lock(&self.list).push(Subscriber { number, outbox: outbox.clone(), topics: Vec::new() });
        identity.unwrap_or_default()
    }

    /// ZMTP 3.0 subscribes by a message of one frame: 1 (or 0 to cancel), then the topic.
    async fn message(&self, number: u64, _identity: &Bytes, frames: Vec<Bytes>) -> io::Result<()> {
        match frames.first().and_then(|frame| Some((*frame.first()?, frame.slice(1..)))) {
            Some((1, topic)) => self.subscribe(number, topic)?,
            Some((0, topic)) => self.cancel(number, &topic),
            // XSUB peers may send messages of their own; nobody here reads them.
            _ => {}
        }
        Ok(())
    }

    /// ZMTP 3.1 subscribes by commands.
    fn command(&self, number: u64, name: &str, data: Bytes) -> io::Result<()> {
        match name {
            "SUBSCRIBE" => self.subscribe(number, data)?,
            "CANCEL" => self.cancel(number, &data),
            _ => {}
        }
        Ok(())
    }

    fn left(&self, number: u64, _identity: &Bytes) {
        crate::lock(&self.list).retain(|subscriber| subscriber.number != number);
    }
}
