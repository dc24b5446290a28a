//! What the dead left: spools of workers and kernels that are gone are delivered, and runs that dead kernels had open are said to be over.
//!
//! At the start, when a worker ends, and now and then (a detached job may have ended on this machine). Whose owner is dead is decided by locks, which
//! the system lets go with the process; so two kernels never deliver the same spool at a time.
use crate::delivery::Delivered;
use crate::journal::{self, Left};
use crate::runs::Runs;
use ochre_spool::{Most, Reader, abandoned};
use ochre_tracking::Status;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// What is sent at a time.
const MOST: Most = Most { records: 5_000, bytes: 4_000_000 };
/// How often it is looked for what died meanwhile.
const EVERY: Duration = Duration::from_secs(15);
/// A worker that was just killed lets go of its locks within moments.
const SOON: Duration = Duration::from_millis(300);
/// Looks in this pace after a worker's end.
const LOOKS: u32 = 4;

/// Begins to sweep, for as long as the session lives.
pub(crate) fn start(runs: &Arc<Runs>) {
    tokio::spawn(run(Arc::downgrade(runs), runs.sweep.clone()));
}

/// One round at once, for the end of a session.
pub(crate) async fn now(runs: &Arc<Runs>) {
    Sweep::default().once(runs).await;
}

async fn run(weak: Weak<Runs>, called: Arc<Notify>) {
    let mut sweep = Sweep::default();
    let mut soon = LOOKS;
    loop {
        let pause = {
            // Not held while it waits: the session may end.
            let Some(runs) = weak.upgrade() else { return };
            sweep.once(&runs).await
        };
        soon = soon.saturating_sub(1);
        let pause = if soon > 0 { SOON } else { pause.unwrap_or(EVERY) };
        if tokio::time::timeout(pause, called.notified()).await.is_ok() {
            soon = LOOKS;
        }
    }
}

/// What was taken over and is not done yet.
#[derive(Default)]
struct Sweep {
    spools: Vec<Reader>,
    journals: Vec<Left>,
}

impl Sweep {
    /// One round; gives the pause that a store asked for.
    async fn once(&mut self, runs: &Arc<Runs>) -> Option<Duration> {
        self.look(runs).await;
        let mut pause: Option<Duration> = None;
        let mut done: BTreeMap<String, usize> = BTreeMap::new();
        let mut left = Vec::new();
        for reader in std::mem::take(&mut self.spools) {
            match drain(runs, &reader).await {
                Ok(count) => {
                    let run = reader.header().run_id.clone();
                    if count > 0 && runs.store_of(&run).is_none() {
                        *done.entry(run).or_default() += count;
                    }
                    // One that cannot be removed is empty, and is looked at again at the next start.
                    reader.finish().ok();
                }
                Err(wait) => {
                    pause = Some(pause.map_or(wait, |now| now.min(wait)));
                    left.push(reader);
                }
            }
        }
        self.spools = left;
        for (run, count) in done {
            runs.state().news.push(format!("{count} records that an earlier kernel had not sent are now in the run {run}"));
        }
        match self.mark(runs).await {
            Some(wait) => Some(pause.map_or(wait, |now| now.min(wait))),
            None => pause,
        }
    }

    async fn look(&mut self, runs: &Arc<Runs>) {
        let spools = runs.setup.spools.clone();
        let found = tokio::task::spawn_blocking(move || (abandoned(&spools), journal::left(&spools))).await;
        let Ok((readers, journals)) = found else { return };
        match readers {
            Ok((readers, problems)) => {
                self.spools.extend(readers);
                for problem in problems {
                    runs.warn(&format!("records of an earlier run cannot be read: {problem}")).await;
                }
            }
            Err(error) => runs.warn(&format!("it cannot be seen whether records of earlier runs wait: {error}")).await,
        }
        self.journals.extend(journals.into_iter().filter(|left| !left.finish_if_empty()));
    }

    /// Runs of dead kernels are over.
    async fn mark(&mut self, runs: &Arc<Runs>) -> Option<Duration> {
        let mut pause = None;
        for left in &mut self.journals {
            for orphan in left.orphans.clone() {
                // First what was logged, then the end.
                if self.spools.iter().any(|reader| reader.header().run_id == orphan.run) {
                    continue;
                }
                let store = runs.stores.at(&orphan.address);
                if let Some(wait) = store.pause() {
                    pause = Some(wait);
                    continue;
                }
                let marked = match store.open().await {
                    Ok(tracking) => match tracking.run(&orphan.run).await {
                        Ok(run) if run.status == Status::Running || (run.end_ms.is_none() && run.status.is_over()) => {
                            let status = if run.status == Status::Running { orphan.status } else { run.status };
                            tracking.update_run(&orphan.run, status, Some(orphan.end_ms.max(run.start_ms))).await
                        }
                        Ok(_) => Ok(()),
                        Err(error) => Err(error),
                    },
                    Err(error) => Err(error),
                };
                match marked {
                    Err(error) if error.is_away() => pause = Some(store.failed().0),
                    // Gone from the store, or never to be written: nobody waits for it.
                    _ => left.told(&orphan.run),
                }
            }
        }
        self.journals.retain(|left| !left.orphans.is_empty());
        pause
    }
}

/// Delivers all of a spool; the count of its records, or how long to wait.
async fn drain(runs: &Arc<Runs>, reader: &Reader) -> Result<usize, Duration> {
    let header = reader.header().clone();
    let address = if header.tracking_uri.is_empty() { runs.address() } else { header.tracking_uri.clone() };
    let store = runs.stores.at(&address);
    let mut count = 0;
    loop {
        let batch = match reader.batch(MOST) {
            Ok(batch) => batch,
            Err(error) => {
                runs.warn(&format!("records of the run {} cannot be read: {error}", header.run_id)).await;
                return Ok(count);
            }
        };
        if batch.is_empty() && batch.end == batch.from {
            return Ok(count);
        }
        let records = batch.records();
        runs.live.records(&header.run_id, &records);
        count += records.len();
        match runs.deliver(&store, &header.run_id, records).await {
            Delivered::All => reader.delivered(&batch),
            Delivered::Later(pause) => return Err(pause),
        }
    }
}
