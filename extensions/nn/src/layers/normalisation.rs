//! Normalising layers: by the batch with running statistics, by the sample, by groups of channels.
use super::precision::exact;
use super::python;
use crate::module::Module;
use crate::slot::Slot;
use ochre_tensors::backend::Sgd;
use ochre_tensors::{DType, Tensor, TensorError, backend, interrupt};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// PyTorch's default.
const EPSILON: f64 = 1e-5;
/// How much of a running average the newest batch makes up; PyTorch's default.
const MOMENTUM: f64 = 0.1;

/// What batch norms over any number of dimensions do.
struct BatchNorm {
    weight: Slot,
    bias: Slot,
    running_mean: Slot,
    running_var: Slot,
    batches: Slot,
    /// Batches that `batches` does not count yet.
    uncounted: AtomicU64,
    channels: usize,
    epsilon: f64,
    momentum: f64,
    training: AtomicBool,
}

impl BatchNorm {
    fn new(channels: usize) -> Self {
        Self {
            weight: Slot::parameter(&Tensor::ones(&[channels])),
            bias: Slot::parameter(&Tensor::zeros(&[channels])),
            running_mean: Slot::buffer(&Tensor::zeros(&[channels])),
            running_var: Slot::buffer(&Tensor::ones(&[channels])),
            batches: Slot::buffer(&Tensor::zeros(&[]).to_dtype(DType::I64)),
            uncounted: AtomicU64::new(0),
            channels,
            epsilon: EPSILON,
            momentum: MOMENTUM,
            training: AtomicBool::new(true),
        }
    }

    #[track_caller]
    fn forward(&self, layer: &'static str, ranks: &[usize], input: &Tensor) -> Tensor {
        if !ranks.contains(&input.rank()) || input.shape()[1] != self.channels {
            let forms: Vec<&str> = ranks.iter().map(|r| ["[N, C]", "[N, C, L]", "[N, C, H, W]"][r - 2]).collect();
            let problem = format!("the input's shape is {:?}; it has to be {} with C = {}", input.shape(), forms.join(" or "), self.channels);
            interrupt::fail(&TensorError::Shape { operation: layer, problem });
        }
        let (weight, bias) = (self.weight.get(), self.bias.get());
        if self.training.load(Ordering::Relaxed) {
            let (output, mean, variance) = input.batch_norm_with_statistics(Some(&weight), Some(&bias), self.epsilon);
            self.note(input.len() / self.channels.max(1), &mean, &variance);
            return output;
        }
        input.batch_norm(Some(&weight), Some(&bias), Some((&self.running_mean.get(), &self.running_var.get())), self.epsilon)
    }

    /// Running averages, of the variance without bias; `count` values of each channel were seen.
    #[track_caller]
    fn note(&self, count: usize, mean: &Tensor, variance: &Tensor) {
        let unbiased = count as f64 / (count as f64 - 1.0).max(1.0);
        for (slot, newest, scale) in [(&self.running_mean, mean, 1.0), (&self.running_var, variance, unbiased)] {
            average(&slot.get(), newest, scale, self.momentum).unwrap_or_else(|error| interrupt::fail(&error));
        }
        self.uncounted.fetch_add(1, Ordering::Relaxed);
    }

    fn slots(&self) -> Vec<(&'static str, &Slot)> {
        // Counted here and not in each step, where it would be a kernel of its own on a GPU.
        let new = self.uncounted.swap(0, Ordering::Relaxed);
        if new > 0 {
            let batches = self.batches.get();
            batches.assign(&(&batches + new as i64));
        }
        vec![("weight", &self.weight), ("bias", &self.bias), ("running_mean", &self.running_mean), ("running_var", &self.running_var), ("num_batches_tracked", &self.batches)]
    }

    fn describe(&self, layer: &str) -> String {
        format!("{layer}({}, eps={}, momentum={}, affine=True, track_running_stats=True)", self.channels, python_float(self.epsilon), self.momentum)
    }
}

/// `running = (1 - share) running + share scale newest`, in place. It is a step of gradient descent with the gradient `newest`, the rate
/// `-share scale` and the decay `-1 / scale`: so it is one pass over memory, and one kernel on a GPU.
fn average(running: &Tensor, newest: &Tensor, scale: f64, share: f64) -> Result<(), TensorError> {
    let step = Sgd { rate: -share * scale, momentum: 0.0, decay: -1.0 / scale, nesterov: false, first: true };
    let (device, newest) = (backend(running.device())?, newest.raw());
    running.update(&mut |running| device.sgd(running, &newest, None, step))
}

/// As Python writes small numbers: `1e-05`.
fn python_float(value: f64) -> String {
    let text = format!("{value:e}");
    match text.split_once("e-") {
        Some((digits, power)) if power.len() == 1 => format!("{digits}e-0{power}"),
        _ => text,
    }
}

