//! Softmax, its logarithm, and cross-entropy, with their gradients.
use super::access::{Load, fresh, statistics_dtype};
use super::index::integers;
use super::lanes::{self, sum, sum2};
use super::level::{self, Job, Level};
use super::math::Real;
use super::number::each_real;
use super::parallel;
use super::reduce::around;
use crate::error::Result;
use crate::{Layout, Raw};

/// How much more work an element is than copying it.
const COST: usize = 4;

/// A view whose dimension `dim` is last, and the way back.
fn last(x: &Raw, dim: usize) -> Raw {
    let mut layout = x.layout.clone();
    let (size, stride) = (layout.shape.remove(dim), layout.strides.remove(dim));
    layout.shape.push(size);
    layout.strides.push(stride);
    x.with_layout(layout)
}

/// A row-major `y` of `last`'s shape as one of the original shape.
fn back(y: Raw, shape: &[usize], dim: usize) -> Result<Raw> {
    let [_, n, inner] = around(shape, dim);
    if inner == 1 {
        return Ok(y.with_layout(Layout::contiguous(shape)));
    }
    let [outer, ..] = around(shape, dim);
    let layout = Layout { shape: [outer, n, inner].as_slice().into(), strides: [n * inner, 1, n].as_slice().into(), offset: 0 };
    Ok(super::copy::copy(&y.with_layout(layout))?.with_layout(Layout::contiguous(shape)))
}

/// See [`crate::backend::Backend::softmax`].
pub fn softmax(x: &Raw, dim: usize, log: bool) -> Result<Raw> {
    if x.is_empty() {
        return super::copy::copy(x);
    }
    let n = x.shape()[dim];
    let turned = last(x, dim);
    let operation = if log { "log_softmax" } else { "softmax" };
    let y = each_real!(operation, x.dtype, W => {
        let from = W::load(&turned)?;
        let mut out = fresh::<W>(from.len());
        parallel::rows(operation, &mut out, n, COST, |first, part| {
            for (to, from) in part.chunks_exact_mut(n).zip(from[first * n..].chunks_exact(n)) {
                level::run(Row { from, to, log });
            }
        })?;
        W::store(out, x.dtype, turned.shape())
    })?;
    back(y, x.shape(), dim)
}

/// See [`crate::backend::Backend::softmax_backward`].
pub fn softmax_backward(y: &Raw, dy: &Raw, dim: usize, log: bool) -> Result<Raw> {
    if y.is_empty() {
        return super::copy::copy(dy);
    }
    let n = y.shape()[dim];
    let (y_turned, dy_turned) = (last(y, dim), last(dy, dim));
    let operation = if log { "log_softmax backward" } else { "softmax backward" };
    let dx = each_real!(operation, y.dtype, W => {
        let (y_all, dy_all) = (W::load(&y_turned)?, W::load(&dy_turned)?);
        let mut out = fresh::<W>(y_all.len());
        parallel::rows(operation, &mut out, n, COST, |first, part| {
            for (r, to) in part.chunks_exact_mut(n).enumerate() {
                let row = (first + r) * n..(first + r + 1) * n;
                level::run(RowBackward { y: &y_all[row.clone()], dy: &dy_all[row], to, log });
            }
        })?;
        W::store(out, dy.dtype, y_turned.shape())
    })?;
    back(dx, y.shape(), dim)
}

struct Row<'a, W> {
    from: &'a [W],
    to: &'a mut [W],
    log: bool,
}

/// The greatest of a row. NaNs are left out: the sum of the exponentials is NaN then, and with it all results.
#[inline(always)]
fn greatest<W: Real>(x: &[W]) -> W {
    lanes::fold(x, W::LOWEST, |x| x, |a, b| if b > a { b } else { a })
}

