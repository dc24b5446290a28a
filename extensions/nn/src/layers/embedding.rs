//! `Embedding`: a learnt row for each number.
use crate::module::Module;
use crate::slot::Slot;
use ochre_tensors::Tensor;

/// Numbers (i64, of any shape) to rows of a learnt table: `[…]` to `[…, width]`.
pub struct Embedding {
    weight: Slot,
}

impl Embedding {
    /// `count` rows of `width`, normally distributed, as PyTorch's.
    pub fn new(count: usize, width: usize) -> Self {
        Self { weight: Slot::parameter(&Tensor::randn(&[count, width])) }
    }

    /// From a table `[count, width]`.
    pub fn from_tensor(weight: &Tensor) -> Self {
        Self { weight: Slot::parameter(weight) }
    }

    /// The table.
    pub fn weight(&self) -> Tensor {
        self.weight.get()
    }
}

impl Embedding {
    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        let output = input.embedding(&self.weight.get());
        super::traced(self, &output);
        output
    }
}

impl Module for Embedding {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn slots(&self) -> Vec<(&'static str, &Slot)> {
        vec![("weight", &self.weight)]
    }

    fn describe(&self) -> String {
        let weight = self.weight.get();
        format!("Embedding({}, {})", weight.dim(0), weight.dim(-1))
    }
}
