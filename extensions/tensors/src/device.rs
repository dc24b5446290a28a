//! Where a tensor's elements are.

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
