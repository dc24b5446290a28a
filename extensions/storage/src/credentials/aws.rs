//! AWS: environment, profile, web identity, container, instance; the order of AWS's own Rust and Java SDKs. Small requests of our own instead of
//! object_store's providers: those hang on an instance address that does not answer, read no profile, and hide when their keys end.
use super::auto::Nothing;
use super::aws_files::{self, Profile};
use super::of_azure;
use crate::accounts::Place;
use ochre_api::Failure;
use ochre_azure::http::{Answer, Ask};
use ochre_azure::{AzureError, Environment, Http, Tried};
use ochre_blobs::{Credential, Grant};
use ochre_secrets::Secret;
use reqwest::{Method, Url};
use serde::Deserialize;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::OnceCell;

/// The instance's address answers in milliseconds, or there is none.
const PROBE: Duration = Duration::from_secs(1);
/// What has answered the probe, or is named by the environment, may take this long.
const BOUND: Duration = Duration::from_secs(5);
/// A program that gives keys may have to talk to somebody.
const PROCESS: Duration = Duration::from_secs(20);
/// Seconds for which a token of the instance's service is good.
const TOKEN_LIFE: &str = "21600";

const INSTANCE: &str = "http://169.254.169.254";
const CONTAINER: &str = "http://169.254.170.2";

/// The five steps, as errors name them.
const ENVIRONMENT: &str = "environment";
const PROFILE: &str = "profile";
const WEB: &str = "web identity";
const TASK: &str = "container";
const MACHINE: &str = "EC2 instance";

/// Finds keys for S3.
pub(super) struct Aws {
    http: Http,
    environment: Environment,
    /// Whether the instance's address has failed to answer.
    no_instance: OnceCell<bool>,
}

/// How a step ends without keys.
enum Miss {
    Absent(String),
    Broken(Failure),
}

type Step = Result<Grant, Miss>;

impl Aws {
    pub fn new(http: Http, environment: Environment) -> Self {
        Self { http, environment, no_instance: OnceCell::new() }
    }

    /// Keys, with region and endpoint. `only_environment`: nothing but variables and what they name.
    pub async fn grant(&self, place: &Place, only_environment: bool) -> Result<Grant, Nothing> {
        let mut tried = Vec::new();
        for step in [ENVIRONMENT, PROFILE, WEB, TASK, MACHINE] {
            let found = match step {
                ENVIRONMENT => self.variables(),
                PROFILE if only_environment => continue,
                PROFILE => self.profile().await,
                WEB => self.web_identity(place).await,
                TASK => self.container().await,
                _ if only_environment => continue,
                _ => self.instance().await,
            };
            match found {
                Ok(grant) => return Ok(self.placed(grant, place)),
                Err(Miss::Absent(why)) => tried.push(Tried { identity: step, why }),
                Err(Miss::Broken(failure)) => return Err(Nothing::Broken(failure)),
            }
        }
        Err(Nothing::Absent(tried))
    }

    /// The region that is said anywhere.
    pub fn region(&self, place: &Place) -> Option<String> {
        let said = self.environment.first(&["AWS_REGION", "AWS_DEFAULT_REGION"]).map(|(_, region)| region.to_string());
        place.region.clone().or(said).or_else(|| aws_files::profile(&self.environment).ok()?.region)
    }

