//! A child process that serves: started with its output kept, waited for with a bound, killed by its pid when the handle goes.
//!
//! The kernel kills it too when this process dies (`setpriv --pdeathsig`), so that a test that is killed leaves nothing behind.
//! That signal is tied to the thread that started the child; therefore one thread, which lives as long as the process, starts all of them.
use crate::peers::storage_program;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

/// Why a server is not there.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the test peer {} is missing; `cargo xtask peers` installs it", program.display())]
    Missing { program: PathBuf },
    #[error("cannot start {what}")]
    Start { what: String, #[source] source: std::io::Error },
    #[error("{what} was not ready after {seconds} s; its output:\n{log}")]
    NotReady { what: String, seconds: u64, log: String },
    #[error("{what} ended with {status}; its output:\n{log}")]
    Ended { what: String, status: ExitStatus, log: String },
}

/// Two seconds alone on two cores, MLflow fifteen; tests compile and run beside it.
const START_LIMIT: Duration = Duration::from_secs(180);
/// Between two looks at a starting child's output.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A running child with a scratch directory; both go when it is dropped.
#[derive(Debug)]
pub struct Child {
    what: String,
    process: std::process::Child,
    scratch: tempfile::TempDir,
}

impl Child {
    /// Starts what `command` makes for the scratch directory it is given. Output goes to a file there.
    pub fn start(what: &str, command: impl FnOnce(&Path) -> Command) -> Result<Self, StartError> {
        let cannot = |source| StartError::Start { what: what.to_string(), source };
        let scratch = tempfile::Builder::new().prefix("ochre-server-").tempdir().map_err(cannot)?;
        let log = std::fs::File::create(scratch.path().join("log")).map_err(cannot)?;
        let mut tied = tied(&command(scratch.path()))?;
        tied.stdin(Stdio::null()).stdout(log.try_clone().map_err(cannot)?).stderr(log);
        // A group of its own, so that what it starts in turn goes with it.
        tied.process_group(0);
        let process = start(tied).map_err(cannot)?;
        Ok(Self { what: what.to_string(), process, scratch })
    }

    /// Waits until `ready` finds in the output what it looks for.
    pub fn wait_for<T>(&mut self, ready: impl Fn(&str) -> Option<T>) -> Result<T, StartError> {
        let started = Instant::now();
        loop {
            let log = self.log();
            if let Some(found) = ready(&log) {
                return Ok(found);
            }
            let what = self.what.clone();
            if let Some(status) = self.process.try_wait().map_err(|source| StartError::Start { what: what.clone(), source })? {
                return Err(StartError::Ended { what, status, log: self.log() });
            }
            if started.elapsed() > START_LIMIT {
                return Err(StartError::NotReady { what, seconds: START_LIMIT.as_secs(), log });
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.scratch.path().join("log")).unwrap_or_default()).into_owned()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its scratch directory.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Kills it now, as a crash would; dropping does the same.
    pub fn kill(&mut self) {
        // It may have ended by itself; then there is nothing to kill and nothing to say.
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = Command::new("/bin/sh").args(["-c", "kill -KILL -$0", &self.process.id().to_string()]).status();
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The same command under `setpriv`, which sets the signal and becomes the program: the pid is the program's.
fn tied(command: &Command) -> Result<Command, StartError> {
    let mut tied = Command::new(storage_program("setpriv")?);
    tied.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => tied.env(name, value),
            None => tied.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        tied.current_dir(directory);
    }
    Ok(tied)
}

type Started = std::io::Result<std::process::Child>;

/// Starts it from the thread that never ends.
fn start(command: Command) -> Started {
    static STARTER: OnceLock<mpsc::Sender<(Command, mpsc::Sender<Started>)>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<(Command, mpsc::Sender<Started>)>();
        std::thread::spawn(move || {
            for (mut command, answer) in orders {
                // Whoever asked waits for the answer.
                let _ = answer.send(command.spawn());
            }
        });
        sender
    });
    let (answer, started) = mpsc::channel();
    let gone = || std::io::Error::other("the thread that starts children is gone");
    starter.send((command, answer)).map_err(|_| gone())?;
    started.recv().map_err(|_| gone())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(pid: u32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| !s.contains(") Z"))
    }

    fn sleeper() -> Child {
        Child::start("a sleeper", |_| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", "echo up; exec sleep 1000"]);
            command
        })
        .unwrap()
    }

    #[test]
    fn a_child_lives_on_when_the_thread_that_asked_for_it_has_ended_and_goes_with_its_handle() {
        let mut child = std::thread::spawn(sleeper).join().unwrap();
        child.wait_for(|log| log.contains("up").then_some(())).unwrap();
        let (pid, scratch) = (child.pid(), child.scratch().to_path_buf());
        assert!(alive(pid) && scratch.is_dir());
        drop(child);
        assert!(!alive(pid) && !scratch.exists());
    }

    #[test]
    fn a_child_goes_when_its_test_panics() {
        let pid = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let seen = pid.clone();
        let panicked = std::thread::spawn(move || {
            let child = sleeper();
            seen.store(child.pid(), std::sync::atomic::Ordering::SeqCst);
            panic!("on purpose");
        });
        assert!(panicked.join().is_err());
        let pid = pid.load(std::sync::atomic::Ordering::SeqCst);
        assert!(pid > 0 && !alive(pid));
    }

    #[test]
    fn a_child_that_ends_too_early_says_what_it_printed() {
        let mut child = Child::start("a failure", |_| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", "echo out of cheese; exit 3"]);
            command
        })
        .unwrap();
        let error = child.wait_for(|log| log.contains("ready").then_some(())).unwrap_err().to_string();
        assert!(error.contains("out of cheese") && error.contains("exit status: 3"), "{error}");
    }

    #[test]
    fn a_program_that_is_missing_is_named_with_the_command_that_installs_it() {
        let error = crate::python_script("no-such-peer").unwrap_err().to_string();
        assert!(error.contains("no-such-peer") && error.contains("cargo xtask peers"), "{error}");
    }
}
