//! Tensors: one concrete type whose rank, element type and device are known at run time, with reverse-mode autograd.
//!
//! It knows nothing of cells, frames or Jupyter; `ochre-nn` builds layers and training on it, `ochre-frames` the way to polars.
//!
//! ```text
//! Tensor (shapes checked, gradients recorded)  --Raw-->  Backend: Cpu (gemm, rayon)  |  Cuda (cuBLASLt, cuDNN, own kernels)
//! ```
#![deny(unsafe_code)]

// First: the modules below use its macro `each_dtype!`.
#[macro_use]
mod buffer;

pub mod autograd;
pub mod backend;
mod cpu;
mod create;
#[allow(unsafe_code, reason = "the driver is C")]
pub mod cuda;
mod device;
mod display;
mod dtype;
mod elementwise;
mod error;
pub mod functional;
mod gradients;
mod index;
pub mod interrupt;
mod join;
mod layout;
mod operators;
mod order;
pub mod random;
mod raw;
mod reduce;
mod scalar;
mod sizes;
mod slice;
mod tensor;
#[cfg(test)]
mod tests;
mod values;
mod views;

pub use autograd::{clip_grad_norm, clip_grad_value, enable_grad, no_grad};
pub use backend::Scaling;
pub use buffer::{Buffer, Element, Values};
pub use device::{Device, backend, cpu_level};
pub use dtype::DType;
pub use error::TensorError;
pub use functional::{ConvOptions, PoolOptions};
pub use join::Padding;
pub use layout::{Dims, Layout};
pub use operators::Number;
pub use random::manual_seed;
pub use raw::{Raw, Storage};
pub use scalar::{Operand, Scalar};
pub use sizes::{Size, Sizes};
pub use slice::Slice;
pub use tensor::Tensor;
