//! Layers without parameters: activations, dropout, changes of shape.
use crate::module::Module;
use ochre_tensors::Tensor;
use std::sync::atomic::{AtomicBool, Ordering};

macro_rules! activations {
    ($($(#[$doc:meta])* $name:ident, $text:literal, $x:ident => $body:expr;)*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        impl Module for $name {
            fn forward(&self, $x: &Tensor) -> Tensor {
                $body
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
    /// Gives what it gets.
    Identity, "Identity()", x => x.clone();
}

/// x where it is above 0, else a fraction of it.
#[derive(Clone, Copy, Debug)]
pub struct LeakyRelu(pub f64);

impl Module for LeakyRelu {
    fn forward(&self, input: &Tensor) -> Tensor {
        input.leaky_relu(self.0)
    }

    fn describe(&self) -> String {
        format!("LeakyReLU(negative_slope={})", self.0)
    }
}

/// Probabilities along a dimension: `nn::Softmax(-1)`. Losses take logits: a network that is trained with cross-entropy ends without it.
#[derive(Clone, Copy, Debug)]
pub struct Softmax(pub i64);

impl Module for Softmax {
    fn forward(&self, input: &Tensor) -> Tensor {
        input.softmax(self.0)
    }

    fn describe(&self) -> String {
        format!("Softmax(dim={})", self.0)
    }
}

/// The logarithm of [`Softmax`].
#[derive(Clone, Copy, Debug)]
pub struct LogSoftmax(pub i64);

impl Module for LogSoftmax {
    fn forward(&self, input: &Tensor) -> Tensor {
        input.log_softmax(self.0)
    }

    fn describe(&self) -> String {
        format!("LogSoftmax(dim={})", self.0)
    }
}

/// All dimensions after the first as one: `[N, C, H, W]` to `[N, C * H * W]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flatten;

impl Module for Flatten {
    fn forward(&self, input: &Tensor) -> Tensor {
        if input.rank() < 2 { input.unsqueeze(-1) } else { input.flatten(1, -1) }
    }

    fn describe(&self) -> String {
        "Flatten(start_dim=1, end_dim=-1)".to_owned()
    }
}

/// The dimensions after the first as these: `nn::Unflatten(vec![8, 4, 4])` turns `[N, 128]` into `[N, 8, 4, 4]`.
#[derive(Clone, Debug)]
pub struct Unflatten(pub Vec<usize>);

impl Module for Unflatten {
    fn forward(&self, input: &Tensor) -> Tensor {
        let shape: Vec<i64> = std::iter::once(input.dim(0)).chain(self.0.iter().copied()).map(|n| n as i64).collect();
        input.reshape(&shape)
    }

    fn describe(&self) -> String {
        format!("Unflatten({:?})", self.0)
    }
}

/// In training, sets elements to 0 with a probability and scales the others so that the mean stays; otherwise nothing.
pub struct Dropout {
    probability: f64,
    training: AtomicBool,
}

impl Dropout {
    /// # Panics
    /// The probability is not within 0 and 1.
    #[track_caller]
    pub fn new(probability: f64) -> Self {
        assert!((0.0..=1.0).contains(&probability), "Dropout: the probability {probability} is not within 0 and 1");
        Self { probability, training: AtomicBool::new(true) }
    }
}

impl Module for Dropout {
    fn forward(&self, input: &Tensor) -> Tensor {
        input.dropout(self.probability, self.training.load(Ordering::Relaxed))
    }

    fn mode(&self, training: bool) {
        self.training.store(training, Ordering::Relaxed);
    }

    fn training(&self) -> Option<bool> {
        Some(self.training.load(Ordering::Relaxed))
    }

    fn describe(&self) -> String {
        format!("Dropout(p={})", self.probability)
    }
}
