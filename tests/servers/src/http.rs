//! A small HTTP/1.1 server, over TCP or TLS, on a free port of 127.0.0.1 with threads of its own. It can end an answer in ways that a library
//! forbids: half a body and a reset, a body that is cut, bytes that change, silence.
//!
//! ```text
//! connection -> Request (whole body read) -> Answering::answer -> Reply -> paced writes, with its Ending
//! ```
use crate::tls::Certificate;
use bytes::Bytes;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// A request head longer than this is none.
const HEAD_LIMIT: usize = 256 * 1024;
/// Parts of uploads are 100 MiB at most.
const BODY_LIMIT: usize = 512 * 1024 * 1024;
/// Bytes of one write without a cap: large, so that the system call does not count.
const FULL_WRITE: usize = 1024 * 1024;
/// Bytes of one write under a cap: 4 ms at 60 MB/s, so that the timer's 1 ms does not count.
const PACED_WRITE: usize = 256 * 1024;
/// Requests that are remembered.
const REMEMBERED: usize = 200_000;
/// Threads of one server; the machines of CI have two cores.
const THREADS: usize = 2;
/// A connection starts at this part of its rate when `slow_start` is set.
const SLOWEST: f64 = 0.1;

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query as they were sent.
    pub target: String,
    /// The path, decoded.
    pub path: String,
    /// The query's pairs, decoded, in their order.
    pub query: Vec<(String, String)>,
    /// Names and values as they were sent, in their order.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// Number of the connection, from 0.
    pub connection: u64,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// A query parameter's value.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body's fields, when it is a form.
    pub fn form(&self) -> Vec<(String, String)> {
        pairs(&self.text())
    }

    /// One field of a form.
    pub fn field(&self, name: &str) -> Option<String> {
        self.form().into_iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What is sent back.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Body,
    /// Waited before the first byte.
    pub after: Duration,
    pub ending: Ending,
    /// What was done wrong on purpose, for the record.
    pub fault: Option<&'static str>,
}

/// A body: pieces that are written one after the other, so that a synthetic one of gigabytes costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pub pieces: VecDeque<Bytes>,
    /// Sent as Content-Length in place of the pieces' length: an answer to HEAD.
    pub announced: Option<u64>,
}

/// How a reply ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    #[default]
    Whole,
    /// The connection is reset after so many bytes of the body.
    Reset(u64),
    /// It is closed after so many bytes, fewer than Content-Length says.
    Cut(u64),
    /// The byte at this place is another.
    Flip(u64),
    /// Silence for so long after so many bytes; then the rest.
    Stall(u64, Duration),
    /// No answer at all: the connection stays open and silent.
    Hang,
    /// No answer at all: the connection is reset.
    Lost,
}

impl Reply {
    /// A status with a body.
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let body = Body { pieces: VecDeque::from([body.into()]), announced: None };
        let reply = Self { status, headers: Vec::new(), body, after: Duration::ZERO, ending: Ending::Whole, fault: None };
        if content_type.is_empty() { reply } else { reply.with("Content-Type", content_type) }
    }

    /// A status alone.
    pub fn status(status: u16) -> Self {
        Self::new(status, "", Bytes::new())
    }

    /// A status with JSON.
    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::new(status, "application/json; charset=utf-8", value.to_string())
    }

    /// One more header.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same, later.
    pub fn after(mut self, wait: Duration) -> Self {
        self.after = wait;
        self
    }

    /// The same, ended in another way.
    pub fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }
}

/// Who answers.
pub trait Answering: Send + Sync + 'static {
    /// The reply to one request; called from the connection's task, so it must not block.
    fn answer(&self, request: &Request) -> Reply;

    /// How fast a connection may send.
    fn pace(&self) -> Pace {
        Pace::default()
    }
}

/// A cap for each connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// Bytes a second.
    pub rate: Option<u64>,
    /// The rate grows from a tenth to the whole over this time of the connection's life.
    pub slow_start: Duration,
}

/// What was asked and how it was answered.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub request: Request,
    pub status: u16,
    pub fault: Option<&'static str>,
}

#[derive(Debug, Default)]
struct Record {
    exchanges: Mutex<VecDeque<Exchange>>,
    connections: AtomicU64,
    open: AtomicUsize,
    most_open: AtomicUsize,
    sent: AtomicU64,
}

