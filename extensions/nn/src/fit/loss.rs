//! What a training makes small.
use ochre_tensors::functional::{self, CrossEntropy};
use ochre_tensors::{DType, Tensor};

/// A loss of outputs and targets, as a number.
#[derive(Default)]
pub enum Loss<'a> {
    /// By the targets' type: cross-entropy of classes (integers), `BinaryCrossEntropy` of truths (bool), `Mse` of numbers (floats).
    #[default]
    Auto,
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

impl Loss<'_> {
    /// What `Auto` stands for with such targets.
    pub(super) fn decided(self, targets: DType) -> Self {
        match self {
            Self::Auto => Self::by(targets),
            chosen => chosen,
        }
    }

    fn by(targets: DType) -> Self {
        match targets {
            DType::I64 | DType::I32 | DType::U8 => Self::CrossEntropy { smoothing: 0.0 },
            DType::Bool => Self::BinaryCrossEntropy,
            _ => Self::Mse,
        }
    }

    /// The loss, computed in f32 where the model computes in less.
    #[track_caller]
    pub(super) fn of(&self, output: &Tensor, target: &Tensor) -> Tensor {
        let output = if matches!(output.dtype(), DType::F16 | DType::BF16) { output.to_dtype(DType::F32) } else { output.clone() };
        match self {
            Self::Auto => Self::by(target.dtype()).of(&output, target),
            Self::CrossEntropy { .. } if output.rank() > 1 && output.shape()[1] == 1 => panic!(
                "cross-entropy needs an output for each class, and the model's outputs {:?} have one: the loss would be 0 whatever it says. For numbers take `Loss::Mse`, for yes or no `Loss::BinaryCrossEntropy` (targets of the outputs' shape)",
                output.shape()
            ),
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
            Self::Auto => Self::by(target.dtype()).right(output, target),
            Self::CrossEntropy { .. } if output.rank() == 2 && target.rank() == 1 => Some(output.argmax(-1).eq(target)),
            Self::BinaryCrossEntropy if output.shape() == target.shape() => Some(output.gt(0.0).eq(&if target.dtype() == DType::Bool { target.clone() } else { target.gt(0.5) })),
            _ => None,
        }
    }
}
