//! Where this way keeps what belongs to a mount besides its directory: a private directory per mount, found from the mounted directory alone, so that
//! the kernel finds its mount process and the next mount finds what a killed one left.
//!
//! ```text
//! /tmp/ochre-1000/mount-<hash of the directory>/   s         the mount process's socket
//!                                                  owner     its process, and the location
//!                                                  names     what it has made in the directory
//!                                                  staging/  files that are being written
//! ```

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::supervisor::UNFILLED;
use super::sys;

/// Longest directory for temporary files that is used: the path of a unix socket has room for 107 bytes.
const TEMPORARY_AT_MOST: usize = 50;

/// Where this user's directory for mounts may be, best first: what is written to a mount lies in it until it is sent, so memory comes last.
fn homes() -> Vec<PathBuf> {
    let named = |variable: &str| std::env::var_os(variable).map(PathBuf::from);
    let places = [named("TMPDIR"), Some("/tmp".into()), named("XDG_RUNTIME_DIR"), Some("/dev/shm".into())];
    let usable = places.into_iter().flatten().filter(|place| place.is_absolute() && place.as_os_str().len() <= TEMPORARY_AT_MOST);
    usable.map(|place| place.join(format!("ochre-{}", sys::user()))).collect()
}

/// Whether it is a directory that only this user can enter.
fn is_private(home: &Path) -> bool {
    fs::symlink_metadata(home).is_ok_and(|found| found.is_dir() && found.uid() == sys::user() && found.mode() & 0o077 == 0)
}

/// Makes the first of [`homes`] that this user can have; one that another user has made is none.
fn make_home() -> io::Result<PathBuf> {
    let mut reason = None;
    for home in homes() {
        let made = match private(&home) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ if !is_private(&home) => Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} belongs to somebody else", home.display()))),
            _ => rustix::fs::access(&home, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).map_err(io::Error::from),
        };
        match made {
            Ok(()) => return Ok(home),
            Err(error) => drop(reason.get_or_insert(error)),
        }
    }
    Err(reason.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

/// Makes a directory that only this user can enter.
fn private(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)
}

/// A directory of this process's own.
pub(super) fn fresh_directory(what: &str) -> io::Result<PathBuf> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = make_home()?.join(format!("{what}-{}-{number}", std::process::id()));
    // Of a process that had this number before.
    let _ = fs::remove_dir_all(&path);
    private(&path)?;
    Ok(path)
}

fn name(directory: &Path) -> String {
    let bytes = directory.as_os_str().as_bytes();
    let backwards: Vec<u8> = bytes.iter().rev().copied().collect();
    format!("mount-{:08x}{:08x}", crc32fast::hash(bytes), crc32fast::hash(&backwards))
}

fn found(directory: &Path) -> Option<PathBuf> {
    homes().iter().filter(|home| is_private(home)).map(|home| home.join(name(directory))).find(|state| state.exists())
}

/// The state of the mount at `directory` (a true path): where there is one, else where it could be.
pub(crate) fn of(directory: &Path) -> PathBuf {
    found(directory).unwrap_or_else(|| homes()[0].join(name(directory)))
}

pub(super) fn socket(directory: &Path) -> PathBuf {
    of(directory).join("s")
}

pub(crate) fn staging(directory: &Path) -> PathBuf {
    of(directory).join("staging")
}