impl<W: Real> Job for Row<'_, W> {
    type Out = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { from, to, log } = self;
        let n = from.len();
        let to = &mut to[..n];
        let max = greatest(from);
        for (to, x) in to.iter_mut().zip(from) {
            *to = (*x - max).exp_below::<L>();
        }
        let total = sum(to, |x| x);
        if log {
            let shift = total.ln::<L>();
            for (to, x) in to.iter_mut().zip(from) {
                *to = *x - max - shift;
            }
        } else {
            let scale = W::ONE / total;
            to.iter_mut().for_each(|to| *to = *to * scale);
        }
    }
}

struct RowBackward<'a, W> {
    y: &'a [W],
    dy: &'a [W],
    to: &'a mut [W],
    log: bool,
}

impl<W: Real> Job for RowBackward<'_, W> {
    type Out = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { y, dy, to, log } = self;
        let n = y.len();
        let (dy, to) = (&dy[..n], &mut to[..n]);
        if log {
            let total = sum(dy, |x| x);
            for ((to, y), dy) in to.iter_mut().zip(y).zip(dy) {
                *to = *dy - y.exp_below::<L>() * total;
            }
        } else {
            let total = sum2(dy, y, |dy, y| dy * y);
            for ((to, y), dy) in to.iter_mut().zip(y).zip(dy) {
                *to = *y * (*dy - total);
            }
        }
    }
}

/// See [`crate::backend::Backend::cross_entropy`].
pub fn cross_entropy(logits: &Raw, classes: &Raw, smoothing: f64) -> Result<Raw> {
    let (rows, n) = (logits.shape()[0], logits.shape()[1]);
    let classes = integers(classes)?;
    each_real!("cross_entropy", logits.dtype, W => {
        let x = W::load(logits)?;
        let mut out = fresh::<W>(rows);
        parallel::rows("cross_entropy", &mut out, 1, COST * n.max(1), |first, part| {
            for (r, to) in part.iter_mut().enumerate() {
                let row = &x[(first + r) * n..][..n];
                *to = level::run(Loss { x: row, class: classes[first + r] as usize, smoothing });
            }
        })?;
        W::store(out, statistics_dtype(logits.dtype), &[rows])
    })
}

struct Loss<'a, W> {
    x: &'a [W],
    class: usize,
    smoothing: f64,
}

impl<W: Real> Job for Loss<'_, W> {
    type Out = W;
    #[inline(always)]
    fn run<L: Level>(self) -> W {
        let Self { x, class, smoothing } = self;
        let max = greatest(x);
        let total = sum(x, |x| (x - max).exp_below::<L>()).ln::<L>();
        let loss = total - (x[class] - max);
        if smoothing == 0.0 {
            return loss;
        }
        // Of all classes alike: the mean of `total - (x - max)`.
        let mean = sum(x, |x| x - max) / W::from_f64(x.len() as f64);
        loss * W::from_f64(1.0 - smoothing) + (total - mean) * W::from_f64(smoothing)
    }
}

/// See [`crate::backend::Backend::cross_entropy_backward`].
pub fn cross_entropy_backward(logits: &Raw, classes: &Raw, dy: &Raw, smoothing: f64) -> Result<Raw> {
    if logits.is_empty() {
        return super::copy::copy(logits);
    }
    let n = logits.shape()[1];
    let classes = integers(classes)?;
    each_real!("cross_entropy backward", logits.dtype, W => {
        let (x, dy) = (W::load(logits)?, W::load(dy)?);
        let mut out = fresh::<W>(x.len());
        let even = W::from_f64(smoothing / n as f64);
        parallel::rows("cross_entropy backward", &mut out, n, COST, |first, part| {
            for (r, to) in part.chunks_exact_mut(n).enumerate() {
                let row = first + r;
                level::run(Row { from: &x[row * n..][..n], to, log: false });
                to.iter_mut().for_each(|y| *y = (*y - even) * dy[row]);
                let class = &mut to[classes[row] as usize];
                *class = *class - W::from_f64(1.0 - smoothing) * dy[row];
            }
        })?;
        W::store(out, logits.dtype, logits.shape())
    })
}
