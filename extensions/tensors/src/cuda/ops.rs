//! The GPU as a [`Backend`]: which file does what.
use super::Cuda;
use crate::backend::{AdamW, Backend, Binary, Compare, Conv, Draw, Pool, Reduce, Scaling, Sgd, Unary};
use crate::error::Result;
use crate::{Buffer, DType, Device, Element, Raw, TensorError};

/// An element type whose values are their own bytes, in both directions but for Bool.
fn bytes_of<T: Element>(values: &[T]) -> &[u8] {
    // SAFETY: elements are numbers without padding (and Bool, a byte of 0 or 1); the slice covers exactly their memory.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), std::mem::size_of_val(values)) }
}

fn bytes_of_mut<T: Element>(values: &mut [T]) -> &mut [u8] {
    // SAFETY: as above; kernels write only 0 and 1 into tensors of Bool, every other pattern of bytes is a number.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), std::mem::size_of_val(values)) }
}

impl Backend for Cuda {
    fn device(&self) -> Device {
        self.gpu.device()
    }

    fn upload(&self, buffer: Buffer, shape: &[usize]) -> Result<Raw> {
        if buffer.len() == 1 {
            // A number is written by a kernel: nothing is waited for, and a captured graph may have it.
            let mut word = [0; 8];
            each_dtype!(buffer.dtype(), T => if let Some(values) = T::of(&buffer) {
                word[..size_of::<T>()].copy_from_slice(bytes_of(values));
            });
            return self.filled(shape, buffer.dtype(), u64::from_le_bytes(word));
        }
        if self.gpu.owner() != 0 {
            return Err(self.library_error("copying to the GPU", "a graph is being captured; move the data before, and `assign` into it between replays".to_owned()));
        }
        let y = self.fresh(buffer.dtype(), shape)?;
        each_dtype!(buffer.dtype(), T => if let Some(values) = T::of(&buffer) && !values.is_empty() {
            self.gpu.write(self.address(&y)?, bytes_of(values))?;
        });
        Ok(y)
    }

    fn download(&self, x: &Raw) -> Result<Buffer> {
        if self.gpu.owner() != 0 {
            return Err(self.library_error("copying from the GPU", "a graph is being captured; nothing can be read inside (no `item`, no printing)".to_owned()));
        }
        let x = self.dense(x)?;
        each_dtype!(x.dtype, T => {
            let mut values = vec![T::default(); x.len()];
            if values.is_empty() {
                self.gpu.faults()?;
            } else {
                self.gpu.read(self.address(&x)?, bytes_of_mut(&mut values))?;
            }
            Ok(values.into())
        })
    }

    fn synchronize(&self) -> Result<()> {
        self.finish_all()?;
        self.gpu.synchronize()
    }

    fn full(&self, shape: &[usize], dtype: DType, value: f64) -> Result<Raw> {
        self.full_kernel(shape, dtype, value)
    }

    fn empty(&self, shape: &[usize], dtype: DType) -> Result<Raw> {
        self.fresh(dtype, shape)
    }

    fn random(&self, shape: &[usize], dtype: DType, draw: Draw, key: u64, counter: u64) -> Result<Raw> {
        self.random_kernel(shape, dtype, draw, key, counter)
    }

    fn copy(&self, x: &Raw) -> Result<Raw> {
        self.copy_kernel(x)
    }

    fn copy_into(&self, dst: &mut Raw, src: &Raw) -> Result<()> {
        self.copy_into_kernel(dst, src)
    }

    fn cast(&self, x: &Raw, dtype: DType) -> Result<Raw> {
        self.cast_kernel(x, dtype)
    }

    fn unary(&self, op: Unary, x: &Raw) -> Result<Raw> {
        self.unary_kernel(op, x)
    }

    fn unary_backward(&self, op: Unary, saved: &Raw, dy: &Raw) -> Result<Option<Raw>> {
        self.unary_backward_kernel(op, saved, dy)
    }

    fn binary(&self, op: Binary, a: &Raw, b: &Raw) -> Result<Raw> {
        self.binary_kernel(op, a, b)
    }

    fn compare(&self, op: Compare, a: &Raw, b: &Raw) -> Result<Raw> {
        self.compare_kernel(op, a, b)
    }

    fn select(&self, mask: &Raw, a: &Raw, b: &Raw) -> Result<Raw> {
        self.select_kernel(mask, a, b)
    }

    fn reduce(&self, op: Reduce, x: &Raw, dims: &[usize]) -> Result<Raw> {
        self.reduce_kernel(op, x, dims)
    }

    fn arg_reduce(&self, max: bool, x: &Raw, dim: usize) -> Result<Raw> {
        self.arg_reduce_kernel(max, x, dim)
    }

    fn cumsum(&self, x: &Raw, dim: usize) -> Result<Raw> {
        self.cumsum_kernel(x, dim)
    }

    fn sort(&self, x: &Raw, dim: usize, descending: bool) -> Result<(Raw, Raw)> {
        self.sort_kernel(x, dim, descending)
    }

