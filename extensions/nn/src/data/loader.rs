//! Batches of a data set: in an order that a seed decides, made ahead on a thread of their own.
use super::dataset::{Dataset, index};
use super::transform::{Recipe, Transform};
use crate::error::{NnError, Result};
use crate::random::Random;
use ochre_tensors::{DType, Device, Tensor, interrupt, no_grad};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

/// Batches that are made ahead: one is being used, two wait.
const AHEAD: usize = 2;
/// Samples in a batch unless said otherwise.
const BATCH: usize = 64;

/// Makes batches of a data set: `Loader::new(&train).batch(128).shuffle(42).random_flip().random_crop(4)`.
///
/// `for (x, y) in &loader` is one pass; each pass has another order. Cheap to clone; clones count their own passes.
pub struct Loader {
    plan: Arc<Plan>,
    passes: AtomicUsize,
}

#[derive(Clone)]
struct Plan {
    data: Dataset,
    batch: usize,
    shuffle: Option<u64>,
    drop_last: bool,
    background: bool,
    transforms: Vec<Transform>,
    device: Option<Device>,
}

impl Clone for Loader {
    fn clone(&self) -> Self {
        Self { plan: self.plan.clone(), passes: AtomicUsize::new(0) }
    }
}

impl Loader {
    /// In the data set's order, 64 samples a batch, the last one with what is left.
    pub fn new(data: &Dataset) -> Self {
        let plan = Plan { data: data.clone(), batch: BATCH, shuffle: None, drop_last: false, background: true, transforms: Vec::new(), device: None };
        Self { plan: Arc::new(plan), passes: AtomicUsize::new(0) }
    }

    fn with(mut self, change: impl FnOnce(&mut Plan)) -> Self {
        change(Arc::make_mut(&mut self.plan));
        self
    }

    /// Samples in a batch.
    ///
    /// # Panics
    /// It is 0.
    #[track_caller]
    pub fn batch(self, size: usize) -> Self {
        assert!(size > 0, "Loader: a batch has at least one sample");
        self.with(|p| p.batch = size)
    }

    /// In an order that the seed and the number of the pass decide. It also decides what random changes do.
    pub fn shuffle(self, seed: u64) -> Self {
        self.with(|p| p.shuffle = Some(seed))
    }

    /// Leaves out a last batch that is not full.
    pub fn drop_last(self, drop: bool) -> Self {
        self.with(|p| p.drop_last = drop)
    }

    /// Whether batches are made on a thread of their own (they are, unless said otherwise).
    pub fn background(self, background: bool) -> Self {
        self.with(|p| p.background = background)
    }

    /// Gives batches on a device.
    pub fn device(self, device: &Device) -> Self {
        self.with(|p| p.device = Some(*device))
    }

    /// One more change to the inputs; in which order they are made, [`Transform`] says.
    ///
    /// # Panics
    /// It is a second one of its kind, but for `Map`.
    #[track_caller]
    pub fn transform(self, transform: Transform) -> Self {
        let name = transform.name();
        let second = self.plan.transforms.iter().any(|t| t.name() == name && !matches!(t, Transform::Map(_)));
        assert!(!second, "Loader: `{name}` was said before: a loader takes one of each kind");
        self.with(|p| p.transforms.push(transform))
    }

    /// Half of the pictures are mirrored, each time others.
    #[track_caller]
    pub fn random_flip(self) -> Self {
        self.transform(Transform::Flip { probability: 0.5 })
    }

    /// Pictures are moved by up to `padding` pixels; zeros come in.
    #[track_caller]
    pub fn random_crop(self, padding: usize) -> Self {
        self.transform(Transform::Crop { padding })
    }

    /// `(x - mean) / std` for each channel.
    #[track_caller]
    pub fn normalize(self, mean: &[f32], std: &[f32]) -> Self {
        self.transform(Transform::Normalize { mean: mean.to_vec(), std: std.to_vec() })
    }

