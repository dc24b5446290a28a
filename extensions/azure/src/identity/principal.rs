//! Applications that sign in by themselves: with a secret, or with a token that the platform puts into a file (workload identity, AKS and others).
use super::entra::Entra;
use super::{ENVIRONMENT, PRINCIPAL, WORKLOAD};
use crate::{AzureError, Environment, Http, Token, TokenSource};
use async_trait::async_trait;
use ochre_secrets::Secret;
use std::path::PathBuf;
use url::Url;

/// RFC 7523's name for a token that stands for a secret.
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A service principal with a client secret.
#[derive(Clone, Debug)]
pub struct ClientSecret {
    entra: Entra,
    client: String,
    secret: Secret,
    name: &'static str,
}

impl ClientSecret {
    /// Of these ids; `authority` is Entra's address.
    pub fn new(http: &Http, authority: &Url, tenant: &str, client: &str, secret: Secret) -> Result<Self, AzureError> {
        Ok(Self { entra: Entra::new(http, authority, tenant)?, client: client.to_string(), secret, name: PRINCIPAL })
    }

    /// That of `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`.
    pub fn of_environment(http: &Http, authority: &Url, environment: &Environment) -> Result<Self, AzureError> {
        let [tenant, client, _] = required(environment, ENVIRONMENT, ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"])?;
        let secret = environment.secret("AZURE_CLIENT_SECRET").unwrap_or_else(|| Secret::new(""));
        Ok(Self { name: ENVIRONMENT, ..Self::new(http, authority, tenant, client, secret)? })
    }
}

#[async_trait]
impl TokenSource for ClientSecret {
    fn name(&self) -> String {
        self.name.into()
    }

    async fn token(&self, scope: &str) -> Result<Token, AzureError> {
        let form = [("grant_type", "client_credentials"), ("client_id", &self.client), ("client_secret", self.secret.expose()), ("scope", scope)];
        Ok(self.entra.token(self.name, &form, &[&self.secret]).await?.token())
    }
}

/// An application whose platform writes a token of its own into a file.
#[derive(Clone, Debug)]
pub struct WorkloadIdentity {
    entra: Entra,
    client: String,
    file: PathBuf,
}

impl WorkloadIdentity {
    /// With the token in `file`, which is read anew for every sign-in: the platform replaces it every hour.
    pub fn new(http: &Http, authority: &Url, tenant: &str, client: &str, file: PathBuf) -> Result<Self, AzureError> {
        Ok(Self { entra: Entra::new(http, authority, tenant)?, client: client.to_string(), file })
    }

    /// That of `AZURE_FEDERATED_TOKEN_FILE`, `AZURE_TENANT_ID` and `AZURE_CLIENT_ID`.
    pub fn of_environment(http: &Http, authority: &Url, environment: &Environment) -> Result<Self, AzureError> {
        let [tenant, client, _] = required(environment, WORKLOAD, ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"])?;
        let file = environment.path("AZURE_FEDERATED_TOKEN_FILE").unwrap_or_default();
        Self::new(http, authority, tenant, client, file)
    }
}

#[async_trait]
impl TokenSource for WorkloadIdentity {
    fn name(&self) -> String {
        WORKLOAD.into()
    }

    async fn token(&self, scope: &str) -> Result<Token, AzureError> {
        let read = tokio::fs::read_to_string(&self.file).await;
        let text = Secret::new(read.map_err(|source| AzureError::File { path: self.file.display().to_string(), source })?);
        let assertion = Secret::new(text.expose().trim());
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.client.as_str()),
            ("client_assertion_type", ASSERTION),
            ("client_assertion", assertion.expose()),
            ("scope", scope),
        ];
        Ok(self.entra.token(WORKLOAD, &form, &[&assertion]).await?.token())
    }
}

/// All three variables, or which are missing.
fn required<'a>(environment: &'a Environment, identity: &'static str, names: [&str; 3]) -> Result<[&'a str; 3], AzureError> {
    let values = names.map(|name| environment.get(name));
    if let [Some(a), Some(b), Some(c)] = values {
        return Ok([a, b, c]);
    }
    let missing: Vec<&str> = names.into_iter().zip(values).filter(|(_, v)| v.is_none()).map(|(n, _)| n).collect();
    let verb = if missing.len() == 1 { "is" } else { "are" };
    Err(AzureError::NotSetUp { identity, why: format!("{} {verb} not set", missing.join(", ")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let env = Environment::of([("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c")]);
        let error = required(&env, ENVIRONMENT, ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"]).expect_err("one is missing");
        assert_eq!(error.to_string(), "environment: AZURE_CLIENT_SECRET is not set");
    }
}
