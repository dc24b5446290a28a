//! What networks are made of: matrix products, convolutions, pooling, normalisation, attention and losses, with their gradients.
//!
//! Most are methods of [`Tensor`]; those that take several equal tensors (losses, attention) are functions here. `ochre-nn` keeps the parameters
//! and running statistics that they are given. Formulas and names are PyTorch's, where no other source is named.
//!
//! Each checks shapes, then asks the device's `Backend`, and gives `record` what the gradient needs.
mod attention;
mod convolution;
mod dropout;
mod embedding;
mod interpolate;
mod losses;
mod matmul;
mod normalisation;
mod pooling;
mod sampling;
mod softmax;

pub use attention::scaled_dot_product_attention;
pub use convolution::ConvOptions;
pub use losses::{
    CrossEntropy, Reduction, bce_with_logits, bce_with_logits_with, binary_cross_entropy, cross_entropy, cross_entropy_with, huber, kl_div, kl_div_with, l1, l1_with,
    mse, mse_with, nll_loss, smooth_l1, smooth_l1_with,
};
pub use matmul::{cosine_similarity, linear};
pub use pooling::PoolOptions;

use crate::error::Result;
use crate::{Tensor, TensorError};

/// That a tensor holds fractions.
fn check_float(operation: &'static str, x: &Tensor) -> Result<()> {
    if x.dtype().is_float() {
        return Ok(());
    }
    Err(TensorError::DType { operation, dtype: x.dtype(), hint: "; convert with `.to_dtype(DType::F32)`" })
}

/// That tensors lie on one device.
fn same_device(operation: &'static str, x: &Tensor, others: &[Option<&Tensor>]) -> Result<()> {
    match others.iter().flatten().find(|other| other.device() != x.device()) {
        None => Ok(()),
        Some(other) => Err(TensorError::Devices { operation, left: x.device(), right: other.device() }),
    }
}

/// An error about shapes.
fn misfit(operation: &'static str, problem: String) -> TensorError {
    TensorError::Shape { operation, problem }
}

/// `x` in another's element type, with the gradient passing through; nothing is done when it has it.
fn in_type_of(x: &Tensor, other: &Tensor) -> Tensor {
    if x.dtype() == other.dtype() { x.clone() } else { x.to_dtype(other.dtype()) }
}
