//! A worker as a child process on this machine.
//!
//! It dies with the kernel: its reader sees the end of the stream, whatever its cell is doing.
use super::memory::MemoryKills;
use super::{How, Process, StartError, Started, Target};
use async_trait::async_trait;
use std::ffi::OsString;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, Command};

/// Most bytes of a complaint that are kept: a loader's error is a line.
const COMPLAINT_BYTES: u64 = 4 << 10;
/// How long a complaint is waited for; it was written before the process ended.
const COMPLAINT_BOUND: Duration = Duration::from_millis(500);
/// See `ochre-worker`: it puts this back for the programs that cells start.
const ORIGINAL_LIBRARY_PATH: &str = "OCHRE_ORIGINAL_LD_LIBRARY_PATH";

/// How to start a worker here.
#[derive(Clone, Debug)]
pub struct LocalWorker {
    /// The binary `ochre-worker`.
    pub program: PathBuf,
    /// Where its libraries are: the prelude's directory and the toolchain's `lib`.
    pub library_path: Vec<PathBuf>,
    /// Where cells begin; `None` is the kernel's own directory.
    pub directory: Option<PathBuf>,
    /// Variables set besides the kernel's own.
    pub environment: Vec<(String, String)>,
}

impl LocalWorker {
    /// The worker beside a prelude. `toolchain_lib` holds `libstd-*.so`.
    pub fn new(prelude: &Path, toolchain_lib: &Path) -> Self {
        Self {
            program: prelude.join("ochre-worker"),
            library_path: vec![prelude.to_owned(), toolchain_lib.to_owned()],
            directory: None,
            environment: Vec::new(),
        }
    }

    /// The evcxr engine's process, which needs no prelude.
    pub fn evcxr(program: &Path) -> Self {
        Self { program: program.to_owned(), library_path: Vec::new(), directory: None, environment: Vec::new() }
    }

    fn command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        ochre_secrets::environment::withhold(&mut command);
        // Without libraries of its own to find, a worker sees the path as it is.
        if !self.library_path.is_empty() {
            if let Some(original) = std::env::var_os("LD_LIBRARY_PATH") {
                command.env(ORIGINAL_LIBRARY_PATH, original);
            }
            let joined: Vec<OsString> = self.library_path.iter().map(|p| p.as_os_str().to_owned()).collect();
            command.env("LD_LIBRARY_PATH", joined.join(std::ffi::OsStr::new(":")));
        }
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        // A group of its own: Ctrl-C in the kernel's terminal is an interrupt, not the end of the worker.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        command
    }
}

#[async_trait]
impl Target for LocalWorker {
    fn name(&self) -> String {
        "this machine".to_owned()
    }

    async fn start(&self) -> Result<Started, StartError> {
        let failed = |source| StartError::Spawn { program: self.program.display().to_string(), source };
        let memory = MemoryKills::now();
        let mut child = Command::from(self.command()).kill_on_drop(true).spawn().map_err(failed)?;
        let missing = || failed(std::io::Error::other("its streams are missing"));
        let reader = child.stdout.take().ok_or_else(missing)?;
        let writer = child.stdin.take().ok_or_else(missing)?;
        let stderr = child.stderr.take();
        let process = LocalProcess { child, stderr, memory, killed: false };
        Ok(Started { reader: Box::new(reader), writer: Box::new(writer), process: Box::new(process) })
    }
}

struct LocalProcess {
    child: Child,
    stderr: Option<ChildStderr>,
    memory: MemoryKills,
    killed: bool,
}

impl LocalProcess {
    fn how(&self, status: std::process::ExitStatus) -> How {
        match (status.code(), status.signal()) {
            _ if self.killed => How::Killed,
            (Some(code), _) => How::Exited(code),
            (None, Some(signal)) => How::Signalled(signal),
            (None, None) => How::Cut("no exit status".to_owned()),
        }
    }
}

#[async_trait]
impl Process for LocalProcess {
    async fn ended(&mut self) -> How {
        match self.child.wait().await {
            Ok(status) => self.how(status),
            Err(error) => How::Cut(format!("the worker's exit status cannot be read: {error}")),
        }
    }

    fn kill(&mut self) {
        self.killed = true;
        let group = self.child.id().and_then(|id| rustix::process::Pid::from_raw(id as i32));
        if let Some(group) = group {
            // It may be gone already; then there is nothing to do.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.start_kill();
    }

    async fn complaint(&mut self) -> String {
        let Some(stderr) = self.stderr.take() else { return String::new() };
        let mut bytes = Vec::new();
        let _ = tokio::time::timeout(COMPLAINT_BOUND, stderr.take(COMPLAINT_BYTES).read_to_end(&mut bytes)).await;
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }

    fn ran_out_of_memory(&self) -> bool {
        self.memory.more_since()
    }
}
