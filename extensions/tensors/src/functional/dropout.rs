//! Dropout: noise that keeps a network from leaning on single numbers.
use super::{check_float, misfit};
use crate::autograd::record;
use crate::backend::Draw;
use crate::device::backend;
use crate::error::Result;
use crate::interrupt::OrPanic;
use crate::{DType, Tensor};

impl Tensor {
    /// In training each element is 0 with probability `p` and otherwise divided by `1 - p`; else nothing is changed. Drawn from `manual_seed`'s numbers.
    #[track_caller]
    pub fn dropout(&self, p: f64, training: bool) -> Tensor {
        dropout("dropout", self, p, training, self.shape()).or_panic()
    }

    /// [`Tensor::dropout`] of whole channels of `[N, C, …]`.
    #[track_caller]
    pub fn dropout2d(&self, p: f64, training: bool) -> Tensor {
        let channels: Vec<usize> = self.shape().iter().enumerate().map(|(i, &size)| if i < 2 { size } else { 1 }).collect();
        dropout("dropout2d", self, p, training, &channels).or_panic()
    }
}

/// `drawn`: the shape of the numbers that are drawn, which broadcasts to that of `x`.
fn dropout(operation: &'static str, x: &Tensor, p: f64, training: bool, drawn: &[usize]) -> Result<Tensor> {
    check_float(operation, x)?;
    if !(0.0..=1.0).contains(&p) {
        return Err(misfit(operation, format!("a probability is from 0 to 1, not {p}")));
    }
    if !training || p == 0.0 {
        return Ok(x.clone());
    }
    let device = backend(x.device())?;
    let (key, counter) = crate::random::reserve(drawn.iter().product());
    let kept = device.random(drawn, DType::Bool, Draw::Bernoulli { p: 1.0 - p }, key, counter)?;
    // All dropped: nothing is scaled by infinity.
    let scale = if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 };
    let y = x.raw().affine(scale, 0.0)?.select(&kept, &x.raw().constant(0.0)?)?;
    Ok(record(operation, &[x], y, || move |dy, _| Ok(vec![Some(dy.affine(scale, 0.0)?.select(&kept, &dy.constant(0.0)?)?)])))
}
