//! Files that programs below the mount write: each is a private file until it is closed, and is sent then as one object. So others see all of it or
//! nothing, and a program can write where it likes in it.
//!
//! ```text
//! open for writing --> staging/7 --close--> told by the supervisor (the program waits for the upload, and hears of errors)
//!                                \--last close, told by the system--> sent unless it was; then it is the file in the directory
//! ```

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ochre_blobs::{Mode, Progress};
use rustix::event::Timespec;
use rustix::fs::inotify;
use tokio::sync::watch;

use super::shadow::{Errno, Shadow, code, errno};
use crate::config::CLOSE_LIMIT;
use crate::fuse::program;

/// Bytes of the buffer for the system's events; each takes about 40.
const EVENTS_BYTES: usize = 8 << 10;
/// How often the thread that listens to the system looks whether the mount has ended.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// What is said of files that no program can be told of.
pub(super) type Warn = Arc<dyn Fn(String) + Send + Sync>;

/// The files that are being written.
pub(super) struct Staging {
    shadow: Arc<Shadow>,
    directory: PathBuf,
    events: OwnedFd,
    runtime: tokio::runtime::Handle,
    files: Mutex<HashMap<u64, Arc<Staged>>>,
    number: AtomicU64,
    warn: Warn,
}

struct Staged {
    id: u64,
    path: String,
    file: PathBuf,
    state: Mutex<State>,
    /// Held while it is sent.
    gate: tokio::sync::Mutex<()>,
    /// True once it has its final place.
    done: watch::Sender<bool>,
}

struct State {
    mode: Mode,
    /// The process to which it was handed, and whether that is the worker.
    writer: Option<(u32, bool)>,
    /// That process ends of its own will.
    exits: bool,
    closing: bool,
    /// What was sent last: size and time of change.
    sent: Option<(u64, i64, i64)>,
    /// Its program knows that it failed.
    told: bool,
}

impl Staging {
    pub(super) fn new(shadow: Arc<Shadow>, directory: PathBuf, warn: Warn) -> io::Result<Arc<Self>> {
        let events = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
        inotify::add_watch(&events, &directory, inotify::WatchFlags::CLOSE_WRITE)?;
        let runtime = tokio::runtime::Handle::current();
        Ok(Arc::new(Self { shadow, directory, events, runtime, files: Mutex::default(), number: AtomicU64::new(1), warn }))
    }

