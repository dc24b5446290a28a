//! The runs of one session: which experiment and store are chosen, which run is active, and what the user is to be told.
use crate::access::Keys;
use crate::active::Active;
use crate::cells::Cells;
use crate::children::{CellEnded, Children};
use crate::failures::{of_tracking, one_line};
use crate::journal::Journal;
use crate::live::Live;
use crate::setup::Setup;
use crate::stores::{Store, Stores, Weather};
use crate::table::Tables;
use ochre_api::{Failure, Screen};
use ochre_link::Stream;
use ochre_tracking::{Query, Run, Tracking, TrackingError};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, RwLock};

/// Runs that a name is looked for among, the latest first.
const NAMED_AMONG: usize = 1000;
/// Texts that were said and are not said again; a sweep that warns of each of its runs is heard no longer after so many.
const MOST_WARNINGS: usize = 100;

/// All that magics, service and observer share.
pub(crate) struct Runs {
    pub(crate) setup: Setup,
    pub(crate) stores: Stores,
    pub(crate) live: Arc<Live>,
    pub(crate) journal: Journal,
    pub(crate) cells: Cells,
    pub(crate) children: Children,
    pub(crate) tables: Tables,
    /// Held while a run begins, so that two calls at the same time begin one.
    pub(crate) beginning: tokio::sync::Mutex<()>,
    /// Read by what ends runs: when it can be written, all has ended.
    pub(crate) ending: Arc<RwLock<()>>,
    /// Wakes the sweeper.
    pub(crate) sweep: Arc<Notify>,
    /// The stores of runs that were given to cells.
    known: Mutex<HashMap<String, Arc<Store>>>,
    state: Mutex<State>,
}

/// What changes.
#[derive(Default)]
pub(crate) struct State {
    /// By `%tracking`.
    pub(crate) address: Option<String>,
    /// By `%experiment`.
    pub(crate) experiment: Option<String>,
    pub(crate) active: Option<Arc<Active>>,
    /// The run that was active last, by id.
    pub(crate) last: Option<String>,
    /// All that were begun, by id, with the count of cells that had ended.
    pub(crate) begun: Vec<(String, u64)>,
    /// By `%runs --best`.
    pub(crate) best: Option<String>,
    /// The running cell's output, or that of the last one.
    pub(crate) screen: Option<Arc<dyn Screen>>,
    /// The number of the running cell.
    pub(crate) cell: Option<u32>,
    /// The cell that ended last.
    pub(crate) ended: Option<CellEnded>,
    /// Said when the next cell begins.
    pub(crate) news: Vec<String>,
    warned: HashSet<String>,
    /// Names that completion offers.
    pub(crate) seen: Vec<String>,
    pub(crate) experiments: Vec<String>,
}

