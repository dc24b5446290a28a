//! Softmax and its logarithm.
use super::check_float;
use crate::autograd::record;
use crate::device::backend;
use crate::error::Result;
use crate::interrupt::OrPanic;
use crate::Tensor;

impl Tensor {
    /// `exp(x)` divided by its sum along a dimension; computed from the distance to the greatest element, so that nothing overflows.
    #[track_caller]
    pub fn softmax(&self, dim: i64) -> Tensor {
        softmax("softmax", self, dim, false).or_panic()
    }

    /// The logarithm of [`Tensor::softmax`], exact where that is near 0.
    #[track_caller]
    pub fn log_softmax(&self, dim: i64) -> Tensor {
        softmax("log_softmax", self, dim, true).or_panic()
    }
}

fn softmax(operation: &'static str, x: &Tensor, dim: i64, log: bool) -> Result<Tensor> {
    check_float(operation, x)?;
    if x.rank() == 0 {
        // One element: its share is all of it.
        return softmax(operation, &x.reshape(&[1]), dim, log).map(|y| y.squeeze(0));
    }
    let dim = x.axis(operation, dim)?;
    let device = backend(x.device())?;
    let y = device.softmax(&x.raw(), dim, log)?;
    let kept = y.clone();
    Ok(record(operation, &[x], y, || move |dy, _| Ok(vec![Some(device.softmax_backward(&kept, dy, dim, log)?)])))
}
