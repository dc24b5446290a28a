//! Files that a web server offers, read by ranges where the server has them. No credentials are sent: what needs one is a store.
//!
//! A cut response is taken up where it ended; the version is pinned by `If-Range`, so that two versions are never mixed.
use crate::ranges::RangeSource;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use ochre_api::{Failure, async_trait};
use reqwest::header::{self, HeaderMap};
use reqwest::{Client, Response, StatusCode};
use std::time::Duration;
use url::Url;

/// Time for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Silence after which a connection counts as cut.
const SILENCE: Duration = Duration::from_secs(30);
/// Tries for one range without a single new byte; each byte that comes starts the count anew.
const TRIES: u32 = 6;
/// First pause before another try; it doubles each time.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest pause, also where the server asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// A file on a web server.
pub(crate) struct WebFile {
    client: Client,
    url: Url,
    /// `None` where the server does not say.
    size: Option<u64>,
    /// It answers ranges.
    ranges: bool,
    /// A strong ETag, or the date of the last change: what `If-Range` takes.
    version: Option<String>,
}

impl WebFile {
    /// Asks for the first byte, which tells length, version, and whether there are ranges.
    pub(crate) async fn open(url: &Url) -> Result<Self, Failure> {
        let client = Client::builder().connect_timeout(CONNECT).read_timeout(SILENCE).user_agent("ochre").build();
        let client = client.map_err(|e| Failure::configuration("cannot prepare for HTTP").because(e.without_url()).hint("are the system's certificates there? `ochre doctor` looks"))?;
        let mut file = Self { client, url: url.clone(), size: None, ranges: false, version: None };
        let response = file.first().await?;
        let headers = response.headers();
        file.version = version(headers);
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                file.size = whole_length(headers);
                file.ranges = file.size.is_some();
            }
            // An empty file has no first byte.
            StatusCode::RANGE_NOT_SATISFIABLE => file.size = Some(0),
            _ => file.size = response.content_length(),
        }
        Ok(file)
    }

    /// Length, where the server says it.
    pub(crate) fn length(&self) -> Option<u64> {
        self.size
    }

    /// Whether parts can be asked for.
    pub(crate) fn has_ranges(&self) -> bool {
        self.ranges
    }

    /// Whether a change while it is read would be noticed.
    pub(crate) fn is_pinned(&self) -> bool {
        self.version.is_some()
    }

    async fn first(&self) -> Result<Response, Failure> {
        let mut tries = Tries::default();
        loop {
            let trouble = match self.client.get(self.url.clone()).header(header::RANGE, "bytes=0-0").send().await {
                Ok(response) if response.status().is_success() || response.status() == StatusCode::RANGE_NOT_SATISFIABLE => return Ok(response),
                Ok(response) => self.judged(response)?,
                Err(error) => Trouble::of(error),
            };
            tries.pause(trouble, &self.url).await?;
        }
    }

    /// All of it as one stream, for servers without ranges.
    pub(crate) async fn stream(&self) -> Result<impl futures::Stream<Item = Result<Bytes, Failure>> + Send + use<>, Failure> {
        let response = self.client.get(self.url.clone()).send().await.map_err(|e| Trouble::of(e).failure(&self.url))?;
        if !response.status().is_success() {
            return Err(self.judged(response)?.failure(&self.url));
        }
        let url = self.url.clone();
        Ok(response.bytes_stream().map(move |piece| piece.map_err(|e| Trouble::of(e).failure(&url))))
    }

    /// What an unsuccessful answer means: worth another try, or the end.
    fn judged(&self, response: Response) -> Result<Trouble, Failure> {
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
            let wait = response.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok()).map(Duration::from_secs);
            return Ok(Trouble { what: format!("the server answered {status}"), wait });
        }
        let failure = Failure::remote(format!("cannot read {}: the server answered {status}", shown(&self.url)));
        Err(failure.hint(match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => "is the address right?",
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "it is not public: if it lies in a store, use its az://, s3:// or gs:// address and `%credential`",
            _ => "open the address in a browser to see what the server says",
        }))
    }

    /// Takes what comes of one answer; true when all of it came.
    async fn part(&self, at: u64, end: u64, taken: &mut BytesMut) -> Result<Option<Trouble>, Failure> {
        let mut request = self.client.get(self.url.clone()).header(header::RANGE, format!("bytes={at}-{}", end - 1));
        if let Some(version) = &self.version {
            request = request.header(header::IF_RANGE, version);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Ok(Some(Trouble::of(error))),
        };
        match response.status() {
            StatusCode::PARTIAL_CONTENT if begins(response.headers()) == Some(at) => {}
            // All of it in place of a part: the version is another.
            StatusCode::OK | StatusCode::PRECONDITION_FAILED | StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT => {
                let failure = Failure::remote(format!("{} was changed while it was read", shown(&self.url)));
                return Err(failure.hint("run the cell again to read the new version"));
            }
            _ => return self.judged(response).map(Some),
        }
        if self.version.is_some() && version(response.headers()).is_some_and(|v| Some(v) != self.version) {
            return Err(Failure::remote(format!("{} was changed while it was read", shown(&self.url))).hint("run the cell again to read the new version"));
        }
        let mut pieces = response.bytes_stream();
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => taken.extend_from_slice(&piece[..piece.len().min((end - at) as usize - (taken.len().min((end - at) as usize)))]),
                Err(error) => return Ok(Some(Trouble::of(error))),
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl RangeSource for WebFile {
    fn size(&self) -> u64 {
        self.size.unwrap_or(0)
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes, Failure> {
        let end = offset + length as u64;
        let mut bytes = BytesMut::with_capacity(length);
        let mut tries = Tries::default();
        while bytes.len() < length {
            let mut piece = BytesMut::new();
            let trouble = self.part(offset + bytes.len() as u64, end, &mut piece).await?;
            if !piece.is_empty() {
                tries = Tries::default();
            }
            bytes.extend_from_slice(&piece);
            if bytes.len() < length {
                let early = || Trouble { what: "the server ended the answer too early".to_owned(), wait: None };
                tries.pause(trouble.unwrap_or_else(early), &self.url).await?;
            }
        }
        Ok(bytes.freeze())
    }
}

/// Something that may pass.
struct Trouble {
    what: String,
    /// What the server asked for.
    wait: Option<Duration>,
}

impl Trouble {
    fn of(error: reqwest::Error) -> Self {
        let what = match () {
            () if error.is_timeout() => "no answer in time".to_owned(),
            () if error.is_connect() => "the server cannot be reached".to_owned(),
            () if error.is_body() || error.is_decode() => "the connection was cut".to_owned(),
            () => Failure::remote("").because(error.without_url()).one_line().trim_start_matches([':', ' ']).to_owned(),
        };
        Self { what, wait: None }
    }

    fn failure(self, url: &Url) -> Failure {
        let failure = Failure::remote(format!("cannot read {}: {}", shown(url), self.what));
        failure.hint("check the address, the network and any proxy (`HTTPS_PROXY`), then run the cell again: it goes on where it can")
    }
}

#[derive(Default)]
struct Tries(u32);

impl Tries {
    /// Waits before the next try, or says that it was the last.
    async fn pause(&mut self, trouble: Trouble, url: &Url) -> Result<(), Failure> {
        self.0 += 1;
        if self.0 >= TRIES {
            return Err(trouble.failure(url));
        }
        tokio::time::sleep(trouble.wait.unwrap_or(PAUSE * 2u32.pow(self.0 - 1)).min(LONGEST_PAUSE)).await;
        Ok(())
    }
}

/// `bytes 0-0/1234` -> 1234.
fn whole_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_RANGE)?.to_str().ok()?.rsplit_once('/')?.1.parse().ok()
}