/// A running server; it ends, with its connections, when it is dropped.
pub struct HttpServer {
    address: SocketAddr,
    record: Arc<Record>,
    certificate: Option<Certificate>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl HttpServer {
    /// Over TCP, or over TLS with this certificate.
    pub fn start(answering: Arc<dyn Answering>, certificate: Option<Certificate>) -> std::io::Result<Self> {
        let acceptor = certificate.as_ref().map(Certificate::acceptor).transpose()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).thread_name("ochre-server").enable_all().build()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let record = Arc::new(Record::default());
        let recorder = record.clone();
        runtime.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, acceptor.clone(), answering.clone(), recorder.clone()));
            }
        });
        Ok(Self { address, record, certificate, runtime: Some(runtime) })
    }

    /// `http://127.0.0.1:PORT` or `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.certificate.is_some() { "https" } else { "http" }, self.address)
    }

    /// What a client has to trust, over TLS.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// All exchanges so far, the last 200,000 of them.
    pub fn exchanges(&self) -> Vec<Exchange> {
        lock(&self.record.exchanges).iter().cloned().collect()
    }

    /// Forgets them.
    pub fn forget(&self) {
        lock(&self.record.exchanges).clear();
        self.record.most_open.store(self.record.open.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Connections that were made, and the most that were open at once since `forget`.
    pub fn connections(&self) -> (u64, usize) {
        (self.record.connections.load(Ordering::SeqCst), self.record.most_open.load(Ordering::SeqCst))
    }

    /// Bytes of bodies sent.
    pub fn sent(&self) -> u64 {
        self.record.sent.load(Ordering::SeqCst)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A lock whose holder panicked still holds what was recorded.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts an open connection for as long as it lives.
struct Open(Arc<Record>);

impl Open {
    fn new(record: Arc<Record>) -> Self {
        let open = record.open.fetch_add(1, Ordering::SeqCst) + 1;
        record.most_open.fetch_max(open, Ordering::SeqCst);
        Self(record)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn connection(stream: TcpStream, acceptor: Option<tokio_rustls::TlsAcceptor>, answering: Arc<dyn Answering>, record: Arc<Record>) {
    let number = record.connections.fetch_add(1, Ordering::SeqCst);
    let _open = Open::new(record.clone());
    // Without it small answers wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    // Whatever ends a connection ends it for the client too, and the client's test says what it saw.
    let _ = match acceptor {
        None => serve(&mut Plain(stream), number, &*answering, &record).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => serve(&mut Secured(stream), number, &*answering, &record).await,
            Err(_) => return,
        },
    };
}

/// A stream that can be reset.
trait Resettable: AsyncRead + AsyncWrite + Unpin + Send {
    fn reset_on_close(&self);
}

struct Plain(TcpStream);
struct Secured(tokio_rustls::server::TlsStream<TcpStream>);

macro_rules! delegate {
    ($name:ident, $tcp:expr) => {
        impl AsyncRead for $name {
            fn poll_read(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>, buffer: &mut tokio::io::ReadBuf<'_>) -> std::task::Poll<std::io::Result<()>> {
                std::pin::Pin::new(&mut self.0).poll_read(cx, buffer)
            }
        }
        impl AsyncWrite for $name {
            fn poll_write(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>, buffer: &[u8]) -> std::task::Poll<std::io::Result<usize>> {
                std::pin::Pin::new(&mut self.0).poll_write(cx, buffer)
            }
            fn poll_flush(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
                std::pin::Pin::new(&mut self.0).poll_flush(cx)
            }
            fn poll_shutdown(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
                std::pin::Pin::new(&mut self.0).poll_shutdown(cx)
            }
        }
        impl Resettable for $name {
            fn reset_on_close(&self) {
                let tcp: fn(&$name) -> &TcpStream = $tcp;
                // A lost reset is a plain close, which is a fault as well.
                let _ = tcp(self).set_zero_linger();
            }
        }
    };
}
delegate!(Plain, |s| &s.0);
delegate!(Secured, |s| s.0.get_ref().0);

async fn serve<S: Resettable>(stream: &mut S, number: u64, answering: &dyn Answering, record: &Record) -> std::io::Result<()> {
    let mut pacer = Pacer { began: Instant::now(), free: Instant::now() };
    let mut unread = Vec::new();
    while let Some(request) = read_request(stream, &mut unread, number, &mut Paced { pacer: &mut pacer, answering }).await? {
        let reply = answering.answer(&request);
        let head_only = request.method == "HEAD";
        let close = request.header("connection").is_some_and(|c| c.eq_ignore_ascii_case("close"));
        remember(record, request, &reply);
        if !reply.after.is_zero() {
            tokio::time::sleep(reply.after).await;
        }
        if reply.ending == Ending::Hang {
            return until_closed(stream).await;
        }
        if reply.ending == Ending::Lost {
            stream.reset_on_close();
            return Err(std::io::ErrorKind::ConnectionReset.into());
        }
        let whole = write_reply(stream, reply, head_only, answering.pace(), &mut pacer, record).await?;
        if close || !whole {
            break;
        }
    }
    stream.shutdown().await
}

fn remember(record: &Record, request: Request, reply: &Reply) {
    let mut exchanges = lock(&record.exchanges);
    if exchanges.len() == REMEMBERED {
        exchanges.pop_front();
    }
    exchanges.push_back(Exchange { request, status: reply.status, fault: reply.fault });
}

/// Reads and forgets until the client gives up.
async fn until_closed<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<()> {
    let mut ignored = [0; 4096];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

/// When a connection may send again.
struct Pacer {
    began: Instant,
    free: Instant,
}

impl Pacer {
    /// Waits until `bytes` may have been sent at this pace.
    async fn take(&mut self, bytes: usize, pace: Pace) {
        let Some(rate) = pace.rate else { return };
        let age = self.began.elapsed().as_secs_f64() / pace.slow_start.as_secs_f64().max(f64::EPSILON);
        let rate = rate as f64 * age.clamp(SLOWEST, 1.0);
        self.free = self.free.max(Instant::now()) + Duration::from_secs_f64(bytes as f64 / rate);
        tokio::time::sleep_until(self.free).await;
    }
}

/// Writes head and body; false when the connection must not be used again.
async fn write_reply<S: Resettable>(stream: &mut S, mut reply: Reply, head_only: bool, pace: Pace, pacer: &mut Pacer, record: &Record) -> std::io::Result<bool> {
    let length = reply.body.announced.unwrap_or_else(|| reply.body.pieces.iter().map(|p| p.len() as u64).sum());
    let mut head = format!("HTTP/1.1 {} {}\r\n", reply.status, reason(reply.status));
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if reply.status != 204 && reply.status != 304 {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    if head_only || reply.status == 304 {
        stream.flush().await?;
        return Ok(true);
    }
    let mut at = 0;
    let step = if pace.rate.is_some() { PACED_WRITE } else { FULL_WRITE };
    while let Some(mut piece) = reply.body.pieces.pop_front() {
        while !piece.is_empty() {
            let mut now = piece.split_to(piece.len().min(step));
            let (left, here) = (ending_at(reply.ending).saturating_sub(at), now.len() as u64);
            if left < here {
                match reply.ending {
                    Ending::Reset(_) | Ending::Cut(_) => {
                        stream.write_all(&now[..left as usize]).await?;
                        stream.flush().await?;
                        if matches!(reply.ending, Ending::Reset(_)) {
                            stream.reset_on_close();
                            return Err(std::io::ErrorKind::ConnectionReset.into());
                        }
                        return Ok(false);
                    }
                    Ending::Flip(_) => {
                        let mut changed = now.to_vec();
                        changed[left as usize] ^= 0x20;
                        now = changed.into();
                    }
                    Ending::Stall(_, pause) => {
                        stream.write_all(&now.split_to(left as usize)).await?;
                        stream.flush().await?;
                        tokio::time::sleep(pause).await;
                    }
                    Ending::Whole | Ending::Hang | Ending::Lost => {}
                }
                reply.ending = Ending::Whole;
            }
            pacer.take(now.len(), pace).await;
            stream.write_all(&now).await?;
            record.sent.fetch_add(now.len() as u64, Ordering::Relaxed);
            at += here;
        }
    }
    stream.flush().await?;
    Ok(true)
}

/// The first byte that an ending touches.
fn ending_at(ending: Ending) -> u64 {
    match ending {
        Ending::Reset(at) | Ending::Cut(at) | Ending::Flip(at) | Ending::Stall(at, _) => at,
        Ending::Whole | Ending::Hang | Ending::Lost => u64::MAX,
    }
}

fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Unknown")
}

/// Reads one request; `None` when the client has closed between two.
async fn read_request<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, unread: &mut Vec<u8>, connection: u64, paced: &mut Paced<'_>) -> std::io::Result<Option<Request>> {
    let bad = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_string());
    let end = loop {
        if let Some(at) = unread.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        if unread.len() > HEAD_LIMIT {
            return Err(bad("a head without an end"));
        }
        if stream.read_buf(unread).await? == 0 {
            return if unread.is_empty() { Ok(None) } else { Err(bad("half a request")) };
        }
    };
    let rest = unread.split_off(end + 4);
    let head = String::from_utf8_lossy(&unread[..end]).into_owned();
    *unread = rest;
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target)) = (first.next(), first.next()) else { return Err(bad("no request line")) };
    let headers: Vec<(String, String)> = lines.filter_map(|l| l.split_once(':')).map(|(n, v)| (n.to_string(), v.trim().to_string())).collect();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: method.into(),
        path: decoded(path, false),
        query: pairs(query),
        target: target.into(),
        headers,
        body: Bytes::new(),
        connection,
    };
    if request.header("expect").is_some_and(|e| e.eq_ignore_ascii_case("100-continue")) {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        stream.flush().await?;
    }
    request.body = if request.header("transfer-encoding").is_some_and(|t| t.to_ascii_lowercase().contains("chunked")) {
        read_chunks(stream, unread, paced).await?
    } else {
        let length: usize = request.header("content-length").map_or(Ok(0), str::parse).map_err(|_| bad("a strange Content-Length"))?;
        read_exactly(stream, unread, length, paced).await?
    };
    Ok(Some(request))
}