    /// The inputs of each batch go through a function, last: `.map(|x| x.log1p())`. Also where data are judged.
    pub fn map(self, change: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static) -> Self {
        self.transform(Transform::Map(Arc::new(change)))
    }

    /// The same data as they are judged: in their order, all of them, without random changes.
    pub(crate) fn plain(&self) -> Self {
        self.clone().with(|p| {
            (p.shuffle, p.drop_last) = (None, false);
            p.transforms.retain(|t| matches!(t, Transform::Normalize { .. } | Transform::Map(_)));
        })
    }

    /// The data set.
    pub fn data(&self) -> &Dataset {
        &self.plan.data
    }

    /// Number of batches in a pass.
    pub fn len(&self) -> usize {
        let n = self.plan.data.len();
        if self.plan.drop_last { n / self.plan.batch } else { n.div_ceil(self.plan.batch) }
    }

    /// Whether a pass has no batches.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pass number `pass` (from 0): always the same batches for the same seed and number.
    pub fn pass(&self, pass: usize) -> Batches {
        Batches::begin(self.plan.clone(), pass, self.len())
    }

    /// The next pass.
    pub fn iter(&self) -> Batches {
        self.pass(self.passes.fetch_add(1, Ordering::Relaxed))
    }
}

impl IntoIterator for &Loader {
    type Item = (Tensor, Tensor);
    type IntoIter = Batches;
    fn into_iter(self) -> Batches {
        self.iter()
    }
}

/// What `fit` and `evaluate` take: a loader, or a data set (which is then loaded in batches), or `()` for nothing.
pub trait Source {
    /// A loader of it; a data set's has `batch` samples and, for `training`, an order by the seed.
    fn loader(&self, batch: usize, training: Option<u64>) -> Option<Loader>;
}

impl Source for Loader {
    fn loader(&self, _batch: usize, _training: Option<u64>) -> Option<Loader> {
        Some(self.clone())
    }
}

impl Source for Dataset {
    fn loader(&self, batch: usize, training: Option<u64>) -> Option<Loader> {
        let loader = Loader::new(self).batch(batch.max(1));
        Some(match training {
            Some(seed) => loader.shuffle(seed),
            None => loader,
        })
    }
}

impl Source for () {
    fn loader(&self, _batch: usize, _training: Option<u64>) -> Option<Loader> {
        None
    }
}

impl<S: Source + ?Sized> Source for &S {
    fn loader(&self, batch: usize, training: Option<u64>) -> Option<Loader> {
        (**self).loader(batch, training)
    }
}

impl<S: Source> Source for Option<S> {
    fn loader(&self, batch: usize, training: Option<u64>) -> Option<Loader> {
        self.as_ref().and_then(|s| s.loader(batch, training))
    }
}

impl Plan {
    /// Which samples come when in a pass.
    fn order(&self, pass: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.data.len()).collect();
        if let Some(seed) = self.shuffle {
            Random::for_purpose(seed, pass as u64).shuffle(&mut order);
        }
        order
    }

    /// One batch, on the device where the data are.
    fn batch(&self, recipe: &Recipe, rows: &[usize], random: &Random) -> Result<(Tensor, Tensor)> {
        // Here it is an error that goes to who waits; within an operation it would be a panic of the thread.
        interrupt::check("Loader")?;
        no_grad(|| {
            let (inputs, targets) = self.data.stored();
            let pictures = inputs.rank() == 4 && inputs.dtype() == DType::U8;
            let targets = targets.index_select(0, &index(rows, &targets.device()));
            if inputs.device() == Device::Cpu && (pictures || !recipe.is_empty()) {
                return Ok((recipe.mapped(recipe.batch(inputs, rows, random)?)?, targets));
            }
            let mut batch = inputs.index_select(0, &index(rows, &inputs.device()));
            if pictures {
                batch = batch.to_dtype(DType::F32) / 255.0;
            }
            Ok((recipe.mapped(recipe.on_device(&batch, random)?)?, targets))
        })
    }
}

