//! Convolutions and their gradients as products of matrices whose columns are gathered from pictures panel by panel, in the cache:
//! nothing of the size of im2col's matrix is ever in memory.
//!
//! ```text
//! forward          out[o][p]     = w[o][(c, ky, kx)]  x[(c, ky, kx)][p]          p: places of the result, of some pictures together
//! gradient of x    as forward with w turned round (stride 1), else w^T dy added into x patch by patch
//! gradient of w    dw[o][(ky, kx, c)] = dy[o][p] x[p][(ky, kx, c)]               x with channels last, so that neighbours are copied
//! ```
use super::access::{Load, fresh, load_some, zeros};
use super::depthwise;
use super::gemm::{Multiply, Packed, Place, multiply, products};
use super::matmul::Matrix;
use super::number::each_real;
use super::parallel;
use super::recycle::Lent;
use super::winograd;
use super::patches::{Frame, Gradients, Patches, Pixels};
use crate::backend::Conv;
use crate::error::Result;
use crate::{DType, Raw};

/// Places of the result that a thread does at a time, at the least: below, packing the weights shows.
const PLACES: usize = 1024;

/// See [`crate::backend::Backend::conv`].
pub fn conv(x: &Raw, w: &Raw, bias: Option<&Raw>, conv: Conv) -> Result<Raw> {
    let [o, _, kh, kw] = four(w.shape());
    let [n, c, h, width] = four(x.shape());
    let size = |d: usize, length: usize, k: usize| (length + 2 * conv.padding[d] - conv.dilation[d] * (k - 1) - 1) / conv.stride[d] + 1;
    let out = [size(0, h, kh), size(1, width, kw)];
    let frame = Frame { n, c, size: [h, width], kernel: [kh, kw], out, stride: conv.stride, dilation: conv.dilation, padding: conv.padding.map(|p| p as isize) };
    each_real!("conv2d", x.dtype, W => {
        let (pictures, weights, bias) = (W::load(x)?, W::load(w)?, load_some::<W>(bias)?);
        let values = correlate("conv2d", &pictures, &weights, bias.as_deref(), o, conv.groups, &frame)?;
        W::store(values, x.dtype, &[n, o, out[0], out[1]])
    })
}

fn four(shape: &[usize]) -> [usize; 4] {
    [shape[0], shape[1], shape[2], shape[3]]
}

/// The forward convolution of `[n, c, …]` with `[o, c / groups, …]`.
fn correlate<W: Multiply>(
    operation: &'static str,
    x: &[W],
    w: &[W],
    bias: Option<&[W]>,
    o: usize,
    groups: usize,
    frame: &Frame,
) -> Result<Vec<W>> {
    let (plane, steps, rows) = (frame.plane(), frame.steps(groups), o / groups);
    if W::DTYPE == DType::F32 && winograd::suits(frame, o, groups) {
        return winograd::correlate(operation, x, w, bias, o, frame);
    }
    if steps > 0 && plane > 0 && depthwise::suits(frame, groups) {
        return depthwise::correlate(operation, x, w, bias, o, frame);
    }
    let mut out = fresh::<W>(frame.n * o * plane);
    if out.is_empty() {
        return Ok(out);
    }
    if let Some(bias) = bias {
        parallel::rows(operation, &mut out, plane, 1, |first, part| {
            part.chunks_exact_mut(plane).enumerate().for_each(|(p, to)| to.fill(bias[(first + p) % o]));
        })?;
    }
    if steps == 0 {
        if bias.is_none() {
            out.fill(W::ZERO);
        }
        return Ok(out);
    }
    let packed: Vec<Packed<W>> = w.chunks_exact(rows * steps).map(|w| Packed::new(&Matrix { data: w, strides: [steps, 1] }, rows, steps)).collect();
    let threads = parallel::threads();
    let place = |group: usize| Place { offset: group * rows * plane, plane, plane_stride: o * plane, row_stride: plane };
    if frame.n < 2 * threads && threads > 1 {
        // Few pictures: each product is shared out.
        let padded = frame.padded(x);
        for (group, packed) in packed.iter().enumerate() {
            let columns = |_| Patches::new(frame, &padded, group, groups);
            products(operation, 1, [rows, frame.n * plane, steps], |_| packed, columns, (&mut out, place(group), 0), bias.is_some())?;
        }
        return Ok(out);
    }
    let together = PLACES.div_ceil(plane).min(frame.n.div_ceil(2 * threads)).max(1);
    let work = |first: usize, part: &mut [W]| {
        let count = part.len() / (o * plane);
        let some = Frame { n: count, ..*frame };
        let padded = some.padded(&x[first * frame.picture()..][..count * frame.picture()]);
        for (group, packed) in packed.iter().enumerate() {
            let columns = Patches::new(&some, &padded, group, groups);
            multiply([rows, count * plane, steps], &packed, &columns, (part, place(group)), bias.is_some());
        }
    };
    parallel::rows(operation, &mut out, together * o * plane, steps.max(1), |first, parts| {
        parts.chunks_mut(together * o * plane).enumerate().for_each(|(i, part)| work((first + i) * together, part));
    })?;
    Ok(out)
}

