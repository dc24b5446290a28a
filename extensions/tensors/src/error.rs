//! What can go wrong, in words for the person who wrote the cell.
use crate::{DType, Device};

/// A failed operation on tensors.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TensorError {
    /// Shapes, an index or an argument that does not fit: names the operation and all shapes.
    #[error("{operation}: {problem}")]
    Shape { operation: &'static str, problem: String },
    #[error("{operation} is not defined for {dtype}{hint}")]
    DType { operation: &'static str, dtype: DType, hint: &'static str },
    #[error("{operation}: one tensor is on {left} and the other on {right}; move one with `.to_device(…)`")]
    Devices { operation: &'static str, left: Device, right: Device },
    #[error("{device} cannot be used: {why}")]
    NoDevice { device: Device, why: String },
    #[error("out of memory on {device}: {asked} bytes were asked for, {free} of {total} are free{holders}")]
    OutOfMemory { device: Device, asked: usize, free: usize, total: usize, holders: String },
    /// The driver or a library refused; its own words.
    #[error("{operation} failed on {device}: {message}")]
    Library { operation: &'static str, device: Device, message: String },
    /// The user interrupted the cell.
    #[error("{operation} was interrupted")]
    Interrupted { operation: &'static str },
}

/// Of operations that can fail.
pub type Result<T> = std::result::Result<T, TensorError>;
