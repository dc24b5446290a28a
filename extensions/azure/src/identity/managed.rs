//! Managed identities: the platform says by environment variables where its token service is, and each platform speaks a dialect of its own.
//!
//! | platform | how it is told | request |
//! |---|---|---|
//! | App Service, Functions, Container Apps | `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` | GET 2019-08-01, header `X-IDENTITY-HEADER` |
//! | Azure ML compute | `MSI_ENDPOINT` and `MSI_SECRET` | GET 2017-09-01, header `secret`, `clientid` |
//! | Cloud Shell | `MSI_ENDPOINT` alone | POST form, header `Metadata` |
//! | virtual machines, AKS nodes, ACI | nothing: [`Imds`] is probed | GET 2018-02-01, header `Metadata` |
use super::{Imds, MANAGED};
use crate::cloud::address;
use crate::http::{Ask, hidden};
use crate::token::{TokenAnswer, resource};
use crate::{AzureError, Environment, Http, Token, TokenSource};
use async_trait::async_trait;
use ochre_secrets::Secret;
use reqwest::Method;
use std::time::Duration;
use url::Url;

/// A platform that has said where its token service is answers within this, or is broken.
const BOUND: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
enum Source {
    AppService { endpoint: Url, header: Secret },
    AzureMl { endpoint: Url, secret: Secret },
    CloudShell { endpoint: Url },
    Imds(Imds),
}

/// The identity that this host was given.
#[derive(Clone, Debug)]
pub struct ManagedIdentity {
    http: Http,
    source: Source,
    /// Of a user-assigned identity.
    client: Option<String>,
}

impl ManagedIdentity {
    /// The one that the environment speaks of; without any sign of a platform, that of the virtual machine (which may turn out not to be one).
    pub fn of_environment(http: &Http, environment: &Environment, imds: &Imds, client: Option<&str>) -> Result<Self, AzureError> {
        let header = environment.secret("IDENTITY_HEADER");
        let secret = environment.secret("MSI_SECRET");
        let mut client = client.map(str::to_string);
        let source = match (environment.get("IDENTITY_ENDPOINT"), header, environment.get("MSI_ENDPOINT"), secret) {
            (Some(endpoint), Some(header), _, _) => Source::AppService { endpoint: local(endpoint)?, header },
            (_, _, Some(endpoint), Some(secret)) => {
                // Compute instances and clusters with several identities name theirs here.
                client = client.or_else(|| environment.get("DEFAULT_IDENTITY_CLIENT_ID").map(str::to_string));
                Source::AzureMl { endpoint: local(endpoint)?, secret }
            }
            (_, _, Some(endpoint), None) if client.is_some() => {
                let why = format!("Cloud Shell ({endpoint}) has one identity, and no CLIENT_ID can be chosen");
                return Err(AzureError::NotSetUp { identity: MANAGED, why });
            }
            (_, _, Some(endpoint), None) => Source::CloudShell { endpoint: local(endpoint)? },
            _ => Source::Imds(imds.clone()),
        };
        Ok(Self { http: http.clone(), source, client })
    }

    fn platform(&self) -> &'static str {
        match &self.source {
            Source::AppService { .. } => "App Service",
            Source::AzureMl { .. } => "Azure ML compute",
            Source::CloudShell { .. } => "Cloud Shell",
            Source::Imds(_) => "IMDS",
        }
    }

    fn ask(&self, scope: &str) -> Option<(Ask, Vec<Secret>)> {
        let client = self.client.as_deref();
        let what = format!("the token service of {}", self.platform());
        let with = |ask: Ask, name: &str| client.map_or(ask.clone(), |id| ask.query(&[(name, id)]));
        Some(match &self.source {
            Source::AppService { endpoint, header } => {
                let ask = Ask::get(endpoint.clone(), what).query(&[("api-version", "2019-08-01"), ("resource", resource(scope))]);
                (with(ask, "client_id").header("x-identity-header", header.clone()).header("metadata", "true"), vec![header.clone()])
            }
            Source::AzureMl { endpoint, secret } => {
                let ask = Ask::get(endpoint.clone(), what).query(&[("api-version", "2017-09-01"), ("resource", resource(scope))]);
                (with(ask, "clientid").header("secret", secret.clone()), vec![secret.clone()])
            }
            Source::CloudShell { endpoint } => {
                let ask = Ask::new(Method::POST, endpoint.clone(), what).form(&[("resource", resource(scope))]);
                (ask.header("metadata", "true"), Vec::new())
            }
            Source::Imds(_) => return None,
        })
    }
}

#[async_trait]
impl TokenSource for ManagedIdentity {
    fn name(&self) -> String {
        format!("{MANAGED} ({})", self.platform())
    }

    async fn token(&self, scope: &str) -> Result<Token, AzureError> {
        if let Source::Imds(imds) = &self.source {
            return imds.token(&self.http, scope, self.client.as_deref()).await;
        }
        let (ask, secrets) = self.ask(scope).expect("every platform but IMDS has a request of its own");
        let answer = self.http.ask_metadata(&ask, BOUND).await?;
        if answer.is_success() {
            return Ok(answer.json::<TokenAnswer>()?.token());
        }
        let (code, message) = answer.refusal();
        let secrets: Vec<&Secret> = secrets.iter().collect();
        let message = hidden(&format!("{} answered {} {code} {message}", self.platform(), answer.status), &secrets);
        Err(AzureError::SignInRefused { identity: MANAGED, message })
    }
}

/// The address of a token service. Platforms give plain http, to this host or to a link-local or private address of it.
fn local(text: &str) -> Result<Url, AzureError> {
    let bad = |why: &str| AzureError::NotSetUp { identity: MANAGED, why: format!("the address of its token service {why}") };
    let url = Url::parse(text).map_err(|_| bad("is no URL"))?;
    let near = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback() || ip.is_link_local() || ip.is_private(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Some(url::Host::Domain(name)) => !name.contains('.') || name.ends_with(".internal") || name.ends_with(".local"),
        None => false,
    };
    match (url.scheme(), near) {
        ("http", true) => Ok(url),
        ("https", _) => address_unchanged(url),
        _ => Err(bad("is neither https nor on this host's network")),
    }
}

fn address_unchanged(url: Url) -> Result<Url, AzureError> {
    address(url.as_str()).map(|_| url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[(&str, &str)], client: Option<&str>, expected: Result<&str, &str>) {
        let http = Http::new().expect("a client");
        let env = Environment::of(variables.iter().copied());
        let found = ManagedIdentity::of_environment(&http, &env, &Imds::of(&env), client);
        match (found, expected) {
            (Ok(found), Ok(name)) => assert_eq!(found.name(), format!("managed identity ({name})")),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (found, _) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn platforms_are_told_apart_by_their_variables() {
        let ml = ("MSI_ENDPOINT", "http://127.0.0.1:46808/MSI/auth/");
        check(&[("IDENTITY_ENDPOINT", "http://localhost:42356/msi/token"), ("IDENTITY_HEADER", "h"), ml], None, Ok("App Service"));
        check(&[ml, ("MSI_SECRET", "s")], None, Ok("Azure ML compute"));
        check(&[ml], None, Ok("Cloud Shell"));
        check(&[ml], Some("id"), Err("no CLIENT_ID can be chosen"));
        check(&[], None, Ok("IMDS"));
        check(&[("IDENTITY_ENDPOINT", "http://evil.example/token"), ("IDENTITY_HEADER", "h")], None, Err("neither https nor on this host"));
    }
}
