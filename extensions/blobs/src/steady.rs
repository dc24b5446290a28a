//! A store that does not give up at once and never waits for ever: every request has a time bound, failures that may pass are tried again a bounded
//! number of times, a refused credential is renewed once, and a body that breaks off is continued where it stopped, from the same version.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartId, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
    RenameOptions, RenameTargetMode, UploadPart,
};

use crate::error::{Ours, Verdict, verdict};
use crate::renewal::Renewal;

/// How long is waited for what. The bound for a server that is dead: [`Patience::worst`].
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From sending a request to the head of its answer.
    pub answer: Duration,
    /// Between two pieces of a body.
    pub stall: Duration,
    /// The slowest upload that still counts as alive, in bytes a second; added to `answer` for what is sent.
    pub slowest: u64,
    /// Tries of one operation without any progress.
    pub tries: u32,
    /// No new try is begun this long after the first.
    pub give_up: Duration,
    /// The wait before the second try; doubles, with a random half taken off.
    pub pause: Duration,
    /// The longest wait between two tries.
    pub pause_most: Duration,
}

impl Patience {
    /// What users get. Services answer within a second or not at all, and send 503 for some seconds when they move a partition.
    pub const USUAL: Self = Self {
        answer: Duration::from_secs(20),
        stall: Duration::from_secs(20),
        slowest: 32 * 1024,
        tries: 6,
        give_up: Duration::from_secs(40),
        pause: Duration::from_millis(100),
        pause_most: Duration::from_secs(4),
    };

    /// After this long without a byte from a dead server an operation has failed (uploads: plus their size at `slowest`).
    #[must_use]
    pub fn worst(&self) -> Duration {
        self.give_up + self.answer.max(self.stall)
    }

    fn for_sending(&self, bytes: usize) -> Duration {
        self.answer + Duration::from_secs(bytes as u64 / self.slowest.max(1))
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::USUAL
    }
}

/// What the service let us feel: read by the part engine, which asks for less after it grew.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    pub(crate) throttled: AtomicU64,
    pub(crate) retried: AtomicU64,
}

/// The store that all of this crate works on.
#[derive(Clone)]
pub(crate) struct Steady {
    inner: Arc<dyn ObjectStore>,
    parts: Option<Arc<dyn MultipartStore>>,
    renewal: Option<Arc<Renewal>>,
    pub(crate) patience: Patience,
    pub(crate) pressure: Arc<Pressure>,
    /// object_store 0.13.2 has the two modes of Google's copy the wrong way round: `Create` overwrites. Found by the conformance suite, which fails
    /// when that is mended.
    swapped_copies: bool,
}

impl fmt::Debug for Steady {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Steady({})", self.inner)
    }
}

impl fmt::Display for Steady {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.inner)
    }
}

/// One operation's tries.
pub(crate) struct Tries<'a> {
    steady: &'a Steady,
    begun: Instant,
    /// When the try that is going on began.
    sent: Instant,
    done: u32,
    renewed: bool,
    /// A try that failed may have been carried out all the same.
    pub(crate) ambiguous: bool,
}

impl Tries<'_> {
    /// After `error`: waits and returns if another try is worth it, else gives the error back.
    pub(crate) async fn again(&mut self, error: object_store::Error) -> object_store::Result<()> {
        let verdict = verdict(&error);
        self.done += 1;
        if verdict == Verdict::Denied && !self.renewed {
            self.renewed = true;
            if let Some(renewal) = &self.steady.renewal {
                if renewal.refused(self.sent).await? {
                    self.sent = Instant::now();
                    return Ok(());
                }
            }
            return Err(error);
        }
        if !verdict.passing() || self.done >= self.steady.patience.tries || self.begun.elapsed() >= self.steady.patience.give_up {
            return Err(error);
        }
        self.ambiguous |= verdict.ambiguous();
        self.steady.pressure.retried.fetch_add(1, Ordering::Relaxed);
        if verdict == Verdict::Throttled {
            self.steady.pressure.throttled.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(self.pause()).await;
        self.sent = Instant::now();
        Ok(())
    }

    fn pause(&self) -> Duration {
        let patience = &self.steady.patience;
        let full = patience.pause.saturating_mul(1 << (self.done - 1).min(16)).min(patience.pause_most);
        full / 2 + full.mul_f64(random() / 2.0)
    }
}

/// Between 0 and 1; spreads retries of many clients, nothing depends on its quality.
fn random() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    (RandomState::new().hash_one(0u8) >> 11) as f64 / (1u64 << 53) as f64
}

