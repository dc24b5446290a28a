//! What `fit` is told beside the model and the data.
use super::{Epoch, Loss};
use crate::optim::{Optimizer, Schedule};
use ochre_tensors::DType;

/// How to train: `Fit { epochs: 20, rate: 3e-4, ..Fit::default() }`.
pub struct Fit<'a> {
    /// Passes over the training data, counted from the very first (10).
    pub epochs: usize,
    /// Passes that were made already, by a training that is taken up again (0): orders and rates go on from there.
    pub start: usize,
    /// Samples in a batch where a data set is given and no loader (64).
    pub batch: usize,
    /// Decides the order where a data set is given and no loader.
    pub seed: u64,
    /// The optimiser; without one, `AdamW` with `rate`.
    pub optimizer: Option<&'a mut dyn Optimizer>,
    /// Learning rate of the optimiser where none is given (1e-3).
    pub rate: f64,
    /// How the rate changes (constant).
    pub schedule: Schedule,
    /// What is to become small (by the targets: cross-entropy of classes, the mean squared difference of numbers; see [`Loss`]).
    pub loss: Loss<'a>,
    /// Gradients longer than this, all together, are shortened to it.
    pub clip: Option<f64>,
    /// Batches whose gradients are averaged before a step (1).
    pub accumulate: usize,
    /// Ends the training when the validation loss (the training loss without validation data) was not better for so many epochs, and takes the
    /// model back to its best epoch.
    pub patience: Option<usize>,
    /// Takes the model back to its best epoch at the end, also without `patience`.
    pub keep_best: bool,
    /// What linear and convolution layers compute in: `DType::BF16` for mixed precision; parameters stay f32.
    pub precision: DType,
    /// Neither a bar nor a table.
    pub quiet: bool,
    /// Metrics go to the active run, if there is one (they do).
    pub log: bool,
    /// Called after each epoch; `false` ends the training.
    pub on_epoch: Option<&'a mut dyn FnMut(&Epoch) -> bool>,
}

impl Default for Fit<'_> {
    fn default() -> Self {
        Self {
            epochs: 10,
            start: 0,
            batch: 64,
            seed: 0,
            optimizer: None,
            rate: 1e-3,
            schedule: Schedule::constant(),
            loss: Loss::default(),
            clip: None,
            accumulate: 1,
            patience: None,
            keep_best: false,
            precision: DType::F32,
            quiet: false,
            log: true,
            on_epoch: None,
        }
    }
}
