//! What is mounted where, as the system says, and taking away what a killed mount process left behind.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::mount::UnmountFlags;

use crate::MountError;

/// What the source of every mount of ours begins with.
const SOURCE: &str = "ochre:";
/// How long a directory may take to say that it is alive.
const ALIVE_LIMIT: Duration = Duration::from_secs(5);
/// How many mounts on top of each other are taken away.
const STACK_MOST: usize = 16;

/// The source under which a location is mounted. Commas would end the option in which it is handed over.
#[must_use]
pub fn source(location: &str) -> String {
    format!("{SOURCE}{}", location.replace('%', "%25").replace(',', "%2C"))
}

/// The topmost mount at a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// The directory.
    pub directory: PathBuf,
    /// Its source: for ours, `ochre:` and the location.
    pub source: String,
}

impl Mounted {
    /// The location, if it is a mount of ours.
    #[must_use]
    pub fn location(&self) -> Option<String> {
        Some(self.source.strip_prefix(SOURCE)?.replace("%2C", ",").replace("%25", "%"))
    }
}

/// What is mounted at exactly `directory`.
#[must_use]
pub fn at(directory: &Path) -> Option<Mounted> {
    let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    parse(&String::from_utf8_lossy(&table)).into_iter().rfind(|mounted| mounted.directory == directory)
}

/// The lines of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
fn parse(table: &str) -> Vec<Mounted> {
    let line = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let directory = before.split(' ').nth(4)?;
        let source = after.split(' ').nth(1)?;
        Some(Mounted { directory: PathBuf::from(unescape(directory)), source: unescape(source) })
    };
    table.lines().filter_map(line).collect()
}

/// `\040` is a space, and so on.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (first, code) {
            (b'\\', Some(code)) => {
                bytes.push(code);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a process answers for the directory; one that does not within some seconds does not.
#[must_use]
pub fn alive(directory: &Path) -> bool {
    let (say, hear) = mpsc::channel();
    let directory = directory.to_owned();
    // The thread may hang in the kernel for as long as the mount does; nobody waits for it.
    std::thread::spawn(move || {
        let _ = say.send(std::fs::metadata(&directory).map(drop).or_else(|error| match error.raw_os_error() {
            Some(libc::ENOTCONN | libc::ECONNABORTED) => Err(error),
            _ => Ok(()),
        }));
    });
    matches!(hear.recv_timeout(ALIVE_LIMIT), Ok(Ok(())))
}

/// Unmounts `directory` at once, lazily where it is in use.
///
/// # Errors
/// The system's; a directory where nothing is mounted is none.
pub fn detach(directory: &Path) -> io::Result<()> {
    match rustix::mount::unmount(directory, UnmountFlags::empty()) {
        Ok(()) => return Ok(()),
        Err(rustix::io::Errno::INVAL) if at(directory).is_none() => return Ok(()),
        Err(_) => {}
    }
    match rustix::mount::unmount(directory, UnmountFlags::DETACH) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::INVAL) if at(directory).is_none() => Ok(()),
        Err(rustix::io::Errno::PERM) => detach_by_helper(directory),
        Err(error) => Err(error.into()),
    }
}

fn detach_by_helper(directory: &Path) -> io::Result<()> {
    let Some(program) = crate::fuse::fusermount() else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the program fusermount3 is not there"));
    };
    let status = Command::new(program).args(["-u", "-q", "-z", "--"]).arg(directory).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    if status.success() || at(directory).is_none() { Ok(()) } else { Err(io::Error::other(format!("fusermount3: {status}"))) }
}

/// What a directory is before something is mounted on it.
#[derive(Debug, PartialEq, Eq)]
pub enum Ground {
    /// Nothing is mounted there. `made`: it was not there, and has been made.
    Free {
        /// It is ours to take away.
        made: bool,
    },
    /// This very location is mounted there, and its process is alive.
    Same,
}

/// Makes `directory` ready for a mount of `location`: takes away what killed mount processes left, makes it if it is not there. `copies`: the mount hides
/// nothing that is there, so what an earlier one of the same location could not send may stay.
///
/// # Errors
/// Another mount, or a directory that holds files: both would be hidden.
pub fn prepare(directory: &Path, location: &str, copies: bool) -> Result<Ground, MountError> {
    let unusable = |reason: String| MountError::Directory { directory: directory.to_owned(), reason };
    if !directory.is_absolute() {
        return Err(unusable("it is no absolute path".to_owned()));
    }
    // The ways without a mount of the system's.
    match crate::seccomp::holder(directory) {
        Some(other) if other == location => return Ok(Ground::Same),
        Some(other) => return Err(MountError::Taken { directory: directory.to_owned(), other }),
        None => crate::seccomp::sweep(directory),
    }
    for _ in 0..STACK_MOST {
        let Some(mounted) = at(directory) else { break };
        match mounted.location() {
            Some(other) if alive(directory) => {
                return if other == location { Ok(Ground::Same) } else { Err(MountError::Taken { directory: directory.to_owned(), other }) };
            }
            Some(_) => detach(directory).map_err(|source| MountError::System { doing: "taking away the mount of a process that was killed", source })?,
            None => return Err(MountError::Taken { directory: directory.to_owned(), other: mounted.source }),
        }
    }
    match std::fs::read_dir(directory) {
        Ok(mut entries) => match entries.next() {
            None => Ok(Ground::Free { made: false }),
            Some(_) if copies && crate::seccomp::is_left(directory, location) => Ok(Ground::Free { made: false }),
            Some(_) => Err(unusable("it holds files, which the mount would hide".to_owned())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(directory).map_err(|error| unusable(error.to_string()))?;
            Ok(Ground::Free { made: true })
        }
        Err(error) => Err(unusable(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_table_is_read() {
        let table = "22 1 0:20 / /proc rw - proc proc rw\n\
                     60 22 0:50 / /mnt/a\\040b rw,nosuid - fuse ochre:az://c@a/x%2Cy rw,user_id=0\n\
                     61 22 0:51 / /mnt/a\\040b rw shared:1 - fuse.ochre ochre:s3://b/\\040p rw\nbroken line\n";
        let mounts = parse(table);
        assert_eq!(mounts.len(), 3);
        assert_eq!(mounts[0].location(), None);
        assert_eq!((mounts[1].directory.as_path(), mounts[1].location().as_deref()), (Path::new("/mnt/a b"), Some("az://c@a/x,y")));
        assert_eq!(mounts[2].location().as_deref(), Some("s3://b/ p"));
        assert_eq!(source("az://c@a/x,y%"), "ochre:az://c@a/x%2Cy%25");
    }

    #[test]
    fn a_directory_with_files_is_refused_and_a_missing_one_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("a/b");
        assert_eq!(prepare(&new, "s3://b", false).unwrap(), Ground::Free { made: true });
        assert_eq!(prepare(&new, "s3://b", false).unwrap(), Ground::Free { made: false });
        let error = prepare(folder.path(), "s3://b", true).unwrap_err().to_string();
        assert!(error.contains("it holds files"), "{error}");
        assert!(prepare(Path::new("relative"), "s3://b", false).is_err());
    }
}
