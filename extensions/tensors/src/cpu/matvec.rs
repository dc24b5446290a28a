//! Products with one vector: memory is read once, in order, and nothing is packed.
use super::gemm::Multiply;
use super::level::{self, Job, Level};
use super::math::Real;
use super::matmul::Matrix;
use super::parallel;
use crate::error::Result;

const LANES: usize = 16;
/// Results that are added up together: they stay in the first-level cache.
const TOGETHER: usize = 2048;

/// `out[r] = sum over p of matrix[r][p] * vector[p]`; whether the matrix lies so that this is fast. `matrix.strides` are those of `r` and `p`.
pub fn matvec<W: Multiply>(matrix: Matrix<'_, W>, vector: &[W], out: &mut [W]) -> Result<bool> {
    let ([row, step], len) = (matrix.strides, vector.len());
    // What a place of the result is worth in elements that are read.
    let cost = len.div_ceil(4).max(1);
    if step == 1 {
        parallel::rows("matmul", out, 1, cost, |first, part| {
            for (r, to) in part.iter_mut().enumerate() {
                *to = level::run(Dot { a: &matrix.data[(first + r) * row..][..len], b: vector });
            }
        })?;
        return Ok(true);
    }
    if row == 1 {
        parallel::rows("matmul", out, TOGETHER, cost, |first, part| {
            for (number, to) in part.chunks_mut(TOGETHER).enumerate() {
                level::run(Sum { data: &matrix.data[(first + number) * TOGETHER..], step, vector, to });
            }
        })?;
        return Ok(true);
    }
    Ok(false)
}

struct Dot<'a, W> {
    a: &'a [W],
    b: &'a [W],
}

impl<W: Real> Job for Dot<'_, W> {
    type Out = W;
    #[inline(always)]
    fn run<L: Level>(self) -> W {
        let mut lanes = [[W::ZERO; LANES]; 4];
        let (a, b) = (self.a.chunks_exact(4 * LANES), self.b.chunks_exact(4 * LANES));
        let rest = a.remainder().iter().zip(b.remainder()).fold(W::ZERO, |sum, (a, b)| a.fma::<L>(*b, sum));
        for (a, b) in a.zip(b) {
            for i in 0..4 {
                for lane in 0..LANES {
                    lanes[i][lane] = a[i * LANES + lane].fma::<L>(b[i * LANES + lane], lanes[i][lane]);
                }
            }
        }
        let mut sum = rest;
        for lane in 0..LANES {
            sum = sum + ((lanes[0][lane] + lanes[1][lane]) + (lanes[2][lane] + lanes[3][lane]));
        }
        sum
    }
}

struct Sum<'a, W> {
    data: &'a [W],
    step: usize,
    vector: &'a [W],
    to: &'a mut [W],
}

impl<W: Real> Job for Sum<'_, W> {
    type Out = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { data, step, vector, to } = self;
        let n = to.len();
        to.fill(W::ZERO);
        // Two lines at a time halve the writing.
        let pairs = vector.chunks_exact(2);
        if let [last] = pairs.remainder() {
            let line = &data[(vector.len() - 1) * step..][..n];
            to.iter_mut().zip(line).for_each(|(to, x)| *to = x.fma::<L>(*last, *to));
        }
        for (p, pair) in pairs.enumerate() {
            let (first, second) = (&data[2 * p * step..][..n], &data[(2 * p + 1) * step..][..n]);
            for ((to, x), y) in to.iter_mut().zip(first).zip(second) {
                *to = y.fma::<L>(pair[1], x.fma::<L>(pair[0], *to));
            }
        }
    }
}
