//! Answers trapped calls, in the kernel: it is an ancestor of the worker and of all that cells and commands start, so it may read their memory also where
//! the host is strict about that (yama). It decides where a path leads; what must be done below a mount it asks of that mount's process.
//!
//! ```text
//! caller --openat--> system --notification--> serve thread --elsewhere--> proceed
//!                                                \--below a mount--> helper thread --Ask--> mount process
//!                                                                        \<--answer-- proceed | fail | give a descriptor
//! ```
//! The listener belongs to the kernel, not to the mount process: one that dies makes paths below its directory fail and no others.

use std::collections::HashSet;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use std::{fs, thread};

use super::ask::{Answer, Ask, Client};
use super::calls::{self, Call, Named, Wish};
use super::sys::{self, Delivered, Listener, Trapped};
use super::{program, resolve, state};
use crate::MountError;
use crate::fuse::program as program_of;

/// Permissions that an unfilled file has in the directory, so that who is not under the filter gets an error and never wrong bytes.
pub(super) const UNFILLED: u32 = 0;
/// What callers see instead, and what filled files have.
pub(super) const FILE: u32 = 0o644;
/// The same in a mount that cannot be written.
pub(super) const FILE_READ_ONLY: u32 = 0o444;
/// Flags of `open` that make sense for a file that exists already.
const KEPT_FLAGS: i32 = libc::O_ACCMODE | libc::O_APPEND | libc::O_NONBLOCK | libc::O_NOATIME | libc::O_DIRECT | libc::O_SYNC | libc::O_DSYNC | libc::O_NOFOLLOW;

/// The supervisor of a session. Clones share it; its threads end with the processes under the filter.
#[derive(Clone)]
pub struct Supervisor {
    shared: Arc<Shared>,
}

struct Shared {
    socket: PathBuf,
    mounts: RwLock<Vec<Mount>>,
    /// Held from looking for a free number to taking it.
    numbering: Mutex<()>,
    /// Processes that were given files to write.
    writers: Mutex<HashSet<u32>>,
    armed: Mutex<Armed>,
    changed: Condvar,
}

#[derive(Default)]
struct Armed {
    /// Processes that have come under the filter, those that have ended since too.
    listeners: usize,
    refused: Option<String>,
}

#[derive(Clone)]
struct Mount {
    /// As it was asked for.
    asked: PathBuf,
    /// Its true path.
    directory: PathBuf,
    /// Where files that are being written lie.
    staging: PathBuf,
    client: Arc<Client>,
}

