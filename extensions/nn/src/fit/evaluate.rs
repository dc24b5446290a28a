//! How good a model is on data, and what it says about them.
use super::Loss;
use super::meter::Meter;
use crate::data::{Dataset, Loader, Source};
use crate::module::{Module, device_of, in_use};
use ochre_tensors::{DType, Tensor};

/// Samples in a batch where a data set is given: nothing is kept for gradients, so batches may be large.
const BATCH: usize = 256;

/// How good a model is on data.
#[derive(Clone)]
pub struct Evaluation {
    /// Mean loss.
    pub loss: f64,
    /// Share of right classes, of classifications.
    pub accuracy: Option<f64>,
    /// The class that was said for each sample (i64 `[N]`), or the outputs where there are no classes; on the CPU, in the data's order.
    pub predictions: Tensor,
    /// What was right.
    pub targets: Tensor,
    /// Names of the classes, where the data have some.
    pub classes: Vec<String>,
}

impl Evaluation {
    /// Counts of samples: a row for each true class, a column for each said one. Empty where there are no classes.
    pub fn confusion(&self) -> Vec<Vec<usize>> {
        if self.accuracy.is_none() || self.predictions.shape() != self.targets.shape() {
            return Vec::new();
        }
        let (said, truth) = (numbers(&self.predictions), numbers(&self.targets));
        let largest = said.iter().chain(&truth).copied().max().unwrap_or(-1);
        let count = self.classes.len().max(usize::try_from(largest + 1).unwrap_or(0));
        let mut table = vec![vec![0; count]; count];
        for (&said, &truth) in said.iter().zip(&truth) {
            if let (Ok(said), Ok(truth)) = (usize::try_from(said), usize::try_from(truth)) {
                table[truth][said] += 1;
            }
        }
        table
    }

    /// The share of each class's samples that were said right, by the class's number. Empty where there are no classes.
    pub fn accuracies(&self) -> Vec<Option<f64>> {
        let share = |(class, row): (usize, &Vec<usize>)| match row.iter().sum::<usize>() {
            0 => None,
            samples => Some(row[class] as f64 / samples as f64),
        };
        self.confusion().iter().enumerate().map(share).collect()
    }

    /// The name of a class, or its number where it has no name.
    pub fn class(&self, number: i64) -> String {
        usize::try_from(number).ok().and_then(|n| self.classes.get(n).cloned()).unwrap_or_else(|| number.to_string())
    }

    /// Which samples were said wrong.
    pub fn wrong(&self) -> Vec<usize> {
        if self.accuracy.is_none() || self.predictions.shape() != self.targets.shape() {
            return Vec::new();
        }
        let pairs = numbers(&self.predictions).into_iter().zip(numbers(&self.targets));
        pairs.enumerate().filter(|(_, (said, truth))| said != truth).map(|(i, _)| i).collect()
    }
}

fn numbers(tensor: &Tensor) -> Vec<i64> {
    tensor.to_dtype(DType::I64).to_vec::<i64>()
}

impl std::fmt::Display for Evaluation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let samples = self.targets.shape().first().copied().unwrap_or(0);
        match self.accuracy {
            Some(accuracy) => write!(f, "accuracy {:.2}% ({} of {samples} wrong), loss {:.4}", accuracy * 100.0, self.wrong().len(), self.loss),
            None => write!(f, "loss {:.4} on {samples} samples", self.loss),
        }
    }
}

/// Judges a model on a data set or a loader, by the loss that `fit` takes by itself: the cross-entropy where targets are classes, the mean squared
/// difference where they are numbers. After training with another loss say [`evaluate_with`]. A loader's shuffling and random changes are left out,
/// its normalising is not.
///
/// # Panics
/// The model does not take the data.
#[track_caller]
pub fn evaluate(model: &dyn Module, data: &dyn Source) -> Evaluation {
    evaluate_with(model, data, &Loss::Auto)
}

/// [`evaluate`] by another loss, the one that `fit` made small: `evaluate_with(&model, &test, &Loss::BinaryCrossEntropy)`.
///
/// # Panics
/// The model does not take the data, or the loss does not take its outputs.
#[track_caller]
pub fn evaluate_with(model: &dyn Module, data: &dyn Source, loss: &Loss) -> Evaluation {
    judge(model, &required(data, BATCH), loss)
}

#[track_caller]
fn required(data: &dyn Source, batch: usize) -> Loader {
    data.loader(batch, None).map(|l| l.plain()).unwrap_or_else(|| panic!("there are no data: give a data set or a loader"))
}

#[track_caller]
pub(super) fn judge(model: &dyn Module, loader: &Loader, loss: &Loss) -> Evaluation {
    let by_targets = Loss::Auto.decided(loader.data().dtype_of_targets());
    let loss = if matches!(loss, Loss::Auto) { &by_targets } else { loss };
    in_use(model, || {
        let device = device_of(model);
        let mut meter = Meter::default();
        let (mut said, mut truth) = (Vec::new(), Vec::new());
        for (x, y) in loader.clone().device(&device).pass(0) {
            let output = model.forward(&x);
            meter.add(&loss.of(&output, &y), loss, &output, &y);
            let answer = match loss {
                Loss::CrossEntropy { .. } if output.rank() == 2 => output.argmax(-1),
                Loss::BinaryCrossEntropy => output.gt(0.0).to_dtype(DType::I64),
                _ => output,
            };
            said.push(answer.to_device(&ochre_tensors::Device::Cpu));
            truth.push(y.to_device(&ochre_tensors::Device::Cpu));
        }
        let classes = loader.data().classes().to_vec();
        Evaluation { loss: meter.loss(), accuracy: meter.accuracy(), predictions: joined(&said), targets: joined(&truth), classes }
    })
}

fn joined(parts: &[Tensor]) -> Tensor {
    match parts {
        [] => Tensor::zeros(&[0]),
        parts => Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0),
    }
}

/// The outputs of a model for a tensor of inputs, a data set or a loader, on the CPU. In batches, without gradients, with dropout and batch norms set
/// to use; a loader's shuffling and random changes are left out.
///
/// # Panics
/// The model does not take the data.
#[track_caller]
pub fn predict(model: &dyn Module, data: &dyn Source) -> Tensor {
    let loader = required(data, BATCH).device(&device_of(model));
    in_use(model, || {
        let outputs: Vec<Tensor> = loader.pass(0).map(|(x, _)| model.forward(&x).to_device(&ochre_tensors::Device::Cpu)).collect();
        joined(&outputs)
    })
}

/// Inputs alone, for [`predict`].
impl Source for Tensor {
    fn loader(&self, batch: usize, _training: Option<u64>) -> Option<Loader> {
        let samples = self.shape().first().copied().unwrap_or_else(|| panic!("a single number is no batch of samples"));
        let nothing = Tensor::zeros_on(&[samples], DType::I64, &self.device());
        Some(Loader::new(&Dataset::new(self, &nothing)).batch(batch.max(1)))
    }
}
