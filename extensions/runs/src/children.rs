//! Runs below runs, which cells begin for the trials of a sweep: how one begins, and who ends it when its cell does not.
//!
//! ```text
//! asked for --> a place --> the store makes the run --> handed to the cell --End--> told
//!                 `---- the cell is interrupted or fails, the run above, the worker or the session ends: over, as soon as there is a run
//! ```
//! A place is taken before the store is asked, so that no order of messages leaves a run open that nobody knows. A cell's own word counts, also when it
//! comes late: threads may outlive their cell.
use crate::begin::now_ms;
use crate::failures::of_tracking;
use crate::live::Facts;
use crate::runs::Runs;
use crate::stores::Store;
use crate::{names, provenance};
use ochre_api::Failure;
use ochre_spool::wire;
use ochre_tracking::{Batch, NewRun, Status, tag};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// What an interrupted cell asked for is heard within this time of its end; what comes later is a thread's.
const LATE: Duration = Duration::from_secs(2);
/// Tags of the session that a trial has too.
const TAGS: [&str; 4] = [tag::USER, tag::SOURCE_NAME, tag::SOURCE_TYPE, tag::GIT_COMMIT];

/// The runs below runs that are open.
#[derive(Default)]
pub(crate) struct Children(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    last: u64,
    open: BTreeMap<u64, Child>,
    /// Runs that are over, and how they ended.
    ended: HashMap<String, Status>,
    /// Ends that no cell said, on their way to the store: a cell's word goes after them.
    telling: HashMap<String, JoinHandle<bool>>,
}

impl Inner {
    /// Takes out those that are meant; those that the store has not made yet are noted to be over.
    fn over(&mut self, status: Status, meant: impl Fn(&Child) -> bool) -> Vec<Over> {
        self.open.values_mut().filter(|child| meant(child)).for_each(|child| child.is_over(status));
        let made = self.open.extract_if(.., |_, child| child.over.is_some() && child.run.is_some());
        made.filter_map(|(_, child)| child.over.zip(child.run)).collect()
    }
}

/// How a run ended whose own end nobody said, its id and its store.
type Over = (Status, (String, Arc<Store>));

/// One of them.
#[derive(Default)]
struct Child {
    /// The cell that asked for it.
    cell: Option<u32>,
    parent: Option<String>,
    /// Its id, once the store has made it.
    run: Option<(String, Arc<Store>)>,
    /// It is over before it has begun.
    over: Option<Status>,
}

impl Child {
    /// The first word counts.
    fn is_over(&mut self, status: Status) {
        self.over.get_or_insert(status);
    }
}

impl Children {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run goes on after its end.
    pub(crate) fn goes_on(&self, run: &str) {
        self.lock().ended.remove(run);
    }

    /// Those that were asked for and are not over.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.lock().open.values().filter(|child| child.over.is_none()).count()
    }
}

/// How a run ends whose own end nobody said, when the one above it, or its cell, ends so.
fn unsaid(above: Status) -> Status {
    match above {
        Status::Failed => Status::Failed,
        _ => Status::Killed,
    }
}

/// A child that is being made. When it is dropped before its cell has it, because nobody waits for the answer any more, it is over.
struct Place {
    number: u64,
    runs: Arc<Runs>,
    runtime: Handle,
    handed: bool,
}

impl Place {
    fn take(runs: &Arc<Runs>) -> Self {
        let (cell, over) = runs.asking();
        let mut inner = runs.children.lock();
        inner.last += 1;
        let number = inner.last;
        inner.open.insert(number, Child { cell, over, ..Child::default() });
        drop(inner);
        Self { number, runs: runs.clone(), runtime: Handle::current(), handed: false }
    }

    fn below(&self, parent: &str) {
        let mut inner = self.runs.children.lock();
        let ended = inner.ended.get(parent).copied();
        if let Some(child) = inner.open.get_mut(&self.number) {
            child.parent = Some(parent.to_owned());
            if let Some(status) = ended {
                child.is_over(unsaid(status));
            }
        }
    }

    /// The store has made it.
    fn made(&self, run: &str, store: &Arc<Store>) {
        if let Some(child) = self.runs.children.lock().open.get_mut(&self.number) {
            child.run = Some((run.to_owned(), store.clone()));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = {
            let mut inner = self.runs.children.lock();
            // A child that its cell has, and that is not over, stays.
            inner.open.extract_if(self.number..=self.number, |_, child| !self.handed || child.over.is_some() || child.run.is_none()).next()
        };
        if let Some((_, Child { over, run: Some((run, store)), .. })) = left {
            let _runtime = self.runtime.enter();
            self.runs.end_unsaid(&run, store, over.unwrap_or(Status::Killed));
        }
    }
}

impl Runs {
    /// Begins a run below a run, for a cell.
    pub(crate) async fn begin_child(self: &Arc<Self>, child: wire::Child) -> Result<wire::Active, Failure> {
        let (runs, place) = (self.clone(), Place::take(self));
        // A task of its own: when nobody waits for the answer any more, the store may have made the run already.
        let making = tokio::spawn(async move { runs.make_child(&place, child).await.map(|active| (place, active)) });
        let (mut place, active) = making.await.map_err(|error| Failure::bug(format!("a run could not begin: {error}")))??;
        place.handed = true;
        Ok(active)
    }