    fn placed(&self, grant: Grant, place: &Place) -> Grant {
        let said = self.environment.first(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]).map(|(_, url)| url.to_string());
        Grant { region: grant.region.or_else(|| self.region(place)), endpoint: grant.endpoint.or(said), ..grant }
    }

    fn variables(&self) -> Step {
        let (id, key) = (self.environment.secret("AWS_ACCESS_KEY_ID"), self.environment.secret("AWS_SECRET_ACCESS_KEY"));
        match (id, key) {
            (Some(id), Some(key)) => Ok(Grant::new(Credential::AwsKeys { id, key, token: self.environment.secret("AWS_SESSION_TOKEN") })),
            (Some(_), None) => Err(Miss::Absent("AWS_SECRET_ACCESS_KEY is not set".into())),
            _ => Err(Miss::Absent("AWS_ACCESS_KEY_ID is not set".into())),
        }
    }

    async fn profile(&self) -> Step {
        let profile = aws_files::profile(&self.environment).map_err(Miss::Absent)?;
        let grant = match &profile {
            Profile { id: Some(id), key: Some(key), .. } => Grant::new(Credential::AwsKeys { id: id.clone(), key: key.clone(), token: profile.token.clone() }),
            Profile { process: Some(line), .. } => {
                let words = ochre_api::words::split(line).map_err(Miss::Broken)?;
                let words: Vec<String> = words.into_iter().map(|w| w.text).collect();
                self.program(&words, &format!("credential_process of the profile `{}`", profile.name)).await?
            }
            Profile { needs_cli: true, .. } => {
                let words = ["aws", "configure", "export-credentials", "--profile", &profile.name, "--format", "process"].map(str::to_string);
                self.program(&words, &format!("`aws configure export-credentials` for the profile `{}`", profile.name)).await?
            }
            _ => return Err(Miss::Absent(format!("the profile `{}` has no keys", profile.name))),
        };
        Ok(Grant { region: profile.region.clone(), endpoint: profile.endpoint.clone(), ..grant })
    }

    /// Runs a program that prints keys as JSON. A profile that names one means it, so its failure is told.
    async fn program(&self, words: &[String], what: &str) -> Step {
        let [program, arguments @ ..] = words else { return Err(Miss::Absent(format!("{what} is empty"))) };
        let broken = |why: String| Miss::Broken(Failure::configuration(format!("{what} failed: {why}")).hint("run it in a terminal to see more (`aws sso login`?)"));
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        let ended = tokio::time::timeout(PROCESS, command.output()).await.map_err(|_| broken(format!("no answer within {} s", PROCESS.as_secs())))?;
        let output = ended.map_err(|e| broken(e.to_string()))?;
        if !output.status.success() {
            // What it printed on stdout may be keys; stderr is for people.
            let said = String::from_utf8_lossy(&output.stderr).trim().chars().take(200).collect::<String>();
            return Err(broken(said));
        }
        let text = Secret::new(String::from_utf8_lossy(&output.stdout));
        let keys: Keys = serde_json::from_str(text.expose()).map_err(|_| broken("what it printed is not the JSON expected".into()))?;
        keys.grant().ok_or_else(|| broken("it printed no keys".into()))
    }

    async fn web_identity(&self, place: &Place) -> Step {
        let (file, role) = (self.environment.path("AWS_WEB_IDENTITY_TOKEN_FILE"), self.environment.get("AWS_ROLE_ARN"));
        let (Some(file), Some(role)) = (file, role) else { return Err(Miss::Absent("AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not set".into())) };
        let read = tokio::fs::read_to_string(&file).await;
        let read = read.map_err(|e| Miss::Broken(Failure::io(format!("cannot read {}", file.display()), e).hint("AWS_WEB_IDENTITY_TOKEN_FILE names it")))?;
        let token = Secret::new(read.trim());
        let region = self.region(place).unwrap_or_else(|| "us-east-1".into());
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let own = self.environment.first(&["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"]).map(|(_, url)| url.to_string());
        let address = own.unwrap_or_else(|| format!("https://sts.{region}.amazonaws.com{suffix}/"));
        let url = safe(&address).map_err(Miss::Broken)?;
        let session = self.environment.get("AWS_ROLE_SESSION_NAME").unwrap_or("ochre");
        let form = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", session),
            ("WebIdentityToken", token.expose()),
        ];
        let answer = self.http.ask(&Ask::new(Method::POST, url, "AWS's token service").form(&form)).await.map_err(broken)?;
        let text = Secret::new(answer.text());
        let tag = |name: &str| between(text.expose(), name);
        if !answer.is_success() {
            let message = format!("AWS's token service refused the web identity: {} {}", answer.status, tag("Code").unwrap_or_default());
            return Err(Miss::Broken(Failure::configuration(message).hint("check AWS_ROLE_ARN and the role's trust policy")));
        }
        let keys = Keys { id: tag("AccessKeyId"), key: tag("SecretAccessKey"), token: None, session: tag("SessionToken"), expires: tag("Expiration") };
        keys.grant().ok_or_else(|| Miss::Broken(Failure::remote("AWS's token service gave an answer without keys")))
    }

    /// ECS, EKS pod identity, CodeBuild, SageMaker.
    async fn container(&self) -> Step {
        let relative = self.environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("{CONTAINER}{path}"));
        let Some(address) = relative.or_else(|| self.environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI").map(str::to_string)) else {
            return Err(Miss::Absent("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set".into()));
        };
        let mut ask = Ask::get(safe(&address).map_err(Miss::Broken)?, "the container's credential service");
        let token = match self.environment.path("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            Some(file) => {
                let read = tokio::fs::read_to_string(&file).await;
                Some(Secret::new(read.map_err(|e| Miss::Broken(Failure::io(format!("cannot read {}", file.display()), e)))?.trim()))
            }
            None => self.environment.secret("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
        };
        if let Some(token) = token {
            ask = ask.header("authorization", token);
        }
        let answer = self.http.ask_metadata(&ask, BOUND).await.map_err(broken)?;
        keys_of(answer, "the container's credential service")
    }

    /// The instance's own role, over the second version of the metadata service: a token first.
    async fn instance(&self) -> Step {
        if self.environment.get("AWS_EC2_METADATA_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true")) {
            return Err(Miss::Absent("AWS_EC2_METADATA_DISABLED is set".into()));
        }
        if self.no_instance.get().is_some() {
            return Err(no_instance());
        }
        let base = self.environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(INSTANCE).trim_end_matches('/').to_string();
        let at = |path: &str| safe(&format!("{base}/latest/{path}")).map_err(Miss::Broken);
        let what = "the instance's metadata service";
        let ask = Ask::new(Method::PUT, at("api/token")?, what).header("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_LIFE);
        let token = match self.http.ask_metadata(&ask, PROBE).await {
            Ok(answer) if answer.is_success() => Secret::new(answer.text()),
            // Azure and Google answer at the same address, with a refusal.
            _ => {
                self.no_instance.set(true).ok();
                return Err(no_instance());
            }
        };
        let path = "meta-data/iam/security-credentials/";
        let get = |url: Url| Ask::get(url, what).header("x-aws-ec2-metadata-token", token.clone());
        let role = self.http.ask_metadata(&get(at(path)?), BOUND).await.map_err(broken)?;
        let name = role.text().lines().next().unwrap_or_default().trim().to_string();
        if !role.is_success() || name.is_empty() || name.contains(['/', '?', '#', ' ', '<']) {
            return Err(Miss::Absent("this instance has no role".into()));
        }
        let answer = self.http.ask_metadata(&get(at(&format!("{path}{name}"))?), BOUND).await.map_err(broken)?;
        keys_of(answer, what)
    }
}