/// One pass over a data set: an iterator of inputs and targets.
pub struct Batches {
    from: Maker,
    device: Option<Device>,
    left: usize,
}

/// Who makes the batches.
enum Maker {
    Thread(Option<Receiver<Result<(Tensor, Tensor)>>>, Option<JoinHandle<()>>),
    Here(Box<dyn FnMut(usize) -> Result<(Tensor, Tensor)> + Send>, usize),
}

impl Batches {
    fn begin(plan: Arc<Plan>, pass: usize, count: usize) -> Self {
        let device = plan.device;
        // Kernels of a device run in one stream: they gain nothing from a second thread.
        let background = plan.background && plan.data.stored().0.device() == Device::Cpu && count > 1;
        let order = plan.order(pass);
        let recipe = Recipe::of(&plan.transforms);
        let mut random = Random::for_purpose(plan.shuffle.unwrap_or(0), !(pass as u64));
        let seeds: Vec<u64> = (0..count).map(|_| random.next()).collect();
        let make = move |number: usize| {
            let samples = &order[number * plan.batch..((number + 1) * plan.batch).min(order.len())];
            let rows: Vec<usize> = samples.iter().map(|&i| plan.data.row(i)).collect();
            plan.batch(&recipe, &rows, &Random::new(seeds[number]))
        };
        let from = if background { thread(make, count) } else { Maker::Here(Box::new(make), 0) };
        Self { from, device, left: count }
    }

    fn take(&mut self) -> Result<(Tensor, Tensor)> {
        match &mut self.from {
            Maker::Here(make, number) => {
                *number += 1;
                make(*number - 1)
            }
            Maker::Thread(receiver, handle) => match receiver.as_ref().and_then(|r| r.recv().ok()) {
                Some(batch) => batch,
                None => {
                    // Its panic is the caller's: it was the caller's data.
                    if let Some(Err(panic)) = handle.take().map(JoinHandle::join) {
                        std::panic::resume_unwind(panic);
                    }
                    Err(NnError::Data("the thread that makes batches ended too early".to_owned()))
                }
            },
        }
    }

    /// The next batch; an error ends the pass.
    pub fn try_next(&mut self) -> Option<Result<(Tensor, Tensor)>> {
        self.left = self.left.checked_sub(1)?;
        let batch = self.take().map(|(x, y)| match self.device {
            Some(device) => (x.to_device(&device), y.to_device(&device)),
            None => (x, y),
        });
        if batch.is_err() {
            self.left = 0;
        }
        Some(batch)
    }
}

fn thread(mut make: impl FnMut(usize) -> Result<(Tensor, Tensor)> + Send + 'static, count: usize) -> Maker {
    let (sender, receiver) = sync_channel(AHEAD);
    let work = move || {
        for number in 0..count {
            let batch = make(number);
            let failed = batch.is_err();
            // Nobody waits any more: the pass was left early.
            if sender.send(batch).is_err() || failed {
                return;
            }
        }
    };
    match std::thread::Builder::new().name("ochre-loader".into()).spawn(work) {
        Ok(handle) => Maker::Thread(Some(receiver), Some(handle)),
        Err(error) => Maker::Here(Box::new(move |_| Err(NnError::Data(format!("no thread could be started for the batches: {error}; say `.background(false)`")))), 0),
    }
}

impl Iterator for Batches {
    type Item = (Tensor, Tensor);

    fn next(&mut self) -> Option<Self::Item> {
        match self.try_next()? {
            Ok(batch) => Some(batch),
            Err(error) => error.fail("Loader"),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Batches {}

impl Drop for Batches {
    fn drop(&mut self) {
        if let Maker::Thread(receiver, handle) = &mut self.from {
            drop(receiver.take());
            if let Some(handle) = handle.take() {
                // It ends with the batch that it is at; its panic concerns nobody who left.
                let _ = handle.join();
            }
        }
    }
}
