//! A store that fails as networks and services do, by a seed: errors before, during and after a request, delays, bodies that break off, and versions
//! that change under a reader. Tests wrap a good store in it; what passes on the good one must pass here for faults that can be survived.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartId, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};

use crate::error::Ours;
use crate::memory::Memory;

/// How often what fails, in thousandths.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// 503 before anything is done.
    pub throttled: u32,
    /// The connection breaks before anything is done.
    pub broken: u32,
    /// The request is carried out and its answer lost.
    pub lost: u32,
    /// A body ends early: with an error, or (every other time) as if it were complete.
    pub truncated: u32,
    /// A wait of up to 20 ms before an answer.
    pub slow: u32,
    /// Silence of an hour in place of an answer.
    pub silent: u32,
}

impl Faults {
    /// What services do on a bad day; all of it can be survived.
    pub const BAD_DAY: Self = Self { throttled: 40, broken: 40, lost: 20, truncated: 120, slow: 50, silent: 0 };
}

/// A store in memory that fails now and then.
#[derive(Debug, Clone)]
pub struct Faulty {
    inner: Arc<InMemory>,
    parts: Arc<Memory>,
    faults: Faults,
    /// State of the generator (splitmix64).
    seed: Arc<AtomicU64>,
    injected: Arc<AtomicU64>,
}

impl Faulty {
    /// An empty store whose failures follow `seed`. Tasks that run at once draw in the order in which they come.
    #[must_use]
    pub fn new(seed: u64, faults: Faults) -> Self {
        let parts = Arc::new(Memory::default());
        Self { inner: parts.objects(), parts, faults, seed: Arc::new(AtomicU64::new(seed)), injected: Arc::default() }
    }

    /// The store without failures.
    #[must_use]
    pub fn good(&self) -> Arc<InMemory> {
        Arc::clone(&self.inner)
    }

    /// Failures so far.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.injected.load(Ordering::Relaxed)
    }

    fn draw(&self) -> u64 {
        let mut z = self.seed.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn happens(&self, thousandths: u32) -> bool {
        let happens = self.draw() % 1000 < u64::from(thousandths);
        self.injected.fetch_add(u64::from(happens), Ordering::Relaxed);
        happens
    }

    async fn before(&self) -> object_store::Result<()> {
        if self.happens(self.faults.slow) {
            tokio::time::sleep(Duration::from_millis(self.draw() % 20)).await;
        }
        if self.happens(self.faults.silent) {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        if self.happens(self.faults.throttled) {
            return Err(Ours::Status(503).into_store());
        }
        if self.happens(self.faults.broken) {
            return Err(Ours::Status(500).into_store());
        }
        Ok(())
    }

    fn after<T>(&self, done: object_store::Result<T>) -> object_store::Result<T> {
        if done.is_ok() && self.happens(self.faults.lost) { Err(Ours::Status(500).into_store()) } else { done }
    }

    async fn body(&self, found: GetResult) -> object_store::Result<GetResult> {
        if !self.happens(self.faults.truncated) {
            return Ok(found);
        }
        let (meta, range, attributes) = (found.meta.clone(), found.range.clone(), found.attributes.clone());
        let bytes = found.bytes().await?;
        let until = (self.draw() % (bytes.len() as u64 + 1)) as usize;
        let half = bytes.slice(..until / 2);
        let rest = bytes.slice(until / 2..until);
        let mut pieces: Vec<object_store::Result<Bytes>> = vec![Ok(half), Ok(rest)];
        if self.draw() % 2 == 0 {
            pieces.push(Err(Ours::Status(500).into_store()));
        }
        Ok(GetResult { payload: GetResultPayload::Stream(stream::iter(pieces).boxed()), meta, range, attributes })
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Faulty({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> object_store::Result<PutResult> {
        self.before().await?;
        self.after(self.inner.put_opts(location, payload, options).await)
    }

    async fn put_multipart_opts(&self, location: &Path, options: PutMultipartOptions) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.before().await?;
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.before().await?;
        let head = options.head;
        let found = self.inner.get_opts(location, options).await?;
        if head { Ok(found) } else { self.body(found).await }
    }

    fn delete_stream(&self, locations: BoxStream<'static, object_store::Result<Path>>) -> BoxStream<'static, object_store::Result<Path>> {
        let this = self.clone();
        locations
            .then(move |path| {
                let this = this.clone();
                async move {
                    let path = path?;
                    this.before().await?;
                    this.after(this.inner.delete(&path).await)?;
                    Ok(path)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let this = self.clone();
        let names = self.inner.list(prefix);
        names.then(move |meta| { let this = this.clone(); async move { if this.happens(this.faults.broken / 4) { Err(Ours::Status(500).into_store()) } else { meta } } }).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.before().await?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        if options.mode == CopyMode::Overwrite {
            self.before().await?;
        }
        self.inner.copy_opts(from, to, options).await
    }
}

#[async_trait]
impl MultipartStore for Faulty {
    async fn create_multipart(&self, path: &Path) -> object_store::Result<MultipartId> {
        self.before().await?;
        self.parts.create_multipart(path).await
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, index: usize, data: PutPayload) -> object_store::Result<PartId> {
        self.before().await?;
        self.after(self.parts.put_part(path, id, index, data).await)
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, parts: Vec<PartId>) -> object_store::Result<PutResult> {
        self.before().await?;
        self.after(self.parts.complete_multipart(path, id, parts).await)
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> object_store::Result<()> {
        self.before().await?;
        self.parts.abort_multipart(path, id).await
    }
}
