//! polars' `CloudOptions` from a grant, and the providers that renew it.
use crate::error::StoreError;
use crate::grants::{grant, locate, now};
use crate::wait::runtime;
use ochre_blobs::object_store::gcp::GoogleCloudStorageBuilder;
use ochre_blobs::{Credential, FromGrant, Grant, Location, Scheme};
use polars::prelude::cloud::credential_provider::{ObjectStoreCredential, PlCredentialProvider};
use polars::prelude::cloud::{AmazonS3ConfigKey, AzureConfigKey, CloudOptions, GoogleConfigKey};
use polars::prelude::{PolarsError, PolarsResult};
use std::collections::HashMap;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How long a query of polars keeps a credential before it asks again, in seconds: asking costs less than a millisecond.
const KEPT_SECONDS: u64 = 60;

/// Options for a URL, whatever comes of it: what is wrong is said by the first use.
pub(super) fn for_url(url: &str) -> CloudOptions {
    let made = locate(url).and_then(|location| Ok(of(&location, &grant(&location, false)?)));
    made.unwrap_or_else(|error| broken(url, error))
}

/// Options that fail with this error.
fn broken(url: &str, error: StoreError) -> CloudOptions {
    let provider = PlCredentialProvider::from_func(move || {
        let error = error.clone();
        Box::pin(async move { Err(PolarsError::from(error)) })
    });
    let options = CloudOptions::default();
    let options = match url.split("://").next().unwrap_or_default() {
        "s3" | "s3a" | "s3n" => options.with_aws([(AmazonS3ConfigKey::Region, "us-east-1")]),
        "gs" | "gcs" => options,
        _ => options.with_azure([(AzureConfigKey::AccountName, "unknown")]),
    };
    options.with_credential_provider(Some(provider))
}

/// Options for what lies at a location.
pub(super) fn of(location: &Location, grant: &Grant) -> CloudOptions {
    let anonymous = matches!(grant.credential, Credential::Anonymous);
    let options = match location.scheme {
        Scheme::Azure => azure(location, grant, anonymous),
        Scheme::S3 => s3(grant, anonymous),
        Scheme::Gcs => gcs(grant, anonymous),
        Scheme::File | Scheme::Memory => return CloudOptions::default(),
    };
    // With a provider nothing looks into the environment or at a metadata address.
    options.with_credential_provider(Some(provider(location, grant)))
}

fn azure(location: &Location, grant: &Grant, anonymous: bool) -> CloudOptions {
    let mut keys = Vec::new();
    if let Some(account) = location.account.as_ref().or(grant.account.as_ref()) {
        keys.push((AzureConfigKey::AccountName, account.split('.').next().unwrap_or(account).to_owned()));
        if account.contains('.') && grant.endpoint.is_none() {
            keys.push((AzureConfigKey::Endpoint, format!("https://{account}")));
        }
    }
    keys.extend(grant.endpoint.iter().map(|endpoint| (AzureConfigKey::Endpoint, endpoint.trim_end_matches('/').to_owned())));
    keys.extend(anonymous.then(|| (AzureConfigKey::SkipSignature, "true".to_owned())));
    CloudOptions::default().with_azure(keys)
}

fn s3(grant: &Grant, anonymous: bool) -> CloudOptions {
    let mut keys = Vec::new();
    keys.extend(grant.region.iter().map(|region| (AmazonS3ConfigKey::Region, region.clone())));
    if let Some(endpoint) = &grant.endpoint {
        keys.push((AmazonS3ConfigKey::Endpoint, endpoint.trim_end_matches('/').to_owned()));
        keys.push((AmazonS3ConfigKey::VirtualHostedStyleRequest, "false".to_owned()));
    }
    keys.extend(anonymous.then(|| (AmazonS3ConfigKey::SkipSignature, "true".to_owned())));
    CloudOptions::default().with_aws(keys)
}

fn gcs(grant: &Grant, anonymous: bool) -> CloudOptions {
    let mut keys = Vec::new();
    keys.extend(grant.endpoint.iter().map(|endpoint| (GoogleConfigKey::BaseUrl, endpoint.trim_end_matches('/').to_owned())));
    keys.extend(anonymous.then(|| (GoogleConfigKey::SkipSignature, "true".to_owned())));
    CloudOptions::default().with_gcp(keys)
}

/// The provider of a container: polars keeps stores, their connections and a credential by its address, so it is the
/// same for all scans, until another credential is given out.
fn provider(location: &Location, grant: &Grant) -> PlCredentialProvider {
    static PROVIDERS: OnceLock<Mutex<HashMap<Location, (u64, PlCredentialProvider)>>> = OnceLock::new();
    let mut all = PROVIDERS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let (root, print) = (location.root(), fingerprint(grant));
    if let Some((_, provider)) = all.get(&root).filter(|(of, _)| *of == print) {
        return provider.clone();
    }
    let of = root.clone();
    let provider = PlCredentialProvider::from_func(move || renewed(of.clone()));
    all.insert(root, (print, provider.clone()));
    provider
}

