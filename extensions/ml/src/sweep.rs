//! `ochre::sweep`: runs trials on the machine's cores, each a child of the active run, with a table that keeps the best on top.
//!
//! ```no_run
//! # use ochre_ml as ochre;
//! let space = ochre::Space::new().log("rate", 1e-4, 1e-1).int("layers", 1, 4).choice("kind", ["relu", "gelu"]);
//! let sweep = ochre::sweep(space, 30, |trial| {
//!     let mut loss = f64::INFINITY;
//!     for epoch in 0..10 {
//!         loss = trial.float("rate") / (1 + epoch) as f64;
//!         if trial.report(epoch, loss) {
//!             break;
//!         }
//!     }
//!     loss
//! });
//! ```
use crate::view::{TableView, number, seconds};
use crate::Ml;
use ochre_learning::LearningError;
use ochre_learning::search::{End, Params, Setting, Space, Study};
use ochre_logging::run::{self, Child, Status};
use ochre_runtime::{Mime, Show, display_as, host, interrupted};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time between two looks at the trials: smooth to the eye, and light for the front end.
const TICK: Duration = Duration::from_millis(300);
/// How long an interrupted cell may take to end: trials that do not report go on until they are done.
const CELL_END: Duration = Duration::from_secs(600);
/// Trials that the table shows.
const SHOWN: usize = 15;

/// What an objective may give: a number, or a `Result` of one.
pub trait Score {
    fn score(self) -> Result<f64, String>;
}

impl Score for f64 {
    fn score(self) -> Result<f64, String> {
        Ok(self)
    }
}

impl Score for f32 {
    fn score(self) -> Result<f64, String> {
        Ok(self.into())
    }
}

impl<T: Score, E: Display> Score for Result<T, E> {
    fn score(self) -> Result<f64, String> {
        self.map_err(|e| e.to_string())?.score()
    }
}

/// One trial under way: what it is to try, and to whom it tells how it goes.
pub struct Trial<'a> {
    number: usize,
    params: Params,
    shared: &'a Shared,
    child: Option<Child>,
    /// What was reported last, when it is to be given up.
    behind: Mutex<Option<f64>>,
}

impl Trial<'_> {
    /// Counts from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// All parameters, in the order of the space.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// A number.
    ///
    /// # Panics
    /// The space has no such number.
    pub fn float(&self, name: &str) -> f64 {
        match self.param(name) {
            Setting::Float(value) => *value,
            Setting::Int(value) => *value as f64,
            Setting::Text(text) => text.parse().unwrap_or_else(|_| panic!("`{name}` is the text `{text}`: read it with `.text(\"{name}\")`")),
        }
    }

    /// A whole number.
    ///
    /// # Panics
    /// The space has no such whole number.
    pub fn int(&self, name: &str) -> i64 {
        match self.param(name) {
            Setting::Int(value) => *value,
            other => panic!("`{name}` is {other}, not a whole number: read it with `.float(\"{name}\")` or `.text(\"{name}\")`"),
        }
    }

    /// A whole number, for counts and sizes.
    ///
    /// # Panics
    /// The space has no such whole number, or it is below 0.
    pub fn count(&self, name: &str) -> usize {
        usize::try_from(self.int(name)).unwrap_or_else(|_| panic!("`{name}` is below 0"))
    }

    /// A choice.
    ///
    /// # Panics
    /// The space has no such parameter.
    pub fn text(&self, name: &str) -> String {
        self.param(name).to_string()
    }

    /// A choice of `true` and `false`.
    ///
    /// # Panics
    /// The space has no such parameter.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name) == "true"
    }

    fn param(&self, name: &str) -> &Setting {
        let found = self.params.iter().find(|(own, _)| own == name).map(|(_, setting)| setting);
        found.unwrap_or_else(|| panic!("the space has no `{name}`; it has {}", self.params.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>().join(", ")))
    }

    /// Tells how good it is at a step. `true`: give it up (others were better at this step, or the user has interrupted); end the objective then,
    /// with whatever value.
    pub fn report(&self, step: impl TryInto<u64>, value: impl Into<f64>) -> bool {
        let (step, value) = (step.try_into().unwrap_or(u64::MAX), value.into());
        if let Some(child) = &self.child {
            child.log_metric_at(&self.shared.metric, value, step);
        }
        let behind = lock(&self.shared.study).report(self.number, step, value);
        if behind {
            *lock(&self.behind) = Some(value);
        }
        behind || interrupted() || self.shared.stopped.load(Ordering::Relaxed)
    }
}

/// What all threads of a sweep share.
struct Shared {
    study: Mutex<Study>,
    ended: Mutex<Vec<TrialOutcome>>,
    metric: String,
    most: usize,
    stopped: AtomicBool,
    said: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq)]
