//! Sums over the places of rows as so many sums beside each other, which the compiler makes vectors of. Softmax, normalisations and reductions call it.
//!
//! In whole chunks of slices: places that are counted, `x[base + i]`, stay one at a time (measured: five times as long).
use super::math::Real;

/// Sums beside each other: four vectors of the widest kind in f32, so that none waits for the one before it (measured: a third of the time of
/// one vector, or two).
const LANES: usize = 64;
/// A vector's, for what is left of a row.
const FEW: usize = 16;

/// `join` of `of` each element, in any order, beginning with a value that changes nothing.
#[inline(always)]
pub fn fold<W: Real>(x: &[W], zero: W, of: impl Fn(W) -> W, join: impl Fn(W, W) -> W) -> W {
    let mut lanes = [zero; LANES];
    let chunks = x.chunks_exact(LANES);
    let few = chunks.remainder().chunks_exact(FEW);
    let rest = few.remainder();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = join(*lane, of(*x));
        }
    }
    for chunk in few {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = join(*lane, of(*x));
        }
    }
    let rest = rest.iter().fold(zero, |sum, x| join(sum, of(*x)));
    join(rest, tree(lanes, &join))
}

/// A power of two of lanes joined by halves, so that few wait for each other.
#[inline(always)]
pub fn tree<W: Copy, const N: usize>(mut lanes: [W; N], join: impl Fn(W, W) -> W) -> W {
    let mut width = N / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = join(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// The sum of `of` each element.
#[inline(always)]
pub fn sum<W: Real>(x: &[W], of: impl Fn(W) -> W) -> W {
    fold(x, W::ZERO, of, |a, b| a + b)
}

/// The sum of `of` each pair of elements of rows of one length.
#[inline(always)]
pub fn sum2<W: Real>(x: &[W], y: &[W], of: impl Fn(W, W) -> W) -> W {
    let mut lanes = [W::ZERO; LANES];
    let (xs, ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let (few_x, few_y) = (xs.remainder().chunks_exact(FEW), ys.remainder().chunks_exact(FEW));
    let rest = few_x.remainder().iter().zip(few_y.remainder()).fold(W::ZERO, |sum, (x, y)| sum + of(*x, *y));
    for (x, y) in xs.zip(ys) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane = *lane + of(*x, *y);
        }
    }
    for (x, y) in few_x.zip(few_y) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane = *lane + of(*x, *y);
        }
    }
    rest + tree(lanes, |a, b| a + b)
}