/// Tells one credential from another, in this process.
fn fingerprint(grant: &Grant) -> u64 {
    let mut hasher = DefaultHasher::new();
    grant.to_wire().hash(&mut hasher);
    hasher.finish()
}

type Renewed = Pin<Box<dyn Future<Output = PolarsResult<(ObjectStoreCredential, u64)>> + Send + Sync>>;

/// A credential and when polars shall ask again. Made on our own threads, because asking the kernel blocks.
fn renewed(location: Location) -> Renewed {
    Box::pin(async move {
        let task = runtime()?.spawn(async move {
            let of = location.clone();
            let grant = tokio::task::spawn_blocking(move || grant(&of, false)).await.map_err(|_| StoreError::LOST)??;
            let until = grant.expires.unwrap_or(u64::MAX).min(now() + KEPT_SECONDS).max(now() + 1);
            Ok((credential(&location, &grant).await?, until))
        });
        task.await.map_err(|_| PolarsError::from(StoreError::LOST))?.map_err(|error: StoreError| error.into())
    })
}

async fn credential(location: &Location, grant: &Grant) -> Result<ObjectStoreCredential, StoreError> {
    let wrong = |why: &'static str| StoreError::from(ochre_blobs::BlobError::BadCredential { at: location.root().to_string(), why: why.to_owned() });
    // For anonymous access nothing of the credential is sent; its kind must be the service's all the same.
    let anonymous = matches!(grant.credential, Credential::Anonymous);
    match location.scheme {
        Scheme::Azure if anonymous => Ok(ObjectStoreCredential::Azure(Arc::new(ochre_blobs::object_store::azure::AzureCredential::BearerToken(String::new())))),
        Scheme::Azure => Ok(ObjectStoreCredential::Azure(Arc::new(FromGrant::from_grant(grant).map_err(wrong)?))),
        Scheme::S3 if anonymous => {
            let nothing = ochre_blobs::object_store::aws::AwsCredential { key_id: String::new(), secret_key: String::new(), token: None };
            Ok(ObjectStoreCredential::Aws(Arc::new(nothing)))
        }
        Scheme::S3 => Ok(ObjectStoreCredential::Aws(Arc::new(FromGrant::from_grant(grant).map_err(wrong)?))),
        Scheme::Gcs => google(location, grant).await,
        Scheme::File | Scheme::Memory => Ok(ObjectStoreCredential::None),
    }
}

/// Google's services take tokens alone: a key file is exchanged for one here.
async fn google(location: &Location, grant: &Grant) -> Result<ObjectStoreCredential, StoreError> {
    let wrong = |why: String| StoreError::from(ochre_blobs::BlobError::BadCredential { at: location.root().to_string(), why });
    let credential = match &grant.credential {
        Credential::Anonymous => Arc::new(ochre_blobs::object_store::gcp::GcpCredential { bearer: String::new() }),
        Credential::GcsServiceAccount(file) => {
            let store = GoogleCloudStorageBuilder::new().with_bucket_name(&location.container).with_service_account_key(file.expose()).build();
            let store = store.map_err(|_| wrong("it is no key file of a service account".to_owned()))?;
            store.credentials().get_credential().await.map_err(|error| wrong(error.to_string()))?
        }
        _ => Arc::new(FromGrant::from_grant(grant).map_err(|why| wrong(why.to_owned()))?),
    };
    Ok(ObjectStoreCredential::Gcp(credential))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_hold_no_key() {
        let grant = Grant { endpoint: Some("http://127.0.0.1:1/acct".into()), ..Grant::new(Credential::AzureKey("VE9QU0VDUkVU".into())) };
        let location = Location::parse("az://data@acct/x").expect("a location");
        let options = of(&location, &grant);
        let text = format!("{options:?}");
        assert!(text.contains("127.0.0.1:1/acct") && text.contains("AccountName") && !text.contains("VE9QU0VDUkVU"), "{text}");
        assert_eq!(options, of(&location.root().child("y"), &grant), "polars keeps one store for a container");
        let other = Grant { credential: Credential::AzureKey("b3RoZXI=".into()), ..grant };
        assert_ne!(options, of(&location, &other), "another key is used at once");
    }

    #[test]
    fn without_a_credential_the_first_use_says_why() {
        let options = cloud_options_text("az://data@acct/x");
        assert!(options.contains("credential provider"), "{options}");
    }

    fn cloud_options_text(url: &str) -> String {
        format!("{:?}", for_url(url))
    }
}
