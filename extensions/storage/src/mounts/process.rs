//! One mount process: started with its configuration on stdin, answered while it asks, waited for when it ends.
use super::{Mounted, Row, Wanted, environment};
use crate::accounts::{Accounts, lock};
use ochre_api::{Failure, Fault};
use ochre_blobs::Location;
use ochre_mount::{FromMount, MountConfig, ToMount, WayName};
use ochre_secrets::Redactor;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// Time until a mount must answer: opening the store may need its retries.
const READY_LIMIT: Duration = Duration::from_secs(90);
/// Time that a mount has to end: open files are closed first (10 s), then the directory is let go.
const END_LIMIT: Duration = Duration::from_secs(20);
/// Longest line from a mount process, bytes.
const MAX_LINE: u64 = 1 << 20;
/// Bytes of its stderr that are kept for an error.
const MAX_COMPLAINT: usize = 4096;

/// Where a mount is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Starting,
    Ready { way: WayName, why: String, already: bool },
    /// It never answered.
    Failed { error: String, hint: String },
    /// It is over; `error` says what was lost, or that it was not asked to end.
    Ended { error: Option<String> },
}

/// A mount process.
pub(super) struct Process {
    pub(super) wanted: Wanted,
    state: watch::Sender<State>,
    to: mpsc::UnboundedSender<ToMount>,
    pid: Option<u32>,
    notices: Mutex<Vec<String>>,
    /// We asked for its end, so that it is no news.
    ending: std::sync::atomic::AtomicBool,
}