/// Makes the state of a new mount; that of a killed one was [`sweep`]t before.
pub(crate) fn make(directory: &Path, location: &str) -> io::Result<Journal> {
    let state = match found(directory) {
        Some(state) => state,
        None => make_home()?.join(name(directory)),
    };
    for made in [state.clone(), state.join("staging")] {
        match private(&made) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    fs::write(state.join("owner"), format!("{} {}\n{location}", std::process::id(), birth(std::process::id()).unwrap_or(0)))?;
    Ok(Journal(File::options().create(true).append(true).open(state.join("names"))?))
}

/// Takes the state away.
pub(crate) fn remove(directory: &Path) {
    let _ = fs::remove_dir_all(of(directory));
}

/// The location that a living process has at `directory` in this way.
pub(crate) fn holder(directory: &Path) -> Option<String> {
    let text = fs::read_to_string(of(directory).join("owner")).ok()?;
    let (process, location) = text.split_once('\n')?;
    let (pid, born) = process.split_once(' ')?;
    let alive = birth(pid.parse().ok()?).is_some_and(|birth| birth.to_string() == born);
    alive.then(|| location.to_owned())
}

/// When a process was started, in ticks since the machine was: it tells two processes of one number apart.
fn birth(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(22 - 3)?.parse().ok()
}

/// What a mount has made in its directory, so that what is left of it can be told from files of the user's. Each thing is noted before it is made.
pub(crate) struct Journal(File);

/// A directory of the mount's.
const DIRECTORY: &[u8] = b"d";
/// A file that the mount takes away in any case.
const TEMPORARY: &[u8] = b"t";
/// The directory is a synced folder: what is left there is the user's and is sent by the next mount.
const COPIED: &[u8] = b"s";
/// A version that the user was told of: it is not sent.
const ASIDE: &[u8] = b"c";
/// The version that a copied file has in the store follows.
const VERSION: u8 = b'v';

impl Journal {
    pub(crate) fn directory(&mut self, path: &str) {
        self.note(path, DIRECTORY);
    }

    pub(crate) fn file(&mut self, path: &str, size: u64, modified: SystemTime) {
        self.note(path, stamp(size, modified).as_bytes());
    }

    pub(crate) fn temporary(&mut self, path: &str) {
        self.note(path, TEMPORARY);
    }

    pub(crate) fn copied(&mut self) {
        self.note("", COPIED);
    }

    pub(crate) fn aside(&mut self, path: &str) {
        self.note(path, ASIDE);
    }

    pub(crate) fn version(&mut self, path: &str, etag: &str) {
        self.note(path, format!("{}{etag}", VERSION as char).as_bytes());
    }

    fn note(&mut self, path: &str, what: &[u8]) {
        // Without it a later mount finds a directory that is not empty, and says so.
        let _ = self.0.write_all(&[what, b"\0", path.as_bytes(), b"\0"].concat());
    }
}

/// Size and time of a file.
fn stamp(size: u64, modified: SystemTime) -> String {
    let age = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{size} {}.{:09}", age.as_secs(), age.subsec_nanos())
}

/// What a mount at `directory` has noted, in order.
fn notes(directory: &Path) -> Vec<(Vec<u8>, PathBuf)> {
    let bytes = fs::read(of(directory).join("names")).unwrap_or_default();
    let mut fields = bytes.split(|&byte| byte == 0);
    let mut notes = Vec::new();
    while let (Some(what), Some(path)) = (fields.next(), fields.next()) {
        notes.push((what.to_vec(), PathBuf::from(std::ffi::OsString::from_vec(path.to_vec()))));
    }
    notes
}

/// What a synced folder knew of the files that it left.
#[derive(Default)]
pub(crate) struct Left {
    /// The version that was fetched or sent last, by path.
    pub(crate) versions: HashMap<String, String>,
    /// What was put aside.
    pub(crate) aside: BTreeSet<String>,
}

/// What a synced folder that was killed, or could not send all, has left at `directory`; `None` if there was none of `location`.
pub(crate) fn left(directory: &Path, location: &str) -> Option<Left> {
    let owner = fs::read_to_string(of(directory).join("owner")).ok()?;
    let notes = notes(directory);
    if owner.split_once('\n')?.1 != location || !notes.iter().any(|(what, _)| what == COPIED) {
        return None;
    }
    let mut left = Left::default();
    for (what, path) in notes {
        let Some(path) = path.to_str().map(str::to_owned) else { continue };
        if what == ASIDE {
            left.aside.insert(path);
        } else if what.first() == Some(&VERSION) {
            left.versions.insert(path, String::from_utf8_lossy(&what[1..]).into_owned());
        }
    }
    Some(left)
}

/// Takes away what a killed mount process left at `directory`: its placeholders, files that are as it made them, and directories that are empty then.
/// A living mount's are left alone. Nothing beyond a link is touched. What a synced folder leaves is noted further.
pub(crate) fn sweep(directory: &Path) {
    let notes = notes(directory);
    if notes.is_empty() || holder(directory).is_some() {
        return;
    }
    let mut directories = BTreeSet::new();
    let mut within: HashMap<PathBuf, bool> = HashMap::new();
    let mut copied = false;
    for (what, path) in notes {
        let path = directory.join(path);
        copied |= what == COPIED;
        let parent = path.parent().unwrap_or(directory).to_owned();
        let inside = *within.entry(parent).or_insert_with_key(|parent| parent.canonicalize().is_ok_and(|found| found == *parent));
        if !inside || what == ASIDE {
            continue;
        }
        if what == DIRECTORY {
            directories.insert(path);
        } else if fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && is_ours(&what, &found)) {
            let _ = fs::remove_file(&path);
        }
    }
    for path in directories.iter().rev() {
        let _ = fs::remove_dir(path);
    }
    if !copied || fs::read_dir(directory).map_or(0, Iterator::count) == 0 {
        let _ = fs::remove_dir_all(of(directory));
    }
}

/// Whether a file is as the mount made it.
fn is_ours(what: &[u8], found: &fs::Metadata) -> bool {
    let Ok(modified) = found.modified() else { return false };
    let exact = stamp(found.len(), modified);
    // A file system without parts of a second; an empty file that was killed before it had its time.
    let coarse = exact.strip_suffix("000000000").is_some_and(|seconds| what.starts_with(seconds.as_bytes()));
    let empty = found.len() == 0 && what.starts_with(b"0 ");
    what == TEMPORARY || found.permissions().mode() & 0o7777 == UNFILLED || what == exact.as_bytes() || coarse || empty
}
