//! Matrix products: by cuBLASLt, else by cuBLAS, else by our own kernel.
use super::Cuda;
use super::images::Kernel;
use super::shape::{Shape, Strides, Walk};
use crate::error::Result;
use crate::{Dims, Raw};

#[repr(C)]
#[derive(Clone, Copy)]
struct ProductArgs {
    x: u64,
    y: u64,
    z: u64,
    m: u64,
    n: u64,
    k: u64,
    x_row: u64,
    x_column: u64,
    y_row: u64,
    y_column: u64,
    batch: Shape,
    xs: Strides,
    ys: Strides,
}

/// A kernel of each kind and the size of what it takes, for the test that compares them with the PTX.
#[cfg(test)]
pub(super) const SIZES: &[(&str, &str, usize)] = &[("multiply", "product_f32", size_of::<ProductArgs>())];

impl Cuda {
    pub(super) fn matmul_kernel(&self, a: &Raw, b: &Raw) -> Result<Raw> {
        let rank = a.layout.rank();
        let (m, k, n) = (a.shape()[rank - 2], a.shape()[rank - 1], b.shape()[rank - 1]);
        let mut shape: Dims = a.shape().into();
        shape[rank - 1] = n;
        if m == 0 || n == 0 || k == 0 || a.is_empty() || b.is_empty() {
            return self.full_kernel(&shape, a.dtype, 0.0);
        }
        let z = self.fresh(a.dtype, &shape)?;
        if self.matmul_by_library(a, b, &z)? {
            return Ok(z);
        }
        let outer = rank - 2;
        let batch = Walk::new("matmul", &a.shape()[..outer], [&a.layout.strides[..outer], &b.layout.strides[..outer]])?;
        let [x_row, x_column] = [a.layout.strides[outer] as u64, a.layout.strides[outer + 1] as u64];
        let [y_row, y_column] = [b.layout.strides[outer] as u64, b.layout.strides[outer + 1] as u64];
        let (m, n, k) = (m as u64, n as u64, k as u64);
        let args = ProductArgs {
            x: self.address(a)?,
            y: self.address(b)?,
            z: self.address(&z)?,
            m,
            n,
            k,
            x_row,
            x_column,
            y_row,
            y_column,
            batch: batch.shape,
            xs: batch.strides[0],
            ys: batch.strides[1],
        };
        let grid = [(m.div_ceil(64) * n.div_ceil(64)) as u32, batch.shape.count.min(65_535) as u32, 1];
        self.gpu.launch(Kernel::of("multiply", "product", a.dtype), grid, [256, 1], &args)?;
        Ok(z)
    }
}
