//! Products of matrices and of stacks of them.
use super::access::{Load, elements, fresh, zeros};
use super::gemm::{Columns, Multiply, Place, Rows, products};
use super::matvec::matvec;
use super::interleave::interleave;
use super::number::each_real;
use crate::error::Result;
use crate::{DType, Layout, Raw};
use std::borrow::Cow;

/// A matrix in memory.
#[derive(Clone, Copy)]
pub struct Matrix<'a, W> {
    pub data: &'a [W],
    /// Distances of neighbours in a column and in a row.
    pub strides: [usize; 2],
}

impl<W: Copy + Default> Rows<W> for Matrix<'_, W> {
    fn lying(&self, i0: usize, k0: usize) -> Option<(&[W], usize)> {
        (self.strides[1] == 1).then(|| (&self.data[i0 * self.strides[0] + k0..], self.strides[0]))
    }

    fn block<'a>(&'a self, [i0, i1]: [usize; 2], [k0, k1]: [usize; 2], tile: usize, scratch: &'a mut Vec<W>) -> &'a [W] {
        let ([row, step], steps) = (self.strides, k1 - k0);
        let to = sized(scratch, (i1 - i0) * steps);
        for i in (i0..i1).step_by(tile) {
            let rows = (i1 - i).min(tile);
            let from = &self.data[i * row + k0 * step..];
            let to = &mut to[(i - i0) * steps..][..rows * steps];
            if step == 1 {
                interleave(from, row, [rows, steps], to, rows);
                continue;
            }
            for (p, to) in to.chunks_exact_mut(rows).enumerate() {
                if row == 1 {
                    to.copy_from_slice(&from[p * step..p * step + rows]);
                } else {
                    to.iter_mut().enumerate().for_each(|(r, to)| *to = from[r * row + p * step]);
                }
            }
        }
        to
    }
}

/// Copies some ten elements, faster than a call of the library would.
#[inline]
fn short_copy<W: Copy>(from: &[W], to: &mut [W]) {
    const CHUNK: usize = 4;
    let whole = from.len() / CHUNK * CHUNK;
    for (from, to) in from.chunks_exact(CHUNK).zip(to.chunks_exact_mut(CHUNK)) {
        to.copy_from_slice(from);
    }
    for (from, to) in from[whole..].iter().zip(&mut to[whole..]) {
        *to = *from;
    }
}

/// The first `len` elements of memory that grows where it has to.
pub fn sized<W: Copy + Default>(scratch: &mut Vec<W>, len: usize) -> &mut [W] {
    if scratch.len() < len {
        scratch.resize(len, W::default());
    }
    &mut scratch[..len]
}

impl<W: Copy + Default> Columns<W> for Matrix<'_, W> {
    fn pack(&self, [k0, k1]: [usize; 2], j0: usize, count: usize, width: usize, to: &mut [W]) {
        let [step, column] = self.strides;
        let from = &self.data[k0 * step + j0 * column..];
        if column == 1 {
            for (p, to) in to.chunks_exact_mut(width).take(k1 - k0).enumerate() {
                short_copy(&from[p * step..p * step + count], to);
            }
            return;
        }
        if step == 1 {
            return interleave(from, column, [count, k1 - k0], to, width);
        }
        for (p, to) in to.chunks_exact_mut(width).take(k1 - k0).enumerate() {
            for (j, to) in to[..count].iter_mut().enumerate() {
                *to = from[p * step + j * column];
            }
        }
    }

    fn direct(&self, [k0, _]: [usize; 2], j0: usize, _: usize) -> Option<(&[W], usize)> {
        (self.strides[1] == 1).then(|| (&self.data[k0 * self.strides[0] + j0..], self.strides[0]))
    }
}

/// See [`crate::backend::Backend::matmul`].
pub fn matmul(a: &Raw, b: &Raw) -> Result<Raw> {
    let rank = a.layout.rank();
    let (m, k, n) = (a.shape()[rank - 2], a.shape()[rank - 1], b.shape()[rank - 1]);
    let mut shape: crate::Dims = a.shape().into();
    shape[rank - 1] = n;
    let count: usize = shape[..rank - 2].iter().product();
    each_real!("matmul", a.dtype, W => {
        let mut out = if k > 0 { fresh::<W>(count * m * n) } else { zeros::<W>(count * m * n) };
        if k > 0 && !out.is_empty() {
            let (left, left_layout) = operand::<W>(a)?;
            let (right, right_layout) = operand::<W>(b)?;
            let (left_at, right_at) = (offsets(&left_layout), offsets(&right_layout));
            let (left, right) = (|i: usize| matrix(&left, &left_layout, left_at[i]), |i: usize| matrix(&right, &right_layout, right_at[i]));
            if !(count == 1 && (m == 1 || n == 1) && with_vector(&left(0), &right(0), [m, n, k], &mut out)?) {
                products("matmul", count, [m, n, k], left, right, (&mut out, Place::matrix(0, n), m * n), false)?;
            }
        }
        W::store(out, a.dtype, &shape)
    })
}

/// One side is a vector: whether that was used.
fn with_vector<W: Multiply>(left: &Matrix<'_, W>, right: &Matrix<'_, W>, [m, n, k]: [usize; 3], out: &mut [W]) -> Result<bool> {
    let ([_, step], [down, across]) = (left.strides, right.strides);
    if n == 1 && (down == 1 || k == 1) {
        return matvec(*left, &right.data[..k], out);
    }
    if m == 1 && (step == 1 || k == 1) {
        return matvec(Matrix { data: right.data, strides: [across, down] }, &left.data[..k], out);
    }
    Ok(false)
}

/// A tensor's elements with their layout: as they lie if they compute in their own type, else converted.
fn operand<W: Load>(x: &Raw) -> Result<(Cow<'_, [W]>, Layout)> {
    if x.dtype == W::DTYPE && x.dtype != DType::Bool {
        return Ok((Cow::Borrowed(elements::<W>(x)), x.layout.clone()));
    }
    Ok((W::load(x)?, Layout::contiguous(x.shape())))
}

/// Where each matrix of a stack begins.
fn offsets(layout: &Layout) -> Vec<usize> {
    let rank = layout.rank() - 2;
    let mut found = vec![layout.offset];
    for (size, stride) in layout.shape[..rank].iter().zip(&layout.strides[..rank]) {
        found = found.iter().flat_map(|offset| (0..*size).map(move |i| offset + i * stride)).collect();
    }
    found
}

fn matrix<'a, W>(data: &'a [W], layout: &Layout, offset: usize) -> Matrix<'a, W> {
    let rank = layout.rank();
    Matrix { data: &data[offset..], strides: [layout.strides[rank - 2], layout.strides[rank - 1]] }
}
