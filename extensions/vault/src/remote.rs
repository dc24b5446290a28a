//! Key vaults and Databricks' scopes: named before the colon, because they are other places for each name. `ochre-azure` speaks to them.
use crate::VaultError;
use ochre_azure::{AzureError, Databricks, Environment, Finder, Http, KeyVault, TokenSource};
use ochre_secrets::Secret;
use std::sync::{Arc, Mutex, PoisonError};

/// Backends that are reached over the network, by what is typed before the colon.
pub(crate) const REMOTES: &[&str] = &["keyvault", "databricks"];

/// Clients, made when they are first needed.
pub(crate) struct Remotes {
    environment: Environment,
    identity: Mutex<Option<(Http, Finder, Arc<dyn TokenSource>)>>,
}

impl Remotes {
    pub(crate) fn new(environment: Environment) -> Self {
        Self { environment, identity: Mutex::default() }
    }

    /// The default identity, in its stated order (see `ochre_azure::identity`).
    fn key_vault(&self, vault: &str) -> Result<KeyVault, AzureError> {
        let mut identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        if identity.is_none() {
            let http = Http::new()?;
            let finder = Finder::new(http.clone(), self.environment.clone())?;
            let auto: Arc<dyn TokenSource> = finder.auto();
            *identity = Some((http, finder, auto));
        }
        let Some((http, _, source)) = &*identity else { return Err(AzureError::SignInNeeded) };
        KeyVault::new(http, &ochre_azure::Cloud::of(&self.environment)?, source.clone(), vault)
    }

    fn databricks(&self) -> Result<Databricks, AzureError> {
        Databricks::of_environment(&Http::new()?, &self.environment, None)
    }

    pub(crate) async fn get(&self, backend: &str, scope: &str, key: &str) -> Result<Option<Secret>, VaultError> {
        let found = match backend {
            "keyvault" => self.key_vault(scope)?.get(key).await,
            _ => self.databricks()?.get(scope, key).await,
        };
        match found {
            Ok(secret) => Ok(Some(secret)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn set(&self, backend: &str, scope: &str, key: &str, value: &Secret) -> Result<(), VaultError> {
        match backend {
            "keyvault" => self.key_vault(scope)?.set(key, value).await?,
            _ => {
                let databricks = self.databricks()?;
                if !databricks.scopes().await?.iter().any(|name| name == scope) {
                    databricks.create_scope(scope).await?;
                }
                databricks.put(scope, key, value).await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn delete(&self, backend: &str, scope: &str, key: &str) -> Result<bool, VaultError> {
        let deleted = match backend {
            "keyvault" => self.key_vault(scope)?.delete(key).await,
            _ => self.databricks()?.delete(scope, key).await,
        };
        match deleted {
            Ok(()) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Names of one scope; of all of Databricks' scopes without one.
    pub(crate) async fn list(&self, backend: &str, scope: &str) -> Result<Vec<(String, String)>, VaultError> {
        if backend == "keyvault" {
            let items = self.key_vault(scope)?.list().await?;
            return Ok(items.into_iter().filter(|item| item.enabled).map(|item| (scope.to_owned(), item.name)).collect());
        }
        let databricks = self.databricks()?;
        let scopes = if scope.is_empty() { databricks.scopes().await? } else { vec![scope.to_owned()] };
        let mut found = Vec::new();
        for scope in scopes {
            let keys = databricks.list(&scope).await?;
            found.extend(keys.into_iter().map(|key| (scope.clone(), key)));
        }
        Ok(found)
    }
}

/// Key vaults and Databricks answer 404 for a name that is not there.
fn is_absent(error: &AzureError) -> bool {
    error.status() == Some(404)
}
