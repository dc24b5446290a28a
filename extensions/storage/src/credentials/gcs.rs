//! Google Cloud: the file of `GOOGLE_APPLICATION_CREDENTIALS`, that of `gcloud auth application-default login`, the metadata server; Google's order
//! for application default credentials.
use super::auto::Nothing;
use super::of_azure;
use crate::accounts::{GrantSource, Place};
use async_trait::async_trait;
use ochre_api::Failure;
use ochre_azure::http::Ask;
use ochre_azure::{Environment, Http, Tried};
use ochre_blobs::{Credential, Grant, Location};
use ochre_secrets::Secret;
use reqwest::{Method, Url};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::OnceCell;

/// The metadata server answers in milliseconds, or there is none.
const PROBE: Duration = Duration::from_secs(1);
/// A token may have to be fetched first.
const BOUND: Duration = Duration::from_secs(5);
/// Its address; the name `metadata.google.internal` is not asked for, because a resolver may take long to say no.
const METADATA: &str = "169.254.169.254";
const TOKEN: &str = "https://oauth2.googleapis.com/token";

const VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const GCLOUD: &str = "gcloud's application default credentials";
const MACHINE: &str = "metadata server";

/// Finds credentials for Google Cloud Storage.
pub(super) struct Gcs {
    http: Http,
    environment: Environment,
    no_server: OnceCell<bool>,
}

impl Gcs {
    pub fn new(http: Http, environment: Environment) -> Self {
        Self { http, environment, no_server: OnceCell::new() }
    }

    /// A grant. `only_environment`: nothing but what the variable names.
    pub async fn grant(&self, only_environment: bool) -> Result<Grant, Nothing> {
        let mut tried = Vec::new();
        let mut miss = |identity: &'static str, why: String| tried.push(Tried { identity, why });
        match self.environment.path(VARIABLE) {
            Some(file) => return self.of_file(&file).await.map_err(Nothing::Broken),
            None => miss(VARIABLE, "is not set".into()),
        }
        if only_environment {
            return Err(Nothing::Absent(tried));
        }
        match self.gcloud_file() {
            Some(file) if file.is_file() => return self.of_file(&file).await.map_err(Nothing::Broken),
            Some(file) => miss(GCLOUD, format!("there is no {}", file.display())),
            None => miss(GCLOUD, "there is no home directory".into()),
        }
        match self.metadata().await? {
            Ok(grant) => Ok(grant),
            Err(why) => {
                tried.push(Tried { identity: MACHINE, why });
                Err(Nothing::Absent(tried))
            }
        }
    }

    fn gcloud_file(&self) -> Option<PathBuf> {
        let directory = self.environment.path("CLOUDSDK_CONFIG").or_else(|| Some(self.environment.home()?.join(".config/gcloud")))?;
        Some(directory.join("application_default_credentials.json"))
    }

    async fn of_file(&self, file: &Path) -> Result<Grant, Failure> {
        let read = tokio::fs::read_to_string(file).await;
        let text = Secret::new(read.map_err(|e| Failure::io(format!("cannot read {}", file.display()), e).hint(format!("{VARIABLE} or gcloud names it")))?);
        if let Some(user) = User::read(&text) {
            return self.of_user(&user).await;
        }
        let kind = serde_json::from_str::<serde_json::Value>(text.expose()).ok().and_then(|v| v["type"].as_str().map(str::to_string));
        match kind.as_deref() {
            Some("service_account") => Ok(Grant::new(Credential::GcsServiceAccount(text))),
            Some(kind) => {
                let failure = Failure::configuration(format!("{} holds a credential of the kind `{kind}`, which is not supported", file.display()));
                Err(failure.hint("use a service account's key file, or `gcloud auth application-default login`"))
            }
            None => Err(Failure::configuration(format!("{} is no credential file of Google's", file.display())).hint("download the key file again")),
        }
    }

    /// A token for a person who has signed in with gcloud.
    pub(super) async fn of_user(&self, user: &User) -> Result<Grant, Failure> {
        let address = user.token_uri.as_deref().unwrap_or(TOKEN);
        let url = Url::parse(address).ok().filter(|u| u.scheme() == "https").ok_or_else(|| Failure::configuration("the token service of Google's file is no https address"))?;
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", user.client_id.as_str()),
            ("client_secret", user.client_secret.expose()),
            ("refresh_token", user.refresh_token.expose()),
        ];
        let answer = self.http.ask(&Ask::new(Method::POST, url, "Google's token service").form(&form)).await.map_err(of_azure)?;
        if !answer.is_success() {
            let failure = Failure::configuration(format!("Google's token service refused the sign-in: {}", answer.refusal().0));
            return Err(failure.hint("run `gcloud auth application-default login` again"));
        }
        Ok(answer.json::<TokenAnswer>().map_err(of_azure)?.grant())
    }

    /// The machine's service account; the outer error is of one that is there and broken.
    async fn metadata(&self) -> Result<Result<Grant, String>, Nothing> {
        let absent = || Err(format!("no metadata server of Google's answered within {} s", PROBE.as_secs()));
        if self.no_server.get().is_some() {
            return Ok(absent());
        }
        let host = self.environment.first(&["GCE_METADATA_HOST", "GCE_METADATA_IP"]).map_or(METADATA, |(_, host)| host);
        let at = |path: &str| Url::parse(&format!("http://{host}/{path}")).ok();
        let (Some(root), Some(token)) = (at(""), at("computeMetadata/v1/instance/service-accounts/default/token")) else {
            return Ok(Err("GCE_METADATA_HOST is no host".into()));
        };
        let ask = |url: Url| Ask::get(url, "Google's metadata server").header("metadata-flavor", "Google");
        let here = self.http.ask_metadata(&ask(root), PROBE).await.is_ok_and(|a| a.header("metadata-flavor") == Some("Google"));
        if !here {
            self.no_server.set(true).ok();
            return Ok(absent());
        }
        let answer = self.http.ask_metadata(&ask(token), BOUND).await.map_err(|e| Nothing::Broken(of_azure(e)))?;
        if !answer.is_success() {
            return Ok(Err("this machine has no service account".into()));
        }
        Ok(Ok(answer.json::<TokenAnswer>().map_err(|e| Nothing::Broken(of_azure(e)))?.grant()))
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: u64,
}

impl TokenAnswer {
    fn grant(self) -> Grant {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        Grant { expires: Some(now + self.expires_in), ..Grant::new(Credential::GcsToken(self.access_token.into())) }
    }
}

/// A person's credential, as gcloud writes it (`authorized_user`).
pub(super) struct User {
    client_id: String,
    client_secret: Secret,
    refresh_token: Secret,
    token_uri: Option<String>,
}

impl User {
    /// Reads the file's text; `None` for anything else.
    pub fn read(text: &Secret) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_str(text.expose().trim()).ok()?;
        let field = |name: &str| value[name].as_str().map(str::to_string);
        if value["type"] != "authorized_user" {
            return None;
        }
        Some(Self {
            client_id: field("client_id")?,
            client_secret: field("client_secret")?.into(),
            refresh_token: field("refresh_token")?.into(),
            token_uri: field("token_uri"),
        })
    }
}

/// A person's credential that was kept as a secret.
pub(super) struct UserSource {
    pub word: String,
    pub user: User,
    pub gcs: std::sync::Arc<Gcs>,
}

#[async_trait]
impl GrantSource for UserSource {
    fn word(&self) -> String {
        self.word.clone()
    }
    async fn grant(&self, _: &Location, _: &Place, _: bool) -> Result<Grant, Failure> {
        self.gcs.of_user(&self.user).await
    }
}