impl Supervisor {
    /// A supervisor that waits for listeners.
    ///
    /// # Errors
    /// The system's reason why there is no socket.
    pub fn new() -> io::Result<Self> {
        let home = state::fresh_directory("trap")?;
        let socket = home.join("s");
        let listener = UnixListener::bind(&socket)?;
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o600))?;
        let shared =
            Arc::new(Shared { socket, mounts: RwLock::default(), numbering: Mutex::default(), writers: Mutex::default(), armed: Mutex::default(), changed: Condvar::new() });
        let supervisor = Self { shared: shared.clone() };
        // Weak: the thread must not keep the supervisor whose end takes the socket away.
        let shared = Arc::downgrade(&shared);
        thread::Builder::new().name("trap-accept".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(shared) = shared.upgrade() else { return };
                match sys::receive(&stream) {
                    Ok(Delivered::Listener { fd, worker, process }) => Self { shared }.serve(Peer { listener: Listener::new(fd), worker, process }),
                    Ok(Delivered::Refused(reason)) => shared.arm(|armed| armed.refused = Some(reason)),
                    Err(_) => {}
                }
            }
        })?;
        Ok(supervisor)
    }

    /// Where listeners are handed to, for `SessionAccess::trap_opens`.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.shared.socket
    }

    /// The filter, for the same.
    #[must_use]
    pub fn program(&self) -> Vec<u8> {
        program::bytes(&program::program())
    }

    /// What stands before the words of a command, so that it runs under the filter; `ochre` is the program of that name.
    #[must_use]
    pub fn wrapper(&self, ochre: &Path) -> Vec<String> {
        vec![ochre.display().to_string(), super::TRAPPED.to_owned(), self.shared.socket.display().to_string()]
    }

    /// Waits until a process is under the filter.
    ///
    /// # Errors
    /// Why there is none.
    pub fn wait(&self, bound: Duration) -> Result<(), String> {
        let began = Instant::now();
        let mut armed = self.shared.armed();
        loop {
            if armed.listeners > 0 {
                return Ok(());
            }
            if let Some(reason) = armed.refused.take() {
                return Err(format!("the system does not let the worker trap its opens: {reason}"));
            }
            let Some(left) = bound.checked_sub(began.elapsed()) else {
                return Err(format!("the worker did not trap its opens within {} s", bound.as_secs()));
            };
            armed = self.shared.changed.wait_timeout(armed, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Answers for `directory` from now on, with the mount process that has it.
    ///
    /// # Errors
    /// There is none.
    pub fn add(&self, directory: &Path) -> Result<(), MountError> {
        let failed = |reason: String| MountError::Directory { directory: directory.to_owned(), reason };
        let asked = directory.to_owned();
        let directory = directory.canonicalize().map_err(|error| failed(error.to_string()))?;
        let client = Client::new(&state::socket(&directory));
        if client.ask(&Ask::Look { path: String::new() }).errno != 0 {
            return Err(failed("its mount process does not answer".to_owned()));
        }
        self.remove(&directory);
        self.shared.mounts.write().unwrap_or_else(PoisonError::into_inner).push(Mount { asked, staging: state::staging(&directory), directory, client: Arc::new(client) });
        Ok(())
    }

    /// Does not answer for `directory` any more: what is there is as it is.
    pub fn remove(&self, directory: &Path) {
        self.shared.mounts.write().unwrap_or_else(PoisonError::into_inner).retain(|mount| mount.directory != directory && mount.asked != directory);
    }

    /// Serves a listener in a thread of its own.
    fn serve(&self, peer: Peer) {
        let peer = Arc::new(peer);
        let supervisor = self.clone();
        self.shared.arm(|armed| {
            armed.listeners += 1;
            armed.refused = None;
        });
        let serving = thread::Builder::new().name("trap".into()).spawn(move || {
            loop {
                match peer.listener.next() {
                    Ok(Some(trapped)) => supervisor.answer(&peer, trapped),
                    Ok(None) | Err(_) => break,
                }
            }
        });
        // Without the thread the listener is closed, and the process's opens fail instead of hanging.
        drop(serving);
    }

    /// Answers one call: at once if it is none of ours, else on a thread, for it may take long. A defect of ours lets the call run as it is.
    fn answer(&self, peer: &Arc<Peer>, trapped: Trapped) {
        let here = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.place(&peer.listener, trapped)));
        let Ok(Some(task)) = here else { return peer.listener.proceed(trapped.id) };
        let (supervisor, own) = (self.clone(), peer.clone());
        let spawned = thread::Builder::new().name("trapped call".into()).spawn(move || {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| supervisor.perform(&own, trapped, task)));
            if done.is_err() {
                own.listener.fail(trapped.id, libc::EIO);
            }
        });
        if spawned.is_err() {
            peer.listener.fail(trapped.id, libc::EAGAIN);
        }
    }

    /// What is to be done about a call; `None` if it is none of ours.
    fn place(&self, listener: &Listener, trapped: Trapped) -> Option<Task> {
        match calls::call(&trapped) {
            Call::Other => None,
            Call::Exit => {
                let mut writers = self.shared.writers();
                let process = if writers.is_empty() { return None } else { program_of::process_of(trapped.thread) };
                writers.remove(&process).then_some(Task::Exit { process })
            }
            Call::Close { descriptor } => self.of_writer(trapped.thread, descriptor).map(|(id, mount)| Task::Close { descriptor, id, mount }),
            Call::Sync { descriptor } => self.of_writer(trapped.thread, descriptor).map(|(id, mount)| Task::Sync { id, mount }),
            Call::Path { path, follow, wish } => {
                let first = self.find(trapped.thread, path, follow);
                let second = match wish {
                    Wish::Rename { to, .. } => self.find(trapped.thread, to, false),
                    Wish::Impossible { other: Some(other) } => self.find(trapped.thread, other, false),
                    _ => None,
                };
                if first.is_none() && second.is_none() || !listener.waits(trapped.id) {
                    return None;
                }
                Some(Task::Path { wish, first, second })
            }
        }
    }

    /// The mount that a path leads to, and the path in it.
    fn find(&self, thread: u32, path: Named, follow: bool) -> Option<Found> {
        if self.mounts().is_empty() {
            return None;
        }
        let text = sys::read_text(thread, path.address).ok()?;
        let whole = resolve::resolve(thread, path.directory, &text, follow)?;
        let mounts = self.mounts();
        let mount = mounts.iter().filter(|mount| whole.starts_with(&mount.directory)).max_by_key(|mount| mount.directory.as_os_str().len())?.clone();
        let key = resolve::key(resolve::below(&whole, &mount.directory)?)?;
        Some(Found { mount, whole, key })
    }

    fn mounts(&self) -> std::sync::RwLockReadGuard<'_, Vec<Mount>> {
        self.shared.mounts.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The staged file that a descriptor in the range of written files is.
    fn of_writer(&self, thread: u32, descriptor: RawFd) -> Option<(u64, Mount)> {
        let place = fs::read_link(format!("/proc/{thread}/fd/{descriptor}")).ok()?;
        let mount = self.mounts().iter().find(|mount| place.starts_with(&mount.staging))?.clone();
        let id = place.file_name()?.to_str()?.parse().ok()?;
        Some((id, mount))
    }

    fn perform(&self, peer: &Peer, trapped: Trapped, task: Task) {
        let listener = &peer.listener;
        match task {
            Task::Path { wish, first, second } => self.perform_path(peer, trapped, wish, first, second),
            Task::Exit { process } => {
                let mounts = self.mounts().clone();
                for mount in mounts {
                    mount.client.ask(&Ask::Exits { process });
                }
                listener.proceed(trapped.id);
            }
            Task::Sync { id, mount } => match mount.client.ask(&Ask::Finish { id }).errno {
                0 => listener.proceed(trapped.id),
                errno => listener.fail(trapped.id, errno),
            },
            Task::Close { descriptor, id, mount } => {
                // Other names of the same file in this process: a shell that redirects. The last close sends it.
                if shared_within(trapped.thread, descriptor) {
                    return listener.proceed(trapped.id);
                }
                match mount.client.ask(&Ask::Finish { id }).errno {
                    0 => listener.proceed(trapped.id),
                    errno => {
                        // A failed close closes all the same; the number stays taken by nothing.
                        if let Ok(null) = sys::open(Path::new("/dev/null"), libc::O_WRONLY) {
                            let _ = listener.put(trapped.id, &null, descriptor);
                        }
                        listener.fail(trapped.id, errno);
                    }
                }
            }
        }
    }

    fn perform_path(&self, peer: &Peer, trapped: Trapped, wish: Wish, first: Option<Found>, second: Option<Found>) {
        let (listener, id) = (&peer.listener, trapped.id);
        let settle = |answer: Answer| match answer.errno {
            0 => listener.succeed(id, 0),
            errno => listener.fail(id, errno),
        };
        let Some(found) = first else {
            // Only the second path is ours: nothing comes into a mount by a rename or a link.
            return listener.fail(id, if matches!(wish, Wish::Rename { .. }) { libc::EXDEV } else { libc::EPERM });
        };
        let look = || found.mount.client.ask(&Ask::Look { path: found.key.clone() });
        match wish {
            Wish::Open { flags } => self.open(peer, trapped, &found, flags),
            Wish::OpenHow { address } => {
                let mut flags = [0u8; 8];
                match sys::read_memory(trapped.thread, address, &mut flags) {
                    Ok(8) => self.open(peer, trapped, &found, u64::from_ne_bytes(flags) as i32),
                    _ => listener.fail(id, libc::EFAULT),
                }
            }
            Wish::Stat { to } => told(listener, trapped, to, &look(), |fix| sys::stat_bytes(&found.whole, fix)),
            Wish::Statx { flags, mask, to } => told(listener, trapped, to, &look(), |fix| sys::statx_bytes(&found.whole, flags, mask, fix)),
            Wish::Access { mode } => {
                let answer = look();
                let file = found.whole.is_file();
                match answer.errno {
                    0 if mode & libc::W_OK != 0 && answer.read_only => listener.fail(id, libc::EROFS),
                    0 if mode & libc::X_OK != 0 && file => listener.fail(id, libc::EACCES),
                    _ => settle(answer),
                }
            }
            Wish::BeThere => match look().errno {
                0 => listener.proceed(id),
                errno => listener.fail(id, errno),
            },
            Wish::Delete { directory } => settle(found.mount.client.ask(&Ask::Delete { path: found.key, directory })),
            Wish::MakeDirectory => settle(found.mount.client.ask(&Ask::MakeDirectory { path: found.key })),
            Wish::Rename { flags, .. } => match second {
                Some(to) if to.mount.directory == found.mount.directory && flags & !libc::RENAME_NOREPLACE == 0 => {
                    settle(found.mount.client.ask(&Ask::Rename { from: found.key, to: to.key, exclusive: flags & libc::RENAME_NOREPLACE != 0 }));
                }
                Some(to) if to.mount.directory == found.mount.directory => listener.fail(id, libc::EINVAL),
                _ => listener.fail(id, libc::EXDEV),
            },
            Wish::Impossible { .. } => listener.fail(id, libc::EPERM),
            Wish::Ignored => settle(look()),
        }
    }

    fn open(&self, peer: &Peer, trapped: Trapped, found: &Found, flags: i32) {
        let (listener, id) = (&peer.listener, trapped.id);
        let client = &found.mount.client;
        if flags & libc::O_PATH != 0 {
            return match client.ask(&Ask::Look { path: found.key.clone() }).errno {
                0 => listener.proceed(id),
                errno => listener.fail(id, errno),
            };
        }
        let answer = client.ask(&Ask::Open { path: found.key.clone(), flags });
        let close_on_exec = flags & libc::O_CLOEXEC != 0;
        match answer {
            Answer { errno, .. } if errno != 0 => listener.fail(id, errno),
            Answer { staged: Some((number, path)), .. } => {
                let given = sys::open(&path, flags & KEPT_FLAGS).and_then(|file| {
                    // Before the caller can close it: what is closed before it has begun is not sent.
                    let process = program_of::process_of(trapped.thread);
                    self.shared.writers().insert(process);
                    client.ask(&Ask::Begun { id: number, process, worker: peer.worker && peer.process == process });
                    self.give_written(listener, trapped, &file, close_on_exec).inspect_err(|_| {
                        client.ask(&Ask::Dropped { id: number });
                    })
                });
                if let Err(error) = given {
                    listener.fail(id, error.raw_os_error().unwrap_or(libc::EIO));
                }
            }
            Answer { filled: true, .. } => match sys::open(&found.whole, flags & KEPT_FLAGS).and_then(|file| listener.give(id, &file, None, close_on_exec)) {
                Ok(_) => {}
                Err(error) => listener.fail(id, error.raw_os_error().unwrap_or(libc::EIO)),
            },
            // A directory, whose names are there now.
            _ => listener.proceed(id),
        }
    }

    /// Gives a file for writing at a number whose closing is trapped, if one is free; else the lowest, and an error at its close is told in the cell.
    fn give_written(&self, listener: &Listener, trapped: Trapped, file: &OwnedFd, close_on_exec: bool) -> io::Result<()> {
        let _one_at_a_time = self.shared.numbering.lock().unwrap_or_else(PoisonError::into_inner);
        let free = |descriptor: &RawFd| fs::symlink_metadata(format!("/proc/{}/fd/{descriptor}", trapped.thread)).is_err();
        if let Some(descriptor) = program::written().rev().find(free) {
            match listener.give(trapped.id, file, Some(descriptor), close_on_exec) {
                Ok(_) => return Ok(()),
                // Not where this program may have descriptors: it has lowered its limit.
                Err(error) if error.raw_os_error() == Some(libc::EBADF) => {}
                Err(error) => return Err(error),
            }
        }
        listener.give(trapped.id, file, None, close_on_exec).map(drop)
    }
}

