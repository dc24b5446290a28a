//! Sorting along a dimension.
use super::access::{Load, fresh, raw};
use super::number::{Wide, each_wide};
use super::parallel;
use super::reduce::around;
use crate::error::Result;
use crate::{Layout, Raw};
use std::cmp::Ordering;

/// How much more work sorting an element is than copying it.
const COST: usize = 16;

/// See [`crate::backend::Backend::sort`]. NaN is greater than all: last in ascending, first in descending order.
pub fn sort(x: &Raw, dim: usize, descending: bool) -> Result<(Raw, Raw)> {
    first("sort", x, dim, descending, x.shape()[dim])
}

/// See [`crate::backend::Backend::top`]: only what is kept is sorted, the rest is passed over once.
pub fn top(x: &Raw, dim: usize, descending: bool, k: usize) -> Result<(Raw, Raw)> {
    first("topk", x, dim, descending, k)
}

/// The first `k` in order along `dim`.
fn first(operation: &'static str, x: &Raw, dim: usize, descending: bool, k: usize) -> Result<(Raw, Raw)> {
    let [outer, n, inner] = around(x.shape(), dim);
    let mut shape = x.shape().to_vec();
    shape[dim] = k;
    let mut places = fresh::<i64>(outer * k * inner);
    let values = each_wide!(x.dtype, W => {
        let from = W::load(x)?;
        let mut values = fresh::<W>(outer * k * inner);
        if k > 0 && inner > 0 {
            // Columns are sorted as rows of [outer, inner, n].
            parallel::rows2(operation, (&mut values, k), (&mut places, k), COST * n / k, |first, values, places| {
                let mut row: Vec<(W, i64)> = Vec::with_capacity(n);
                for (r, (values, places)) in values.chunks_exact_mut(k).zip(places.chunks_exact_mut(k)).enumerate() {
                    let (o, column) = ((first + r) / inner, (first + r) % inner);
                    row.clear();
                    row.extend((0..n).map(|i| (from[(o * n + i) * inner + column], i as i64)));
                    // Equal ones keep their order, so that a part is what the whole begins with.
                    let in_order = |a: &(W, i64), b: &(W, i64)| if descending { order(b.0, a.0) } else { order(a.0, b.0) }.then(a.1.cmp(&b.1));
                    if k < n {
                        row.select_nth_unstable_by(k - 1, in_order);
                        row.truncate(k);
                    }
                    row.sort_by(in_order);
                    row.iter().zip(values).zip(places).for_each(|((pair, value), place)| (*value, *place) = *pair);
                }
            })?;
        }
        W::store(values, x.dtype, &[outer, inner, k])?
    });
    let places = raw(places, &[outer, inner, k]);
    Ok((back(values, [outer, k, inner], &shape)?, back(places, [outer, k, inner], &shape)?))
}

/// `[outer, inner, n]` as `[outer, n, inner]` of this shape.
fn back(x: Raw, [outer, n, inner]: [usize; 3], shape: &[usize]) -> Result<Raw> {
    let turned = if inner == 1 {
        x
    } else {
        let layout = Layout { shape: [outer, n, inner].as_slice().into(), strides: [n * inner, 1, n].as_slice().into(), offset: 0 };
        super::copy::copy(&x.with_layout(layout))?
    };
    Ok(turned.with_layout(Layout::contiguous(shape)))
}

fn order<W: Wide>(a: W, b: W) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
