//! What all clients see: the broadcast socket with our signature on each message.
use crate::pace::Pace;
use crate::wire::{Codec, Message};
use crate::zmtp::{Listener, Publisher};
use bytes::Bytes;
use jupyter_protocol::{IoPubWelcome, Status};
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Iopub {
    codec: Arc<Codec>,
    publisher: Publisher,
    pace: Pace,
}

impl Iopub {
    pub(crate) fn start(listener: Listener, codec: Arc<Codec>) -> Self {
        let welcoming = codec.clone();
        let welcome = Box::new(move |topic: &[u8]| {
            let welcome = IoPubWelcome::new(String::from_utf8_lossy(topic).into_owned());
            let mut frames = welcoming.encode(&Message::new(welcome), None);
            // Like the socket option ZMQ_XPUB_WELCOME_MSG: the topic is in front only where there is one.
            if !topic.is_empty() {
                frames.insert(0, Bytes::copy_from_slice(topic));
            }
            frames
        });
        Self { codec, publisher: Publisher::start(listener, welcome), pace: Pace::default() }
    }

    /// Sends now: for what is short and must not wait.
    pub(crate) fn send(&self, message: &Message, parent: Option<&Bytes>) {
        let mut frames = self.codec.encode(message, parent);
        frames.insert(0, format!("kernel.{}.{}", self.codec.session(), message.kind()).into());
        self.publisher.publish(&frames);
    }

    pub(crate) fn status(&self, status: Status, parent: Option<&Bytes>) {
        self.send(&Message::new(status), parent);
    }

    /// Sends output of a cell: no faster than clients read and their servers allow.
    pub(crate) async fn output(&self, message: &Message, stream_bytes: usize, parent: Option<&Bytes>) {
        self.pace.admit(stream_bytes).await;
        self.publisher.room().await;
        self.send(message, parent);
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.publisher.is_flushed()
    }
}
