//! What can go wrong with layers, data and files, in words for the person who wrote the cell.
use ochre_tensors::TensorError;
use std::path::{Path, PathBuf};

/// A failed operation of this crate.
#[derive(Debug, thiserror::Error)]
pub enum NnError {
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// The system refused.
    #[error("{operation} {path}: {source}")]
    File { operation: &'static str, path: PathBuf, source: std::io::Error },
    /// A file or a stream that is not what it should be; says where and what was expected.
    #[error("{name} cannot be read: {problem}")]
    Format { name: String, problem: String },
    /// A state that is not this model's or optimiser's.
    #[error("the state does not fit: {0}")]
    State(String),
    /// Data that do not fit together or an argument that makes no sense.
    #[error("{0}")]
    Data(String),
    /// An address that could not be fetched.
    #[error("{address} could not be fetched: {problem}")]
    Fetch { address: String, problem: String },
    /// A model of another program that cannot be loaded or run here.
    #[error("{operation} of the ONNX model: {problem}")]
    Onnx { operation: &'static str, problem: String },
    /// The user interrupted the cell.
    #[error("{0} was interrupted")]
    Interrupted(&'static str),
}

impl NnError {
    pub(crate) fn format(name: impl std::fmt::Display, problem: impl std::fmt::Display) -> Self {
        Self::Format { name: name.to_string(), problem: problem.to_string() }
    }

    /// Panics with the text; an interrupt ends the cell as its host wants.
    #[track_caller]
    #[cold]
    pub(crate) fn fail(&self, operation: &str) -> ! {
        if let Self::Tensor(error) = self {
            ochre_tensors::interrupt::fail(error);
        }
        panic!("{operation}: {self}")
    }

    pub(crate) fn file(operation: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::File { operation, path: path.to_owned(), source }
    }
}

/// Of operations that can fail.
pub type Result<T, E = NnError> = std::result::Result<T, E>;
