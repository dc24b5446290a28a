//! Gathering and scattering by indices. Indices are checked on the device: one out of range is reported when values are read next.
use super::Cuda;
use super::element::{by_size, launch_threads};
use super::images::Kernel;
use super::reduce::wide;
use super::shape::{Shape, Strides, Walk};
use crate::error::Result;
use crate::{Dims, Layout, Raw};

#[repr(C)]
#[derive(Clone, Copy)]
struct GatherArgs {
    x: u64,
    index: u64,
    y: u64,
    fault: u64,
    size: u64,
    step: u64,
    shape: Shape,
    is: Strides,
    xs: Strides,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct ScatterArgs {
    src: u64,
    index: u64,
    y: u64,
    fault: u64,
    size: u64,
    step: u64,
    shape: Shape,
    is: Strides,
    ss: Strides,
    ys: Strides,
}

/// A kernel of each kind and the size of what it takes, for the test that compares them with the PTX.
#[cfg(test)]
pub(super) const SIZES: &[(&str, &str, usize)] = &[("move", "gather_4", size_of::<GatherArgs>()), ("move", "scatter_f32", size_of::<ScatterArgs>())];

impl Cuda {
    pub(super) fn gather_kernel(&self, x: &Raw, dim: usize, index: &Raw) -> Result<Raw> {
        let y = self.fresh(x.dtype, index.shape())?;
        let mut xs = x.layout.strides.clone();
        let step = std::mem::take(&mut xs[dim]) as u64;
        let walk = Walk::new("gather", index.shape(), [&index.layout.strides, &xs])?;
        let args = GatherArgs {
            x: self.address(x)?,
            index: self.address(index)?,
            y: self.address(&y)?,
            fault: self.gpu.fault_address(),
            size: x.shape()[dim] as u64,
            step,
            shape: walk.shape,
            is: walk.strides[0],
            xs: walk.strides[1],
        };
        launch_threads(self.gpu, Kernel::new("move", by_size(["gather_1", "gather_2", "gather_4", "gather_8"], x.dtype)), walk.shape.count, &args)?;
        Ok(y)
    }

    pub(super) fn scatter_kernel(&self, x: &Raw, dim: usize, index: &Raw, src: &Raw) -> Result<Raw> {
        let sum = self.cast_kernel(x, wide(x.dtype))?;
        let mut ys = sum.layout.strides.clone();
        let step = std::mem::take(&mut ys[dim]) as u64;
        // Only the corner of `src` that the index covers.
        let walk = Walk::new("scatter_add", index.shape(), [&index.layout.strides, &src.layout.strides, &ys])?;
        let [is, ss, ys] = walk.strides;
        let args = ScatterArgs {
            src: self.address(src)?,
            index: self.address(index)?,
            y: self.address(&sum)?,
            fault: self.gpu.fault_address(),
            size: x.shape()[dim] as u64,
            step,
            shape: walk.shape,
            is,
            ss,
            ys,
        };
        launch_threads(self.gpu, Kernel::of("move", "scatter", src.dtype), walk.shape.count, &args)?;
        if sum.dtype == x.dtype { Ok(sum) } else { self.cast_kernel(&sum, x.dtype) }
    }

    /// A 1-D index as one of `shape` that is the same along all other dimensions.
    pub(super) fn spread(index: &Raw, shape: &[usize], dim: usize) -> Raw {
        let mut full: Dims = shape.into();
        full[dim] = index.len();
        let mut strides = Dims::from_elem(0, shape.len());
        strides[dim] = index.layout.strides.first().copied().unwrap_or(0);
        index.with_layout(Layout { shape: full, strides, offset: index.layout.offset })
    }
}