/// See [`crate::backend::Backend::conv_backward_input`].
pub fn conv_backward_input(dy: &Raw, w: &Raw, shape: &[usize], conv: Conv) -> Result<Raw> {
    let [n, o, oh, ow] = four(dy.shape());
    let [_, cg, kh, kw] = four(w.shape());
    let [_, c, h, width] = four(shape);
    each_real!("conv2d backward", dy.dtype, W => {
        let (gradient, weights) = (W::load(dy)?, W::load(w)?);
        let values = if conv.stride == [1, 1] {
            let turned = turned(&weights, [o, cg, kh * kw], conv.groups);
            let padding = [0, 1].map(|d| (conv.dilation[d] * ([kh, kw][d] - 1)) as isize - conv.padding[d] as isize);
            let frame = Frame { n, c: o, size: [oh, ow], kernel: [kh, kw], out: [h, width], stride: [1, 1], dilation: conv.dilation, padding };
            correlate("conv2d backward", &gradient, &turned, None, c, conv.groups, &frame)?
        } else {
            let frame = Frame { n, c, size: [h, width], kernel: [kh, kw], out: [oh, ow], stride: conv.stride, dilation: conv.dilation, padding: conv.padding.map(|p| p as isize) };
            spread(&gradient, &weights, o, conv.groups, &frame)?
        };
        W::store(values, dy.dtype, shape)
    })
}

/// `[groups, o, c, k]` as `[groups, c, o, k reversed]`.
fn turned<W: Copy>(w: &[W], [o, cg, k]: [usize; 3], groups: usize) -> Vec<W> {
    let og = o / groups;
    let mut out = Vec::with_capacity(w.len());
    for group in 0..groups {
        for c in 0..cg {
            for o in 0..og {
                out.extend(w[((group * og + o) * cg + c) * k..][..k].iter().rev());
            }
        }
    }
    out
}

/// The gradient of x for strides: each place's patch is added.
fn spread<W: Multiply>(dy: &[W], w: &[W], o: usize, groups: usize, frame: &Frame) -> Result<Vec<W>> {
    let (plane, steps, rows) = (frame.plane(), frame.steps(groups), o / groups);
    let mut out = zeros::<W>(frame.n * frame.picture());
    if out.is_empty() || dy.is_empty() || steps == 0 {
        return Ok(out);
    }
    let packed: Vec<Packed<W>> = w.chunks_exact(rows * steps).map(|w| Packed::new(&Matrix { data: w, strides: [1, steps] }, steps, rows)).collect();
    parallel::rows("conv2d backward", &mut out, frame.picture(), o, |first, parts| {
        let mut columns = Lent::<W>::new(steps * plane);
        for (i, picture) in parts.chunks_exact_mut(frame.picture()).enumerate() {
            let dy = &dy[(first + i) * o * plane..][..o * plane];
            for (group, packed) in packed.iter().enumerate() {
                let right = Matrix { data: &dy[group * rows * plane..], strides: [plane, 1] };
                multiply([steps, plane, rows], &packed, &right, (&mut columns, Place::matrix(0, plane)), false);
                frame.add_patches(&columns, picture, group, groups);
            }
        }
    })?;
    Ok(out)
}

