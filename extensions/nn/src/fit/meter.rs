//! Means over batches, kept on the device: a number is fetched only when it is asked for.
use super::Loss;
use ochre_tensors::{DType, Tensor, no_grad};

/// Sums of losses and of right answers.
#[derive(Default)]
pub struct Meter {
    loss: Option<Tensor>,
    right: Option<Tensor>,
    /// Samples, and answers that can be right.
    samples: usize,
    answers: usize,
}

impl Meter {
    /// One more batch: its mean loss, its outputs and targets.
    pub fn add(&mut self, loss: &Tensor, kind: &Loss, output: &Tensor, target: &Tensor) {
        no_grad(|| {
            let samples = target.shape().first().copied().unwrap_or(1);
            let weighted = loss.detach().to_dtype(DType::F32) * samples as f64;
            self.loss = Some(self.loss.take().map_or_else(|| weighted.clone(), |sum| sum + &weighted));
            self.samples += samples;
            if let Some(right) = kind.right(&output.detach(), target) {
                self.answers += right.len();
                let count = right.sum();
                self.right = Some(self.right.take().map_or_else(|| count.clone(), |sum| sum + &count));
            }
        });
    }

    /// Mean loss so far.
    pub fn loss(&self) -> f64 {
        self.loss.as_ref().map_or(f64::NAN, |sum| sum.item() / self.samples.max(1) as f64)
    }

    /// Share of right answers so far.
    pub fn accuracy(&self) -> Option<f64> {
        self.right.as_ref().map(|count| count.item() / self.answers.max(1) as f64)
    }
}
