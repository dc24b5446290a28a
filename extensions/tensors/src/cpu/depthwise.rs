//! Convolutions whose every result channel is made of one channel: sums along lines, since products of matrices with one row are slow.
//! `conv.rs` calls it for forward, for the gradient of x with stride 1 (which is one with the weights turned round), and of the weights.
use super::access::fresh;
use super::level::{self, Job, Level};
use super::math::Real;
use super::parallel;
use super::patches::Frame;
use crate::error::Result;

/// Results of a line that are summed at once.
const CHUNK: usize = 16;

/// Whether a convolution is of this kind.
pub fn suits(frame: &Frame, groups: usize) -> bool {
    frame.c == groups && frame.n > 0 && groups > 0
}

/// The forward convolution of `[n, c, …]` with `[o, 1, …]`; channel `i` of the result is made of channel `i / (o / c)`.
pub fn correlate<W: Real>(operation: &'static str, x: &[W], w: &[W], bias: Option<&[W]>, o: usize, frame: &Frame) -> Result<Vec<W>> {
    let (plane, taps, area) = (frame.plane(), frame.steps(frame.c), frame.size[0] * frame.size[1]);
    let mut out = fresh::<W>(frame.n * o * plane);
    let one = Frame { n: 1, c: 1, ..*frame };
    parallel::rows(operation, &mut out, plane, taps.div_ceil(4), |first, part| {
        for (i, to) in part.chunks_exact_mut(plane).enumerate() {
            let (picture, channel) = ((first + i) / o, (first + i) % o);
            let from = &x[(picture * frame.c + channel / (o / frame.c)) * area..][..area];
            let bias = bias.map_or(W::ZERO, |bias| bias[channel]);
            level::run(Forward { padded: &one.padded(from), weights: &w[channel * taps..][..taps], bias, frame, to });
        }
    })?;
    Ok(out)
}

/// The gradient of the weights, `[o, 1, ky, kx]`.
pub fn weight_gradient<W: Real>(operation: &'static str, dy: &[W], x: &[W], o: usize, frame: &Frame) -> Result<Vec<W>> {
    let (plane, taps, area) = (frame.plane(), frame.steps(frame.c), frame.size[0] * frame.size[1]);
    let mut out = vec![W::ZERO; o * taps];
    let one = Frame { n: 1, c: 1, ..*frame };
    parallel::rows(operation, &mut out, taps, frame.n * plane / 4 + 1, |first, part| {
        for (i, to) in part.chunks_exact_mut(taps).enumerate() {
            let channel = first + i;
            for picture in 0..frame.n {
                let from = &x[(picture * frame.c + channel / (o / frame.c)) * area..][..area];
                let dy = &dy[(picture * o + channel) * plane..][..plane];
                level::run(Backward { padded: &one.padded(from), dy, frame, to });
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
        let tap = |y: usize, ky: usize, kx: usize| (y * frame.stride[0] + ky * frame.dilation[0]) * line + kx * frame.dilation[1];
        for (y, to) in to.chunks_exact_mut(width).enumerate() {
            if frame.stride[1] != 1 || width < CHUNK {
                for (x, to) in to.iter_mut().enumerate() {
                    let mut sum = bias;
                    for ky in 0..kh {
                        for kx in 0..kw {
                            sum = weights[ky * kw + kx].fma::<L>(padded[tap(y, ky, kx) + x * frame.stride[1]], sum);
                        }
                    }
                    *to = sum;
                }
                continue;
            }
            // The last chunk overlaps the one before it.
            for x in (0..width).step_by(CHUNK).map(|x| x.min(width - CHUNK)) {
                let mut sums = [bias; CHUNK];
                for ky in 0..kh {
                    for kx in 0..kw {
                        let (weight, from) = (weights[ky * kw + kx], &padded[tap(y, ky, kx) + x..][..CHUNK]);
                        for lane in 0..CHUNK {
                            sums[lane] = weight.fma::<L>(from[lane], sums[lane]);
                        }
                    }
                }
                to[x..x + CHUNK].copy_from_slice(&sums);
            }
        }
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
