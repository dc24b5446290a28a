//! What a training makes small.
use ochre_tensors::functional::{self, CrossEntropy};
use ochre_tensors::{DType, Tensor};

/// A loss of outputs and targets, as a number.
pub enum Loss<'a> {
    /// Of logits `[N, C]` and classes `[N]`; with label smoothing (0 for none).
    CrossEntropy { smoothing: f64 },
    /// Mean squared difference.
    Mse,
    /// Mean absolute difference.
    L1,
    /// Of logits and targets from 0 to 1 of the same shape.
    BinaryCrossEntropy,
    /// Any other: gets outputs and targets, gives one number.
    Custom(Box<dyn Fn(&Tensor, &Tensor) -> Tensor + 'a>),
}

impl Default for Loss<'_> {
    fn default() -> Self {
        Self::CrossEntropy { smoothing: 0.0 }
    }
}

impl Loss<'_> {
    /// The loss, computed in f32 where the model computes in less.
    #[track_caller]
    pub(super) fn of(&self, output: &Tensor, target: &Tensor) -> Tensor {
        let output = if matches!(output.dtype(), DType::F16 | DType::BF16) { output.to_dtype(DType::F32) } else { output.clone() };
        match self {
            Self::CrossEntropy { smoothing } => functional::cross_entropy_with(&output, target, &CrossEntropy { smoothing: *smoothing, ..CrossEntropy::default() }),
            Self::Mse => functional::mse(&output, target),
            Self::L1 => functional::l1(&output, target),
            Self::BinaryCrossEntropy => functional::bce_with_logits(&output, target),
            Self::Custom(loss) => loss(&output, target),
        }
    }

    /// Which outputs are right, where there is right and wrong: a tensor of booleans.
    pub(super) fn right(&self, output: &Tensor, target: &Tensor) -> Option<Tensor> {
        match self {
            Self::CrossEntropy { .. } if output.rank() == 2 && target.rank() == 1 => Some(output.argmax(-1).eq(target)),
            Self::BinaryCrossEntropy if output.shape() == target.shape() => Some(output.gt(0.0).eq(&target.gt(0.5))),
            _ => None,
        }
    }
}
