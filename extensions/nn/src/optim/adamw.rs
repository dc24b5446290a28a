//! Adam with decoupled weight decay (Loshchilov, Hutter 2019): torch.optim.AdamW.
use super::group::{Entries, Parameters};
use super::{Optimizer, inherent, remembered, whole};
use crate::error::Result;
use crate::module::State;
use ochre_tensors::{Tensor, backend};

const KINDS: [&str; 2] = ["first_moment", "second_moment"];

/// `p -= rate decay p; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g²; p -= rate m̂ / (√v̂ + epsilon)`, with m̂ and v̂ corrected for their beginning at 0.
pub struct AdamW {
    entries: Entries,
    rate: f64,
    betas: [f64; 2],
    epsilon: f64,
    decay: f64,
}

impl AdamW {
    /// Of a model or a list of parameters, with PyTorch's defaults (betas 0.9 and 0.999, epsilon 1e-8, weight decay 0.01): `optim::AdamW::new(&model, 1e-3)`.
    pub fn new(parameters: impl Into<Parameters>, rate: f64) -> Self {
        Self { entries: Entries::new(parameters.into(), 1.0, f64::NAN), rate, betas: [0.9, 0.999], epsilon: 1e-8, decay: 0.01 }
    }

    /// How slowly the averages of gradients and of their squares move.
    pub fn betas(mut self, first: f64, second: f64) -> Self {
        self.betas = [first, second];
        self
    }

    /// What keeps the division from 0 (1e-8).
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// What pulls parameters towards 0, times the rate (0.01).
    pub fn weight_decay(mut self, decay: f64) -> Self {
        self.decay = decay;
        self
    }

    /// More parameters, with a learning rate and a decay of their own (biases and norms without decay).
    pub fn group(mut self, parameters: impl Into<Parameters>, rate: f64, decay: f64) -> Self {
        self.entries.0.extend(Entries::new(parameters.into(), rate / self.rate, decay).0);
        self
    }
}

impl Optimizer for AdamW {
    fn try_step(&mut self) -> Result<()> {
        whole(|| self.all())
    }

    remembered!();
}

impl AdamW {
    /// Changes all parameters.
    fn all(&mut self) -> Result<()> {
        for entry in &mut self.entries.0 {
            let Some(gradient) = entry.parameter.grad() else { continue };
            entry.begin(2)?;
            let decay = entry.decay(self.decay);
            let [beta1, beta2] = self.betas;
            let step = ochre_tensors::backend::AdamW { rate: self.rate * entry.share, beta1, beta2, epsilon: self.epsilon, decay, step: entry.steps + 1 };
            let (device, gradient) = (backend(entry.parameter.device())?, gradient.raw());
            entry.change(&mut |parameter, moments| match moments {
                [first, second] => device.adamw(parameter, &gradient, first, second, step),
                _ => unreachable!("two moments were begun"),
            })?;
            entry.steps += 1;
        }
        Ok(())
    }
}

inherent!(AdamW);
