//! Layers without parameters: activations, dropout, changes of shape.
use super::{Pair, pair};
use crate::module::Module;
use crate::slot::Slot;
use ochre_tensors::{Scaling, Tensor};
use std::sync::atomic::{AtomicBool, Ordering};

macro_rules! activations {
    ($($(#[$doc:meta])* $name:ident, $text:literal, $x:ident => $body:expr;)*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        impl $name {
            /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
            #[track_caller]
            pub fn forward(&self, $x: &Tensor) -> Tensor {
                $body
            }
        }

        impl Module for $name {
            fn forward(&self, input: &Tensor) -> Tensor {
                Self::forward(self, input)
            }

            fn describe(&self) -> String {
                $text.to_owned()
            }
        })*
    };
}

activations! {
    /// max(x, 0)
    Relu, "ReLU()", x => x.relu();
    /// x Φ(x), with the error function.
    Gelu, "GELU()", x => x.gelu();
    /// x sigmoid(x)
    Silu, "SiLU()", x => x.silu();
    /// Hyperbolic tangent.
    Tanh, "Tanh()", x => x.tanh();
    /// 1 / (1 + exp(-x))
    Sigmoid, "Sigmoid()", x => x.sigmoid();
    /// ln(1 + e^x)
    Softplus, "Softplus(beta=1.0, threshold=20.0)", x => x.softplus();
    /// Gives what it gets.
    Identity, "Identity()", x => x.clone();
}

/// x where it is above 0, else a fraction of it.
#[derive(Clone, Copy, Debug)]
pub struct LeakyRelu(pub f64);

impl LeakyRelu {
    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        input.leaky_relu(self.0)
    }
}

impl Module for LeakyRelu {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn describe(&self) -> String {
        format!("LeakyReLU(negative_slope={})", self.0)
    }
}

/// x where it is above 0, else `alpha (e^x - 1)`.
#[derive(Clone, Copy, Debug)]
pub struct Elu(pub f64);

impl Elu {
    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        input.elu(self.0)
    }
}

impl Module for Elu {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn describe(&self) -> String {
        format!("ELU(alpha={})", self.0)
    }
}

/// x where it is above 0, else a learnt fraction of it: one for all, or one for each channel (dimension 1).
pub struct PRelu {
    weight: Slot,
}

impl PRelu {
    /// With this many fractions, 1 or as many as there are channels; they begin as 0.25.
    pub fn new(channels: usize) -> Self {
        Self { weight: Slot::parameter(&Tensor::full(&[channels], 0.25)) }
    }

    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        let weight = self.weight.get();
        let mut shape = vec![1; input.rank().max(1)];
        shape[usize::from(input.rank() > 1)] = weight.len() as i64;
        let output = input.relu() + (input - &input.relu()) * weight.reshape(&shape);
        super::traced(self, &output);
        output
    }
}

impl Module for PRelu {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn slots(&self) -> Vec<(&'static str, &Slot)> {
        vec![("weight", &self.weight)]
    }

    fn describe(&self) -> String {
        format!("PReLU(num_parameters={})", self.weight.get().len())
    }
}

/// Pictures `[N, C, H, W]` of another size: by a whole factor, or to given rows and columns; by the nearest element unless said otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Upsample {
    factor: usize,
    size: Option<[usize; 2]>,
    scaling: Scaling,
}

impl Upsample {
    /// So many times as high and wide.
    pub fn new(factor: usize) -> Self {
        Self { factor, size: None, scaling: Scaling::Nearest }
    }

    /// To this many rows and columns.
    pub fn to(size: impl Into<Pair>) -> Self {
        Self { factor: 1, size: Some(size.into().0), scaling: Scaling::Nearest }
    }

    /// Between the four elements around; with `align_corners` the corners keep their values.
    pub fn bilinear(mut self, align_corners: bool) -> Self {
        self.scaling = Scaling::Bilinear { align_corners };
        self
    }

    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        let last = |back: usize| input.rank().checked_sub(back).map_or(0, |d| input.shape()[d]);
        input.interpolate(self.size.unwrap_or([last(2) * self.factor, last(1) * self.factor]), self.scaling)
    }
}

impl Module for Upsample {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn describe(&self) -> String {
        let how = self.size.map_or_else(|| format!("scale_factor={}.0", self.factor), |size| format!("size={}", pair(size)));
        format!("Upsample({how}, mode='{}')", if self.scaling == Scaling::Nearest { "nearest" } else { "bilinear" })
    }
}

/// Probabilities along a dimension: `nn::Softmax(-1)`. Losses take logits: a network that is trained with cross-entropy ends without it.
#[derive(Clone, Copy, Debug)]
pub struct Softmax(pub i64);

impl Softmax {
    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        input.softmax(self.0)
    }
}

impl Module for Softmax {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn describe(&self) -> String {
        format!("Softmax(dim={})", self.0)
    }
}

/// The logarithm of [`Softmax`].
#[derive(Clone, Copy, Debug)]
pub struct LogSoftmax(pub i64);

impl LogSoftmax {
    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        input.log_softmax(self.0)
    }
}

impl Module for LogSoftmax {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn describe(&self) -> String {
        format!("LogSoftmax(dim={})", self.0)
    }
}

/// All dimensions after the first as one: `[N, C, H, W]` to `[N, C * H * W]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flatten;

impl Flatten {
    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        if input.rank() < 2 { input.unsqueeze(-1) } else { input.flatten(1, -1) }
    }
}

impl Module for Flatten {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn describe(&self) -> String {
        "Flatten(start_dim=1, end_dim=-1)".to_owned()
    }
}

/// The dimensions after the first as these: `nn::Unflatten(vec![8, 4, 4])` turns `[N, 128]` into `[N, 8, 4, 4]`.
#[derive(Clone, Debug)]
pub struct Unflatten(pub Vec<usize>);

impl Unflatten {
    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        let shape: Vec<i64> = std::iter::once(input.dim(0)).chain(self.0.iter().copied()).map(|n| n as i64).collect();
        input.reshape(&shape)
    }
}

impl Module for Unflatten {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn describe(&self) -> String {
        format!("Unflatten({:?})", self.0)
    }
}

macro_rules! dropouts {
    ($($(#[$doc:meta])* $name:ident, $apply:ident;)*) => {
        $($(#[$doc])*
        pub struct $name {
            probability: f64,
            training: AtomicBool,
        }

        impl $name {
            /// # Panics
            /// The probability is not within 0 and 1.
            #[track_caller]
            pub fn new(probability: f64) -> Self {
                assert!((0.0..=1.0).contains(&probability), concat!(stringify!($name), ": the probability {} is not within 0 and 1"), probability);
                Self { probability, training: AtomicBool::new(true) }
            }

            /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
            #[track_caller]
            pub fn forward(&self, input: &Tensor) -> Tensor {
                input.$apply(self.probability, self.training.load(Ordering::Relaxed))
            }
        }

        impl Module for $name {
            fn forward(&self, input: &Tensor) -> Tensor {
                Self::forward(self, input)
            }

            fn mode(&self, training: bool) {
                self.training.store(training, Ordering::Relaxed);
            }

            fn training(&self) -> Option<bool> {
                Some(self.training.load(Ordering::Relaxed))
            }

            fn describe(&self) -> String {
                format!(concat!(stringify!($name), "(p={})"), self.probability)
            }
        })*
    };
}

dropouts! {
    /// In training, sets elements to 0 with a probability and scales the others so that the mean stays; otherwise nothing.
    Dropout, dropout;
    /// As [`Dropout`], whole channels of pictures `[N, C, H, W]` at once.
    Dropout2d, dropout2d;
}
