//! Requests to a server: with its credential, bounded in time, tried again where that helps. All of `remote` goes through here.
use crate::{Access, Credential, Result, TrackingError};
use bytes::Bytes;
use ochre_secrets::Secret;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Method, redirect};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use url::Url;

/// A connection that is not there after this is not coming.
const CONNECT: Duration = Duration::from_secs(10);
/// One request, all in all; MLflow's server takes some seconds for large searches.
const REQUEST: Duration = Duration::from_secs(60);
/// One artifact on its way; at 1 MB/s that is 3.6 GB.
const TRANSFER: Duration = Duration::from_secs(3600);
/// How often a request is made before its failure is reported: for about eight seconds.
const TRIES: u32 = 6;
/// First wait between two tries; doubles, and is varied by up to a half so that clients that failed together do not return together.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest `Retry-After` that is waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Bytes that are read of a file at once.
const CHUNK: usize = 1 << 20;
/// Characters of a foreign answer that an error shows.
const SHOWN: usize = 300;

/// Where credentials come from.
#[derive(Clone)]
pub(super) enum Identity {
    /// An MLflow server's, by its address.
    Server(String),
    /// An Entra token for this scope.
    Entra(String),
    /// A Databricks profile.
    Databricks(Option<String>),
}

/// The way to one server.
pub(super) struct Http {
    client: Client,
    access: Arc<dyn Access>,
    identity: Identity,
    /// Scheme, host and port, as errors show it.
    at: String,
}

/// What a request carries.
#[derive(Clone, Debug)]
pub(super) enum Body {
    None,
    Json(String),
    Bytes(Bytes),
    /// So many bytes of a file from a place on.
    File { path: PathBuf, from: u64, length: u64 },
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub method: Method,
    pub url: Url,
    pub headers: Vec<(String, String)>,
    pub body: Body,
    /// What it is for, as errors say it: `beginning a run`.
    pub doing: &'static str,
    /// Whether doing it twice is doing it once.
    pub repeatable: bool,
    /// Whether the credential goes with it: not to addresses that carry their own.
    pub signed: bool,
}

impl Ask {
    pub fn new(method: Method, url: Url, doing: &'static str) -> Self {
        Self { method, url, headers: Vec::new(), body: Body::None, doing, repeatable: true, signed: true }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }
}

/// An answer, read to its end.
pub(super) struct Answer {
    pub status: u16,
    pub body: Bytes,
    headers: HeaderMap,
}

