//! Requests: bounded in time and size, tried again where that helps. All of this crate goes through here.
//!
//! Two clients: one for services, which honours proxies; and one for metadata addresses of this host, which never does (a proxy cannot know this
//! machine's identity, and would be handed its header).
use crate::AzureError;
use ochre_secrets::Secret;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Method, redirect};
use serde::de::DeserializeOwned;
use std::time::Duration;
use url::Url;

/// A connection that is not there after this is not coming: services answer the handshake in under a second.
const CONNECT: Duration = Duration::from_secs(10);
/// One request to a service, all in all; ARM's slowest answers take some seconds.
const REQUEST: Duration = Duration::from_secs(30);
/// How often a request is made before its failure is reported.
const TRIES: u32 = 3;
/// First wait between two tries; doubles.
const PAUSE: Duration = Duration::from_millis(500);
/// A `Retry-After` above this is reported instead of waited for, so that nothing seems to hang.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// No answer of these services is larger; what is, is none of theirs. Bytes.
const LARGEST_ANSWER: usize = 16 << 20;
/// Characters of a foreign answer that an error shows.
const SHOWN: usize = 300;

/// The two clients. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Http {
    services: Client,
    metadata: Client,
}

impl Http {
    /// With the system's root certificates and proxies.
    pub fn new() -> Result<Self, AzureError> {
        Self::build(&[])
    }

    /// The same, trusting also these certificates (PEM).
    pub fn trusting(pem: &[u8]) -> Result<Self, AzureError> {
        Self::build(&reqwest::Certificate::from_pem_bundle(pem).map_err(AzureError::Setup)?)
    }

    fn build(roots: &[reqwest::Certificate]) -> Result<Self, AzureError> {
        let base = || {
            // A redirect would carry a token to another host.
            let base = Client::builder().redirect(redirect::Policy::none()).user_agent(concat!("ochre/", env!("CARGO_PKG_VERSION")));
            roots.iter().cloned().fold(base, reqwest::ClientBuilder::add_root_certificate)
        };
        let services = base().connect_timeout(CONNECT).timeout(REQUEST).build().map_err(AzureError::Setup)?;
        let metadata = base().no_proxy().build().map_err(AzureError::Setup)?;
        Ok(Self { services, metadata })
    }

    /// Asks a service, again after a busy or broken answer.
    pub async fn ask(&self, ask: &Ask) -> Result<Answer, AzureError> {
        let mut tries = 1;
        loop {
            let answer = ask.once(&self.services, REQUEST).await;
            let wait = match &answer {
                Ok(answer) if answer.is_busy() => answer.pause(),
                // A request that may have been done is not made again, unless doing it twice is doing it once.
                Err(AzureError::Unreachable { source, .. }) if source.is_connect() || ask.is_repeatable() => None,
                _ => return answer,
            };
            let wait = wait.unwrap_or(PAUSE * 2u32.pow(tries - 1));
            if tries == TRIES || wait > LONGEST_PAUSE {
                return answer;
            }
            tries += 1;
            tokio::time::sleep(wait).await;
        }
    }

    /// Asks an address of this host, once, and gives up after `bound`.
    pub async fn ask_metadata(&self, ask: &Ask, bound: Duration) -> Result<Answer, AzureError> {
        ask.once(&self.metadata, bound).await
    }
}

/// What a request carries.
#[derive(Clone, Debug)]
enum Body {
    None,
    Form(Secret),
    Json(Secret),
}

/// A request. Secrets go into headers and bodies alone, whose values `Debug` does not show.
#[derive(Clone, Debug)]
pub struct Ask {
    method: Method,
    url: Url,
    headers: Vec<(&'static str, Secret)>,
    body: Body,
    what: String,
}

impl Ask {
    /// `what`: who is asked for what, as errors say it (`Key Vault x`, `Entra`).
    pub fn new(method: Method, url: Url, what: impl Into<String>) -> Self {
        Self { method, url, headers: Vec::new(), body: Body::None, what: what.into() }
    }

    #[must_use]
    pub fn get(url: Url, what: impl Into<String>) -> Self {
        Self::new(Method::GET, url, what)
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<Secret>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn bearer(self, token: &Secret) -> Self {
        let value = format!("Bearer {}", token.expose());
        self.header("authorization", value)
    }

    #[must_use]
    pub fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        self.url.query_pairs_mut().extend_pairs(pairs);
        self
    }

    #[must_use]
    pub fn form(mut self, pairs: &[(&str, &str)]) -> Self {
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.body = Body::Form(text.into());
        self
    }

