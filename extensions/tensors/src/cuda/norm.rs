//! Batch normalisation.
use super::Cuda;
use super::element::launch_threads;
use super::images::Kernel;
use super::reduce::{parts, wide};
use crate::error::Result;
use crate::Raw;

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct NormArgs {
    x: u64,
    dy: u64,
    out: u64,
    weight: u64,
    bias: u64,
    mean: u64,
    rstd: u64,
    sums: u64,
    weight_out: u64,
    bias_out: u64,
    batch: u64,
    channels: u64,
    plane: u64,
    part: u64,
    parts: u64,
    epsilon: f64,
    packs: u32,
    own: u32,
}

/// A kernel of each kind and the size of what it takes, for the test that compares them with the PTX.
#[cfg(test)]
pub(super) const SIZES: &[(&str, &str, usize)] = &[("norm", "statistics_f32", size_of::<NormArgs>())];

impl Cuda {
    /// Sizes of `[N, C, …]` and how the work is cut; `x` and `dy` are row-major.
    fn norm_args(&self, x: &Raw, dy: Option<&Raw>) -> Result<NormArgs> {
        let shape = x.shape();
        let (batch, channels, plane) = (shape[0] as u64, shape[1] as u64, shape[2..].iter().product::<usize>() as u64);
        let width = 16 / x.dtype.size() as u64;
        let (x_at, dy_at) = (self.address(x)?, dy.map_or(Ok(0), |dy| self.address(dy))?);
        let packs = plane.is_multiple_of(width) && x_at.is_multiple_of(16) && dy_at.is_multiple_of(16);
        let parts = parts(self.gpu, channels, batch * plane, 4096);
        let part = (batch * plane).div_ceil(parts).next_multiple_of(width);
        Ok(NormArgs { x: x_at, dy: dy_at, batch, channels, plane, parts, part, packs: packs.into(), ..NormArgs::default() })
    }

    /// Threads that go over all elements, by packs where they can.
    fn norm_threads(args: &NormArgs, x: &Raw) -> u64 {
        x.len() as u64 / if args.packs == 1 { 16 / x.dtype.size() as u64 } else { 1 }
    }

    pub(super) fn batch_norm_kernel(&self, x: &Raw, weight: Option<&Raw>, bias: Option<&Raw>, statistics: Option<(&Raw, &Raw)>, epsilon: f64) -> Result<(Raw, Raw, Raw)> {
        let x = self.dense(x)?;
        let of = |name| Kernel::of("norm", name, x.dtype);
        let mut args = NormArgs { epsilon, ..self.norm_args(&x, None)? };
        let channels = args.channels as usize;
        let rstd = self.fresh(wide(x.dtype), &[channels])?;
        args.rstd = self.address(&rstd)?;
        let mean = match statistics {
            Some((mean, variance)) => {
                let (mean, variance) = (self.dense_as(mean, wide(x.dtype))?, self.dense_as(variance, wide(x.dtype))?);
                args.weight = self.address(&variance)?;
                launch_threads(self.gpu, of("from_variance"), args.channels, &args)?;
                mean
            }
            None => {
                let mean = self.fresh(wide(x.dtype), &[channels])?;
                let sums = self.fresh(wide(x.dtype), &[channels, args.parts as usize, 2])?;
                (args.mean, args.sums) = (self.address(&mean)?, self.address(&sums)?);
                if !x.is_empty() {
                    self.gpu.launch(of("statistics"), [channels as u32, args.parts as u32, 1], [256, 1], &args)?;
                    launch_threads(self.gpu, of("finish_statistics"), args.channels, &args)?;
                }
                mean
            }
        };
        let (weight, bias) = (self.wide_vector(weight, &x)?, self.wide_vector(bias, &x)?);
        let out = self.fresh(x.dtype, x.shape())?;
        args.mean = self.address(&mean)?;
        (args.weight, args.bias, args.out) = (self.address_or_null(&weight)?, self.address_or_null(&bias)?, self.address(&out)?);
        launch_threads(self.gpu, of("apply"), Self::norm_threads(&args, &x), &args)?;
        Ok((out, mean, rstd))
    }

    pub(super) fn batch_norm_backward_kernel(&self, x: &Raw, dy: &Raw, weight: Option<&Raw>, mean: &Raw, rstd: &Raw, batch: bool) -> Result<(Raw, Raw, Raw)> {
        let (x, dy) = (self.dense(x)?, self.dense(dy)?);
        let of = |name| Kernel::of("norm", name, x.dtype);
        let (mean, rstd) = (self.dense_as(mean, wide(x.dtype))?, self.dense_as(rstd, wide(x.dtype))?);
        let given = weight.map(|w| w.dtype).unwrap_or(x.dtype);
        let weight = self.wide_vector(weight, &x)?;
        let mut args = NormArgs { own: batch.into(), ..self.norm_args(&x, Some(&dy))? };
        let channels = args.channels as usize;
        let (dw, db) = (self.full_kernel(&[channels], wide(x.dtype), 0.0)?, self.full_kernel(&[channels], wide(x.dtype), 0.0)?);
        let sums = self.fresh(wide(x.dtype), &[channels, args.parts as usize, 2])?;
        let dx = self.fresh(x.dtype, x.shape())?;
        (args.mean, args.rstd, args.sums) = (self.address(&mean)?, self.address(&rstd)?, self.address(&sums)?);
        (args.weight, args.weight_out, args.bias_out) = (self.address_or_null(&weight)?, self.address(&dw)?, self.address(&db)?);
        args.out = self.address(&dx)?;
        if !x.is_empty() {
            self.gpu.launch(of("backward_sums"), [channels as u32, args.parts as u32, 1], [256, 1], &args)?;
            launch_threads(self.gpu, of("finish_backward"), args.channels, &args)?;
            launch_threads(self.gpu, of("backward"), Self::norm_threads(&args, &x), &args)?;
        }
        Ok((dx, self.dense_as(&dw, given)?, self.dense_as(&db, given)?))
    }
}
