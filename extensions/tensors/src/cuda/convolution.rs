//! Convolutions: by cuDNN, else as matrix products over columns (im2col).
use super::Cuda;
use super::element::launch_threads;
use super::images::Kernel;
use super::window::words;
use crate::backend::{Binary, Conv};
use crate::error::Result;
use crate::{Dims, Layout, Raw};

#[repr(C)]
#[derive(Clone, Copy)]
struct ColumnArgs {
    x: u64,
    y: u64,
    batch: u64,
    channels: u64,
    height: u64,
    width: u64,
    out_height: u64,
    out_width: u64,
    picture: u64,
    kernel: [u32; 2],
    stride: [u32; 2],
    padding: [u32; 2],
    dilation: [u32; 2],
}

/// Bytes of columns that are made at a time.
const CHUNK: usize = 256 << 20;

/// Sizes of a convolution.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Sizes {
    pub batch: usize,
    pub channels: usize,
    pub picture: [usize; 2],
    pub out_channels: usize,
    pub kernel: [usize; 2],
    pub out: [usize; 2],
    pub conv: Conv,
}

impl Sizes {
    pub fn new(x: &[usize], w: &[usize], conv: Conv) -> Self {
        let out = |d: usize| (x[2 + d] + 2 * conv.padding[d]).saturating_sub(conv.dilation[d] * (w[2 + d] - 1) + 1) / conv.stride[d] + 1;
        Self { batch: x[0], channels: x[1], picture: [x[2], x[3]], out_channels: w[0], kernel: [w[2], w[3]], out: [out(0), out(1)], conv }
    }

    fn group_channels(&self) -> usize {
        self.channels / self.conv.groups
    }

    fn group_outputs(&self) -> usize {
        self.out_channels / self.conv.groups
    }

    /// Products that make one output.
    fn taps(&self) -> usize {
        self.group_channels() * self.kernel[0] * self.kernel[1]
    }

    fn area(&self) -> usize {
        self.out[0] * self.out[1]
    }

    fn output(&self) -> [usize; 4] {
        [self.batch, self.out_channels, self.out[0], self.out[1]]
    }

    /// Pictures whose columns fit into a chunk.
    fn pictures_at_a_time(&self, size: usize) -> usize {
        (CHUNK / (self.taps() * self.area() * size).max(1)).clamp(1, self.batch.max(1))
    }
}

/// A kernel of each kind and the size of what it takes, for the test that compares them with the PTX.
#[cfg(test)]
pub(super) const SIZES: &[(&str, &str, usize)] = &[("window", "to_columns_f32", size_of::<ColumnArgs>())];

impl Cuda {
    pub(super) fn conv_kernel(&self, x: &Raw, w: &Raw, bias: Option<&Raw>, conv: Conv) -> Result<Raw> {
        let sizes = Sizes::new(x.shape(), w.shape(), conv);
        let y = self.fresh(x.dtype, &sizes.output())?;
        if y.is_empty() {
            return Ok(y);
        }
        let (x, w) = (self.dense(x)?, self.dense(w)?);
        let y = match x.is_empty() || w.is_empty() {
            true => self.full_kernel(y.shape(), x.dtype, 0.0)?,
            false if self.conv_by_library(&x, &w, &y, &sizes)? => y,
            false => self.conv_by_columns(&x, &w, y, &sizes)?,
        };
        let Some(bias) = bias else { return Ok(y) };
        let strides = Dims::from_slice(&[0, bias.layout.strides[0], 0, 0]);
        let bias = bias.with_layout(Layout { shape: sizes.output()[..].into(), strides, offset: bias.layout.offset });
        self.binary_kernel(Binary::Add, &y, &bias)
    }

    /// `y[n, g] = w[g] x columns(x[n, g])`
    fn conv_by_columns(&self, x: &Raw, w: &Raw, mut y: Raw, s: &Sizes) -> Result<Raw> {
        let step = s.pictures_at_a_time(x.dtype.size());
        for first in (0..s.batch).step_by(step) {
            let count = step.min(s.batch - first);
            for group in 0..s.conv.groups {
                let columns = self.columns_of(x, s, first, count, group)?;
                // [outputs, taps] x [taps, count * area] = [outputs, count, area]
                let product = self.matmul_kernel(&group_weights(w, s, group), &columns)?;
                let mut to = output_part(&y, s, first, count, group);
                self.copy_into_kernel(&mut to, &product.with_layout(Layout::contiguous(&[s.group_outputs(), count, s.area()])))?;
                y = to.with_layout(Layout::contiguous(&s.output()));
            }
        }
        Ok(y)
    }

    pub(super) fn conv_backward_input_kernel(&self, dy: &Raw, w: &Raw, shape: &[usize], conv: Conv) -> Result<Raw> {
        let s = Sizes { out: [dy.shape()[2], dy.shape()[3]], ..Sizes::new(shape, w.shape(), conv) };
        if dy.is_empty() || w.is_empty() {
            return self.full_kernel(shape, dy.dtype, 0.0);
        }
        let (dy, w) = (self.dense(dy)?, self.dense(w)?);
        let dx = self.fresh(dy.dtype, shape)?;
        if self.conv_backward_input_by_library(&dy, &w, &dx, &s)? {
            return Ok(dx);
        }
        let step = s.pictures_at_a_time(dy.dtype.size());
        for first in (0..s.batch).step_by(step) {
            let count = step.min(s.batch - first);
            for group in 0..s.conv.groups {
                let weights = group_weights(&w, &s, group);
                let turned = weights.with_layout(Layout {
                    shape: Dims::from_slice(&[s.taps(), s.group_outputs()]),
                    strides: Dims::from_slice(&[1, s.taps()]),
                    offset: weights.layout.offset,
                });
                let gradient = self.dense(&output_part(&dy, &s, first, count, group))?;
                let columns = self.matmul_kernel(&turned, &as_matrix(&gradient, &s, count))?;
                let args = self.column_args(&columns, &dx, &s, first, count, group, true)?;
                launch_threads(self.gpu, Kernel::of("window", "from_columns", dy.dtype), (count * s.group_channels() * s.picture[0] * s.picture[1]) as u64, &args)?;
            }
        }
        Ok(dx)
    }

