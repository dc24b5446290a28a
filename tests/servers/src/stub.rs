//! A server whose answers a test writes, over http or https: it records method, path, query, headers and body of every request. For comparing
//! what we send with what Microsoft's, Amazon's and Databricks' own SDKs send, and as the far end of clients of ours.
use crate::http::{Answering, Exchange, HttpServer, Reply, Request, lock};
use crate::tls::Certificate;
use std::sync::{Arc, Mutex};

type Answer = Box<dyn Fn(&Request) -> Option<Reply> + Send + Sync>;

/// A scripted server.
pub struct Stub {
    http: HttpServer,
    script: Arc<Script>,
}

#[derive(Default)]
struct Script(Mutex<Vec<Answer>>);

impl Answering for Script {
    fn answer(&self, request: &Request) -> Reply {
        // The last rule first: a test can overrule what was set up for it.
        let found = lock(&self.0).iter().rev().find_map(|answer| answer(request));
        found.unwrap_or_else(|| Reply::json(404, &serde_json::json!({ "error": { "code": "NotScripted", "message": format!("{} {}", request.method, request.target) } })))
    }
}

impl Stub {
    /// Over http.
    pub fn start() -> std::io::Result<Self> {
        Self::over(None)
    }

    /// Over https, with a fresh certificate for 127.0.0.1 and localhost.
    pub fn start_tls() -> std::io::Result<Self> {
        Self::over(Some(Certificate::new()?))
    }

    fn over(certificate: Option<Certificate>) -> std::io::Result<Self> {
        let script = Arc::new(Script::default());
        Ok(Self { http: HttpServer::start(script.clone(), certificate)?, script })
    }

    /// Answers requests for which the closure has a reply. Later rules come before earlier ones.
    pub fn when(&self, answer: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) {
        lock(&self.script.0).push(Box::new(answer));
    }

    /// Answers one method and path (without the query) with the same reply every time.
    pub fn on(&self, method: &str, path: &str, reply: Reply) {
        let (method, path) = (method.to_string(), path.to_string());
        self.when(move |r| (r.method == method && r.path == path).then(|| reply.clone()));
    }

    /// Answers one method and path with these replies in turn, the last one for good: pages, and operations that take their time.
    pub fn in_turn(&self, method: &str, path: &str, replies: Vec<Reply>) {
        let (method, path, next) = (method.to_string(), path.to_string(), Mutex::new(0));
        self.when(move |r| {
            if r.method != method || r.path != path {
                return None;
            }
            let mut next = lock(&next);
            let reply = replies.get(*next).or(replies.last()).cloned();
            *next += 1;
            reply
        });
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.http.url()
    }

    /// What a client has to trust.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.http.certificate()
    }

    /// Everything that was asked, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.http.exchanges().into_iter().map(|e| e.request).collect()
    }

    /// The same with the status of each answer.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.http.exchanges()
    }

    /// Forgets what was asked.
    pub fn forget(&self) {
        self.http.forget();
    }
}