impl Steady {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, parts: Option<Arc<dyn MultipartStore>>, renewal: Option<Arc<Renewal>>, patience: Patience) -> Self {
        Self { inner, parts, renewal, patience, pressure: Arc::default(), swapped_copies: false }
    }

    /// For Google's store.
    pub(crate) fn with_swapped_copies(self) -> Self {
        Self { swapped_copies: true, ..self }
    }

    /// Whether parts have numbers here.
    pub(crate) fn has_parts(&self) -> bool {
        self.parts.is_some()
    }

    /// Makes the parts one object, without another try. Services join thousands of parts while the request waits.
    pub(crate) async fn complete_once(&self, path: &Path, id: &MultipartId, ids: Vec<PartId>) -> object_store::Result<PutResult> {
        within(self.patience.answer * 3, self.parts()?.complete_multipart(path, id, ids)).await
    }

    fn parts(&self) -> object_store::Result<&Arc<dyn MultipartStore>> {
        let missing = || object_store::Error::NotImplemented { operation: "parts".to_owned(), implementer: self.inner.to_string() };
        self.parts.as_ref().ok_or_else(missing)
    }

    pub(crate) fn tries(&self) -> Tries<'_> {
        Tries { steady: self, begun: Instant::now(), sent: Instant::now(), done: 0, renewed: false, ambiguous: false }
    }

    /// `run` until it succeeds, fails for good, or the bounds are reached; each try within `bound`.
    async fn insist<T, F, R>(&self, bound: Duration, run: F) -> object_store::Result<T>
    where
        F: Fn() -> R,
        R: Future<Output = object_store::Result<T>>,
    {
        let mut tries = self.tries();
        loop {
            match within(bound, run()).await {
                Ok(value) => return Ok(value),
                Err(error) => tries.again(error).await?,
            }
        }
    }

    /// `run` within `bound`, with the verdict `TimedOut` after it.
    pub(crate) async fn once<T>(&self, sent: usize, run: impl Future<Output = object_store::Result<T>>) -> object_store::Result<T> {
        within(self.patience.for_sending(sent), run).await
    }

    /// Whether what lies at `path` is `payload`: after a lost answer to a request that must not overwrite, it tells whether that was us.
    async fn is_ours(&self, path: &Path, payload: &PutPayload) -> Option<PutResult> {
        let found = self.get_opts(path, GetOptions::default()).await.ok()?;
        let meta = found.meta.clone();
        if meta.size != payload.content_length() as u64 {
            return None;
        }
        let stored = found.bytes().await.ok()?;
        let mut rest = &stored[..];
        for piece in payload.iter() {
            rest = rest.strip_prefix(&piece[..])?;
        }
        Some(PutResult { e_tag: meta.e_tag, version: meta.version })
    }
}

async fn within<T>(bound: Duration, run: impl Future<Output = object_store::Result<T>>) -> object_store::Result<T> {
    match tokio::time::timeout(bound, run).await {
        Ok(result) => result,
        Err(_) => Err(Ours::Silent(bound.as_secs()).into_store()),
    }
}

#[async_trait]
impl ObjectStore for Steady {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> object_store::Result<PutResult> {
        let bound = self.patience.for_sending(payload.content_length());
        let mut tries = self.tries();
        loop {
            let error = match within(bound, self.inner.put_opts(location, payload.clone(), options.clone())).await {
                Ok(result) => return Ok(result),
                Err(error) => error,
            };
            let taken = matches!(verdict(&error), Verdict::Exists | Verdict::Precondition);
            if taken && tries.ambiguous && options.mode != PutMode::Overwrite {
                return self.is_ours(location, &payload).await.ok_or(error);
            }
            tries.again(error).await?;
        }
    }

