//! Where a caller's path leads: to a mount of ours, or elsewhere. The system itself resolves it (`.`, `..`, links), from the caller's directory or
//! descriptor in `/proc`; what is not there yet is resolved as far as it is there.
//!
//! ```text
//! "../x/new.csv" of thread 7 --/proc/7/cwd/../x/new.csv--> not there --/proc/7/cwd/../x--> /home/user/data/x  +  new.csv
//! ```

use std::ffi::OsStr;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::sys;

/// Most components of a path that are given up from its end: `PATH_MAX` has no more.
const COMPONENTS_AT_MOST: usize = 2048;
/// What the system puts behind the path of a file that has no name any more.
const DELETED: &[u8] = b" (deleted)";

/// The true path that `text` has for `thread`, relative to `directory` (a descriptor of its, or `AT_FDCWD`). `None`: the call will fail by itself, or is
/// about something without a path.
pub(super) fn resolve(thread: u32, directory: i32, text: &[u8], follow: bool) -> Option<PathBuf> {
    let mut asked = start(thread, directory, text)?;
    let mut follow = follow;
    // Names from the end that are not there, last first, and how many of them a `..` behind has taken back.
    let mut missing: Vec<Vec<u8>> = Vec::new();
    let mut taken_back = 0usize;
    for _ in 0..COMPONENTS_AT_MOST {
        let flags = libc::O_PATH | if follow { 0 } else { libc::O_NOFOLLOW };
        match sys::open(Path::new(OsStr::from_bytes(&asked)), flags) {
            Ok(found) => {
                let mut path = fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd())).ok()?;
                if path.as_os_str().as_bytes().ends_with(DELETED) || !path.is_absolute() {
                    return None;
                }
                for _ in 0..taken_back {
                    path.pop();
                }
                path.extend(missing.iter().rev().map(|name| OsStr::from_bytes(name)));
                return Some(path);
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                let cut = trimmed(&asked).iter().rposition(|&byte| byte == b'/')?;
                let last = trimmed(&asked)[cut + 1..].to_vec();
                asked.truncate(cut.max(1));
                follow = true;
                match last.as_slice() {
                    b"." | b"" => {}
                    b".." => taken_back += 1,
                    _ if taken_back > 0 => taken_back -= 1,
                    _ => missing.push(last),
                }
                if asked == b"/" && cut == 0 {
                    let mut path = PathBuf::from("/");
                    path.extend(missing.iter().rev().map(|name| OsStr::from_bytes(name)));
                    return Some(path);
                }
            }
            Err(_) => return None,
        }
    }
    None
}

/// The path as this process can name it.
fn start(thread: u32, directory: i32, text: &[u8]) -> Option<Vec<u8>> {
    if text.is_empty() {
        return None;
    }
    let mut path = match text.first() {
        Some(b'/') => return Some(own(thread, text)),
        _ if directory == libc::AT_FDCWD => format!("/proc/{thread}/cwd/").into_bytes(),
        _ => format!("/proc/{thread}/fd/{directory}/").into_bytes(),
    };
    path.extend_from_slice(text);
    Some(path)
}

/// Names that mean the caller itself, with the caller in them.
fn own(thread: u32, text: &[u8]) -> Vec<u8> {
    let forms: [(&[u8], String); 6] = [
        (b"/proc/self", format!("/proc/{thread}")),
        (b"/proc/thread-self", format!("/proc/{thread}")),
        (b"/dev/fd", format!("/proc/{thread}/fd")),
        (b"/dev/stdin", format!("/proc/{thread}/fd/0")),
        (b"/dev/stdout", format!("/proc/{thread}/fd/1")),
        (b"/dev/stderr", format!("/proc/{thread}/fd/2")),
    ];
    for (form, meant) in forms {
        if let Some(rest) = text.strip_prefix(form)
            && (rest.is_empty() || rest[0] == b'/')
        {
            return [meant.as_bytes(), rest].concat();
        }
    }
    text.to_vec()
}

fn trimmed(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(1, |at| at + 1);
    &path[..end.min(path.len())]
}

/// What `path` is below `directory` (both true paths): "" for itself. `None` if it is elsewhere.
pub(super) fn below<'a>(path: &'a Path, directory: &Path) -> Option<&'a Path> {
    path.strip_prefix(directory).ok()
}

/// A path within a mount as the store's keys are written; `None` where it cannot be one.
pub(super) fn key(path: &Path) -> Option<String> {
    String::from_utf8(path.as_os_str().to_owned().into_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_as_the_system_finds_them() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("m/sub")).unwrap();
        fs::write(root.join("m/sub/file"), "x").unwrap();
        std::os::unix::fs::symlink(root.join("m/sub"), root.join("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.join("dangling")).unwrap();
        let thread = std::process::id();
        let open = sys::open(&root.join("m"), libc::O_PATH | libc::O_DIRECTORY).unwrap();
        let file = sys::open(&root.join("m/sub/file"), libc::O_RDONLY).unwrap();
        let at = |text: &str, directory: i32, follow: bool| resolve(thread, directory, text.as_bytes(), follow).map(|p| p.display().to_string().replace(&root.display().to_string(), "~"));
        let from_root = |text: &str| at(&format!("{}/{text}", root.display()), libc::AT_FDCWD, true);
        for (text, expected) in [
            ("m/sub/file", "~/m/sub/file"),
            ("m/./sub//file", "~/m/sub/file"),
            ("m/sub/../sub/file", "~/m/sub/file"),
            ("link/file", "~/m/sub/file"),
            ("link/new", "~/m/sub/new"),
            ("link/../new", "~/m/new"),
            ("m/new/deep/", "~/m/new/deep"),
            ("m/new/../other", "~/m/other"),
            ("m/new/../../other", "~/other"),
            ("m/sub/", "~/m/sub"),
        ] {
            assert_eq!(from_root(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(at("sub/file", open.as_raw_fd(), true).as_deref(), Some("~/m/sub/file"));
        assert_eq!(at("../m/new", open.as_raw_fd(), true).as_deref(), Some("~/m/new"));
        assert_eq!(at(&format!("{}/link", root.display()), libc::AT_FDCWD, false).as_deref(), Some("~/link"));
        assert_eq!(at(&format!("/proc/self/fd/{}", file.as_raw_fd()), libc::AT_FDCWD, true).as_deref(), Some("~/m/sub/file"));
        assert_eq!(at(&format!("/dev/fd/{}", file.as_raw_fd()), libc::AT_FDCWD, true).as_deref(), Some("~/m/sub/file"));
        fs::remove_file(root.join("m/sub/file")).unwrap();
        assert_eq!(at(&format!("/proc/self/fd/{}", file.as_raw_fd()), libc::AT_FDCWD, true), None, "a file without a name");
        assert_eq!(at("m/sub/file/x", open.as_raw_fd(), true).as_deref(), Some("~/m/m/sub/file/x"));
        assert_eq!((at("", libc::AT_FDCWD, true), at("/not-there/x", libc::AT_FDCWD, true).as_deref()), (None, Some("/not-there/x")));
    }
}
