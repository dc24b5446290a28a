//! The blob server: Azure's Blob REST and S3's (with what Google's XML API adds), one set of containers behind both, in memory or computed.
//! It does what the services do and clients need, without checking signatures; Azurite and moto check those.
//!
//! ```text
//! Azure: {url}/ochreblobs/CONTAINER/BLOB        S3 and Google: {url}/BUCKET/KEY
//! ```
mod azure;
mod faults;
mod s3;
mod store;
mod synthetic;
mod xml;

use crate::http::{Answering, Body, Exchange, HttpServer, Pace, Reply, Request, lock};
use crate::tls::Certificate;
use bytes::Bytes;
pub use faults::{Fault, Faults};
use faults::Draws;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{Data, Object, Store};
pub use synthetic::contents;

/// How the server behaves; can be changed while it runs.
#[derive(Clone, Debug, Default)]
pub struct BlobOptions {
    /// Waited before every answer.
    pub latency: Duration,
    /// Bytes a second for each connection; one stream of Azure's has about 60 MB/s.
    pub connection_rate: Option<u64>,
    /// A connection starts at a tenth of its rate and has all of it after this time.
    pub slow_start: Duration,
    pub faults: Faults,
    /// When set, a request must have one of these texts in its Authorization header or its query (a token, a SAS signature); else 401 or 403.
    pub accept: Option<Vec<String>>,
}

/// The running server.
pub struct BlobServer {
    http: HttpServer,
    service: Arc<Service>,
}

#[derive(Default)]
pub(crate) struct Service {
    store: Mutex<Store>,
    options: Mutex<BlobOptions>,
    draws: Mutex<Draws>,
}

impl BlobServer {
    pub const ACCOUNT: &str = "ochreblobs";
    /// Any key will do; this one has the right form.
    pub const KEY: &str = "b2NocmUgYmxvYiBzZXJ2ZXIsIGEga2V5IG9mIG5vIGFjY291bnQgYXQgYWxsOyA2NCBieXRlcyBvZiBpdCE=";

    /// Over http.
    pub fn start(options: BlobOptions) -> std::io::Result<Self> {
        Self::over(options, None)
    }

    /// Over https with a fresh certificate.
    pub fn start_tls(options: BlobOptions) -> std::io::Result<Self> {
        Self::over(options, Some(Certificate::new()?))
    }

    fn over(options: BlobOptions, certificate: Option<Certificate>) -> std::io::Result<Self> {
        let service = Arc::new(Service { options: Mutex::new(options), ..Service::default() });
        Ok(Self { http: HttpServer::start(service.clone(), certificate)?, service })
    }

    /// `http://127.0.0.1:PORT`: the endpoint for S3 and for Google.
    pub fn url(&self) -> String {
        self.http.url()
    }

    /// `http://127.0.0.1:PORT/ochreblobs`: the endpoint for Azure.
    pub fn azure_endpoint(&self) -> String {
        format!("{}/{}", self.http.url(), Self::ACCOUNT)
    }

