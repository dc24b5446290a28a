//! Pairs of inputs and targets, row by row.
use crate::bridge::copy;
use crate::error::{NnError, Result};
use crate::random::Random;
use crate::summary::grouped;
use ochre_tensors::{DType, Device, Tensor};
use std::ops::Range;
use std::sync::Arc;

/// Inputs `[N, …]` and targets `[N, …]`; cheap to clone. A part of it shares the tensors.
#[derive(Clone)]
pub struct Dataset {
    inputs: Tensor,
    targets: Tensor,
    rows: Rows,
    classes: Arc<[String]>,
}

/// Which rows of the tensors belong to it, in which order.
#[derive(Clone)]
enum Rows {
    Range(Range<usize>),
    List(Arc<[usize]>),
}

impl Dataset {
    /// Of inputs and targets with as many rows. Classes are i64 `[N]`. Inputs of u8 with four dimensions are pictures: loaders give them as f32 from 0 to 1.
    ///
    /// # Panics
    /// The numbers of rows differ.
    #[track_caller]
    pub fn new(inputs: &Tensor, targets: &Tensor) -> Self {
        Self::try_new(inputs, targets).unwrap_or_else(|error| panic!("{error}"))
    }

    /// [`Dataset::new`], with the error as a value.
    pub fn try_new(inputs: &Tensor, targets: &Tensor) -> Result<Self> {
        match (inputs.shape().first(), targets.shape().first()) {
            (Some(n), Some(m)) if n == m => Ok(Self { inputs: in_rows(inputs)?, targets: in_rows(targets)?, rows: Rows::Range(0..*n), classes: Arc::default() }),
            _ => Err(NnError::Data(format!("Dataset: the inputs {:?} and the targets {:?} have to have the same first dimension: a row for each sample", inputs.shape(), targets.shape()))),
        }
    }

    /// With names of the classes: target `i` is called `names[i]`.
    pub fn with_classes<S: ToString>(mut self, names: &[S]) -> Self {
        self.classes = names.iter().map(ToString::to_string).collect();
        self
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        match &self.rows {
            Rows::Range(range) => range.len(),
            Rows::List(list) => list.len(),
        }
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names of the classes; empty where none were given.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The name of a class, or its number where it has no name.
    pub fn class(&self, number: i64) -> String {
        usize::try_from(number).ok().and_then(|n| self.classes.get(n).cloned()).unwrap_or_else(|| number.to_string())
    }

    /// All inputs, `[N, …]`, as they are stored.
    pub fn inputs(&self) -> Tensor {
        self.pick(&self.inputs)
    }

    /// All targets.
    pub fn targets(&self) -> Tensor {
        self.pick(&self.targets)
    }

    fn pick(&self, from: &Tensor) -> Tensor {
        match &self.rows {
            Rows::Range(range) => from.narrow(0, range.start, range.len()),
            Rows::List(list) => from.index_select(0, &index(list, &from.device())),
        }
    }

    /// The sample `i`: input and target.
    ///
    /// # Panics
    /// There is no such sample.
    #[track_caller]
    pub fn get(&self, i: usize) -> (Tensor, Tensor) {
        assert!(i < self.len(), "Dataset: there is no sample {i}; there are {}", self.len());
        let row = self.row(i) as i64;
        (self.inputs.select(0, row), self.targets.select(0, row))
    }

    /// The first `count` samples (all, if there are fewer).
    pub fn take(&self, count: usize) -> Self {
        self.part(0..count.min(self.len()))
    }

    /// What is left without the first `count`.
    pub fn skip(&self, count: usize) -> Self {
        self.part(count.min(self.len())..self.len())
    }

    fn part(&self, part: Range<usize>) -> Self {
        let rows = match &self.rows {
            Rows::Range(range) => Rows::Range(range.start + part.start..range.start + part.end),
            Rows::List(list) => Rows::List(list[part].into()),
        };
        Self { rows, ..self.clone() }
    }

    /// These samples in this order.
    ///
    /// # Panics
    /// There is no such sample.
    #[track_caller]
    pub fn subset(&self, samples: &[usize]) -> Self {
        if let Some(outside) = samples.iter().find(|&&i| i >= self.len()) {
            panic!("Dataset: there is no sample {outside}; there are {}", self.len());
        }
        Self { rows: Rows::List(samples.iter().map(|&i| self.row(i)).collect()), ..self.clone() }
    }

    /// In an order that the seed decides.
    pub fn shuffled(&self, seed: u64) -> Self {
        let mut order: Vec<usize> = (0..self.len()).collect();
        Random::new(seed).shuffle(&mut order);
        self.subset(&order)
    }

    /// Two parts after shuffling by the seed: the first has this share of the samples (0.8).
    pub fn split(&self, share: f64, seed: u64) -> (Self, Self) {
        let shuffled = self.shuffled(seed);
        let first = (share.clamp(0.0, 1.0) * self.len() as f64).round() as usize;
        (shuffled.take(first), shuffled.skip(first))
    }

    /// Both tensors on a device: batches are then made there.
    pub fn to_device(&self, device: &Device) -> Self {
        Self { inputs: self.inputs.to_device(device), targets: self.targets.to_device(device), ..self.clone() }
    }

    /// The type of the targets.
    pub(crate) fn dtype_of_targets(&self) -> DType {
        self.targets.dtype()
    }

    /// The type of the inputs as batches have them.
    pub(crate) fn dtype_of_inputs(&self) -> DType {
        if self.inputs.rank() == 4 && self.inputs.dtype() == DType::U8 { DType::F32 } else { self.inputs.dtype() }
    }

    /// Where the stored row of sample `i` is.
    pub(super) fn row(&self, i: usize) -> usize {
        match &self.rows {
            Rows::Range(range) => range.start + i,
            Rows::List(list) => list[i],
        }
    }

    /// The tensors that rows point into.
    pub(super) fn stored(&self) -> (&Tensor, &Tensor) {
        (&self.inputs, &self.targets)
    }
}

/// The elements of a sample beside each other, so that a batch is read in long pieces.
fn in_rows(tensor: &Tensor) -> Result<Tensor> {
    if tensor.is_contiguous() { Ok(tensor.detach()) } else { copy(tensor) }
}

/// Row numbers as a tensor.
pub(super) fn index(rows: &[usize], device: &Device) -> Tensor {
    let on_cpu = Tensor::from_vec(rows.iter().map(|&r| r as i64).collect::<Vec<i64>>(), &[rows.len()]);
    if *device == Device::Cpu { on_cpu } else { on_cpu.to_device(device) }
}

impl Dataset {
    /// What a sample is: type and shape of its input, and of its target.
    pub(crate) fn kinds(&self) -> [String; 2] {
        let one = |t: &Tensor| match &t.shape()[1..] {
            [] => t.dtype().to_string(),
            shape => format!("{} {shape:?}", t.dtype()),
        };
        [one(&self.inputs), one(&self.targets)]
    }
}

impl std::fmt::Display for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [inputs, targets] = self.kinds();
        write!(f, "{} samples: inputs {inputs}, targets {targets}", grouped(self.len()))?;
        if self.classes.is_empty() { Ok(()) } else { write!(f, "; classes {}", self.classes.join(", ")) }
    }
}
