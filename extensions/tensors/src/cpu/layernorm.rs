//! Normalisation of rows and its gradients.
use super::access::{Load, fresh, load_some, statistics_dtype};
use super::lanes::{sum, sum2};
use super::level::{self, Job, Level};
use super::math::Real;
use super::number::each_real;
use super::parallel;
use crate::error::Result;
use crate::Raw;

const COST: usize = 3;
/// Rows whose weight gradients are added up by one thread before they meet the others'.
const PART: usize = 64;

/// See [`crate::backend::Backend::layer_norm`]. Mean and 1/std have the shape `[rows]`.
pub fn layer_norm(x: &Raw, width: usize, weight: Option<&Raw>, bias: Option<&Raw>, epsilon: f64) -> Result<(Raw, Raw, Raw)> {
    let rows = if width == 0 { 0 } else { x.len() / width };
    let statistics = statistics_dtype(x.dtype);
    each_real!("layer_norm", x.dtype, W => {
        let (from, weight, bias) = (W::load(x)?, load_some::<W>(weight)?, load_some::<W>(bias)?);
        let mut out = fresh::<W>(from.len());
        let mut found = vec![[W::ZERO; 2]; rows];
        parallel::rows2("layer_norm", (&mut out, width), (&mut found, 1), COST, |first, part, found| {
            for (r, (to, found)) in part.chunks_exact_mut(width.max(1)).zip(found).enumerate() {
                let from = &from[(first + r) * width..][..width];
                *found = level::run(Forward { from, to, weight: weight.as_deref(), bias: bias.as_deref(), epsilon });
            }
        })?;
        let mean = W::store(found.iter().map(|f| f[0]).collect(), statistics, &[rows])?;
        let rstd = W::store(found.iter().map(|f| f[1]).collect(), statistics, &[rows])?;
        Ok((W::store(out, x.dtype, x.shape())?, mean, rstd))
    })
}

struct Forward<'a, W> {
    from: &'a [W],
    to: &'a mut [W],
    weight: Option<&'a [W]>,
    bias: Option<&'a [W]>,
    epsilon: f64,
}

impl<W: Real> Job for Forward<'_, W> {
    type Out = [W; 2];
    #[inline(always)]
    fn run<L: Level>(self) -> [W; 2] {
        let Self { from: x, to, weight, bias, epsilon } = self;
        let n = x.len();
        let to = &mut to[..n];
        let count = W::from_f64(n as f64);
        let mean = sum(x, |x| x) / count;
        let variance = sum(x, |x| (x - mean) * (x - mean)) / count;
        let rstd = W::ONE / (variance + W::from_f64(epsilon)).sqrt();
        match (weight, bias) {
            (Some(w), Some(b)) => to.iter_mut().zip(x).zip(w).zip(b).for_each(|(((to, x), w), b)| *to = ((*x - mean) * rstd).fma::<L>(*w, *b)),
            (Some(w), None) => to.iter_mut().zip(x).zip(w).for_each(|((to, x), w)| *to = (*x - mean) * rstd * *w),
            (None, Some(b)) => to.iter_mut().zip(x).zip(b).for_each(|((to, x), b)| *to = (*x - mean).fma::<L>(rstd, *b)),
            (None, None) => to.iter_mut().zip(x).for_each(|(to, x)| *to = (*x - mean) * rstd),
        }
        [mean, rstd]
    }
}

/// See [`crate::backend::Backend::layer_norm_backward`]. Gradients of weight and bias have the weight's shape, `[width]` without one.
pub fn layer_norm_backward(x: &Raw, dy: &Raw, width: usize, weight: Option<&Raw>, mean: &Raw, rstd: &Raw) -> Result<(Raw, Raw, Raw)> {
    let rows = if width == 0 { 0 } else { x.len() / width };
    let shape: crate::Dims = weight.map_or_else(|| [width].as_slice().into(), |w| w.shape().into());
    let weight_dtype = weight.map_or(statistics_dtype(x.dtype), |w| w.dtype);
    each_real!("layer_norm backward", x.dtype, W => {
        let (x_all, dy_all, w) = (W::load(x)?, W::load(dy)?, load_some::<W>(weight)?);
        let (mean, rstd) = (W::load(mean)?, W::load(rstd)?);
        let mut out = fresh::<W>(x_all.len());
        let parts = rows.div_ceil(PART);
        let mut sums = vec![W::ZERO; parts * 2 * width];
        // Both results in parts of PART rows.
        let mut work: Vec<(usize, &mut [W], &mut [W])> = out.chunks_mut((PART * width).max(1)).zip(sums.chunks_mut((2 * width).max(1)))
            .enumerate().map(|(part, (dx, sums))| (part * PART, dx, sums)).collect();
        parallel::rows("layer_norm backward", &mut work, 1, COST * PART * width.max(1), |_, parts| {
            for (first, dx, sums) in parts {
                let (dw, db) = sums.split_at_mut(width);
                for (r, dx) in dx.chunks_exact_mut(width).enumerate() {
                    let row = *first + r;
                    let (x, dy) = (&x_all[row * width..][..width], &dy_all[row * width..][..width]);
                    level::run(Backward { x, dy, dx, w: w.as_deref(), mean: mean[row], rstd: rstd[row], dw, db });
                }
            }
        })?;
        let mut total = vec![W::ZERO; 2 * width];
        for part in sums.chunks_exact((2 * width).max(1)) {
            total.iter_mut().zip(part).for_each(|(a, b)| *a = *a + *b);
        }
        let db = total.split_off(width);
        Ok((W::store(out, x.dtype, x.shape())?, store_as(total, weight_dtype, &shape)?, store_as(db, weight_dtype, &shape)?))
    })
}

/// As any float type, also one that computes otherwise.
pub fn store_as<W: Load>(values: Vec<W>, dtype: crate::DType, shape: &[usize]) -> Result<Raw> {
    super::copy::cast(&super::access::raw(values, shape), dtype)
}

struct Backward<'a, W> {
    x: &'a [W],
    dy: &'a [W],
    dx: &'a mut [W],
    w: Option<&'a [W]>,
    mean: W,
    rstd: W,
    dw: &'a mut [W],
    db: &'a mut [W],
}

impl<W: Real> Job for Backward<'_, W> {
    type Out = ();
    /// `dx = rstd (g - mean(g) - xhat mean(g xhat))` with `g = dy w`, `xhat = (x - mean) rstd`.
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { x, dy, dx, w, mean, rstd, dw, db } = self;
        for (((dw, db), x), dy) in dw.iter_mut().zip(db).zip(x).zip(dy) {
            *dw = ((*x - mean) * rstd).fma::<L>(*dy, *dw);
            *db = *db + *dy;
        }
        let count = W::from_f64(x.len() as f64);
        match w {
            Some(w) => dx.iter_mut().zip(dy).zip(w).for_each(|((g, dy), w)| *g = *dy * *w),
            None => dx.copy_from_slice(dy),
        }
        let a = sum(dx, |g| g) / count;
        let b = sum2(dx, x, |g, x| g * (x - mean)) * rstd / count * rstd;
        for (dx, x) in dx.iter_mut().zip(x) {
            *dx = rstd * (*dx - a - (*x - mean) * b);
        }
    }
}
