//! Finding an identity without being told one, in the order that Microsoft's SDKs have:
//!
//! 1. the environment (`AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`),
//! 2. workload identity (`AZURE_FEDERATED_TOKEN_FILE`),
//! 3. the managed identity of the platform: App Service, Azure ML compute, Cloud Shell, and last the virtual machine's, which is probed,
//! 4. the Azure CLI.
//!
//! What is not set up is passed over; what is set up and refused ends the search, for a wrong secret should be heard of and not hidden by whoever
//! comes next. The first that gives a token is kept to.
use super::{CLI, Cached, ClientSecret, Cli, DeviceCode, ENVIRONMENT, Imds, MANAGED, ManagedIdentity, WORKLOAD, WorkloadIdentity};
use crate::{AzureError, Cloud, Environment, Http, Token, TokenSource, Tried};
use async_trait::async_trait;
use ochre_secrets::Secret;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Bound of a whole search. Each step has its own; together they stay below it unless Entra and the CLI are both slow.
const BOUND: Duration = Duration::from_secs(45);

/// One step: its name, and the identity or why there is none.
type Link = (&'static str, Result<Arc<dyn TokenSource>, AzureError>);

/// Identities, tried in order.
pub struct Chain {
    links: Vec<Link>,
    chosen: OnceLock<usize>,
}

impl Chain {
    /// Of these steps.
    #[must_use]
    pub fn new(links: Vec<Link>) -> Self {
        Self { links, chosen: OnceLock::new() }
    }

    async fn search(&self, scope: &str) -> Result<Token, AzureError> {
        let mut tried = Vec::new();
        for (at, (identity, link)) in self.links.iter().enumerate() {
            let why = match link {
                Err(error) if error.is_absence() => why(identity, error),
                // A malformed id or address: said as it is, and nothing is tried in its place.
                Err(error) => return Err(AzureError::SignInRefused { identity, message: error.to_string() }),
                Ok(source) => match source.token(scope).await {
                    Ok(token) => {
                        self.chosen.get_or_init(|| at);
                        return Ok(token);
                    }
                    Err(error) if error.is_absence() => why(identity, &error),
                    Err(error) => return Err(error),
                },
            };
            tried.push(Tried { identity, why });
        }
        Err(AzureError::NoIdentity { tried })
    }

    fn source(&self) -> Option<&Arc<dyn TokenSource>> {
        self.links.get(*self.chosen.get()?)?.1.as_ref().ok()
    }
}

/// The reason alone, without the name that stands beside it.
fn why(identity: &str, error: &AzureError) -> String {
    let text = error.to_string();
    text.strip_prefix(identity).and_then(|t| t.strip_prefix(": ")).map_or(text.clone(), str::to_string)
}

#[async_trait]
impl TokenSource for Chain {
    fn name(&self) -> String {
        self.source().map_or_else(|| "auto".into(), |source| source.name())
    }

    async fn token(&self, scope: &str) -> Result<Token, AzureError> {
        if let Some(source) = self.source() {
            return source.token(scope).await;
        }
        let ended = tokio::time::timeout(BOUND, self.search(scope)).await;
        ended.unwrap_or_else(|_| Err(AzureError::TimedOut { what: "the search for an Azure identity".into(), seconds: BOUND.as_secs() }))
    }
}

/// Makes identities for one environment and cloud; each comes with a cache. What was learnt of the metadata address is shared.
#[derive(Clone, Debug)]
pub struct Finder {
    pub http: Http,
    pub cloud: Cloud,
    pub environment: Environment,
    imds: Imds,
}

impl Finder {
    /// For an environment, whose cloud it names.
    pub fn new(http: Http, environment: Environment) -> Result<Self, AzureError> {
        Ok(Self { http, cloud: Cloud::of(&environment)?, imds: Imds::of(&environment), environment })
    }

    /// That of this process, with the system's certificates and proxies.
    pub fn of_process() -> Result<Self, AzureError> {
        Self::new(Http::new()?, Environment::of_process())
    }

    /// The stated order.
    #[must_use]
    pub fn auto(&self) -> Arc<Cached> {
        let (http, authority, env) = (&self.http, &self.cloud.authority, &self.environment);
        Arc::new(Cached::new(Arc::new(Chain::new(vec![
            (ENVIRONMENT, shared(ClientSecret::of_environment(http, authority, env))),
            (WORKLOAD, shared(WorkloadIdentity::of_environment(http, authority, env))),
            // `AZURE_CLIENT_ID` alone chooses among the identities of the host, as in Microsoft's SDKs.
            (MANAGED, shared(ManagedIdentity::of_environment(http, env, &self.imds, env.get("AZURE_CLIENT_ID")).or_else(|_| self.plain_managed()))),
            (CLI, Ok(Arc::new(Cli::new(env, None)))),
        ]))))
    }

    fn plain_managed(&self) -> Result<ManagedIdentity, AzureError> {
        ManagedIdentity::of_environment(&self.http, &self.environment, &self.imds, None)
    }

    /// That of the environment variables alone: a secret or a federated token.
    pub fn environment(&self) -> Arc<Cached> {
        let (http, authority, env) = (&self.http, &self.cloud.authority, &self.environment);
        Arc::new(Cached::new(Arc::new(Chain::new(vec![
            (ENVIRONMENT, shared(ClientSecret::of_environment(http, authority, env))),
            (WORKLOAD, shared(WorkloadIdentity::of_environment(http, authority, env))),
        ]))))
    }

    /// The host's identity, or its user-assigned one of this client id.
    pub fn managed(&self, client: Option<&str>) -> Result<Arc<Cached>, AzureError> {
        Ok(cached(ManagedIdentity::of_environment(&self.http, &self.environment, &self.imds, client)?))
    }

    /// Workload identity.
    pub fn workload(&self) -> Result<Arc<Cached>, AzureError> {
        Ok(cached(WorkloadIdentity::of_environment(&self.http, &self.cloud.authority, &self.environment)?))
    }

    /// Whoever is signed in with `az`.
    #[must_use]
    pub fn cli(&self) -> Arc<Cached> {
        cached(Cli::new(&self.environment, None))
    }

    /// A service principal.
    pub fn service_principal(&self, tenant: &str, client: &str, secret: Secret) -> Result<Arc<Cached>, AzureError> {
        Ok(cached(ClientSecret::new(&self.http, &self.cloud.authority, tenant, client, secret)?))
    }

    /// A person who will sign in; put a [`Cached`] in front of it.
    pub fn device_code(&self, tenant: Option<&str>) -> Result<Arc<DeviceCode>, AzureError> {
        Ok(Arc::new(DeviceCode::new(&self.http, &self.cloud.authority, tenant)?))
    }
}

fn shared<S: TokenSource + 'static>(source: Result<S, AzureError>) -> Result<Arc<dyn TokenSource>, AzureError> {
    source.map(|s| Arc::new(s) as Arc<dyn TokenSource>)
}

fn cached(source: impl TokenSource + 'static) -> Arc<Cached> {
    Arc::new(Cached::new(Arc::new(source)))
}
