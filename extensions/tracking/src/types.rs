//! Experiments, runs, metrics and models as MLflow has them. Data alone: how a store writes them is the store's affair.
use std::collections::BTreeMap;

/// Tags that MLflow's pages give a meaning.
pub mod tag {
    pub const USER: &str = "mlflow.user";
    pub const RUN_NAME: &str = "mlflow.runName";
    pub const PARENT: &str = "mlflow.parentRunId";
    pub const SOURCE_NAME: &str = "mlflow.source.name";
    /// `NOTEBOOK`, `JOB`, `LOCAL`, `PROJECT`.
    pub const SOURCE_TYPE: &str = "mlflow.source.type";
    pub const GIT_COMMIT: &str = "mlflow.source.git.commit";
    pub const GIT_BRANCH: &str = "mlflow.source.git.branch";
    pub const GIT_REPOSITORY: &str = "mlflow.source.git.repoURL";
    /// Markdown that the run's page shows.
    pub const NOTE: &str = "mlflow.note.content";
    /// On a dataset input: `training`, `validation`, ….
    pub const DATA_CONTEXT: &str = "mlflow.data.context";
}

/// What a store keeps runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Experiment {
    pub id: String,
    pub name: String,
    /// A URI, or a path of this machine.
    pub artifact_location: String,
    pub lifecycle: Lifecycle,
    pub created_ms: Option<i64>,
    pub updated_ms: Option<i64>,
    pub tags: BTreeMap<String, String>,
}

/// MLflow deletes by marking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifecycle {
    #[default]
    Active,
    Deleted,
}

impl Lifecycle {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deleted => "deleted",
        }
    }

    pub(crate) fn parse(text: &str) -> Self {
        if text == "deleted" { Self::Deleted } else { Self::Active }
    }
}

/// How a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    #[default]
    Running,
    Scheduled,
    Finished,
    Failed,
    Killed,
}

impl Status {
    pub const ALL: [Self; 5] = [Self::Running, Self::Scheduled, Self::Finished, Self::Failed, Self::Killed];

    /// As MLflow writes it: `RUNNING`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Scheduled => "SCHEDULED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }

    /// Reads what [`Status::name`] writes; Azure ML's other words count as what they amount to.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_uppercase();
        Self::ALL.into_iter().find(|s| s.name() == text).or(match text.as_str() {
            "COMPLETED" => Some(Self::Finished),
            "CANCELED" | "CANCELLED" => Some(Self::Killed),
            "QUEUED" | "STARTING" | "PREPARING" | "NOTSTARTED" | "PROVISIONING" => Some(Self::Scheduled),
            _ => None,
        })
    }

    /// Whether nothing more is expected.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Killed)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

/// One value of a metric. Two that are equal in all fields are the same value (NaN is equal to NaN here).
#[derive(Clone, Debug)]
pub struct Metric {
    pub key: String,
    pub value: f64,
    /// Unix milliseconds.
    pub timestamp_ms: i64,
    pub step: i64,
}

impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        let same = self.value == other.value || (self.value.is_nan() && other.value.is_nan());
        same && self.key == other.key && self.timestamp_ms == other.timestamp_ms && self.step == other.step
    }
}

/// What a run begins with.
#[derive(Clone, Debug, Default)]
pub struct NewRun {
    /// An experiment's id, not its name.
    pub experiment_id: String,
    /// `None` leaves the choice to the store.
    pub name: Option<String>,
    /// The id of the run that this one is a part of.
    pub parent: Option<String>,
    /// `mlflow.user` is also the run's user.
    pub tags: Vec<(String, String)>,
    /// Unix milliseconds; `None` is now.
    pub start_ms: Option<i64>,
}

/// A run with the latest value of every metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    pub id: String,
    pub name: String,
    pub experiment_id: String,
    pub user: String,
    pub status: Status,
    pub start_ms: i64,
    pub end_ms: Option<i64>,
    /// A URI, or a path of this machine.
    pub artifact_uri: String,
    pub lifecycle: Lifecycle,
    pub params: BTreeMap<String, String>,
    pub metrics: BTreeMap<String, Metric>,
    pub tags: BTreeMap<String, String>,
    pub inputs: Vec<DatasetInput>,
}

impl Run {
    /// The run that this one is a part of.
    #[must_use]
    pub fn parent(&self) -> Option<&str> {
        self.tags.get(tag::PARENT).map(String::as_str)
    }

    /// How long it took, or has taken until `now_ms`. Milliseconds.
    #[must_use]
    pub fn duration_ms(&self, now_ms: i64) -> i64 {
        (self.end_ms.unwrap_or(now_ms) - self.start_ms).max(0)
    }
}

/// A dataset that a run read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatasetInput {
    pub name: String,
    /// At most 36 characters.
    pub digest: String,
    /// `local`, `http`, `code`, ….
    pub source_type: String,
    /// JSON, as the source's type has it: `{"uri": "…"}`.
    pub source: String,
    /// JSON.
    pub schema: Option<String>,
    /// JSON.
    pub profile: Option<String>,
    /// [`tag::DATA_CONTEXT`] says what it was read for.
    pub tags: BTreeMap<String, String>,
}

