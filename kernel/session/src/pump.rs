//! Between the engine and the front end: every output of a cell passes here and every limit is kept here.
//!
//! ```text
//! engine, magics --Output--> pump --gate--> limits --> front end of the cell
//!                              |--after the cell has ended--> stray (threads that still print)
//! ```
//! The queue is bounded, so a front end that is slow slows the cell and not the memory.
use crate::front::Output;
use crate::gate::{CellGate, Gate};
use crate::limits::{Limiter, MAX_QUEUED_OUTPUTS};
use ochre_link::Comm;
use std::time::Duration;
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
    pub(crate) gate: Gate,
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
    let Sinks { front, stray, comms, silent, gate } = sinks;
    let mut way = Way { gate: gate.cell(), limiter: Limiter::default(), comms, silent };
    let done = loop {
        let patience = way.gate.patience();
        tokio::select! {
            biased;
            output = inner.recv() => match output {
                Some(output) => way.forward(output, &front).await,
                None => break finished.await.ok(),
            },
            done = &mut finished => break done.ok(),
            () = held(patience), if patience.is_some() => way.release(&front).await,
        }
    };
    while let Ok(output) = inner.try_recv() {
        way.forward(output, &front).await;
    }
    way.release(&front).await;
    if let Some(note) = way.limiter.end_note().filter(|_| !silent) {
        front.send(note).await.ok();
    }
    drop(front);
    if let Some(done) = done {
        done.send(()).ok();
    }
    loop {
        let patience = way.gate.patience();
        tokio::select! {
            biased;
            output = inner.recv() => match output {
                Some(output @ (Output::Stream { .. } | Output::Display { .. } | Output::Clear { .. } | Output::Comm(_))) => way.forward(output, &stray).await,
                Some(_) => {}
                None => break way.release(&stray).await,
            },
            () = held(patience), if patience.is_some() => way.release(&stray).await,
        }
    }
}

/// What waits as the beginning of a secret waits no longer than this.
async fn held(patience: Option<Duration>) {
    tokio::time::sleep(patience.unwrap_or_default()).await;
}

/// What every output passes.
struct Way {
    gate: CellGate,
    limiter: Limiter,
    comms: mpsc::UnboundedSender<Comm>,
    silent: bool,
}

impl Way {
    async fn forward(&mut self, output: Output, to: &mpsc::Sender<Output>) {
        match &output {
            Output::Comm(comm) => drop(self.comms.send(comm.clone())),
            Output::Input { .. } => {}
            _ if self.silent => return,
            _ => {}
        }
        if self.limiter.is_full() && matches!(output, Output::Stream { .. }) {
            // Nothing of it is shown: it is counted only.
            self.limiter.pass(output);
            return;
        }
        for output in self.gate.pass(output) {
            self.show(output, to).await;
        }
    }

    /// Shows what the gate has held back.
    async fn release(&mut self, to: &mpsc::Sender<Output>) {
        for output in self.gate.release() {
            self.show(output, to).await;
        }
    }

    async fn show(&mut self, output: Output, to: &mpsc::Sender<Output>) {
        for output in self.limiter.pass(output) {
            // A front end that has gone away wants nothing more.
            to.send(output).await.ok();
        }
    }
}