    fn files(&self) -> MutexGuard<'_, HashMap<u64, Arc<Staged>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: u64) -> Option<Arc<Staged>> {
        self.files().get(&id).cloned()
    }

    /// A file to write `path` into; `content`: what is there already is in it.
    pub(super) fn begin(&self, path: &str, mode: Mode, content: Option<PathBuf>) -> Result<(u64, PathBuf), Errno> {
        let id = self.number.fetch_add(1, Ordering::Relaxed);
        let (file, new) = (self.directory.join(id.to_string()), self.directory.join(format!("{id}.new")));
        let made = || {
            let mut made = File::options().write(true).create_new(true).mode(0o644).open(&new)?;
            if let Some(content) = content {
                io::copy(&mut File::open(content)?, &mut made)?;
            }
            drop(made);
            // Renamed, so that closing it just now is no event of its later name.
            fs::rename(&new, &file)
        };
        made().map_err(|error: io::Error| code(&error))?;
        let state = State { mode, writer: None, exits: false, closing: false, sent: None, told: false };
        let staged = Staged { id, path: path.to_owned(), file: file.clone(), state: Mutex::new(state), gate: tokio::sync::Mutex::default(), done: watch::Sender::new(false) };
        self.files().insert(id, Arc::new(staged));
        Ok((id, file))
    }

    /// It was handed to a process.
    pub(super) fn begun(&self, id: u64, process: u32, worker: bool) {
        if let Some(staged) = self.get(id) {
            staged.state().writer = Some((process, worker));
        }
    }

    /// A process ends of its own will: what it has open is as it wanted it.
    pub(super) fn exits(&self, process: u32) {
        let of_process: Vec<Arc<Staged>> = self.files().values().cloned().collect();
        for staged in of_process {
            let mut state = staged.state();
            state.exits |= state.writer.is_some_and(|(writer, _)| writer == process);
        }
    }

    /// It could not be handed over: nothing is written.
    pub(super) fn dropped(&self, id: u64) {
        if let Some(staged) = self.files().remove(&id) {
            let _ = fs::remove_file(&staged.file);
            staged.done.send_replace(true);
        }
    }

    /// Sends what it holds now: at `close` and `fsync`.
    pub(super) async fn finish(&self, id: u64) -> Result<(), Errno> {
        let Some(staged) = self.get(id) else { return Ok(()) };
        let sent = self.send(&staged).await;
        staged.state().told = sent.is_err();
        sent
    }

    /// Sends it, unless that is done. One sender at a time.
    async fn send(&self, staged: &Staged) -> Result<(), Errno> {
        let _one_at_a_time = staged.gate.lock().await;
        let found = fs::metadata(&staged.file).map_err(|error| code(&error))?;
        let now = (found.size(), found.mtime(), found.mtime_nsec());
        let mode = {
            let state = staged.state();
            if state.sent == Some(now) {
                return Ok(());
            }
            state.mode
        };
        let key = self.shadow.tree.key(&staged.path);
        let upload = self.shadow.container.upload(&staged.file, &key, Progress::none(), mode);
        let meta = match tokio::time::timeout(CLOSE_LIMIT, upload).await {
            Ok(sent) => sent.map_err(|error| errno(&error))?,
            Err(_) => return Err(libc::EIO),
        };
        let mut state = staged.state();
        (state.mode, state.sent) = (Mode::Overwrite, Some(now));
        drop(state);
        self.shadow.tree.put(&staged.path, crate::tree::Entry::file(&meta));
        Ok(())
    }

    /// Listens to the system in a thread, until the mount ends.
    pub(super) fn listen(self: &Arc<Self>) -> io::Result<()> {
        let events = self.events.try_clone()?;
        let staging = Arc::downgrade(self);
        let listen = move || {
            loop {
                let mut polled = [rustix::event::PollFd::new(&events, rustix::event::PollFlags::IN)];
                let ready = rustix::event::poll(&mut polled, Some(&LOOK_EVERY));
                let Some(staging) = staging.upgrade() else { return };
                if ready.is_ok_and(|ready| ready > 0) {
                    staging.hear();
                }
            }
        };
        std::thread::Builder::new().name("written files".into()).spawn(listen).map(drop)
    }

    /// Takes in what the system says by now. When a program has closed a file, its event is there before the close returns.
    fn hear(self: &Arc<Self>) {
        let mut buffer = [MaybeUninit::uninit(); EVENTS_BYTES];
        let mut reader = inotify::Reader::new(&self.events, &mut buffer);
        while let Ok(event) = reader.next() {
            let id = event.file_name().and_then(|name| name.to_str().ok()?.parse().ok());
            if let Some(staged) = id.and_then(|id| self.get(id)) {
                self.closed(staged);
            }
        }
    }

    /// Nobody has it open any more.
    fn closed(self: &Arc<Self>, staged: Arc<Staged>) {
        let (writer, exits) = {
            let mut state = staged.state();
            let Some(writer) = state.writer else { return };
            if std::mem::replace(&mut state.closing, true) {
                return;
            }
            (writer, state.exits)
        };
        let cut_off = match writer {
            // It closes what it has finished; that was told by the supervisor.
            (process, true) => !program::is_alive(process),
            // The system does not say how a process ended that is not ours; one that was killed has not said that it exits.
            (process, false) => !exits && !program::is_alive(process),
        };
        let own = self.clone();
        self.runtime.spawn(async move {
            own.conclude(&staged, cut_off).await;
            own.files().remove(&staged.id);
            staged.done.send_replace(true);
        });
    }

    async fn conclude(&self, staged: &Staged, cut_off: bool) {
        let (told, sent) = {
            let state = staged.state();
            (state.told, state.sent.is_some())
        };
        let result = match (told, cut_off) {
            (false, false) => self.send(staged).await,
            (false, true) if sent => Ok(()),
            (false, true) => {
                (self.warn)(format!("`{}` was not written: its program was ended before it had closed it", staged.path));
                Err(libc::EIO)
            }
            (true, _) => Err(libc::EIO),
        };
        if result.is_err() {
            if let (Err(errno), false, false) = (result, told, cut_off) {
                (self.warn)(format!("`{}` was not written: {}", staged.path, io::Error::from_raw_os_error(errno)));
            }
            let _ = fs::remove_file(&staged.file);
            return;
        }
        let key = self.shadow.tree.key(&staged.path);
        match self.shadow.within(self.shadow.container.stat(&key)).await {
            Ok(meta) if fs::metadata(&staged.file).is_ok_and(|found| found.len() == meta.size) => {
                self.shadow.tree.put(&staged.path, crate::tree::Entry::file(&meta));
                self.shadow.adopt(&staged.path, &staged.file, &meta);
            }
            _ => {
                let _ = fs::remove_file(&staged.file);
                self.shadow.tree.doubt(&staged.path);
            }
        }
    }

    /// Waits until what was closed of `path` is in its place.
    pub(super) async fn settle(self: &Arc<Self>, path: &str) {
        if self.files().is_empty() {
            return;
        }
        self.hear();
        loop {
            let closing = self.files().values().find(|staged| staged.path == path && staged.state().closing).cloned();
            let Some(staged) = closing else { return };
            let mut done = staged.done.subscribe();
            let _ = done.wait_for(|done| *done).await;
        }
    }

    /// Gives what is being written time to be closed; gives the paths that were not.
    pub(super) async fn end(self: &Arc<Self>, limit: Duration) -> Vec<String> {
        let all_closed = async {
            loop {
                self.hear();
                let one = self.files().values().next().cloned();
                let Some(staged) = one else { return };
                let mut done = staged.done.subscribe();
                let _ = done.wait_for(|done| *done).await;
            }
        };
        let _ = tokio::time::timeout(limit, all_closed).await;
        let left: Vec<Arc<Staged>> = self.files().values().cloned().collect();
        left.iter().filter(|staged| staged.state().sent.is_none()).map(|staged| staged.path.clone()).collect()
    }
}

impl Staged {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
