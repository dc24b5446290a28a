//! What a tracking address names, and opening it.
use crate::embedded::Embedded;
use crate::remote::Remote;
use crate::{Access, Result, Tracking, TrackingError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use url::Url;

/// Where the file is when nothing else is said.
const DEFAULT_FILE: &str = "mlflow.db";

/// A tracking address, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A SQLite file.
    File(PathBuf),
    /// An MLflow server: `https://host:port/prefix`.
    Server(Url),
    /// Azure ML: its address with `https` for `azureml`.
    AzureMl(Url),
    /// A Databricks workspace, by its profile.
    Databricks(Option<String>),
}

impl Address {
    /// Reads an address; `""` is `mlflow.db` in `directory`, from which relative paths count.
    pub fn parse(uri: &str, directory: &Path) -> Result<Self> {
        let wrong = |why: &str| TrackingError::Address { uri: shown(uri), why: why.into() };
        let text = uri.trim();
        if text.is_empty() {
            return Ok(Self::File(directory.join(DEFAULT_FILE)));
        }
        if let Some(path) = text.strip_prefix("sqlite:///") {
            let path = path.split('?').next().unwrap_or_default();
            return match path {
                "" | ":memory:" => Err(wrong("it names no file, and runs in memory would be lost with the kernel")),
                path => Ok(Self::File(directory.join(path))),
            };
        }
        if text == "databricks" {
            return Ok(Self::Databricks(None));
        }
        if let Some(profile) = text.strip_prefix("databricks://") {
            return Ok(Self::Databricks(Some(profile.trim_end_matches('/').to_owned()).filter(|p| !p.is_empty())));
        }
        if text.starts_with("file:") || !text.contains(':') {
            return Err(wrong("MLflow has given up folders of files; sqlite:///mlflow.db is a file that `mlflow ui` opens"));
        }
        let azure = text.strip_prefix("azureml://").map(|rest| format!("https://{rest}"));
        let mut url = Url::parse(azure.as_deref().unwrap_or(text)).map_err(|e| wrong(&e.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("a user and a password do not belong into an address; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"));
        }
        url.set_query(None);
        url.set_fragment(None);
        match url.scheme() {
            "http" | "https" if azure.is_some() => Ok(Self::AzureMl(url)),
            "http" | "https" => Ok(Self::Server(url)),
            _ => Err(wrong("no store has this scheme")),
        }
    }
}

/// An address without what may be a password.
fn shown(uri: &str) -> String {
    match (uri.split_once("://"), uri.rfind('@')) {
        (Some((scheme, _)), Some(at)) => format!("{scheme}://…{}", &uri[at..]),
        _ => uri.to_owned(),
    }
}

/// Opens the store at an address; relative paths count from the working directory. A store that is away is an error here
/// ([`TrackingError::is_away`]): try again later.
pub async fn open(uri: &str, access: Arc<dyn Access>) -> Result<Arc<dyn Tracking>> {
    let directory = std::env::current_dir().map_err(|source| TrackingError::File { doing: "finding the working directory for", path: uri.into(), source })?;
    match Address::parse(uri, &directory)? {
        Address::File(path) => Ok(Arc::new(Embedded::open(path).await?)),
        Address::Server(base) => Ok(Arc::new(Remote::server(base, access).await?)),
        Address::AzureMl(base) => Ok(Arc::new(Remote::azure_ml(base, access).await?)),
        Address::Databricks(profile) => Ok(Arc::new(Remote::databricks(profile, access).await?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let check = |uri: &str| format!("{:?}", Address::parse(uri, Path::new("/nb")).unwrap()).split(" {").next().unwrap().to_owned();
        assert_eq!(check(""), "File(\"/nb/mlflow.db\")");
        assert_eq!(check("sqlite:///runs/a.db"), "File(\"/nb/runs/a.db\")");
        assert_eq!(check("sqlite:////abs/a.db"), "File(\"/abs/a.db\")");
        assert_eq!(check("databricks"), "Databricks(None)");
        assert_eq!(check("databricks://team"), "Databricks(Some(\"team\"))");
        assert!(check("http://127.0.0.1:5000").starts_with("Server("));
        let azure = Address::parse("azureml://westeurope.api.azureml.ms/mlflow/v2.0/subscriptions/s", Path::new("/")).unwrap();
        let Address::AzureMl(url) = azure else { panic!("{azure:?}") };
        assert_eq!(url.as_str(), "https://westeurope.api.azureml.ms/mlflow/v2.0/subscriptions/s");
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for uri in ["mlruns", "file:///tmp/mlruns", "ftp://x", "sqlite:///:memory:", "https://ann:hunter2@host"] {
            let error = Address::parse(uri, Path::new("/nb")).unwrap_err();
            assert!(error.hint().is_some() && !error.to_string().contains("hunter2"), "{error}");
        }
    }
}
