//! From a credential word (`--credential X`, `%credential URL X`) to a source of grants, and the search when no word was given.
//!
//! The magics call [`Credentials::source`], the table of accounts calls [`Credentials::fallback`]. The order of the search is that of the clouds' own
//! tools and is stated in SEMANTICS.md; every step that asks an address which may not exist is bounded to a second and remembered, so that it never
//! hangs. No key is ever put into the environment, and nothing is written to disk.
//!
//! ```text
//! word ----------> Word ---> EntraSource | SecretSource | AnonymousSource | …   --GrantSource--> Accounts
//! no word: scheme -> Auto -> azure: keys of the environment, workspace, identities; s3: aws.rs; gs: gcs.rs; last: anonymous
//! ```
mod auto;
mod aws;
mod aws_files;
mod azure;
mod fixed;
mod gcs;
mod word;

pub(crate) use word::{WORDS, Word};

use crate::accounts::GrantSource;
use crate::workspace::Workspaces;
use async_trait::async_trait;
use ochre_api::{Failure, SessionAccess};
use ochre_azure::{AzureError, Cached, DatastoreCredential, DatastorePath, Finder, TokenSource};
use ochre_blobs::{Credential, Grant, Location};
use ochre_secrets::Secret;
use std::sync::Arc;

/// Where `secret:SCOPE/KEY` is looked up.
#[async_trait]
pub(crate) trait Secrets: Send + Sync {
    async fn get(&self, name: &str) -> Result<Secret, Failure>;
}

#[async_trait]
impl Secrets for ochre_vault::Vault {
    async fn get(&self, name: &str) -> Result<Secret, Failure> {
        ochre_vault::Vault::get(self, name).await
    }
}

/// Makes sources of grants. One for a session.
pub(crate) struct Credentials {
    finder: Finder,
    secrets: Arc<dyn Secrets>,
    workspaces: Arc<Workspaces>,
    /// The search for an identity is made once for all accounts.
    identity: Arc<Cached>,
    aws: Arc<aws::Aws>,
    gcs: Arc<gcs::Gcs>,
}

impl Credentials {
    /// With the identities that `finder` finds and the secrets that `secrets` has.
    pub(crate) fn new(finder: Finder, secrets: Arc<dyn Secrets>, workspaces: Arc<Workspaces>) -> Self {
        let (http, environment) = (finder.http.clone(), finder.environment.clone());
        let (aws, gcs) = (Arc::new(aws::Aws::new(http.clone(), environment.clone())), Arc::new(gcs::Gcs::new(http, environment)));
        Self { identity: finder.auto(), finder, secrets, workspaces, aws, gcs }
    }

    /// The identities behind it.
    pub(crate) fn finder(&self) -> &Finder {
        &self.finder
    }

    /// The source that a word stands for. A device code is shown to the user here, who then signs in while the cell waits; all else waits for nobody.
    pub(crate) async fn source(&self, word: &str, session: &mut dyn SessionAccess) -> Result<Arc<dyn GrantSource>, Failure> {
        let word = Word::parse(word)?;
        Ok(match &word {
            Word::Auto => Arc::new(self.auto()),
            Word::Anonymous => Arc::new(fixed::Anonymous),
            Word::Environment => Arc::new(auto::Environment { parts: self.parts(self.finder.environment()) }),
            Word::Secret(name) => self.secret_source(name).await?,
            Word::AccountKey => Arc::new(azure::AccountKey { finder: self.finder.clone(), identity: self.identity_now(), workspaces: self.workspaces.clone() }),
            _ => {
                let identity = self.identity(&word, session).await?;
                Arc::new(azure::Entra { word: word.to_string(), identity, cloud: self.finder.cloud.clone() })
            }
        })
    }

    /// The Entra identity that a word stands for; also for the resource manager and key vaults.
    pub(crate) async fn identity(&self, word: &Word, session: &mut dyn SessionAccess) -> Result<Arc<dyn TokenSource>, Failure> {
        Ok(match word {
            Word::Auto => self.identity_now(),
            Word::Environment => self.finder.environment(),
            Word::Cli => self.finder.cli(),
            Word::ManagedIdentity(client) => self.finder.managed(client.as_deref()).map_err(of_azure)?,
            Word::WorkloadIdentity => self.finder.workload().map_err(of_azure)?,
            Word::ServicePrincipal { tenant, client, secret } => {
                let secret = self.secrets.get(secret).await?;
                self.finder.service_principal(tenant, client, secret).map_err(of_azure)?
            }
            Word::DeviceCode(tenant) => azure::sign_in(&self.finder, tenant.as_deref(), session).await?,
            Word::Secret(name) => {
                let secret = self.secrets.get(name).await?;
                let principal = fixed::principal(&secret).ok_or_else(|| {
                    let failure = Failure::configuration(format!("the secret {name} is no service principal, and Azure's services take no other"));
                    failure.hint("store the JSON that `az ad sp create-for-rbac` prints, or use `--credential cli`")
                })?;
                self.principal(&principal)?
            }
            Word::Anonymous | Word::AccountKey => {
                let failure = Failure::usage(format!("`{word}` is nobody, and Azure's services want to know who asks"));
                return Err(failure.hint("use `auto`, `cli`, `device-code`, `managed-identity` or `service-principal:…`"));
            }
        })
    }