fn no_instance() -> Miss {
    Miss::Absent(format!("no metadata service of AWS's answered within {} s", PROBE.as_secs()))
}

fn broken(error: AzureError) -> Miss {
    Miss::Broken(of_azure(error))
}

/// An address that a secret may be sent to: https, or plain http on this host's own network.
fn safe(text: &str) -> Result<Url, Failure> {
    let bad = || Failure::configuration("the address of a credential service is neither https nor on this host").hint("check AWS_CONTAINER_CREDENTIALS_FULL_URI and AWS_ENDPOINT_URL");
    let url = Url::parse(text).map_err(|_| bad())?;
    let near = match url.host_str().map(|h| h.trim_matches(['[', ']'])).map(str::parse::<std::net::IpAddr>) {
        Some(Ok(std::net::IpAddr::V4(ip))) => ip.is_loopback() || ip.is_link_local(),
        // fd00:ec2::23 and ::254 are AWS's own.
        Some(Ok(std::net::IpAddr::V6(ip))) => ip.is_loopback() || ip.is_unique_local(),
        _ => url.host_str() == Some("localhost"),
    };
    if url.scheme() == "https" || url.scheme() == "http" && near { Ok(url) } else { Err(bad()) }
}

/// Keys as AWS's services and programs write them.
#[derive(Deserialize)]
struct Keys {
    #[serde(rename = "AccessKeyId")]
    id: Option<String>,
    #[serde(rename = "SecretAccessKey")]
    key: Option<String>,
    /// Metadata services.
    #[serde(rename = "Token")]
    token: Option<String>,
    /// Programs, and the token service.
    #[serde(rename = "SessionToken")]
    session: Option<String>,
    #[serde(rename = "Expiration")]
    expires: Option<String>,
}

impl Keys {
    fn grant(self) -> Option<Grant> {
        let expires = self.expires.as_deref().and_then(ochre_azure::token::timestamp);
        let token = self.token.or(self.session).filter(|t| !t.is_empty()).map(Secret::new);
        let credential = Credential::AwsKeys { id: self.id?.into(), key: self.key?.into(), token };
        Some(Grant { expires, ..Grant::new(credential) })
    }
}

fn keys_of(answer: Answer, what: &str) -> Step {
    let status = answer.status;
    let broken = || Miss::Broken(Failure::remote(format!("{what} gave no keys (status {status})")).hint("check the role of this host"));
    if !answer.is_success() {
        return Err(broken());
    }
    answer.json::<Keys>().ok().and_then(Keys::grant).ok_or_else(broken)
}

/// The text of the first element of this name.
fn between(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let text = rest.split_once(&format!("</{name}>"))?.0;
    Some(text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}
