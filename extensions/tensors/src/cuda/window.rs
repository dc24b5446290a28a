//! Pooling and scaling of pictures.
use super::Cuda;
use super::element::launch_threads;
use super::images::Kernel;
use super::reduce::wide;
use crate::backend::{Pool, Scaling};
use crate::error::Result;
use crate::{DType, Raw};

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct WindowArgs {
    x: u64,
    y: u64,
    places: u64,
    planes: u64,
    height: u64,
    width: u64,
    out_height: u64,
    out_width: u64,
    kernel: [u32; 2],
    stride: [u32; 2],
    padding: [u32; 2],
    dilation: [u32; 2],
    count_padding: u32,
    mode: u32,
    scale: [f64; 2],
}

/// Sizes of pictures before and after, both `[N, C, H, W]`.
fn sizes(before: &[usize], after: &[usize]) -> WindowArgs {
    WindowArgs {
        planes: (before[0] * before[1]) as u64,
        height: before[2] as u64,
        width: before[3] as u64,
        out_height: after[2] as u64,
        out_width: after[3] as u64,
        ..WindowArgs::default()
    }
}

pub(super) fn words(sizes: [usize; 2]) -> [u32; 2] {
    sizes.map(|s| s as u32)
}

fn pooled(shape: &[usize], pool: Pool) -> [usize; 4] {
    let out = |d: usize| (shape[2 + d] + 2 * pool.padding[d]).saturating_sub(pool.kernel[d]) / pool.stride[d] + 1;
    [shape[0], shape[1], out(0), out(1)]
}

fn with_pool(args: WindowArgs, pool: Pool) -> WindowArgs {
    let (kernel, stride, padding) = (words(pool.kernel), words(pool.stride), words(pool.padding));
    WindowArgs { kernel, stride, padding, dilation: [1, 1], count_padding: pool.count_padding.into(), ..args }
}

/// How far the source moves with each output, as PyTorch has it.
fn with_scale(args: WindowArgs, scaling: Scaling) -> WindowArgs {
    let (mode, aligned) = match scaling {
        Scaling::Nearest => (0, false),
        Scaling::Bilinear { align_corners } => (1 + u32::from(align_corners), align_corners),
    };
    let scale = |from: u64, to: u64| match aligned {
        true if to > 1 => (from as f64 - 1.0) / (to as f64 - 1.0),
        true => 0.0,
        false => from as f64 / to as f64,
    };
    WindowArgs { mode, scale: [scale(args.height, args.out_height), scale(args.width, args.out_width)], ..args }
}

/// A kernel of each kind and the size of what it takes, for the test that compares them with the PTX.
#[cfg(test)]
pub(super) const SIZES: &[(&str, &str, usize)] = &[("window", "max_pool_f32", size_of::<WindowArgs>())];

impl Cuda {
    pub(super) fn max_pool_kernel(&self, x: &Raw, pool: Pool) -> Result<(Raw, Raw)> {
        let x = self.dense(x)?;
        let shape = pooled(x.shape(), pool);
        let (y, places) = (self.fresh(x.dtype, &shape)?, self.fresh(DType::I64, &shape)?);
        let args = WindowArgs { x: self.address(&x)?, y: self.address(&y)?, places: self.address(&places)?, ..with_pool(sizes(x.shape(), &shape), pool) };
        launch_threads(self.gpu, Kernel::of("window", "max_pool", x.dtype), y.len() as u64, &args)?;
        Ok((y, places))
    }

    pub(super) fn max_pool_backward_kernel(&self, dy: &Raw, places: &Raw, shape: &[usize]) -> Result<Raw> {
        let (dy, places) = (self.dense(dy)?, self.dense(places)?);
        let sum = self.full_kernel(shape, wide(dy.dtype), 0.0)?;
        let args = WindowArgs { x: self.address(&dy)?, y: self.address(&sum)?, places: self.address(&places)?, ..sizes(shape, dy.shape()) };
        launch_threads(self.gpu, Kernel::of("window", "max_pool_backward", dy.dtype), dy.len() as u64, &args)?;
        self.dense_as(&sum, dy.dtype)
    }

    pub(super) fn avg_pool_kernel(&self, x: &Raw, pool: Pool) -> Result<Raw> {
        let x = self.dense(x)?;
        let shape = pooled(x.shape(), pool);
        let y = self.fresh(x.dtype, &shape)?;
        let args = WindowArgs { x: self.address(&x)?, y: self.address(&y)?, ..with_pool(sizes(x.shape(), &shape), pool) };
        launch_threads(self.gpu, Kernel::of("window", "avg_pool", x.dtype), y.len() as u64, &args)?;
        Ok(y)
    }

    pub(super) fn avg_pool_backward_kernel(&self, dy: &Raw, shape: &[usize], pool: Pool) -> Result<Raw> {
        let dy = self.dense(dy)?;
        let dx = self.fresh(dy.dtype, shape)?;
        let args = WindowArgs { x: self.address(&dy)?, y: self.address(&dx)?, ..with_pool(sizes(shape, dy.shape()), pool) };
        launch_threads(self.gpu, Kernel::of("window", "avg_pool_backward", dy.dtype), dx.len() as u64, &args)?;
        Ok(dx)
    }

    pub(super) fn interpolate_kernel(&self, x: &Raw, size: [usize; 2], scaling: Scaling) -> Result<Raw> {
        let x = self.dense(x)?;
        let y = self.fresh(x.dtype, &[x.shape()[0], x.shape()[1], size[0], size[1]])?;
        let args = WindowArgs { x: self.address(&x)?, y: self.address(&y)?, ..with_scale(sizes(x.shape(), y.shape()), scaling) };
        launch_threads(self.gpu, Kernel::of("window", "interpolate", x.dtype), y.len() as u64, &args)?;
        Ok(y)
    }

    pub(super) fn interpolate_backward_kernel(&self, dy: &Raw, shape: &[usize], scaling: Scaling) -> Result<Raw> {
        let dy = self.dense(dy)?;
        let sum = self.full_kernel(shape, wide(dy.dtype), 0.0)?;
        let args = WindowArgs { x: self.address(&dy)?, y: self.address(&sum)?, ..with_scale(sizes(shape, dy.shape()), scaling) };
        launch_threads(self.gpu, Kernel::of("window", "interpolate_backward", dy.dtype), dy.len() as u64, &args)?;
        self.dense_as(&sum, dy.dtype)
    }
}
