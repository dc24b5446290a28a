//! A cell's output, as extensions may use it beside the cell.
use crate::engine::OutputSender;
use crate::front::Output;
use ochre_api::{Screen, async_trait};
use ochre_link::{Bundle, Stream};

/// The output of one cell; what comes after its end is shown apart (see [`crate::Session::stray`]).
pub(crate) struct CellScreen(pub(crate) OutputSender);

#[async_trait]
impl Screen for CellScreen {
    async fn write(&self, stream: Stream, text: &str) {
        // A front end that has gone away wants nothing more: here and below.
        self.0.send(Output::Stream { stream, text: text.to_owned() }).await.ok();
    }

    async fn display(&self, bundle: Bundle, id: Option<&str>, update: bool) {
        self.0.send(Output::Display { bundle, id: id.map(str::to_owned), update }).await.ok();
    }
}
