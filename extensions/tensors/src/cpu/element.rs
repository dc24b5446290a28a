//! Operations on each element: reads inputs of any strides in blocks, computes in the wide type, writes row-major results.
//!
//! The formulas are in `unary.rs` and `binary.rs`; here is only how their blocks meet the tensors.
use super::access::{BLOCK, Piece, elements, fresh, piece, raw};
use super::copy;
use super::number::Number;
use super::parallel;
use super::walk::Walk;
use crate::error::Result;
use crate::{Element, Raw};
use std::ops::Range;

/// Runs shorter than this are collected into blocks first.
const SHORT: usize = 48;

/// Calls `compute` for blocks of elements `range` of inputs of one shape: the place within the range, the length, a piece of each input.
#[inline]
fn blocks<T: Number, const N: usize>(
    walk: &Walk<N>,
    data: &[&[T]; N],
    range: Range<usize>,
    mut compute: impl FnMut(usize, usize, [Piece<'_, T::Wide>; N]),
) {
    let mut scratch = [[<T::Wide as Default>::default(); BLOCK]; N];
    if walk.inner() < SHORT && range.len() > walk.inner() {
        let mut done = 0;
        while done < range.len() {
            let len = (range.len() - done).min(BLOCK);
            let begin = range.start + done;
            walk.runs(begin..begin + len, |at, run, offsets| {
                for n in 0..N {
                    let step = walk.step(n);
                    (0..run).for_each(|i| scratch[n][at + i] = data[n][offsets[n] + i * step].widen());
                }
            });
            let mut parts = scratch.iter();
            compute(done, len, std::array::from_fn(|_| Piece::Slice(&parts.next().expect("there are N")[..len])));
            done += len;
        }
        return;
    }
    walk.runs(range, |at, run, offsets| {
        for begin in (0..run).step_by(BLOCK) {
            let len = (run - begin).min(BLOCK);
            let mut parts = scratch.iter_mut().enumerate();
            let pieces = std::array::from_fn(|_| {
                let (n, scratch) = parts.next().expect("there are N");
                piece(data[n], offsets[n] + begin * walk.step(n), walk.step(n), len, scratch)
            });
            compute(at + begin, len, pieces);
        }
    });
}

/// A result of the inputs' own type.
pub fn map<T: Number, const N: usize>(
    operation: &'static str,
    inputs: [&Raw; N],
    compute: impl Fn([Piece<'_, T::Wide>; N], &mut [T::Wide]) + Sync,
) -> Result<Raw> {
    let walk = Walk::new(inputs.map(|x| &x.layout));
    let data = inputs.map(elements::<T>);
    let mut out = fresh::<T>(inputs[0].len());
    parallel::fill(operation, &mut out, |start, part| {
        blocks(&walk, &data, start..start + part.len(), |at, len, pieces| {
            let to = &mut part[at..at + len];
            match T::as_wide_mut(to) {
                Some(wide) => compute(pieces, wide),
                None => {
                    let mut wide = [<T::Wide as Default>::default(); BLOCK];
                    compute(pieces, &mut wide[..len]);
                    copy::narrow(&wide[..len], to);
                }
            }
        });
    })?;
    Ok(raw(out, inputs[0].shape()))
}

/// A result of Bool.
pub fn test<T: Number, const N: usize>(
    operation: &'static str,
    inputs: [&Raw; N],
    compute: impl Fn([Piece<'_, T::Wide>; N], &mut [bool]) + Sync,
) -> Result<Raw> {
    let walk = Walk::new(inputs.map(|x| &x.layout));
    let data = inputs.map(elements::<T>);
    let mut out = fresh::<bool>(inputs[0].len());
    parallel::fill(operation, &mut out, |start, part| {
        blocks(&walk, &data, start..start + part.len(), |at, len, pieces| compute(pieces, &mut part[at..at + len]));
    })?;
    Ok(raw(out, inputs[0].shape()))
}

/// See [`crate::backend::Backend::select`].
pub fn select(mask: &Raw, a: &Raw, b: &Raw) -> Result<Raw> {
    each_dtype!(a.dtype, T => Ok(raw(chosen::<T>(mask, a, b)?, mask.shape())))
}

fn chosen<T: Element>(mask: &Raw, a: &Raw, b: &Raw) -> Result<Vec<T>> {
    let walk = Walk::new([&mask.layout, &a.layout, &b.layout]);
    let (masks, left, right) = (elements::<bool>(mask), elements::<T>(a), elements::<T>(b));
    let steps = [walk.step(0), walk.step(1), walk.step(2)];
    let mut out = fresh::<T>(mask.len());
    parallel::fill("where", &mut out, |start, part| {
        walk.runs(start..start + part.len(), |at, len, [m, l, r]| {
            let to = &mut part[at..at + len];
            match steps {
                [1, 1, 1] => choose(to, &masks[m..m + len], left[l..l + len].iter(), right[r..r + len].iter()),
                [1, 0, 1] => choose(to, &masks[m..m + len], std::iter::repeat(&left[l]), right[r..r + len].iter()),
                [1, 1, 0] => choose(to, &masks[m..m + len], left[l..l + len].iter(), std::iter::repeat(&right[r])),
                _ => to.iter_mut().enumerate().for_each(|(i, to)| {
                    *to = if masks[m + i * steps[0]] { left[l + i * steps[1]] } else { right[r + i * steps[2]] };
                }),
            }
        });
    })?;
    Ok(out)
}

#[inline]
fn choose<'a, T: Element>(to: &mut [T], mask: &[bool], a: impl Iterator<Item = &'a T>, b: impl Iterator<Item = &'a T>) {
    for (((to, mask), a), b) in to.iter_mut().zip(mask).zip(a).zip(b) {
        *to = if *mask { *a } else { *b };
    }
}