    pub(super) fn conv_backward_weight_kernel(&self, dy: &Raw, x: &Raw, shape: &[usize], conv: Conv) -> Result<Raw> {
        let s = Sizes { out: [dy.shape()[2], dy.shape()[3]], ..Sizes::new(x.shape(), shape, conv) };
        if dy.is_empty() || x.is_empty() {
            return self.full_kernel(shape, dy.dtype, 0.0);
        }
        let (dy, x) = (self.dense(dy)?, self.dense(x)?);
        let dw = self.fresh(dy.dtype, shape)?;
        if self.conv_backward_weight_by_library(&dy, &x, &dw, &s)? {
            return Ok(dw);
        }
        let step = s.pictures_at_a_time(dy.dtype.size());
        let mut sum: Option<Raw> = None;
        for first in (0..s.batch).step_by(step) {
            let count = step.min(s.batch - first);
            let mut part = self.fresh(dy.dtype, shape)?;
            for group in 0..s.conv.groups {
                let columns = self.columns_of(&x, &s, first, count, group)?;
                let turned = columns.with_layout(Layout {
                    shape: Dims::from_slice(&[count * s.area(), s.taps()]),
                    strides: Dims::from_slice(&[1, count * s.area()]),
                    offset: 0,
                });
                let gradient = self.dense(&output_part(&dy, &s, first, count, group))?;
                let product = self.matmul_kernel(&as_matrix(&gradient, &s, count), &turned)?;
                let mut to = group_weights(&part, &s, group);
                self.copy_into_kernel(&mut to, &product)?;
                part = to.with_layout(Layout::contiguous(shape));
            }
            sum = Some(match sum {
                Some(sum) => self.binary_kernel(Binary::Add, &sum, &part)?,
                None => part,
            });
        }
        sum.map_or(Ok(dw), Ok)
    }

    /// `[taps, count * area]` of some pictures and one group.
    fn columns_of(&self, x: &Raw, s: &Sizes, first: usize, count: usize, group: usize) -> Result<Raw> {
        let columns = self.fresh(x.dtype, &[s.taps(), count * s.area()])?;
        let args = self.column_args(x, &columns, s, first, count, group, false)?;
        launch_threads(self.gpu, Kernel::of("window", "to_columns", x.dtype), columns.len() as u64, &args)?;
        Ok(columns)
    }

    #[allow(clippy::too_many_arguments, reason = "which part of which tensors")]
    fn column_args(&self, x: &Raw, y: &Raw, s: &Sizes, first: usize, count: usize, group: usize, back: bool) -> Result<ColumnArgs> {
        let (plane, size) = (s.picture[0] * s.picture[1], x.dtype.size());
        // Where this part of the pictures begins: they are the source forward, and the result backward.
        let skip = ((first * s.channels + group * s.group_channels()) * plane * size) as u64;
        let (from, to) = (self.address(x)?, self.address(y)?);
        Ok(ColumnArgs {
            x: if back { from } else { from + skip },
            y: if back { to + skip } else { to },
            batch: count as u64,
            channels: s.group_channels() as u64,
            height: s.picture[0] as u64,
            width: s.picture[1] as u64,
            out_height: s.out[0] as u64,
            out_width: s.out[1] as u64,
            picture: (s.channels * plane) as u64,
            kernel: words(s.kernel),
            stride: words(s.conv.stride),
            padding: words(s.conv.padding),
            dilation: words(s.conv.dilation),
        })
    }
}

/// A row-major part of an output as `[outputs of the group, count * area]`; of one picture it is still a view into all groups.
fn as_matrix(part: &Raw, s: &Sizes, count: usize) -> Raw {
    part.with_layout(Layout { offset: part.layout.offset, ..Layout::contiguous(&[s.group_outputs(), count * s.area()]) })
}

/// `[outputs of the group, taps]`
fn group_weights(w: &Raw, s: &Sizes, group: usize) -> Raw {
    let shape = [s.group_outputs(), s.taps()];
    w.with_layout(Layout { offset: w.layout.offset + group * shape[0] * shape[1], ..Layout::contiguous(&shape) })
}

/// `[outputs of the group, pictures, area]` of a row-major `[batch, outputs, area]`, which may be a view itself.
fn output_part(y: &Raw, s: &Sizes, first: usize, count: usize, group: usize) -> Raw {
    let area = s.area();
    y.with_layout(Layout {
        shape: Dims::from_slice(&[s.group_outputs(), count, area]),
        strides: Dims::from_slice(&[area, s.out_channels * area, 1]),
        offset: y.layout.offset + (first * s.out_channels + group * s.group_outputs()) * area,
    })
}
