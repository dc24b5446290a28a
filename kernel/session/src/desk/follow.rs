//! Passes on what a worker says of a cell, until it has finished or the worker has ended.
use super::Desk;
use super::evcxr_output::{EvcxrOutput, Part, decode};
use crate::engine::OutputSender;
use crate::front::Output;
use crate::worker::{Ended, Event, How};
use ochre_link::{Bundle, CellId, End, FromWorker, Stream, Variable};
use tokio::sync::mpsc;

/// How the worker's part of a cell went.
pub(crate) enum Ran {
    Finished { end: End, value: Option<Bundle>, variables: Vec<Variable> },
    WorkerEnded(Ended),
}

/// Follows a cell; `told` takes topic and payload of its events, `reword` may change what stderr says.
pub(crate) async fn follow(
    desk: &Desk, cell: CellId, mut events: mpsc::Receiver<Event>, output: &OutputSender, mut told: impl FnMut(String, Vec<u8>) + Send, reword: impl Fn(String) -> String + Send,
) -> Ran {
    let mut stdout = EvcxrOutput::default();
    let mut stderr = Vec::new();
    while let Some(event) = events.recv().await {
        let message = match event {
            Event::Closed(ended) => {
                flush(&mut stdout, output).await;
                return Ran::WorkerEnded(ended);
            }
            Event::Message(message) => message,
        };
        match message {
            FromWorker::Finished { cell: of, end, value, variables } if of == cell => {
                flush(&mut stdout, output).await;
                return Ran::Finished { end, value, variables };
            }
            FromWorker::Stream { stream: Stream::Stdout, bytes, .. } => show(stdout.take(&bytes), output).await,
            FromWorker::Stream { stream, bytes, .. } => {
                let text = reword(decode(&mut stderr, &bytes));
                send(output, Output::Stream { stream, text }).await;
            }
            FromWorker::Event { topic, payload, .. } => told(topic, payload),
            FromWorker::Display { bundle, id, update, .. } => send(output, Output::Display { bundle, id, update }).await,
            FromWorker::ClearOutput { wait, .. } => send(output, Output::Clear { wait }).await,
            FromWorker::Input { prompt, password, .. } => send(output, Output::Input { prompt, password }).await,
            FromWorker::Comm(comm) => send(output, Output::Comm(comm)).await,
            // Answers to other questions, and last words, which come again with `Closed`.
            _ => {}
        }
    }
    let how = How::Cut("the worker's task ended".into());
    Ran::WorkerEnded(desk.ended().unwrap_or(Ended { how, crash: None, out_of_memory: false, complaint: String::new() }))
}

async fn flush(stdout: &mut EvcxrOutput, output: &OutputSender) {
    show(stdout.finish(), output).await;
}

async fn show(parts: Vec<Part>, output: &OutputSender) {
    for part in parts {
        let shown = match part {
            Part::Text(text) => Output::Stream { stream: Stream::Stdout, text },
            Part::Value(bundle) => Output::Display { bundle, id: None, update: false },
        };
        send(output, shown).await;
    }
}

/// A front end that is gone does not stop the cell.
async fn send(output: &OutputSender, what: Output) {
    let _ = output.send(what).await;
}
