//! What the tests of mounts share: a blob server, a mount process over it that is driven as the kernel does, and waits that end.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ochre_blobs::{Credential, Grant};
use ochre_mount::{FromMount, MountConfig, ToMount};
use ochre_servers::{Azurite, BlobOptions, BlobServer};

/// Nothing in these tests takes longer unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `look` gives something; fails with what it saw last.
pub fn wait<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(value) => return value,
            Err(last) if Instant::now() > end => panic!("{what}: not within {PATIENCE:?}; last: {last}"),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// A grant for a server of ours.
pub fn grant(server: &BlobServer) -> Grant {
    Grant { endpoint: Some(server.azure_endpoint()), ..Grant::new(Credential::AzureKey(BlobServer::KEY.into())) }
}

/// A grant for Azurite.
pub fn azurite_grant(azurite: &Azurite) -> Grant {
    Grant { endpoint: Some(azurite.endpoint()), ..Grant::new(Credential::AzureKey(Azurite::KEY.into())) }
}

/// A server with a container `c`.
pub fn server() -> BlobServer {
    let server = BlobServer::start(BlobOptions::default()).expect("the server starts");
    server.create_container("c");
    server
}

/// The location of a path in the container `c` of a server of ours.
pub fn location(path: &str) -> String {
    if path.is_empty() { format!("az://c@{}", BlobServer::ACCOUNT) } else { format!("az://c@{}/{path}", BlobServer::ACCOUNT) }
}

/// A configuration for `path` of `server`, at `directory`.
pub fn config(server: &BlobServer, path: &str, directory: &Path) -> MountConfig {
    let grant = serde_json::from_slice(&grant(server).to_wire()).expect("JSON");
    MountConfig { grant: Some(grant), way: Some(ochre_mount::WayName::Fuse), ..MountConfig::new(location(path), directory) }
}

/// A mount process.
pub struct Mount {
    pub child: Child,
    pub stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<FromMount>,
    pub directory: PathBuf,
}

impl Mount {
    /// Starts a process and says nothing to it yet.
    pub fn spawn(config: &MountConfig) -> Self {
        Self::spawn_as(config, Command::new(env!("CARGO_BIN_EXE_ochre-mount")))
    }

    /// The same with a command that ends in starting the program.
    pub fn spawn_as(config: &MountConfig, mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the mount process starts");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(config.to_wire().as_bytes()).expect("the configuration is read");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (say, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let message = FromMount::from_line(&line).unwrap_or_else(|| panic!("not a message: {line}"));
                if say.send(message).is_err() {
                    return;
                }
            }
        });
        Self { child, stdin: Some(stdin), lines, directory: config.directory.clone() }
    }

    /// Starts a process and waits until the directory answers.
    pub fn start(config: &MountConfig) -> Self {
        let mount = Self::spawn(config);
        match mount.next() {
            FromMount::Ready { .. } => mount,
            other => panic!("not ready: {other:?}"),
        }
    }

    /// The next line.
    pub fn next(&self) -> FromMount {
        self.lines.recv_timeout(PATIENCE).expect("the mount process says something")
    }

    /// A line that is there already.
    pub fn try_next(&self) -> Option<FromMount> {
        self.lines.try_recv().ok()
    }

    /// Writes a line.
    pub fn say(&mut self, message: &ToMount) {
        let stdin = self.stdin.as_mut().expect("the pipe is open");
        stdin.write_all(message.to_line().as_bytes()).expect("the mount process reads");
    }

    /// Ends it as the kernel does, and returns what it said last.
    pub fn end(mut self) -> Option<String> {
        self.stdin = None;
        loop {
            if let FromMount::Ended { error } = self.next() {
                self.wait();
                return error;
            }
        }
    }

    /// Waits for its end; the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        wait("the mount process ends", || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status.code()),
            other => Err(format!("{other:?}")),
        })
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.wait();
    }

    /// Resident memory, in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // The pipe's end lets the process unmount; a failing test leaves no mount behind.
        self.stdin = None;
        let end = Instant::now() + Duration::from_secs(15);
        while Instant::now() < end {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = ochre_mount::mounts::detach(&self.directory);
    }
}

/// A directory for a mount, which goes at the end.
pub fn ground() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a directory");
    let directory = folder.path().canonicalize().expect("it is there").join("mount");
    (folder, directory)
}

/// Runs a program and returns what it printed; it must succeed, and not hang.
pub fn program(name: &str, arguments: &[&str]) -> String {
    let output = Command::new("timeout").arg("120").arg(name).args(arguments).output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{name} {arguments:?}: {}\n{}{}", output.status, text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}
