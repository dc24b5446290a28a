//! The last way, where nothing else works: the location is copied into the directory, and what changes there is sent back.
//!
//! ```text
//! attach: list, fetch all (within a bound)          every second, and at the end: what is new or changed here goes to the store
//! ```
//! A file is sent when nobody writes it any more, from a copy of it, and so in full or not at all. A copy: what changes in the store later is not seen. Nothing is ever overwritten that is not the version that was fetched: the file here is put aside
//! then, under another name, and the user is told.

mod changes;

use std::collections::HashSet;
use std::fs::{self, FileTimes};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use ochre_blobs::{BlobError, Container, Meta, Progress};
use tokio::task::JoinHandle;

use self::changes::{Changes, Place};
use crate::seccomp::state;
use crate::tree::Entry;
use crate::way::{Attached, Request, Way};
use crate::{MountError, WayName, names};

/// Bytes that are copied at most, unless `--cache` says another bound: minutes on a slow line, and what a disk has free.
const ROOM: u64 = 2 << 30;
/// Files that are fetched at the same time; each is fetched in parallel parts itself.
const FILES_AT_ONCE: usize = 8;
/// How often the directory is looked through.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long all may take to come here: the kernel waits 90 s for a mount.
const FETCH_LIMIT: Duration = Duration::from_secs(75);
/// How long sending the rest may take at the end: the kernel waits 20 s for it. What is not sent then stays, for the next mount.
const SEND_LIMIT: Duration = Duration::from_secs(15);

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
        let (metas, odd) = listed(&request, &directory).await?;
        let left = state::left(&directory, &config.location);
        let journal = state::make(&directory, &config.location).map_err(system("making the folder's state"))?;
        let (container, root, overwrite) = (request.container.clone(), request.root.clone(), config.overwrite && !config.read_only);
        let place = Place { directory: directory.clone(), copy: state::staging(&directory).join("sending"), container, root, overwrite };
        let mut changes = Changes::new(place, self.warn.clone(), journal).map_err(system("looking at the directory"))?;
        if odd > 0 {
            changes.tell("", &format!("lacks the files of {odd} folders that hold keys which are no paths: `ochre::store` reads them"));
        }
        let fetching = async {
            let metas = match left {
                Some(left) => changes.resume(left, metas).await,
                None => metas,
            };
            fetch_all(&request, &directory, metas, &mut changes).await
        };
        let late = || format!("copying it took longer than {} s: mount a folder of it", FETCH_LIMIT.as_secs());
        let fetched = tokio::time::timeout(FETCH_LIMIT, fetching).await.unwrap_or_else(|_| Err(MountError::Directory { directory: directory.clone(), reason: late() }));
        if let Err(error) = fetched {
            if changes.clear() == 0 {
                state::remove(&directory);
            }
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

/// All objects of the location, if they are not too large together, and how many folders could not be listed.
async fn listed(request: &Request, directory: &Path) -> Result<(Vec<(String, Meta)>, usize), MountError> {
    let room = if request.config.cache > 0 { request.config.cache } else { ROOM };
    let store = |error: BlobError| MountError::Store(error.to_string());
    let mut metas = Vec::new();
    let mut objects = request.container.list(&request.root);
    let mut odd = false;
    while let Some(meta) = objects.next().await {
        match meta {
            Ok(meta) => metas.push(meta),
            Err(BlobError::BadLocation { .. }) => {
                odd = true;
                break;
            }
            Err(error) => return Err(store(error)),
        }
    }
    let mut unlisted = 0;
    if odd {
        // Folder by folder: only those that hold such keys are left out.
        metas.clear();
        let mut folders = vec![request.root.clone()];
        while let Some(folder) = folders.pop() {
            match request.container.list_directory(&folder).await {
                Ok((files, below)) => {
                    metas.extend(files);
                    folders.extend(below.into_iter().map(|below| below.trim_end_matches('/').to_owned()));
                }
                Err(BlobError::BadLocation { .. }) => unlisted += 1,
                Err(error) => return Err(store(error)),
            }
        }
    }
    let within = |meta: &Meta| if request.root.is_empty() { Some(meta.path.clone()) } else { meta.path.strip_prefix(&format!("{}/", request.root)).map(str::to_owned) };
    let usable = |path: &String| path.split('/').all(names::usable);
    let mut metas: Vec<(String, Meta)> = metas.into_iter().filter_map(|meta| Some((within(&meta).filter(usable)?, meta))).collect();
    // A directory hides a file of the same name.
    let directories: HashSet<String> = metas.iter().flat_map(|(path, _)| path.match_indices('/').map(|(at, _)| path[..at].to_owned())).collect();
    metas.retain(|(path, _)| !directories.contains(path));
    let size: u64 = metas.iter().map(|(_, meta)| meta.size).sum();
    if size > room {
        let reason =
            format!("{} holds more than the {} MB that a synced folder takes here: mount a folder of it, or raise the bound with `--cache SIZE`", request.config.location, room / 1_000_000);
        return Err(MountError::Directory { directory: directory.to_owned(), reason });
    }
    Ok((metas, unlisted))
}

/// Fetches all files; each is there in full or not at all.
async fn fetch_all(request: &Request, directory: &Path, metas: Vec<(String, Meta)>, changes: &mut Changes) -> Result<(), MountError> {
    for (path, _) in &metas {
        changes.make_directory(names::split(path).0).map_err(|source| MountError::System { doing: "making a directory", source })?;
        changes.fetching(path);
    }
    let fetched = futures::stream::iter(metas).map(|(path, meta)| {
        let (container, file, read_only) = (request.container.clone(), directory.join(&path), request.config.read_only);
        async move { fetch(&container, &meta.path, &file, read_only).await.map(|meta| (path, meta)) }
    });
    let mut fetched = fetched.buffer_unordered(FILES_AT_ONCE);
    let mut first_error = None;
    while let Some(one) = fetched.next().await {
        match one {
            Ok((path, meta)) => changes.fetched(&path, &meta),
            // It was deleted meanwhile.
            Err(BlobError::NotFound { .. }) => {}
            Err(error) => drop(first_error.get_or_insert(error)),
        }
    }
    first_error.map_or(Ok(()), |error| Err(MountError::Store(error.to_string())))
}

/// One file, with the time that it has in the store.
async fn fetch(container: &Container, key: &str, file: &Path, read_only: bool) -> Result<Meta, BlobError> {
    let meta = container.download(key, file, Progress::none()).await?;
    let modified = Entry::file(&meta).modified;
    let done = fs::File::options().write(true).open(file).and_then(|file| file.set_times(FileTimes::new().set_modified(modified)));
    let done = done.and_then(|()| if read_only { fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o444)) } else { Ok(()) });
    done.map_err(|error| BlobError::Internal { doing: "placing", at: file.display().to_string(), detail: error.to_string() })?;
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

    async fn detach(self: Box<Self>, limit: Duration) -> Result<(), MountError> {
        if let Some(looking) = &self.looking {
            looking.abort();
        }
        let mut changes = self.changes.lock().await;
        if self.looking.is_some() {
            let began = tokio::time::Instant::now();
            let rest = async {
                // What was changed just now is looked at twice; what is being written has some time to be closed.
                while changes.send(true).await > 0 && began.elapsed() < limit {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            };
            let _ = tokio::time::timeout(SEND_LIMIT, rest).await;
        }
        let left = changes.clear();
        if left == 0 {
            state::remove(&self.directory);
            return Ok(());
        }
        Err(MountError::Store(format!("{} holds {left} files that are not in the store; they stay there, and the next mount of it there goes on", self.directory.display())))
    }
}
