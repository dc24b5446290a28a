//! Pooling of pictures and its gradients, plane by plane.
use super::access::{Load, dense, fresh, raw, zeros};
use super::level::{self, Job, Level};
use super::math::Real;
use super::number::{Wide, each_real, each_wide};
use super::parallel;
use crate::Raw;
use crate::backend::Pool;
use crate::error::Result;

/// Sizes of pooling: of planes and of results.
#[derive(Clone, Copy)]
struct Sizes {
    input: [usize; 2],
    output: [usize; 2],
}

impl Sizes {
    fn of(shape: &[usize], pool: &Pool) -> Self {
        let input = [shape[2], shape[3]];
        let output = [0, 1].map(|d| (input[d] + 2 * pool.padding[d]).checked_sub(pool.kernel[d]).map_or(0, |room| room / pool.stride[d] + 1));
        Self { input, output }
    }

    /// The part of dimension `d` that window `o` sees.
    #[inline(always)]
    fn window(&self, pool: &Pool, d: usize, o: usize) -> [usize; 2] {
        let begin = o * pool.stride[d];
        let end = (begin + pool.kernel[d]).saturating_sub(pool.padding[d]).min(self.input[d]);
        [begin.saturating_sub(pool.padding[d]).min(end), end]
    }
}

/// See [`crate::backend::Backend::max_pool`]. NaN is the greatest.
pub fn max_pool(x: &Raw, pool: Pool) -> Result<(Raw, Raw)> {
    let sizes = Sizes::of(x.shape(), &pool);
    let [oh, ow] = sizes.output;
    let shape = [x.shape()[0], x.shape()[1], oh, ow];
    let mut places = fresh::<i64>(shape.iter().product());
    let values = each_wide!(x.dtype, W => {
        let from = W::load(x)?;
        let mut out = fresh::<W>(places.len());
        let (area, plane) = (sizes.input[0] * sizes.input[1], oh * ow);
        parallel::rows2("max_pool2d", (&mut out, plane), (&mut places, plane), pool.kernel[0] * pool.kernel[1], |first, out, places| {
            for (p, (out, places)) in out.chunks_exact_mut(plane).zip(places.chunks_exact_mut(plane)).enumerate() {
                let from = &from[(first + p) * area..][..area];
                if pool.kernel == [2, 2] && pool.stride == [2, 2] && pool.padding == [0, 0] {
                    level::run(Pairs { from, width: sizes.input[1], out, places, columns: ow });
                } else {
                    windows(from, &pool, sizes, out, places);
                }
            }
        })?;
        W::store(out, x.dtype, &shape)?
    });
    Ok((values, raw(places, &shape)))
}

fn windows<W: Wide>(from: &[W], pool: &Pool, sizes: Sizes, out: &mut [W], places: &mut [i64]) {
    let width = sizes.input[1];
    for oy in 0..sizes.output[0] {
        let [y0, y1] = sizes.window(pool, 0, oy);
        for ox in 0..sizes.output[1] {
            let [x0, x1] = sizes.window(pool, 1, ox);
            let (mut best, mut place) = (W::LOWEST, y0 * width + x0);
            for y in y0..y1 {
                for x in x0..x1 {
                    let value = from[y * width + x];
                    if value > best || value.is_nan() {
                        (best, place) = (value, y * width + x);
                    }
                }
            }
            let to = oy * sizes.output[1] + ox;
            (out[to], places[to]) = (best, place as i64);
        }
    }
}

/// Windows of 2 x 2 that touch: without branches.
struct Pairs<'a, W> {
    from: &'a [W],
    width: usize,
    out: &'a mut [W],
    places: &'a mut [i64],
    columns: usize,
}

impl<W: Wide> Job for Pairs<'_, W> {
    type Out = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { from, width, out, places, columns } = self;
        for (y, (out, places)) in out.chunks_exact_mut(columns).zip(places.chunks_exact_mut(columns)).enumerate() {
            let upper = &from[2 * y * width..][..2 * columns];
            let lower = &from[(2 * y + 1) * width..][..2 * columns];
            let begin = (2 * y * width) as i64;
            for x in 0..columns {
                let (a, b, c, d) = (upper[2 * x], upper[2 * x + 1], lower[2 * x], lower[2 * x + 1]);
                let take = |x: W, y: W| y > x || y.is_nan();
                let (top, first) = if take(a, b) { (b, 1) } else { (a, 0) };
                let (bottom, second) = if take(c, d) { (d, 1) } else { (c, 0) };
                let (best, place) = if take(top, bottom) { (bottom, second + width as i64) } else { (top, first) };
                out[x] = best;
                places[x] = begin + 2 * x as i64 + place;
            }
        }
    }
}

