//! How a run begins: asked for by `%start_run`, or by itself when a cell logs and none is active.
use crate::active::{Active, Now, Origin};
use crate::cells;
use crate::failures::of_tracking;
use crate::live::Facts;
use crate::outbox::Outbox;
use crate::runs::Runs;
use crate::{names, provenance, system};
use ochre_api::Failure;
use ochre_spool::{Header, Record};
use ochre_tracking::{NewRun, Run, Status, Tracking};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// What a run is to be.
pub(crate) struct Order {
    pub(crate) name: Option<String>,
    pub(crate) origin: Origin,
    /// The id of the run that it is a part of.
    pub(crate) parent: Option<String>,
    /// The id of a run that is to be gone on with.
    pub(crate) resume: Option<String>,
    pub(crate) tags: Vec<(String, String)>,
    /// How often system metrics are taken; `None` is never.
    pub(crate) system: Option<Duration>,
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

impl Runs {
    /// The run that the running cell logs to; one begins, and says so, when none is active.
    pub(crate) async fn active_for_cell(self: &Arc<Self>) -> Result<Arc<Active>, Failure> {
        let _one = self.beginning.lock().await;
        let (active, cell) = {
            let state = self.state();
            (state.active.clone(), state.cell)
        };
        if let Some(active) = active {
            active.touch();
            if active.set_status(Status::Running) {
                self.tell_running(&active);
            }
            return Ok(active);
        }
        // A thread that outlived its cell has no cell to end its run with.
        let origin = cell.map_or(Origin::User, Origin::Cell);
        let active = self.begin(Order { name: None, origin, parent: None, resume: None, tags: Vec::new(), system: self.setup.system_every() }).await?;
        active.touch();
        if let Origin::Cell(cell) = origin
            && let Some(status) = self.over_already(&active, cell)
        {
            self.end(&active, status);
        }
        let ends = match origin {
            Origin::Cell(_) => "it ends with this cell; `%start_run` keeps one over several",
            Origin::User => "`%end_run` ends it",
        };
        self.say(&format!("run {} began by itself ({ends})", active.described())).await;
        Ok(active)
    }

    /// How the cell that a run begins for ended, when it did so while the run began and nobody ended the run.
    fn over_already(&self, active: &Active, cell: u32) -> Option<Status> {
        let state = self.state();
        let open = state.active.as_ref().is_some_and(|now| now.id == active.id) && state.cell != Some(cell);
        // A cell before the last one: how it ended is not kept, and nobody waited for its run.
        open.then(|| state.ended.filter(|ended| ended.cell == cell).map_or(Status::Killed, |ended| ended.status))
    }

    /// Begins a run and makes it the active one.
    pub(crate) async fn begin(self: &Arc<Self>, order: Order) -> Result<Arc<Active>, Failure> {
        let store = self.store();
        let tracking = store.open().await.map_err(of_tracking)?;
        let (run, experiment) = match &order.resume {
            Some(id) => self.resumed(&*tracking, id).await?,
            None => self.created(&*tracking, &order).await?,
        };
        self.journal.began(&run.id, &store.address);
        self.know(&run.id, &store);
        self.children.goes_on(&run.id);
        let outbox = Outbox::new(self, &store, Header::new(&run.id, &experiment, &store.address))?;
        let steps = latest_steps(&run);
        self.live.begin(Facts { id: run.id.clone(), name: run.name.clone(), experiment: experiment.clone(), start_ms: run.start_ms, page: tracking.page(&run), params: run.params.clone() });
        let source = cells::artifact(order.resume.is_some());
        let active = Arc::new(Active { id: run.id.clone(), name: run.name.clone(), experiment, store, page: tracking.page(&run), origin: order.origin, source, steps, outbox, now: Now::default() });
        self.describe(&active, order.resume.is_some());
        if let Some(every) = order.system {
            let task = tokio::spawn(sample(Arc::downgrade(self), active.clone(), every));
            active.sampled_by(task.abort_handle());
        }
        let ended = self.live.cells_ended();
        let mut state = self.state();
        state.begun.push((run.id.clone(), ended));
        state.last = Some(run.id.clone());
        state.seen.retain(|name| *name != run.name);
        state.seen.push(run.name);
        state.active = Some(active.clone());
        Ok(active)
    }

