//! One container (or bucket, or directory) of one account: the operations that magics, mounts and cells are made of. Whatever leaves here has been
//! tried as often as it is worth, and fails with a [`BlobError`] that names the operation and the location.

use std::fmt;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{BoxStream, StreamExt};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{Attribute, CopyMode, CopyOptions, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use crate::error::{Verdict, verdict};
use crate::http::WHOLE_MD5;
use crate::open::{self, Raw};
use crate::engine::Engine;
use crate::renewal::Renewal;
use crate::steady::{Patience, Steady};
use crate::{BlobError, Grants, Location, ReadOptions, Reader, Result, Scheme, WriteOptions, Writer};

/// What is known of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Within the container, without a leading `/`.
    pub path: String,
    /// In bytes.
    pub size: u64,
    pub modified: DateTime<Utc>,
    /// Changes whenever the content does.
    pub etag: Option<String>,
    /// The MD5 of the content in hexadecimal, where the service has one. Listings do not tell it.
    pub md5: Option<String>,
}

impl Meta {
    pub(crate) fn of(meta: ObjectMeta) -> Self {
        Self { path: meta.location.to_string(), size: meta.size, modified: meta.last_modified, etag: meta.e_tag, md5: None }
    }
}

/// What happens when the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// [`BlobError::Exists`]; of several writers at once one succeeds.
    #[default]
    Create,
    /// The new object takes its place at once.
    Overwrite,
}

/// Hears how far a transfer is: bytes done, bytes in all. Called from any thread, at most once per part.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<dyn Fn(u64, u64) + Send + Sync>>);

impl Progress {
    /// Nobody listens.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// `hear(done, total)`, in bytes.
    pub fn new(hear: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    pub(crate) fn say(&self, done: u64, total: u64) {
        if let Some(hear) = &self.0 {
            hear(done, total);
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Progress({})", if self.0.is_some() { "…" } else { "none" })
    }
}

/// An open container. Clones share its connections, credential and what was learnt about its speed.
#[derive(Clone)]
pub struct Container {
    inner: Arc<Inner>,
}

struct Inner {
    steady: Steady,
    location: Location,
    raw: Raw,
    engine: Arc<Engine>,
    sending: Arc<Engine>,
}

impl fmt::Debug for Container {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Container({})", self.inner.location)
    }
}

impl Container {
    /// Opens the container of `location`, whose path does not matter. No request is made but those that a grant needs.
    ///
    /// # Errors
    /// What [`Grants::grant`] reports; [`BlobError::BadCredential`] for one that is not of this service; [`BlobError::BadLocation`] without account.
    pub async fn open(location: &Location, grants: Arc<dyn Grants>) -> Result<Self> {
        Self::open_with(location, grants, Patience::USUAL).await
    }

    /// The same with other time bounds.
    ///
    /// # Errors
    /// As [`Container::open`].
    pub async fn open_with(location: &Location, grants: Arc<dyn Grants>, patience: Patience) -> Result<Self> {
        let root = if location.scheme == Scheme::File { location.clone() } else { location.root() };
        let renewal = Arc::new(Renewal::new(grants, root.clone()));
        let opened = open::open(&root, renewal).await?;
        let steady = Steady::new(opened.store, opened.parts, opened.renewal, patience);
        let steady = if root.scheme == Scheme::Gcs { steady.with_swapped_copies() } else { steady };
        Ok(Self::of(steady, root.root(), opened.raw))
    }

    /// A container over any store, for tests. Uploads in parts that break are not resumed, since the store has no numbers for them.
    #[must_use]
    pub fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self::over_with(store, None, Patience::USUAL)
    }

    /// A container over a store with numbered parts, and its time bounds.
    #[must_use]
    pub fn over_with(store: Arc<dyn ObjectStore>, parts: Option<Arc<dyn MultipartStore>>, patience: Patience) -> Self {
        let location = Location { scheme: Scheme::Memory, account: None, container: "test".to_owned(), path: String::new() };
        Self::of(Steady::new(store, parts, None, patience), location, Raw::There)
    }

    fn of(steady: Steady, location: Location, raw: Raw) -> Self {
        let (engine, sending) = (Engine::new(Arc::clone(&steady.pressure)), Engine::new(Arc::clone(&steady.pressure)));
        Self { inner: Arc::new(Inner { steady, location, raw, engine, sending }) }
    }

