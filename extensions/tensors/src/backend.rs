//! What a device can do: the seam between shapes and gradients above and arithmetic below.
//!
//! Who calls has checked shapes, broadcast by strides of 0, promoted element types and resolved negative dimensions. Results are row-major
//! and new, but where a method says otherwise. Inputs may have any strides. An empty tensor is a legal input everywhere.
use crate::error::Result;
use crate::{Buffer, DType, Device, Raw};

/// An operation on one element.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Unary {
    Neg, Abs, Sign, Not,
    Exp, Expm1, Log, Log1p, Log2, Log10, Sqrt, Rsqrt, Square, Recip,
    Sin, Cos, Tan, Asin, Acos, Atan, Sinh, Cosh, Tanh, Erf,
    Floor, Ceil, Round, Trunc,
    Sigmoid, Relu,
    /// `x * Phi(x)` with the error function.
    Gelu,
    /// The approximation by tanh.
    GeluTanh,
    Silu, Softplus,
    LeakyRelu(f64), Elu(f64),
    /// `x * a + b`
    Affine(f64, f64),
    /// `x / a`
    DivBy(f64),
    /// `a / x`
    DivInto(f64),
    Pow(f64),
    /// NaN stays NaN.
    Clamp(f64, f64),
    /// Results are Bool.
    IsNan, IsInf, IsFinite,
}

/// What the gradient of an element-wise operation is computed from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Saved {
    Nothing,
    Input,
    Output,
}

impl Unary {
    /// What `unary_backward` gets beside the result's gradient.
    pub const fn gradient_from(self) -> Saved {
        match self {
            Self::Neg | Self::Affine(..) | Self::DivBy(_) | Self::Sign | Self::Floor | Self::Ceil | Self::Round | Self::Trunc => Saved::Nothing,
            Self::Exp | Self::Expm1 | Self::Sqrt | Self::Rsqrt | Self::Recip | Self::Tan | Self::Tanh | Self::Sigmoid | Self::Relu => Saved::Output,
            _ => Saved::Input,
        }
    }

    /// PyTorch's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Neg => "neg",
            Self::Abs => "abs",
            Self::Sign => "sign",
            Self::Not => "logical_not",
            Self::Exp => "exp",
            Self::Expm1 => "expm1",
            Self::Log => "log",
            Self::Log1p => "log1p",
            Self::Log2 => "log2",
            Self::Log10 => "log10",
            Self::Sqrt => "sqrt",
            Self::Rsqrt => "rsqrt",
            Self::Square => "square",
            Self::Recip => "reciprocal",
            Self::Sin => "sin",
            Self::Cos => "cos",
            Self::Tan => "tan",
            Self::Asin => "asin",
            Self::Acos => "acos",
            Self::Atan => "atan",
            Self::Sinh => "sinh",
            Self::Cosh => "cosh",
            Self::Tanh => "tanh",
            Self::Erf => "erf",
            Self::Floor => "floor",
            Self::Ceil => "ceil",
            Self::Round => "round",
            Self::Trunc => "trunc",
            Self::Sigmoid => "sigmoid",
            Self::Relu => "relu",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_tanh",
            Self::Silu => "silu",
            Self::Softplus => "softplus",
            Self::LeakyRelu(_) => "leaky_relu",
            Self::Elu(_) => "elu",
            Self::Affine(..) => "affine",
            Self::DivBy(_) | Self::DivInto(_) => "div",
            Self::Pow(_) => "pow",
            Self::Clamp(..) => "clamp",
            Self::IsNan => "is_nan",
            Self::IsInf => "is_inf",
            Self::IsFinite => "is_finite",
        }
    }
}

/// An operation on two elements of one type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Binary {
    Add, Sub, Mul,
    /// Of integers: truncated; by 0 is an error of the caller's making, found above.
    Div,
    /// NaN if either is NaN.
    Max, Min,
    Pow,
    /// Sign of the divisor, as Python's `%`.
    Remainder,
    Atan2, And, Or, Xor,
}

impl Binary {
    /// PyTorch's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Mul => "mul",
            Self::Div => "div",
            Self::Max => "maximum",
            Self::Min => "minimum",
            Self::Pow => "pow",
            Self::Remainder => "remainder",
            Self::Atan2 => "atan2",
            Self::And => "and",
            Self::Or => "or",
            Self::Xor => "xor",
        }
    }
}

/// A comparison; the result is Bool. NaN compares as IEEE says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compare {
    Eq, Ne, Lt, Le, Gt, Ge,
}

impl Compare {
    /// PyTorch's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Lt => "lt",
            Self::Le => "le",
            Self::Gt => "gt",
            Self::Ge => "ge",
        }
    }
}

/// A reduction. `Sum` and `Prod` of Bool, u8 and i32 are i64; of f16 and bf16 they are added up in f32. `Max`/`Min` give NaN if there is one.
/// An empty `Sum` is 0, an empty `Prod` 1; `Max`/`Min` of nothing is refused above.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reduce {
    Sum, Prod, Max, Min,
    /// Divided by the count, in the wider type first.
    Mean,
    /// Bool.
    Any, All,
}

