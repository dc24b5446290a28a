//! `ochre::run`: logging to the active run, from any cell, thread, job or program.
//!
//! ```no_run
//! # use ochre_logging as ochre;
//! ochre::run::log_param("learning rate", 0.1);
//! for epoch in 0..10 {
//!     ochre::run::log_metric("loss", 1.0 / (1 + epoch) as f64);
//! }
//! ```
//! Calls return within microseconds and never fail a cell: what is wrong with a name or a value is said once on stderr. Only calls that read or make
//! files give a `Result`. When no run is active, the first call of a cell begins one.
use crate::active::{self, Delivery};
use crate::recorder::{Recorder, metrics};
use crate::registry::{recorder, registry, within};
use crate::{LogError, Logging, artifacts};
use ochre_runtime::{Mime, Show};
use ochre_runtime::host::RequestFailure;
use ochre_spool::wire::{self, Active, Request};
use std::fmt::{self, Display};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use crate::LogError as Error;
#[cfg(feature = "frames")]
pub use crate::frames::{log_frame, log_image};
pub use crate::value::Value;
pub use ochre_spool::wire::Status;

/// MLflow's tag for a run's description.
const NOTE: &str = "mlflow.note.content";
/// How long [`flush`] waits at most.
const FLUSH_BOUND: Duration = Duration::from_secs(60);

/// Logs a point of a metric. Its step is the one after the last that was logged under this name, 0 at first.
///
/// MLflow gives such points step 0 all, and tells them apart by their time. NaN is kept as a gap, infinities as the largest numbers (MLflow's rule).
pub fn log_metric(name: impl AsRef<str>, value: impl Value) {
    metric(name.as_ref(), value.value(), None);
}

/// Logs a point of a metric at a step. The next [`log_metric`] of this name goes on from there.
pub fn log_metric_at(name: impl AsRef<str>, value: impl Value, step: impl TryInto<i64>) {
    metric(name.as_ref(), value.value(), Some(step.try_into().unwrap_or(i64::MAX)));
}

/// Logs a point of several metrics, all of the same moment: `log_metrics(&[("loss", 0.5), ("accuracy", 0.8)])`.
pub fn log_metrics<K: AsRef<str>, V: Value>(points: &[(K, V)]) {
    several(&mut points.iter().map(|(name, value)| (name.as_ref(), value.value())), None);
}

/// Logs a point of several metrics at a step.
pub fn log_metrics_at<K: AsRef<str>, V: Value>(points: &[(K, V)], step: impl TryInto<i64>) {
    several(&mut points.iter().map(|(name, value)| (name.as_ref(), value.value())), Some(step.try_into().unwrap_or(i64::MAX)));
}

/// Logs a parameter of the run. It is set once: another value later is left out, and said.
pub fn log_param(name: impl AsRef<str>, value: impl Display) {
    with(|recorder| recorder.param(name.as_ref(), &value.to_string()));
}

/// Logs several parameters: `log_params(&[("depth", "3"), ("trees", "100")])`; of mixed types as `&dyn Display`.
pub fn log_params<K: AsRef<str>, V: Display>(params: &[(K, V)]) {
    with(|recorder| params.iter().for_each(|(name, value)| recorder.param(name.as_ref(), &value.to_string())));
}

/// Sets a tag of the run; the last value wins.
pub fn log_tag(name: impl AsRef<str>, value: impl Display) {
    with(|recorder| recorder.tag(name.as_ref(), &value.to_string()));
}

/// Sets several tags.
pub fn log_tags<K: AsRef<str>, V: Display>(tags: &[(K, V)]) {
    with(|recorder| tags.iter().for_each(|(name, value)| recorder.tag(name.as_ref(), &value.to_string())));
}

/// Sets the run's description, in Markdown.
pub fn set_note(markdown: impl AsRef<str>) {
    with(|recorder| recorder.tag(NOTE, markdown.as_ref()));
}

/// Logs a text as the artifact `name` (`report.md`, `logs/first.txt`).
pub fn log_text(name: impl AsRef<str>, text: impl AsRef<str>) {
    text_of(name.as_ref(), text.as_ref());
}

/// Logs a value as the JSON artifact `name`.
pub fn log_dict(name: impl AsRef<str>, value: &(impl serde::Serialize + ?Sized)) {
    let name = name.as_ref();
    match serde_json::to_string_pretty(value) {
        Ok(text) => text_of(name, &text),
        Err(error) => with(|recorder| recorder.said.once(&format!("json {name}"), || format!("`{name}` is not logged: it cannot be written as JSON: {error}"))),
    }
}

/// The same as [`log_dict`].
pub fn log_json(name: impl AsRef<str>, value: &(impl serde::Serialize + ?Sized)) {
    log_dict(name, value);
}

/// Logs a file, or a folder with all that is in it, under its own name. It is copied as it is now.
pub fn log_artifact(path: impl AsRef<Path>) -> Result<(), LogError> {
    file_to(path.as_ref(), "")
}

/// Logs a file or a folder into a folder of the run's artifacts.
pub fn log_artifact_to(path: impl AsRef<Path>, folder: impl AsRef<str>) -> Result<(), LogError> {
    file_to(path.as_ref(), folder.as_ref())
}

