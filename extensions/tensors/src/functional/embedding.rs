//! Classes and words as vectors.
use super::misfit;
use crate::backend::Compare;
use crate::device::backend;
use crate::error::Result;
use crate::interrupt::OrPanic;
use crate::{DType, Device, Tensor, TensorError};

impl Tensor {
    /// Rows of `weight [words, width]` for indices of any shape: `[…]` gives `[…, width]`.
    #[track_caller]
    pub fn embedding(&self, weight: &Tensor) -> Tensor {
        check_embedding(self, weight).or_panic();
        let shape: Vec<i64> = self.shape().iter().chain(&weight.shape()[1..]).map(|&size| size as i64).collect();
        weight.index_select(0, &self.to_dtype(DType::I64).reshape(&[-1])).reshape(&shape)
    }

    /// 1 (i64) at the place that each index names, of `classes` places: `[…]` gives `[…, classes]`.
    #[track_caller]
    pub fn one_hot(&self, classes: usize) -> Tensor {
        one_hot(self, classes).or_panic()
    }
}

fn check_indices(operation: &'static str, indices: &Tensor) -> Result<()> {
    match indices.dtype() {
        DType::U8 | DType::I32 | DType::I64 => Ok(()),
        dtype => Err(TensorError::DType { operation, dtype, hint: ": indices are integers; convert with `.to_dtype(DType::I64)`" }),
    }
}

fn check_embedding(indices: &Tensor, weight: &Tensor) -> Result<()> {
    check_indices("embedding", indices)?;
    super::same_device("embedding", indices, &[Some(weight)])?;
    if weight.rank() != 2 {
        return Err(misfit("embedding", format!("weight {:?} has to be [words, width]", weight.shape())));
    }
    Ok(())
}

fn one_hot(indices: &Tensor, classes: usize) -> Result<Tensor> {
    check_indices("one_hot", indices)?;
    let device = backend(indices.device())?;
    let indices = indices.to_dtype(DType::I64);
    if indices.device() == Device::Cpu && !indices.is_empty() {
        let (least, greatest) = (indices.min().item(), indices.max().item());
        if least < 0.0 || greatest >= classes as f64 {
            return Err(misfit("one_hot", format!("indices from {least} to {greatest} do not fit into {classes} classes")));
        }
    }
    let places = Tensor::arange(0, classes as i64, 1).to_device(&indices.device());
    let shape = [indices.shape(), &[classes]].concat();
    let (left, right) = (indices.unsqueeze(-1).expand(&shape), places.expand(&shape));
    Ok(Tensor::from_raw(device.cast(&device.compare(Compare::Eq, &left.raw(), &right.raw())?, DType::I64)?))
}
