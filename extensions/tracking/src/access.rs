//! How a store comes to its credentials: whoever opens it says. No store reads the environment or a vault.
use crate::{Result, TrackingError};
use async_trait::async_trait;
use ochre_secrets::Secret;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a server is shown.
#[derive(Clone, Debug)]
pub enum Credential {
    Anonymous,
    Basic { user: String, password: Secret },
    Bearer(Secret),
}

/// A Databricks workspace and how it is entered.
#[derive(Clone, Debug)]
pub struct Host {
    /// `https://adb-1.azuredatabricks.net`.
    pub url: String,
    pub credential: Credential,
}

/// Gives credentials. Asked again with `refresh` after the last one was refused.
#[async_trait]
pub trait Access: Send + Sync {
    /// For an MLflow server (`https://host:port`).
    async fn server(&self, server: &str, refresh: bool) -> Result<Credential>;

    /// An Entra token for a scope such as `https://management.azure.com/.default`.
    async fn entra(&self, scope: &str, refresh: bool) -> Result<Secret>;

    /// The workspace of a profile (`None`: the default one).
    async fn databricks(&self, profile: Option<&str>, refresh: bool) -> Result<Host>;

    /// The run that the platform began for this process, and ends by itself (`AZUREML_RUN_ID` in jobs of Azure ML).
    fn platform_run(&self) -> Option<String> {
        None
    }

    /// Certificates to trust beside the system's (PEM).
    fn certificates(&self) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

/// What MLflow's own client reads: `MLFLOW_TRACKING_TOKEN`, `MLFLOW_TRACKING_USERNAME` and `_PASSWORD`, `MLFLOW_TRACKING_SERVER_CERT_PATH`;
/// `DATABRICKS_HOST`, `DATABRICKS_TOKEN`, `DATABRICKS_CONFIG_FILE`, `DATABRICKS_CONFIG_PROFILE`, `~/.databrickscfg`.
#[derive(Clone)]
pub struct FromEnvironment {
    variables: BTreeMap<String, String>,
}

impl std::fmt::Debug for FromEnvironment {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be tokens.
        out.debug_struct("FromEnvironment").field("names", &self.variables.keys().collect::<Vec<_>>()).finish()
    }
}

impl FromEnvironment {
    /// The process's environment, now.
    #[must_use]
    pub fn new() -> Self {
        Self::of(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))))
    }

    /// These variables.
    pub fn of(variables: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).filter(|(_, value)| !value.is_empty()).collect() }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The profile's section, of `DATABRICKS_CONFIG_FILE` or `~/.databrickscfg`.
    fn profile(&self, name: &str) -> Result<Option<BTreeMap<String, String>>> {
        let named = self.variable("DATABRICKS_CONFIG_FILE").map(PathBuf::from);
        let Some(path) = named.or_else(|| Some(PathBuf::from(self.variable("HOME")?).join(".databrickscfg"))) else {
            return Ok(None);
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(section(&text, name)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(TrackingError::File { doing: "reading", path, source }),
        }
    }
}

impl Default for FromEnvironment {
    fn default() -> Self {
        Self::new()
    }
}

/// One section of a file of `[name]` and `key = value` lines.
fn section(text: &str, name: &str) -> Option<BTreeMap<String, String>> {
    let header = format!("[{name}]");
    let lines = text.lines().map(str::trim);
    let mut after = lines.skip_while(|line| *line != header);
    after.next()?;
    let pairs = after.take_while(|line| !line.starts_with('[')).filter(|line| !line.starts_with(['#', ';']));
    Some(pairs.filter_map(|line| line.split_once('=')).map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect())
}

/// `https://` in front where a host stands alone, and nothing behind the host.
fn origin(host: &str) -> String {
    let host = host.trim().trim_end_matches('/');
    if host.contains("://") { host.to_owned() } else { format!("https://{host}") }
}

#[async_trait]
impl Access for FromEnvironment {
    async fn server(&self, _: &str, _: bool) -> Result<Credential> {
        // MLflow's client prefers the user to the token.
        if let Some(user) = self.variable("MLFLOW_TRACKING_USERNAME") {
            let password = Secret::from(self.variable("MLFLOW_TRACKING_PASSWORD").unwrap_or_default());
            return Ok(Credential::Basic { user: user.to_owned(), password });
        }
        Ok(self.variable("MLFLOW_TRACKING_TOKEN").map_or(Credential::Anonymous, |token| Credential::Bearer(token.into())))
    }

