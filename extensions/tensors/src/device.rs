//! Where a tensor's elements are.

use crate::backend::Backend;
use crate::error::Result;
use std::sync::Once;

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

    /// The first GPU, or the CPU on a host without one: the first call says so, with the reason, on stderr.
    pub fn best() -> Self {
        static SAID: Once = Once::new();
        if crate::cuda::device_count() > 0 && crate::cuda::cuda(0).is_ok() {
            return Self::Cuda(0);
        }
        SAID.call_once(|| eprintln!("Tensors stay on the CPU: {}", crate::cuda::why_not().unwrap_or_else(|| "no GPU can be used".to_owned())));
        Self::Cpu
    }
}

/// Which of the processor's instructions the CPU's loops are compiled for: `base`, `avx2` or `avx512`. `OCHRE_CPU_LEVEL` lowers it.
pub fn cpu_level() -> &'static str {
    crate::cpu::level::reach().name()
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
        Device::Cuda(number) => crate::cuda::cuda(number).map(|cuda| cuda as &dyn Backend),
    }
}
