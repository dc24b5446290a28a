//! A disk that is really full: a file system of 16 MiB that only one process sees, which its test fills and empties.
//!
//! ```text
//! test --play--> unshare --mount, mount -t tmpfs --> a copy of the test program, which runs the same test
//!                                                     `-- SmallDisk::here() --fill, free--> ENOSPC, room
//! ```
//! Root may mount, and so may anybody where namespaces of users are allowed. Elsewhere a limit stands in that lets no file grow at all (`EFBIG`).
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Says to the copy where its disk is, behind `mount:` or `limit:`.
const VARIABLE: &str = "OCHRE_SMALL_DISK";
/// Some megabytes more than a store of runs with a spool beside it needs.
const SIZE: &str = "size=16m";
/// The ways to a mount of one's own.
const WAYS: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];

/// The disk, in the copy of the test program.
pub struct SmallDisk {
    path: PathBuf,
    mounted: bool,
}

impl SmallDisk {
    /// The disk, if this process is a copy that has one.
    pub fn here() -> Option<Self> {
        let said = std::env::var(VARIABLE).ok()?;
        let (way, path) = said.split_once(':')?;
        Some(Self { path: path.into(), mounted: way == "mount" })
    }

    /// Runs a test of this program in a copy that has a small disk; `test` is its full name.
    ///
    /// # Panics
    /// The test failed there, or no such test ran.
    pub fn play(test: &str) {
        let place = tempfile::tempdir().expect("a directory");
        let program = std::env::current_exe().expect("this program");
        let mount = format!("mount -t tmpfs -o {SIZE} none '{}'", place.path().display());
        let way = WAYS.iter().find(|way| Command::new("unshare").args(**way).args(["sh", "-c", &mount]).stderr(Stdio::null()).status().is_ok_and(|status| status.success()));
        let copy = format!("exec '{}' --exact {test} --nocapture", program.display());
        let (mut command, said) = match way {
            Some(way) => {
                let mut command = Command::new("unshare");
                command.args(*way).args(["sh", "-c", &format!("{mount} && {copy}")]);
                (command, "mount")
            }
            None => {
                println!("{test}: nothing can be mounted here; a limit on files' sizes stands in for the full disk");
                let mut command = Command::new("sh");
                // Without a signal, which would end the process.
                command.args(["-c", &format!("trap '' XFSZ; {copy}")]);
                (command, "limit")
            }
        };
        let output = command.env(VARIABLE, format!("{said}:{}", place.path().display())).stdin(Stdio::null()).output().expect("a shell");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{test} on a small disk: {}: {text}", output.status);
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes all room that is left.
    pub fn fill(&self) {
        if !self.mounted {
            return limit("0");
        }
        let mut file = File::create(self.ballast()).expect("a file");
        for block in [1 << 16, 1 << 12, 1] {
            let bytes = vec![7; block];
            loop {
                match file.write(&bytes) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("the disk is filled: {error}"),
                }
            }
        }
    }

    /// Gives it back.
    pub fn free(&self) {
        match self.mounted {
            true => std::fs::remove_file(self.ballast()).expect("is removed"),
            false => limit("unlimited"),
        }
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

/// Sets how large files of this process may become.
fn limit(size: &str) {
    let done = Command::new("prlimit").args(["--pid", &std::process::id().to_string(), &format!("--fsize={size}:")]).status();
    assert!(done.as_ref().is_ok_and(|status| status.success()), "prlimit: {done:?}");
}