    async fn entra(&self, _: &str, _: bool) -> Result<Secret> {
        // Azure ML's jobs find a token of their own there.
        let why = "there is no identity here but MLFLOW_TRACKING_TOKEN, which is not set".to_owned();
        self.variable("MLFLOW_TRACKING_TOKEN").map(Secret::from).ok_or(TrackingError::NoCredential { at: "Azure ML".into(), why })
    }

    async fn databricks(&self, profile: Option<&str>, _: bool) -> Result<Host> {
        let profile = profile.or_else(|| self.variable("DATABRICKS_CONFIG_PROFILE"));
        let environment = || Some((self.variable("DATABRICKS_HOST")?.to_owned(), self.variable("DATABRICKS_TOKEN")?.to_owned()));
        // A profile that was asked for by name comes before variables that are there for another.
        if let (None, Some((host, token))) = (profile, environment()) {
            return Ok(Host { url: origin(&host), credential: Credential::Bearer(token.into()) });
        }
        let name = profile.unwrap_or("DEFAULT");
        let missing = |why: String| TrackingError::NoCredential { at: format!("Databricks, profile {name}"), why };
        let found = self.profile(name)?.ok_or_else(|| missing("~/.databrickscfg has no such profile, and DATABRICKS_HOST with DATABRICKS_TOKEN is not set".into()))?;
        let host = found.get("host").ok_or_else(|| missing("the profile has no host".into()))?;
        let basic = || Some(Credential::Basic { user: found.get("username")?.clone(), password: Secret::from(found.get("password")?.as_str()) });
        let credential = found.get("token").map(|token| Credential::Bearer(Secret::from(token.as_str()))).or_else(basic);
        let credential = credential.ok_or_else(|| missing("the profile has neither a token nor a user and password".into()))?;
        Ok(Host { url: origin(host), credential })
    }

    fn platform_run(&self) -> Option<String> {
        self.variable("AZUREML_RUN_ID").map(str::to_owned)
    }

    fn certificates(&self) -> Result<Option<Vec<u8>>> {
        let Some(path) = self.variable("MLFLOW_TRACKING_SERVER_CERT_PATH").or_else(|| self.variable("REQUESTS_CA_BUNDLE")) else {
            return Ok(None);
        };
        let read = std::fs::read(path).map_err(|source| TrackingError::File { doing: "reading the certificates in", path: path.into(), source })?;
        Ok(Some(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [(&str, &str); 0] = [];

    #[tokio::test]
    async fn a_server_is_shown_what_mlflow_shows_it() {
        let check = async |variables: &[(&str, &str)]| format!("{:?}", FromEnvironment::of(variables.iter().copied()).server("http://x", false).await.unwrap());
        assert_eq!(check(&NONE).await, "Anonymous");
        assert_eq!(check(&[("MLFLOW_TRACKING_TOKEN", "t")]).await, "Bearer(Secret(…))");
        assert_eq!(check(&[("MLFLOW_TRACKING_TOKEN", "t"), ("MLFLOW_TRACKING_USERNAME", "ann")]).await, "Basic { user: \"ann\", password: Secret(…) }");
    }

    #[tokio::test]
    async fn a_profile_by_name_comes_before_the_environment() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("cfg");
        std::fs::write(&file, "[DEFAULT]\nhost = https://a.example/\ntoken=ta\n# no\n[ml team]\nhost=b.example\ntoken = tb\n[bare]\nhost=c\n").unwrap();
        let file = file.to_str().unwrap();
        let variables = [("DATABRICKS_CONFIG_FILE", file), ("DATABRICKS_HOST", "env.example"), ("DATABRICKS_TOKEN", "te")];
        let both = FromEnvironment::of(variables);
        let filed = FromEnvironment::of([variables[0]]);
        let check = async |access: &FromEnvironment, profile: Option<&str>| {
            let host = access.databricks(profile, false).await.unwrap();
            let Credential::Bearer(token) = host.credential else { panic!("no token") };
            (host.url, token.expose().to_owned())
        };
        assert_eq!(check(&both, None).await, ("https://env.example".into(), "te".into()));
        assert_eq!(check(&both, Some("ml team")).await, ("https://b.example".into(), "tb".into()));
        assert_eq!(check(&filed, None).await, ("https://a.example".into(), "ta".into()));
        for missing in ["bare", "none"] {
            let error = filed.databricks(Some(missing), false).await.unwrap_err();
            assert!(matches!(error, TrackingError::NoCredential { .. }), "{error}");
        }
    }
}
