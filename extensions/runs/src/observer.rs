//! What the session tells the runs: cells begin and end, workers die, the session ends.
use crate::runs::Runs;
use ochre_api::{CellFinished, CellStarted, Ending, Observer, Screen, Settling};
use std::sync::Arc;

/// Is told of the session.
pub(crate) struct Watcher(pub(crate) Arc<Runs>);

impl Observer for Watcher {
    fn screen(&self, screen: &Arc<dyn Screen>) {
        self.0.state().screen = Some(screen.clone());
    }

    fn cell_started(&self, cell: &CellStarted<'_>) {
        self.0.cells.add(cell.count, cell.code);
        let active = {
            let mut state = self.0.state();
            state.cell = Some(cell.count);
            state.active.clone()
        };
        // What threads logged between the cells says nothing of this one.
        if let Some(active) = active {
            active.take_touched();
        }
    }

    fn notices(&self) -> Vec<String> {
        std::mem::take(&mut self.0.state().news)
    }

    fn cell_finished(&self, cell: &CellFinished<'_>) {
        let failure = match cell.ending {
            Ending::Ok => None,
            Ending::Error { name, message } => Some((name, message)),
        };
        self.0.cell_ended(cell.count, failure);
        self.0.live.cell_ended();
    }

    fn worker_ended(&self, _pid: u32) {
        self.0.end_children();
        // What it had not sent is on the disk.
        self.0.sweep.notify_one();
    }

    fn session_ended(&self, _restart: bool) {
        self.0.session_ended();
    }

    fn settle(&self) -> Option<Settling> {
        let runs = self.0.clone();
        Some(Box::pin(async move {
            // The worker is gone: what it had not sent is sent from here, as far as there is time. The rest is for the next start.
            tokio::join!(runs.live.settle(), crate::sweep::now(&runs));
            drop(runs.ending.write().await);
        }))
    }
}
