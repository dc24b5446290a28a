//! The order of elements: extremes with their places, sorting, the largest k, medians, distinct values.
use crate::autograd::record;
use crate::device::backend;
use crate::error::Result;
use crate::interrupt::{self, OrPanic};
use crate::views::reshape;
use crate::{Dims, Element, Raw, Tensor, TensorError};

impl Tensor {
    /// The place of the first greatest element along `dim`, which is gone, i64. NaN counts as the greatest.
    #[track_caller]
    pub fn argmax(&self, dim: i64) -> Tensor {
        place_of("argmax", self, dim, true).or_panic().0
    }

    /// The place of the first smallest element along `dim`, which is gone, i64. NaN counts as the smallest.
    #[track_caller]
    pub fn argmin(&self, dim: i64) -> Tensor {
        place_of("argmin", self, dim, false).or_panic().0
    }

    /// The greatest elements along `dim`, which is gone, and their places (i64).
    #[track_caller]
    pub fn max_dim(&self, dim: i64) -> (Tensor, Tensor) {
        extreme("max", self, dim, true).or_panic()
    }

    /// The smallest elements along `dim`, which is gone, and their places (i64).
    #[track_caller]
    pub fn min_dim(&self, dim: i64) -> (Tensor, Tensor) {
        extreme("min", self, dim, false).or_panic()
    }

    /// The elements in order along `dim`, and their places before (i64). Equal ones keep their order; NaN is the greatest.
    #[track_caller]
    pub fn sort(&self, dim: i64, descending: bool) -> (Tensor, Tensor) {
        sort("sort", self, dim, descending, None).or_panic()
    }

    /// The places (i64) of the elements in order along `dim` (see `sort`).
    #[track_caller]
    pub fn argsort(&self, dim: i64, descending: bool) -> Tensor {
        sort("argsort", &self.detach(), dim, descending, None).or_panic().1
    }

    /// The `k` greatest elements along `dim`, the greatest first, and their places (i64).
    #[track_caller]
    pub fn topk(&self, k: usize, dim: i64) -> (Tensor, Tensor) {
        sort("topk", self, dim, true, Some(k)).or_panic()
    }

    /// The `k` smallest elements along `dim`, the smallest first, and their places (i64).
    #[track_caller]
    pub fn bottomk(&self, k: usize, dim: i64) -> (Tensor, Tensor) {
        sort("bottomk", self, dim, false, Some(k)).or_panic()
    }

    /// The lower median along `dim`, which is gone, and its place (i64), as in PyTorch.
    #[track_caller]
    pub fn median_dim(&self, dim: i64) -> (Tensor, Tensor) {
        let middle = self.dim(dim).saturating_sub(1) / 2;
        let (values, places) = sort("median", self, dim, false, Some(middle + 1)).or_panic();
        (values.select(dim, middle as i64), places.select(dim, middle as i64))
    }

    /// The quantile `q` (0 to 1) along `dim`, which is gone, between two elements in proportion.
    #[track_caller]
    pub fn quantile(&self, q: f64, dim: i64) -> Tensor {
        if !(0.0..=1.0).contains(&q) {
            Err(TensorError::Shape { operation: "quantile", problem: format!("{q} is not between 0 and 1") }).or_panic()
        }
        let at = q * self.dim(dim).saturating_sub(1) as f64;
        let values = sort("quantile", self, dim, false, None).or_panic().0;
        let (low, high) = (values.select(dim, at.floor() as i64), values.select(dim, at.ceil() as i64));
        &low + (&high - &low) * at.fract()
    }

    /// The distinct elements in ascending order, in one dimension. From a GPU it waits.
    #[track_caller]
    pub fn unique(&self) -> Tensor {
        unique(self).or_panic()
    }
}

fn not_empty(operation: &'static str, x: &Tensor, dim: usize) -> Result<()> {
    if x.shape()[dim] > 0 {
        return Ok(());
    }
    Err(TensorError::Shape { operation, problem: format!("of nothing: dimension {dim} of shape {:?}", x.shape()) })
}

/// The places along `dim`, and the dimension's number.
fn place_of(operation: &'static str, x: &Tensor, dim: i64, max: bool) -> Result<(Tensor, usize)> {
    interrupt::check(operation)?;
    let dim = x.axis(operation, dim)?;
    not_empty(operation, x, dim)?;
    Ok((Tensor::from_raw(backend(x.device())?.arg_reduce(max, &x.raw(), dim)?), dim))
}

fn extreme(operation: &'static str, x: &Tensor, dim: i64, max: bool) -> Result<(Tensor, Tensor)> {
    let (places, dim) = place_of(operation, x, dim, max)?;
    let values = x.gather(dim as i64, &places.unsqueeze(dim as i64));
    Ok((reshape(operation, &values, places.shape())?, places))
}

/// Sorted along `dim`, of which the first `k` are kept.
fn sort(operation: &'static str, x: &Tensor, dim: i64, descending: bool, k: Option<usize>) -> Result<(Tensor, Tensor)> {
    interrupt::check(operation)?;
    let dim = x.axis(operation, dim)?;
    let size = x.shape()[dim];
    if k.is_some_and(|k| k > size) {
        let problem = format!("{} of dimension {dim} of shape {:?}, which has {size} places", k.unwrap_or(0), x.shape());
        return Err(TensorError::Shape { operation, problem });
    }
    let (values, places) = match k.filter(|k| *k < size) {
        Some(k) => backend(x.device())?.top(&x.raw(), dim, descending, k)?,
        None => backend(x.device())?.sort(&x.raw(), dim, descending)?,
    };
    let index = Tensor::from_raw(places.clone());
    let values = record(operation, &[x], values, || {
        let shape: Dims = x.shape().into();
        move |dy: &Raw, _: &[bool]| {
            let backend = backend(dy.device())?;
            Ok(vec![Some(backend.scatter_add(&backend.full(&shape, dy.dtype, 0.0)?, dim, &places, dy)?)])
        }
    });
    Ok((values, index))
}

fn unique(x: &Tensor) -> Result<Tensor> {
    let flat = x.detach().flatten(0, -1);
    let (sorted, _) = sort("unique", &flat, 0, false, None)?;
    let buffer = sorted.to_buffer(x.dtype())?;
    let kept = each_dtype!(x.dtype(), T => {
        let mut values = <T as Element>::into_vec(buffer).unwrap_or_default();
        values.dedup();
        crate::Buffer::from(values)
    });
    let len = kept.len();
    Ok(Tensor::from_raw(backend(x.device())?.upload(kept, &[len])?))
}
