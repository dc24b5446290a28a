//! Azure Resource Manager: workspaces of Azure ML, their datastores, storage accounts. `ochre-storage` calls it; later compute and deploy do.
//!
//! Paths and bodies follow the public specifications and are compared with Microsoft's Python SDKs in `tests/sdk.rs`.
mod datastore;
mod ids;
mod new;
mod poll;
mod storage;
mod workspace;

pub use datastore::{Datastore, DatastoreCredential};
pub use ids::{DatastorePath, ResourceId, WorkspaceId};
pub use new::{NewWorkspace, Step};
pub use storage::StorageAccount;
pub use workspace::Workspace;

use crate::cloud::is_loopback;
use crate::http::{Answer, Ask};
use crate::{AzureError, Cloud, Http, TokenSource};
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use url::Url;

/// Version of the Azure ML resource provider; the newest stable one that azure-ai-ml 1.35 uses.
pub(crate) const ML: &str = "2025-12-01";
/// Pages of a list that are read; each has 30 to 1000 items.
const MOST_PAGES: usize = 200;

/// The resource manager of one cloud, as one identity.
#[derive(Clone)]
pub struct Arm {
    http: Http,
    base: Url,
    scope: String,
    identity: Arc<dyn TokenSource>,
}

impl Arm {
    /// Of a cloud.
    pub fn new(http: &Http, cloud: &Cloud, identity: Arc<dyn TokenSource>) -> Self {
        Self { http: http.clone(), base: cloud.arm.clone(), scope: cloud.arm_scope.clone(), identity }
    }

    /// Who asks.
    #[must_use]
    pub fn identity(&self) -> &Arc<dyn TokenSource> {
        &self.identity
    }

    /// `https://management.azure.com` + path + `api-version`. Parts of the path are checked by the newtypes that make it.
    fn url(&self, path: &str, version: &str) -> Result<Url, AzureError> {
        let mut url = self.base.join(path.trim_start_matches('/')).map_err(|e| AzureError::BadName(format!("`{path}`: {e}")))?;
        url.query_pairs_mut().append_pair("api-version", version);
        Ok(url)
    }

    /// One request as the identity; `doing` is what a refusal names. A 401 is answered with a fresh token, once.
    async fn ask(&self, method: Method, url: Url, body: Option<&Value>, doing: &str) -> Result<Answer, AzureError> {
        let ask = Ask::new(method, url, "Azure Resource Manager");
        let ask = body.map_or(ask.clone(), |body| ask.json(body));
        let token = self.identity.token(&self.scope).await?;
        let mut answer = self.http.ask(&ask.clone().bearer(&token.secret)).await?;
        if answer.status == 401 {
            let token = self.identity.renewed(&self.scope).await?;
            answer = self.http.ask(&ask.bearer(&token.secret)).await?;
        }
        answer.accepted(&format!("{doing} as {}", self.identity.name()))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, version: &str, doing: &str) -> Result<T, AzureError> {
        self.ask(Method::GET, self.url(path, version)?, None, doing).await?.json()
    }

    /// A POST without a body, as ARM has them for what must not stand in a log of GETs.
    async fn post<T: DeserializeOwned>(&self, path: &str, version: &str, doing: &str) -> Result<T, AzureError> {
        self.ask(Method::POST, self.url(path, version)?, None, doing).await?.json()
    }

    /// All pages of a list.
    async fn list(&self, path: &str, version: &str, doing: &str) -> Result<Vec<Value>, AzureError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            value: Vec<Value>,
            #[serde(default, rename = "nextLink")]
            next: Option<String>,
        }
        let mut items = Vec::new();
        let mut next = Some(self.url(path, version)?);
        for _ in 0..MOST_PAGES {
            let Some(url) = next.take() else { break };
            let page: Page = self.ask(Method::GET, url, None, doing).await?.json()?;
            items.extend(page.value);
            next = page.next.filter(|link| !link.is_empty()).map(|link| self.ours(&link)).transpose()?;
        }
        Ok(items)
    }

    /// A link that ARM gave. It is sent our token, so it has to be ARM's own host (or another one below its domain, as operations have).
    fn ours(&self, link: &str) -> Result<Url, AzureError> {
        let bad = || AzureError::BadAnswer { what: "Azure Resource Manager".into(), found: "a link to another host".into() };
        let url = Url::parse(link).or_else(|_| self.base.join(link)).map_err(|_| bad())?;
        let home = self.base.host_str().unwrap_or_default();
        let near = url.host_str().is_some_and(|h| h == home || h.ends_with(&format!(".{home}")));
        let same_door = url.origin() == self.base.origin() || url.scheme() == "https" && !is_loopback(&url);
        if near && same_door { Ok(url) } else { Err(bad()) }
    }
}

impl std::fmt::Debug for Arm {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Arm({} as {})", self.base, self.identity.name())
    }
}

/// A text at a path of names in a JSON value.
fn text(value: &Value, path: &[&str]) -> Option<String> {
    path.iter().try_fold(value, |at, name| at.get(name))?.as_str().filter(|t| !t.is_empty()).map(str::to_string)
}
