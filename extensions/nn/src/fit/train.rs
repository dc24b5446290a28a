//! The loop: batches, losses, gradients, steps; what is told meanwhile, and what ends it.
use super::evaluate::judge;
use super::meter::Meter;
use super::{End, Epoch, Fit, History};
use crate::data::{Loader, Source};
use crate::layers::autocast;
use crate::module::{Module, State, device_of};
use crate::optim::{AdamW, Optimizer, Parameters};
use crate::report::{Metrics, Steps, say};
use ochre_tensors::{DType, Tensor, interrupt};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

/// Time between two looks at the loss while an epoch goes on: each look waits for the device.
const LOOK: Duration = Duration::from_millis(250);

/// Trains a model: `fit(&model, &train, &validation, Fit { epochs: 20, ..Fit::default() })`. Data are loaders or data sets; `&()` for no validation.
///
/// The model is on the device where its parameters are; batches are moved there. Afterwards it is set to use (`model.eval()`). An interrupt ends it at
/// the step that it is at: the model keeps what it has learnt, and the history says so.
///
/// # Panics
/// The model does not take the data, the data cannot be loaded, or the optimiser has none of the model's parameters (it was made before the model
/// was moved).
#[track_caller]
pub fn fit(model: &dyn Module, train: &dyn Source, validation: &dyn Source, mut options: Fit) -> History {
    let device = device_of(model);
    let loader = train.loader(options.batch, Some(options.seed)).unwrap_or_else(|| panic!("fit: there are no training data")).device(&device);
    assert!(!loader.is_empty(), "fit: the training data give no batch ({} samples)", loader.data().len());
    let validation = validation.loader(options.batch, None).map(|v| v.plain()).filter(|v| !v.is_empty());
    let mut own;
    let optimizer: &mut dyn Optimizer = match options.optimizer.take() {
        Some(given) => given,
        None => {
            own = AdamW::new(Parameters::from(model), options.rate);
            &mut own
        }
    };
    let base = optimizer.rate();
    let parameters: Vec<Tensor> = optimizer.parameters().into_iter().map(|(_, p)| p).collect();
    belongs(&parameters, model);
    options.loss = options.loss.decided(loader.data().dtype_of_targets());
    if !options.quiet && parameters.iter().all(|p| p.dtype() == DType::F32) && loader.data().dtype_of_inputs() == DType::F64 {
        say("fit: the inputs are f64 and the parameters f32, so that all is computed in f64, which is slower: `.to_f32()` makes the inputs f32");
    }
    let history = History { epochs: Vec::new(), end: End::Finished, steps: 0, seconds: 0.0, restored: None, wanted: options.epochs, device };
    let mut run = Run { model, loader, validation, optimizer, parameters, base, options, history, begun: Instant::now(), best: None, worse: 0, #[cfg(feature = "cells")] id: next_id(), partial: None };
    let ended = catch_unwind(AssertUnwindSafe(|| run.all()));
    run.optimizer.set_rate(base);
    run.optimizer.zero_grad();
    model.set_training(false);
    if let Err(panic) = ended {
        if !interrupt::interrupted() {
            resume_unwind(panic);
        }
        run.interrupted();
    }
    run.end()
}

/// An optimiser learns what it was given: of a model that was moved afterwards that is nothing.
#[track_caller]
fn belongs(parameters: &[Tensor], model: &dyn Module) {
    let own = model.parameters();
    assert!(!(parameters.is_empty() && own.is_empty()), "fit: the model has no parameters; a type of its own lists what it is made of in `children` (or `slots`)");
    // A model that lists none may use an optimiser's all the same.
    let known = own.is_empty() || own.iter().any(|(_, p)| parameters.iter().any(|q| q.same(p)));
    assert!(known, "fit: the optimiser has none of the model's parameters, so nothing would be learnt: make it after `.to_device(…)` and `.to_dtype(…)`, of the same model");
}

/// Names the place where this training's table is shown.
#[cfg(feature = "cells")]
fn next_id() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A training under way.
struct Run<'a, 'b> {
    model: &'a dyn Module,
    loader: Loader,
    validation: Option<Loader>,
    optimizer: &'a mut dyn Optimizer,
    /// What the optimiser changes.
    parameters: Vec<Tensor>,
    /// The rate that the schedule is a factor of.
    base: f64,
    options: Fit<'b>,
    history: History,
    begun: Instant,
    /// The best epoch so far: what it was judged by, its number, the model's state.
    best: Option<(f64, usize, State)>,
    /// Epochs since.
    worse: usize,
    #[cfg(feature = "cells")]
    id: u64,
    /// The epoch that goes on: its number, what was measured when, its beginning.
    partial: Option<(usize, Meter, Instant)>,
}

impl Run<'_, '_> {
    fn all(&mut self) {
        let batches = self.loader.len();
        let group = self.options.accumulate.max(1);
        let (per_epoch, epochs) = (batches.div_ceil(group) as u64, self.options.epochs as u64);
        let left = self.options.epochs.saturating_sub(self.options.start) * batches;
        let mut bar = Steps::new("training", left as u64, self.options.quiet);
        let metrics = Metrics::new(self.options.log);
        metrics.params(&[("epochs", epochs.to_string()), ("learning rate", self.base.to_string()), ("parameters", self.model.parameter_count().to_string())]);
        self.history.steps = self.options.start as u64 * per_epoch;
        for epoch in self.options.start..self.options.epochs {
            self.partial = Some((epoch + 1, Meter::default(), Instant::now()));
            self.model.set_training(true);
            let mut looked = Instant::now();
            for (number, (x, y)) in self.loader.pass(epoch).enumerate() {
                let first = number / group * group;
                let size = group.min(batches - first);
                let factor = self.options.schedule.factor(self.history.steps, epochs * per_epoch, per_epoch);
                self.optimizer.set_rate(self.base * factor);
                self.learn(&x, &y, size, number + 1 == first + size);
                if looked.elapsed() >= LOOK {
                    looked = Instant::now();
                    if !self.look(&metrics) {
                        return;
                    }
                }
                bar.advance();
            }
            if !self.close(&metrics) {
                return;
            }
        }
    }

    /// One batch; with `step`, the last one of `size` whose gradients make a step.
    fn learn(&mut self, x: &Tensor, y: &Tensor, size: usize, step: bool) {
        let output = match self.options.precision {
            short @ (DType::F16 | DType::BF16) => autocast(short, || self.model.forward(x)),
            _ => self.model.forward(x),
        };
        let loss = self.options.loss.of(&output, y);
        if size > 1 { (&loss / size as f64).backward() } else { loss.backward() }
        if let Some((_, meter, _)) = &mut self.partial {
            meter.add(&loss, &self.options.loss, &output, y);
        }
        drop((output, loss));
        if !step {
            return;
        }
        if let Some(most) = self.options.clip {
            ochre_tensors::clip_grad_norm(&self.parameters.iter().collect::<Vec<_>>(), most);
        }
        if let Err(error) = self.optimizer.try_step() {
            error.fail("fit");
        }
        self.parameters.iter().for_each(Tensor::zero_grad);
        self.history.steps += 1;
    }

    /// Looks at the loss within an epoch; false when it is no number any more.
    fn look(&mut self, metrics: &Metrics) -> bool {
        let Some((_, meter, _)) = &self.partial else { return true };
        let loss = meter.loss();
        let mut points = vec![("loss", loss), ("learning_rate", self.optimizer.rate())];
        points.extend(meter.accuracy().map(|a| ("accuracy", a)));
        metrics.log(&points, self.history.steps);
        if !loss.is_finite() {
            self.note(false);
            self.history.end = End::Diverged;
        }
        loss.is_finite()
    }

    /// Writes the row of the epoch that goes on.
    fn note(&mut self, complete: bool) -> Option<Epoch> {
        let (number, meter, begun) = self.partial.take()?;
        let rate = self.optimizer.rate();
        let epoch = Epoch { number, loss: meter.loss(), accuracy: meter.accuracy(), validation_loss: None, validation_accuracy: None, rate, seconds: begun.elapsed().as_secs_f64(), complete };
        self.history.epochs.push(epoch.clone());
        Some(epoch)
    }

    /// Ends an epoch; false when it was the last.
    fn close(&mut self, metrics: &Metrics) -> bool {
        let Some(mut epoch) = self.note(true) else { return false };
        let mut points = vec![("loss", epoch.loss), ("learning_rate", epoch.rate), ("epoch", epoch.number as f64)];
        points.extend(epoch.accuracy.map(|a| ("accuracy", a)));
        if !epoch.loss.is_finite() {
            self.history.end = End::Diverged;
            return false;
        }
        if let Some(data) = &self.validation {
            let judged = judge(self.model, data, &self.options.loss);
            (epoch.validation_loss, epoch.validation_accuracy) = (Some(judged.loss), judged.accuracy);
            points.push(("validation_loss", judged.loss));
            points.extend(judged.accuracy.map(|a| ("validation_accuracy", a)));
        }
        metrics.log(&points, self.history.steps);
        if let Some(last) = self.history.epochs.last_mut() {
            *last = epoch.clone();
        }
        self.history.seconds = self.begun.elapsed().as_secs_f64();
        #[cfg(feature = "cells")]
        if !self.options.quiet {
            crate::cells::live(self.id, &self.history);
        }
        self.judge(&epoch) && self.asked(&epoch)
    }

    /// Keeps the best state; false when patience has ended.
    fn judge(&mut self, epoch: &Epoch) -> bool {
        if self.options.patience.is_none() && !self.options.keep_best {
            return true;
        }
        if self.best.as_ref().is_none_or(|(least, ..)| epoch.judged() < *least) {
            self.best = Some((epoch.judged(), epoch.number, self.model.state()));
            self.worse = 0;
            return true;
        }
        self.worse += 1;
        let patient = self.options.patience.is_none_or(|p| self.worse < p.max(1));
        if !patient {
            self.history.end = End::Patience;
        }
        patient
    }

    fn asked(&mut self, epoch: &Epoch) -> bool {
        let go_on = self.options.on_epoch.as_mut().is_none_or(|ask| ask(epoch));
        if !go_on {
            self.history.end = End::Asked;
        }
        go_on
    }

    /// An interrupt came: the numbers of the epoch that went on are on the device, and reading them may be refused.
    fn interrupted(&mut self) {
        self.history.end = End::Interrupted;
        if catch_unwind(AssertUnwindSafe(|| self.note(false))).is_err() {
            let number = self.history.epochs.last().map_or(self.options.start, |e| e.number) + 1;
            let unknown = Epoch { number, loss: f64::NAN, accuracy: None, validation_loss: None, validation_accuracy: None, rate: self.base, seconds: 0.0, complete: false };
            self.history.epochs.push(unknown);
        }
    }

    fn end(mut self) -> History {
        let better = |(_, number, _): &(f64, usize, State)| self.history.epochs.last().is_some_and(|last| last.number != *number);
        // After an interrupt nothing is put back: operations would be refused, and the newest state is what was asked to be kept.
        if self.history.end != End::Interrupted
            && let Some((_, number, state)) = self.best.take_if(|best| better(best))
        {
            if let Err(error) = self.model.load_state(&state) {
                say(&format!("fit: the best epoch could not be put back: {error}"));
            } else {
                self.history.restored = Some(number);
            }
        }
        self.history.seconds = self.begun.elapsed().as_secs_f64();
        if matches!(self.history.end, End::Interrupted | End::Diverged) {
            say(&format!("fit: {}", self.history.note()));
        }
        self.history
    }
}
