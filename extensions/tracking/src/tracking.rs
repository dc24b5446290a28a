//! The trait behind which every store stands.
use crate::{ArtifactInfo, Batch, DatasetInput, Experiment, Features, Metric, Model, ModelVersion, NewModel, NewRun, Outcome, Page, Query, Result, Run, Status};
use async_trait::async_trait;
use bytes::Bytes;
use std::path::PathBuf;

/// What an artifact is made of.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file of this machine; it is read in parts.
    File(PathBuf),
    Bytes(Bytes),
}

/// A store of runs. Every method may be called again after a failure: what was done already is not done twice (but for `create_run` and
/// `register_model`, which make something new each time).
#[async_trait]
pub trait Tracking: Send + Sync {
    /// What it was opened with, in full: `sqlite:////DIRECTORY/mlflow.db`.
    fn uri(&self) -> &str;

    /// The run's page, for people.
    fn page(&self, run: &Run) -> Option<String>;

    /// What it can do.
    fn features(&self) -> &Features;

    /// The experiment of this name; made when there is none.
    async fn experiment(&self, name: &str) -> Result<Experiment>;

    /// All that are not deleted.
    async fn experiments(&self) -> Result<Vec<Experiment>>;

    /// Begins a run.
    async fn create_run(&self, new: NewRun) -> Result<Run>;

    /// A run with its params, latest metrics, tags and inputs.
    async fn run(&self, id: &str) -> Result<Run>;

    /// Sets the status, and the end (Unix milliseconds; `None` leaves it).
    async fn update_run(&self, id: &str, status: Status, end_ms: Option<i64>) -> Result<()>;

    /// Writes a batch of any size. What MLflow's rules refuse or cut is in the outcome, and all the rest is written.
    async fn log(&self, run: &str, batch: &Batch) -> Result<Outcome>;

    /// Every value of a metric with a step of at least `since_step`, ordered by timestamp, step, value.
    async fn history(&self, run: &str, key: &str, since_step: Option<i64>) -> Result<Vec<Metric>>;

    /// Runs by MLflow's filter language.
    async fn search(&self, query: &Query) -> Result<Page<Run>>;

    /// Writes one artifact; `path` is relative, with `/`.
    async fn put_artifact(&self, run: &str, path: &str, source: Source) -> Result<()>;

    /// What is in a directory of the artifacts (`""`: their root).
    async fn list_artifacts(&self, run: &str, path: &str) -> Result<Vec<ArtifactInfo>>;

    /// One artifact's bytes.
    async fn get_artifact(&self, run: &str, path: &str) -> Result<Bytes>;

    /// Says which datasets a run read.
    async fn log_inputs(&self, run: &str, inputs: &[DatasetInput]) -> Result<()>;

    /// Makes a new version of a registered model.
    async fn register_model(&self, new: NewModel) -> Result<ModelVersion>;

    /// All registered models.
    async fn models(&self) -> Result<Vec<Model>>;

    /// The versions of one, the latest first.
    async fn model_versions(&self, name: &str) -> Result<Vec<ModelVersion>>;

    /// A version by its number or by an alias.
    async fn model_version(&self, name: &str, version: &str) -> Result<ModelVersion>;
}