    async fn make_child(self: &Arc<Self>, place: &Place, child: wire::Child) -> Result<wire::Active, Failure> {
        let parent = if child.parent.is_empty() { self.active_for_cell().await?.id.clone() } else { child.parent };
        place.below(&parent);
        let store = self.store_of(&parent).unwrap_or_else(|| self.store());
        let tracking = store.open().await.map_err(of_tracking)?;
        let above = tracking.run(&parent).await.map_err(of_tracking)?;
        let mut tags: Vec<(String, String)> = provenance::tags(&self.setup).into_iter().filter(|(key, _)| TAGS.contains(&key.as_str())).collect();
        tags.extend(child.tags);
        let name = if child.name.is_empty() { names::pick() } else { child.name };
        let new = NewRun { experiment_id: above.experiment_id, name: Some(name), parent: Some(parent.clone()), tags, start_ms: Some(now_ms()) };
        let run = tracking.create_run(new).await.map_err(of_tracking)?;
        self.journal.began(&run.id, &store.address);
        self.know(&run.id, &store);
        let experiment = self.live.seen(&parent).map_or_else(|| self.experiment(), |seen| seen.facts.experiment);
        self.live.begin(Facts { id: run.id.clone(), name: run.name.clone(), experiment: experiment.clone(), start_ms: run.start_ms, page: tracking.page(&run), params: child.params.iter().cloned().collect() });
        place.made(&run.id, &store);
        if !child.params.is_empty() {
            let params = Batch { params: child.params, ..Default::default() };
            let outcome = tracking.log(&run.id, &params).await.map_err(of_tracking)?;
            for problem in outcome.problems {
                self.warn(&problem.to_string()).await;
            }
        }
        Ok(wire::Active {
            run_id: run.id,
            name: run.name,
            experiment,
            tracking_uri: store.address.clone(),
            spool_directory: Some(self.setup.spools.clone()),
            ..wire::Active::default()
        })
    }

    /// The cell that asks now; and how it has ended, when it was interrupted a moment ago.
    fn asking(&self) -> (Option<u32>, Option<Status>) {
        let state = self.state();
        let late = state.ended.filter(|ended| state.cell.is_none() && ended.status == Status::Killed && ended.at.elapsed() < LATE);
        (state.cell, late.map(|ended| ended.status))
    }

    /// A cell says how a run ends. What takes longer goes on by itself when the handle is dropped.
    pub(crate) fn end_child(self: &Arc<Self>, run: &str, store: Arc<Store>, status: Status) -> JoinHandle<bool> {
        let before = {
            let mut inner = self.children.lock();
            inner.open.retain(|_, child| child.run.as_ref().is_none_or(|(id, _)| id != run));
            inner.telling.remove(run)
        };
        let end_ms = now_ms();
        self.journal.over(run, status, end_ms);
        self.live.status(run, status, Some(end_ms));
        self.end_below(run, status);
        let (runs, run, busy) = (self.clone(), run.to_owned(), self.ending.clone().try_read_owned());
        tokio::spawn(async move {
            let _busy = busy;
            if let Some(before) = before {
                before.await.ok();
            }
            runs.tell(&store, &run, status, Some(end_ms)).await
        })
    }

    /// Nobody says how it ends.
    fn end_unsaid(self: &Arc<Self>, run: &str, store: Arc<Store>, status: Status) {
        let telling = self.end_child(run, store, status);
        let mut inner = self.children.lock();
        inner.telling.retain(|_, telling| !telling.is_finished());
        inner.telling.insert(run.to_owned(), telling);
    }

    fn end_all(self: &Arc<Self>, over: Vec<Over>) {
        for (status, (run, store)) in over {
            self.end_unsaid(&run, store, status);
        }
    }

    /// A run has ended, and with it those below it.
    pub(crate) fn end_below(self: &Arc<Self>, parent: &str, status: Status) {
        let over = {
            let mut inner = self.children.lock();
            inner.ended.insert(parent.to_owned(), status);
            inner.over(unsaid(status), |child| child.parent.as_deref() == Some(parent))
        };
        self.end_all(over);
    }

    /// A cell has failed or was interrupted, and with it what it began.
    pub(crate) fn end_children_of_cell(self: &Arc<Self>, cell: u32, status: Status) {
        let over = self.children.lock().over(unsaid(status), |child| child.cell == Some(cell));
        self.end_all(over);
    }

    /// The worker or the session has ended.
    pub(crate) fn end_children(self: &Arc<Self>) {
        let over = self.children.lock().over(Status::Killed, |_| true);
        self.end_all(over);
    }
}

/// How the last cell ended.
#[derive(Clone, Copy)]
pub(crate) struct CellEnded {
    pub(crate) cell: u32,
    pub(crate) status: Status,
    pub(crate) at: Instant,
}