impl Process {
    pub(super) async fn start(program: &Path, wanted: Wanted, config: &MountConfig, accounts: Arc<Accounts>, redactor: Redactor) -> Result<Arc<Self>, Failure> {
        let mut command = Command::new(program);
        command.arg("mount").env_clear().envs(environment::kept()).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: what ends or interrupts the kernel's group must leave it time to unmount.
        command.process_group(0);
        let cannot = |e| Failure::io(format!("cannot start {}", program.display()), e).hint("is Ochre installed whole? `ochre doctor` looks");
        let mut child = command.spawn().map_err(cannot)?;
        let (Some(mut stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
            return Err(Failure::bug("a mount process has no pipes"));
        };
        stdin.write_all(config.to_wire().as_bytes()).await.map_err(cannot)?;
        let (to, lines) = mpsc::unbounded_channel();
        let process = Arc::new(Self {
            wanted,
            state: watch::Sender::new(State::Starting),
            to,
            pid: child.id(),
            notices: Mutex::default(),
            ending: false.into(),
        });
        let complaint = tokio::spawn(keep_last(stderr));
        tokio::spawn(write_lines(stdin, lines));
        tokio::spawn(process.clone().attend(child, BufReader::new(stdout), complaint, accounts, redactor));
        Ok(process)
    }

    /// Waits until the directory answers, or says why it never will.
    pub(super) async fn ready(&self) -> Result<Mounted, Failure> {
        let mut state = self.state.subscribe();
        let settled = timeout(READY_LIMIT, state.wait_for(|s| *s != State::Starting)).await;
        let now = match settled {
            Ok(Ok(state)) => state.clone(),
            Ok(Err(_)) => State::Ended { error: None },
            Err(_) => {
                self.ask_to_end();
                let message = format!("{} did not answer within {} s", self.wanted.directory.display(), READY_LIMIT.as_secs());
                return Err(Failure::remote(message).hint("does `%ls` of the same URL answer?"));
            }
        };
        match now {
            State::Ready { way, already: true, .. } => Ok(Mounted::Elsewhere { way }),
            State::Ready { way, why, .. } => Ok(Mounted::New { way, why }),
            State::Failed { error, hint } => Err(Failure::new(Fault::YourConfiguration, "mount", error).hint(hint)),
            State::Starting => Err(Failure::bug("a mount is still starting")),
            State::Ended { error } => {
                let why = error.unwrap_or_else(|| "it ended at once".to_owned());
                Err(Failure::new(Fault::YourConfiguration, "mount", format!("{} could not be mounted: {why}", self.wanted.location)).hint("`ochre doctor` says which ways of mounting work here"))
            }
        }
    }

    /// Ends it and waits; one that does not end is killed, which its directory may outlive.
    pub(super) async fn end(&self) -> Result<(), Failure> {
        self.ask_to_end();
        let mut state = self.state.subscribe();
        let over = |s: &State| matches!(s, State::Ended { .. } | State::Failed { .. });
        let error = match timeout(END_LIMIT, state.wait_for(over)).await {
            Ok(Ok(state)) => match &*state {
                State::Ended { error } => error.clone(),
                _ => None,
            },
            Ok(Err(_)) => None,
            Err(_) => {
                self.kill();
                Some(format!("it did not end within {} s and was killed", END_LIMIT.as_secs()))
            }
        };
        match error {
            None => Ok(()),
            Some(error) => {
                let message = format!("{} was unmounted, but {error}", self.wanted.directory.display());
                Err(Failure::new(Fault::Remote, "mount", message).hint("write again what was lost, and check with `%ls`"))
            }
        }
    }

    /// Asks it to unmount, and does not wait. What is dropped with its last sender, the pipe, says the same.
    pub(super) fn ask_to_end(&self) {
        self.ending.store(true, std::sync::atomic::Ordering::Relaxed);
        self.to.send(ToMount::End).ok();
    }

    #[cfg(test)]
    pub(super) fn poke(&self) {
        self.to.send(ToMount::Refuse { id: 0, error: String::new() }).ok();
    }

    fn kill(&self) {
        let pid = self.pid.and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?));
        if let Some(pid) = pid.filter(|_| !matches!(self.state(), State::Ended { .. })) {
            // It may have ended in this moment.
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
        }
    }

    pub(super) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    pub(super) fn row(&self) -> Row {
        let (state, way) = match self.state() {
            State::Starting => ("starting".to_owned(), None),
            State::Ready { way, already: false, .. } => ("mounted".to_owned(), Some(way)),
            State::Ready { way, already: true, .. } => ("mounted by another process".to_owned(), Some(way)),
            State::Failed { error, .. } => (format!("failed: {error}"), None),
            State::Ended { error } => (error.map_or("ended".to_owned(), |e| format!("ended: {e}")), None),
        };
        Row { wanted: self.wanted.clone(), state, way }
    }

    pub(super) fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.notices))
    }

    fn notice(&self, text: String) {
        lock(&self.notices).push(text);
    }

    /// Reads what it says until it ends.
    async fn attend(self: Arc<Self>, mut child: Child, mut lines: impl AsyncBufReadExt + Unpin, complaint: tokio::task::JoinHandle<String>, accounts: Arc<Accounts>, redactor: Redactor) {
        let mut last = None;
        loop {
            let mut line = String::new();
            match (&mut lines).take(MAX_LINE).read_line(&mut line).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            match FromMount::from_line(&line) {
                Some(FromMount::Ended { error }) => last = Some(error),
                Some(message) => self.heard(message, &accounts),
                // A later version says more than this one understands.
                None => {}
            }
        }
        let status = child.wait().await;
        let complaint = complaint.await.unwrap_or_default();
        let asked = self.ending.load(std::sync::atomic::Ordering::Relaxed);
        let error = match last {
            Some(error) => error,
            None if asked && status.as_ref().is_ok_and(|s| s.success()) => None,
            None => Some(redactor.text(&died(status, &complaint))),
        };
        if !asked && matches!(self.state(), State::Ready { .. }) {
            let why = error.as_deref().unwrap_or("it was unmounted from outside");
            self.notice(format!("the mount {} of {} is gone: {why}; run its `%mount` again", self.wanted.directory.display(), self.wanted.location));
        }
        self.state.send_if_modified(|state| {
            let over = matches!(state, State::Failed { .. });
            if !over {
                *state = State::Ended { error };
            }
            !over
        });
    }

    fn heard(self: &Arc<Self>, message: FromMount, accounts: &Arc<Accounts>) {
        match message {
            FromMount::Ready { way, why, already } => drop(self.state.send_replace(State::Ready { way, why, already })),
            FromMount::Failed { error, hint } => drop(self.state.send_replace(State::Failed { error, hint })),
            FromMount::Warning { text } => self.notice(format!("the mount {}: {text}", self.wanted.directory.display())),
            FromMount::Ask { id, grant, refresh } => {
                let (process, accounts) = (self.clone(), accounts.clone());
                tokio::spawn(async move {
                    // It has gone away: then nobody needs the answer.
                    process.to.send(process.answer(&accounts, id, &grant, refresh).await).ok();
                });
            }
            _ => {}
        }
    }

    /// Only for the container that it mounts.
    async fn answer(&self, accounts: &Accounts, id: u64, url: &str, refresh: bool) -> ToMount {
        let refuse = |error: String| ToMount::Refuse { id, error };
        match Location::parse(url) {
            Ok(location) if location.root() == self.wanted.location.root() => match accounts.grant(&location, refresh).await {
                Ok(grant) => match serde_json::from_slice(&grant.to_wire()) {
                    Ok(grant) => ToMount::Grant { id, grant },
                    Err(_) => refuse("a grant is no JSON".to_owned()),
                },
                Err(failure) => refuse(failure.one_line()),
            },
            Ok(_) => refuse("it is not the mounted container".to_owned()),
            Err(error) => refuse(error.to_string()),
        }
    }
}

fn died(status: std::io::Result<std::process::ExitStatus>, complaint: &str) -> String {
    use std::os::unix::process::ExitStatusExt;
    let how = match status.map(|s| (s.code(), s.signal())) {
        Ok((_, Some(signal))) => format!("its process was ended by signal {signal}"),
        Ok((Some(code), _)) => format!("its process ended with exit status {code}"),
        _ => "its process ended".to_owned(),
    };
    match complaint.lines().rfind(|l| !l.trim().is_empty()) {
        Some(line) => format!("{how} ({})", line.trim()),
        None => how,
    }
}

/// Writes lines until there is nobody to write for, and closes the pipe.
async fn write_lines(mut stdin: ChildStdin, mut lines: mpsc::UnboundedReceiver<ToMount>) {
    while let Some(line) = lines.recv().await {
        if stdin.write_all(line.to_line().as_bytes()).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
}

/// The last bytes of a stream, as text.
async fn keep_last(mut stream: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let mut buffer = vec![0; MAX_COMPLAINT];
    while let Ok(n) = stream.read(&mut buffer).await {
        if n == 0 {
            break;
        }
        kept.extend_from_slice(&buffer[..n]);
        let over = kept.len().saturating_sub(MAX_COMPLAINT);
        kept.drain(..over);
    }
    String::from_utf8_lossy(&kept).into_owned()
}
