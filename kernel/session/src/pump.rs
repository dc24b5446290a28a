//! Between the engine and the front end: every output of a cell passes here and every limit is kept here.
//!
//! ```text
//! engine, magics --Output--> pump --limits--> front end of the cell
//!                              |--after the cell has ended--> stray (threads that still print)
//! ```
//! The queue is bounded, so a front end that is slow slows the cell and not the memory.
use crate::front::Output;
use crate::limits::{Limiter, MAX_QUEUED_OUTPUTS};
use ochre_link::Comm;
use tokio::sync::{mpsc, oneshot};

/// The end of one cell's output.
pub(crate) struct Pump {
    pub(crate) output: mpsc::Sender<Output>,
    finish: oneshot::Sender<oneshot::Sender<()>>,
}

/// Where outputs go.
pub(crate) struct Sinks {
    /// The cell's own front end.
    pub(crate) front: mpsc::Sender<Output>,
    /// What comes after the cell has ended.
    pub(crate) stray: mpsc::Sender<Output>,
    /// Comms that the cell side opens and closes.
    pub(crate) comms: mpsc::UnboundedSender<Comm>,
    /// Nothing is shown: only questions and comms pass.
    pub(crate) silent: bool,
}

impl Pump {
    pub(crate) fn start(sinks: Sinks) -> Self {
        let (output, inner) = mpsc::channel(MAX_QUEUED_OUTPUTS);
        let (finish, finished) = oneshot::channel();
        tokio::spawn(run(inner, finished, sinks));
        Self { output, finish }
    }

    /// Returns when all that was sent before has been handed on.
    pub(crate) async fn finish(self) {
        let (sender, done) = oneshot::channel();
        if self.finish.send(sender).is_ok() {
            // An error means that the pump has ended, and it does so only after the last output.
            done.await.ok();
        }
    }
}

async fn run(mut inner: mpsc::Receiver<Output>, mut finished: oneshot::Receiver<oneshot::Sender<()>>, sinks: Sinks) {
    let Sinks { front, stray, comms, silent } = sinks;
    let mut limiter = Limiter::default();
    let done = loop {
        tokio::select! {
            biased;
            output = inner.recv() => match output {
                Some(output) => forward(output, &front, &comms, silent, &mut limiter).await,
                None => break finished.await.ok(),
            },
            done = &mut finished => break done.ok(),
        }
    };
    while let Ok(output) = inner.try_recv() {
        forward(output, &front, &comms, silent, &mut limiter).await;
    }
    if let Some(note) = limiter.end_note().filter(|_| !silent) {
        front.send(note).await.ok();
    }
    drop(front);
    if let Some(done) = done {
        done.send(()).ok();
    }
    while let Some(output) = inner.recv().await {
        if matches!(output, Output::Stream { .. } | Output::Display { .. } | Output::Clear { .. } | Output::Comm(_)) {
            forward(output, &stray, &comms, silent, &mut limiter).await;
        }
    }
}

async fn forward(output: Output, to: &mpsc::Sender<Output>, comms: &mpsc::UnboundedSender<Comm>, silent: bool, limiter: &mut Limiter) {
    match &output {
        Output::Comm(comm) => drop(comms.send(comm.clone())),
        Output::Input { .. } => {}
        _ if silent => return,
        _ => {}
    }
    for output in limiter.pass(output) {
        // A front end that has gone away wants nothing more.
        to.send(output).await.ok();
    }
}
