//! Softmax, layer norm and cross entropy: work on rows that lie together.
use super::Cuda;
use super::element::permuted;
use super::images::Kernel;
use super::reduce::{parts, row_block, wide};
use crate::backend::Reduce;
use crate::error::Result;
use crate::{Raw, TensorError};

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct RowArgs {
    x: u64,
    y: u64,
    dy: u64,
    out: u64,
    weight: u64,
    bias: u64,
    mean: u64,
    rstd: u64,
    classes: u64,
    fault: u64,
    rows: u64,
    width: u64,
    epsilon: f64,
    log: u32,
    packs: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct ColumnArgs {
    x: u64,
    dy: u64,
    mean: u64,
    rstd: u64,
    weight: u64,
    bias: u64,
    rows: u64,
    width: u64,
    part: u64,
}

/// A kernel of each kind and the size of what it takes, for the test that compares them with the PTX.
#[cfg(test)]
pub(super) const SIZES: &[(&str, &str, usize)] = &[("rows", "softmax_f32", size_of::<RowArgs>()), ("rows", "layer_norm_weights_f32", size_of::<ColumnArgs>())];

impl Cuda {
    /// Starts a kernel on rows of `width`; all tensors that are read by packs are row-major. `args` is filled but for sizes and packs.
    fn launch_rows(&self, name: &'static str, x: &Raw, width: usize, args: RowArgs) -> Result<()> {
        let rows = x.len().checked_div(width).unwrap_or(0) as u64;
        let whole = |address: u64| address.is_multiple_of(16);
        let packs = (width * x.dtype.size()).is_multiple_of(16) && [args.x, args.y, args.dy, args.out].into_iter().all(whole);
        let args = RowArgs { rows, width: width as u64, packs: packs.into(), fault: self.gpu.fault_address(), ..args };
        let block = row_block(width as u64);
        self.gpu.launch(Kernel::of("rows", name, x.dtype), [rows.div_ceil(u64::from(block[1])) as u32, 1, 1], block, &args)
    }

    /// Calls `work` with `dim` as the last dimension of row-major tensors, and turns the result back.
    fn along(&self, dim: usize, tensors: &[&Raw], work: impl Fn(&[Raw]) -> Result<Raw>) -> Result<Raw> {
        let rank = tensors[0].layout.rank();
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(dim, rank - 1);
        let turned = tensors.iter().map(|x| self.dense(&permuted(x, &order))).collect::<Result<Vec<_>>>()?;
        self.dense(&permuted(&work(&turned)?, &order))
    }

    pub(super) fn softmax_kernel(&self, x: &Raw, dim: usize, log: bool) -> Result<Raw> {
        if x.layout.rank() == 0 {
            return self.full_kernel(&[], x.dtype, if log { 0.0 } else { 1.0 });
        }
        self.along(dim, &[x], |turned| {
            let x = &turned[0];
            let out = self.fresh(x.dtype, x.shape())?;
            let args = RowArgs { x: self.address(x)?, out: self.address(&out)?, log: log.into(), ..RowArgs::default() };
            self.launch_rows("softmax", x, x.shape().last().copied().unwrap_or(1), args)?;
            Ok(out)
        })
    }

    pub(super) fn softmax_backward_kernel(&self, y: &Raw, dy: &Raw, dim: usize, log: bool) -> Result<Raw> {
        if y.layout.rank() == 0 {
            return self.full_kernel(&[], y.dtype, 0.0);
        }
        self.along(dim, &[y, dy], |turned| {
            let (y, dy) = (&turned[0], &turned[1]);
            let out = self.fresh(y.dtype, y.shape())?;
            let args = RowArgs { y: self.address(y)?, dy: self.address(dy)?, out: self.address(&out)?, log: log.into(), ..RowArgs::default() };
            self.launch_rows("softmax_backward", y, y.shape().last().copied().unwrap_or(1), args)?;
            Ok(out)
        })
    }

    /// A vector in the wide type of `like`, or no address.
    pub(super) fn wide_vector(&self, vector: Option<&Raw>, like: &Raw) -> Result<Option<Raw>> {
        vector.map(|v| self.dense_as(v, wide(like.dtype))).transpose()
    }

    pub(super) fn address_or_null(&self, x: &Option<Raw>) -> Result<u64> {
        x.as_ref().map_or(Ok(0), |x| self.address(x))
    }

    pub(super) fn layer_norm_kernel(&self, x: &Raw, width: usize, weight: Option<&Raw>, bias: Option<&Raw>, epsilon: f64) -> Result<(Raw, Raw, Raw)> {
        let x = self.dense(x)?;
        let rows = x.len().checked_div(width).unwrap_or(0);
        let (weight, bias) = (self.wide_vector(weight, &x)?, self.wide_vector(bias, &x)?);
        let (out, mean, rstd) = (self.fresh(x.dtype, x.shape())?, self.fresh(wide(x.dtype), &[rows])?, self.fresh(wide(x.dtype), &[rows])?);
        let args = RowArgs {
            x: self.address(&x)?,
            out: self.address(&out)?,
            weight: self.address_or_null(&weight)?,
            bias: self.address_or_null(&bias)?,
            mean: self.address(&mean)?,
            rstd: self.address(&rstd)?,
            epsilon,
            ..RowArgs::default()
        };
        self.launch_rows("layer_norm", &x, width, args)?;
        Ok((out, mean, rstd))
    }

    pub(super) fn layer_norm_backward_kernel(&self, x: &Raw, dy: &Raw, width: usize, weight: Option<&Raw>, mean: &Raw, rstd: &Raw) -> Result<(Raw, Raw, Raw)> {
        let (x, dy) = (self.dense(x)?, self.dense(dy)?);
        let (mean, rstd) = (self.dense(mean)?, self.dense(rstd)?);
        let given = weight.map(|w| w.dtype).unwrap_or(x.dtype);
        let weight = self.wide_vector(weight, &x)?;
        let dx = self.fresh(x.dtype, x.shape())?;
        let args = RowArgs {
            x: self.address(&x)?,
            dy: self.address(&dy)?,
            out: self.address(&dx)?,
            weight: self.address_or_null(&weight)?,
            mean: self.address(&mean)?,
            rstd: self.address(&rstd)?,
            ..RowArgs::default()
        };
        self.launch_rows("layer_norm_backward", &x, width, args)?;
        let rows = x.len().checked_div(width).unwrap_or(0) as u64;
        let parts = parts(self.gpu, (width as u64).div_ceil(32), rows, 64);
        let (dw, db) = (self.fresh(wide(x.dtype), &[parts as usize, width])?, self.fresh(wide(x.dtype), &[parts as usize, width])?);
        let args = ColumnArgs {
            x: args.x,
            dy: args.dy,
            mean: args.mean,
            rstd: args.rstd,
            weight: self.address(&dw)?,
            bias: self.address(&db)?,
            rows,
            width: width as u64,
            part: rows.div_ceil(parts),
        };
        self.gpu.launch(Kernel::of("rows", "layer_norm_weights", x.dtype), [(width as u64).div_ceil(32) as u32, parts as u32, 1], [32, 8], &args)?;
        let sum = |partial: &Raw| self.dense_as(&self.reduce_kernel(Reduce::Sum, partial, &[0])?, given);
        Ok((dx, sum(&dw)?, sum(&db)?))
    }

    pub(super) fn cross_entropy_kernel(&self, logits: &Raw, classes: &Raw, smoothing: f64) -> Result<Raw> {
        let (x, classes) = (self.dense(logits)?, self.dense(classes)?);
        let [rows, width] = two(&x)?;
        let out = self.fresh(wide(x.dtype), &[rows])?;
        let args = RowArgs { x: self.address(&x)?, classes: self.address(&classes)?, epsilon: smoothing, ..RowArgs::default() };
        // Losses are one for each row, so they need not lie as packs do.
        self.launch_rows("cross_entropy", &x, width, RowArgs { out: self.address(&out)?, ..args })?;
        Ok(out)
    }

    pub(super) fn cross_entropy_backward_kernel(&self, logits: &Raw, classes: &Raw, dy: &Raw, smoothing: f64) -> Result<Raw> {
        let (x, classes, dy) = (self.dense(logits)?, self.dense(classes)?, self.dense_as(dy, wide(logits.dtype))?);
        let [_, width] = two(&x)?;
        let out = self.fresh(x.dtype, x.shape())?;
        let args = RowArgs {
            x: self.address(&x)?,
            dy: self.address(&dy)?,
            classes: self.address(&classes)?,
            out: self.address(&out)?,
            epsilon: smoothing,
            ..RowArgs::default()
        };
        self.launch_rows("cross_entropy_backward", &x, width, args)?;
        Ok(out)
    }
}

fn two(x: &Raw) -> Result<[usize; 2]> {
    match x.shape() {
        &[rows, width] => Ok([rows, width]),
        other => Err(TensorError::Shape { operation: "cross_entropy", problem: format!("logits of shape {other:?}, where [rows, classes] is wanted") }),
    }
}
