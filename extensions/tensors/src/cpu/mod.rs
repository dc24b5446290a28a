//! Arithmetic on the CPU: the [`Backend`] whose methods the files here implement, each named after what is in it.
//!
//! ```text
//! access, walk, parallel, number   tensors as slices; runs of strided views; threads and interrupts; what types compute in
//! level, math, lanes               loops per instruction set; functions and sums that become vectors
//! gemm, patches, interleave         products of matrices, pictures as their columns, rows written side by side
//! conv, depthwise, winograd         convolutions: as products, channel by channel, by transformed tiles
//! everything else                  the operations
//! ```
//! Shapes were checked above. Work of less than about 32,000 elements stays on the calling thread.
mod access;
mod backward;
mod batchnorm;
mod binary;
mod conv;
mod depthwise;
mod copy;
mod element;
mod gemm;
mod index;
mod interleave;
mod interpolate;
mod lanes;
mod layernorm;
pub(crate) mod level;
mod math;
mod matmul;
mod matvec;
mod number;
mod optimise;
mod parallel;
mod patches;
mod pool;
mod random;
pub(crate) mod recycle;
mod reduce;
mod softmax;
mod sort;
#[cfg(test)]
mod tests;
mod unary;
mod walk;
mod winograd;

pub use access::room;
use crate::backend::{AdamW, Backend, Binary, Compare, Conv, Draw, Pool, Reduce, Scaling, Sgd, Unary};
use crate::error::Result;
use crate::{Buffer, DType, Device, Raw};

/// The CPU.
pub struct Cpu;

impl Backend for Cpu {
    fn device(&self) -> Device {
        Device::Cpu
    }
    fn upload(&self, buffer: Buffer, shape: &[usize]) -> Result<Raw> {
        Ok(Raw::cpu(buffer, shape))
    }
    fn download(&self, x: &Raw) -> Result<Buffer> {
        each_dtype!(x.dtype, T => Ok(access::dense::<T>(x)?.into_owned().into()))
    }
    fn synchronize(&self) -> Result<()> {
        Ok(())
    }

    fn full(&self, shape: &[usize], dtype: DType, value: f64) -> Result<Raw> {
        copy::full(shape, dtype, value)
    }
    fn empty(&self, shape: &[usize], dtype: DType) -> Result<Raw> {
        each_dtype!(dtype, T => Ok(Raw::cpu(access::fresh::<T>(shape.iter().product()).into(), shape)))
    }
    fn random(&self, shape: &[usize], dtype: DType, draw: Draw, key: u64, counter: u64) -> Result<Raw> {
        random::random(shape, dtype, draw, key, counter)
    }
    fn copy(&self, x: &Raw) -> Result<Raw> {
        copy::copy(x)
    }
    fn copy_into(&self, dst: &mut Raw, src: &Raw) -> Result<()> {
        copy::copy_into(dst, src)
    }
    fn cast(&self, x: &Raw, dtype: DType) -> Result<Raw> {
        copy::cast(x, dtype)
    }

    fn unary(&self, op: Unary, x: &Raw) -> Result<Raw> {
        unary::unary(op, x)
    }
    fn unary_backward(&self, op: Unary, saved: &Raw, dy: &Raw) -> Result<Option<Raw>> {
        backward::unary_backward(op, saved, dy)
    }
    fn binary(&self, op: Binary, a: &Raw, b: &Raw) -> Result<Raw> {
        binary::binary(op, a, b)
    }
    fn compare(&self, op: Compare, a: &Raw, b: &Raw) -> Result<Raw> {
        binary::compare(op, a, b)
    }
    fn select(&self, mask: &Raw, a: &Raw, b: &Raw) -> Result<Raw> {
        element::select(mask, a, b)
    }

    fn reduce(&self, op: Reduce, x: &Raw, dims: &[usize]) -> Result<Raw> {
        reduce::reduce(op, x, dims)
    }
    fn arg_reduce(&self, max: bool, x: &Raw, dim: usize) -> Result<Raw> {
        reduce::arg_reduce(max, x, dim)
    }
    fn cumsum(&self, x: &Raw, dim: usize) -> Result<Raw> {
        reduce::cumsum(x, dim)
    }
    fn sort(&self, x: &Raw, dim: usize, descending: bool) -> Result<(Raw, Raw)> {
        sort::sort(x, dim, descending)
    }
    fn top(&self, x: &Raw, dim: usize, descending: bool, k: usize) -> Result<(Raw, Raw)> {
        sort::top(x, dim, descending, k)
    }

    fn matmul(&self, a: &Raw, b: &Raw) -> Result<Raw> {
        matmul::matmul(a, b)
    }