    async fn put_multipart_opts(&self, location: &Path, options: PutMultipartOptions) -> object_store::Result<Box<dyn MultipartUpload>> {
        let upload = self.insist(self.patience.answer, || self.inner.put_multipart_opts(location, options.clone())).await?;
        Ok(Box::new(SteadyUpload { inner: upload, steady: self.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        let found = self.insist(self.patience.answer, || self.inner.get_opts(location, options.clone())).await?;
        let GetResultPayload::Stream(body) = found.payload else { return Ok(found) };
        if options.head {
            return Ok(GetResult { payload: GetResultPayload::Stream(body), ..found });
        }
        let options = GetOptions { if_match: found.meta.e_tag.clone().or(options.if_match), if_none_match: None, if_modified_since: None, ..options };
        let body = Body { steady: self.clone(), path: location.clone(), options, left: found.range.clone(), body: Some(body), renew: 0, begun: Instant::now() };
        Ok(GetResult { payload: GetResultPayload::Stream(body.stream()), ..found })
    }

    fn delete_stream(&self, locations: BoxStream<'static, object_store::Result<Path>>) -> BoxStream<'static, object_store::Result<Path>> {
        let steady = self.clone();
        // One request per name is retried as itself; a batch that fails half-way could not be.
        locations
            .map(move |path| {
                let steady = steady.clone();
                async move {
                    let path = path?;
                    let tried = std::sync::atomic::AtomicBool::new(false);
                    let done = steady
                        .insist(steady.patience.answer, || {
                            let again = tried.swap(true, Ordering::Relaxed);
                            let one = stream::once(std::future::ready(Ok(path.clone()))).boxed();
                            let mut deletion = steady.inner.delete_stream(one);
                            async move {
                                match deletion.next().await {
                                    Some(Err(object_store::Error::NotFound { path, .. })) if again => Ok(Path::parse(path).unwrap_or_default()),
                                    Some(result) => result,
                                    None => Ok(Path::default()),
                                }
                            }
                        })
                        .await;
                    done.map(|_| path)
                }
            })
            .buffered(DELETIONS)
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        Listing { steady: self.clone(), prefix: prefix.cloned(), last: None, pages: None, begun: Instant::now(), done: 0, renewed: false, resumed: false }.stream()
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        Listing { steady: self.clone(), prefix: prefix.cloned(), last: Some(offset.clone()), pages: None, begun: Instant::now(), done: 0, renewed: false, resumed: true }.stream()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        // It reads all pages; each has the bound of an answer, and there are rarely more than ten.
        self.insist(self.patience.answer * 10, || self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        // Within a service; some copy while the request waits.
        let bound = self.patience.answer * 10;
        let mode = match (self.swapped_copies, options.mode) {
            (false, mode) => mode,
            (true, CopyMode::Create) => CopyMode::Overwrite,
            (true, CopyMode::Overwrite) => CopyMode::Create,
        };
        let overwrites = options.mode == CopyMode::Overwrite;
        let options = CopyOptions { mode, ..options };
        if overwrites {
            return self.insist(bound, || self.inner.copy_opts(from, to, options.clone())).await;
        }
        within(bound, self.inner.copy_opts(from, to, options)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> object_store::Result<()> {
        if !self.swapped_copies {
            return within(self.patience.answer * 10, self.inner.rename_opts(from, to, options)).await;
        }
        let mode = if options.target_mode == RenameTargetMode::Create { CopyMode::Create } else { CopyMode::Overwrite };
        self.copy_opts(from, to, CopyOptions::new().with_mode(mode)).await?;
        self.delete(from).await
    }
}

/// Deletions in flight.
const DELETIONS: usize = 16;

/// A body that goes on after a break.
struct Body {
    steady: Steady,
    path: Path,
    options: GetOptions,
    left: Range<u64>,
    body: Option<BoxStream<'static, object_store::Result<Bytes>>>,
    /// Tries since the last byte.
    renew: u32,
    begun: Instant,
}

impl Body {
    fn stream(self) -> BoxStream<'static, object_store::Result<Bytes>> {
        stream::try_unfold(self, |mut this| async move { Ok(this.next().await?.map(|bytes| (bytes, this))) }).boxed()
    }

    async fn next(&mut self) -> object_store::Result<Option<Bytes>> {
        if self.left.is_empty() {
            return Ok(None);
        }
        loop {
            let stall = self.steady.patience.stall;
            let error = match &mut self.body {
                Some(body) => match tokio::time::timeout(stall, body.next()).await {
                    Ok(Some(Ok(bytes))) if bytes.len() as u64 > self.left.end - self.left.start => {
                        return Err(Ours::Corrupt("the body is longer than its length".to_owned()).into_store());
                    }
                    Ok(Some(Ok(bytes))) => {
                        self.left.start += bytes.len() as u64;
                        self.renew = 0;
                        return Ok(Some(bytes));
                    }
                    Ok(Some(Err(error))) => error,
                    Ok(None) => Ours::Truncated(self.left.end - self.left.start).into_store(),
                    Err(_) => Ours::Silent(stall.as_secs()).into_store(),
                },
                None => Ours::Truncated(self.left.end - self.left.start).into_store(),
            };
            self.body = Some(self.reopen(error).await?);
        }
    }

    /// The rest of the body, of the same version, after `error`.
    async fn reopen(&mut self, error: object_store::Error) -> object_store::Result<BoxStream<'static, object_store::Result<Bytes>>> {
        self.body = None;
        if self.options.if_match.is_none() {
            return Err(error);
        }
        if self.renew == 0 {
            self.begun = Instant::now();
        }
        let steady = self.steady.clone();
        let mut tries = Tries { steady: &steady, begun: self.begun, sent: self.begun, done: self.renew, renewed: false, ambiguous: false };
        let mut error = error;
        loop {
            // Whatever broke the body, the rest can be asked for; what cannot be had is told by that request.
            let passing = if verdict(&error).passing() { error } else { Ours::Truncated(self.left.end - self.left.start).into_store() };
            tries.again(passing).await?;
            self.renew = tries.done;
            let options = GetOptions { range: Some(GetRange::Bounded(self.left.clone())), ..self.options.clone() };
            match within(steady.patience.answer, steady.inner.get_opts(&self.path, options)).await {
                Ok(found) => return Ok(found.into_stream()),
                Err(failed) if verdict(&failed).passing() || verdict(&failed) == Verdict::Denied => error = failed,
                Err(failed) => return Err(failed),
            }
        }
    }
}

/// A listing that goes on after the last name it gave.
struct Listing {
    steady: Steady,
    prefix: Option<Path>,
    last: Option<Path>,
    pages: Option<BoxStream<'static, object_store::Result<ObjectMeta>>>,
    begun: Instant,
    done: u32,
    renewed: bool,
    /// Names up to `last` were given already; services list in the order of names.
    resumed: bool,
}

impl Listing {
    fn stream(self) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        stream::try_unfold(self, |mut this| async move { Ok(this.next().await?.map(|meta| (meta, this))) }).into_stream().boxed()
    }

    async fn next(&mut self) -> object_store::Result<Option<ObjectMeta>> {
        loop {
            if self.pages.is_none() {
                self.pages = Some(match &self.last {
                    None => self.steady.inner.list(self.prefix.as_ref()),
                    Some(last) => self.steady.inner.list_with_offset(self.prefix.as_ref(), last),
                });
            }
            let Some(pages) = &mut self.pages else { return Ok(None) };
            let error = match tokio::time::timeout(self.steady.patience.answer, pages.next()).await {
                Ok(None) => return Ok(None),
                // Azurite begins at the front again whatever it is asked for.
                Ok(Some(Ok(meta))) if self.resumed && self.last.as_ref().is_some_and(|last| meta.location <= *last) => continue,
                Ok(Some(Ok(meta))) => {
                    self.last = Some(meta.location.clone());
                    self.done = 0;
                    return Ok(Some(meta));
                }
                Ok(Some(Err(error))) => error,
                Err(_) => Ours::Silent(self.steady.patience.answer.as_secs()).into_store(),
            };
            let steady = self.steady.clone();
            let mut tries = Tries { steady: &steady, begun: self.begun, sent: self.begun, done: self.done, renewed: self.renewed, ambiguous: false };
            if self.done == 0 {
                tries.begun = Instant::now();
                self.begun = tries.begun;
            }
            tries.again(error).await?;
            (self.done, self.renewed) = (tries.done, tries.renewed);
            self.pages = None;
            self.resumed = self.last.is_some();
        }
    }
}

/// A multipart upload within time bounds. Its parts cannot be sent again (another call is another part): who wants that goes through
/// [`Steady::parts`].
struct SteadyUpload {
    inner: Box<dyn MultipartUpload>,
    steady: Steady,
}

impl fmt::Debug for SteadyUpload {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SteadyUpload({:?})", self.inner)
    }
}

#[async_trait]
impl MultipartUpload for SteadyUpload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let bound = self.steady.patience.for_sending(payload.content_length());
        let part = self.inner.put_part(payload);
        Box::pin(within(bound, part))
    }

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        within(self.steady.patience.answer * 3, self.inner.complete()).await
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        within(self.steady.patience.answer, self.inner.abort()).await
    }
}

/// Uploads in parts that have numbers, so that a part can be sent again, also by another process.
#[async_trait]
impl MultipartStore for Steady {
    async fn create_multipart(&self, path: &Path) -> object_store::Result<MultipartId> {
        let parts = self.parts()?;
        self.insist(self.patience.answer, || parts.create_multipart(path)).await
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, index: usize, data: PutPayload) -> object_store::Result<PartId> {
        let parts = self.parts()?;
        let bound = self.patience.for_sending(data.content_length());
        self.insist(bound, || parts.put_part(path, id, index, data.clone())).await
    }

    /// Makes the object visible; tried once, since after an answer that was lost it fails although it was carried out.
    async fn complete_multipart(&self, path: &Path, id: &MultipartId, ids: Vec<PartId>) -> object_store::Result<PutResult> {
        self.complete_once(path, id, ids).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> object_store::Result<()> {
        let parts = self.parts()?;
        self.insist(self.patience.answer, || parts.abort_multipart(path, id)).await
    }
}