pub enum TrialEnd {
    Finished,
    /// Given up, because others were better at the same step.
    Pruned,
    /// With this error.
    Failed(String),
}

/// A trial that has ended.
#[derive(Debug, Clone)]
pub struct TrialOutcome {
    pub number: usize,
    pub params: Params,
    /// What it gave; of one that was given up, what it had then.
    pub value: Option<f64>,
    pub end: TrialEnd,
    pub seconds: f64,
    /// The run that it was logged to.
    pub run: Option<String>,
}

/// What a sweep found.
#[derive(Debug, Clone)]
pub struct Sweep {
    outcomes: Vec<TrialOutcome>,
    space: Space,
    planned: usize,
    seconds: f64,
}

impl Sweep {
    /// All trials, best first; those that were given up or failed after the others.
    pub fn trials(&self) -> &[TrialOutcome] {
        &self.outcomes
    }

    /// The best trial, if one finished.
    pub fn best(&self) -> Option<&TrialOutcome> {
        self.outcomes.first().filter(|o| o.end == TrialEnd::Finished && o.value.is_some_and(|v| !v.is_nan()))
    }

    /// The best value; NaN if no trial finished.
    pub fn best_value(&self) -> f64 {
        self.best().and_then(|b| b.value).unwrap_or(f64::NAN)
    }

    /// A parameter of the best trial.
    pub fn best_param(&self, name: &str) -> Option<&Setting> {
        self.best()?.params.iter().find(|(own, _)| own == name).map(|(_, setting)| setting)
    }

    /// The space that was searched.
    pub fn space(&self) -> &Space {
        &self.space
    }

    fn of(outcomes: &[TrialOutcome], space: &Space, planned: usize, seconds: f64) -> Self {
        let mut outcomes = outcomes.to_vec();
        let rank = |o: &TrialOutcome| match o.end {
            TrialEnd::Finished => 0,
            TrialEnd::Pruned => 1,
            TrialEnd::Failed(_) => 2,
        };
        outcomes.sort_by(|a, b| {
            let (x, y) = (a.value.unwrap_or(f64::NAN), b.value.unwrap_or(f64::NAN));
            let by_value = match (space.better(x, y), space.better(y, x)) {
                (true, _) => std::cmp::Ordering::Less,
                (_, true) => std::cmp::Ordering::Greater,
                _ => a.number.cmp(&b.number),
            };
            rank(a).cmp(&rank(b)).then(by_value)
        });
        Self { outcomes, space: space.clone(), planned, seconds }
    }

    fn view(&self, running: usize) -> TableView {
        let names = self.space.names();
        let mut headings: Vec<String> = ["trial", self.space.metric_name()].map(String::from).to_vec();
        headings.extend(names.iter().map(|n| (*n).to_string()));
        headings.extend(["time", "end"].map(String::from));
        let row = |o: &TrialOutcome| {
            let mut cells = vec![o.number.to_string(), o.value.map_or_else(String::new, number)];
            cells.extend(o.params.iter().map(|(_, setting)| match setting {
                Setting::Float(value) => number(*value),
                other => other.to_string(),
            }));
            cells.push(seconds(o.seconds));
            cells.push(match &o.end {
                TrialEnd::Finished => "finished".into(),
                TrialEnd::Pruned => "given up".into(),
                TrialEnd::Failed(why) => format!("failed: {}", first_line(why)),
            });
            cells
        };
        let more = self.outcomes.len().saturating_sub(SHOWN);
        let mut note = if self.space.is_maximized() { String::from("larger is better") } else { String::from("smaller is better") };
        if more > 0 {
            note += &format!(" · {more} more below");
        }
        let state = if running > 0 { format!(" · {running} running") } else { String::new() };
        TableView {
            title: format!("{} of {} trials{state} · {}", self.outcomes.len(), self.planned, seconds(self.seconds)),
            headings,
            rows: self.outcomes.iter().take(SHOWN).map(row).collect(),
            best_first: self.best().is_some(),
            note,
        }
    }
}

