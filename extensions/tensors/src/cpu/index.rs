//! Gathering and scattering by indices.
use super::access::{Load, dense, elements, fresh, raw};
use super::number::each_wide;
use super::parallel;
use super::reduce::around;
use super::walk::Walk;
use crate::error::Result;
use crate::{DType, Element, Layout, Raw};

/// The places of `x` that `index` runs over, with `dim` standing still.
fn still(x: &Layout, dim: usize, index: &Raw) -> Layout {
    let mut layout = x.clone();
    layout.shape = index.layout.shape.clone();
    layout.strides[dim] = 0;
    layout
}

/// See [`crate::backend::Backend::gather`].
pub fn gather(x: &Raw, dim: usize, index: &Raw) -> Result<Raw> {
    each_dtype!(x.dtype, T => Ok(raw(gathered::<T>(x, dim, index)?, index.shape())))
}

fn gathered<T: Element>(x: &Raw, dim: usize, index: &Raw) -> Result<Vec<T>> {
    let (places, data) = (elements::<i64>(index), elements::<T>(x));
    let walk = Walk::new([&index.layout, &still(&x.layout, dim, index)]);
    let (step, along, stride) = (walk.step(0), walk.step(1), x.layout.strides[dim]);
    let mut out = fresh::<T>(index.len());
    parallel::fill("gather", &mut out, |start, part| {
        walk.runs(start..start + part.len(), |at, len, [a, b]| {
            let to = part[at..at + len].iter_mut().enumerate();
            to.for_each(|(i, to)| *to = data[b + i * along + places[a + i * step] as usize * stride]);
        });
    })?;
    Ok(out)
}

/// See [`crate::backend::Backend::scatter_add`]. Adds in the order of the index.
pub fn scatter_add(x: &Raw, dim: usize, index: &Raw, src: &Raw) -> Result<Raw> {
    let places = elements::<i64>(index);
    let target = Layout::contiguous(x.shape());
    let stride = target.strides[dim];
    let walk = Walk::new([&index.layout, &still(&target, dim, index)]);
    each_wide!(x.dtype, W => {
        let mut out = W::load(x)?.into_owned();
        // Only the corner of `src` that the index covers.
        let corner = src.with_layout(Layout { shape: index.layout.shape.clone(), ..src.layout.clone() });
        let from = W::load(&corner)?;
        walk.runs(0..index.len(), |at, len, [a, b]| {
            for i in 0..len {
                let to = &mut out[b + i * walk.step(1) + places[a + i * walk.step(0)] as usize * stride];
                *to = to.plus(from[at + i]);
            }
        });
        W::store(out, x.dtype, x.shape())
    })
}

/// The shape of `x` with another size along `dim`.
fn resized(x: &Raw, dim: usize, size: usize) -> crate::Dims {
    let mut shape: crate::Dims = x.shape().into();
    shape[dim] = size;
    shape
}

/// See [`crate::backend::Backend::index_select`].
pub fn index_select(x: &Raw, dim: usize, index: &Raw) -> Result<Raw> {
    let places = dense::<i64>(index)?;
    let [_, n, inner] = around(x.shape(), dim);
    let shape = resized(x, dim, places.len());
    each_dtype!(x.dtype, T => {
        let data = dense::<T>(x)?;
        let mut out = fresh::<T>(shape.iter().product());
        parallel::rows("index_select", &mut out, inner.max(1), 1, |first, part| {
            for (r, to) in part.chunks_exact_mut(inner).enumerate() {
                let (o, k) = ((first + r) / places.len(), (first + r) % places.len());
                to.copy_from_slice(&data[(o * n + places[k] as usize) * inner..][..inner]);
            }
        })?;
        Ok(raw(out, &shape))
    })
}

/// See [`crate::backend::Backend::index_add`]. Adds in the order of the index.
pub fn index_add(x: &Raw, dim: usize, index: &Raw, src: &Raw) -> Result<Raw> {
    let places = dense::<i64>(index)?;
    let [outer, n, inner] = around(x.shape(), dim);
    each_wide!(x.dtype, W => {
        let mut out = W::load(x)?.into_owned();
        let from = W::load(src)?;
        for (r, row) in from.chunks_exact(inner.max(1)).take(outer * places.len()).enumerate() {
            let (o, k) = (r / places.len(), r % places.len());
            let to = &mut out[(o * n + places[k] as usize) * inner..][..inner];
            to.iter_mut().zip(row).for_each(|(to, x)| *to = to.plus(*x));
        }
        W::store(out, x.dtype, x.shape())
    })
}

/// Classes or places as a slice, whatever integer type they have.
pub fn integers(x: &Raw) -> Result<std::borrow::Cow<'_, [i64]>> {
    if x.dtype == DType::I64 { dense(x) } else { i64::load(x) }
}
