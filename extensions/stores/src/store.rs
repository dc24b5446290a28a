//! `ochre::store(url)`: blobs below a URL, read and written by code.
use crate::error::StoreError;
use crate::grants::locate;
use crate::listing::{Blob, Listing};
use crate::places::{container, replaying};
use crate::reader::BlobReader;
use crate::wait::wait;
use crate::writer::BlobWriter;
use crate::{Stores, local};
use bytes::Bytes;
use futures::TryStreamExt;
use ochre_blobs::{Container, Location, Mode, Progress, Scheme, WriteOptions};
use ochre_runtime::{Mime, Show};
use polars::prelude::DataFrame;
use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A container, a bucket, or a folder in one. Made by [`store`]; cheap to clone; paths are relative to its URL.
#[derive(Clone)]
pub struct Store {
    url: Arc<str>,
    /// Found out by the first operation: the kernel may have to be asked what a URL means.
    location: Arc<OnceLock<Result<Location>>>,
}

/// The store at a URL: `az://container@account/path`, `abfss://…`, `s3://bucket/path`, `gs://bucket/path`,
/// `file:///…`, `azureml://datastores/NAME/paths/…`. Nothing is asked before the first operation, which also tells
/// when the URL is wrong.
///
/// ```text
/// let pictures = ochre::store("az://pictures@myaccount/cats");
/// pictures.write("hello.txt", "hello")?;
/// let bytes = pictures.read("hello.txt")?;
/// ```
pub fn store(url: &str) -> Store {
    Store { url: url.into(), location: Arc::default() }
}

impl Store {
    /// Where it is, as it was given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder `path` of this store, as a store.
    pub fn at(&self, path: &str) -> Store {
        match self.location() {
            Ok(location) => {
                let below = location.child(path);
                Store { url: below.to_string().into(), location: Arc::new(OnceLock::from(Ok(below))) }
            }
            Err(error) => Store { url: self.url.clone(), location: Arc::new(OnceLock::from(Err(error))) },
        }
    }

