//! The first way: a file system of our own through `/dev/fuse`, mounted directly (root, or root of a user namespace) or by `fusermount3`.
//!
//! ```text
//! program ── kernel ── fuser's threads (filesystem.rs) ── tasks ── Core (core.rs, change.rs) ── Tree, Small, Reader, Writing ── Container
//! ```

mod change;
mod core;
mod errno;
mod filesystem;
mod inodes;
mod limit;
pub(crate) mod program;
mod small;
mod watch;
mod writing;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fuser::{BackgroundSession, Config, MountOption, Session};
use ochre_blobs::{Budget, Cache, ReadOptions};

use self::core::{Core, Rights, Warn};
use self::filesystem::Mounted;
use self::limit::Limits;
use self::watch::Watch;
use crate::config::CLOSE_LIMIT;
use crate::way::{Attached, Request, Way};
use crate::{MountError, WayName, mounts};

/// Threads that read the kernel's messages. They never wait, so two keep one from waiting for the other's copy.
const THREADS: usize = 2;
/// How often it is looked whether somebody has unmounted the directory.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long the session's threads may take to end after the unmount; they wait for programs that still have files open.
const THREADS_END: Duration = Duration::from_millis(500);

/// A file system of our own.
pub struct Fuse {
    warn: Warn,
}

impl Fuse {
    /// `warn` is told what no program can be told.
    #[must_use]
    pub fn new(warn: Arc<dyn Fn(String) + Send + Sync>) -> Self {
        Self { warn }
    }
}

#[async_trait]
impl Way for Fuse {
    fn name(&self) -> WayName {
        WayName::Fuse
    }

    fn probe(&self) -> Result<(), String> {
        if let Err(error) = std::fs::File::options().read(true).write(true).open("/dev/fuse") {
            return Err(format!("/dev/fuse cannot be opened ({})", reason(&error)));
        }
        if may_mount() || fusermount().is_some() {
            return Ok(());
        }
        Err("mounting needs root, a user namespace or the program fusermount3 (package fuse3)".to_owned())
    }

    async fn attach(&self, request: Request) -> Result<Box<dyn Attached>, MountError> {
        let config = request.config.clone();
        let rights = Rights {
            write: !config.read_only,
            overwrite: config.overwrite && !config.read_only,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        };
        let cache = config.cache_directory.as_deref().filter(|_| config.cache > 0).map(|directory| Cache::open(directory, config.cache));
        let cache = cache.transpose().map_err(|error| MountError::Store(error.to_string()))?;
        let read = ReadOptions { budget: Budget::new(config.budget), cache, ..ReadOptions::default() };
        let limits = Limits::new(config.answer_limit(), CLOSE_LIMIT);
        let core = Core::new(request.container, &request.root, config.names_ttl(), limits, rights, read, self.warn.clone());
        let core = Arc::new(core);
        let watch = Watch::start().map_err(|source| MountError::System { doing: "starting a thread", source })?;
        let mounted = Mounted { core: core.clone(), runtime: tokio::runtime::Handle::current(), watch };
        let (directory, options) = (config.directory.clone(), options(&config.location, rights.write));
        let session = tokio::task::spawn_blocking(move || Session::new(mounted, &directory, &options)?.spawn());
        let session = session.await.map_err(std::io::Error::other).flatten();
        let session = session.map_err(|source| MountError::System { doing: "mounting", source })?;
        Ok(Box::new(Mount { core, session, directory: config.directory.clone() }))
    }
}

fn options(location: &str, write: bool) -> Config {
    let mut options = Config::default();
    options.mount_options = vec![
        MountOption::FSName(mounts::source(location)),
        MountOption::Subtype("ochre".to_owned()),
        MountOption::DefaultPermissions,
        MountOption::NoSuid,
        MountOption::NoDev,
        MountOption::NoAtime,
        if write { MountOption::RW } else { MountOption::RO },
    ];
    options.n_threads = Some(THREADS);
    options.clone_fd = true;
    options
}

/// Whether this process may call `mount`: `CAP_SYS_ADMIN` in its namespace.
fn may_mount() -> bool {
    const SYS_ADMIN: u64 = 1 << 21;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok());
    effective.is_some_and(|set| set & SYS_ADMIN != 0)
}

/// The program that mounts for users who are not root.
pub(crate) fn fusermount() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::var_os("FUSERMOUNT_PATH").map(PathBuf::from);
    let found = std::env::split_paths(&path).flat_map(|folder| ["fusermount3", "fusermount"].map(|name| folder.join(name)));
    named.into_iter().chain(found).chain([PathBuf::from("/bin/fusermount3")]).find(|program| program.is_file())
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "it is not there".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

struct Mount {
    core: Arc<Core>,
    session: BackgroundSession,
    directory: PathBuf,
}

#[async_trait]
impl Attached for Mount {
    async fn ended(&mut self) {
        while !self.session.guard.is_finished() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn detach(self: Box<Self>, limit: Duration) -> Result<(), MountError> {
        let Self { core, session, directory } = *self;
        let lost = core.finish_writes(limit).await;
        let unmounted = if session.guard.is_finished() { Ok(()) } else { unmount(&directory).await };
        let deadline = tokio::time::Instant::now() + THREADS_END;
        while !session.guard.is_finished() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Dropping it would unmount the path a second time, where another mount may be by now.
        std::mem::forget(session);
        unmounted?;
        if lost.is_empty() {
            return Ok(());
        }
        Err(MountError::Store(format!("files that were still being written were given up: {}", lost.join(", "))))
    }
}

/// Takes the mount away from the tree of files; files that are open stay until they are closed or this process ends.
async fn unmount(directory: &Path) -> Result<(), MountError> {
    let directory = directory.to_owned();
    let result = tokio::task::spawn_blocking(move || mounts::detach(&directory)).await.map_err(std::io::Error::other).flatten();
    result.map_err(|source| MountError::System { doing: "unmounting", source })
}
