//! Mounts where the host forbids FUSE: the opens of cells and commands are trapped, and answered by a supervisor in this process.
//!
//! `%mount` calls this when a mount process has taken that way; the supervisor itself is `ochre_mount::seccomp`.
use crate::accounts::lock;
use crate::target::blocking;
use ochre_api::{Failure, SessionAccess, Trap};
use ochre_mount::seccomp::Supervisor;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// Time in which the worker must be under the filter: it may have to be started.
const ARMED_LIMIT: Duration = Duration::from_secs(30);

/// The session's supervisor, once a mount needs one.
pub(crate) struct Trapping {
    program: PathBuf,
    supervisor: Mutex<Option<Supervisor>>,
}

impl Trapping {
    pub(crate) fn new(program: PathBuf) -> Self {
        Self { program, supervisor: Mutex::default() }
    }

    /// Answers for a directory from now on, in this worker, in later ones, and in commands.
    pub(crate) async fn begin(&self, directory: &Path, session: &mut dyn SessionAccess) -> Result<(), Failure> {
        let supervisor = self.supervisor()?;
        let (own, directory) = (supervisor.clone(), directory.to_owned());
        blocking(move || own.add(&directory).map_err(|e| Failure::configuration(e.to_string()).hint(e.hint()))).await?;
        let socket = supervisor.socket().display().to_string();
        session.trap_opens(Trap { socket, program: supervisor.program(), wrapper: supervisor.wrapper(&self.program) }).await?;
        // A worker that is not there yet is started by this, and says whether the system allowed it.
        let directory = session.directory().display().to_string();
        session.set_directory(&directory).await?;
        let armed = blocking(move || supervisor.wait(ARMED_LIMIT).map_err(|why| Failure::configuration(why).hint("`--way synced` works everywhere")));
        tokio::select! {
            armed = armed => armed,
            () = session.interrupted() => Err(Failure::interrupted().hint("`%unmount` takes the directory away")),
        }
    }

    /// A directory that is no mount any more.
    pub(crate) fn end(&self, directory: &Path) {
        if let Some(supervisor) = lock(&self.supervisor).as_ref() {
            supervisor.remove(directory);
        }
    }

    fn supervisor(&self) -> Result<Supervisor, Failure> {
        let mut supervisor = lock(&self.supervisor);
        if let Some(supervisor) = supervisor.as_ref() {
            return Ok(supervisor.clone());
        }
        let new = Supervisor::new().map_err(|e| Failure::io("cannot make a socket for trapped opens", e).hint("is there room in TMPDIR or XDG_RUNTIME_DIR?"))?;
        Ok(supervisor.insert(new).clone())
    }
}
