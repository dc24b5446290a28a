//! One table of cases for every operation of `ochre-tensors`, and what judges them: PyTorch's values and gradients, and finite differences.
//!
//! `cargo xtask test` runs it on the CPU (this crate's tests), `cargo xtask gpu` on CUDA (the program `ochre-tensors-suite`): the same cases.
//! It measures too: `cargo xtask bench tensors`.
//!
//! ```text
//! cases::all() --> check::against_torch(device, python)  values and gradients, each element type, plain and strided inputs
//!              \-> finite::check(case)                   gradients in f64 against differences
//! ```
#![forbid(unsafe_code)]

pub mod bench;
pub mod case;
pub mod cases;
pub mod check;
pub mod finite;
pub mod random;
pub mod torch;

pub use case::{Case, Input, Kind};
