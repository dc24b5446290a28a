//! What can go wrong while the prelude is built, in words for the person who ran the command.
use std::path::PathBuf;

/// A failed step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{program}` could not be started; install Rust 1.95 or newer (rustup) so that `rustc` and `cargo` are on the PATH")]
    NoToolchain { program: String, #[source] source: std::io::Error },
    #[error("`rustc -vV` did not say its version; it printed: {text}")]
    OddCompiler { text: String },
    #[error("cargo failed ({status}) while building {what}; its messages are above")]
    CargoFailed { what: String, status: String },
    #[error("cargo built {what} but named no {missing}; this is a bug of Ochre's build, please report it")]
    MissingArtifact { what: String, missing: String },
    #[error(
        "Ochre's sources were not found, and the prelude is built from them: set OCHRE_SOURCE to a checkout of Ochre (the directory that holds kernel/ and extensions/)"
    )]
    NoSource,
    #[error("cannot {action} {}", path.display())]
    File { action: &'static str, path: PathBuf, #[source] source: std::io::Error },
    #[error("{} is not a manifest that this version of Ochre reads; run `ochre install` again", path.display())]
    Manifest { path: PathBuf, #[source] source: serde_json::Error },
    #[error("there is no home directory to keep built crates in: set OCHRE_CACHE to a directory that can be written")]
    NoCache,
}

impl Error {
    /// For `map_err`: the failed action and its file, with the cause below it.
    pub fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::File { action, path, source }
    }
}

/// An error and its causes on one line, outermost first.
pub fn print_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
