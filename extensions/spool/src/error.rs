//! What can go wrong with a spool. Nothing in here holds a credential: a spool has none.
use std::io;
use std::path::{Path, PathBuf};

/// Why a spool could not be made, written or read.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("cannot {what} {}", path.display())]
    File { what: &'static str, path: PathBuf, source: io::Error },
    /// As much waits for delivery as the spool may hold: wait for room, or leave the record out.
    #[error("{bytes} bytes wait for delivery, and a run's spool holds {limit}")]
    Full { bytes: u64, limit: u64 },
    /// The disk is full, and so is what may be kept in memory instead.
    #[error("no room for more records on the disk, nor in memory")]
    NoRoom(#[source] io::Error),
    #[error("a record of {bytes} bytes is larger than the {limit} that one may have")]
    TooLarge { bytes: usize, limit: usize },
    #[error("{} is no spool that this version reads: {why}", path.display())]
    NotASpool { path: PathBuf, why: &'static str },
    #[error("the spool {} belongs to a process that is alive", path.display())]
    Owned { path: PathBuf },
}

impl SpoolError {
    /// The file error of an operation.
    pub(crate) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| SpoolError::File { what, path: path.to_owned(), source }
    }
}
