//! From records to the store: in order, again when it did not answer, and with what MLflow's rules changed said once.
use crate::failures::one_line;
use crate::runs::Runs;
use crate::stores::Store;
use ochre_spool::Record;
use ochre_tracking::{Batch, Metric, Source, Tracking, TrackingError};
use std::time::Duration;

/// How long a store is left alone that cannot be opened for a reason that passes only when somebody changes something.
const BROKEN_PAUSE: Duration = Duration::from_secs(10);

/// What became of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// They are in the store, or never can be, which was said.
    All,
    /// The store does not answer: again after this time. Nothing is lost by what was written already.
    Later(Duration),
}

impl Runs {
    /// Writes records of a run.
    pub(crate) async fn deliver(&self, store: &Store, run: &str, records: Vec<Record>) -> Delivered {
        if let Some(pause) = store.pause() {
            return Delivered::Later(pause);
        }
        let written = match store.open().await {
            Ok(tracking) => write(&*tracking, run, records).await,
            Err(error) if error.is_away() => Err(error),
            Err(error) => {
                self.warn(&format!("runs cannot be written: {}{}", one_line(&error), error.hint().map(|h| format!(" ({h})")).unwrap_or_default())).await;
                return Delivered::Later(BROKEN_PAUSE);
            }
        };
        match written {
            Ok(problems) => {
                self.say_weather(store, store.answered(), None).await;
                for problem in problems {
                    self.warn(&problem).await;
                }
                Delivered::All
            }
            Err(error) => {
                let (pause, weather) = store.failed();
                self.say_weather(store, weather, Some(&error)).await;
                Delivered::Later(pause)
            }
        }
    }
}

/// Writes all that can be written. An error means that the store is away, so that the same is to be written again.
async fn write(tracking: &dyn Tracking, run: &str, records: Vec<Record>) -> Result<Vec<String>, TrackingError> {
    let mut problems = Vec::new();
    let (batch, artifacts) = sorted(records);
    if !batch.is_empty() {
        match tracking.log(run, &batch).await {
            Ok(outcome) => problems.extend(outcome.problems.iter().map(ToString::to_string)),
            Err(error) if error.is_away() => return Err(error),
            Err(error) => problems.push(format!("{} values of the run {run} could not be logged: {}", batch.metrics.len() + batch.params.len() + batch.tags.len(), one_line(&error))),
        }
    }
    for (path, source) in artifacts {
        if let Source::File(file) = &source
            && !file.exists()
        {
            problems.push(format!("the artifact {path} was not logged: {} is gone", file.display()));
            continue;
        }
        match tracking.put_artifact(run, &path, source).await {
            Ok(()) => {}
            Err(error) if error.is_away() => return Err(error),
            Err(error) => problems.push(format!("the artifact {path} was not logged: {}", one_line(&error))),
        }
    }
    Ok(problems)
}

fn sorted(records: Vec<Record>) -> (Batch, Vec<(String, Source)>) {
    let (mut batch, mut artifacts) = (Batch::default(), Vec::new());
    for record in records {
        match record {
            Record::Metric(m) => batch.metrics.push(Metric { key: m.key, value: m.value, timestamp_ms: m.timestamp_ms, step: m.step }),
            Record::Param { key, value } => batch.params.push((key, value)),
            Record::Tag { key, value } => batch.tags.push((key, value)),
            Record::Text { path, text } => artifacts.push((path, Source::Bytes(text.into_bytes().into()))),
            Record::Artifact { path, file, .. } => artifacts.push((path, Source::File(file))),
        }
    }
    (batch, artifacts)
}
