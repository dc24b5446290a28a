//! Runs on a server that speaks MLflow's REST interface: an MLflow server, Azure ML, Databricks.
//!
//! ```text
//! Remote --Ask--> Http (credential, retries, bounds) --> BASE/api/2.0/mlflow/…
//!    `-- artifacts: through the server, by Azure ML's own interface, or by addresses that Databricks signs
//! ```
mod artifacts;
mod azure;
mod databricks;
mod http;
mod probe;
mod registry;
mod split;
mod wire;

use crate::{
    Access, ArtifactInfo, Batch, DatasetInput, Experiment, Features, Kind, Lifecycle, Metric, Model, ModelVersion, NewModel, NewRun, Outcome, Page, Problem,
    Query, Result, Run, Source, Status, Tracking, TrackingError, View, tag,
};
use crate::batch::Item;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Ask, Body, Http, Identity};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use url::Url;

/// Values of one page of a history: some megabytes of JSON.
const HISTORY_PAGE: usize = 25_000;
/// Runs of one page when nothing else is asked for, as MLflow's client has it.
const RUNS_PAGE: usize = 1000;
/// Experiments of one page.
const EXPERIMENTS_PAGE: usize = 1000;
/// After so many entities that a server refused one by one, its reason is not theirs.
const MOST_REFUSED: usize = 20;

/// A store behind MLflow's REST interface.
pub(crate) struct Remote {
    uri: String,
    base: Url,
    http: Http,
    features: Features,
    /// The run that the platform began for this process and ends by itself.
    platform_run: Option<String>,
}

impl Remote {
    /// An MLflow server.
    pub async fn server(base: Url, access: Arc<dyn Access>) -> Result<Self> {
        let uri = base.as_str().trim_end_matches('/').to_owned();
        let identity = Identity::Server(uri.clone());
        Self::open(uri, base, Kind::Mlflow, access, identity).await
    }

    /// Azure ML, at its tracking address with `https` for `azureml`.
    pub async fn azure_ml(base: Url, access: Arc<dyn Access>) -> Result<Self> {
        let uri = base.as_str().trim_end_matches('/').replacen("https", "azureml", 1);
        let identity = Identity::Entra(azure::scope(&base));
        Self::open(uri, base, Kind::AzureMl, access, identity).await
    }

    /// A Databricks workspace.
    pub async fn databricks(profile: Option<String>, access: Arc<dyn Access>) -> Result<Self> {
        let host = access.databricks(profile.as_deref(), false).await?;
        let uri = profile.as_ref().map_or_else(|| "databricks".to_owned(), |name| format!("databricks://{name}"));
        let base = Url::parse(&host.url).map_err(|e| TrackingError::Address { uri: host.url.clone(), why: e.to_string() })?;
        Self::open(uri, base, Kind::Databricks, access, Identity::Databricks(profile)).await
    }

    async fn open(uri: String, base: Url, kind: Kind, access: Arc<dyn Access>, identity: Identity) -> Result<Self> {
        let platform_run = access.platform_run();
        let http = Http::new(&base, access, identity)?;
        let features = Features { kind, version: None, logged_models: false, inputs: true, artifact_proxy: false };
        let mut remote = Self { uri, base, http, features, platform_run };
        remote.probe().await?;
        Ok(remote)
    }