    #[must_use]
    pub fn json(mut self, value: &serde_json::Value) -> Self {
        self.body = Body::Json(value.to_string().into());
        self
    }

    fn is_repeatable(&self) -> bool {
        self.method != Method::POST
    }

    async fn once(&self, client: &Client, bound: Duration) -> Result<Answer, AzureError> {
        let mut request = client.request(self.method.clone(), self.url.clone()).timeout(bound).header("accept", "application/json");
        for (name, value) in &self.headers {
            request = request.header(*name, value.expose());
        }
        request = match &self.body {
            // Some gateways refuse a POST or PUT without a length.
            Body::None if self.method == Method::POST || self.method == Method::PUT => request.header("content-length", "0"),
            Body::None => request,
            Body::Form(text) => request.header("content-type", "application/x-www-form-urlencoded").body(text.expose().to_string()),
            Body::Json(text) => request.header("content-type", "application/json").body(text.expose().to_string()),
        };
        let failed = |error: reqwest::Error| self.failed(error, bound);
        let mut response = request.send().await.map_err(failed)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(failed)? {
            body.extend_from_slice(&part);
            if body.len() > LARGEST_ANSWER {
                return Err(AzureError::BadAnswer { what: self.what.clone(), found: "more than 16 MiB".into() });
            }
        }
        Ok(Answer { status, headers, body, what: self.what.clone() })
    }

    fn failed(&self, error: reqwest::Error, bound: Duration) -> AzureError {
        // A URL's query may hold a secret.
        let source = error.without_url();
        if source.is_timeout() {
            let bound = if source.is_connect() { bound.min(CONNECT) } else { bound };
            return AzureError::TimedOut { what: self.what.clone(), seconds: bound.as_secs().max(1) };
        }
        AzureError::Unreachable { what: self.what.clone(), source }
    }
}

/// An answer, read to its end.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    body: Vec<u8>,
    what: String,
}

impl Answer {
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn is_busy(&self) -> bool {
        matches!(self.status, 408 | 429 | 500 | 502 | 503 | 504)
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What `Retry-After` asks for, in seconds (these services send no dates).
    #[must_use]
    pub fn pause(&self) -> Option<Duration> {
        self.header(RETRY_AFTER.as_str())?.parse().ok().map(Duration::from_secs)
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, AzureError> {
        // The error says where, never what: a body may hold a token.
        serde_json::from_slice(&self.body).map_err(|e| AzureError::BadAnswer {
            what: self.what.clone(),
            found: format!("status {}, {} bytes that are not the JSON expected (line {}, column {})", self.status, self.body.len(), e.line(), e.column()),
        })
    }

    /// The body as a loose value; `Null` where it is no JSON.
    #[must_use]
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Code and message of a refusal, in all forms that these services use.
    #[must_use]
    pub fn refusal(&self) -> (String, String) {
        let value = self.value();
        let error = &value["error"];
        let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_string();
        let (code, message) = match error.as_str() {
            // Entra, IMDS.
            Some(code) => (code.to_string(), text(&value["error_description"])),
            // ARM, Key Vault.
            None if error.is_object() => (text(&error["code"]), text(&error["message"])),
            // Databricks; App Service.
            None => (text(&value["error_code"]), text(&value["message"])),
        };
        let message = if message.is_empty() && code.is_empty() { self.text() } else { message };
        (code, first_lines(&message))
    }

    /// A success, or what was refused.
    pub fn accepted(self, operation: &str) -> Result<Self, AzureError> {
        if self.is_success() {
            return Ok(self);
        }
        let (code, message) = self.refusal();
        Err(AzureError::Refused { operation: operation.to_string(), status: self.status, code, message })
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} from {} ({} bytes)", self.status, self.what, self.body.len())
    }
}

/// A foreign text on one line, cut. Entra's trace ids and time stamps, which begin with the second line, are left out.
pub(crate) fn first_lines(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default();
    let line = line.split(" Trace ID:").next().unwrap_or(line);
    let mut short: String = line.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

/// Hiding what is shorter would make words unreadable, and is no secret. Bytes.
const SHORTEST_SECRET: usize = 4;

/// A foreign text without these secrets, should a service repeat what it was sent.
pub(crate) fn hidden(text: &str, secrets: &[&Secret]) -> String {
    secrets.iter().filter(|s| s.expose().len() >= SHORTEST_SECRET).fold(text.to_string(), |text, secret| text.replace(secret.expose(), "…"))
}