/// See [`crate::backend::Backend::conv_backward_weight`].
pub fn conv_backward_weight(dy: &Raw, x: &Raw, shape: &[usize], conv: Conv) -> Result<Raw> {
    let [n, o, oh, ow] = four(dy.shape());
    let [_, c, h, width] = four(x.shape());
    let [_, _, kh, kw] = four(shape);
    let frame = Frame { n, c, size: [h, width], kernel: [kh, kw], out: [oh, ow], stride: conv.stride, dilation: conv.dilation, padding: conv.padding.map(|p| p as isize) };
    each_real!("conv2d backward", dy.dtype, W => {
        let (gradient, pictures) = (W::load(dy)?, W::load(x)?);
        let values = weight_gradient(&gradient, &pictures, o, conv.groups, &frame)?;
        W::store(values, if x.dtype == DType::F64 { DType::F64 } else { x.dtype }, shape)
    })
}

/// `[o, c / groups, ky, kx]`, in parts of the batch that are added up in the end.
fn weight_gradient<W: Multiply>(dy: &[W], x: &[W], o: usize, groups: usize, frame: &Frame) -> Result<Vec<W>> {
    let (plane, steps, rows) = (frame.plane(), frame.steps(groups), o / groups);
    if dy.is_empty() || x.is_empty() || steps == 0 {
        return Ok(zeros(o * steps));
    }
    if depthwise::suits(frame, groups) {
        return depthwise::weight_gradient("conv2d backward", dy, x, o, frame);
    }
    let size = dy.len().saturating_mul(steps) / 16;
    let parts = if size <= parallel::GRAIN { 1 } else { (2 * parallel::threads()).min(frame.n) };
    let together = PLACES.div_ceil(plane);
    let part = |part: usize| -> Result<Vec<W>> {
        let (begin, end) = (frame.n * part / parts, frame.n * (part + 1) / parts);
        let mut sum = zeros::<W>(o * steps);
        for first in (begin..end).step_by(together) {
            crate::interrupt::check("conv2d backward")?;
            let count = together.min(end - first);
            let some = Frame { n: count, ..*frame };
            let pixels = some.pixels(&x[first * frame.picture()..][..count * frame.picture()]);
            let dy = &dy[first * o * plane..][..count * o * plane];
            for group in 0..groups {
                let rows_of = Gradients { dy: &dy[group * rows * plane..], plane, picture: o * plane };
                let columns = Pixels::new(&some, &pixels, group, groups);
                multiply([rows, steps, count * plane], &rows_of, &columns, (&mut sum, Place::matrix(group * rows * steps, steps)), true);
            }
        }
        Ok(sum)
    };
    let add = |mut a: Vec<W>, b: Vec<W>| {
        parallel::each(a.chunks_mut(parallel::GRAIN).zip(b.chunks(parallel::GRAIN)).collect(), |(a, b)| a.iter_mut().zip(b).for_each(|(a, b)| *a = *a + *b));
        a
    };
    let sum = parallel::sums("conv2d backward", parts, size, part, add)?.unwrap_or_default();
    // (ky, kx, c) to (c, ky, kx).
    let (k, cg) = (frame.kernel[0] * frame.kernel[1], frame.c / groups);
    let mut out = Vec::with_capacity(sum.len());
    for row in sum.chunks_exact(steps) {
        (0..cg).for_each(|c| out.extend((0..k).map(|k| row[k * cg + c])));
    }
    Ok(out)
}