impl Shared {
    fn armed(&self) -> MutexGuard<'_, Armed> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writers(&self) -> MutexGuard<'_, HashSet<u32>> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arm(&self, change: impl FnOnce(&mut Armed)) {
        change(&mut self.armed());
        self.changed.notify_all();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Wakes the accepting thread, which then sees that there is no supervisor.
        let _ = std::os::unix::net::UnixStream::connect(&self.socket);
        if let Some(home) = self.socket.parent() {
            let _ = fs::remove_dir_all(home);
        }
    }
}

/// Who is under a filter: the worker, or a command.
struct Peer {
    listener: Listener,
    worker: bool,
    process: u32,
}

/// A path that leads into a mount.
struct Found {
    mount: Mount,
    whole: PathBuf,
    key: String,
}

enum Task {
    Path { wish: Wish, first: Option<Found>, second: Option<Found> },
    Close { descriptor: RawFd, id: u64, mount: Mount },
    Sync { id: u64, mount: Mount },
    Exit { process: u32 },
}

/// Writes what `stat` says to where the caller wants it, unfilled files with the permissions that they will have.
fn told(listener: &Listener, trapped: Trapped, to: u64, answer: &Answer, stat: impl FnOnce(Box<dyn Fn(u32) -> u32>) -> io::Result<Vec<u8>>) {
    if answer.errno != 0 {
        return listener.fail(trapped.id, answer.errno);
    }
    let shown = if answer.read_only { FILE_READ_ONLY } else { FILE };
    let fix = move |mode: u32| if mode & libc::S_IFMT == libc::S_IFREG && mode & 0o7777 == UNFILLED { mode | shown } else { mode };
    match stat(Box::new(fix)).and_then(|bytes| sys::write_memory(trapped.thread, to, &bytes)) {
        Ok(()) => listener.succeed(trapped.id, 0),
        Err(error) => listener.fail(trapped.id, error.raw_os_error().unwrap_or(libc::EIO)),
    }
}

/// Whether the caller has the file of a descriptor under another number too.
fn shared_within(thread: u32, descriptor: RawFd) -> bool {
    let own = fs::read_link(format!("/proc/{thread}/fd/{descriptor}"));
    let Ok(own) = own else { return false };
    let Ok(all) = fs::read_dir(format!("/proc/{thread}/fd")) else { return false };
    all.flatten().any(|one| one.file_name().to_str() != Some(&descriptor.to_string()) && fs::read_link(one.path()).is_ok_and(|place| place == own))
}
