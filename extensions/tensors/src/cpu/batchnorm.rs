//! Normalisation of channels and its gradients, in two passes over memory each.
use super::access::{Load, fresh, load_some, statistics_dtype};
use super::layernorm::store_as;
use super::lanes::tree;
use super::level::{self, Job, Level};
use super::math::Real;
use super::number::each_real;
use super::parallel;
use crate::error::Result;
use crate::{DType, Layout, Raw};

const COST: usize = 2;
const LANES: usize = 16;
/// Planes with fewer elements are laid side by side first.
const SMALL: usize = 16;

/// A batch as planes `[n, c, s]`.
struct Planes {
    n: usize,
    c: usize,
    s: usize,
    /// Channels were brought to the front.
    turned: bool,
}

impl Planes {
    fn of(x: &Raw) -> Self {
        let (n, c, s) = (x.shape()[0], x.shape()[1], x.shape()[2..].iter().product());
        if s < SMALL && n > 1 { Self { n: 1, c, s: n * s, turned: true } } else { Self { n, c, s, turned: false } }
    }

    /// The view of `x` whose row-major order these planes have.
    fn view(&self, x: &Raw) -> Raw {
        if !self.turned {
            return x.clone();
        }
        let mut layout = x.layout.clone();
        layout.shape.swap(0, 1);
        layout.strides.swap(0, 1);
        x.with_layout(layout)
    }

    /// A result in these planes' order in the order of `x`.
    fn back(&self, y: Raw, x: &Raw) -> Result<Raw> {
        if !self.turned {
            return Ok(y);
        }
        let mut shape = x.layout.shape.clone();
        shape.swap(0, 1);
        let mut layout = Layout::contiguous(&shape);
        layout.shape.swap(0, 1);
        layout.strides.swap(0, 1);
        super::copy::copy(&y.with_layout(layout))
    }

    fn plane<'a, W>(&self, x: &'a [W], n: usize, c: usize) -> &'a [W] {
        &x[(n * self.c + c) * self.s..][..self.s]
    }
}

/// See [`crate::backend::Backend::batch_norm`]. Of a batch without elements the mean is 0 and the variance 0.
pub fn batch_norm(x: &Raw, weight: Option<&Raw>, bias: Option<&Raw>, statistics: Option<(&Raw, &Raw)>, epsilon: f64) -> Result<(Raw, Raw, Raw)> {
    let planes = Planes::of(x);
    let dtype = statistics_dtype(x.dtype);
    each_real!("batch_norm", x.dtype, W => {
        let from = planes.view(x);
        let (from, weight, bias) = (W::load(&from)?, load_some::<W>(weight)?, load_some::<W>(bias)?);
        let (mean, variance) = match statistics {
            Some((mean, variance)) => (W::load(mean)?.into_owned(), W::load(variance)?.into_owned()),
            None => moments(&from, &planes)?,
        };
        let rstd: Vec<W> = variance.iter().map(|v| W::ONE / (*v + W::from_f64(epsilon)).sqrt()).collect();
        let mut out = fresh::<W>(from.len());
        parallel::rows("batch_norm", &mut out, planes.s.max(1), COST, |first, part| {
            for (p, to) in part.chunks_exact_mut(planes.s).enumerate() {
                let c = (first + p) % planes.c;
                let scale = rstd[c] * weight.as_ref().map_or(W::ONE, |w| w[c]);
                let shift = bias.as_ref().map_or(W::ZERO, |b| b[c]);
                level::run(Scale { x: &from[(first + p) * planes.s..][..planes.s], to, mean: mean[c], scale, shift });
            }
        })?;
        let y = if planes.turned {
            let mut shape = x.layout.shape.clone();
            shape.swap(0, 1);
            planes.back(W::store(out, x.dtype, &shape)?, x)?
        } else {
            W::store(out, x.dtype, x.shape())?
        };
        Ok((y, W::store(mean, dtype, &[planes.c])?, W::store(rstd, dtype, &[planes.c])?))
    })
}

/// Mean and variance of each channel: of each plane first, then joined (Chan, Golub, LeVeque 1979), so that nothing large cancels.
fn moments<W: Real + Load>(x: &[W], planes: &Planes) -> Result<(Vec<W>, Vec<W>)> {
    let mut found = vec![(W::ZERO, W::ZERO); planes.c];
    parallel::rows("batch_norm", &mut found, 1, COST * (planes.n * planes.s).max(1), |first, part| {
        for (i, to) in part.iter_mut().enumerate() {
            let (mut count, mut mean, mut square) = (0.0, 0.0, 0.0);
            for n in 0..planes.n {
                for part in planes.plane(x, n, first + i).chunks(PART) {
                    let (m, s) = level::run(Moments { x: part });
                    let size = part.len() as f64;
                    let step = m.to_f64() - mean;
                    square += s.to_f64() + step * step * count * size / (count + size);
                    mean += step * size / (count + size);
                    count += size;
                }
            }
            *to = (W::from_f64(mean), W::from_f64(square / count.max(1.0)));
        }
    })?;
    Ok(found.into_iter().unzip())
}

/// Elements whose moments are found at once: they stay in the first-level cache between mean and variance.
const PART: usize = 4096;

struct Moments<'a, W> {
    x: &'a [W],
}

impl<W: Real> Job for Moments<'_, W> {
    type Out = (W, W);
    #[inline(always)]
    fn run<L: Level>(self) -> (W, W) {
        let x = self.x;
        let mean = sum2::<W, L>(x, x, |x, _| (x, W::ZERO)).0 / W::from_f64(x.len() as f64);
        (mean, sum2::<W, L>(x, x, |x, _| ((x - mean) * (x - mean), W::ZERO)).0)
    }
}