    async fn created(&self, tracking: &dyn Tracking, order: &Order) -> Result<(Run, String), Failure> {
        let experiment = tracking.experiment(&self.experiment()).await.map_err(of_tracking)?;
        let mut tags = provenance::tags(&self.setup);
        let cell = self.state().cell;
        tags.extend(cell.map(|count| (provenance::CELL.to_owned(), count.to_string())));
        let dependencies = self.cells.dependencies();
        if !dependencies.is_empty() {
            tags.push((provenance::DEPENDENCIES.to_owned(), dependencies));
        }
        tags.extend(order.tags.iter().cloned());
        let name = order.name.clone().unwrap_or_else(names::pick);
        let new = NewRun { experiment_id: experiment.id, name: Some(name), parent: order.parent.clone(), tags, start_ms: Some(now_ms()) };
        Ok((tracking.create_run(new).await.map_err(of_tracking)?, experiment.name))
    }

    async fn resumed(&self, tracking: &dyn Tracking, id: &str) -> Result<(Run, String), Failure> {
        let run = tracking.run(id).await.map_err(of_tracking)?;
        tracking.update_run(id, Status::Running, None).await.map_err(of_tracking)?;
        let experiments = tracking.experiments().await.map_err(of_tracking)?;
        let name = experiments.into_iter().find(|e| e.id == run.experiment_id).map_or_else(|| run.experiment_id.clone(), |e| e.name);
        Ok((run, name))
    }

    /// What takes longer than a run may take to begin: the cells' text, the notebook's parameters, the GPUs.
    fn describe(self: &Arc<Self>, active: &Arc<Active>, resumed: bool) {
        active.outbox.add(Record::Text { path: active.source.clone(), text: self.cells.text() });
        for (key, value) in self.setup.parameters.iter().filter(|_| !resumed).cloned() {
            self.live.param(&active.id, &key, &value);
            active.outbox.add(Record::Param { key, value });
        }
        let outbox = active.outbox.clone();
        tokio::spawn(async move { outbox.add(Record::Tag { key: provenance::GPU.to_owned(), value: provenance::gpus().await }) });
    }

    /// The store learns that a run whose last cell failed goes on.
    fn tell_running(self: &Arc<Self>, active: &Arc<Active>) {
        let (runs, active) = (self.clone(), active.clone());
        runs.live.status(&active.id, Status::Running, None);
        tokio::spawn(async move {
            if let Ok(tracking) = active.store.open().await {
                tracking.update_run(&active.id, Status::Running, None).await.ok();
            }
        });
    }
}

fn latest_steps(run: &Run) -> BTreeMap<String, i64> {
    run.metrics.iter().map(|(key, metric)| (key.clone(), metric.step)).collect()
}

/// Logs the figures of this machine until it is aborted.
async fn sample(runs: Weak<Runs>, active: Arc<Active>, every: Duration) {
    let Some(directory) = runs.upgrade().map(|runs| runs.setup.directory.clone()) else { return };
    let mut meter = system::Meter::new(directory);
    let first = active.steps.iter().filter(|(key, _)| key.starts_with("system/")).map(|(_, step)| step + 1).max().unwrap_or(0);
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    for step in first.. {
        ticks.tick().await;
        let timestamp_ms = now_ms();
        let figures = meter.sample().await;
        let Some(runs) = runs.upgrade() else { return };
        for (key, value) in figures {
            let metric = ochre_spool::Metric { key, value, timestamp_ms, step };
            runs.live.metric(&active.id, &metric);
            active.outbox.add(Record::Metric(metric));
        }
    }
}
