//! The second way, for hosts that forbid FUSE and give no privilege (a container with all capabilities dropped): the directory holds placeholders, and the
//! opens of the worker and of all that cells and commands start are trapped (seccomp user notification), so that a file is there in full before it is read.
//!
//! ```text
//! mount process:  Way::attach --> Shadow (placeholders, filling), Staging (writes), Server on a socket
//! kernel:         Supervisor --program, socket--> worker (installs the filter) --listener--> Supervisor --Ask--> Server
//!                 ochre trapped SOCKET COMMAND… (`run_trapped`): the same for commands
//! ```
//! Reads of a file that is there are the system's own. What is not under the filter (other programs of this user) sees names, sizes and times, can read
//! what was opened before, and gets `EACCES` (root: zeroes) for the rest.

mod ask;
mod calls;
mod probe;
mod program;
mod resolve;
mod serve;
mod shadow;
mod staged;
pub(crate) mod state;
mod supervisor;
mod sys;

use std::ffi::OsString;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinHandle;

pub use self::supervisor::Supervisor;
use self::serve::Server;
use self::shadow::Shadow;
use self::staged::{Staging, Warn};
use crate::tree::Tree;
use crate::way::{Attached, Request, Way};
use crate::{MountError, WayName};

/// The command of `ochre` that runs a program under the filter: [`run_trapped`].
pub const TRAPPED: &str = "trapped";

/// Trapped opens.
pub struct Seccomp {
    warn: Warn,
}

impl Seccomp {
    /// `warn` is told what no program can be told.
    #[must_use]
    pub fn new(warn: Arc<dyn Fn(String) + Send + Sync>) -> Self {
        Self { warn }
    }
}

#[async_trait]
impl Way for Seccomp {
    fn name(&self) -> WayName {
        WayName::Seccomp
    }

    fn probe(&self) -> Result<(), String> {
        probe::probe()
    }

    async fn attach(&self, request: Request) -> Result<Box<dyn Attached>, MountError> {
        let system = |doing: &'static str| move |source| MountError::System { doing, source };
        let config = &request.config;
        let directory = config.directory.canonicalize().map_err(system("looking at the directory"))?;
        state::sweep(&directory);
        let journal = state::make(&directory, &config.location).map_err(system("making the mount's state"))?;
        let begun = Begun(Some(directory.clone()));
        let tree = Tree::new(request.container.clone(), &request.root, config.names_ttl());
        let shadow = Shadow::new(directory.clone(), request.container, tree, config.read_only, config.cache, config.answer_limit(), journal);
        let shadow = Arc::new(shadow);
        let staging = Staging::new(shadow.clone(), state::staging(&directory), self.warn.clone()).map_err(system("watching for written files"))?;
        let socket = tokio::net::UnixListener::bind(state::socket(&directory)).map_err(system("listening for the kernel"))?;
        let overwrite = config.overwrite && !config.read_only;
        let server = Arc::new(Server { shadow: shadow.clone(), staging: staging.clone(), overwrite });
        if let Err(errno) = shadow.list("").await {
            shadow.clear();
            return Err(MountError::Store(format!("listing {}: {}", config.location, std::io::Error::from_raw_os_error(errno))));
        }
        let tasks = vec![tokio::spawn(serve::serve(socket, server))];
        staging.listen().map_err(system("watching for written files"))?;
        Ok(Box::new(Mount { shadow, staging, tasks, state: begun }))
    }
}

/// The state of a mount, which goes when the mount does.
struct Begun(Option<std::path::PathBuf>);

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(directory) = self.0.take() {
            state::remove(&directory);
        }
    }
}

struct Mount {
    shadow: Arc<Shadow>,
    staging: Arc<Staging>,
    tasks: Vec<JoinHandle<()>>,
    state: Begun,
}

#[async_trait]
impl Attached for Mount {
    async fn ended(&mut self) {
        // Nothing but us can take it away.
        std::future::pending().await
    }

    async fn detach(self: Box<Self>, limit: Duration) -> Result<(), MountError> {
        let lost = self.staging.end(limit).await;
        for task in &self.tasks {
            task.abort();
        }
        let directory = self.shadow.directory.clone();
        let left = self.shadow.clear();
        drop(self.state);
        let mut said = Vec::new();
        if !lost.is_empty() {
            said.push(format!("files that were still being written were given up: {}", lost.join(", ")));
        }
        if left > 0 {
            said.push(format!("{} holds {left} names that were put there by programs outside of cells; they are not in the store", directory.display()));
        }
        if said.is_empty() { Ok(()) } else { Err(MountError::Store(said.join("; "))) }
    }
}

/// Takes away what a killed mount process left at `directory`; a living mount's is left alone.
pub fn sweep(directory: &Path) {
    if let Ok(directory) = directory.canonicalize() {
        state::sweep(&directory);
    }
}

/// The location that a living process has mounted at `directory` in this way.
#[must_use]
pub fn holder(directory: &Path) -> Option<String> {
    state::holder(&directory.canonicalize().ok()?)
}

/// Whether a synced folder of `location` has left files at `directory` that it could not send.
pub(crate) fn is_left(directory: &Path, location: &str) -> bool {
    directory.canonicalize().is_ok_and(|directory| state::left(&directory, location).is_some())
}

/// Whether a program has the file open for writing; `None` where the system does not say.
pub(crate) fn is_being_written(file: &std::fs::File) -> Option<bool> {
    sys::is_being_written(file)
}

/// `ochre trapped SOCKET PROGRAM ARGUMENTS…`: becomes the program, with its opens trapped for the supervisor at the socket. A host that refuses, or a
/// supervisor that is gone, does not stop it: paths below a mount then fail. Returns only if there is no such program.
#[must_use]
pub fn run_trapped(socket: &Path, command: &[OsString]) -> std::io::Error {
    if let Ok(stream) = UnixStream::connect(socket) {
        match sys::install(&program::program()) {
            Ok(listener) => {
                let _ = sys::send_listener(&stream, &listener);
            }
            Err(error) => {
                let _ = sys::send_refusal(&stream, &error);
            }
        }
    }
    match command.split_first() {
        Some((program, arguments)) => std::process::Command::new(program).args(arguments).exec(),
        None => std::io::Error::other("there is no program to run"),
    }
}