impl Reduce {
    /// PyTorch's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Prod => "prod",
            Self::Max => "max",
            Self::Min => "min",
            Self::Mean => "mean",
            Self::Any => "any",
            Self::All => "all",
        }
    }
}

/// What random numbers are drawn from, always by Philox4x32-10, so that all devices give the same numbers for the same seed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Draw {
    /// [low, high)
    Uniform { low: f64, high: f64 },
    /// Box-Muller on pairs.
    Normal { mean: f64, std: f64 },
    /// [low, high), an integer type
    Integers { low: i64, high: i64 },
    /// true with this probability (dropout), Bool
    Bernoulli { p: f64 },
}

/// Of a convolution over one or two dimensions; one dimension is `[1, …]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Conv {
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
    pub groups: usize,
}

/// Of a pooling window.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pool {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    /// Of averages: whether the padding counts.
    pub count_padding: bool,
}

/// How pictures are scaled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scaling {
    Nearest,
    Bilinear { align_corners: bool },
}

/// Of one step of AdamW; the same formula as PyTorch's.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AdamW {
    pub rate: f64, pub beta1: f64, pub beta2: f64, pub epsilon: f64, pub decay: f64,
    /// Counts from 1.
    pub step: u64,
}

/// Of one step of SGD; the same formula as PyTorch's.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sgd {
    pub rate: f64, pub momentum: f64, pub decay: f64, pub nesterov: bool,
    /// The momentum buffer is not there yet: it begins as the gradient.
    pub first: bool,
}

/// A device's arithmetic.
pub trait Backend: Send + Sync {
    fn device(&self) -> Device;
    /// Copies row-major elements to the device.
    fn upload(&self, buffer: Buffer, shape: &[usize]) -> Result<Raw>;
    /// The elements in row-major order.
    fn download(&self, x: &Raw) -> Result<Buffer>;
    /// Waits for everything that was begun.
    fn synchronize(&self) -> Result<()>;

    fn full(&self, shape: &[usize], dtype: DType, value: f64) -> Result<Raw>;
    /// Elements of no meaning, which the caller sets all.
    fn empty(&self, shape: &[usize], dtype: DType) -> Result<Raw> {
        self.full(shape, dtype, 0.0)
    }
    /// Element `i` (row-major) depends on `key` and `counter + i / 4` alone.
    fn random(&self, shape: &[usize], dtype: DType, draw: Draw, key: u64, counter: u64) -> Result<Raw>;
    /// A row-major copy.
    fn copy(&self, x: &Raw) -> Result<Raw>;
    /// Copies `src` into `dst` at its layout, in place (shapes and types are equal): for `cat`, `stack`, `pad`, slices' gradients. `dst` is not shared.
    fn copy_into(&self, dst: &mut Raw, src: &Raw) -> Result<()>;
    /// As Rust's `as` does; to Bool: `!= 0`.
    fn cast(&self, x: &Raw, dtype: DType) -> Result<Raw>;

    fn unary(&self, op: Unary, x: &Raw) -> Result<Raw>;
    /// Gradient of `unary` in one pass, from the result's gradient `dy` and what `op.gradient_from()` says (of `Nothing`: `saved` is `dy`).
    /// None: this device has no pass of its own for it, and the caller puts it together.
    fn unary_backward(&self, op: Unary, saved: &Raw, dy: &Raw) -> Result<Option<Raw>> {
        let _ = (op, saved, dy);
        Ok(None)
    }
    fn binary(&self, op: Binary, a: &Raw, b: &Raw) -> Result<Raw>;
    fn compare(&self, op: Compare, a: &Raw, b: &Raw) -> Result<Raw>;
    /// `a` where `mask` (Bool) holds, else `b`.
    fn select(&self, mask: &Raw, a: &Raw, b: &Raw) -> Result<Raw>;

    /// Over `dims` (ascending), which are gone from the result. All dimensions: a tensor of rank 0.
    fn reduce(&self, op: Reduce, x: &Raw, dims: &[usize]) -> Result<Raw>;
    /// Index (i64) of the first greatest (smallest) element; NaN counts as the greatest (smallest). `dim` is gone from the result.
    fn arg_reduce(&self, max: bool, x: &Raw, dim: usize) -> Result<Raw>;
    fn cumsum(&self, x: &Raw, dim: usize) -> Result<Raw>;
    /// Stable; NaN is last in ascending order. Values and indices (i64).
    fn sort(&self, x: &Raw, dim: usize, descending: bool) -> Result<(Raw, Raw)>;
    /// The first `k` (at most the size of `dim`) of what `sort` gives, in memory of their own.
    fn top(&self, x: &Raw, dim: usize, descending: bool, k: usize) -> Result<(Raw, Raw)> {
        let (values, places) = self.sort(x, dim, descending)?;
        // A copy: the view would hold all that was sorted.
        let first = |all: Raw| self.copy(&all.with_layout(all.layout.narrow(dim, 0, k, 1)));
        Ok((first(values)?, first(places)?))
    }

