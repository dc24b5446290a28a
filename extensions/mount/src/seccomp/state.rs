//! Where this way keeps what belongs to a mount besides its directory: a private directory per mount, found from the mounted directory alone, so that
//! the kernel finds its mount process and the next mount finds what a killed one left.
//!
//! ```text
//! /tmp/ochre-1000/mount-<hash of the directory>/   s         the mount process's socket
//!                                                  owner     its process, and the location
//!                                                  names     what it has made in the directory
//!                                                  staging/  files that are being written
//! ```

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::supervisor::UNFILLED;
use super::sys;

/// Longest directory for temporary files that is used: the path of a unix socket has room for 107 bytes.
const TEMPORARY_AT_MOST: usize = 50;

/// This user's directory for mounts; nobody else may enter it.
fn home() -> PathBuf {
    let temporary = std::env::temp_dir();
    let temporary = if temporary.as_os_str().len() > TEMPORARY_AT_MOST { PathBuf::from("/tmp") } else { temporary };
    temporary.join(format!("ochre-{}", sys::user()))
}

/// Makes [`home`], and refuses one that another user has made.
fn make_home() -> io::Result<PathBuf> {
    let home = home();
    private(&home)?;
    let found = fs::symlink_metadata(&home)?;
    if !found.is_dir() || found.uid() != sys::user() || found.mode() & 0o077 != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} belongs to somebody else", home.display())));
    }
    Ok(home)
}

/// Makes a directory that only this user can enter.
fn private(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).recursive(true).create(path)
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

/// The state of the mount at `directory` (a true path).
pub(crate) fn of(directory: &Path) -> PathBuf {
    let bytes = directory.as_os_str().as_bytes();
    let backwards: Vec<u8> = bytes.iter().rev().copied().collect();
    home().join(format!("mount-{:08x}{:08x}", crc32fast::hash(bytes), crc32fast::hash(&backwards)))
}

pub(super) fn socket(directory: &Path) -> PathBuf {
    of(directory).join("s")
}

pub(super) fn staging(directory: &Path) -> PathBuf {
    of(directory).join("staging")
}

/// Makes the state of a new mount; that of a killed one was [`sweep`]t before.
pub(crate) fn make(directory: &Path, location: &str) -> io::Result<Journal> {
    make_home()?;
    private(&staging(directory))?;
    fs::write(of(directory).join("owner"), format!("{} {}\n{location}", std::process::id(), birth(std::process::id()).unwrap_or(0)))?;
    Ok(Journal(File::options().create(true).append(true).open(of(directory).join("names"))?))
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

/// What a mount has made in its directory, so that what is left of it can be told from files of the user's.
pub(crate) struct Journal(File);

impl Journal {
    pub(crate) fn directory(&mut self, path: &str) {
        self.note(path, "d");
    }

    pub(crate) fn file(&mut self, path: &str, size: u64, modified: SystemTime) {
        self.note(path, &format!("{size} {}", seconds(modified)));
    }

    fn note(&mut self, path: &str, what: &str) {
        // Without it a later mount finds a directory that is not empty, and says so.
        let _ = self.0.write_all(format!("{what}\0{path}\0").as_bytes());
    }
}

pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs())
}

/// Takes away what a killed mount process left at `directory`: its placeholders, files that are as it made them, and directories that are empty then.
/// A living mount's are left alone.
pub(crate) fn sweep(directory: &Path) {
    let state = of(directory);
    let Ok(mut file) = File::open(state.join("names")) else { return };
    if holder(directory).is_some() {
        return;
    }
    let mut bytes = Vec::new();
    let _ = file.read_to_end(&mut bytes);
    let mut fields = bytes.split(|&byte| byte == 0);
    let mut directories = BTreeSet::new();
    while let (Some(what), Some(path)) = (fields.next(), fields.next()) {
        let path = directory.join(PathBuf::from(std::ffi::OsString::from_vec(path.to_vec())));
        if what == b"d" {
            directories.insert(path);
        } else if let Ok(found) = fs::symlink_metadata(&path)
            && found.is_file()
            && (found.permissions().mode() & 0o7777 == UNFILLED || format!("{} {}", found.len(), found.mtime()).as_bytes() == what)
        {
            let _ = fs::remove_file(&path);
        }
    }
    for path in directories.iter().rev() {
        let _ = fs::remove_dir(path);
    }
    let _ = fs::remove_dir_all(state);
}
