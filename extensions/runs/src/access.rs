//! Credentials for stores: what `%tracking --credential` named, the identity of the workspace, else what MLflow's own client would read.
use crate::setup::{Identity, Secrets};
use ochre_api::async_trait;
use ochre_secrets::Secret;
use ochre_tracking::{Access, Credential, FromEnvironment, Host, Result, TrackingError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Gives credentials to stores.
pub(crate) struct Keys {
    environment: FromEnvironment,
    secrets: Arc<dyn Secrets>,
    identity: Option<Identity>,
    /// `SCOPE/KEY` by the server's address.
    named: Mutex<BTreeMap<String, String>>,
}

impl Keys {
    pub(crate) fn new(variables: &BTreeMap<String, String>, secrets: Arc<dyn Secrets>, identity: Option<Identity>) -> Self {
        Self { environment: FromEnvironment::of(variables.clone()), secrets, identity, named: Mutex::default() }
    }

    /// From now on this server is shown that secret.
    pub(crate) fn name(&self, server: &str, secret: &str) {
        self.named.lock().unwrap_or_else(PoisonError::into_inner).insert(trimmed(server), secret.to_owned());
    }

    fn named(&self, server: &str) -> Option<String> {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let server = trimmed(server);
        named.iter().find(|(address, _)| server.starts_with(address.as_str()) || address.starts_with(&server)).map(|(_, secret)| secret.clone())
    }
}

fn trimmed(server: &str) -> String {
    server.trim_end_matches('/').to_owned()
}

/// `USER:PASSWORD` or a token.
fn credential(secret: &Secret) -> Credential {
    match secret.expose().split_once(':') {
        Some((user, password)) => Credential::Basic { user: user.to_owned(), password: Secret::from(password) },
        None => Credential::Bearer(secret.clone()),
    }
}

#[async_trait]
impl Access for Keys {
    async fn server(&self, server: &str, refresh: bool) -> Result<Credential> {
        let Some(name) = self.named(server) else { return self.environment.server(server, refresh).await };
        let secret = self.secrets.get(&name).await.map_err(|failure| TrackingError::NoCredential { at: server.to_owned(), why: failure.one_line() })?;
        Ok(credential(&secret))
    }

    async fn entra(&self, scope: &str, refresh: bool) -> Result<Secret> {
        let Some(identity) = &self.identity else { return self.environment.entra(scope, refresh).await };
        let source = identity();
        let token = if refresh { source.renewed(scope).await } else { source.token(scope).await };
        match token {
            Ok(token) => Ok(token.secret),
            // A job of Azure ML has a token in its environment and no identity.
            Err(error) => self.environment.entra(scope, refresh).await.map_err(|_| TrackingError::NoCredential { at: "Azure ML".into(), why: error.to_string() }),
        }
    }

    async fn databricks(&self, profile: Option<&str>, refresh: bool) -> Result<Host> {
        self.environment.databricks(profile, refresh).await
    }

    fn certificates(&self) -> Result<Option<Vec<u8>>> {
        self.environment.certificates()
    }
}
