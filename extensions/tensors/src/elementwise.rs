//! Operations on each element by itself, and on the elements of two tensors that are broadcast to each other.
//!
//! Integers become f32 where a result has fractions. Operators (`+ - * /`) are in `operators.rs`, formulas of gradients in `gradients.rs`.
use crate::autograd::{record, wants};
use crate::backend::{Binary, Compare, Reduce, Saved, Unary};
use crate::device::backend;
use crate::error::Result;
use crate::gradients::{self, kept};
use crate::interrupt::{self, OrPanic};
use crate::layout::broadcast;
use crate::raw::pair;
use crate::{DType, Operand, Raw, Scalar, Tensor, TensorError};

macro_rules! unaries {
    ($($(#[$doc:meta])* $name:ident = $op:expr;)*) => {
        impl Tensor {
            $($(#[$doc])*
            #[track_caller]
            pub fn $name(&self) -> Tensor {
                unary(self, $op).or_panic()
            })*
        }
    };
}
unaries! {
    /// `|x|`
    abs = Unary::Abs;
    /// -1, 0 or 1. Its gradient is 0.
    sign = Unary::Sign;
    /// e^x
    exp = Unary::Exp;
    /// e^x - 1, exact near 0.
    expm1 = Unary::Expm1;
    /// The natural logarithm.
    log = Unary::Log;
    /// ln(1 + x), exact near 0.
    log1p = Unary::Log1p;
    /// The logarithm to base 2.
    log2 = Unary::Log2;
    /// The logarithm to base 10.
    log10 = Unary::Log10;
    /// The square root.
    sqrt = Unary::Sqrt;
    /// 1 / sqrt(x)
    rsqrt = Unary::Rsqrt;
    /// x^2
    square = Unary::Square;
    /// 1 / x
    reciprocal = Unary::Recip;
    /// The sine.
    sin = Unary::Sin;
    /// The cosine.
    cos = Unary::Cos;
    /// The tangent.
    tan = Unary::Tan;
    /// The inverse of the sine.
    asin = Unary::Asin;
    /// The inverse of the cosine.
    acos = Unary::Acos;
    /// The inverse of the tangent.
    atan = Unary::Atan;
    /// The hyperbolic sine.
    sinh = Unary::Sinh;
    /// The hyperbolic cosine.
    cosh = Unary::Cosh;
    /// The hyperbolic tangent.
    tanh = Unary::Tanh;
    /// The error function.
    erf = Unary::Erf;
    /// The greatest integer that is not above x. Its gradient is 0.
    floor = Unary::Floor;
    /// The smallest integer that is not below x. Its gradient is 0.
    ceil = Unary::Ceil;
    /// The nearest integer, of two the even one. Its gradient is 0.
    round = Unary::Round;
    /// Without the fraction. Its gradient is 0.
    trunc = Unary::Trunc;
    /// 1 / (1 + e^-x)
    sigmoid = Unary::Sigmoid;
    /// max(x, 0)
    relu = Unary::Relu;
    /// x Phi(x), with the error function.
    gelu = Unary::Gelu;
    /// `gelu` approximated by tanh.
    gelu_tanh = Unary::GeluTanh;
    /// x sigmoid(x)
    silu = Unary::Silu;
    /// ln(1 + e^x)
    softplus = Unary::Softplus;
    /// True for NaN.
    is_nan = Unary::IsNan;
    /// True for an infinity.
    is_inf = Unary::IsInf;
    /// True for what is neither NaN nor infinite.
    is_finite = Unary::IsFinite;
    /// Not: true where the element is 0 or false.
    logical_not = Unary::Not;
}

/// With a parameter.
impl Tensor {
    /// `-x`
    #[track_caller]
    #[allow(clippy::should_implement_trait, reason = "PyTorch's name; the operator is there as well")]
    pub fn neg(&self) -> Tensor {
        unary(self, Unary::Neg).or_panic()
    }

    /// x where it is positive, else `slope * x`.
    #[track_caller]
    pub fn leaky_relu(&self, slope: f64) -> Tensor {
        unary(self, Unary::LeakyRelu(slope)).or_panic()
    }

    /// x where it is positive, else `alpha (e^x - 1)`.
    #[track_caller]
    pub fn elu(&self, alpha: f64) -> Tensor {
        unary(self, Unary::Elu(alpha)).or_panic()
    }

    /// `x^exponent`. Integers to a whole power that is not negative stay integers.
    #[track_caller]
    pub fn pow(&self, exponent: f64) -> Tensor {
        let whole = exponent >= 0.0 && exponent.fract() == 0.0 && exponent < 1e9;
        if !self.dtype().is_float() && whole {
            return with_scalar(Binary::Pow, self, Scalar::Integer(exponent as i64), false).or_panic()
        }
        match exponent {
            2.0 => unary(self, Unary::Square),
            0.5 => unary(self, Unary::Sqrt),
            _ => unary(self, Unary::Pow(exponent)),
        }
        .or_panic()
    }

    /// Between `low` and `high`; NaN stays NaN.
    #[track_caller]
    pub fn clamp(&self, low: f64, high: f64) -> Tensor {
        clamp(self, low, high).or_panic()
    }

    /// Not below `low`.
    #[track_caller]
    pub fn clamp_min(&self, low: f64) -> Tensor {
        clamp(self, low, f64::INFINITY).or_panic()
    }

    /// Not above `high`.
    #[track_caller]
    pub fn clamp_max(&self, high: f64) -> Tensor {
        clamp(self, f64::NEG_INFINITY, high).or_panic()
    }

    /// `x * scale + shift` in one pass.
    #[track_caller]
    pub fn affine(&self, scale: f64, shift: f64) -> Tensor {
        unary(self, Unary::Affine(scale, shift)).or_panic()
    }
}

macro_rules! binaries {
    ($($(#[$doc:meta])* $name:ident = $op:expr;)*) => {
        impl Tensor {
            $($(#[$doc])*
            #[track_caller]
            #[allow(clippy::should_implement_trait, reason = "PyTorch's name; the operator is there as well")]
            pub fn $name<'a>(&self, other: impl Into<Operand<'a>>) -> Tensor {
                operate($op, self, other.into()).or_panic()
            })*
        }
    };
}
binaries! {
    /// `x + other`
    add = Binary::Add;
    /// `x - other`
    sub = Binary::Sub;
    /// `x * other`
    mul = Binary::Mul;
    /// `x / other`; integers become f32.
    div = Binary::Div;
    /// The greater of both; NaN if either is.
    maximum = Binary::Max;
    /// The smaller of both; NaN if either is.
    minimum = Binary::Min;
    /// `x^other`
    pow_tensor = Binary::Pow;
    /// The rest of a division, with the sign of the divisor (Python's `%`).
    remainder = Binary::Remainder;
    /// The angle of the point (other, x).
    atan2 = Binary::Atan2;
    /// Both are true (not 0).
    logical_and = Binary::And;
    /// One is true (not 0).
    logical_or = Binary::Or;
    /// Just one is true (not 0).
    logical_xor = Binary::Xor;
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident = $op:expr;)*) => {
        impl Tensor {
            $($(#[$doc])*
            #[track_caller]
            pub fn $name<'a>(&self, other: impl Into<Operand<'a>>) -> Tensor {
                compare($op, self, other.into()).or_panic()
            })*
        }
    };
}
comparisons! {
    /// Whether the elements are equal: a bool tensor. NaN equals nothing.
    eq = Compare::Eq;
    /// Whether the elements differ: a bool tensor.
    ne = Compare::Ne;
    /// `x < other`: a bool tensor.
    lt = Compare::Lt;
    /// `x <= other`: a bool tensor.
    le = Compare::Le;
    /// `x > other`: a bool tensor.
    gt = Compare::Gt;
    /// `x >= other`: a bool tensor.
    ge = Compare::Ge;
}

/// Choices and judgements.
impl Tensor {
    /// `x / other`, rounded down; of integers an integer.
    #[track_caller]
    pub fn floor_divide<'a>(&self, other: impl Into<Operand<'a>>) -> Tensor {
        floor_divide(self, other.into()).or_panic()
    }

    /// `a` where `mask` holds, else `b`; all three are broadcast to each other.
    #[track_caller]
    pub fn where_cond(mask: &Tensor, a: &Tensor, b: &Tensor) -> Tensor {
        choose(mask, a, b).or_panic()
    }

    /// `value` where `mask` holds, else this; the mask is broadcast.
    #[track_caller]
    pub fn masked_fill(&self, mask: &Tensor, value: impl Into<Scalar>) -> Tensor {
        masked_fill(self, mask, value.into()).or_panic()
    }

    /// Whether the elements are close: `|x - other| <= absolute + relative * |other|`, as a bool tensor. NaN is close to NaN.
    #[track_caller]
    pub fn isclose(&self, other: &Tensor, relative: f64, absolute: f64) -> Tensor {
        isclose(self, other, relative, absolute).or_panic()
    }

    /// Whether all elements are close (see `isclose`); shapes are broadcast.
    #[track_caller]
    pub fn allclose(&self, other: &Tensor, relative: f64, absolute: f64) -> bool {
        isclose(self, other, relative, absolute).and_then(|close| Tensor::from_raw(close.raw().reduce(Reduce::All, &all_dims(&close))?).try_item()).or_panic() != 0.0
    }

    /// Whether shape and all elements are equal.
    #[track_caller]
    pub fn equal(&self, other: &Tensor) -> bool {
        self.shape() == other.shape() && self.eq(other).all().item() != 0.0
    }
}

pub(crate) fn all_dims(x: &Tensor) -> crate::Dims {
    (0..x.rank()).collect()
}

/// The type that `op` works in: integers become f32 for what fractions come of.
fn computed(op: Unary, dtype: DType) -> Result<DType> {
    use Unary::{Abs, Ceil, Floor, Neg, Not, Relu, Round, Sign, Square, Trunc};
    match op {
        Not => Ok(DType::Bool),
        _ if dtype.is_float() => Ok(dtype),
        Neg if dtype == DType::Bool => Err(TensorError::DType { operation: "neg", dtype, hint: "; `.logical_not()` turns truths around" }),
        Abs | Sign | Relu | Square if dtype == DType::Bool => Ok(DType::I64),
        Neg | Abs | Sign | Square | Relu | Floor | Ceil | Round | Trunc => Ok(dtype),
        _ => Ok(DType::F32),
    }
}

pub(crate) fn unary(x: &Tensor, op: Unary) -> Result<Tensor> {
    interrupt::check(op.name())?;
    let input = x.raw().into_dtype(computed(op, x.dtype())?)?;
    if !input.dtype.is_float() && matches!(op, Unary::Floor | Unary::Ceil | Unary::Round | Unary::Trunc) {
        return Ok(x.clone());
    }
    let y = backend(input.device())?.unary(op, &input)?;
    if !wants(&[x]) {
        return Ok(Tensor::from_raw(y));
    }
    let saved = match op.gradient_from() {
        Saved::Nothing => None,
        Saved::Input => Some(input),
        Saved::Output => Some(y.clone()),
    };
    Ok(record(op.name(), &[x], y, || move |dy, _| Ok(vec![Some(gradients::unary(op, saved.as_ref().unwrap_or(dy), dy)?)])))
}

fn clamp(x: &Tensor, low: f64, high: f64) -> Result<Tensor> {
    if x.dtype().is_float() {
        return unary(x, Unary::Clamp(low, high));
    }
    let whole = |bound: f64| bound.is_infinite() || bound.fract() == 0.0;
    if !whole(low) || !whole(high) {
        return unary(&x.try_to_dtype(DType::F32)?, Unary::Clamp(low, high));
    }
    let mut y = x.clone();
    if low > f64::NEG_INFINITY {
        y = with_scalar(Binary::Max, &y, Scalar::Integer(low as i64), false)?;
    }
    if high < f64::INFINITY {
        y = with_scalar(Binary::Min, &y, Scalar::Integer(high as i64), false)?;
    }
    Ok(y)
}

/// The type of a result of both. A number in a tensor of rank 0 yields to a tensor that has dimensions, unless it is of a higher kind.
pub(crate) fn meet(a: &Tensor, b: &Tensor) -> DType {
    let kind = |dtype: DType| if dtype.is_float() { 2 } else { i32::from(dtype != DType::Bool) };
    let (x, y) = (a.dtype(), b.dtype());
    match (a.rank() == 0, b.rank() == 0) {
        (false, true) if kind(x) >= kind(y) => x,
        (true, false) if kind(y) >= kind(x) => y,
        _ => x.promote(y),
    }
}

/// Both on one device: a number in a tensor of rank 0 on the CPU goes where the other is.
fn together(operation: &'static str, a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    let (left, right) = (a.device(), b.device());
    let lone = |x: &Tensor| x.rank() == 0 && x.device() == crate::Device::Cpu;
    match (left == right, lone(a), lone(b)) {
        (true, ..) => Ok((a.clone(), b.clone())),
        (_, true, _) => Ok((a.try_to_device(&right)?, b.clone())),
        (.., true) => Ok((a.clone(), b.try_to_device(&left)?)),
        _ => Err(TensorError::Devices { operation, left, right }),
    }
}

pub(crate) fn operate(op: Binary, a: &Tensor, b: Operand) -> Result<Tensor> {
    match b {
        Operand::Tensor(b) => binary(op, a, b),
        Operand::Scalar(b) => with_scalar(op, a, b, false),
    }
}

/// `&`, `|` and `^`: of truths only, for numbers' bits have no operation.
pub(crate) fn logic(op: Binary, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    for x in [a, b] {
        if x.dtype() != DType::Bool {
            return Err(TensorError::DType { operation: op.name(), dtype: x.dtype(), hint: "; it takes bool; `.logical_and(…)` and the like take numbers" });
        }
    }
    binary(op, a, b)
}

/// The type that `op` works in.
fn binary_type(op: Binary, dtype: DType) -> DType {
    match op {
        Binary::And | Binary::Or | Binary::Xor => DType::Bool,
        Binary::Div | Binary::Atan2 if !dtype.is_float() => DType::F32,
        Binary::Sub | Binary::Pow | Binary::Remainder if dtype == DType::Bool => DType::I64,
        _ => dtype,
    }
}

pub(crate) fn binary(op: Binary, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.device() != b.device() {
        let (a, b) = together(op.name(), a, b)?;
        return binary_here(op, &a, &b);
    }
    binary_here(op, a, b)
}

fn binary_here(op: Binary, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let dtype = binary_type(op, if a.dtype() == b.dtype() { a.dtype() } else { meet(a, b) });
    let (left, right) = (a.raw().into_dtype(dtype)?, b.raw().into_dtype(dtype)?);
    binary_raw(op, [a, b], left, right)
}

/// `inputs` are the tensors that `a` and `b` come from.
fn binary_raw(op: Binary, inputs: [&Tensor; 2], a: Raw, b: Raw) -> Result<Tensor> {
    interrupt::check(op.name())?;
    let op = of_truths(op, a.dtype);
    if op == Binary::Remainder && !a.dtype.is_float() {
        refuse_zero(op.name(), &b)?;
    }
    let backend = pair(op.name(), &a, &b)?;
    let y = if a.shape() == b.shape() {
        backend.binary(op, &a, &b)?
    } else {
        let shape = broadcast(op.name(), a.shape(), b.shape())?;
        backend.binary(op, &a.expand(op.name(), &shape)?, &b.expand(op.name(), &shape)?)?
    };
    if !wants(&inputs) {
        return Ok(Tensor::from_raw(y));
    }
    let kept = kept(op, inputs.map(Tensor::tracks_gradients), &a, &b, &y);
    Ok(record(op.name(), &inputs, y, || move |dy, wants| gradients::binary(op, &kept, dy, wants)))
}

/// Arithmetic of truths is that of logic, as in PyTorch.
fn of_truths(op: Binary, dtype: DType) -> Binary {
    match (op, dtype) {
        (Binary::Add | Binary::Max, DType::Bool) => Binary::Or,
        (Binary::Mul | Binary::Min, DType::Bool) => Binary::And,
        _ => op,
    }
}

/// Integers cannot be divided by 0.
fn refuse_zero(operation: &'static str, divisor: &Raw) -> Result<()> {
    let zeros = divisor.compare(Compare::Eq, &divisor.constant(0.0)?)?;
    let dims: crate::Dims = (0..zeros.shape().len()).collect();
    if Tensor::from_raw(zeros.reduce(Reduce::Any, &dims)?).try_item()? != 0.0 {
        return Err(TensorError::Shape { operation, problem: "integers are divided by 0".to_owned() });
    }
    Ok(())
}

/// `x op scalar`, or `scalar op x` if `reversed`.
pub(crate) fn with_scalar(op: Binary, x: &Tensor, scalar: Scalar, reversed: bool) -> Result<Tensor> {
    let dtype = binary_type(op, scalar.promote(x.dtype()));
    if dtype.is_float() {
        let value = scalar.as_f64();
        let one_pass = match (op, reversed) {
            (Binary::Add, _) => Some(Unary::Affine(1.0, value)),
            (Binary::Sub, false) => Some(Unary::Affine(1.0, -value)),
            (Binary::Sub, true) => Some(Unary::Affine(-1.0, value)),
            // A shift of -0 leaves the sign of a zero as it is.
            (Binary::Mul, _) => Some(Unary::Affine(value, -0.0)),
            (Binary::Div, false) => Some(Unary::DivBy(value)),
            (Binary::Div, true) => Some(Unary::DivInto(value)),
            (Binary::Pow, false) => Some(Unary::Pow(value)),
            _ => None,
        };
        if let Some(op) = one_pass {
            return if x.dtype() == dtype { unary(x, op) } else { unary(&x.try_to_dtype(dtype)?, op) };
        }
    }
    let number = Tensor::from_raw(scalar.raw(dtype, x.device())?);
    let own = x.raw().into_dtype(dtype)?;
    if reversed { binary_raw(op, [&number, x], number.raw(), own) } else { binary_raw(op, [x, &number], own, number.raw()) }
}

fn floor_divide(x: &Tensor, other: Operand) -> Result<Tensor> {
    let divisor = match other {
        Operand::Tensor(other) => other.clone(),
        Operand::Scalar(scalar) => Tensor::from_raw(scalar.raw(scalar.promote(x.dtype()), x.device())?),
    };
    let dtype = meet(x, &divisor);
    if dtype.is_float() {
        return unary(&binary(Binary::Div, x, &divisor)?, Unary::Floor);
    }
    let (a, b) = (x.raw().into_dtype(dtype)?, divisor.raw().into_dtype(dtype)?);
    refuse_zero("floor_divide", &b)?;
    Ok(Tensor::from_raw(a.sub(&a.binary(Binary::Remainder, &b)?)?.binary(Binary::Div, &b)?))
}

pub(crate) fn compare(op: Compare, a: &Tensor, b: Operand) -> Result<Tensor> {
    interrupt::check(op.name())?;
    let (left, right) = match b {
        Operand::Tensor(b) => {
            let (a, b) = together(op.name(), a, b)?;
            // Of both as they are: a number in a tensor does not yield here.
            let dtype = a.dtype().promote(b.dtype());
            (a.raw().into_dtype(dtype)?, b.raw().into_dtype(dtype)?)
        }
        Operand::Scalar(scalar) => {
            let dtype = scalar.comparable(a.dtype());
            (a.raw().into_dtype(dtype)?, scalar.raw(dtype, a.device())?)
        }
    };
    let shape = broadcast(op.name(), left.shape(), right.shape())?;
    let backend = pair(op.name(), &left, &right)?;
    Ok(Tensor::from_raw(backend.compare(op, &left.expand(op.name(), &shape)?, &right.expand(op.name(), &shape)?)?))
}

/// A mask as bool, on the device of what it masks.
pub(crate) fn mask_for(operation: &'static str, mask: &Tensor, x: &Tensor) -> Result<Raw> {
    if mask.dtype() != DType::Bool {
        return Err(TensorError::DType { operation, dtype: mask.dtype(), hint: " as a mask; make it bool, as with `.ne(0)`" });
    }
    if mask.device() != x.device() {
        return Err(TensorError::Devices { operation, left: mask.device(), right: x.device() });
    }
    Ok(mask.raw())
}

fn choose(mask: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (a, b) = together("where", a, b)?;
    let dtype = meet(&a, &b);
    let mask = mask_for("where", mask, &a)?;
    let y = a.raw().into_dtype(dtype)?.select(&mask, &b.raw().into_dtype(dtype)?)?;
    Ok(record("where", &[&a, &b], y, || {
        move |dy: &Raw, wants: &[bool]| {
            let zero = dy.constant(0.0)?;
            let (da, db) = (wants[0].then(|| dy.select(&mask, &zero)), wants[1].then(|| zero.select(&mask, dy)));
            Ok(vec![da.transpose()?, db.transpose()?])
        }
    }))
}

fn masked_fill(x: &Tensor, mask: &Tensor, value: Scalar) -> Result<Tensor> {
    let mask = mask_for("masked_fill", mask, x)?;
    let shape = x.shape();
    let mask = mask.expand("masked_fill", shape)?;
    let own = x.raw();
    let y = value.raw(x.dtype(), x.device())?.select(&mask, &own)?;
    Ok(record("masked_fill", &[x], y, || move |dy, _| Ok(vec![Some(dy.constant(0.0)?.select(&mask, dy)?)])))
}

fn isclose(a: &Tensor, b: &Tensor, relative: f64, absolute: f64) -> Result<Tensor> {
    let (a, b) = together("isclose", a, b)?;
    let dtype = meet(&a, &b);
    let dtype = if dtype == DType::F64 || !dtype.is_float() { DType::F64 } else { DType::F32 };
    let (a, b) = (a.raw().into_dtype(dtype)?, b.raw().into_dtype(dtype)?);
    let bound = b.unary(Unary::Abs)?.affine(relative, absolute)?;
    let near = a.sub(&b)?.unary(Unary::Abs)?.compare(Compare::Le, &bound)?.binary(Binary::And, &b.unary(Unary::IsFinite)?)?;
    let nan = a.unary(Unary::IsNan)?.binary(Binary::And, &b.unary(Unary::IsNan)?)?;
    Ok(Tensor::from_raw(near.binary(Binary::Or, &a.compare(Compare::Eq, &b)?)?.binary(Binary::Or, &nan)?))
}
