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
mod device;
mod dtype;
mod error;
pub mod interrupt;
mod layout;
mod raw;
mod tensor;

pub use autograd::{enable_grad, no_grad};
pub use buffer::{Buffer, Element, Values};
pub use device::{Device, backend};
pub use dtype::DType;
pub use error::TensorError;
pub use layout::{Dims, Layout};
pub use raw::{Raw, Storage};
pub use tensor::Tensor;