macro_rules! batch_norms {
    ($($(#[$doc:meta])* $name:ident, $ranks:expr;)*) => {
        $($(#[$doc])*
        pub struct $name(BatchNorm);

        impl $name {
            /// Of `channels`, with learnt scale and shift.
            pub fn new(channels: usize) -> Self {
                Self(BatchNorm::new(channels))
            }

            /// What is added to the variance (1e-5).
            pub fn epsilon(mut self, epsilon: f64) -> Self {
                self.0.epsilon = epsilon;
                self
            }

            /// How much of the running averages the newest batch makes up (0.1).
            pub fn momentum(mut self, momentum: f64) -> Self {
                self.0.momentum = momentum;
                self
            }
        }

        impl $name {
            /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
            #[track_caller]
            pub fn forward(&self, input: &Tensor) -> Tensor {
                let output = self.0.forward(stringify!($name), $ranks, input);
                super::traced(self, &output);
                output
            }
        }

        impl Module for $name {
            fn forward(&self, input: &Tensor) -> Tensor {
                Self::forward(self, input)
            }

            fn slots(&self) -> Vec<(&'static str, &Slot)> {
                self.0.slots()
            }

            fn mode(&self, training: bool) {
                self.0.training.store(training, Ordering::Relaxed);
            }

            fn training(&self) -> Option<bool> {
                Some(self.0.training.load(Ordering::Relaxed))
            }

            fn describe(&self) -> String {
                self.0.describe(stringify!($name))
            }
        })*
    };
}

batch_norms! {
    /// Each feature of `[N, C]` (or `[N, C, L]`) by the batch's mean and variance in training, by their running averages otherwise.
    BatchNorm1d, &[2, 3];
    /// Each channel of pictures `[N, C, H, W]` by the batch's mean and variance in training, by their running averages otherwise.
    BatchNorm2d, &[4];
}

/// The last dimensions of each sample by their own mean and variance, with learnt scale and shift.
pub struct LayerNorm {
    weight: Slot,
    bias: Slot,
    sizes: Vec<usize>,
    epsilon: f64,
}

impl LayerNorm {
    /// Over the last dimensions, of these sizes: `LayerNorm::new(&[512])`.
    pub fn new(sizes: &[usize]) -> Self {
        Self { weight: Slot::parameter(&Tensor::ones(sizes)), bias: Slot::parameter(&Tensor::zeros(sizes)), sizes: sizes.to_vec(), epsilon: EPSILON }
    }

    /// What is added to the variance (1e-5).
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }
}

impl LayerNorm {
    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        let output = exact(input).layer_norm(&self.sizes, Some(&self.weight.get()), Some(&self.bias.get()), self.epsilon).to_dtype(input.dtype());
        super::traced(self, &output);
        output
    }
}

impl Module for LayerNorm {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn slots(&self) -> Vec<(&'static str, &Slot)> {
        vec![("weight", &self.weight), ("bias", &self.bias)]
    }

    fn describe(&self) -> String {
        let sizes: Vec<String> = self.sizes.iter().map(ToString::to_string).collect();
        let sizes = if sizes.len() == 1 { format!("{},", sizes[0]) } else { sizes.join(", ") };
        format!("LayerNorm(({sizes}), eps={}, elementwise_affine={})", python_float(self.epsilon), python(true))
    }
}

/// Groups of channels of each sample by their own mean and variance, with learnt scale and shift per channel.
pub struct GroupNorm {
    weight: Slot,
    bias: Slot,
    groups: usize,
    epsilon: f64,
}

impl GroupNorm {
    /// `channels` cut into `groups`.
    ///
    /// # Panics
    /// They cannot be cut so.
    #[track_caller]
    pub fn new(groups: usize, channels: usize) -> Self {
        assert!(groups > 0 && channels % groups == 0, "GroupNorm: {channels} channels cannot be cut into {groups} groups");
        Self { weight: Slot::parameter(&Tensor::ones(&[channels])), bias: Slot::parameter(&Tensor::zeros(&[channels])), groups, epsilon: EPSILON }
    }
}

impl GroupNorm {
    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        let output = exact(input).group_norm(self.groups, Some(&self.weight.get()), Some(&self.bias.get()), self.epsilon).to_dtype(input.dtype());
        super::traced(self, &output);
        output
    }
}

impl Module for GroupNorm {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn slots(&self) -> Vec<(&'static str, &Slot)> {
        vec![("weight", &self.weight), ("bias", &self.bias)]
    }

    fn describe(&self) -> String {
        format!("GroupNorm({}, {}, eps={}, affine=True)", self.groups, self.weight.get().len(), python_float(self.epsilon))
    }
}

/// The last dimensions of each sample by their root mean square, with a learnt scale.
pub struct RmsNorm {
    weight: Slot,
    sizes: Vec<usize>,
    epsilon: f64,
}

impl RmsNorm {
    /// Over the last dimensions, of these sizes: `RmsNorm::new(&[512])`.
    pub fn new(sizes: &[usize]) -> Self {
        // PyTorch's default is the type's own.
        Self { weight: Slot::parameter(&Tensor::ones(sizes)), sizes: sizes.to_vec(), epsilon: f64::from(f32::EPSILON) }
    }

    /// What is added to the mean of the squares (1.2e-7).
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        let output = exact(input).rms_norm(&self.sizes, Some(&self.weight.get()), self.epsilon).to_dtype(input.dtype());
        super::traced(self, &output);
        output
    }
}

impl Module for RmsNorm {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn slots(&self) -> Vec<(&'static str, &Slot)> {
        vec![("weight", &self.weight)]
    }

    fn describe(&self) -> String {
        format!("RMSNorm({:?}, eps={})", self.sizes, python_float(self.epsilon))
    }
}