    /// The source that is used where no word was given.
    pub(crate) fn fallback(&self, _location: &Location) -> Arc<dyn GrantSource> {
        Arc::new(self.auto())
    }

    /// `azureml://datastores/…`: where it lies, and the credential that its workspace keeps for it.
    pub(crate) async fn datastore(&self, url: &str) -> Result<(Location, Arc<dyn GrantSource>), Failure> {
        let path = DatastorePath::parse(url).map_err(of_azure)?;
        let current = self.workspaces.current();
        let id = match (&path.workspace, &current) {
            (Some(id), _) => id.clone(),
            (None, Some(current)) => current.workspace.id.clone(),
            (None, None) => {
                let failure = Failure::configuration(format!("`{url}` names no workspace, and none is chosen"));
                return Err(failure.hint("choose one with `%workspace config.json`"));
            }
        };
        let arm = match &current {
            Some(current) => current.arm.clone(),
            None => ochre_azure::Arm::new(&self.finder.http, &self.finder.cloud, self.identity_now()),
        };
        let datastore = arm.datastore(&id, &path.datastore).await.map_err(of_azure)?;
        let location = azure::location_of(&datastore, &path.path)?;
        let word = format!("datastore {}", datastore.name);
        let source: Arc<dyn GrantSource> = match arm.datastore_credential(&id, &datastore).await.map_err(of_azure)? {
            DatastoreCredential::Identity => Arc::new(azure::Entra { word, identity: self.identity_now(), cloud: self.finder.cloud.clone() }),
            DatastoreCredential::Key(key) => Arc::new(fixed::Fixed { word, grant: Grant::new(Credential::AzureKey(key)) }),
            DatastoreCredential::Sas(sas) => {
                let sas = Secret::new(sas.expose().trim_start_matches('?'));
                Arc::new(fixed::Fixed { word, grant: Grant::new(Credential::AzureSas(sas)) })
            }
            DatastoreCredential::Principal { tenant, client, secret } => {
                let identity = self.finder.service_principal(&tenant, &client, secret).map_err(of_azure)?;
                Arc::new(azure::Entra { word, identity, cloud: self.finder.cloud.clone() })
            }
        };
        Ok((location, source))
    }

    /// The identity that is found without a workspace.
    pub(crate) fn found_identity(&self) -> Arc<dyn TokenSource> {
        self.identity.clone()
    }

    /// The workspace's identity when there is one, else the one that is found.
    pub(crate) fn identity_now(&self) -> Arc<dyn TokenSource> {
        match self.workspaces.current() {
            Some(current) => current.identity.clone(),
            None => self.identity.clone(),
        }
    }

    fn auto(&self) -> auto::Auto {
        auto::Auto { parts: self.parts(self.identity.clone()), workspaces: self.workspaces.clone() }
    }

    fn parts(&self, identity: Arc<dyn TokenSource>) -> auto::Parts {
        auto::Parts { identity, cloud: self.finder.cloud.clone(), environment: self.finder.environment.clone(), aws: self.aws.clone(), gcs: self.gcs.clone() }
    }

    fn principal(&self, principal: &fixed::Principal) -> Result<Arc<Cached>, Failure> {
        self.finder.service_principal(&principal.tenant, &principal.client, principal.secret.clone()).map_err(of_azure)
    }

    async fn secret_source(&self, name: &str) -> Result<Arc<dyn GrantSource>, Failure> {
        let secret = self.secrets.get(name).await?;
        let word = format!("secret:{name}");
        if let Some(principal) = fixed::principal(&secret) {
            let identity = self.principal(&principal)?;
            return Ok(Arc::new(azure::Entra { word, identity, cloud: self.finder.cloud.clone() }));
        }
        if let Some(user) = gcs::User::read(&secret) {
            return Ok(Arc::new(gcs::UserSource { word, user, gcs: self.gcs.clone() }));
        }
        let grant = ochre_blobs::credential_of(&secret).map_err(|error| {
            let why = match error {
                ochre_blobs::BlobError::BadCredential { why, .. } => why,
                other => other.to_string(),
            };
            Failure::configuration(format!("the secret {name} cannot be used as a credential: {why}")).hint(format!("`%secret set {name}` asks for another value"))
        })?;
        Ok(Arc::new(fixed::Fixed { word, grant }))
    }
}

/// An error of Azure's, with whose fault it is and what to do next.
pub(crate) fn of_azure(error: AzureError) -> Failure {
    let hint = error.hint();
    let (message, source) = (error.to_string(), std::error::Error::source(&error).map(|s| chain(s)));
    let failure = match &error {
        AzureError::BadName(_) => Failure::usage(message),
        error if error.is_remote() => Failure::remote(message),
        _ => Failure::configuration(message),
    };
    let failure = failure.hint(hint);
    match source {
        Some(source) => failure.because(source),
        None => failure,
    }
}

/// A chain of causes on one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(next) = at {
        let part = next.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        at = next.source();
    }
    text
}

#[cfg(test)]
#[path = "credentials/tests.rs"]
mod tests;