    /// What a client has to trust, over TLS.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.http.certificate()
    }

    /// Makes a container, unless it is there.
    pub fn create_container(&self, name: &str) {
        lock(&self.service.store).containers.entry(name.into()).or_default();
    }

    /// Stores a blob; its container is made.
    pub fn put(&self, container: &str, name: &str, bytes: impl Into<Bytes>) {
        self.create_container(container);
        lock(&self.service.store).put(container, name, Data::Stored(bytes.into()));
    }

    /// A computed blob of any size; `version` of its bytes is returned, for `contents`.
    pub fn put_synthetic(&self, container: &str, name: &str, size: u64) -> u64 {
        self.create_container(container);
        let mut store = lock(&self.service.store);
        store.put(container, name, Data::Synthetic { name: name.into(), size }).map_or(0, |object| object.version)
    }

    /// The version of a blob: it changes with every write, and by `Fault::NewVersion`.
    pub fn version(&self, container: &str, name: &str) -> Option<u64> {
        lock(&self.service.store).get(container, name).map(|o| o.version)
    }

    /// A blob's bytes.
    pub fn get(&self, container: &str, name: &str) -> Option<Bytes> {
        let store = lock(&self.service.store);
        let object = store.get(container, name)?;
        Some(object.pieces(0..object.size()).into_iter().flatten().collect())
    }

    /// Removes a blob behind the clients' backs.
    pub fn remove(&self, container: &str, name: &str) {
        if let Some(objects) = lock(&self.service.store).containers.get_mut(container) {
            objects.remove(name);
        }
    }

    /// All names of a container, sorted.
    pub fn names(&self, container: &str) -> Vec<String> {
        lock(&self.service.store).containers.get(container).map(|objects| objects.keys().cloned().collect()).unwrap_or_default()
    }

    /// Uploads that were begun and neither finished nor aborted.
    pub fn unfinished(&self) -> usize {
        let store = lock(&self.service.store);
        store.uploads.len() + store.blocks.len()
    }

    /// Behaves otherwise from now on; the draws of faults start anew.
    pub fn set(&self, options: BlobOptions) {
        *lock(&self.service.options) = options;
        *lock(&self.service.draws) = Draws::default();
    }

    /// Every exchange so far.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.http.exchanges()
    }

    /// Forgets them.
    pub fn forget(&self) {
        self.http.forget();
    }

    /// Connections that were made, and the most that were open at once since `forget`.
    pub fn connections(&self) -> (u64, usize) {
        self.http.connections()
    }

    /// Bytes of bodies sent.
    pub fn sent(&self) -> u64 {
        self.http.sent()
    }
}

impl Answering for Service {
    fn answer(&self, request: &Request) -> Reply {
        let options = lock(&self.options).clone();
        let reply = match options.accept.as_ref().and_then(|accepted| refused(request, accepted)) {
            Some(refusal) => refusal,
            None => self.answer_or_fault(request, &options.faults),
        };
        reply.after(options.latency)
    }

    fn pace(&self) -> Pace {
        let options = lock(&self.options);
        Pace { rate: options.connection_rate, slow_start: options.slow_start }
    }
}

impl Service {
    fn answer_or_fault(&self, request: &Request, faults: &Faults) -> Reply {
        let drawn = lock(&self.draws).draw(faults, request);
        let Some((fault, mut random)) = drawn else { return self.carry_out(request) };
        let mut reply = fault.refusal(faults).unwrap_or_else(|| {
            if fault == Fault::NewVersion {
                self.renew(request);
            }
            fault.spoil(faults, self.carry_out(request), &mut random)
        });
        reply.fault = Some(fault.name());
        reply
    }

    fn carry_out(&self, request: &Request) -> Reply {
        let mut store = lock(&self.store);
        let azure = [format!("/{}", BlobServer::ACCOUNT), format!("/{}/", BlobServer::ACCOUNT)];
        if request.path == azure[0] {
            return azure::account(&store, request);
        }
        match request.path.strip_prefix(&azure[1]) {
            Some(rest) => azure::answer(&mut store, request, rest),
            None => s3::answer(&mut store, request),
        }
    }

    /// Gives the blob that a request reads a new version.
    fn renew(&self, request: &Request) {
        let path = request.path.trim_start_matches('/');
        let path = path.strip_prefix(BlobServer::ACCOUNT).map_or(path, |p| p.trim_start_matches('/'));
        let Some((container, name)) = path.split_once('/') else { return };
        let mut store = lock(&self.store);
        let version = store.next_version();
        if let Some(object) = store.containers.get_mut(container).and_then(|c| c.get_mut(name))
            && matches!(object.data, Data::Synthetic { .. })
        {
            object.version = version;
        }
    }
}

/// 401 or 403 unless the request shows something that is accepted.
fn refused(request: &Request, accepted: &[String]) -> Option<Reply> {
    let authorization = request.header("authorization").unwrap_or_default();
    let query = request.query("sig").unwrap_or_default();
    if accepted.iter().any(|a| authorization.contains(a.as_str()) || query == a) {
        return None;
    }
    let (status, code) = if authorization.starts_with("Bearer") { (401, "InvalidAuthenticationInfo") } else { (403, "AuthenticationFailed") };
    let body = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>Server failed to authenticate the request.</Message></Error>");
    Some(Reply::new(status, "application/xml", body).with("x-ms-error-code", code).with("WWW-Authenticate", "Bearer"))
}

