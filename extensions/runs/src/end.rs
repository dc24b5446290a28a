//! How a run ends: what waits is sent, its cells' text is kept, and the store learns its status and its end.
use crate::active::{Active, Origin};
use crate::begin::now_ms;
use crate::children::CellEnded;
use crate::provenance;
use crate::runs::Runs;
use crate::stores::Store;
use ochre_spool::Record;
use ochre_tracking::Status;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a store that does not answer is tried before the rest is left to the next start.
const TOLD_WITHIN: Duration = Duration::from_secs(600);
/// How long what the kernel logged is waited for before the status is set: the order is nicer so, and nothing depends on it.
const FLUSH: Duration = Duration::from_secs(5);

impl Runs {
    /// Ends the active run. It is not the active one any more when this returns; the store is told in the background.
    pub(crate) fn end(self: &Arc<Self>, active: &Arc<Active>, status: Status) -> tokio::task::JoinHandle<bool> {
        {
            let mut state = self.state();
            if state.active.as_ref().is_some_and(|now| now.id == active.id) {
                state.active = None;
            }
        }
        active.stop_sampling();
        active.set_status(status);
        let end_ms = now_ms();
        self.journal.over(&active.id, status, end_ms);
        self.live.status(&active.id, status, Some(end_ms));
        self.end_below(&active.id, status);
        active.outbox.add(Record::Text { path: active.source.clone(), text: self.cells.text() });
        let dependencies = self.cells.dependencies();
        if !dependencies.is_empty() {
            active.outbox.add(Record::Tag { key: provenance::DEPENDENCIES.to_owned(), value: dependencies });
        }
        let busy = self.ending.clone().try_read_owned();
        let (runs, active) = (self.clone(), active.clone());
        tokio::spawn(async move {
            let _busy = busy;
            active.outbox.flushed(FLUSH).await;
            runs.tell(&active.store, &active.id, status, Some(end_ms)).await
        })
    }

    /// Tells the store how a run stands, until it answers; true when it knows.
    pub(crate) async fn tell(&self, store: &Store, run: &str, status: Status, end_ms: Option<i64>) -> bool {
        let deadline = tokio::time::Instant::now() + TOLD_WITHIN;
        loop {
            let told = match store.open().await {
                Ok(tracking) => tracking.update_run(run, status, end_ms).await,
                Err(error) => Err(error),
            };
            let pause = match told {
                Ok(()) => {
                    if end_ms.is_some() {
                        self.journal.told(run);
                    }
                    return true;
                }
                Err(error) if error.is_away() && tokio::time::Instant::now() < deadline => store.failed().0,
                Err(error) => {
                    self.warn(&format!("the status of the run {run} could not be set to {status}: {}", crate::failures::one_line(&error))).await;
                    return false;
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// A cell has ended; `failure` is how, when it failed.
    pub(crate) fn cell_ended(self: &Arc<Self>, count: u32, failure: Option<(&str, &str)>) {
        let status = match failure {
            None => Status::Finished,
            Some(("interrupted", _)) => Status::Killed,
            Some(_) => Status::Failed,
        };
        let active = {
            let mut state = self.state();
            state.cell = None;
            state.ended = Some(CellEnded { cell: count, status, at: Instant::now() });
            state.active.clone()
        };
        if failure.is_some() {
            self.end_children_of_cell(count, status);
        }
        let Some(active) = active else { return };
        let touched = active.take_touched();
        if let Some((name, message)) = failure.filter(|_| touched) {
            active.outbox.add(Record::Tag { key: provenance::ERROR.to_owned(), value: format!("{name}: {message}") });
        }
        if active.origin == Origin::Cell(count) {
            self.end(&active, status);
        } else if touched && status != Status::Finished && active.set_status(status) {
            // It goes on with the next call; until then the store says what is true.
            self.live.status(&active.id, status, None);
            let busy = self.ending.clone().try_read_owned();
            let runs = self.clone();
            tokio::spawn(async move {
                let _busy = busy;
                runs.tell(&active.store, &active.id, status, None).await;
            });
        }
    }

    /// The session ends, and with it the run that is open.
    pub(crate) fn session_ended(self: &Arc<Self>) {
        self.end_children();
        let Some(active) = self.active() else { return };
        // How its last cell ended counts.
        let status = match active.status() {
            Status::Running | Status::Scheduled => Status::Finished,
            over => over,
        };
        self.end(&active, status);
    }
}
