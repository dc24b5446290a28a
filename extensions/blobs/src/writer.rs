//! Writing one object: parts go off in parallel while the next is filled, and nothing is visible before [`Writer::finish`], which makes all of it
//! visible at once. What is small is one put.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{GetOptions, MultipartId, MultipartUpload, ObjectStore, PutPayload, PutResult};
use tokio::task::JoinSet;

use crate::budget::Share;
use crate::error::verdict;
use crate::http::CREATE_ONLY;
use crate::{BlobError, Budget, Container, Meta, Mode, Result};

/// Objects up to this size are one put.
pub(crate) const ONE_PUT: u64 = 8 << 20;
/// Parts of one size before it doubles: S3 has at most 10,000 parts, which then hold 8 TiB, and Azure 50,000.
const PARTS_OF_A_SIZE: usize = 1000;
/// Azure's largest block.
const LARGEST_PART: u64 = 4000 << 20;
/// How long a writer waits for memory that other writers hold.
pub(crate) const WAIT_FOR_MEMORY: Duration = Duration::from_secs(60);

const DOING: &str = "writing";

/// How a [`Writer`] writes.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    pub mode: Mode,
    /// Memory shared with other readers and writers.
    pub budget: Budget,
}

/// An object that is being written. Dropped without [`Writer::finish`] it leaves nothing that can be seen.
pub struct Writer {
    container: Container,
    location: Path,
    options: WriteOptions,
    buffer: BytesMut,
    share: Option<Share>,
    parts: Option<Parts>,
    written: u64,
    sum: crc32fast::Hasher,
    failed: Option<BlobError>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Writer({}, {} bytes)", self.container.at(self.location.as_ref()), self.written)
    }
}

/// An upload in parts that has begun.
struct Parts {
    how: How,
    tasks: JoinSet<object_store::Result<(usize, Option<PartId>)>>,
    done: Vec<Option<PartId>>,
}

enum How {
    /// Parts have numbers and can be sent again.
    Numbered(MultipartId),
    /// The store keeps count itself (local files).
    Counted(Box<dyn MultipartUpload>),
}

/// Size of part `index`.
pub(crate) fn part_size(index: usize) -> u64 {
    (ONE_PUT << (index / PARTS_OF_A_SIZE).min(12)).min(LARGEST_PART)
}

