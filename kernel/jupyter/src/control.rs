//! The control channel: heard while cells run. Nothing that may wait is waited for here.
use crate::request::{self, Channel};
use crate::server::Shared;
use crate::zmtp::Received;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Answers until the socket is gone.
pub(crate) async fn run(shared: Arc<Shared>, mut incoming: mpsc::Receiver<Received>) {
    let mut slow = JoinSet::new();
    while let Some(received) = incoming.recv().await {
        let Some(request) = shared.decode("control", received).map(Arc::new) else { continue };
        let waits = matches!(
            request.kind.as_str(),
            "usage_request" | "complete_request" | "inspect_request" | "history_request" | "shutdown_request"
        );
        let shared = shared.clone();
        let process = async move {
            request::begin(&shared, &request);
            let answer = request::answer(&shared, Channel::Control, &request).await;
            request::finish(&shared, Channel::Control, &request, answer);
        };
        if waits {
            slow.spawn(process);
            while slow.try_join_next().is_some() {}
        } else {
            process.await;
        }
    }
}
