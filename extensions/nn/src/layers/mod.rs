//! Layers with PyTorch's names, formulas, default initialisations and names of parameters.
mod activation;
mod attention;
mod container;
mod convolution;
mod embedding;
mod linear;
mod normalisation;
mod pooling;
mod precision;
mod recurrent;

pub use activation::{Dropout, Dropout2d, Elu, Flatten, Gelu, Identity, LeakyRelu, LogSoftmax, PRelu, Relu, Sigmoid, Silu, Softmax, Softplus, Tanh, Unflatten, Upsample};
pub use attention::{MultiheadAttention, TransformerEncoderLayer};
pub use container::{Lambda, Residual, Sequential};
pub use convolution::{Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d};
pub use embedding::Embedding;
pub use linear::Linear;
pub use normalisation::{BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, RmsNorm};
pub use pooling::{AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d};
pub use precision::autocast;
pub use recurrent::{Gru, Lstm};

pub(crate) use container::{Trace, traced};

use ochre_tensors::{DType, Device, Tensor};

/// A size for both dimensions, or one for rows and one for columns: `3` or `[3, 5]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pair(pub [usize; 2]);

impl From<usize> for Pair {
    fn from(both: usize) -> Self {
        Self([both; 2])
    }
}

impl From<[usize; 2]> for Pair {
    fn from(pair: [usize; 2]) -> Self {
        Self(pair)
    }
}

/// Even in `(-bound, bound)`.
fn uniform(shape: &[usize], bound: f64) -> Tensor {
    Tensor::uniform_on(shape, -bound, bound, DType::F32, &Device::Cpu)
}

/// PyTorch's default for weights and biases of linear and convolution layers, `kaiming_uniform_(a=sqrt(5))`: even within 1/sqrt(inputs of an output).
fn by_fan_in(shape: &[usize], fan_in: usize) -> Tensor {
    uniform(shape, if fan_in == 0 { 0.0 } else { 1.0 / (fan_in as f64).sqrt() })
}

/// As Python writes a pair: `(3, 3)`.
fn pair([rows, columns]: [usize; 2]) -> String {
    format!("({rows}, {columns})")
}

/// As Python writes a boolean.
fn python(flag: bool) -> &'static str {
    if flag { "True" } else { "False" }
}