/// See [`crate::backend::Backend::max_pool_backward`].
pub fn max_pool_backward(dy: &Raw, places: &Raw, shape: &[usize]) -> Result<Raw> {
    let places = dense::<i64>(places)?;
    let (area, plane) = (shape[2] * shape[3], dy.shape()[2] * dy.shape()[3]);
    each_real!("max_pool2d backward", dy.dtype, W => {
        let from = W::load(dy)?;
        let mut out = fresh::<W>(shape.iter().product());
        parallel::rows("max_pool2d backward", &mut out, area.max(1), 2, |first, part| {
            for (p, to) in part.chunks_exact_mut(area).enumerate() {
                to.fill(W::ZERO);
                let range = (first + p) * plane..(first + p + 1) * plane;
                for (value, place) in from[range.clone()].iter().zip(&places[range]) {
                    let to = &mut to[*place as usize];
                    *to = *to + *value;
                }
            }
        })?;
        W::store(out, dy.dtype, shape)
    })
}

/// See [`crate::backend::Backend::avg_pool`].
pub fn avg_pool(x: &Raw, pool: Pool) -> Result<Raw> {
    let sizes = Sizes::of(x.shape(), &pool);
    let [oh, ow] = sizes.output;
    let (area, plane, width) = (sizes.input[0] * sizes.input[1], oh * ow, sizes.input[1]);
    each_real!("avg_pool2d", x.dtype, W => {
        let from = W::load(x)?;
        let mut out = fresh::<W>(x.shape()[0] * x.shape()[1] * plane);
        parallel::rows("avg_pool2d", &mut out, plane.max(1), pool.kernel[0] * pool.kernel[1], |first, part| {
            for (p, to) in part.chunks_exact_mut(plane).enumerate() {
                let from = &from[(first + p) * area..][..area];
                for (o, to) in to.iter_mut().enumerate() {
                    let ([y0, y1], [x0, x1]) = (sizes.window(&pool, 0, o / ow), sizes.window(&pool, 1, o % ow));
                    let sum = (y0..y1).fold(W::ZERO, |sum, y| sum + super::reduce::sum(&from[y * width + x0..y * width + x1]));
                    *to = sum / share::<W>(&pool, sizes, o);
                }
            }
        })?;
        W::store(out, x.dtype, &[x.shape()[0], x.shape()[1], oh, ow])
    })
}

/// What the sum of window `o` is divided by: as in PyTorch the padding counts, but not what lies beyond it.
fn share<W: Real>(pool: &Pool, sizes: Sizes, o: usize) -> W {
    let place = [o / sizes.output[1], o % sizes.output[1]];
    let count: usize = [0, 1]
        .map(|d| {
            let begin = place[d] * pool.stride[d];
            let [seen0, seen1] = sizes.window(pool, d, place[d]);
            if pool.count_padding { (begin + pool.kernel[d]).min(sizes.input[d] + 2 * pool.padding[d]) - begin } else { seen1 - seen0 }
        })
        .iter()
        .product();
    W::from_f64(count as f64)
}

/// See [`crate::backend::Backend::avg_pool_backward`].
pub fn avg_pool_backward(dy: &Raw, shape: &[usize], pool: Pool) -> Result<Raw> {
    let sizes = Sizes::of(shape, &pool);
    let ow = sizes.output[1];
    let (area, plane, width) = (sizes.input[0] * sizes.input[1], sizes.output[0] * ow, sizes.input[1]);
    each_real!("avg_pool2d backward", dy.dtype, W => {
        let from = W::load(dy)?;
        let mut out = zeros::<W>(shape.iter().product());
        parallel::rows("avg_pool2d backward", &mut out, area.max(1), 2, |first, part| {
            for (p, to) in part.chunks_exact_mut(area).enumerate() {
                for (o, value) in from[(first + p) * plane..][..plane].iter().enumerate() {
                    let ([y0, y1], [x0, x1]) = (sizes.window(&pool, 0, o / ow), sizes.window(&pool, 1, o % ow));
                    let each = *value / share::<W>(&pool, sizes, o);
                    (y0..y1).for_each(|y| to[y * width + x0..y * width + x1].iter_mut().for_each(|to| *to = *to + each));
                }
            }
        })?;
        W::store(out, dy.dtype, shape)
    })
}
