//! What is known of the runs that people look at, as it comes in; views are drawn from it, without asking the store.
//!
//! ```text
//! desk, outbox, system metrics --records--> Live --changed--> watch --> board --> screen
//! loader (runs of other sessions) --^
//! ```
mod board;
mod loader;
mod series;
mod watch;

pub(crate) use board::{Wanted, duration, number};
pub(crate) use loader::load;
pub(crate) use watch::{Picture, Target, Watching};

use ochre_spool::Record;
use ochre_tracking::Status;
use series::{Point, Series};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch as channel;
use tokio::task::JoinHandle;

/// Views and followed runs at a time.
const MOST_TASKS: usize = 32;
/// Runs that are kept in memory; of sweeps, the latest trials.
const MOST_RUNS: usize = 500;

/// What a run began with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) experiment: String,
    pub(crate) start_ms: i64,
    pub(crate) page: Option<String>,
    pub(crate) params: BTreeMap<String, String>,
}

/// A run as it is drawn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) facts: Facts,
    pub(crate) status: Status,
    pub(crate) end_ms: Option<i64>,
    pub(crate) series: BTreeMap<String, Series>,
    /// Metrics in the order in which they were first logged.
    pub(crate) order: Vec<String>,
    pub(crate) values: u64,
    /// Grows with every change.
    pub(crate) version: u64,
}

impl Seen {
    /// The first value stays, as in the store.
    fn param(&mut self, key: &str, value: &str) {
        self.facts.params.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    }

    fn metric(&mut self, key: &str, point: Point) {
        if !self.series.contains_key(key) {
            self.order.push(key.to_owned());
            self.series.insert(key.to_owned(), Series::default());
        }
        if let Some(series) = self.series.get_mut(key) {
            series.push(point);
        }
        self.values += u64::from(!key.starts_with("system/"));
    }
}

/// The runs.
pub(crate) struct Live {
    inner: Mutex<Inner>,
    changed: channel::Sender<u64>,
    /// The session ends: last pictures are drawn.
    closing: channel::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Inner {
    runs: HashMap<String, Seen>,
    /// By age.
    order: Vec<String>,
    /// How far each spool was seen: what is sent again is not counted again.
    seen: HashMap<String, u64>,
    cells_ended: u64,
}

impl Default for Live {
    fn default() -> Self {
        Self { inner: Mutex::default(), changed: channel::Sender::new(0), closing: channel::Sender::new(false), tasks: Mutex::default() }
    }
}

impl Live {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, run: &str, change: impl FnOnce(&mut Seen)) {
        let known = {
            let mut inner = self.lock();
            let seen = inner.runs.get_mut(run);
            seen.map(|seen| {
                change(seen);
                seen.version += 1;
            })
        };
        if known.is_some() {
            self.changed.send_modify(|n| *n += 1);
        }
    }

    /// A run begins, or is gone on with.
    pub(crate) fn begin(&self, facts: Facts) {
        let id = facts.id.clone();
        {
            let mut inner = self.lock();
            if !inner.runs.contains_key(&id) {
                inner.order.push(id.clone());
            }
            let seen = inner.runs.entry(id.clone()).or_default();
            (seen.facts, seen.status, seen.end_ms) = (facts, Status::Running, None);
            if inner.order.len() > MOST_RUNS {
                let old = inner.order.remove(0);
                inner.runs.remove(&old);
            }
        }
        self.change(&id, |_| {});
    }

    pub(crate) fn has(&self, run: &str) -> bool {
        self.lock().runs.contains_key(run)
    }

    pub(crate) fn metric(&self, run: &str, metric: &ochre_spool::Metric) {
        self.change(run, |seen| seen.metric(&metric.key, Point { step: metric.step, at_ms: metric.timestamp_ms, value: metric.value }));
    }

    pub(crate) fn param(&self, run: &str, key: &str, value: &str) {
        self.change(run, |seen| seen.param(key, value));
    }

    /// Records of a run.
    pub(crate) fn records(&self, run: &str, records: &[Record]) {
        self.change(run, |seen| {
            for record in records {
                match record {
                    Record::Metric(m) => seen.metric(&m.key, Point { step: m.step, at_ms: m.timestamp_ms, value: m.value }),
                    Record::Param { key, value } => seen.param(key, value),
                    _ => {}
                }
            }
        });
    }

    /// The same, of a stretch of a spool that may have come before.
    pub(crate) fn stretch(&self, run: &str, spool: &str, from: u64, end: u64, records: &[Record]) {
        let new = {
            let mut inner = self.lock();
            let seen = inner.seen.entry(spool.to_owned()).or_default();
            let new = from >= *seen;
            *seen = end.max(*seen);
            new
        };
        if new {
            self.records(run, records);
        }
    }

    pub(crate) fn status(&self, run: &str, status: Status, end_ms: Option<i64>) {
        self.change(run, |seen| (seen.status, seen.end_ms) = (status, end_ms));
    }

    /// The step after the last one of a metric.
    pub(crate) fn next_step(&self, run: &str, key: &str) -> Option<i64> {
        Some(self.lock().runs.get(run)?.series.get(key)?.last_step? + 1)
    }

    /// A run as it is now.
    pub(crate) fn seen(&self, run: &str) -> Option<Seen> {
        self.lock().runs.get(run).cloned()
    }

    /// How a run stands and how often it has changed, without copying it.
    fn glance(&self, run: &str) -> Option<(u64, Status)> {
        self.lock().runs.get(run).map(|seen| (seen.version, seen.status))
    }

    /// A cell has ended: views that wait for its run wait no longer.
    pub(crate) fn cell_ended(&self) {
        self.lock().cells_ended += 1;
        self.changed.send_modify(|n| *n += 1);
    }

    pub(crate) fn cells_ended(&self) -> u64 {
        self.lock().cells_ended
    }

    fn keep(&self, task: JoinHandle<()>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
        if tasks.len() > MOST_TASKS {
            // The oldest: its cell was most likely run again.
            tasks.remove(0).abort();
        }
    }

    /// Has all views draw their last picture, and waits for that.
    pub(crate) async fn settle(&self) {
        self.closing.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            task.await.ok();
        }
    }
}