/// Two sums over two rows, in lanes.
#[inline(always)]
fn sum2<W: Real, L: Level>(a: &[W], b: &[W], f: impl Fn(W, W) -> (W, W)) -> (W, W) {
    let mut first = [W::ZERO; LANES];
    let mut second = [W::ZERO; LANES];
    let (mut a, mut b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (a, b) in a.by_ref().zip(b.by_ref()) {
        for lane in 0..LANES {
            let (x, y) = f(a[lane], b[lane]);
            first[lane] = first[lane] + x;
            second[lane] = second[lane] + y;
        }
    }
    for ((a, b), lane) in a.remainder().iter().zip(b.remainder()).zip(0..LANES) {
        let (x, y) = f(*a, *b);
        first[lane] = first[lane] + x;
        second[lane] = second[lane] + y;
    }
    (tree(first, |a, b| a + b), tree(second, |a, b| a + b))
}

struct Scale<'a, W> {
    x: &'a [W],
    to: &'a mut [W],
    mean: W,
    scale: W,
    shift: W,
}

impl<W: Real> Job for Scale<'_, W> {
    type Out = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { x, to, mean, scale, shift } = self;
        for (to, x) in to.iter_mut().zip(x) {
            *to = (*x - mean).fma::<L>(scale, shift);
        }
    }
}

/// See [`crate::backend::Backend::batch_norm_backward`]. Gradients of weight and bias have the weight's type (without one f32, f64 for f64).
pub fn batch_norm_backward(x: &Raw, dy: &Raw, weight: Option<&Raw>, mean: &Raw, rstd: &Raw, batch: bool) -> Result<(Raw, Raw, Raw)> {
    let planes = Planes::of(x);
    let weight_dtype: DType = weight.map_or(statistics_dtype(x.dtype), |w| w.dtype);
    each_real!("batch_norm backward", x.dtype, W => {
        let (x_view, dy_view) = (planes.view(x), planes.view(dy));
        let (x_all, dy_all, w) = (W::load(&x_view)?, W::load(&dy_view)?, load_some::<W>(weight)?);
        let (mean, rstd) = (W::load(mean)?, W::load(rstd)?);
        // Of each channel: the sums of dy and of dy (x - mean).
        let mut sums = vec![(W::ZERO, W::ZERO); planes.c];
        parallel::rows("batch_norm backward", &mut sums, 1, COST * (planes.n * planes.s).max(1), |first, part| {
            for (i, to) in part.iter_mut().enumerate() {
                let c = first + i;
                let (mut a, mut b) = (0.0, 0.0);
                for n in 0..planes.n {
                    for (x, dy) in planes.plane(&x_all, n, c).chunks(PART).zip(planes.plane(&dy_all, n, c).chunks(PART)) {
                        let (p, q) = level::run(Sums { x, dy, mean: mean[c] });
                        a += p.to_f64();
                        b += q.to_f64();
                    }
                }
                *to = (W::from_f64(a), W::from_f64(b));
            }
        })?;
        let count = W::from_f64(((planes.n * planes.s).max(1)) as f64);
        let mut out = fresh::<W>(x_all.len());
        parallel::rows("batch_norm backward", &mut out, planes.s.max(1), COST, |first, part| {
            for (p, to) in part.chunks_exact_mut(planes.s).enumerate() {
                let c = (first + p) % planes.c;
                let place = (first + p) * planes.s..(first + p + 1) * planes.s;
                let scale = rstd[c] * w.as_ref().map_or(W::ONE, |w| w[c]);
                let (a, b) = if batch { (sums[c].0 / count, sums[c].1 / count * rstd[c] * rstd[c]) } else { (W::ZERO, W::ZERO) };
                level::run(Backward { x: &x_all[place.clone()], dy: &dy_all[place], to, mean: mean[c], scale, a, b });
            }
        })?;
        let dx = if planes.turned {
            let mut shape = x.layout.shape.clone();
            shape.swap(0, 1);
            planes.back(W::store(out, x.dtype, &shape)?, x)?
        } else {
            W::store(out, x.dtype, x.shape())?
        };
        let dw = sums.iter().zip(rstd.iter()).map(|(s, r)| s.1 * *r).collect();
        let db = sums.iter().map(|s| s.0).collect();
        Ok((dx, store_as::<W>(dw, weight_dtype, &[planes.c])?, store_as::<W>(db, weight_dtype, &[planes.c])?))
    })
}

struct Sums<'a, W> {
    x: &'a [W],
    dy: &'a [W],
    mean: W,
}

impl<W: Real> Job for Sums<'_, W> {
    type Out = (W, W);
    #[inline(always)]
    fn run<L: Level>(self) -> (W, W) {
        let mean = self.mean;
        sum2::<W, L>(self.x, self.dy, |x, dy| (dy, dy * (x - mean)))
    }
}

struct Backward<'a, W> {
    x: &'a [W],
    dy: &'a [W],
    to: &'a mut [W],
    mean: W,
    scale: W,
    a: W,
    b: W,
}

impl<W: Real> Job for Backward<'_, W> {
    type Out = ();
    /// `dx = w rstd (dy - mean(dy) - (x - mean) rstd² mean(dy (x - mean)))`
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { x, dy, to, mean, scale, a, b } = self;
        for ((to, x), dy) in to.iter_mut().zip(x).zip(dy) {
            *to = scale * (mean - *x).fma::<L>(b, *dy - a);
        }
    }
}
