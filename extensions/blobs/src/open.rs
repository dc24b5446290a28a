//! From a location and a grant to a store: object_store's builders, with credentials that renew themselves.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AwsCredential, S3CopyIfNotExists};
use object_store::azure::{AzureCredential, MicrosoftAzureBuilder};
use object_store::client::{HttpClient, HttpConnector};
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::local::LocalFileSystem;
use object_store::multipart::MultipartStore;
use object_store::{ClientOptions, CredentialProvider, ObjectStore, RetryConfig, StaticCredentialProvider};

use crate::http::{Connector, Signer};
use crate::memory::Memory;
use crate::renewal::{Provider, Renewal};
use crate::{BlobError, Credential, Grant, Location, Result, Scheme};

/// Time for a connection; DNS, TCP and TLS together. A host that does not answer is tried again by [`crate::steady`].
const CONNECT: Duration = Duration::from_secs(5);
/// Idle connections kept per host: as many as the engine may have parts in flight, so that none is set up twice.
const IDLE_CONNECTIONS: usize = 128;
/// How long an idle connection is kept: less than the 60 to 120 s after which services hang up.
const IDLE_FOR: Duration = Duration::from_secs(50);
/// S3's region where nobody says.
const DEFAULT_REGION: &str = "us-east-1";

/// A store and what is needed to go around it.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) parts: Option<Arc<dyn MultipartStore>>,
    pub(crate) renewal: Option<Arc<Renewal>>,
    pub(crate) raw: Raw,
}

/// What is needed to make the container itself, for which object_store has no word.
pub(crate) enum Raw {
    Azure { client: HttpClient, service: String, account: String, credentials: Option<Arc<dyn CredentialProvider<Credential = AzureCredential>>> },
    S3 { client: HttpClient, url: String, region: String, credentials: Option<Arc<dyn CredentialProvider<Credential = AwsCredential>>> },
    Directory(PathBuf),
    /// There is nothing to make.
    There,
    Unsupported(&'static str),
}

/// Opens the store of `location` with `grant`.
pub(crate) async fn open(location: &Location, renewal: Arc<Renewal>) -> Result<Opened> {
    match location.scheme {
        Scheme::File => local(location),
        Scheme::Memory => {
            let store = memory(&location.container);
            Ok(Opened { store: store.store(), parts: Some(store), renewal: None, raw: Raw::There })
        }
        Scheme::Azure => azure(location, renewal).await,
        Scheme::S3 => s3(location, renewal).await,
        Scheme::Gcs => gcs(location, renewal).await,
    }
}

/// Files below the root of the file system.
fn local(location: &Location) -> Result<Opened> {
    let root = PathBuf::from("/");
    let store = LocalFileSystem::new_with_prefix(&root).map_err(|error| BlobError::of_store("opening", location.to_string(), &error))?;
    Ok(Opened { store: Arc::new(store), parts: None, renewal: None, raw: Raw::Directory(root.join(&location.path)) })
}

/// One store per name within this process.
fn memory(name: &str) -> Arc<Memory> {
    static STORES: OnceLock<Mutex<HashMap<String, Arc<Memory>>>> = OnceLock::new();
    let mut stores = STORES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(stores.entry(name.to_owned()).or_default())
}

/// Time bounds and retries are ours alone ([`crate::steady`]): two layers would multiply, and hide the service's wish for fewer requests.
fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

/// HTTP/1.1 with one connection per part in flight: services cap the rate of a connection, so streams that share one are slower.
fn client_options(endpoint: Option<&str>) -> Result<ClientOptions> {
    let mut options = ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT)
        .with_pool_max_idle_per_host(IDLE_CONNECTIONS)
        .with_pool_idle_timeout(IDLE_FOR);
    if let Some(endpoint) = endpoint {
        if endpoint.starts_with("http://") {
            if !is_loopback(endpoint) {
                return Err(BlobError::BadCredential { at: endpoint.to_owned(), why: "plain http would send it readable over the network; use https".to_owned() });
            }
            // A proxy has no way to this machine's own ports.
            options = options.with_allow_http(true).with_proxy_excludes("127.0.0.1,localhost,::1");
        }
    }
    Ok(options)
}