impl Http {
    pub fn new(base: &Url, access: Arc<dyn Access>, identity: Identity) -> Result<Self> {
        // A redirect would carry a token to another host.
        let mut builder = Client::builder().redirect(redirect::Policy::none()).user_agent(concat!("ochre/", env!("CARGO_PKG_VERSION"))).connect_timeout(CONNECT);
        if let Some(pem) = access.certificates()? {
            for certificate in reqwest::Certificate::from_pem_bundle(&pem).map_err(TrackingError::Setup)? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        if matches!(base.host_str(), Some("127.0.0.1" | "localhost" | "[::1]")) {
            // No proxy knows this machine's loopback.
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(TrackingError::Setup)?;
        Ok(Self { client, access, identity, at: base.origin().ascii_serialization() })
    }

    async fn credential(&self, refresh: bool) -> Result<Credential> {
        match &self.identity {
            Identity::Server(server) => self.access.server(server, refresh).await,
            Identity::Entra(scope) => self.access.entra(scope, refresh).await.map(Credential::Bearer),
            Identity::Databricks(profile) => self.access.databricks(profile.as_deref(), refresh).await.map(|host| host.credential),
        }
    }

    /// Asks, again after a busy or broken answer, and with a new credential after the first that was refused.
    pub async fn ask(&self, ask: &Ask) -> Result<Answer> {
        let (mut tries, mut refresh) = (1, false);
        loop {
            let answer = self.once(ask, refresh).await;
            let pause = match &answer {
                Ok(answer) if matches!(answer.status, 401 | 403) && ask.signed && !refresh => {
                    refresh = true;
                    continue;
                }
                Ok(answer) if answer.is_busy(ask.repeatable) => answer.pause(),
                Ok(_) => return answer.and_then(|answer| self.judged(ask, answer)),
                // What may have been done is not done again, unless doing it twice is doing it once.
                Err(TrackingError::Unreachable { source, .. }) if ask.repeatable || source.is_connect() => None,
                Err(TrackingError::TimedOut { .. }) if ask.repeatable => None,
                Err(_) => return answer.and_then(|answer| self.judged(ask, answer)),
            };
            let pause = pause.unwrap_or_else(|| varied(PAUSE * 2u32.pow(tries - 1)));
            if tries == TRIES || pause > LONGEST_PAUSE {
                return answer.and_then(|answer| self.judged(ask, answer));
            }
            tries += 1;
            tokio::time::sleep(pause).await;
        }
    }

    /// The same for an answer in JSON.
    pub async fn json(&self, ask: &Ask) -> Result<Value> {
        let answer = self.ask(ask).await?;
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body).map_err(|_| TrackingError::BadAnswer {
            doing: ask.doing,
            at: self.at.clone(),
            found: format!("status {} with {} bytes that are no JSON; is it an MLflow server?", answer.status, answer.body.len()),
        })
    }

    async fn once(&self, ask: &Ask, refresh: bool) -> Result<Answer> {
        let long = matches!(ask.body, Body::Bytes(_) | Body::File { .. });
        let mut request = self.client.request(ask.method.clone(), ask.url.clone()).timeout(if long { TRANSFER } else { REQUEST });
        if ask.signed {
            request = request.header("accept", "application/json");
            request = match self.credential(refresh).await? {
                Credential::Anonymous => request,
                Credential::Basic { user, password } => request.basic_auth(user, Some(password.expose())),
                Credential::Bearer(token) => request.bearer_auth(token.expose()),
            };
        }
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        request = match &ask.body {
            Body::None if ask.method != Method::GET => request.header("content-length", "0"),
            Body::None => request,
            Body::Json(text) => request.header("content-type", "application/json").body(text.clone()),
            Body::Bytes(bytes) => request.body(bytes.clone()),
            Body::File { path, from, length } => request.header("content-length", length.to_string()).body(file(path, *from, *length).await?),
        };
        let failed = |error: reqwest::Error| self.failed(ask, error);
        let response = request.send().await.map_err(failed)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.map_err(failed)?;
        Ok(Answer { status, body, headers })
    }

    fn failed(&self, ask: &Ask, error: reqwest::Error) -> TrackingError {
        // A URL may carry a signature.
        let source = error.without_url();
        let at = ask.url.origin().ascii_serialization();
        if source.is_timeout() {
            let seconds = if source.is_connect() { CONNECT } else { REQUEST }.as_secs();
            return TrackingError::TimedOut { doing: ask.doing, at, seconds };
        }
        TrackingError::Unreachable { doing: ask.doing, at, source }
    }

    /// A success, or what was refused.
    fn judged(&self, ask: &Ask, answer: Answer) -> Result<Answer> {
        let (doing, status, at) = (ask.doing, answer.status, ask.url.origin().ascii_serialization());
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let (code, detail) = answer.refusal();
        Err(match (status, code.as_str()) {
            (401 | 403, _) => TrackingError::Denied { doing, at, status, detail },
            (_, "RESOURCE_DOES_NOT_EXIST" | "NOT_FOUND" | "UserError") if status == 404 => {
                TrackingError::NotFound { what: if detail.is_empty() { format!("what was asked for {doing}") } else { detail } }
            }
            (300..=399, _) => {
                let to = answer.headers.get("location").and_then(|l| l.to_str().ok()).unwrap_or("elsewhere");
                let to = to.split('?').next().unwrap_or_default();
                TrackingError::Refused { doing, at, status, code, detail: format!("it leads to {to}; use that address") }
            }
            _ if answer.is_busy(true) => TrackingError::Busy { doing, at, status, detail },
            _ => TrackingError::Refused { doing, at, status, code, detail },
        })
    }
}

/// A part of a file as a body that is read while it is sent.
async fn file(path: &PathBuf, from: u64, length: u64) -> Result<reqwest::Body> {
    use tokio::io::AsyncSeekExt;
    let failed = |source| TrackingError::File { doing: "reading", path: path.clone(), source };
    let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
    file.seek(std::io::SeekFrom::Start(from)).await.map_err(failed)?;
    let chunks = futures::stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok::<_, std::io::Error>(None);
        }
        let mut chunk = vec![0; usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK))];
        file.read_exact(&mut chunk).await?;
        let left = left - chunk.len() as u64;
        Ok(Some((Bytes::from(chunk), (file, left))))
    });
    Ok(reqwest::Body::wrap_stream(chunks))
}

/// Up to a half more or less.
fn varied(pause: Duration) -> Duration {
    let part = f64::from(uuid::Uuid::new_v4().into_bytes()[0]) / 255.0;
    pause.mul_f64(0.5 + part)
}

impl Answer {
    /// Whether the same may succeed in a moment. A broken gateway may have passed the request on.
    fn is_busy(&self, repeatable: bool) -> bool {
        matches!(self.status, 429 | 503) || repeatable && matches!(self.status, 408 | 500 | 502 | 504)
    }

    /// What `Retry-After` asks for, in seconds.
    fn pause(&self) -> Option<Duration> {
        self.headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
    }

    /// Code and message of a refusal, as MLflow, Databricks and Azure write them.
    fn refusal(&self) -> (String, String) {
        let value: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let error = &value["error"];
        let (code, message) = if error.is_object() {
            (text(&error["code"]), text(&error["message"]))
        } else {
            (text(&value["error_code"]), text(&value["message"]))
        };
        (code, first_line(&message))
    }
}

/// A foreign text on one line, cut.
fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default();
    let mut short: String = line.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

/// A URL that is itself a credential, such as one with a SAS: it is not shown.
pub(super) fn signed_url(text: &str, doing: &'static str, at: &str) -> Result<Url> {
    let secret = Secret::from(text);
    Url::parse(secret.expose()).map_err(|_| TrackingError::BadAnswer { doing, at: at.to_owned(), found: "an address that is none".into() })
}