/// Logs all that is in a folder, without the folder itself.
pub fn log_artifacts(directory: impl AsRef<Path>) -> Result<(), LogError> {
    let directory = directory.as_ref();
    there(directory)?;
    recorder().map_or(Ok(()), |recorder| artifacts::log_inside(&recorder, directory, ""))
}

/// A run, to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub id: String,
    pub name: String,
    pub experiment: String,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name, experiment } = self;
        write!(f, "run {name} ({id}) of the experiment {experiment}")
    }
}

impl Show<Logging> for Run {
    fn show(&self) -> Mime {
        ochre_runtime::text(self.to_string())
    }
}

/// The run that is active now. `None` when there is none: a log call would begin one.
pub fn current() -> Option<Run> {
    let active = active::find(false).ok().flatten()?.0;
    Some(Run { id: active.run_id, name: active.name, experiment: active.experiment })
}

/// Waits until all that was logged is delivered to where runs are kept, up to a minute; false if something still waits (always without a
/// kernel: the spool stays for who fetches it). What waits is not lost.
pub fn flush() -> bool {
    let done = registry().pump.flush(FLUSH_BOUND) && !registry().is_fetched();
    ochre_runtime::__rt::check();
    done
}

/// A run below the active one, for a trial of a search. Ends as `FAILED` if it is dropped without [`Child::end`].
#[derive(Debug)]
pub struct Child {
    recorder: Arc<Recorder>,
    ended: bool,
}

/// Begins a run below the active one (or below the child that this thread is in). Without a kernel there is no run to begin: an error.
pub fn child<K: AsRef<str>, V: Display>(name: impl AsRef<str>, params: &[(K, V)]) -> Result<Child, LogError> {
    let params = params.iter().map(|(k, v)| (k.as_ref().to_owned(), v.to_string())).collect();
    begin(name.as_ref(), params)
}

fn begin(name: &str, params: Vec<(String, String)>) -> Result<Child, LogError> {
    // The run above is the one that this thread logs to, which is made now if it is not there.
    let parent = recorder().ok_or(LogError::NoRun)?.active.run_id.clone();
    let active: Active = active::ask(&Request::Child(wire::Child { name: name.to_owned(), params, tags: Vec::new(), parent })).map_err(LogError::Kernel)?;
    Ok(Child { recorder: registry().open(active, Delivery::Kernel)?, ended: false })
}

impl Child {
    /// MLflow's id of the run.
    pub fn id(&self) -> &str {
        &self.recorder.active.run_id
    }

    /// Runs `work` with this thread's log calls going to this run.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        within(&self.recorder, work)
    }

    /// Logs to this run from any thread.
    pub fn log_metric(&self, name: impl AsRef<str>, value: impl Value) {
        self.recorder.metric(name.as_ref(), value.value(), None, ochre_spool::now_ms());
    }

    /// Logs to this run from any thread, at a step.
    pub fn log_metric_at(&self, name: impl AsRef<str>, value: impl Value, step: impl TryInto<i64>) {
        self.recorder.metric(name.as_ref(), value.value(), Some(step.try_into().unwrap_or(i64::MAX)), ochre_spool::now_ms());
    }

    /// Sets a tag of this run from any thread.
    pub fn log_tag(&self, name: impl AsRef<str>, value: impl Display) {
        self.recorder.tag(name.as_ref(), &value.to_string());
    }

    /// Ends the run. What was logged is delivered also after that.
    pub fn end(mut self, status: Status) -> Result<(), LogError> {
        self.ended = true;
        finish(self.id(), status).map_err(LogError::Kernel)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.ended {
            // While a panic or an interrupt unwinds: nobody can take an error. The kernel ends what its cell began.
            let _ = finish(self.id(), Status::Failed);
        }
    }
}

fn finish(run_id: &str, status: Status) -> Result<(), RequestFailure> {
    active::ask(&Request::End { run_id: run_id.to_owned(), status })
}

// What the generic functions above are made of; compiled once, here.

fn metric(name: &str, value: f64, step: Option<i64>) {
    if let Some(recorder) = recorder() {
        recorder.metric(name, value, step, ochre_spool::now_ms());
    }
}

fn several(points: &mut dyn Iterator<Item = (&str, f64)>, step: Option<i64>) {
    if let Some(recorder) = recorder() {
        metrics(&recorder, points, step);
    }
}

fn with(work: impl FnOnce(&Recorder)) {
    if let Some(recorder) = recorder() {
        work(&recorder);
    }
}

fn text_of(name: &str, text: &str) {
    with(|recorder| {
        if let Err(error) = recorder.text(name, text) {
            recorder.said.once(&format!("text {name}"), || format!("`{name}` is not logged: {error}"));
        }
    });
}

/// No run is begun for a file that is not there.
fn there(path: &Path) -> Result<(), LogError> {
    std::fs::metadata(path).map(drop).map_err(LogError::file(path))
}

fn file_to(path: &Path, folder: &str) -> Result<(), LogError> {
    there(path)?;
    recorder().map_or(Ok(()), |recorder| artifacts::log(&recorder, path, folder))
}