/// What `If-Match` and its kin make of a read.
#[derive(PartialEq)]
enum Condition {
    Holds,
    NotModified,
    Fails,
}

fn condition(request: &Request, object: Option<&Object>) -> Condition {
    let etag = object.map(Object::etag);
    let matches = |wanted: &str| wanted.split(',').any(|w| (w.trim() == "*" && etag.is_some()) || etag.as_deref().is_some_and(|e| e.trim_matches('"') == w.trim().trim_matches('"')));
    if request.header("if-match").is_some_and(|w| !matches(w)) {
        return Condition::Fails;
    }
    if request.header("if-none-match").is_some_and(matches) {
        return if ["GET", "HEAD"].contains(&request.method.as_str()) { Condition::NotModified } else { Condition::Fails };
    }
    let since = |name: &str| request.header(name).and_then(|d| chrono::DateTime::parse_from_rfc2822(d).ok());
    let modified = object.map(|o| o.modified.timestamp());
    if let (Some(limit), Some(modified)) = (since("if-modified-since"), modified)
        && modified <= limit.timestamp()
        && request.header("if-none-match").is_none()
    {
        return Condition::NotModified;
    }
    if let (Some(limit), Some(modified)) = (since("if-unmodified-since"), modified)
        && modified > limit.timestamp()
        && request.header("if-match").is_none()
    {
        return Condition::Fails;
    }
    let generation = request.header("x-goog-if-generation-match").and_then(|g| g.parse::<u64>().ok());
    if generation.is_some_and(|g| g != object.map_or(0, |o| o.version)) {
        return Condition::Fails;
    }
    Condition::Holds
}

/// The range that is asked for: `Err` when it lies outside.
fn range(request: &Request, size: u64) -> Result<Option<Range<u64>>, ()> {
    let Some(text) = request.header("x-ms-range").or(request.header("range")).and_then(|r| r.strip_prefix("bytes=")) else { return Ok(None) };
    let (from, to) = text.split_once('-').unwrap_or((text, ""));
    let range = match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(from), Ok(to)) => from..to.saturating_add(1).min(size),
        (Ok(from), Err(_)) => from..size,
        (Err(_), Ok(last)) => size.saturating_sub(last)..size,
        (Err(_), Err(_)) => return Ok(None),
    };
    if range.start >= size || range.end <= range.start { Err(()) } else { Ok(Some(range)) }
}

/// The answer to a read of an object that may be read: 200 or 206 with the headers that all services share.
fn read(request: &Request, object: &Object, range: Option<Range<u64>>) -> Reply {
    let (size, whole) = (object.size(), 0..object.size());
    let (status, part) = range.map_or((200, whole), |r| (206, r));
    let mut reply = Reply::status(status).with("ETag", object.etag()).with("Last-Modified", rfc1123(object)).with("Content-Type", object.content_type.clone()).with("Accept-Ranges", "bytes");
    if status == 206 {
        reply = reply.with("Content-Range", format!("bytes {}-{}/{size}", part.start, part.end - 1));
    }
    reply.body = if request.method == "HEAD" {
        Body { announced: Some(part.end - part.start), ..Body::default() }
    } else {
        Body { pieces: object.pieces(part), announced: None }
    };
    reply
}

fn rfc1123(object: &Object) -> String {
    object.modified.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Headers with a prefix, without it, in lower case.
fn metadata(request: &Request, prefixes: &[&str]) -> std::collections::BTreeMap<String, String> {
    let named = request.headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), v));
    named.filter_map(|(n, v)| prefixes.iter().find_map(|p| n.strip_prefix(p).map(|n| (n.to_string(), v.clone())))).collect()
}

/// Whether a Content-MD5 that was sent is wrong.
fn damaged(request: &Request) -> bool {
    request.header("content-md5").is_some_and(|sent| sent != md5(request.body.as_ref()))
}

fn md5(bytes: &[u8]) -> String {
    use base64::Engine as _;
    use md5::Digest as _;
    base64::engine::general_purpose::STANDARD.encode(md5::Md5::digest(bytes))
}