/// A file or directory among a run's artifacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactInfo {
    /// From the run's artifacts, with `/`.
    pub path: String,
    pub is_directory: bool,
    /// Bytes; `None` for directories and where the store does not say.
    pub size: Option<u64>,
}

/// What [`crate::Tracking::search`] looks for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Ids.
    pub experiments: Vec<String>,
    /// MLflow's filter language: `metrics.loss < 0.1 and params.model = 'tree'`. Empty is all.
    pub filter: String,
    /// `metrics.loss ASC`, `start_time DESC`, …; the latest first when empty.
    pub order_by: Vec<String>,
    /// Runs of one page; 0 leaves it to the store (a server: 1,000; the file: 50,000).
    pub max: usize,
    /// From the page before.
    pub page: Option<String>,
    pub view: View,
}

/// Whether deleted ones count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    #[default]
    Active,
    Deleted,
    All,
}

/// A part of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// What asks for the rest; `None`: this was all.
    pub next: Option<String>,
}

/// A version to be registered.
#[derive(Clone, Debug, Default)]
pub struct NewModel {
    /// The registered model; made when there is none of the name.
    pub name: String,
    /// `runs:/RUN/PATH`, a path among `run`'s artifacts, a directory of this machine or a URI.
    pub source: String,
    pub run: Option<String>,
    pub tags: Vec<(String, String)>,
    pub description: Option<String>,
    /// Points at the new version afterwards.
    pub alias: Option<String>,
}

/// One version of a registered model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelVersion {
    pub name: String,
    pub version: i64,
    /// Where its files are.
    pub source: String,
    pub run: Option<String>,
    /// `READY`, `PENDING_REGISTRATION`, `FAILED_REGISTRATION`.
    pub status: String,
    pub created_ms: Option<i64>,
    pub description: String,
    pub tags: BTreeMap<String, String>,
    pub aliases: Vec<String>,
}

/// A registered model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    pub name: String,
    pub description: String,
    pub created_ms: Option<i64>,
    pub updated_ms: Option<i64>,
    pub tags: BTreeMap<String, String>,
    /// Alias to version.
    pub aliases: BTreeMap<String, i64>,
    /// The highest.
    pub latest: Option<i64>,
}

/// Which store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Embedded,
    Mlflow,
    AzureMl,
    Databricks,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Embedded => "local file",
            Self::Mlflow => "MLflow server",
            Self::AzureMl => "Azure ML",
            Self::Databricks => "Databricks",
        })
    }
}

/// What the store was found to have, when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    pub kind: Kind,
    /// MLflow's version, where the store says one.
    pub version: Option<String>,
    /// Whether MLflow 3's logged models are there.
    pub logged_models: bool,
    /// Whether dataset inputs are kept.
    pub inputs: bool,
    /// Whether artifacts go through the server (`mlflow-artifacts:`) and it serves them.
    pub artifact_proxy: bool,
}

/// The tags that a run begins with: those that were given, its name (made up when it has none) and its parent.
pub(crate) fn run_tags(new: &NewRun) -> BTreeMap<String, String> {
    let mut tags: BTreeMap<String, String> = new.tags.iter().cloned().collect();
    if let Some(name) = &new.name {
        tags.insert(tag::RUN_NAME.into(), name.clone());
    }
    tags.entry(tag::RUN_NAME.into()).or_insert_with(made_up_name);
    if let Some(parent) = &new.parent {
        tags.insert(tag::PARENT.into(), parent.clone());
    }
    tags
}

const ADJECTIVES: [&str; 16] =
    ["amber", "bold", "calm", "clear", "deep", "early", "fair", "golden", "keen", "light", "mild", "quiet", "rapid", "sandy", "steady", "warm"];
const NOUNS: [&str; 16] =
    ["badger", "birch", "brook", "cedar", "dune", "falcon", "heron", "ibex", "juniper", "lark", "maple", "otter", "pebble", "river", "sparrow", "wren"];

/// `amber-otter-417`, in MLflow's manner.
fn made_up_name() -> String {
    let bytes = uuid::Uuid::new_v4().into_bytes();
    let number = u16::from_le_bytes([bytes[2], bytes[3]]) % 1000;
    format!("{}-{}-{number}", ADJECTIVES[usize::from(bytes[0]) % ADJECTIVES.len()], NOUNS[usize::from(bytes[1]) % NOUNS.len()])
}

/// Refuses names that MLflow's registry refuses.
pub(crate) fn check_model(new: &NewModel) -> crate::Result<()> {
    let wrong = |what: String, why: &str| Err(crate::TrackingError::Invalid { what, why: why.into() });
    let name = &new.name;
    if name.trim().is_empty() || name.contains(['/', ':']) || name == "." || name == ".." {
        return wrong(format!("the model's name {name:?}"), "it may not be empty nor hold / or :");
    }
    if new.source.is_empty() {
        return wrong(format!("a version of the model {name:?}"), "it has no source");
    }
    let Some(alias) = &new.alias else { return Ok(()) };
    let number = alias.strip_prefix(['v', 'V']).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    let characters = alias.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if alias.is_empty() || !characters || alias.chars().all(|c| c.is_ascii_digit()) || number || alias.eq_ignore_ascii_case("latest") {
        return wrong(format!("the alias {alias:?}"), "it holds letters, digits, _ and -, and is no version and not `latest`");
    }
    Ok(())
}