    /// All of a blob, fetched in parallel parts.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        self.run(path, |container, path| async move { Ok(container.read(&path).await?.into()) })
    }

    /// All of a blob as text; bytes that are no UTF-8 are an error.
    pub fn read_text(&self, path: &str) -> Result<String> {
        let bytes = self.read(path)?;
        String::from_utf8(bytes).map_err(|error| {
            let what = format!("reading {}: it is no UTF-8 text (byte {})", self.show_path(path), error.utf8_error().valid_up_to());
            StoreError::refused(crate::Fault::YourCode, what, Some("`.read(path)` gives its bytes".to_owned()))
        })
    }

    /// A part of a blob, in bytes; what lies beyond its end is left out.
    pub fn read_range(&self, path: &str, range: Range<u64>) -> Result<Vec<u8>> {
        self.run(path, |container, path| async move { Ok(container.read_range(&path, range).await?.into()) })
    }

    /// Writes a blob, in place of one that is there. Nothing of it is seen before all of it is there.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.write_bytes(path, bytes.as_ref())
    }

    fn write_bytes(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let bytes = Bytes::copy_from_slice(bytes);
        self.change(path, |container, path| async move { container.write(&path, bytes, Mode::Overwrite).await.map(drop) })
    }

    /// Writes a blob that is not there yet; [`StoreError::is_exists`] when it is.
    pub fn write_new(&self, path: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
        let bytes = Bytes::copy_from_slice(bytes.as_ref());
        self.change(path, |container, path| async move { container.write(&path, bytes, Mode::Create).await.map(drop) })
    }

    /// All blobs below a folder (`""` for all of the store), folders within it included, sorted by path.
    pub fn list(&self, prefix: &str) -> Result<Listing> {
        let base = self.location()?.path;
        self.run(prefix, move |container, path| async move {
            let mut blobs: Vec<Blob> = container.list(&path).map_ok(|meta| Blob::below(&base, meta)).try_collect().await?;
            blobs.sort_by(|a, b| a.path.cmp(&b.path));
            Ok(Listing::new(blobs, Vec::new()))
        })
    }

    /// What is directly in a folder: its blobs, and its folders as names that end with `/`.
    pub fn list_folder(&self, prefix: &str) -> Result<Listing> {
        let base = self.location()?.path;
        self.run(prefix, move |container, path| async move {
            let (metas, folders) = container.list_directory(&path).await?;
            let mut blobs: Vec<Blob> = metas.into_iter().map(|meta| Blob::below(&base, meta)).collect();
            // The name of one blob lists that blob, as `ls` does.
            if blobs.is_empty() && folders.is_empty() && !path.is_empty() {
                blobs.push(Blob::below(&base, container.stat(&path).await?));
            }
            blobs.sort_by(|a, b| a.path.cmp(&b.path));
            let mut folders: Vec<String> = folders.iter().map(|folder| crate::listing::relative(&base, folder)).collect();
            folders.sort();
            Ok(Listing::new(blobs, folders))
        })
    }

    /// What is directly in a folder, as a frame with the columns `name`, `size` (bytes; none for folders) and `time`.
    pub fn frame(&self, prefix: &str) -> Result<DataFrame> {
        self.list_folder(prefix)?.frame()
    }

    /// Size, time and version of a blob.
    pub fn stat(&self, path: &str) -> Result<Blob> {
        let base = self.location()?.path;
        self.run(path, move |container, path| async move { Ok(Blob::below(&base, container.stat(&path).await?)) })
    }

    /// Whether there is a blob of that name.
    pub fn exists(&self, path: &str) -> Result<bool> {
        match self.stat(path) {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens a blob for reading as a file: `Read`, `Seek` and `BufRead`, with what comes next fetched ahead. It
    /// reads the version that was there when it was opened, or fails.
    pub fn open(&self, path: &str) -> Result<BlobReader> {
        self.run(path, |container, path| async move { Ok(BlobReader::new(container.reader(&path, Default::default()).await?)) })
    }

    /// Begins a blob that is written piece by piece (`Write`). It is there, whole, once [`BlobWriter::finish`] has
    /// returned, and not at all when the writer is dropped before.
    pub fn create(&self, path: &str) -> Result<BlobWriter> {
        let shown = self.show_path(path);
        if replaying(&shown) {
            return Ok(BlobWriter::nowhere());
        }
        self.run(path, |container, path| async move { Ok(BlobWriter::new(container.writer(&path, overwriting()).await?)) })
    }

    /// A file on this machine that holds the blob: downloaded once for each of its versions, and kept in a cache that
    /// [`Store::local`] itself bounds. Do not change the file. For `file://` it is the file itself.
    pub fn local(&self, path: &str) -> Result<PathBuf> {
        let at = self.location()?.child(path);
        if at.scheme == Scheme::File {
            return Ok(PathBuf::from(format!("/{}", at.path)));
        }
        self.run(path, move |container, path| async move { local::file(&container, &at, &path).await })
    }

    /// Downloads a blob into a file, which appears when all of it is there.
    pub fn download(&self, path: &str, file: impl AsRef<Path>) -> Result<()> {
        let file = file.as_ref().to_owned();
        self.run(path, |container, path| async move { Ok(container.download(&path, &file, Progress::none()).await.map(drop)?) })
    }

    /// Uploads a file, in parallel parts, in place of a blob that is there.
    pub fn upload(&self, file: impl AsRef<Path>, path: &str) -> Result<()> {
        let file = file.as_ref().to_owned();
        self.change(path, |container, path| async move { container.upload(&file, &path, Progress::none(), Mode::Overwrite).await.map(drop) })
    }

    /// Deletes a blob; one that is not there is an error.
    pub fn delete(&self, path: &str) -> Result<()> {
        self.change(path, |container, path| async move { container.delete(&path).await })
    }

    /// Copies a blob within the store, without its bytes coming here, in place of one that is there.
    pub fn copy(&self, from: &str, to: &str) -> Result<()> {
        let to = self.location()?.child(to).path;
        self.change(from, |container, from| async move { container.copy(&from, &to, Mode::Overwrite).await })
    }

    /// The whole URL of a path, as other calls and polars take it.
    pub fn url_of(&self, path: &str) -> Result<String> {
        Ok(self.location()?.child(path).to_string())
    }

    fn location(&self) -> Result<Location> {
        if let Some(Ok(location)) = self.location.get() {
            return Ok(location.clone());
        }
        let found = locate(&self.url);
        // What was refused may be granted later, when an account has been named.
        if found.is_ok() {
            let _ = self.location.set(found.clone());
        }
        found
    }

    fn show_path(&self, path: &str) -> String {
        self.location().map_or_else(|_| format!("{}/{path}", self.url.trim_end_matches('/')), |location| location.child(path).to_string())
    }

    /// Runs an operation on a path of the container.
    fn run<T, F>(&self, path: &str, operation: impl FnOnce(Container, String) -> F + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        let at = self.location()?.child(path);
        wait(async move { operation(container(&at).await?, at.path).await })
    }

    /// The same for operations that change something: not done while `%recover` replays.
    fn change<F>(&self, path: &str, operation: impl FnOnce(Container, String) -> F + Send + 'static) -> Result<()>
    where
        F: Future<Output = ochre_blobs::Result<()>> + Send,
    {
        if replaying(&self.show_path(path)) {
            return Ok(());
        }
        self.run(path, |container, path| async move { Ok(operation(container, path).await?) })
    }
}

fn overwriting() -> WriteOptions {
    WriteOptions { mode: Mode::Overwrite, ..WriteOptions::default() }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "store({:?})", &*self.url)
    }
}

impl Show<Stores> for Store {
    fn show(&self) -> Mime {
        let place = self.location.get().and_then(|l| l.as_ref().ok()).map_or_else(|| self.url.to_string(), Location::to_string);
        ochre_runtime::text(format!("store {place}\n  .frame(\"\") lists it; .read(path), .write(path, bytes), .open(path), .local(path), .list(prefix)"))
    }
}