fn is_loopback(endpoint: &str) -> bool {
    let Ok(url) = url::Url::parse(endpoint) else { return false };
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn failed(location: &Location) -> impl Fn(object_store::Error) -> BlobError {
    let at = location.root().to_string();
    move |error| BlobError::of_store("opening", at.clone(), &error)
}

fn wrong_kind(location: &Location) -> BlobError {
    BlobError::BadCredential { at: location.root().to_string(), why: "it is of another service".to_owned() }
}

async fn azure(location: &Location, renewal: Arc<Renewal>) -> Result<Opened> {
    let grant = renewal.grant().await?;
    let Some(account) = location.account.clone().or_else(|| grant.account.clone()) else {
        return Err(BlobError::BadLocation {
            url: location.to_string(),
            why: "it names no storage account, and there is no default one".to_owned(),
            hint: Some("az://container@account/path names one; `%workspace` and the first `%mount` set a default"),
        });
    };
    let name = account.split('.').next().unwrap_or(&account).to_owned();
    let service = match (&grant.endpoint, account.contains('.')) {
        (Some(endpoint), _) => endpoint.trim_end_matches('/').to_owned(),
        (None, true) => format!("https://{account}"),
        (None, false) => format!("https://{account}.blob.core.windows.net"),
    };
    let options = client_options(Some(&service))?;
    let anonymous = matches!(grant.credential, Credential::Anonymous);
    let credentials: Arc<dyn CredentialProvider<Credential = AzureCredential>> = Arc::new(Provider::new(Arc::clone(&renewal)));
    if !anonymous {
        // A key of another form is found out here and not at the first request.
        credentials.get_credential().await.map_err(failed(location))?;
    }
    let signer = (!anonymous).then(|| Signer { credentials: Arc::clone(&credentials), account: name.clone() });
    let connector = Connector { scheme: Scheme::Azure, signer, opaque_etags: false };
    let client = connector.connect(&options).map_err(failed(location))?;
    let store = MicrosoftAzureBuilder::new()
        .with_account(&name)
        .with_container_name(&location.container)
        .with_endpoint(service.clone())
        .with_credentials(Arc::clone(&credentials))
        .with_skip_signature(anonymous)
        .with_retry(no_retries())
        .with_client_options(options)
        .with_http_connector(connector)
        .build()
        .map_err(failed(location))?;
    let raw = Raw::Azure { client, service: format!("{service}/{}", location.container), account: name, credentials: (!anonymous).then_some(credentials) };
    let store = Arc::new(store);
    Ok(Opened { store: Arc::clone(&store) as _, parts: Some(store), renewal: Some(renewal), raw })
}

async fn s3(location: &Location, renewal: Arc<Renewal>) -> Result<Opened> {
    let grant = renewal.grant().await?;
    let bucket = &location.container;
    let options = client_options(grant.endpoint.as_deref())?;
    let anonymous = match &grant.credential {
        Credential::Anonymous => true,
        Credential::AwsKeys { .. } => false,
        _ => return Err(wrong_kind(location)),
    };
    let region = region(&grant, bucket, &options).await;
    let credentials: Arc<dyn CredentialProvider<Credential = AwsCredential>> = Arc::new(Provider::new(Arc::clone(&renewal)));
    let connector = Connector { scheme: Scheme::S3, signer: None, opaque_etags: bucket.ends_with("--x-s3") };
    let client = connector.connect(&options).map_err(failed(location))?;
    // A bucket with dots has no certificate of its own.
    let virtual_hosted = grant.endpoint.is_none() && !bucket.contains('.');
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&region)
        .with_credentials(Arc::clone(&credentials))
        .with_skip_signature(anonymous)
        .with_virtual_hosted_style_request(virtual_hosted)
        .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
        .with_retry(no_retries())
        .with_client_options(options)
        .with_http_connector(connector);
    if let Some(endpoint) = &grant.endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    let store = builder.build().map_err(failed(location))?;
    let url = match &grant.endpoint {
        Some(endpoint) => format!("{}/{bucket}", endpoint.trim_end_matches('/')),
        None => format!("https://s3.{region}.amazonaws.com/{bucket}"),
    };
    let raw = Raw::S3 { client, url, region, credentials: (!anonymous).then_some(credentials) };
    let store = Arc::new(store);
    Ok(Opened { store: Arc::clone(&store) as _, parts: Some(store), renewal: Some(renewal), raw })
}

/// The grant's region, else the one that AWS says the bucket is in.
async fn region(grant: &Grant, bucket: &str, options: &ClientOptions) -> String {
    if let Some(region) = &grant.region {
        return region.clone();
    }
    if grant.endpoint.is_none() {
        let asked = tokio::time::timeout(CONNECT, object_store::aws::resolve_bucket_region(bucket, options)).await;
        if let Ok(Ok(region)) = asked {
            return region;
        }
    }
    DEFAULT_REGION.to_owned()
}

async fn gcs(location: &Location, renewal: Arc<Renewal>) -> Result<Opened> {
    let grant = renewal.grant().await?;
    let options = client_options(grant.endpoint.as_deref())?;
    let connector = Connector { scheme: Scheme::Gcs, signer: None, opaque_etags: false };
    let builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(&location.container)
        .with_retry(no_retries())
        .with_client_options(options)
        .with_http_connector(connector);
    let builder = match &grant.credential {
        // Without a credential of ours the builder would look for one in the environment and at the metadata address.
        Credential::Anonymous => {
            builder.with_skip_signature(true).with_credentials(Arc::new(StaticCredentialProvider::new(GcpCredential { bearer: String::new() })))
        }
        Credential::GcsToken(_) => builder.with_credentials(Arc::new(Provider::new(Arc::clone(&renewal)))),
        Credential::GcsServiceAccount(file) => builder.with_service_account_key(file.expose()),
        _ => return Err(wrong_kind(location)),
    };
    let builder = match &grant.endpoint {
        Some(endpoint) => builder.with_base_url(endpoint.trim_end_matches('/')),
        None => builder,
    };
    let store = builder.build().map_err(failed(location))?;
    let raw = Raw::Unsupported("Google's buckets belong to a project, which the URL does not name; make it with `gcloud storage buckets create`");
    let store = Arc::new(store);
    Ok(Opened { store: Arc::clone(&store) as _, parts: Some(store), renewal: Some(renewal), raw })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        for ok in ["http://127.0.0.1:10000/devstoreaccount1", "http://localhost:9000", "http://[::1]:1", "https://minio.example"] {
            assert!(client_options(Some(ok)).is_ok(), "{ok}");
        }
        for refused in ["http://minio.example", "http://10.0.0.1:9000", "http://127.0.0.1.example.com"] {
            let error = client_options(Some(refused)).expect_err(refused);
            assert!(error.to_string().contains("plain http"), "{error}");
        }
    }
}