    /// `BASE/PATH`, keeping what the base has of a path.
    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{path}"));
        url
    }

    fn api(&self, path: &str) -> Url {
        self.url(&format!("api/2.0/mlflow/{path}"))
    }

    async fn get(&self, path: &str, query: &[(&str, &str)], doing: &'static str) -> Result<Value> {
        let mut url = self.api(path);
        url.query_pairs_mut().extend_pairs(query);
        self.http.json(&Ask::new(Method::GET, url, doing)).await
    }

    async fn post(&self, path: &str, body: &Value, doing: &'static str) -> Result<Value> {
        self.http.json(&Ask::new(Method::POST, self.api(path), doing).body(Body::Json(body.to_string()))).await
    }

    /// What is made anew by each request.
    async fn make(&self, path: &str, body: &Value, doing: &'static str) -> Result<Value> {
        let mut ask = Ask::new(Method::POST, self.api(path), doing).body(Body::Json(body.to_string()));
        ask.repeatable = false;
        self.http.json(&ask).await
    }

    async fn find_experiment(&self, name: &str) -> Result<Option<Experiment>> {
        match self.get("experiments/get-by-name", &[("experiment_name", name)], "looking for the experiment").await {
            Ok(found) => Ok(Some(wire::experiment(&found["experiment"]))),
            Err(TrackingError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends one part; what is refused in it is found by halving, and the rest is written.
    async fn deliver(&self, run: &str, part: Batch) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut waiting = vec![part];
        let mut looked = false;
        while let Some(mut part) = waiting.pop() {
            let entities = part.metrics.len() + part.params.len() + part.tags.len();
            let refused = match self.post("runs/log-batch", &split::request(run, &part), "logging").await {
                Ok(_) => {
                    outcome.written += entities;
                    continue;
                }
                Err(error @ TrackingError::Refused { status: 400 | 413 | 422, .. }) => error,
                Err(error) => return Err(error),
            };
            if !looked {
                // Whether it is for the run, or for params that have another value already.
                looked = true;
                let there = self.run(run).await?;
                if there.lifecycle == Lifecycle::Deleted {
                    return Err(TrackingError::Deleted { what: format!("the run {run}") });
                }
                let before = part.params.len();
                part.params.retain(|(key, value)| match there.params.get(key) {
                    Some(kept) if kept != value => {
                        outcome.problems.push(Problem::ParamKept { key: key.clone(), kept: kept.clone(), refused: value.clone() });
                        false
                    }
                    _ => true,
                });
                if part.params.len() < before {
                    if !part.is_empty() {
                        waiting.push(part);
                    }
                    continue;
                }
            }
            match split::halves(&part) {
                Some([first, second]) => waiting.extend([second, first]),
                None => outcome.problems.push(refusal(&part, &refused)),
            }
            if outcome.problems.len() > MOST_REFUSED {
                return Err(refused);
            }
        }
        Ok(outcome)
    }
}

/// The single entity that a server refused, and why.
fn refusal(part: &Batch, error: &TrackingError) -> Problem {
    let why = match error {
        TrackingError::Refused { detail, .. } if !detail.is_empty() => detail.clone(),
        other => other.to_string(),
    };
    let metric = part.metrics.first().map(|m| (Item::Metric, m.key.clone()));
    let param = part.params.first().map(|(key, _)| (Item::Param, key.clone()));
    let tag = part.tags.first().map(|(key, _)| (Item::Tag, key.clone()));
    let (item, key) = metric.or(param).or(tag).unwrap_or((Item::Metric, String::new()));
    Problem::Refused { item, key, why }
}

#[async_trait]
impl Tracking for Remote {
    fn uri(&self) -> &str {
        &self.uri
    }

    fn page(&self, run: &Run) -> Option<String> {
        let base = self.base.as_str().trim_end_matches('/');
        Some(match self.features.kind {
            Kind::AzureMl => azure::page(&self.base, &run.id)?,
            Kind::Databricks => format!("{base}/ml/experiments/{}/runs/{}", run.experiment_id, run.id),
            Kind::Mlflow | Kind::Embedded => format!("{base}/#/experiments/{}/runs/{}", run.experiment_id, run.id),
        })
    }

    fn features(&self) -> &Features {
        &self.features
    }

    async fn experiment(&self, name: &str) -> Result<Experiment> {
        if let Some(found) = self.find_experiment(name).await? {
            return match found.lifecycle {
                Lifecycle::Active => Ok(found),
                Lifecycle::Deleted => Err(TrackingError::Deleted { what: format!("the experiment {name:?} (id {})", found.id) }),
            };
        }
        match self.post("experiments/create", &json!({ "name": name }), "making the experiment").await {
            Ok(_) => {}
            // Another client made it in between.
            Err(TrackingError::Refused { code, .. }) if code == "RESOURCE_ALREADY_EXISTS" => {}
            Err(error) => return Err(error),
        }
        self.find_experiment(name).await?.ok_or_else(|| TrackingError::NotFound { what: format!("the experiment {name:?}, which was just made,") })
    }

    async fn experiments(&self) -> Result<Vec<Experiment>> {
        let mut found = Vec::new();
        let mut page: Option<String> = None;
        loop {
            let mut body = json!({ "view_type": "ACTIVE_ONLY", "max_results": EXPERIMENTS_PAGE });
            if let Some(page) = &page {
                body["page_token"] = json!(page);
            }
            let answer = self.post("experiments/search", &body, "listing experiments").await?;
            found.extend(wire::list(&answer["experiments"]).iter().map(wire::experiment));
            page = wire::optional(&answer["next_page_token"]);
            if page.is_none() {
                return Ok(found);
            }
        }
    }

    async fn create_run(&self, new: NewRun) -> Result<Run> {
        let tags = crate::types::run_tags(&new);
        let start = new.start_ms.unwrap_or_else(|| chrono::Utc::now().timestamp_millis());
        let mut body = json!({ "experiment_id": new.experiment_id, "start_time": start, "tags": wire::key_values(&tags), "run_name": tags.get(tag::RUN_NAME) });
        if let Some(user) = tags.get(tag::USER) {
            body["user_id"] = json!(user);
        }
        Ok(wire::run(&self.make("runs/create", &body, "beginning a run").await?["run"]))
    }

    async fn run(&self, id: &str) -> Result<Run> {
        Ok(wire::run(&self.get("runs/get", &[("run_id", id)], "reading the run").await?["run"]))
    }

    async fn update_run(&self, id: &str, status: Status, end_ms: Option<i64>) -> Result<()> {
        if self.platform_run.as_deref() == Some(id) {
            // Azure ML ends the runs of its jobs by itself, and refuses others' word.
            return Ok(());
        }
        let mut body = json!({ "run_id": id, "status": status.name() });
        if let Some(end) = end_ms {
            body["end_time"] = json!(end);
        }
        self.post("runs/update", &body, "setting the run's status").await.map(drop)
    }

    async fn log(&self, run: &str, batch: &Batch) -> Result<Outcome> {
        let (batch, problems) = batch.ruled();
        let mut outcome = Outcome { written: 0, problems };
        for part in split::parts(&batch) {
            outcome.add(self.deliver(run, part).await?);
        }
        Ok(outcome)
    }

    async fn history(&self, run: &str, key: &str, since_step: Option<i64>) -> Result<Vec<Metric>> {
        let (mut found, mut page) = (Vec::new(), None::<String>);
        let size = HISTORY_PAGE.to_string();
        loop {
            let mut query = vec![("run_id", run), ("metric_key", key), ("max_results", size.as_str())];
            if let Some(page) = &page {
                query.push(("page_token", page.as_str()));
            }
            let answer = self.get("metrics/get-history", &query, "reading a metric").await?;
            let values = wire::list(&answer["metrics"]);
            found.extend(values.iter().map(wire::metric).filter(|m| since_step.is_none_or(|since| m.step >= since)));
            page = wire::optional(&answer["next_page_token"]);
            if page.is_none() || values.is_empty() {
                return Ok(found);
            }
        }
    }

    async fn search(&self, query: &Query) -> Result<Page<Run>> {
        let view = match query.view {
            View::Active => "ACTIVE_ONLY",
            View::Deleted => "DELETED_ONLY",
            View::All => "ALL",
        };
        let max = if query.max == 0 { RUNS_PAGE } else { query.max };
        let mut body = json!({ "experiment_ids": query.experiments, "filter": query.filter, "run_view_type": view, "max_results": max });
        if !query.order_by.is_empty() {
            body["order_by"] = json!(query.order_by);
        }
        if let Some(page) = &query.page {
            body["page_token"] = json!(page);
        }
        let answer = self.post("runs/search", &body, "searching runs").await.map_err(|error| match error {
            TrackingError::Refused { status: 400, detail, .. } if !query.filter.is_empty() => TrackingError::Filter { filter: query.filter.clone(), why: detail },
            other => other,
        })?;
        Ok(Page { items: wire::list(&answer["runs"]).iter().map(wire::run).collect(), next: wire::optional(&answer["next_page_token"]) })
    }

    async fn put_artifact(&self, run: &str, path: &str, source: Source) -> Result<()> {
        artifacts::put(self, run, path, source).await
    }

    async fn list_artifacts(&self, run: &str, path: &str) -> Result<Vec<ArtifactInfo>> {
        artifacts::list(self, run, path).await
    }

    async fn get_artifact(&self, run: &str, path: &str) -> Result<Bytes> {
        artifacts::get(self, run, path).await
    }

    async fn log_inputs(&self, run: &str, inputs: &[DatasetInput]) -> Result<()> {
        inputs.iter().try_for_each(crate::embedded::checked_input)?;
        let body = json!({ "run_id": run, "datasets": inputs.iter().map(wire::input_to_wire).collect::<Vec<_>>() });
        self.post("runs/log-inputs", &body, "logging datasets").await.map(drop)
    }

    async fn register_model(&self, new: NewModel) -> Result<ModelVersion> {
        registry::register(self, &new).await
    }

    async fn models(&self) -> Result<Vec<Model>> {
        registry::models(self).await
    }

    async fn model_versions(&self, name: &str) -> Result<Vec<ModelVersion>> {
        registry::versions(self, name).await
    }

    async fn model_version(&self, name: &str, version: &str) -> Result<ModelVersion> {
        registry::version(self, name, version).await
    }
}
