//! Runs in a SQLite file with MLflow's own schema, so that `mlflow ui` in the same folder shows them, and MLflow's client continues them.
//!
//! Other programs may have the file open at the same time: every write is one short `BEGIN IMMEDIATE` transaction that waits for others as long as
//! MLflow does. One connection writes and one reads; both are used on threads that may block.
mod artifacts;
mod file;
mod inputs;
mod log;
mod models;
mod rows;
mod runs;
mod search;

use crate::{
    ArtifactInfo, Batch, DatasetInput, Experiment, Features, Kind, Metric, Model, ModelVersion, NewModel, NewRun, Outcome, Page, Query, Result, Run, Source,
    Status, Tracking, TrackingError,
};
use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A store in a file.
pub(crate) struct Embedded {
    uri: String,
    features: Features,
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    writer: Mutex<file::Open>,
    reader: Mutex<file::Open>,
}

/// What a statement or a rule of ours refused; the file's name is added at the edge.
pub(super) enum Fail {
    Sql(rusqlite::Error),
    Said(TrackingError),
}

impl From<rusqlite::Error> for Fail {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<TrackingError> for Fail {
    fn from(error: TrackingError) -> Self {
        Self::Said(error)
    }
}

impl Fail {
    fn at(self, doing: &'static str, path: &Path) -> TrackingError {
        match self {
            Self::Sql(source) => TrackingError::Database { doing, path: path.into(), source },
            Self::Said(error) => error,
        }
    }
}

pub(crate) use artifacts::checked as checked_path;
pub(crate) use inputs::checked as checked_input;
pub(crate) use rows::restored;

/// The folder of this machine that an artifact URI names, if it names one.
pub(crate) fn plain_folder(uri: &str) -> Option<PathBuf> {
    artifacts::plain(uri)
}

/// Writes an artifact into a folder that a server keeps on this machine.
pub(crate) async fn put_artifact(folder: PathBuf, path: String, source: Source) -> Result<()> {
    blocking(move || artifacts::put(&folder, &path, &source)).await
}

/// Reads one from there.
pub(crate) async fn get_artifact(folder: PathBuf, path: String) -> Result<Bytes> {
    blocking(move || artifacts::get(&folder, &path)).await
}

/// Unix milliseconds.
pub(super) fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

impl Embedded {
    /// Opens the file, and makes it when it is not there.
    pub async fn open(path: PathBuf) -> Result<Self> {
        blocking(move || {
            let inner = Inner::open(path)?;
            let features =
                Features { kind: Kind::Embedded, version: Some(file::MLFLOW.into()), logged_models: true, inputs: true, artifact_proxy: false };
            Ok(Self { uri: format!("sqlite:///{}", inner.path.display()), features, inner: Arc::new(inner) })
        })
        .await
    }

    async fn write<T: Send + 'static>(&self, doing: &'static str, work: impl FnOnce(&Transaction, &Path) -> Result<T, Fail> + Send + 'static) -> Result<T> {
        let inner = self.inner.clone();
        blocking(move || inner.write(doing, |transaction| work(transaction, &inner.path))).await
    }

    async fn read<T: Send + 'static>(&self, doing: &'static str, work: impl FnOnce(&Connection) -> Result<T, Fail> + Send + 'static) -> Result<T> {
        let inner = self.inner.clone();
        blocking(move || inner.read(doing, work)).await
    }

    /// The folder of a run's artifacts.
    async fn folder(&self, run: &str) -> Result<PathBuf> {
        let (inner, run) = (self.inner.clone(), run.to_owned());
        blocking(move || {
            let uri = inner.read("reading", |c| runs::artifact_uri(c, &run))?;
            artifacts::folder(&uri, &inner.path)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|e| TrackingError::Internal(format!("a thread of the store of runs: {e}")))?
}

impl Inner {
    fn open(path: PathBuf) -> Result<Self> {
        let absolute = std::path::absolute(&path).map_err(|source| TrackingError::File { doing: "finding", path: path.clone(), source })?;
        let writer = file::Open::new(&absolute)?;
        // Links in the folder's path are followed once the folder is there, so that artifacts are found by whoever comes another way.
        let path = std::fs::canonicalize(&absolute).unwrap_or(absolute);
        Ok(Self { writer: Mutex::new(writer), reader: Mutex::new(file::Open::new(&path)?), path })
    }

    fn write<T>(&self, doing: &'static str, work: impl FnOnce(&Transaction) -> Result<T, Fail>) -> Result<T> {
        let mut open = self.current(&self.writer)?;
        let result = (|| {
            let transaction = open.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })();
        result.map_err(|fail: Fail| fail.at(doing, &self.path))
    }

    fn read<T>(&self, doing: &'static str, work: impl FnOnce(&Connection) -> Result<T, Fail>) -> Result<T> {
        let mut open = self.current(&self.reader)?;
        let result = (|| {
            // One transaction, so that what is read in several statements is of one moment.
            let transaction = open.connection.transaction()?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })();
        result.map_err(|fail: Fail| fail.at(doing, &self.path))
    }

    /// The connection; opened anew when the file was deleted or replaced.
    fn current<'a>(&self, slot: &'a Mutex<file::Open>) -> Result<std::sync::MutexGuard<'a, file::Open>> {
        let mut open = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if !open.is_current(&self.path) {
            *open = file::Open::new(&self.path)?;
        }
        Ok(open)
    }
}

