//! What the runs of a session stand on: directories, the environment, and ways to secrets and identities.
use async_trait::async_trait;
use ochre_api::Failure;
use ochre_azure::TokenSource;
use ochre_secrets::Secret;
use ochre_vault::Vault;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often system metrics are taken, as MLflow does.
const SYSTEM_EVERY: Duration = Duration::from_secs(10);
/// MLflow's variable for that, in seconds.
const SYSTEM_VARIABLE: &str = "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL";
/// MLflow's variable that turns them off.
const SYSTEM_ENABLED: &str = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING";
/// In which Jupyter's server says the notebook's path.
const NOTEBOOK_VARIABLE: &str = "JPY_SESSION_NAME";
/// Shortest pace: more often than this they would measure themselves.
const SYSTEM_SHORTEST: Duration = Duration::from_millis(100);

/// Where secrets come from.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// By `SCOPE/KEY`; from now on the value is redacted.
    async fn get(&self, name: &str) -> Result<Secret, Failure>;
}

#[async_trait]
impl Secrets for Vault {
    async fn get(&self, name: &str) -> Result<Secret, Failure> {
        Ok(Vault::get(self, name).await?)
    }
}

/// The tracking address of the chosen workspace.
pub type WorkspaceAddress = Arc<dyn Fn() -> Option<String> + Send + Sync>;
/// Who asks Azure.
pub type Identity = Arc<dyn Fn() -> Arc<dyn TokenSource> + Send + Sync>;

/// What is needed to make the extension.
#[derive(Clone)]
pub struct Setup {
    pub secrets: Arc<dyn Secrets>,
    pub workspace: WorkspaceAddress,
    /// Absent: Azure ML is entered with what the environment holds.
    pub identity: Option<Identity>,
    /// Where `mlflow.db` is by default.
    pub directory: PathBuf,
    /// Where spools and journals are.
    pub spools: PathBuf,
    /// Variables of the kernel.
    pub environment: BTreeMap<String, String>,
    /// Names what cells are built against.
    pub prelude: String,
    /// What the notebook was run with: params of every run.
    pub parameters: Vec<(String, String)>,
}

impl Setup {
    /// Of this process.
    pub fn of_process(secrets: Arc<dyn Secrets>, prelude: String) -> Self {
        Self {
            secrets,
            workspace: Arc::new(|| None),
            identity: None,
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            spools: ochre_spool::spool_directory(),
            environment: std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect(),
            prelude,
            parameters: Vec::new(),
        }
    }

    /// Of a notebook that is run as a whole.
    pub fn launched(mut self, notebook: Option<PathBuf>, parameters: Vec<(String, String)>) -> Self {
        if let Some(notebook) = notebook {
            self.environment.insert(NOTEBOOK_VARIABLE.to_owned(), notebook.to_string_lossy().into_owned());
        }
        self.parameters = parameters;
        self
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// How often system metrics are taken; `None`: never.
    pub(crate) fn system_every(&self) -> Option<Duration> {
        if self.variable(SYSTEM_ENABLED).is_some_and(|v| v.eq_ignore_ascii_case("false")) {
            return None;
        }
        let set = self.variable(SYSTEM_VARIABLE).and_then(|v| v.parse().ok()).and_then(|s| Duration::try_from_secs_f64(s).ok());
        Some(set.unwrap_or(SYSTEM_EVERY).max(SYSTEM_SHORTEST))
    }

    /// The experiment of runs for which none was chosen: what MLflow's variable says, else the notebook's name, else MLflow's default.
    pub(crate) fn experiment(&self) -> String {
        let named = self.variable("MLFLOW_EXPERIMENT_NAME").map(str::to_owned);
        named.or_else(|| self.notebook_name()).unwrap_or_else(|| "Default".to_owned())
    }

    /// The notebook's path, when the server that started this kernel says it.
    pub(crate) fn notebook(&self) -> Option<&str> {
        self.variable(NOTEBOOK_VARIABLE).filter(|name| name.ends_with(".ipynb"))
    }

    fn notebook_name(&self) -> Option<String> {
        let stem = PathBuf::from(self.notebook()?).file_stem()?.to_string_lossy().into_owned();
        Some(stem).filter(|s| !s.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::double::NoSecrets;

    fn setup(variables: &[(&str, &str)]) -> Setup {
        let environment = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Setup { environment, ..Setup::of_process(Arc::new(NoSecrets), "p".into()) }
    }

    #[test]
    fn mlflows_variables_count() {
        assert_eq!(setup(&[]).system_every(), Some(SYSTEM_EVERY));
        assert_eq!(setup(&[(SYSTEM_VARIABLE, "0.5")]).system_every(), Some(Duration::from_millis(500)));
        assert_eq!(setup(&[(SYSTEM_VARIABLE, "0")]).system_every(), Some(SYSTEM_SHORTEST));
        assert_eq!(setup(&[(SYSTEM_ENABLED, "false")]).system_every(), None);
        assert_eq!(setup(&[]).experiment(), "Default");
        assert_eq!(setup(&[("JPY_SESSION_NAME", "/a/03 runs.ipynb")]).experiment(), "03 runs");
        assert_eq!(setup(&[("MLFLOW_EXPERIMENT_NAME", "e"), ("JPY_SESSION_NAME", "/a/x.ipynb")]).experiment(), "e");
    }
}