impl Show<Ml> for Sweep {
    fn show(&self) -> Mime {
        self.view(0).show()
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Runs up to `trials` trials of `objective` in `space`, and gives them with the best first. Each is a run below the active one: its parameters are
/// params, what it reports and gives are metrics, and what `objective` logs goes to it. Trials that fail or panic are told in the table, and the
/// others go on.
///
/// # Errors
/// A range of the space is empty.
pub fn sweep<R: Score>(space: Space, trials: usize, objective: impl Fn(&Trial) -> R + Sync) -> Result<Sweep, LearningError> {
    run_trials(space, trials, &|trial: &Trial| objective(trial).score())
}

type Objective<'a> = &'a (dyn Fn(&Trial) -> Result<f64, String> + Sync);

fn run_trials(space: Space, trials: usize, objective: Objective) -> Result<Sweep, LearningError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = space.threads().unwrap_or(cores).min(trials).max(1);
    let study = Study::new(space.clone())?;
    let metric = space.metric_name().to_owned();
    let shared = Shared { study: Mutex::new(study), ended: Mutex::default(), metric, most: trials, stopped: AtomicBool::new(false), said: AtomicBool::new(false) };
    let screen = Screen::new();
    let began = Instant::now();
    let now = || {
        let ended = lock(&shared.ended).clone();
        Sweep::of(&ended, &space, trials, began.elapsed().as_secs_f64())
    };
    if host::get().is_some() {
        // Begins the run, if there is none, before the threads ask for it.
        run::log_tag("ochre.sweep", format!("{trials} trials for {}", shared.metric));
    }
    if threads == 1 {
        // On the cell's own thread, where an interrupt ends loops of the objective too.
        while !interrupted() && one(&shared, objective) {
            screen.paint(1, &now);
        }
    } else {
        let at_work = AtomicU64::new(threads as u64);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while !shared.stopped.load(Ordering::Relaxed) && one(&shared, objective) {}
                    at_work.fetch_sub(1, Ordering::SeqCst);
                });
            }
            while at_work.load(Ordering::SeqCst) > 0 {
                std::thread::park_timeout(TICK / 10);
                if interrupted() {
                    shared.stopped.store(true, Ordering::SeqCst);
                }
                screen.paint(at_work.load(Ordering::SeqCst) as usize, &now);
            }
        });
    }
    let sweep = now();
    screen.last(&sweep);
    ochre_runtime::__rt::check();
    if let Some(best) = sweep.best().filter(|b| b.run.is_some()) {
        run::log_metric(format!("best_{}", shared.metric), best.value.unwrap_or(f64::NAN));
        run::log_tag("ochre.best_trial", best.number);
    }
    Ok(sweep)
}

/// Runs the next trial; false when there is none.
fn one(shared: &Shared, objective: Objective) -> bool {
    let (number, params) = {
        let mut study = lock(&shared.study);
        if study.trials().len() >= shared.most {
            return false;
        }
        let Some(trial) = study.ask() else { return false };
        (trial.number, trial.params.clone())
    };
    let began = Instant::now();
    let child = begin_run(shared, number, &params);
    let trial = Trial { number, params, shared, child, behind: Mutex::default() };
    let work = || catch_unwind(AssertUnwindSafe(|| objective(&trial)));
    let result = match &trial.child {
        Some(child) => child.within(work),
        None => work(),
    };
    let result = result.unwrap_or_else(|panic| {
        if interrupted() {
            resume_unwind(panic);
        }
        Err(panic_text(&*panic))
    });
    let behind = *lock(&trial.behind);
    let (end, told, value) = match (result, behind) {
        (Err(why), _) => (TrialEnd::Failed(why.clone()), End::Failed(why), None),
        (Ok(_), Some(value)) => (TrialEnd::Pruned, End::Pruned(value), Some(value)),
        (Ok(value), None) => (TrialEnd::Finished, End::Finished(value), Some(value)),
    };
    lock(&shared.study).tell(number, told);
    let run = trial.child.as_ref().map(|c| c.id().to_owned());
    if let Some(child) = trial.child {
        if interrupted() {
            end_later(child);
        } else {
            end_run(child, &shared.metric, &end, value);
        }
    }
    lock(&shared.ended).push(TrialOutcome { number, params: trial.params, value, end, seconds: began.elapsed().as_secs_f64(), run });
    true
}

/// A run for a trial, where there is a kernel.
fn begin_run(shared: &Shared, number: usize, params: &Params) -> Option<Child> {
    host::get()?;
    let pairs: Vec<(&str, &Setting)> = params.iter().map(|(name, setting)| (name.as_str(), setting)).collect();
    match run::child(format!("trial-{number}"), &pairs) {
        Ok(child) => Some(child),
        Err(error) => {
            if !shared.said.swap(true, Ordering::Relaxed) {
                eprintln!("ochre: the trials of this sweep are not logged: {error}");
            }
            None
        }
    }
}

fn end_run(child: Child, metric: &str, end: &TrialEnd, value: Option<f64>) {
    let status = match end {
        TrialEnd::Finished => {
            child.log_metric(metric, value.unwrap_or(f64::NAN));
            Status::Finished
        }
        // MLflow has no word of its own for it.
        TrialEnd::Pruned => {
            child.log_tag("ochre.trial", "given up: others were better at the same step");
            Status::Killed
        }
        TrialEnd::Failed(why) => {
            child.log_tag("ochre.trial", format!("failed: {why}"));
            Status::Failed
        }
    };
    if let Err(error) = child.end(status) {
        eprintln!("ochre: the end of a trial's run was not noted: {error}");
    }
}

