//! The last way, where nothing else works: the location is copied into the directory, and what changes there is sent back.
//!
//! ```text
//! attach: list, fetch all (within a bound)          every second, and at the end: what is new or changed here goes to the store
//! ```
//! A copy: what changes in the store later is not seen. Nothing is ever overwritten that is not the version that was fetched: the file here is put aside
//! then, under another name, and the user is told.

mod changes;

use std::fs::{self, FileTimes};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use ochre_blobs::{Container, Meta, Progress};
use tokio::task::JoinHandle;

use self::changes::{Changes, Fetched};
use crate::seccomp::state::{self, Journal};
use crate::tree::Entry;
use crate::way::{Attached, Request, Way};
use crate::{MountError, WayName, names};

/// Bytes that are copied at most, unless `--cache` says another bound: minutes on a slow line, and what a disk has free.
const ROOM: u64 = 2 << 30;
/// Files that are fetched at the same time; each is fetched in parallel parts itself.
const FILES_AT_ONCE: usize = 8;
/// How often the directory is looked through.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is said of files that no program can be told of.
type Warn = Arc<dyn Fn(String) + Send + Sync>;

/// A folder that is copied there and back.
pub struct Synced {
    warn: Warn,
}

impl Synced {
    /// `warn` is told what no program can be told.
    #[must_use]
    pub fn new(warn: Arc<dyn Fn(String) + Send + Sync>) -> Self {
        Self { warn }
    }
}

#[async_trait]
impl Way for Synced {
    fn name(&self) -> WayName {
        WayName::Synced
    }

    fn probe(&self) -> Result<(), String> {
        Ok(())
    }

    async fn attach(&self, request: Request) -> Result<Box<dyn Attached>, MountError> {
        let system = |doing: &'static str| move |source| MountError::System { doing, source };
        let config = &request.config;
        let directory = config.directory.canonicalize().map_err(system("looking at the directory"))?;
        let metas = listed(&request, &directory).await?;
        let journal = state::make(&directory, &config.location).map_err(system("making the folder's state"))?;
        let mut changes = Changes::new(directory.clone(), request.container.clone(), request.root.clone(), config.overwrite, self.warn.clone(), journal);
        if let Err(error) = fetch_all(&request, &directory, metas, &mut changes).await {
            changes.clear();
            state::remove(&directory);
            return Err(error);
        }
        let changes = Arc::new(tokio::sync::Mutex::new(changes));
        let looking = (!config.read_only).then(|| {
            let changes = changes.clone();
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(LOOK_EVERY).await;
                    changes.lock().await.send(false).await;
                }
            })
        });
        Ok(Box::new(Folder { directory, changes, looking }))
    }
}

/// All objects of the location, if they are not too large together.
async fn listed(request: &Request, directory: &Path) -> Result<Vec<(String, Meta)>, MountError> {
    let room = if request.config.cache > 0 { request.config.cache } else { ROOM };
    let mut objects = request.container.list(&request.root);
    let (mut metas, mut size) = (Vec::new(), 0u64);
    while let Some(meta) = objects.try_next().await.map_err(|error| MountError::Store(error.to_string()))? {
        let path = if request.root.is_empty() { Some(meta.path.as_str()) } else { meta.path.strip_prefix(&format!("{}/", request.root)) };
        let Some(path) = path.filter(|path| path.split('/').all(names::usable)).map(str::to_owned) else { continue };
        size += meta.size;
        if size > room {
            let reason = format!("{} holds more than the {} MB that a synced folder takes here: mount a folder of it, or raise the bound with `--cache SIZE`", request.config.location, room / 1_000_000);
            return Err(MountError::Directory { directory: directory.to_owned(), reason });
        }
        metas.push((path, meta));
    }
    Ok(metas)
}

/// Fetches all files; each is there in full or not at all.
async fn fetch_all(request: &Request, directory: &Path, metas: Vec<(String, Meta)>, changes: &mut Changes) -> Result<(), MountError> {
    for (path, _) in &metas {
        changes.make_directory(names::split(path).0).map_err(|source| MountError::System { doing: "making a directory", source })?;
    }
    let fetched = futures::stream::iter(metas).map(|(path, meta)| {
        let (container, file, read_only) = (request.container.clone(), directory.join(&path), request.config.read_only);
        async move { fetch(&container, &meta.path, &file, read_only).await.map(|meta| (path, meta)) }
    });
    let mut fetched = fetched.buffer_unordered(FILES_AT_ONCE);
    let mut first_error = None;
    while let Some(one) = fetched.next().await {
        match one {
            Ok((path, meta)) => changes.fetched(&path, Fetched { etag: meta.etag.clone(), size: meta.size, modified: meta.modified.into() }),
            Err(error) => drop(first_error.get_or_insert(error)),
        }
    }
    first_error.map_or(Ok(()), |error| Err(MountError::Store(error)))
}

/// One file, with the time that it has in the store.
async fn fetch(container: &Container, key: &str, file: &Path, read_only: bool) -> Result<Meta, String> {
    let meta = container.download(key, file, Progress::none()).await.map_err(|error| error.to_string())?;
    let modified = Entry::file(&meta).modified;
    let done = fs::File::options().write(true).open(file).and_then(|file| file.set_times(FileTimes::new().set_modified(modified)));
    let done = done.and_then(|()| if read_only { fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o444)) } else { Ok(()) });
    done.map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(meta)
}

struct Folder {
    directory: PathBuf,
    changes: Arc<tokio::sync::Mutex<Changes>>,
    looking: Option<JoinHandle<()>>,
}

#[async_trait]
impl Attached for Folder {
    async fn ended(&mut self) {
        std::future::pending().await
    }

    async fn detach(self: Box<Self>, _limit: Duration) -> Result<(), MountError> {
        let mut changes = self.changes.lock().await;
        if let Some(looking) = &self.looking {
            looking.abort();
            changes.send(true).await;
        }
        let left = changes.clear();
        state::remove(&self.directory);
        if left == 0 {
            return Ok(());
        }
        Err(MountError::Store(format!("{} holds {left} files that are not in the store; they stay there", self.directory.display())))
    }
}

/// Notes what was made here, for a mount that finds it when this process was killed.
fn note(journal: &mut Journal, path: &str, fetched: &Fetched) {
    journal.file(path, fetched.size, fetched.modified);
}
