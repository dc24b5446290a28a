//! Databricks' secret scopes: list scopes, list, get, put, delete. Reference: Databricks REST API 2.0, `/api/2.0/secrets`.
//!
//! Who and where: `DATABRICKS_HOST` and `DATABRICKS_TOKEN`, else a profile of `~/.databrickscfg` with `host` and `token`, as Databricks' own
//! tools find them.
use crate::cloud::address;
use crate::http::{Answer, Ask};
use crate::{AzureError, Environment, Http};
use base64::Engine;
use ochre_secrets::Secret;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;
use url::Url;

/// As users know it.
const NAME: &str = "Databricks";

/// One workspace of Databricks.
#[derive(Clone, Debug)]
pub struct Databricks {
    http: Http,
    host: Url,
    token: Secret,
}

impl Databricks {
    /// A workspace by its address and a personal access token.
    pub fn new(http: &Http, host: &str, token: Secret) -> Result<Self, AzureError> {
        let mut host = address(host)?;
        // People paste what stands in the browser, `…/?o=123`.
        host.set_query(None);
        host.set_fragment(None);
        host.set_path("/");
        Ok(Self { http: http.clone(), host, token })
    }

    /// That of the environment, or of a profile: the one named, else `DATABRICKS_CONFIG_PROFILE`, else `DEFAULT`.
    pub fn of_environment(http: &Http, environment: &Environment, profile: Option<&str>) -> Result<Self, AzureError> {
        if profile.is_none()
            && let (Some(host), Some(token)) = (environment.get("DATABRICKS_HOST"), environment.secret("DATABRICKS_TOKEN"))
        {
            return Self::new(http, host, token);
        }
        let file = environment.path("DATABRICKS_CONFIG_FILE").or_else(|| Some(environment.home()?.join(".databrickscfg")));
        let profile = profile.or_else(|| environment.get("DATABRICKS_CONFIG_PROFILE")).unwrap_or("DEFAULT");
        let (host, token) = read_profile(&file.unwrap_or_default(), profile)?;
        Self::new(http, &host, token)
    }

    /// The workspace's host.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.host_str().unwrap_or_default()
    }

    /// Names of all scopes.
    pub async fn scopes(&self) -> Result<Vec<String>, AzureError> {
        #[derive(Deserialize)]
        struct Scopes {
            #[serde(default)]
            scopes: Vec<Named>,
        }
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        let found: Scopes = self.get_json("scopes/list", &[], "listing its scopes").await?.json()?;
        Ok(found.scopes.into_iter().map(|s| s.name).collect())
    }

    /// Names of a scope's secrets.
    pub async fn list(&self, scope: &str) -> Result<Vec<String>, AzureError> {
        #[derive(Deserialize)]
        struct Secrets {
            #[serde(default)]
            secrets: Vec<Keyed>,
        }
        #[derive(Deserialize)]
        struct Keyed {
            key: String,
        }
        let found: Secrets = self.get_json("list", &[("scope", scope)], &format!("listing the scope `{scope}`")).await?.json()?;
        Ok(found.secrets.into_iter().map(|s| s.key).collect())
    }

    /// The value of a secret. Values that are no text cannot be used by anything here.
    pub async fn get(&self, scope: &str, key: &str) -> Result<Secret, AzureError> {
        #[derive(Deserialize)]
        struct Found {
            value: String,
        }
        let doing = format!("reading `{scope}/{key}`");
        let encoded = Secret::new(self.get_json("get", &[("scope", scope), ("key", key)], &doing).await?.json::<Found>()?.value);
        let bad = |found: &str| AzureError::BadAnswer { what: self.what(), found: format!("{found} for `{scope}/{key}`") };
        let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.expose()).map_err(|_| bad("a value that is no base64"))?;
        let text = String::from_utf8(bytes).map_err(|_| bad("a value that is no text"))?;
        Ok(Secret::named(&format!("{scope}/{key}"), text))
    }

    /// Writes a secret; the scope must be there.
    pub async fn put(&self, scope: &str, key: &str, value: &Secret) -> Result<(), AzureError> {
        let body = json!({ "scope": scope, "key": key, "string_value": value.expose() });
        self.post("put", &body, &format!("writing `{scope}/{key}`")).await
    }

    /// Makes a scope.
    pub async fn create_scope(&self, scope: &str) -> Result<(), AzureError> {
        self.post("scopes/create", &json!({ "scope": scope }), &format!("making the scope `{scope}`")).await
    }

    /// Deletes a secret.
    pub async fn delete(&self, scope: &str, key: &str) -> Result<(), AzureError> {
        self.post("delete", &json!({ "scope": scope, "key": key }), &format!("deleting `{scope}/{key}`")).await
    }

    fn what(&self) -> String {
        format!("{NAME} ({})", self.host())
    }

    fn request(&self, method: Method, leaf: &str) -> Result<Ask, AzureError> {
        let url = self.host.join(&format!("api/2.0/secrets/{leaf}")).map_err(|e| AzureError::BadName(format!("`{leaf}`: {e}")))?;
        Ok(Ask::new(method, url, self.what()).bearer(&self.token))
    }

    async fn get_json(&self, leaf: &str, query: &[(&str, &str)], doing: &str) -> Result<Answer, AzureError> {
        let ask = self.request(Method::GET, leaf)?;
        let ask = if query.is_empty() { ask } else { ask.query(query) };
        self.http.ask(&ask).await?.accepted(&format!("{doing} in {}", self.what()))
    }

    async fn post(&self, leaf: &str, body: &serde_json::Value, doing: &str) -> Result<(), AzureError> {
        let ask = self.request(Method::POST, leaf)?.json(body);
        self.http.ask(&ask).await?.accepted(&format!("{doing} in {}", self.what())).map(drop)
    }
}

/// Host and token of a profile of `.databrickscfg` (an INI file).
fn read_profile(file: &PathBuf, profile: &str) -> Result<(String, Secret), AzureError> {
    let absent = |why: String| AzureError::NotSetUp { identity: NAME, why };
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|_| absent(format!("DATABRICKS_HOST and DATABRICKS_TOKEN are not set, and there is no {}", file.display())))?;
    let section = Secret::new(text);
    let values = crate::environment::ini_section(section.expose(), profile)
        .ok_or_else(|| absent(format!("{} has no profile `{profile}`", file.display())))?;
    let value = |key: &str| values.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
    match (value("host"), value("token")) {
        (Some(host), Some(token)) => Ok((host, token.into())),
        _ => Err(absent(format!("the profile `{profile}` of {} has no host or no token (other kinds of sign-in are not read)", file.display()))),
    }
}