    /// `[…, m, k] x [..., k, n]`, leading dimensions equal (stride 0 where they repeat). Floats; f16 and bf16 add up in f32.
    fn matmul(&self, a: &Raw, b: &Raw) -> Result<Raw>;

    /// `out[i][j][k] = x[index[i][j][k]][j][k]` for dim 0. Indices are i64 and were checked above on the CPU; a device checks its own and gives `Shape`.
    fn gather(&self, x: &Raw, dim: usize, index: &Raw) -> Result<Raw>;
    /// A copy of `x` with `src` added at the places of `index` (gather's transpose). Repeated places add up.
    fn scatter_add(&self, x: &Raw, dim: usize, index: &Raw, src: &Raw) -> Result<Raw>;
    /// Slices of `x` along `dim` in the order of a 1-D index.
    fn index_select(&self, x: &Raw, dim: usize, index: &Raw) -> Result<Raw>;
    /// A copy of `x` with slices of `src` added (index_select's transpose).
    fn index_add(&self, x: &Raw, dim: usize, index: &Raw, src: &Raw) -> Result<Raw>;

    /// Softmax, or its logarithm, along `dim`.
    fn softmax(&self, x: &Raw, dim: usize, log: bool) -> Result<Raw>;
    /// From the result `y` and the gradient `dy`.
    fn softmax_backward(&self, y: &Raw, dy: &Raw, dim: usize, log: bool) -> Result<Raw>;
    /// Rows of `width` elements (the last dimensions together). Gives y, and mean and 1/std of each row in f32 (f64 for f64).
    fn layer_norm(&self, x: &Raw, width: usize, weight: Option<&Raw>, bias: Option<&Raw>, epsilon: f64) -> Result<(Raw, Raw, Raw)>;
    /// Gradients of x, weight, bias.
    fn layer_norm_backward(&self, x: &Raw, dy: &Raw, width: usize, weight: Option<&Raw>, mean: &Raw, rstd: &Raw) -> Result<(Raw, Raw, Raw)>;
    /// Over all but dimension 1 of `[N, C, …]`. `statistics` gives mean and variance instead of the batch's. Gives y, and mean and 1/std per channel (f32, f64 for f64).
    fn batch_norm(&self, x: &Raw, weight: Option<&Raw>, bias: Option<&Raw>, statistics: Option<(&Raw, &Raw)>, epsilon: f64) -> Result<(Raw, Raw, Raw)>;
    /// Gradients of x, weight, bias; `batch`: mean and rstd are the batch's own (training).
    fn batch_norm_backward(&self, x: &Raw, dy: &Raw, weight: Option<&Raw>, mean: &Raw, rstd: &Raw, batch: bool) -> Result<(Raw, Raw, Raw)>;

    /// `x [N, C, H, W]`, `w [O, C / groups, KH, KW]`, `bias [O]`.
    fn conv(&self, x: &Raw, w: &Raw, bias: Option<&Raw>, conv: Conv) -> Result<Raw>;
    /// Gradient of x, of shape `shape`; also the transposed convolution.
    fn conv_backward_input(&self, dy: &Raw, w: &Raw, shape: &[usize], conv: Conv) -> Result<Raw>;
    /// Gradient of w, of shape `shape`.
    fn conv_backward_weight(&self, dy: &Raw, x: &Raw, shape: &[usize], conv: Conv) -> Result<Raw>;
    /// Values and, for each, the place in its H x W plane (i64).
    fn max_pool(&self, x: &Raw, pool: Pool) -> Result<(Raw, Raw)>;
    fn max_pool_backward(&self, dy: &Raw, places: &Raw, shape: &[usize]) -> Result<Raw>;
    fn avg_pool(&self, x: &Raw, pool: Pool) -> Result<Raw>;
    fn avg_pool_backward(&self, dy: &Raw, shape: &[usize], pool: Pool) -> Result<Raw>;
    /// `[N, C, H, W]` to `[N, C, size…]`
    fn interpolate(&self, x: &Raw, size: [usize; 2], scaling: Scaling) -> Result<Raw>;
    fn interpolate_backward(&self, dy: &Raw, shape: &[usize], scaling: Scaling) -> Result<Raw>;

    /// Logits `[N, C]`, classes i64 `[N]` in `0..C`; gives the loss per row (f32, f64 for f64).
    fn cross_entropy(&self, logits: &Raw, classes: &Raw, smoothing: f64) -> Result<Raw>;
    /// `dy` per row.
    fn cross_entropy_backward(&self, logits: &Raw, classes: &Raw, dy: &Raw, smoothing: f64) -> Result<Raw>;

    /// Changes a parameter and its momentum in place; the gradient may have another float type than the parameter.
    fn sgd(&self, parameter: &mut Raw, gradient: &Raw, momentum: Option<&mut Raw>, step: Sgd) -> Result<()>;
    fn adamw(&self, parameter: &mut Raw, gradient: &Raw, first: &mut Raw, second: &mut Raw, step: AdamW) -> Result<()>;
}