impl Writer {
    pub(crate) async fn new(container: Container, path: &str, options: WriteOptions) -> Result<Self> {
        let location = container.path(path)?;
        if options.mode == Mode::Create {
            // The condition holds when it is made visible; this tells most users before they have sent everything.
            match container.stat(path).await {
                Ok(_) => return Err(BlobError::Exists { doing: DOING, at: container.at(path) }),
                Err(BlobError::NotFound { .. }) => {}
                Err(BlobError::Denied { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        let sum = crc32fast::Hasher::new();
        Ok(Self { container, location, options, buffer: BytesMut::new(), share: None, parts: None, written: 0, sum, failed: None })
    }

    /// Bytes given to [`Writer::write`] so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Appends. Returns once the bytes are in memory or on their way; an error of an earlier part is told by a later call.
    ///
    /// # Errors
    /// Those of the service, which then come from every later call as well.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let written = self.append(&mut bytes).await;
        if let Err(error) = &written {
            self.failed = Some(error.clone());
        }
        written
    }

    async fn append(&mut self, bytes: &mut Bytes) -> Result<()> {
        while !bytes.is_empty() {
            let index = self.parts.as_ref().map_or(0, |parts| parts.done.len());
            let size = part_size(index) as usize;
            // A whole part in one piece goes off as it is.
            let piece = if self.buffer.is_empty() && bytes.len() >= size { Some(bytes.split_to(size)) } else { None };
            self.hold(piece.as_ref().map_or_else(|| (self.buffer.len() + bytes.len()).min(size), Bytes::len) as u64).await?;
            let full = match piece {
                Some(piece) => {
                    self.count(&piece);
                    Some(piece)
                }
                None => {
                    let some = bytes.split_to(bytes.len().min(size - self.buffer.len()));
                    self.count(&some);
                    self.buffer.extend_from_slice(&some);
                    (self.buffer.len() == size).then(|| self.buffer.split().freeze())
                }
            };
            // The last full part waits for what follows: an object of exactly one part is one put.
            match full {
                Some(full) if self.parts.is_none() && bytes.is_empty() => self.buffer = full.into(),
                Some(full) => self.send(full).await?,
                None => {}
            }
        }
        Ok(())
    }

    fn count(&mut self, bytes: &[u8]) {
        self.written += bytes.len() as u64;
        self.sum.update(bytes);
    }

    /// Memory for a part of `bytes`; in two steps, so that many small objects can be written at once.
    async fn hold(&mut self, bytes: u64) -> Result<()> {
        let step = if bytes <= ONE_PUT / 16 { ONE_PUT / 16 } else { bytes.max(ONE_PUT) };
        let held = self.share.as_ref().map_or(0, Share::bytes);
        if held >= bytes {
            return Ok(());
        }
        // The old share goes first: two writers that wait for each other's would wait for ever.
        self.share = None;
        match self.options.budget.take(step, WAIT_FOR_MEMORY).await {
            Some(share) => {
                self.share = Some(share);
                Ok(())
            }
            None => Err(BlobError::Local {
                doing: DOING,
                path: self.container.at(self.location.as_ref()),
                detail: format!("the {} MiB for transfers are all in use by other open files", self.options.budget.total() >> 20),
                kind: std::io::ErrorKind::OutOfMemory,
            }),
        }
    }

    /// Sends a part off; waits for a place.
    async fn send(&mut self, bytes: Bytes) -> Result<()> {
        let container = self.container.clone();
        let failed = |error: object_store::Error| container.failed(DOING, self.location.as_ref(), &error);
        if self.parts.is_none() {
            self.parts = Some(Parts { how: begin(&container, &self.location).await.map_err(failed)?, tasks: JoinSet::new(), done: Vec::new() });
        }
        let Some(parts) = &mut self.parts else { return Ok(()) };
        let index = parts.done.len();
        parts.done.push(None);
        let share = self.share.take();
        let ticket = container.sending().enter().await;
        let length = bytes.len() as u64;
        let payload = PutPayload::from_bytes(bytes);
        match &mut parts.how {
            How::Numbered(id) => {
                let (steady, location, id) = (container.steady().clone(), self.location.clone(), id.clone());
                parts.tasks.spawn(async move {
                    let part = steady.put_part(&location, &id, index, payload).await?;
                    ticket.done(length);
                    drop(share);
                    Ok((index, Some(part)))
                });
            }
            How::Counted(upload) => {
                let sending = upload.put_part(payload);
                parts.tasks.spawn(async move {
                    sending.await?;
                    ticket.done(length);
                    drop(share);
                    Ok((index, None))
                });
            }
        }
        while let Some(done) = parts.tasks.try_join_next() {
            let (index, part) = joined(done).map_err(failed)?;
            parts.done[index] = part;
        }
        Ok(())
    }

    /// Makes the object visible, complete, at once.
    ///
    /// # Errors
    /// [`BlobError::Exists`] when the name was taken meanwhile and [`Mode::Create`] was asked for; nothing is visible after any error.
    pub async fn finish(mut self) -> Result<Meta> {
        if let Some(error) = self.failed.take() {
            self.abort().await;
            return Err(error);
        }
        if self.parts.is_none() {
            let bytes = self.buffer.split().freeze();
            return self.container.put(self.location.as_ref(), bytes, self.options.mode).await;
        }
        match self.complete().await {
            Ok(meta) => Ok(meta),
            Err(error) => {
                self.abort().await;
                Err(error)
            }
        }
    }

    async fn complete(&mut self) -> Result<Meta> {
        if !self.buffer.is_empty() {
            let rest = self.buffer.split().freeze();
            self.hold(rest.len() as u64).await?;
            self.send(rest).await?;
        }
        let container = self.container.clone();
        let failed = |error: object_store::Error| container.failed(DOING, self.location.as_ref(), &error);
        let Some(parts) = &mut self.parts else { return Err(container.internal(DOING, self.location.as_ref(), "no parts")) };
        while let Some(done) = parts.tasks.join_next().await {
            let (index, part) = joined(done).map_err(failed)?;
            parts.done[index] = part;
        }
        let create = self.options.mode == Mode::Create;
        let done = match &mut parts.how {
            How::Numbered(id) => {
                let ids = parts.done.iter().flatten().cloned().collect();
                let sum = self.sum.clone().finalize();
                commit(&container, &self.location, id, ids, create, self.written, sum).await?
            }
            How::Counted(upload) => {
                if create && container.steady().get_opts(&self.location, GetOptions { head: true, ..GetOptions::default() }).await.is_ok() {
                    return Err(BlobError::Exists { doing: DOING, at: container.at(self.location.as_ref()) });
                }
                upload.complete().await.map_err(failed)?
            }
        };
        self.parts = None;
        confirm(&container, &self.location, self.written, done).await
    }

    /// Gives up: what was sent is thrown away.
    pub async fn abort(mut self) {
        if let Some(parts) = self.parts.take() {
            end(&self.container, &self.location, parts).await;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let (Some(parts), Ok(runtime)) = (self.parts.take(), tokio::runtime::Handle::try_current()) {
            let (container, location) = (self.container.clone(), self.location.clone());
            runtime.spawn(async move { end(&container, &location, parts).await });
        }
    }
}

async fn end(container: &Container, location: &Path, mut parts: Parts) {
    parts.tasks.shutdown().await;
    // Services delete what is never completed by themselves (Azure after a week); this is the sooner way.
    match &mut parts.how {
        How::Numbered(id) => container.steady().abort_multipart(location, id).await.ok(),
        How::Counted(upload) => upload.abort().await.ok(),
    };
}

fn joined<T>(done: Result<object_store::Result<T>, tokio::task::JoinError>) -> object_store::Result<T> {
    done.map_err(object_store::Error::from)?
}

async fn begin(container: &Container, location: &Path) -> object_store::Result<How> {
    let steady = container.steady();
    if steady.has_parts() {
        return Ok(How::Numbered(steady.create_multipart(location).await?));
    }
    Ok(How::Counted(steady.put_multipart_opts(location, Default::default()).await?))
}

/// Makes numbered parts one visible object. A completion whose answer was lost is looked after: if what is there has the CRC of what was sent, it was us.
pub(crate) async fn commit(
    container: &Container,
    location: &Path,
    id: &MultipartId,
    ids: Vec<PartId>,
    create: bool,
    size: u64,
    sum: u32,
) -> Result<PutResult> {
    let steady = container.steady();
    let guarded = create && !container.completes_conditionally();
    if guarded && steady.get_opts(location, GetOptions { head: true, ..GetOptions::default() }).await.is_ok() {
        return Err(BlobError::Exists { doing: DOING, at: container.at(location.as_ref()) });
    }
    let mut tries = steady.tries();
    loop {
        let once = steady.complete_once(location, id, ids.clone());
        let tried = if create { CREATE_ONLY.scope((), once).await } else { once.await };
        let error = match tried {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        if tries.ambiguous && !verdict(&error).passing() {
            if let Some(done) = already_there(container, location, size, sum).await {
                return Ok(done);
            }
        }
        let told = container.taken(DOING, location.as_ref(), create, &error);
        if tries.again(error).await.is_err() {
            return Err(told);
        }
    }
}

/// The object, if it is `size` bytes with this CRC.
async fn already_there(container: &Container, location: &Path, size: u64, sum: u32) -> Option<PutResult> {
    let meta = container.stat(location.as_ref()).await.ok().filter(|meta| meta.size == size)?;
    let reader = container.reader_of(meta.clone(), crate::ReadOptions::default()).ok()?;
    let mut hasher = crc32fast::Hasher::new();
    let mut at = 0;
    while at < size {
        let bytes = reader.read_at(at, 1 << 20).await.ok()?;
        hasher.update(&bytes);
        at += bytes.len() as u64;
    }
    (hasher.finalize() == sum).then_some(PutResult { e_tag: meta.etag, version: None })
}

/// Looks at what was written: its length and version are those of what was sent.
pub(crate) async fn confirm(container: &Container, location: &Path, size: u64, done: PutResult) -> Result<Meta> {
    let found = match container.stat(location.as_ref()).await {
        Ok(found) => found,
        // A credential that may write and not read.
        Err(BlobError::Denied { .. }) => {
            let modified = chrono::Utc::now();
            return Ok(Meta { path: location.to_string(), size, modified, etag: done.e_tag, md5: None });
        }
        Err(other) => return Err(other),
    };
    let same_version = done.e_tag.is_none() || found.etag.is_none() || done.e_tag == found.etag;
    if same_version && found.size != size {
        let detail = format!("{size} bytes were sent and {} are there", found.size);
        return Err(BlobError::Corrupt { doing: DOING, at: container.at(location.as_ref()), detail });
    }
    if same_version {
        return Ok(found);
    }
    // Someone else's version is there by now; ours was complete.
    Ok(Meta { size, etag: done.e_tag, md5: None, ..found })
}

/// For the retry of a whole upload: the parts that were sent are gone.
pub(crate) fn parts_are_gone(error: &BlobError) -> bool {
    matches!(error, BlobError::NotFound { .. })
        || matches!(error, BlobError::Remote { detail, .. } if ["InvalidBlockList", "InvalidPart", "NoSuchUpload", "status 400"].iter().any(|code| detail.contains(code)))
}

/// Used by uploads of files, which share one budget of the process.
pub(crate) fn shared_budget() -> &'static Arc<Budget> {
    static BUDGET: std::sync::OnceLock<Arc<Budget>> = std::sync::OnceLock::new();
    BUDGET.get_or_init(|| Arc::new(Budget::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_five_tebibytes() {
        let all: u128 = (0..10_000).map(|index| u128::from(part_size(index))).sum();
        assert!(all > 5 << 40, "{all}");
        assert!(part_size(9_999) <= 4000 << 20, "Azure's largest block is 4,000 MiB: {}", part_size(9_999));
    }

    #[test]
    fn a_verdict_on_gone_parts() {
        let gone = BlobError::Remote { doing: DOING, at: String::new(), detail: "InvalidBlockList: The specified block list is invalid.".into() };
        assert!(parts_are_gone(&gone));
        assert!(!parts_are_gone(&BlobError::Exists { doing: DOING, at: String::new() }));
    }
}
