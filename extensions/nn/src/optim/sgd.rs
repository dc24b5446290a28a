//! Stochastic gradient descent with momentum, weight decay and Nesterov's variant: torch.optim.SGD.
use super::group::{Entries, Parameters};
use super::{Optimizer, inherent, remembered, whole};
use crate::error::Result;
use crate::module::State;
use ochre_tensors::{Tensor, backend};

const KINDS: [&str; 1] = ["momentum"];

/// `g += decay p; m = momentum m + g; p -= rate m` (with Nesterov `p -= rate (g + momentum m)`); the first momentum is the gradient.
pub struct Sgd {
    entries: Entries,
    rate: f64,
    momentum: f64,
    decay: f64,
    nesterov: bool,
}

impl Sgd {
    /// Of a model or a list of parameters: `optim::Sgd::new(&model, 0.1).momentum(0.9)`.
    pub fn new(parameters: impl Into<Parameters>, rate: f64) -> Self {
        Self { entries: Entries::new(parameters.into(), 1.0, f64::NAN), rate, momentum: 0.0, decay: 0.0, nesterov: false }
    }

    /// How much of the last step goes on (0).
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// What pulls parameters towards 0, added to the gradient (0).
    pub fn weight_decay(mut self, decay: f64) -> Self {
        self.decay = decay;
        self
    }

    /// Nesterov's momentum; it needs a momentum.
    pub fn nesterov(mut self, nesterov: bool) -> Self {
        self.nesterov = nesterov;
        self
    }

    /// More parameters, with a learning rate and a decay of their own.
    pub fn group(mut self, parameters: impl Into<Parameters>, rate: f64, decay: f64) -> Self {
        self.entries.0.extend(Entries::new(parameters.into(), rate / self.rate, decay).0);
        self
    }
}

impl Optimizer for Sgd {
    fn try_step(&mut self) -> Result<()> {
        whole(|| self.all())
    }

    remembered!();
}

impl Sgd {
    /// Changes all parameters.
    fn all(&mut self) -> Result<()> {
        for entry in &mut self.entries.0 {
            let Some(gradient) = entry.parameter.grad() else { continue };
            let first = entry.moments.is_empty();
            entry.begin(usize::from(self.momentum != 0.0))?;
            let decay = entry.decay(self.decay);
            let step = ochre_tensors::backend::Sgd { rate: self.rate * entry.share, momentum: self.momentum, decay, nesterov: self.nesterov, first };
            let (device, gradient) = (backend(entry.parameter.device())?, gradient.raw());
            entry.change(&mut |parameter, moments| device.sgd(parameter, &gradient, moments.first_mut().map(|m| &mut **m), step))?;
            entry.steps += 1;
        }
        Ok(())
    }
}

inherent!(Sgd);