    fn gather(&self, x: &Raw, dim: usize, index: &Raw) -> Result<Raw> {
        index::gather(x, dim, index)
    }
    fn scatter_add(&self, x: &Raw, dim: usize, index: &Raw, src: &Raw) -> Result<Raw> {
        index::scatter_add(x, dim, index, src)
    }
    fn index_select(&self, x: &Raw, dim: usize, index: &Raw) -> Result<Raw> {
        index::index_select(x, dim, index)
    }
    fn index_add(&self, x: &Raw, dim: usize, index: &Raw, src: &Raw) -> Result<Raw> {
        index::index_add(x, dim, index, src)
    }

    fn softmax(&self, x: &Raw, dim: usize, log: bool) -> Result<Raw> {
        softmax::softmax(x, dim, log)
    }
    fn softmax_backward(&self, y: &Raw, dy: &Raw, dim: usize, log: bool) -> Result<Raw> {
        softmax::softmax_backward(y, dy, dim, log)
    }
    fn layer_norm(&self, x: &Raw, width: usize, weight: Option<&Raw>, bias: Option<&Raw>, epsilon: f64) -> Result<(Raw, Raw, Raw)> {
        layernorm::layer_norm(x, width, weight, bias, epsilon)
    }
    fn layer_norm_backward(&self, x: &Raw, dy: &Raw, width: usize, weight: Option<&Raw>, mean: &Raw, rstd: &Raw) -> Result<(Raw, Raw, Raw)> {
        layernorm::layer_norm_backward(x, dy, width, weight, mean, rstd)
    }
    fn batch_norm(&self, x: &Raw, weight: Option<&Raw>, bias: Option<&Raw>, statistics: Option<(&Raw, &Raw)>, epsilon: f64) -> Result<(Raw, Raw, Raw)> {
        batchnorm::batch_norm(x, weight, bias, statistics, epsilon)
    }
    fn batch_norm_backward(&self, x: &Raw, dy: &Raw, weight: Option<&Raw>, mean: &Raw, rstd: &Raw, batch: bool) -> Result<(Raw, Raw, Raw)> {
        batchnorm::batch_norm_backward(x, dy, weight, mean, rstd, batch)
    }

    fn conv(&self, x: &Raw, w: &Raw, bias: Option<&Raw>, conv: Conv) -> Result<Raw> {
        conv::conv(x, w, bias, conv)
    }
    fn conv_backward_input(&self, dy: &Raw, w: &Raw, shape: &[usize], conv: Conv) -> Result<Raw> {
        conv::conv_backward_input(dy, w, shape, conv)
    }
    fn conv_backward_weight(&self, dy: &Raw, x: &Raw, shape: &[usize], conv: Conv) -> Result<Raw> {
        conv::conv_backward_weight(dy, x, shape, conv)
    }
    fn max_pool(&self, x: &Raw, pool: Pool) -> Result<(Raw, Raw)> {
        pool::max_pool(x, pool)
    }
    fn max_pool_backward(&self, dy: &Raw, places: &Raw, shape: &[usize]) -> Result<Raw> {
        pool::max_pool_backward(dy, places, shape)
    }
    fn avg_pool(&self, x: &Raw, pool: Pool) -> Result<Raw> {
        pool::avg_pool(x, pool)
    }
    fn avg_pool_backward(&self, dy: &Raw, shape: &[usize], pool: Pool) -> Result<Raw> {
        pool::avg_pool_backward(dy, shape, pool)
    }
    fn interpolate(&self, x: &Raw, size: [usize; 2], scaling: Scaling) -> Result<Raw> {
        interpolate::interpolate(x, size, scaling)
    }
    fn interpolate_backward(&self, dy: &Raw, shape: &[usize], scaling: Scaling) -> Result<Raw> {
        interpolate::interpolate_backward(dy, shape, scaling)
    }

    fn cross_entropy(&self, logits: &Raw, classes: &Raw, smoothing: f64) -> Result<Raw> {
        softmax::cross_entropy(logits, classes, smoothing)
    }
    fn cross_entropy_backward(&self, logits: &Raw, classes: &Raw, dy: &Raw, smoothing: f64) -> Result<Raw> {
        softmax::cross_entropy_backward(logits, classes, dy, smoothing)
    }

    fn sgd(&self, parameter: &mut Raw, gradient: &Raw, momentum: Option<&mut Raw>, step: Sgd) -> Result<()> {
        optimise::sgd(parameter, gradient, momentum, step)
    }
    fn adamw(&self, parameter: &mut Raw, gradient: &Raw, first: &mut Raw, second: &mut Raw, step: AdamW) -> Result<()> {
        optimise::adamw(parameter, gradient, first, second, step)
    }
}
