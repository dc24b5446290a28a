//! Questions of a cell: asked at the stdin socket of the client that runs it, which has there the identity
//! that it has on shell.
use crate::messages::input;
use crate::server::Shared;
use crate::wire::Request;
use crate::zmtp::Received;
use bytes::Bytes;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// A client's stdin socket may connect after its shell socket; who is not there by then cannot be asked.
const CONNECT: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The question that waits for an answer, if any: who was asked.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    open: Mutex<Option<Bytes>>,
}

impl Questions {
    /// Answers that come later answer nothing.
    pub(crate) fn close(&self) {
        *crate::lock(&self.open) = None;
    }

    fn open(&self, identity: &Bytes) {
        *crate::lock(&self.open) = Some(identity.clone());
    }

    fn take(&self, identity: &Bytes) -> bool {
        crate::lock(&self.open).take_if(|asked| asked == identity).is_some()
    }
}

/// Asks; a client that cannot be asked has given no answer.
pub(crate) async fn ask(shared: &Shared, request: &Request, prompt: &str, password: bool) {
    let message = input::request(prompt, password);
    let frames = [request.route.clone(), shared.codec.encode(&message, Some(&request.header))].concat();
    shared.questions.open(&request.identity);
    let start = Instant::now();
    while !shared.stdin.send(&request.identity, &frames) {
        if start.elapsed() > CONNECT {
            shared.questions.close();
            return shared.kernel.answer(None);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Takes answers.
pub(crate) async fn run(shared: Arc<Shared>, mut incoming: mpsc::Receiver<Received>) {
    while let Some(received) = incoming.recv().await {
        let Some(request) = shared.decode("stdin", received) else { continue };
        if request.kind == "input_reply" && shared.questions.take(&request.identity) {
            shared.kernel.answer(request.content.ok().and_then(|content| input::reply(&content)));
        }
    }
}