/// `bytes 8-15/1234` -> 8.
fn begins(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_RANGE)?.to_str().ok()?.trim_start_matches("bytes").trim().split('-').next()?.parse().ok()
}

/// Weak ETags do not promise the same bytes.
fn version(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|v: &header::HeaderValue| v.to_str().ok()).map(str::to_owned);
    text(header::ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(header::LAST_MODIFIED))
}

/// An address for messages: without a user, and without a query that may hold a signature.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Fails only for addresses that have no host, which have no user either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let query = url.query().is_some();
    url.set_query(None);
    url.set_fragment(None);
    if query { format!("{url}?…") } else { url.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_what_may_be_secret() {
        let url: Url = "https://me:pa55@example.org/a.zip?sv=1&sig=abc#x".parse().expect("a URL");
        assert_eq!(shown(&url), "https://example.org/a.zip?…");
    }

    #[test]
    fn headers_are_read() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_RANGE, "bytes 8-15/1234".parse().expect("a value"));
        headers.insert(header::ETAG, "W/\"1\"".parse().expect("a value"));
        headers.insert(header::LAST_MODIFIED, "Sat, 21 Nov 2026 10:00:00 GMT".parse().expect("a value"));
        assert_eq!((whole_length(&headers), begins(&headers)), (Some(1234), Some(8)));
        assert_eq!(version(&headers).as_deref(), Some("Sat, 21 Nov 2026 10:00:00 GMT"), "a weak tag does not promise the same bytes");
    }
}
