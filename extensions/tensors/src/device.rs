//! Where a tensor's elements are.

use crate::TensorError;
use crate::backend::Backend;
use crate::error::Result;

/// The CPU or one NVIDIA GPU.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Device {
    Cpu,
    /// The number counts from 0, as CUDA does.
    Cuda(usize),
}

impl Device {
    /// The CPU.
    pub fn cpu() -> Self {
        Self::Cpu
    }

    /// A GPU, whether it is there or not: the first use of one that is not says so.
    pub fn cuda(number: usize) -> Self {
        Self::Cuda(number)
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// What does the arithmetic of a device.
pub fn backend(device: Device) -> Result<&'static dyn Backend> {
    match device {
        Device::Cpu => Ok(&crate::cpu::Cpu),
        Device::Cuda(_) => Err(TensorError::NoDevice { device, why: "this build has no CUDA".to_owned() }),
    }
}
