//! Why something was not logged, for the calls that take or make files and for trials.
use ochre_runtime::host::RequestFailure;
use ochre_spool::SpoolError;
use std::path::{Path, PathBuf};

/// Why something was not logged.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("cannot log {}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("cannot log {}: it is neither a file nor a folder", path.display())]
    NotAFile { path: PathBuf },
    #[error("cannot log `{name}`: {why}")]
    Content { name: String, why: String },
    #[error("cannot keep what was logged: {0}")]
    Spool(#[from] SpoolError),
    #[error("{0}")]
    Kernel(RequestFailure),
    /// Why there is none was said on stderr when it was looked for.
    #[error("there is no run to log to")]
    NoRun,
    #[error("interrupted")]
    Interrupted,
}

impl LogError {
    /// The error of reading or copying a file.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| LogError::File { path: path.to_owned(), source }
    }
}