impl Runs {
    pub(crate) fn new(setup: Setup) -> Arc<Self> {
        let keys = Arc::new(Keys::new(&setup.environment, setup.secrets.clone(), setup.identity.clone()));
        Arc::new(Self {
            stores: Stores::new(keys),
            live: Arc::default(),
            journal: Journal::new(&setup.spools),
            cells: Cells::default(),
            children: Children::default(),
            tables: Tables::default(),
            beginning: tokio::sync::Mutex::default(),
            ending: Arc::default(),
            sweep: Arc::new(Notify::new()),
            known: Mutex::default(),
            state: Mutex::default(),
            setup,
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address of the store that is used: what was chosen, what MLflow's variable says, the workspace's, else the file beside the notebook.
    pub(crate) fn address(&self) -> String {
        let chosen = self.state().address.clone();
        chosen.or_else(|| self.setup.variable("MLFLOW_TRACKING_URI").map(str::to_owned)).or_else(|| (self.setup.workspace)()).unwrap_or_else(|| self.local_address())
    }

    /// The file beside the notebook.
    pub(crate) fn local_address(&self) -> String {
        format!("sqlite:///{}", self.setup.directory.join("mlflow.db").display())
    }

    pub(crate) fn store(&self) -> Arc<Store> {
        self.stores.at(&self.address())
    }

    /// The store that is used, open.
    pub(crate) async fn tracking(&self) -> Result<Arc<dyn Tracking>, Failure> {
        self.store().open().await.map_err(of_tracking)
    }

    /// The experiment of the next run.
    pub(crate) fn experiment(&self) -> String {
        let chosen = self.state().experiment.clone();
        chosen.unwrap_or_else(|| self.setup.experiment())
    }

    pub(crate) fn active(&self) -> Option<Arc<Active>> {
        self.state().active.clone()
    }

    /// A run of this store was given to a cell.
    pub(crate) fn know(&self, run: &str, store: &Arc<Store>) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(run.to_owned(), store.clone());
    }

    /// The store of a run that a cell has.
    pub(crate) fn store_of(&self, run: &str) -> Option<Arc<Store>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(run).cloned()
    }

    /// Says a line to the user now: below the running cell, else below the last one.
    pub(crate) async fn say(&self, line: &str) {
        self.write(Stream::Stdout, line).await;
    }

    async fn write(&self, stream: Stream, line: &str) {
        let screen = self.state().screen.clone();
        match screen {
            Some(screen) => screen.write(stream, &format!("{line}\n")).await,
            None => self.state().news.push(line.to_owned()),
        }
    }

    /// Says it if it was not said before.
    pub(crate) async fn warn(&self, line: &str) {
        let new = {
            let mut state = self.state();
            state.warned.len() < MOST_WARNINGS && state.warned.insert(line.to_owned())
        };
        if new {
            self.write(Stream::Stderr, &format!("\x1b[1;33mwarning\x1b[0m: {line}")).await;
        }
    }

    /// Says that a store went away, and why, or is back.
    pub(crate) async fn say_weather(&self, store: &Store, weather: Weather, why: Option<&TrackingError>) {
        match (weather, why) {
            (Weather::Gone, Some(why)) => {
                // A file's error says itself what becomes of what is logged.
                let then = match why {
                    TrackingError::Database { .. } | TrackingError::File { .. } => why.hint(),
                    _ => None,
                };
                let then = then.unwrap_or_else(|| format!("what is logged waits on this disk and is sent when {} answers again", store.address));
                self.write(Stream::Stderr, &format!("\x1b[1;33mwarning\x1b[0m: runs cannot be written now: {}; {then}", one_line(why))).await;
            }
            (Weather::Back, _) => self.say(&format!("{} answers again: what was waiting is being sent", store.address)).await,
            _ => {}
        }
    }

    /// The run that a word names: `best_run`, `last`, an id, the beginning of one (8 characters or more), or the latest of a name.
    pub(crate) async fn find(&self, word: &str) -> Result<Run, Failure> {
        let tracking = self.tracking().await?;
        let kept = {
            let state = self.state();
            match word {
                "best_run" => Some(state.best.clone().ok_or_else(|| Failure::usage("there is no best run yet").hint("`%runs --best METRIC:max` finds it"))?),
                "last" => Some(state.last.clone().ok_or_else(|| Failure::usage("this session has had no run yet").hint("`%runs` shows those of the experiment"))?),
                _ => None,
            }
        };
        if let Some(id) = kept {
            return tracking.run(&id).await.map_err(of_tracking);
        }
        let is_id = word.len() == 32 && word.chars().all(|c| c.is_ascii_hexdigit());
        if is_id || self.live.has(word) {
            return tracking.run(word).await.map_err(of_tracking);
        }
        let experiments = tracking.experiments().await.map_err(of_tracking)?.into_iter().map(|e| e.id).collect::<Vec<_>>();
        let quoted = word.replace('\'', "\\'");
        let query = Query { experiments: experiments.clone(), filter: format!("attributes.run_name = '{quoted}'"), max: 1, ..Query::default() };
        if let Some(run) = tracking.search(&query).await.map_err(of_tracking)?.items.into_iter().next() {
            return Ok(run);
        }
        let latest = tracking.search(&Query { experiments, max: NAMED_AMONG, ..Query::default() }).await.map_err(of_tracking)?.items;
        if word.len() >= 8
            && let Some(run) = latest.iter().find(|run| run.id.starts_with(word))
        {
            return Ok(run.clone());
        }
        let names: Vec<&str> = latest.iter().take(5).map(|run| run.name.as_str()).collect();
        let hint = if names.is_empty() { "there is no run yet: `%start_run` begins one".to_owned() } else { format!("the latest are {}; `%runs` shows them all", names.join(", ")) };
        Err(Failure::usage(format!("no run is called `{word}`")).hint(hint))
    }
}