/// What is received has the same cap as what is sent.
struct Paced<'a> {
    pacer: &'a mut Pacer,
    answering: &'a dyn Answering,
}

async fn read_exactly<S: AsyncRead + Unpin>(stream: &mut S, unread: &mut Vec<u8>, length: usize, paced: &mut Paced<'_>) -> std::io::Result<Bytes> {
    if length > BODY_LIMIT {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "a body that is too long"));
    }
    if length == 0 {
        return Ok(Bytes::new());
    }
    let mut body = bytes::BytesMut::with_capacity(length);
    let have = length.min(unread.len());
    body.extend_from_slice(&unread[..have]);
    unread.drain(..have);
    let pace = paced.answering.pace();
    while body.len() < length {
        let step = if pace.rate.is_some() { PACED_WRITE } else { length };
        let mut limited = (&mut *stream).take((length - body.len()).min(step) as u64);
        let read = limited.read_buf(&mut body).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        paced.pacer.take(read, pace).await;
    }
    Ok(body.freeze())
}

async fn read_line<S: AsyncRead + Unpin>(stream: &mut S, unread: &mut Vec<u8>) -> std::io::Result<String> {
    loop {
        if let Some(at) = unread.windows(2).position(|w| w == b"\r\n") {
            let line = String::from_utf8_lossy(&unread[..at]).into_owned();
            unread.drain(..at + 2);
            return Ok(line);
        }
        if unread.len() > HEAD_LIMIT || stream.read_buf(unread).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn read_chunks<S: AsyncRead + Unpin>(stream: &mut S, unread: &mut Vec<u8>, paced: &mut Paced<'_>) -> std::io::Result<Bytes> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream, unread).await?;
        let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16);
        let size = size.map_err(|_| std::io::Error::new(std::io::ErrorKind::InvalidData, "a strange chunk"))?;
        if size == 0 {
            // Trailers, up to the empty line.
            while !read_line(stream, unread).await?.is_empty() {}
            return Ok(body.into());
        }
        if body.len() + size > BODY_LIMIT {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "a body that is too long"));
        }
        body.extend_from_slice(&read_exactly(stream, unread, size, paced).await?);
        read_line(stream, unread).await?;
    }
}

fn decoded(text: &str, plus: bool) -> String {
    let text = if plus { text.replace('+', " ") } else { text.to_string() };
    percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

/// `a=1&b` to its pairs.
fn pairs(query: &str) -> Vec<(String, String)> {
    let parts = query.split('&').filter(|p| !p.is_empty());
    parts.map(|p| p.split_once('=').unwrap_or((p, ""))).map(|(n, v)| (decoded(n, true), decoded(v, true))).collect()
}
