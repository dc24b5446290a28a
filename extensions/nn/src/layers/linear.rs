//! `Linear`: y = x Wᵀ + b.
use super::precision::heavy;
use super::{by_fan_in, python};
use crate::module::Module;
use crate::slot::Slot;
use ochre_tensors::{Tensor, functional};

/// Multiplies the last dimension by a learnt matrix and adds a learnt vector: `[…, inputs]` to `[…, outputs]`.
pub struct Linear {
    weight: Slot,
    bias: Option<Slot>,
    sizes: [usize; 2],
}

impl Linear {
    /// With a bias; both even within 1/sqrt(inputs), as PyTorch's.
    pub fn new(inputs: usize, outputs: usize) -> Self {
        let weight = Slot::parameter(&by_fan_in(&[outputs, inputs], inputs));
        let bias = Some(Slot::parameter(&by_fan_in(&[outputs], inputs)));
        Self { weight, bias, sizes: [inputs, outputs] }
    }

    /// From given tensors: weight `[outputs, inputs]`, bias `[outputs]`.
    ///
    /// # Panics
    /// The weight is no matrix.
    #[track_caller]
    pub fn from_tensors(weight: &Tensor, bias: Option<&Tensor>) -> Self {
        let &[outputs, inputs] = weight.shape() else { panic!("Linear: the weight's shape {:?} is not [outputs, inputs]", weight.shape()) };
        Self { weight: Slot::parameter(weight), bias: bias.map(Slot::parameter), sizes: [inputs, outputs] }
    }

    /// With or (`false`) without a bias.
    pub fn bias(mut self, bias: bool) -> Self {
        let [inputs, outputs] = self.sizes;
        self.bias = bias.then(|| self.bias.take().unwrap_or_else(|| Slot::parameter(&by_fan_in(&[outputs], inputs))));
        self
    }

    /// The weight, `[outputs, inputs]`.
    pub fn weight(&self) -> Tensor {
        self.weight.get()
    }
}

impl Linear {
    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        let bias = self.bias.as_ref().map(|b| heavy(&b.get()));
        let output = functional::linear(&heavy(input), &heavy(&self.weight.get()), bias.as_ref());
        super::traced(self, &output);
        output
    }
}

impl Module for Linear {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn slots(&self) -> Vec<(&'static str, &Slot)> {
        std::iter::once(("weight", &self.weight)).chain(self.bias.as_ref().map(|b| ("bias", b))).collect()
    }

    fn describe(&self) -> String {
        let [inputs, outputs] = self.sizes;
        format!("Linear(in_features={inputs}, out_features={outputs}, bias={})", python(self.bias.is_some()))
    }
}