#[async_trait]
impl Tracking for Embedded {
    fn uri(&self) -> &str {
        &self.uri
    }

    fn page(&self, _: &Run) -> Option<String> {
        None
    }

    fn features(&self) -> &Features {
        &self.features
    }

    async fn experiment(&self, name: &str) -> Result<Experiment> {
        let name = name.to_owned();
        self.write("making an experiment in", move |t, path| runs::experiment(t, path, &name)).await
    }

    async fn experiments(&self) -> Result<Vec<Experiment>> {
        self.read("reading", runs::experiments).await
    }

    async fn create_run(&self, new: NewRun) -> Result<Run> {
        self.write("beginning a run in", move |t, _| runs::create(t, new)).await
    }

    async fn run(&self, id: &str) -> Result<Run> {
        let id = id.to_owned();
        self.read("reading", move |c| search::one(c, &id)).await
    }

    async fn update_run(&self, id: &str, status: Status, end_ms: Option<i64>) -> Result<()> {
        let id = id.to_owned();
        self.write("writing", move |t, _| runs::update(t, &id, status, end_ms)).await
    }

    async fn log(&self, run: &str, batch: &Batch) -> Result<Outcome> {
        let (run, (batch, problems)) = (run.to_owned(), batch.ruled());
        let mut outcome = Outcome { written: 0, problems };
        outcome.add(self.write("writing", move |t, _| log::batch(t, &run, &batch)).await?);
        Ok(outcome)
    }

    async fn history(&self, run: &str, key: &str, since_step: Option<i64>) -> Result<Vec<Metric>> {
        let (run, key) = (run.to_owned(), key.to_owned());
        self.read("reading", move |c| runs::history(c, &run, &key, since_step)).await
    }

    async fn search(&self, query: &Query) -> Result<Page<Run>> {
        let query = query.clone();
        self.read("reading", move |c| search::runs(c, &query)).await
    }

    async fn put_artifact(&self, run: &str, path: &str, source: Source) -> Result<()> {
        let (folder, path) = (self.folder(run).await?, path.to_owned());
        blocking(move || artifacts::put(&folder, &path, &source)).await
    }

    async fn list_artifacts(&self, run: &str, path: &str) -> Result<Vec<ArtifactInfo>> {
        let (folder, path) = (self.folder(run).await?, path.to_owned());
        blocking(move || artifacts::list(&folder, &path)).await
    }

    async fn get_artifact(&self, run: &str, path: &str) -> Result<Bytes> {
        let (folder, path) = (self.folder(run).await?, path.to_owned());
        blocking(move || artifacts::get(&folder, &path)).await
    }

    async fn log_inputs(&self, run: &str, inputs: &[DatasetInput]) -> Result<()> {
        let (run, inputs) = (run.to_owned(), inputs.to_vec());
        self.write("writing", move |t, _| inputs::log(t, &run, &inputs)).await
    }

    async fn register_model(&self, new: NewModel) -> Result<ModelVersion> {
        self.write("registering a model in", move |t, _| models::register(t, &new)).await
    }

    async fn models(&self) -> Result<Vec<Model>> {
        self.read("reading", models::all).await
    }

    async fn model_versions(&self, name: &str) -> Result<Vec<ModelVersion>> {
        let name = name.to_owned();
        self.read("reading", move |c| models::versions(c, &name)).await
    }

    async fn model_version(&self, name: &str, version: &str) -> Result<ModelVersion> {
        let (name, version) = (name.to_owned(), version.to_owned());
        self.read("reading", move |c| models::version(c, &name, &version)).await
    }
}
