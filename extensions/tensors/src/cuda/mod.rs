//! NVIDIA GPUs: arithmetic by cuBLASLt, cuDNN and our own kernels over the driver's interface, all found at run time.
//!
//! ```text
//! Backend (ops) -> libraries (cuBLASLt, cuBLAS, cuDNN) | images (PTX, machine code) -> driver (context, stream, memory) -> loader
//! ```
//! The only place of this crate that names `cudarc`. One stream per device: the order of calls is the order of effects.
mod driver;
mod images;
mod loader;
mod memory;

pub use driver::{Block, Gpu};
pub use memory::Statistics;
