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
    let [outer, n, inner] = around(x.shape(), dim);
    let mut places = fresh::<i64>(outer * n * inner);
    let values = each_wide!(x.dtype, W => {
        let from = W::load(x)?;
        let mut values = fresh::<W>(from.len());
        if n > 0 && inner > 0 {
            // Columns are sorted as rows of [outer, inner, n].
            parallel::rows2("sort", (&mut values, n), (&mut places, n), COST, |first, values, places| {
                let mut row: Vec<(W, i64)> = Vec::with_capacity(n);
                for (r, (values, places)) in values.chunks_exact_mut(n).zip(places.chunks_exact_mut(n)).enumerate() {
                    let (o, column) = ((first + r) / inner, (first + r) % inner);
                    row.clear();
                    row.extend((0..n).map(|k| (from[(o * n + k) * inner + column], k as i64)));
                    row.sort_by(|a, b| if descending { order(b.0, a.0) } else { order(a.0, b.0) });
                    row.iter().zip(values).zip(places).for_each(|((pair, value), place)| (*value, *place) = *pair);
                }
            })?;
        }
        W::store(values, x.dtype, &[outer, inner, n])?
    });
    let places = raw(places, &[outer, inner, n]);
    Ok((back(values, [outer, n, inner], x.shape())?, back(places, [outer, n, inner], x.shape())?))
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
