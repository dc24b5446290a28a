//! Outputs of a cell as messages: stream text is joined, everything keeps its order.
use crate::messages::output;
use crate::server::Shared;
use bytes::Bytes;
use ochre_link::Stream;
use ochre_session::front::Output;
use std::time::Duration;
use tokio::time::Instant;

/// Text waits this long for more: one message instead of one per line, and nobody sees a delay.
const JOIN: Duration = Duration::from_millis(50);
/// Text of one message; longer text is split (at characters).
const STREAM_BYTES: usize = 64 << 10;

/// Sends the outputs of one parent.
pub(crate) struct Outputs<'a> {
    shared: &'a Shared,
    parent: Option<Bytes>,
    text: Option<Text>,
}

struct Text {
    stream: Stream,
    text: String,
    due: Instant,
}

impl<'a> Outputs<'a> {
    pub(crate) fn new(shared: &'a Shared, parent: Option<Bytes>) -> Self {
        Self { shared, parent, text: None }
    }

    /// From now on outputs belong to another cell.
    pub(crate) async fn set_parent(&mut self, parent: Option<Bytes>) {
        if parent != self.parent {
            self.flush().await;
            self.parent = parent;
        }
    }

    /// Takes one output; [`Output::Input`] is not one that all may see.
    pub(crate) async fn send(&mut self, output: Output) {
        if let Output::Stream { stream, text } = output {
            return self.stream(stream, text).await;
        }
        self.flush().await;
        if let Some(message) = output::message(output) {
            self.shared.iopub.output(&message, 0, self.parent.as_ref()).await;
        }
    }

    async fn stream(&mut self, stream: Stream, text: String) {
        if self.text.as_ref().is_some_and(|waiting| waiting.stream != stream) {
            self.flush().await;
        }
        let waiting = self.text.get_or_insert_with(|| Text { stream, text: String::new(), due: Instant::now() + JOIN });
        waiting.text.push_str(&text);
        if waiting.text.len() >= STREAM_BYTES {
            self.flush().await;
        }
    }

    /// When text has waited long enough; never, while there is none.
    pub(crate) async fn due(&self) {
        match &self.text {
            Some(text) => tokio::time::sleep_until(text.due).await,
            None => std::future::pending().await,
        }
    }

    /// Sends text that waits.
    pub(crate) async fn flush(&mut self) {
        let Some(Text { stream, text, .. }) = self.text.take() else { return };
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (piece, next) = rest.split_at(rest.floor_char_boundary(STREAM_BYTES));
            rest = next;
            let message = output::stream(stream, piece);
            self.shared.iopub.output(&message, piece.len(), self.parent.as_ref()).await;
        }
    }
}
