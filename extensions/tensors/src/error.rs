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
    #[error("{}", out_of_memory(*.device, *.asked, *.free, *.total, .holders))]
    OutOfMemory { device: Device, asked: usize, free: usize, total: usize, holders: String },
    /// The driver or a library refused; its own words.
    #[error("{operation} failed on {device}: {message}")]
    Library { operation: &'static str, device: Device, message: String },
    /// The user interrupted the cell.
    #[error("{operation} was interrupted")]
    Interrupted { operation: &'static str },
}

/// What was asked for, what is there and who has it (`holders` begins with its own semicolon), and what helps. `total` is 0 where nobody knows.
fn out_of_memory(device: Device, asked: usize, free: usize, total: usize, holders: &str) -> String {
    let there = if total == 0 { String::new() } else { format!(", {} of {} are free", in_units(free), in_units(total)) };
    let look = if device == Device::Cpu { "" } else { "; `%gpu` shows who else has some" };
    format!("out of memory on {device}: {} were asked for{there}{holders}. A smaller batch, or `drop(x)` of what is not needed any more, makes room{look}", in_units(asked))
}

/// Bytes in the units that cards are sold in.
pub(crate) fn in_units(bytes: usize) -> String {
    match bytes as f64 {
        b if b >= 1e12 => format!("{:.1} TB", b / 1e12),
        b if b >= 1e9 => format!("{:.1} GB", b / 1e9),
        b if b >= 1e5 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.1} kB", b / 1e3),
    }
}

/// Of operations that can fail.
pub type Result<T> = std::result::Result<T, TensorError>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_memory_says_what_was_asked_what_is_there_and_what_helps() {
        let gpu = TensorError::OutOfMemory { device: Device::Cuda(0), asked: 12_000_000_000, free: 900_000_000, total: 80_000_000_000, holders: "; this session holds 3 x f32 [4] = 0.0 MB".into() };
        assert_eq!(
            gpu.to_string(),
            "out of memory on cuda:0: 12.0 GB were asked for, 900.0 MB of 80.0 GB are free; this session holds 3 x f32 [4] = 0.0 MB. A smaller batch, or `drop(x)` of what is not needed any more, makes room; `%gpu` shows who else has some"
        );
        let cpu = TensorError::OutOfMemory { device: Device::Cpu, asked: 500, free: 0, total: 0, holders: String::new() };
        assert_eq!(cpu.to_string(), "out of memory on cpu: 0.5 kB were asked for. A smaller batch, or `drop(x)` of what is not needed any more, makes room");
    }
}
