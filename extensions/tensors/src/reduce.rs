//! Sums, means, extremes and other reductions; running sums.
//!
//! The plain names go over all elements and give a tensor of rank 0, `…_dim(d)` over one dimension, `…_dims(&[…], keep)` over some (an empty list is
//! all), which stay with size 1 if `keep`.
use crate::autograd::record;
use crate::backend::{Compare, Reduce, Unary};
use crate::device::backend;
use crate::elementwise::unary;
use crate::error::Result;
use crate::gradients::keep as kept_where;
use crate::interrupt::{self, OrPanic};
use crate::join::reversed;
use crate::{DType, Dims, Raw, Tensor, TensorError};

macro_rules! reductions {
    ($($(#[$doc:meta])* $all:ident, $(#[$doc_dims:meta])* $dims:ident = $op:expr;)*) => {
        impl Tensor {
            $($(#[$doc])*
            #[track_caller]
            pub fn $all(&self) -> Tensor {
                reduce($op, self, &[], false).or_panic()
            }

            $(#[$doc_dims])*
            #[track_caller]
            pub fn $dims(&self, dims: &[i64], keep: bool) -> Tensor {
                reduce($op, self, dims, keep).or_panic()
            })*
        }
    };
}
reductions! {
    /// The sum of all elements; of integers and truths i64.
    sum,
    /// Sums over dimensions.
    sum_dims = Reduce::Sum;
    /// The mean of all elements; integers become f32.
    mean,
    /// Means over dimensions.
    mean_dims = Reduce::Mean;
    /// The product of all elements; of integers and truths i64.
    prod,
    /// Products over dimensions.
    prod_dims = Reduce::Prod;
    /// The greatest element; NaN if there is one. The gradient is shared by all that are equal to it.
    max,
    /// The greatest elements over dimensions (PyTorch's `amax`).
    amax = Reduce::Max;
    /// The smallest element; NaN if there is one. The gradient is shared by all that are equal to it.
    min,
    /// The smallest elements over dimensions (PyTorch's `amin`).
    amin = Reduce::Min;
    /// Whether any element is true (not 0).
    any,
    /// Whether any element is true (not 0), over dimensions.
    any_dims = Reduce::Any;
    /// Whether all elements are true (not 0).
    all,
    /// Whether all elements are true (not 0), over dimensions.
    all_dims = Reduce::All;
}

impl Tensor {
    /// Sums over one dimension.
    #[track_caller]
    pub fn sum_dim(&self, dim: i64) -> Tensor {
        reduce(Reduce::Sum, self, &[dim], false).or_panic()
    }

    /// Means over one dimension.
    #[track_caller]
    pub fn mean_dim(&self, dim: i64) -> Tensor {
        reduce(Reduce::Mean, self, &[dim], false).or_panic()
    }

    /// Products over one dimension.
    #[track_caller]
    pub fn prod_dim(&self, dim: i64) -> Tensor {
        reduce(Reduce::Prod, self, &[dim], false).or_panic()
    }

    /// Whether any is true (not 0), over one dimension.
    #[track_caller]
    pub fn any_dim(&self, dim: i64) -> Tensor {
        reduce(Reduce::Any, self, &[dim], false).or_panic()
    }

    /// Whether all are true (not 0), over one dimension.
    #[track_caller]
    pub fn all_dim(&self, dim: i64) -> Tensor {
        reduce(Reduce::All, self, &[dim], false).or_panic()
    }

    /// The variance of all elements (divided by their number less one).
    #[track_caller]
    pub fn var(&self) -> Tensor {
        moment("var", self, &[], 1, false).or_panic()
    }

    /// Variances over one dimension (divided by its size less one).
    #[track_caller]
    pub fn var_dim(&self, dim: i64) -> Tensor {
        moment("var", self, &[dim], 1, false).or_panic()
    }

    /// Variances over dimensions, divided by the number of elements less `correction`.
    #[track_caller]
    pub fn var_dims(&self, dims: &[i64], correction: usize, keep: bool) -> Tensor {
        moment("var", self, dims, correction, keep).or_panic()
    }

    /// The standard deviation of all elements (see `var`).
    #[track_caller]
    pub fn std(&self) -> Tensor {
        moment("std", self, &[], 1, false).or_panic()
    }

    /// Standard deviations over one dimension (see `var_dim`).
    #[track_caller]
    pub fn std_dim(&self, dim: i64) -> Tensor {
        moment("std", self, &[dim], 1, false).or_panic()
    }

    /// Standard deviations over dimensions (see `var_dims`).
    #[track_caller]
    pub fn std_dims(&self, dims: &[i64], correction: usize, keep: bool) -> Tensor {
        moment("std", self, dims, correction, keep).or_panic()
    }

    /// The Euclidean norm of all elements.
    #[track_caller]
    pub fn norm(&self) -> Tensor {
        norm(self, 2.0, &[], false).or_panic()
    }

    /// `(sum |x|^p)^(1/p)` over dimensions; `p` may be infinite (the greatest), 0 counts what is not 0.
    #[track_caller]
    pub fn norm_dims(&self, p: f64, dims: &[i64], keep: bool) -> Tensor {
        norm(self, p, dims, keep).or_panic()
    }

    /// `ln(sum e^x)` over one dimension, exact for large x.
    #[track_caller]
    pub fn logsumexp(&self, dim: i64) -> Tensor {
        logsumexp(self, &[dim], false).or_panic()
    }

    /// `ln(sum e^x)` over dimensions, exact for large x.
    #[track_caller]
    pub fn logsumexp_dims(&self, dims: &[i64], keep: bool) -> Tensor {
        logsumexp(self, dims, keep).or_panic()
    }

    /// Running sums along `dim`; of integers i64.
    #[track_caller]
    pub fn cumsum(&self, dim: i64) -> Tensor {
        cumsum(self, dim).or_panic()
    }

    /// How many elements are not 0, i64.
    #[track_caller]
    pub fn count_nonzero(&self) -> Tensor {
        self.to_dtype(DType::Bool).sum()
    }
}

/// Dimensions to go over, ascending; none named: all.
pub(crate) fn over(operation: &'static str, x: &Tensor, dims: &[i64]) -> Result<Dims> {
    // A scalar may be reduced over its "last" dimension, as in PyTorch.
    let of_scalar = x.rank() == 0 && dims.iter().all(|dim| matches!(dim, -1 | 0));
    if dims.is_empty() || of_scalar {
        return Ok((0..x.rank()).collect());
    }
    let mut resolved: Dims = dims.iter().map(|&dim| x.axis(operation, dim)).collect::<Result<_>>()?;
    resolved.sort_unstable();
    if resolved.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(TensorError::Shape { operation, problem: format!("dimensions {dims:?} of shape {:?} name one twice", x.shape()) });
    }
    Ok(resolved)
}

/// `shape` with `dims` of size 1.
fn ones_at(shape: &[usize], dims: &[usize]) -> Dims {
    let mut kept: Dims = shape.into();
    dims.iter().for_each(|&dim| kept[dim] = 1);
    kept
}

fn count(shape: &[usize], dims: &[usize]) -> usize {
    dims.iter().map(|&dim| shape[dim]).product()
}

fn reduce(op: Reduce, x: &Tensor, dims: &[i64], keep: bool) -> Result<Tensor> {
    let name = op.name();
    interrupt::check(name)?;
    let dims = over(name, x, dims)?;
    if matches!(op, Reduce::Max | Reduce::Min) && count(x.shape(), &dims) == 0 {
        return Err(TensorError::Shape { operation: name, problem: format!("of nothing: shape {:?} over dimensions {:?}", x.shape(), &dims[..]) });
    }
    let input = match op {
        Reduce::Any | Reduce::All => x.raw().into_dtype(DType::Bool)?,
        Reduce::Mean if !x.dtype().is_float() => x.raw().into_dtype(DType::F32)?,
        _ => x.raw(),
    };
    let kept = ones_at(x.shape(), &dims);
    let y = backend(x.device())?.reduce(op, &input, &dims)?;
    let result = if keep { y.reshape(&kept)? } else { y.clone() };
    Ok(record(name, &[x], result, || move |dy, _| Ok(vec![Some(spread(op, &input, &y, dy, &dims, &kept)?)])))
}

/// The gradient of a reduction: `kept` is the result's shape with the dimensions that were gone over.
fn spread(op: Reduce, x: &Raw, y: &Raw, dy: &Raw, dims: &[usize], kept: &[usize]) -> Result<Raw> {
    let dy = dy.reshape(kept)?;
    match op {
        Reduce::Sum => dy.expand("sum", x.shape()),
        Reduce::Mean => dy.unary(Unary::DivBy(count(x.shape(), dims) as f64))?.expand("mean", x.shape()),
        Reduce::Prod => product_gradient(x, &dy, dims),
        _ => {
            let equal = x.compare(Compare::Eq, &y.reshape(kept)?)?;
            let share = dy.div(&equal.cast(dy.dtype)?.sum_keep(dims)?)?;
            kept_where(&share, &equal)
        }
    }
}

/// Each element's gradient is the product of the others: where one of them is 0 only that one's is not 0, where two are, none.
fn product_gradient(x: &Raw, dy: &Raw, dims: &[usize]) -> Result<Raw> {
    let zero = x.constant(0.0)?;
    let zeros = x.compare(Compare::Eq, &zero)?;
    let others = x.constant(1.0)?.select(&zeros, x)?;
    let count = zeros.cast(x.dtype)?.sum_keep(dims)?;
    let product = others.reduce(Reduce::Prod, dims)?.reshape(count.shape())?;
    let alone = kept_where(&product, &count.compare(Compare::Eq, &x.constant(1.0)?)?)?;
    let usual = kept_where(&product, &count.compare(Compare::Eq, &zero)?)?.div(&others)?;
    dy.mul(&alone.select(&zeros, &usual)?)
}

/// Halves are gone over in f32, and the result is a half again: their squares go beyond their range.
fn in_f32(x: &Tensor, body: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    match x.dtype() {
        DType::F32 | DType::F64 => body(x),
        DType::F16 | DType::BF16 => body(&x.try_to_dtype(DType::F32)?)?.try_to_dtype(x.dtype()),
        _ => body(&x.try_to_dtype(DType::F32)?),
    }
}

fn moment(name: &'static str, x: &Tensor, dims: &[i64], correction: usize, keep: bool) -> Result<Tensor> {
    interrupt::check(name)?;
    let dims = over(name, x, dims)?;
    in_f32(x, |x| {
        let input = x.raw();
        let kept = ones_at(x.shape(), &dims);
        // Nothing or one element: 0 / 0 is NaN, as in PyTorch.
        let freedom = count(x.shape(), &dims).saturating_sub(correction) as f64;
        let mean = input.reduce(Reduce::Mean, &dims)?.reshape(&kept)?;
        let squares = input.sub(&mean)?.unary(Unary::Square)?.reduce(Reduce::Sum, &dims)?;
        let variance = squares.unary(Unary::DivBy(freedom))?;
        let y = if name == "std" { variance.unary(Unary::Sqrt)? } else { variance };
        let result = if keep { y.reshape(&kept)? } else { y.clone() };
        Ok(record(name, &[x], result, || {
            let kept = kept.clone();
            move |dy: &Raw, _: &[bool]| {
                let dy = dy.reshape(&kept)?;
                let scale = if name == "std" {
                    let y = y.reshape(&kept)?;
                    let flat = y.compare(Compare::Eq, &y.constant(0.0)?)?;
                    y.constant(0.0)?.select(&flat, &dy.div(&y)?.affine(1.0 / freedom, -0.0)?)?
                } else {
                    dy.affine(2.0 / freedom, -0.0)?
                };
                Ok(vec![Some(input.sub(&mean)?.mul(&scale)?)])
            }
        }))
    })
}

fn norm(x: &Tensor, p: f64, dims: &[i64], keep: bool) -> Result<Tensor> {
    in_f32(x, |x| {
        if p == 2.0 {
            return euclid(x, dims, keep);
        }
        let size = unary(x, Unary::Abs)?;
        match p {
            0.0 => reduce(Reduce::Sum, &Tensor::from_raw(x.raw().into_dtype(DType::Bool)?.cast(x.dtype())?), dims, keep),
            1.0 => reduce(Reduce::Sum, &size, dims, keep),
            f64::INFINITY => reduce(Reduce::Max, &size, dims, keep),
            f64::NEG_INFINITY => reduce(Reduce::Min, &size, dims, keep),
            _ => unary(&reduce(Reduce::Sum, &unary(&size, Unary::Pow(p))?, dims, keep)?, Unary::Pow(1.0 / p)),
        }
    })
}

fn euclid(x: &Tensor, dims: &[i64], keep: bool) -> Result<Tensor> {
    interrupt::check("norm")?;
    let dims = over("norm", x, dims)?;
    let input = x.raw();
    let kept = ones_at(x.shape(), &dims);
    let y = input.unary(Unary::Square)?.reduce(Reduce::Sum, &dims)?.unary(Unary::Sqrt)?;
    let result = if keep { y.reshape(&kept)? } else { y.clone() };
    Ok(record("norm", &[x], result, || {
        move |dy: &Raw, _: &[bool]| {
            let y = y.reshape(&kept)?;
            let flat = y.compare(Compare::Eq, &y.constant(0.0)?)?;
            let scale = y.constant(0.0)?.select(&flat, &dy.reshape(&kept)?.div(&y)?)?;
            Ok(vec![Some(input.mul(&scale)?)])
        }
    }))
}

fn logsumexp(x: &Tensor, dims: &[i64], keep: bool) -> Result<Tensor> {
    interrupt::check("logsumexp")?;
    let dims = over("logsumexp", x, dims)?;
    in_f32(x, |x| {
        let input = x.raw();
        let kept = ones_at(x.shape(), &dims);
        let y = if count(x.shape(), &dims) == 0 {
            backend(x.device())?.full(&kept, x.dtype(), f64::NEG_INFINITY)?
        } else {
            let greatest = input.reduce(Reduce::Max, &dims)?.reshape(&kept)?;
            // An infinity less itself is NaN: then nothing is taken away.
            let shift = kept_where(&greatest, &greatest.unary(Unary::IsFinite)?)?;
            input.sub(&shift)?.unary(Unary::Exp)?.sum_keep(&dims)?.unary(Unary::Log)?.add(&shift)?
        };
        let without: Dims = (0..x.rank()).filter(|dim| !dims.contains(dim)).map(|dim| x.shape()[dim]).collect();
        let result = if keep { y.clone() } else { y.reshape(&without)? };
        Ok(record("logsumexp", &[x], result, || {
            let kept = kept.clone();
            move |dy: &Raw, _: &[bool]| Ok(vec![Some(input.sub(&y)?.unary(Unary::Exp)?.mul(&dy.reshape(&kept)?)?)])
        }))
    })
}

fn cumsum(x: &Tensor, dim: i64) -> Result<Tensor> {
    interrupt::check("cumsum")?;
    if x.rank() == 0 {
        return Ok(x.clone());
    }
    let dim = x.axis("cumsum", dim)?;
    let input = if x.dtype().is_float() { x.raw() } else { x.raw().into_dtype(DType::I64)? };
    let y = backend(x.device())?.cumsum(&input, dim)?;
    Ok(record("cumsum", &[x], y, || {
        move |dy: &Raw, _: &[bool]| {
            let sums = backend(dy.device())?.cumsum(&reversed(dy, dim)?, dim)?;
            Ok(vec![Some(reversed(&sums, dim)?)])
        }
    }))
}
