//! What a mount process is told: one line of JSON on its stdin, written by the kernel. It holds a credential, so it is never in argv, the environment
//! or a file, and its `Debug` shows the location and the directory alone.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long names and sizes from a listing are believed, unless the configuration says otherwise. Long enough that a program which walks a directory
/// asks once, short enough that a file which another machine has written appears while one looks for it.
pub const NAMES_TTL: Duration = Duration::from_secs(5);
/// How long a read, a listing or a lookup may take before it is `EIO`. Longer than a store's own hiccups (object stores throttle for some seconds),
/// shorter than a user's patience.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How long the close of a written file may take before it is `EIO`: what is in flight then (64 MiB) takes 64 s at 1 MB/s.
pub const CLOSE_LIMIT: Duration = Duration::from_secs(120);
/// How long writes that are open when the mount ends are given to be closed.
pub const END_LIMIT: Duration = Duration::from_secs(10);
/// Memory for prefetched and unwritten bytes of the whole mount, in bytes.
pub const BUDGET: u64 = 256 << 20;

/// The ways in which a location can become a directory, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayName {
    /// A file system of our own (`/dev/fuse`).
    Fuse,
    /// Opens of the worker are trapped and answered with a fetched file.
    Seccomp,
    /// A folder that is copied there and back.
    Synced,
}

impl fmt::Display for WayName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Fuse => "FUSE",
            Self::Seccomp => "seccomp",
            Self::Synced => "synced folder",
        })
    }
}

/// The configuration of one mount.
#[derive(Clone, Serialize, Deserialize)]
pub struct MountConfig {
    /// `az://container@account/path` and so on; never holds a credential.
    pub location: String,
    /// Where it appears: an absolute path. Made if it is not there (and taken away at the end), otherwise an empty directory.
    pub directory: PathBuf,
    /// The first credential, as `Grant::to_wire` wrote it (JSON); the later ones are asked for. Without one, all are.
    #[serde(default)]
    pub grant: Option<serde_json::Value>,
    /// Nothing can be written.
    #[serde(default)]
    pub read_only: bool,
    /// Files that are there may be replaced, deleted and renamed.
    #[serde(default)]
    pub overwrite: bool,
    /// Bytes of the disk cache; 0 is none.
    #[serde(default)]
    pub cache: u64,
    /// Where the disk cache lies; needed when `cache` is not 0.
    #[serde(default)]
    pub cache_directory: Option<PathBuf>,
    /// Bytes of memory for what is read ahead and not yet written.
    #[serde(default = "defaults::budget")]
    pub budget: u64,
    /// The one way to use; without it the first that works.
    #[serde(default)]
    pub way: Option<WayName>,
    /// How long names and sizes are believed, in milliseconds.
    #[serde(default = "defaults::names_ttl_ms")]
    pub names_ttl_ms: u64,
    /// How long a read, listing or lookup may take before it is `EIO`, in milliseconds.
    #[serde(default = "defaults::answer_limit_ms")]
    pub answer_limit_ms: u64,
}

mod defaults {
    pub(super) fn budget() -> u64 {
        super::BUDGET
    }

    pub(super) fn names_ttl_ms() -> u64 {
        super::NAMES_TTL.as_millis() as u64
    }

    pub(super) fn answer_limit_ms() -> u64 {
        super::ANSWER_LIMIT.as_millis() as u64
    }
}

impl MountConfig {
    /// A mount of `location` at `directory` with every choice at its default.
    #[must_use]
    pub fn new(location: impl Into<String>, directory: impl Into<PathBuf>) -> Self {
        Self {
            location: location.into(),
            directory: directory.into(),
            grant: None,
            read_only: false,
            overwrite: false,
            cache: 0,
            cache_directory: None,
            budget: defaults::budget(),
            way: None,
            names_ttl_ms: defaults::names_ttl_ms(),
            answer_limit_ms: defaults::answer_limit_ms(),
        }
    }

    /// How long names and sizes are believed.
    #[must_use]
    pub fn names_ttl(&self) -> Duration {
        Duration::from_millis(self.names_ttl_ms)
    }

    /// How long a read, listing or lookup may take.
    #[must_use]
    pub fn answer_limit(&self) -> Duration {
        Duration::from_millis(self.answer_limit_ms)
    }

    /// The line that goes to the mount process; the caller writes it to the pipe and nowhere else.
    ///
    /// # Panics
    /// Never: the configuration holds nothing that JSON lacks.
    #[must_use]
    pub fn to_wire(&self) -> String {
        let mut line = serde_json::to_string(self).expect("strings, numbers and paths are JSON");
        line.push('\n');
        line
    }

    /// The configuration in one line.
    ///
    /// # Errors
    /// What is wrong with the line; its text is not repeated, for it holds a credential.
    pub fn from_wire(line: &str) -> Result<Self, crate::MountError> {
        serde_json::from_str(line).map_err(|error| crate::MountError::Config(format!("line {}, column {}", error.line(), error.column())))
    }
}

impl fmt::Debug for MountConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("MountConfig").field("location", &self.location).field("directory", &self.directory).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_crosses_the_pipe_and_shows_no_credential() {
        let config = MountConfig { grant: Some(serde_json::json!({"key": "pa55word"})), overwrite: true, ..MountConfig::new("az://c@a/p", "/mnt/x") };
        let line = config.to_wire();
        let back = MountConfig::from_wire(&line).unwrap();
        assert!(line.ends_with('\n') && line.contains("pa55word") && !format!("{back:?}").contains("pa55word"));
        assert_eq!((back.location.as_str(), back.overwrite, back.grant), ("az://c@a/p", true, config.grant));
        let error = MountConfig::from_wire("{\"location\": \"x\", \"grant\": \"pa55word\"").unwrap_err().to_string();
        assert!(!error.contains("pa55word"), "{error}");
    }
}
