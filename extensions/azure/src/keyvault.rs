//! Azure Key Vault's secrets: get, set, list, delete. Reference: Key Vault REST, data plane, api-version 7.4.
//!
//! Microsoft's SDKs first send every request without a token and learn tenant and scope from the refusal; the scope is fixed per cloud, so here
//! each request is sent once.
use crate::cloud::is_loopback;
use crate::http::Ask;
use crate::{AzureError, Cloud, Http, TokenSource};
use ochre_secrets::Secret;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use url::Url;

/// In every cloud since 2022.
const VERSION: &str = "7.4";
/// Pages of 25 names; more than this many are no vault of a person's.
const MOST_PAGES: usize = 400;

/// One vault.
#[derive(Clone)]
pub struct KeyVault {
    http: Http,
    identity: Arc<dyn TokenSource>,
    base: Url,
    scope: String,
    name: String,
}

/// A secret's name and state, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultItem {
    pub name: String,
    pub enabled: bool,
    /// Unix seconds.
    pub updated: Option<u64>,
}

impl KeyVault {
    /// A vault by its name (`my-vault`) or address (`https://my-vault.vault.azure.net`).
    pub fn new(http: &Http, cloud: &Cloud, identity: Arc<dyn TokenSource>, vault: &str) -> Result<Self, AzureError> {
        let text = if vault.contains("://") { vault.to_string() } else { format!("https://{}.{}", vault_name(vault)?, cloud.vault_suffix) };
        let base = Url::parse(&text).map_err(|e| AzureError::BadName(format!("`{vault}` is no key vault: {e}")))?;
        let host = base.host_str().unwrap_or_default();
        // A token for vaults goes to vaults alone; this machine's are those of tests.
        if !(base.scheme() == "https" && (host.ends_with(&format!(".{}", cloud.vault_suffix)) || is_loopback(&base))) {
            return Err(AzureError::BadName(format!("`{host}` is no key vault of this cloud: its name ends with .{}", cloud.vault_suffix)));
        }
        let name = host.split('.').next().unwrap_or(host).to_string();
        Ok(Self { http: http.clone(), identity, base, scope: cloud.vault_scope(), name })
    }

    /// The newest value of a secret.
    pub async fn get(&self, name: &str) -> Result<Secret, AzureError> {
        #[derive(Deserialize)]
        struct Found {
            value: String,
        }
        let answer = self.ask(Method::GET, &self.at(name, "/")?, None, &format!("reading `{name}`")).await?;
        Ok(Secret::named(&format!("{}/{name}", self.name), answer.json::<Found>()?.value))
    }

    /// Writes a new version.
    pub async fn set(&self, name: &str, value: &Secret) -> Result<(), AzureError> {
        let body = json!({ "value": value.expose() });
        self.ask(Method::PUT, &self.at(name, "")?, Some(&body), &format!("writing `{name}`")).await.map(drop)
    }

    /// All names; values are not sent.
    pub async fn list(&self) -> Result<Vec<VaultItem>, AzureError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            value: Vec<Item>,
            #[serde(default, rename = "nextLink")]
            next: Option<String>,
        }
        #[derive(Deserialize)]
        struct Item {
            id: String,
            #[serde(default)]
            attributes: Attributes,
        }
        #[derive(Deserialize, Default)]
        struct Attributes {
            enabled: Option<bool>,
            updated: Option<u64>,
        }
        let mut items = Vec::new();
        let mut next = Some(self.address("secrets")?);
        for _ in 0..MOST_PAGES {
            let Some(url) = next.take() else { break };
            let page: Page = self.ask(Method::GET, &url, None, "listing its secrets").await?.json()?;
            items.extend(page.value.into_iter().map(|item| VaultItem {
                name: item.id.rsplit('/').next().unwrap_or_default().to_string(),
                enabled: item.attributes.enabled.unwrap_or(true),
                updated: item.attributes.updated,
            }));
            next = page.next.filter(|link| !link.is_empty()).map(|link| self.same_host(&link)).transpose()?;
        }
        Ok(items)
    }

    /// Deletes it. Vaults keep it for a while so that it can be recovered; until then the name is taken.
    pub async fn delete(&self, name: &str) -> Result<(), AzureError> {
        self.ask(Method::DELETE, &self.at(name, "")?, None, &format!("deleting `{name}`")).await.map(drop)
    }

    /// `version`: `/` for the newest, which is an empty name of a version, as Microsoft's SDKs send it.
    fn at(&self, name: &str, version: &str) -> Result<Url, AzureError> {
        if name.is_empty() || name.len() > 127 || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(AzureError::BadName(format!("`{name}` cannot be a name in a key vault: 1 to 127 letters, digits and dashes")));
        }
        self.address(&format!("secrets/{name}{version}"))
    }

    fn address(&self, path: &str) -> Result<Url, AzureError> {
        let mut url = self.base.join(path).map_err(|e| AzureError::BadName(format!("`{path}`: {e}")))?;
        url.query_pairs_mut().append_pair("api-version", VERSION);
        Ok(url)
    }

    /// A link to the next page. It is sent our token, so it has to be the vault's own.
    fn same_host(&self, link: &str) -> Result<Url, AzureError> {
        let bad = || AzureError::BadAnswer { what: self.what(), found: "a next page on another host".into() };
        let url = Url::parse(link).map_err(|_| bad())?;
        if url.origin() == self.base.origin() { Ok(url) } else { Err(bad()) }
    }

    fn what(&self) -> String {
        format!("key vault {}", self.name)
    }

    async fn ask(&self, method: Method, url: &Url, body: Option<&serde_json::Value>, doing: &str) -> Result<crate::http::Answer, AzureError> {
        let request = |token: &Secret| {
            let ask = Ask::new(method.clone(), url.clone(), self.what()).bearer(token);
            body.map_or(ask.clone(), |body| ask.json(body))
        };
        let token = self.identity.token(&self.scope).await?;
        let mut answer = self.http.ask(&request(&token.secret)).await?;
        if answer.status == 401 {
            let token = self.identity.renewed(&self.scope).await?;
            answer = self.http.ask(&request(&token.secret)).await?;
        }
        answer.accepted(&format!("{doing} in {} as {}", self.what(), self.identity.name()))
    }
}

fn vault_name(name: &str) -> Result<&str, AzureError> {
    let ok = (3..=24).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if ok { Ok(name) } else { Err(AzureError::BadName(format!("`{name}` is no name of a key vault: 3 to 24 letters, digits and dashes"))) }
}

impl std::fmt::Debug for KeyVault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "KeyVault({})", self.base)
    }
}