/// While an interrupt is on its way no request is answered; the run of a trial that it ended is ended when the cell is over.
fn end_later(child: Child) {
    std::thread::spawn(move || {
        let asked = Instant::now();
        while interrupted() && asked.elapsed() < CELL_END {
            std::thread::sleep(TICK / 10);
        }
        if let Err(error) = child.end(Status::Killed) {
            eprintln!("ochre: the end of a trial's run was not noted: {error}");
        }
    });
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}

/// The one display of a sweep.
struct Screen {
    id: String,
    painted: Mutex<Option<Instant>>,
}

impl Screen {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { id: format!("ochre-sweep-{}-{number}", std::process::id()), painted: Mutex::default() }
    }

    /// Shows the state, unless that was done a moment ago.
    fn paint(&self, running: usize, now: &dyn Fn() -> Sweep) {
        let mut painted = lock(&self.painted);
        if host::get().is_none() || painted.is_some_and(|when| when.elapsed() < TICK) {
            return;
        }
        *painted = Some(Instant::now());
        let sweep = now();
        if sweep.outcomes.len() < sweep.planned {
            display_as(&self.id, &sweep.view(running).show());
        }
    }

    fn last(&self, sweep: &Sweep) {
        // Where nothing was painted, the value itself shows the table.
        if host::get().is_some() && lock(&self.painted).is_some() {
            display_as(&self.id, &sweep.view(0).show());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bowl(trial: &Trial) -> f64 {
        (trial.float("x") - 0.3).powi(2)
    }

    #[test]
    fn trials_run_at_a_time_and_the_best_is_on_top() {
        let sweep = sweep(Space::new().float("x", -1.0, 1.0).parallel(4), 40, bowl).unwrap();
        assert_eq!(sweep.trials().len(), 40);
        assert!(sweep.best_value() < 0.01, "{:?}", sweep.best());
        assert!(sweep.trials().windows(2).all(|pair| pair[0].value <= pair[1].value));
        let mut numbers: Vec<usize> = sweep.trials().iter().map(|t| t.number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..40).collect::<Vec<_>>());
        assert!(sweep.show().plain().starts_with("40 of 40 trials"), "{}", sweep.show().plain());
    }

    #[test]
    fn a_seed_repeats_a_search_on_one_thread() {
        let values = || {
            let sweep = sweep(Space::new().float("x", -1.0, 1.0).seed(5).parallel(1), 20, bowl).unwrap();
            sweep.trials().iter().map(|t| t.value).collect::<Vec<_>>()
        };
        assert_eq!(values(), values());
    }

    /// "A trial that fails or panics is told in the sweep's table, and the others go on."
    #[test]
    fn failures_and_panics_are_told_and_the_others_go_on() {
        let space = Space::new().int("n", 0, 9).grid(10).maximize().parallel(2);
        let sweep = sweep(space, 100, |trial| match trial.count("n") {
            3 => panic!("three is bad"),
            4 => Err(format!("{} is worse", trial.text("n"))),
            n => Ok(n as f64),
        });
        let sweep = sweep.unwrap();
        assert_eq!((sweep.trials().len(), sweep.best_value(), sweep.best_param("n")), (10, 9.0, Some(&Setting::Int(9))));
        let text = sweep.show().plain().to_owned();
        assert!(text.contains("failed: three is bad") && text.contains("failed: 4 is worse"), "{text}");
    }

    #[test]
    fn trials_that_fall_behind_are_given_up() {
        let sweep = sweep(Space::new().float("x", 0.0, 1.0).random().parallel(1).seed(1), 40, |trial| {
            for step in 0..10 {
                if trial.report(step, trial.float("x") + 1.0 / (step + 1) as f64) {
                    return f64::NAN;
                }
            }
            trial.float("x")
        });
        let sweep = sweep.unwrap();
        let pruned = sweep.trials().iter().filter(|t| t.end == TrialEnd::Pruned).count();
        assert!((5..30).contains(&pruned), "{pruned} given up");
        assert_eq!(sweep.best().map(|b| b.end.clone()), Some(TrialEnd::Finished));
    }

    #[test]
    fn a_wrong_name_says_which_there_are() {
        let sweep = sweep(Space::new().float("x", 0.0, 1.0), 1, |trial| trial.float("y")).unwrap();
        let text = sweep.show().plain().to_owned();
        assert!(text.contains("the space has no `y`; it has x"), "{text}");
        assert!(sweep.best().is_none() && sweep.best_value().is_nan());
    }
}
