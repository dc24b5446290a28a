//! Convolutions whose every result channel is made of one channel: sums along lines, since products of matrices with one row are slow.
//! `conv.rs` calls it for forward, for the gradient of x with stride 1 (which is one with the weights turned round), and of the weights.
use super::access::{Load, fresh};
use super::level::{self, Job, Level};
use super::math::Real;
use super::parallel;
use super::patches::Frame;
use super::recycle::Lent;
use crate::error::Result;

/// Results of a line that are summed at once: in long lines more, since each step along the weights has a price of its own.
const CHUNK: usize = 16;
const LONG: usize = 32;

/// Whether a convolution is of this kind.
pub fn suits(frame: &Frame, groups: usize) -> bool {
    frame.c == groups && frame.n > 0 && groups > 0
}

/// The forward convolution of `[n, c, …]` with `[o, 1, …]`; channel `i` of the result is made of channel `i / (o / c)`.
pub fn correlate<W: Real + Load>(operation: &'static str, x: &[W], w: &[W], bias: Option<&[W]>, o: usize, frame: &Frame) -> Result<Vec<W>> {
    let (plane, taps, area) = (frame.plane(), frame.steps(frame.c), frame.size[0] * frame.size[1]);
    let mut out = fresh::<W>(frame.n * o * plane);
    let one = Frame { n: 1, c: 1, ..*frame };
    parallel::rows(operation, &mut out, plane, taps.div_ceil(4), |first, part| {
        let mut padded = Lent::<W>::new(one.reach().iter().product());
        for (i, to) in part.chunks_exact_mut(plane).enumerate() {
            let (picture, channel) = ((first + i) / o, (first + i) % o);
            let from = &x[(picture * frame.c + channel / (o / frame.c)) * area..][..area];
            let bias = bias.map_or(W::ZERO, |bias| bias[channel]);
            one.pad(from, &mut padded);
            level::run(Forward { padded: &padded, weights: &w[channel * taps..][..taps], bias, frame, to });
        }
    })?;
    Ok(out)
}

/// The gradient of the weights, `[o, 1, ky, kx]`.
pub fn weight_gradient<W: Real + Load>(operation: &'static str, dy: &[W], x: &[W], o: usize, frame: &Frame) -> Result<Vec<W>> {
    let (plane, taps, area) = (frame.plane(), frame.steps(frame.c), frame.size[0] * frame.size[1]);
    let mut out = vec![W::ZERO; o * taps];
    let one = Frame { n: 1, c: 1, ..*frame };
    parallel::rows(operation, &mut out, taps, frame.n * plane / 4 + 1, |first, part| {
        let mut padded = Lent::<W>::new(one.reach().iter().product());
        for (i, to) in part.chunks_exact_mut(taps).enumerate() {
            let channel = first + i;
            for picture in 0..frame.n {
                let from = &x[(picture * frame.c + channel / (o / frame.c)) * area..][..area];
                let dy = &dy[(picture * o + channel) * plane..][..plane];
                one.pad(from, &mut padded);
                level::run(Backward { padded: &padded, dy, frame, to });
            }
        }
    })?;
    Ok(out)
}

struct Forward<'a, W> {
    padded: &'a [W],
    weights: &'a [W],
    bias: W,
    frame: &'a Frame,
    to: &'a mut [W],
}

impl<W: Real> Job for Forward<'_, W> {
    type Out = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { padded, weights, bias, frame, to } = self;
        let ([_, line], [kh, kw], width) = (frame.reach(), frame.kernel, frame.out[1]);
        for (y, to) in to.chunks_exact_mut(width).enumerate() {
            let place = |ky: usize, kx: usize| (y * frame.stride[0] + ky * frame.dilation[0]) * line + kx * frame.dilation[1];
            let taps = weights.iter().enumerate().map(|(tap, weight)| (*weight, place(tap / kw, tap % kw)));
            match width {
                LONG.. if frame.stride[1] == 1 => chunks::<W, L, LONG>(padded, bias, [kh, kw], weights, place, to),
                CHUNK.. if frame.stride[1] == 1 => chunks::<W, L, CHUNK>(padded, bias, [kh, kw], weights, place, to),
                _ => {
                    for (x, to) in to.iter_mut().enumerate() {
                        let of = |sum: W, (weight, at): (W, usize)| weight.fma::<L>(padded[at + x * frame.stride[1]], sum);
                        *to = taps.clone().fold(bias, of);
                    }
                }
            }
        }
    }
}

/// A line in chunks of `C` neighbours, of which the last one overlaps the one before it.
#[inline(always)]
fn chunks<W: Real, L: Level, const C: usize>(padded: &[W], bias: W, [kh, kw]: [usize; 2], weights: &[W], place: impl Fn(usize, usize) -> usize, to: &mut [W]) {
    let last = to.len() - C;
    for x in (0..to.len()).step_by(C).map(|x| x.min(last)) {
        let mut sums = [bias; C];
        for (ky, weights) in weights.chunks_exact(kw).take(kh).enumerate() {
            for (kx, weight) in weights.iter().enumerate() {
                let from = &padded[place(ky, kx) + x..][..C];
                for (sum, from) in sums.iter_mut().zip(from) {
                    *sum = weight.fma::<L>(*from, *sum);
                }
            }
        }
        to[x..x + C].copy_from_slice(&sums);
    }
}

struct Backward<'a, W> {
    padded: &'a [W],
    dy: &'a [W],
    frame: &'a Frame,
    /// Added to.
    to: &'a mut [W],
}

impl<W: Real> Job for Backward<'_, W> {
    type Out = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { padded, dy, frame, to } = self;
        let ([_, line], [_, kw], width) = (frame.reach(), frame.kernel, frame.out[1]);
        for (tap, to) in to.iter_mut().enumerate() {
            let (ky, kx) = (tap / kw, tap % kw);
            let mut sums = [W::ZERO; CHUNK];
            for (y, dy) in dy.chunks_exact(width).enumerate() {
                let from = &padded[(y * frame.stride[0] + ky * frame.dilation[0]) * line + kx * frame.dilation[1]..];
                if frame.stride[1] != 1 {
                    dy.iter().enumerate().for_each(|(x, dy)| sums[x % CHUNK] = dy.fma::<L>(from[x * frame.stride[1]], sums[x % CHUNK]));
                    continue;
                }
                let (chunks, from) = (dy.chunks_exact(CHUNK), &from[..width]);
                let rest = chunks.remainder();
                let done = width - rest.len();
                for (dy, from) in chunks.zip(from.chunks_exact(CHUNK)) {
                    for lane in 0..CHUNK {
                        sums[lane] = dy[lane].fma::<L>(from[lane], sums[lane]);
                    }
                }
                rest.iter().zip(&from[done..]).zip(&mut sums).for_each(|((dy, from), sum)| *sum = dy.fma::<L>(*from, *sum));
            }
            *to = sums.iter().fold(*to, |a, b| a + *b);
        }
    }
}