    fn matmul(&self, a: &Raw, b: &Raw) -> Result<Raw> {
        if !a.dtype.is_float() {
            return Err(TensorError::DType { operation: "matmul", dtype: a.dtype, hint: "; convert it to a float type first" });
        }
        self.matmul_kernel(a, b)
    }

    fn gather(&self, x: &Raw, dim: usize, index: &Raw) -> Result<Raw> {
        self.gather_kernel(x, dim, index)
    }

    fn scatter_add(&self, x: &Raw, dim: usize, index: &Raw, src: &Raw) -> Result<Raw> {
        self.scatter_kernel(x, dim, index, src)
    }

    fn index_select(&self, x: &Raw, dim: usize, index: &Raw) -> Result<Raw> {
        self.gather_kernel(x, dim, &Self::spread(index, x.shape(), dim))
    }

    fn index_add(&self, x: &Raw, dim: usize, index: &Raw, src: &Raw) -> Result<Raw> {
        self.scatter_kernel(x, dim, &Self::spread(index, src.shape(), dim), src)
    }

    fn softmax(&self, x: &Raw, dim: usize, log: bool) -> Result<Raw> {
        self.softmax_kernel(x, dim, log)
    }

    fn softmax_backward(&self, y: &Raw, dy: &Raw, dim: usize, log: bool) -> Result<Raw> {
        self.softmax_backward_kernel(y, dy, dim, log)
    }

    fn layer_norm(&self, x: &Raw, width: usize, weight: Option<&Raw>, bias: Option<&Raw>, epsilon: f64) -> Result<(Raw, Raw, Raw)> {
        self.layer_norm_kernel(x, width, weight, bias, epsilon)
    }

    fn layer_norm_backward(&self, x: &Raw, dy: &Raw, width: usize, weight: Option<&Raw>, mean: &Raw, rstd: &Raw) -> Result<(Raw, Raw, Raw)> {
        self.layer_norm_backward_kernel(x, dy, width, weight, mean, rstd)
    }

    fn batch_norm(&self, x: &Raw, weight: Option<&Raw>, bias: Option<&Raw>, statistics: Option<(&Raw, &Raw)>, epsilon: f64) -> Result<(Raw, Raw, Raw)> {
        self.batch_norm_kernel(x, weight, bias, statistics, epsilon)
    }

    fn batch_norm_backward(&self, x: &Raw, dy: &Raw, weight: Option<&Raw>, mean: &Raw, rstd: &Raw, batch: bool) -> Result<(Raw, Raw, Raw)> {
        self.batch_norm_backward_kernel(x, dy, weight, mean, rstd, batch)
    }

    fn conv(&self, x: &Raw, w: &Raw, bias: Option<&Raw>, conv: Conv) -> Result<Raw> {
        self.conv_kernel(x, w, bias, conv)
    }

    fn conv_backward_input(&self, dy: &Raw, w: &Raw, shape: &[usize], conv: Conv) -> Result<Raw> {
        self.conv_backward_input_kernel(dy, w, shape, conv)
    }

    fn conv_backward_weight(&self, dy: &Raw, x: &Raw, shape: &[usize], conv: Conv) -> Result<Raw> {
        self.conv_backward_weight_kernel(dy, x, shape, conv)
    }

    fn max_pool(&self, x: &Raw, pool: Pool) -> Result<(Raw, Raw)> {
        self.max_pool_kernel(x, pool)
    }

    fn max_pool_backward(&self, dy: &Raw, places: &Raw, shape: &[usize]) -> Result<Raw> {
        self.max_pool_backward_kernel(dy, places, shape)
    }

    fn avg_pool(&self, x: &Raw, pool: Pool) -> Result<Raw> {
        self.avg_pool_kernel(x, pool)
    }

    fn avg_pool_backward(&self, dy: &Raw, shape: &[usize], pool: Pool) -> Result<Raw> {
        self.avg_pool_backward_kernel(dy, shape, pool)
    }

    fn interpolate(&self, x: &Raw, size: [usize; 2], scaling: Scaling) -> Result<Raw> {
        self.interpolate_kernel(x, size, scaling)
    }

    fn interpolate_backward(&self, dy: &Raw, shape: &[usize], scaling: Scaling) -> Result<Raw> {
        self.interpolate_backward_kernel(dy, shape, scaling)
    }

    fn cross_entropy(&self, logits: &Raw, classes: &Raw, smoothing: f64) -> Result<Raw> {
        self.cross_entropy_kernel(logits, classes, smoothing)
    }

    fn cross_entropy_backward(&self, logits: &Raw, classes: &Raw, dy: &Raw, smoothing: f64) -> Result<Raw> {
        self.cross_entropy_backward_kernel(logits, classes, dy, smoothing)
    }

    fn sgd(&self, parameter: &mut Raw, gradient: &Raw, momentum: Option<&mut Raw>, step: Sgd) -> Result<()> {
        self.sgd_kernel(parameter, gradient, momentum.map(|m| &*m), step)
    }

    fn adamw(&self, parameter: &mut Raw, gradient: &Raw, first: &mut Raw, second: &mut Raw, step: AdamW) -> Result<()> {
        self.adamw_kernel(parameter, gradient, first, second, step)
    }
}