    /// The container itself, as a location.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.inner.location
    }

    /// The store beneath, with the same time bounds, retries and renewed credentials.
    #[must_use]
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::new(self.inner.steady.clone())
    }

    pub(crate) fn steady(&self) -> &Steady {
        &self.inner.steady
    }

    /// How many parts may be in flight towards us now, as far as was learnt.
    #[must_use]
    pub fn concurrency(&self) -> usize {
        self.inner.engine.limit()
    }

    /// The parts in flight towards us.
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.inner.engine
    }

    /// The parts in flight from us.
    pub(crate) fn sending(&self) -> &Arc<Engine> {
        &self.inner.sending
    }

    /// Whether an MD5 that differs proves anything. S3's ETag is one by custom only.
    pub(crate) fn trusts_md5(&self) -> bool {
        self.inner.location.scheme != Scheme::S3
    }

    /// Whether the completion of an upload in parts can be made to fail if the name is taken; elsewhere a look just before has to do.
    pub(crate) fn completes_conditionally(&self) -> bool {
        matches!(self.inner.location.scheme, Scheme::Azure | Scheme::S3 | Scheme::Memory)
    }

    pub(crate) fn internal(&self, doing: &'static str, path: &str, detail: &str) -> BlobError {
        BlobError::Internal { doing, at: self.at(path), detail: detail.to_owned() }
    }

    pub(crate) fn raw(&self) -> &Raw {
        &self.inner.raw
    }

    /// The error of an operation on `path`.
    pub(crate) fn failed(&self, doing: &'static str, path: &str, error: &object_store::Error) -> BlobError {
        BlobError::of_store(doing, self.at(path), error)
    }

    pub(crate) fn at(&self, path: &str) -> String {
        self.inner.location.with_path(path).to_string()
    }

    /// `path` as object_store has it.
    pub(crate) fn path(&self, path: &str) -> Result<Path> {
        Path::parse(path.trim_matches('/')).map_err(|_| BlobError::BadLocation {
            url: self.at(path),
            why: "a part of its path is empty, `.`, `..` or has control characters".to_owned(),
            hint: None,
        })
    }

    /// Size, time and version of the object at `path`.
    ///
    /// # Errors
    /// [`BlobError::NotFound`] also for what is only a folder.
    pub async fn stat(&self, path: &str) -> Result<Meta> {
        let location = self.path(path)?;
        let options = GetOptions { head: true, ..GetOptions::default() };
        let found = self.steady().get_opts(&location, options).await.map_err(|e| self.failed("looking at", path, &e))?;
        let md5 = found.attributes.get(&Attribute::Metadata(WHOLE_MD5.into())).map(|sum| sum.to_string());
        Ok(Meta { md5, ..Meta::of(found.meta) })
    }

    /// Every object below `prefix` (a folder; empty for all), in the order of names where the service has one.
    pub fn list(&self, prefix: &str) -> BoxStream<'static, Result<Meta>> {
        let this = self.clone();
        let prefix = match self.path(prefix) {
            Ok(prefix) => prefix,
            Err(error) => return futures::stream::once(std::future::ready(Err(error))).boxed(),
        };
        let shown = prefix.to_string();
        let root = prefix.as_ref().is_empty();
        self.steady()
            .list((!root).then_some(&prefix))
            .map(move |found| found.map(Meta::of).map_err(|error| this.failed("listing", &shown, &error)))
            .boxed()
    }

    /// The objects in the folder `prefix` and the names of the folders in it (paths within the container).
    ///
    /// # Errors
    /// [`BlobError::NotFound`] when the container is not there; a folder that is not there is empty.
    pub async fn list_directory(&self, prefix: &str) -> Result<(Vec<Meta>, Vec<String>)> {
        let path = self.path(prefix)?;
        let prefix_of = (!path.as_ref().is_empty()).then_some(&path);
        let found = self.steady().list_with_delimiter(prefix_of).await.map_err(|e| self.failed("listing", prefix, &e))?;
        let folders = found.common_prefixes.iter().map(ToString::to_string).collect();
        // The marker of the folder itself, as some tools leave them, is no entry of it.
        let objects = found.objects.into_iter().filter(|meta| meta.location != path).map(Meta::of).collect();
        Ok((objects, folders))
    }

    /// The whole object, fetched in parallel parts of one version.
    ///
    /// # Errors
    /// As [`BlobError`] says; never a part of it.
    pub async fn read(&self, path: &str) -> Result<Bytes> {
        crate::parts::read_whole(self, path).await
    }

    /// The bytes of `range`, which ends at the object's end where it is longer.
    ///
    /// # Errors
    /// As [`BlobError`] says.
    pub async fn read_range(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        if range.end - range.start > crate::parts::PART {
            let reader = self.reader(path, ReadOptions::default()).await?;
            let end = range.end.min(reader.meta().size);
            let length = end.saturating_sub(range.start);
            return reader.read_at(range.start, usize::try_from(length).unwrap_or(usize::MAX)).await;
        }
        let location = self.path(path)?;
        match self.steady().get_range(&location, range.clone()).await {
            Ok(bytes) => Ok(bytes),
            // What begins at or after the end is empty; services and stores word that differently.
            Err(error) => match self.stat(path).await {
                Ok(meta) if range.start >= meta.size => Ok(Bytes::new()),
                Ok(_) => Err(self.failed("reading", path, &error)),
                Err(missing) => Err(missing),
            },
        }
    }

    /// Writes a whole object: visible in full or not at all.
    ///
    /// # Errors
    /// [`BlobError::Exists`] for [`Mode::Create`] and a taken name.
    pub async fn write(&self, path: &str, bytes: Bytes, mode: Mode) -> Result<Meta> {
        if bytes.len() as u64 > crate::writer::ONE_PUT {
            let mut writer = self.writer(path, WriteOptions { mode, ..WriteOptions::default() }).await?;
            return match writer.write(bytes).await {
                Ok(()) => writer.finish().await,
                Err(error) => {
                    writer.abort().await;
                    Err(error)
                }
            };
        }
        self.put(path, bytes, mode).await
    }

    /// One put.
    pub(crate) async fn put(&self, path: &str, bytes: Bytes, mode: Mode) -> Result<Meta> {
        let location = self.path(path)?;
        let size = bytes.len() as u64;
        let mode = match mode {
            Mode::Create => PutMode::Create,
            Mode::Overwrite => PutMode::Overwrite,
        };
        let put = self.steady().put_opts(&location, PutPayload::from_bytes(bytes), mode.clone().into()).await;
        let done = put.map_err(|error| self.taken("writing", path, mode == PutMode::Create, &error))?;
        Ok(Meta { path: location.to_string(), size, modified: Utc::now(), etag: done.e_tag, md5: None })
    }

    /// The error of a write, in which a failed condition of [`Mode::Create`] means that the name is taken.
    pub(crate) fn taken(&self, doing: &'static str, path: &str, create: bool, error: &object_store::Error) -> BlobError {
        if create && matches!(verdict(error), Verdict::Exists | Verdict::Precondition) {
            return BlobError::Exists { doing, at: self.at(path) };
        }
        self.failed(doing, path, error)
    }

    /// Deletes the object at `path`.
    ///
    /// # Errors
    /// [`BlobError::NotFound`] where the service tells (S3 does not).
    pub async fn delete(&self, path: &str) -> Result<()> {
        let location = self.path(path)?;
        self.steady().delete(&location).await.map_err(|e| self.failed("deleting", path, &e))
    }

    /// Copies within the container, on the service's side.
    ///
    /// # Errors
    /// [`BlobError::Exists`] for [`Mode::Create`] and a taken name.
    pub async fn copy(&self, from: &str, to: &str, mode: Mode) -> Result<()> {
        let (source, target) = (self.path(from)?, self.path(to)?);
        let how = match mode {
            Mode::Create => CopyMode::Create,
            Mode::Overwrite => CopyMode::Overwrite,
        };
        match self.steady().copy_opts(&source, &target, CopyOptions::new().with_mode(how)).await {
            Ok(()) => Ok(()),
            Err(error) if verdict(&error) == Verdict::NotFound => Err(self.failed("copying", from, &error)),
            Err(error) => Err(self.taken("copying to", to, mode == Mode::Create, &error)),
        }
    }

    /// Makes the container itself; it may be there already.
    ///
    /// # Errors
    /// [`BlobError::Denied`] with a credential for objects alone, [`BlobError::Unsupported`] for Google's buckets.
    pub async fn create(&self) -> Result<()> {
        crate::make::container(self).await
    }

    /// Opens the object for reading: all bytes are of the version that is there now.
    ///
    /// # Errors
    /// [`BlobError::NotFound`] and those of the service.
    pub async fn reader(&self, path: &str, options: ReadOptions) -> Result<Reader> {
        let meta = self.stat(path).await?;
        Reader::new(self.clone(), meta, options)
    }

    /// Opens a reader for an object that was looked at or listed already; no request is made.
    ///
    /// # Errors
    /// [`BlobError::BadLocation`] for a path that cannot be.
    pub fn reader_of(&self, meta: Meta, options: ReadOptions) -> Result<Reader> {
        Reader::new(self.clone(), meta, options)
    }

    /// Opens `path` for writing; nothing is visible before [`Writer::finish`].
    ///
    /// # Errors
    /// [`BlobError::Exists`] early, where [`Mode::Create`] finds the name taken.
    pub async fn writer(&self, path: &str, options: WriteOptions) -> Result<Writer> {
        Writer::new(self.clone(), path, options).await
    }

    /// Copies the object into `file` in parallel parts. What a cut left behind (`file.ochre-part` and its journal) is used by the next call, also
    /// of another process, as far as it is of the same version. `file` itself appears complete and verified, or not at all.
    ///
    /// # Errors
    /// [`BlobError::Local`] for the file, [`BlobError::Changed`], [`BlobError::Corrupt`] and those of the service.
    pub async fn download(&self, path: &str, file: &FilePath, progress: Progress) -> Result<Meta> {
        crate::download::download(self, path, file, progress).await
    }

    /// Copies `file` to `path` in parallel parts; a cut is resumed as for [`Container::download`] as long as the file has not changed.
    ///
    /// # Errors
    /// [`BlobError::Exists`], [`BlobError::Local`], [`BlobError::Changed`] when the file changed meanwhile, and those of the service.
    pub async fn upload(&self, file: &FilePath, path: &str, progress: Progress, mode: Mode) -> Result<Meta> {
        crate::upload::upload(self, file, path, progress, mode).await
    }
}
