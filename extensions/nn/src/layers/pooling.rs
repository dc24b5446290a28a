//! Pooling layers over pictures.
use super::{Pair, pair};
use crate::module::Module;
use ochre_tensors::Tensor;
use ochre_tensors::functional::PoolOptions;

macro_rules! pools {
    ($($(#[$doc:meta])* $name:ident, $method:ident;)*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name(PoolOptions);

        impl $name {
            /// Windows of `size` (`2` or `[2, 3]`) side by side.
            pub fn new(size: impl Into<Pair>) -> Self {
                let Pair(kernel) = size.into();
                Self(PoolOptions { kernel, ..PoolOptions::new(1) })
            }

            /// Steps from one window to the next (the window's size).
            pub fn stride(mut self, stride: impl Into<Pair>) -> Self {
                self.0.stride = Some(stride.into().0);
                self
            }

            /// Rows and columns added on each side (0).
            pub fn padding(mut self, padding: impl Into<Pair>) -> Self {
                self.0.padding = padding.into().0;
                self
            }

            /// Whether a last window that is not whole is taken too (false).
            pub fn ceil_mode(mut self, ceil: bool) -> Self {
                self.0.ceil = ceil;
                self
            }
        }

        impl $name {
            /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
            #[track_caller]
            pub fn forward(&self, input: &Tensor) -> Tensor {
                input.$method(self.0)
            }
        }

        impl Module for $name {
            fn forward(&self, input: &Tensor) -> Tensor {
                Self::forward(self, input)
            }

            fn describe(&self) -> String {
                let ceil = if self.0.ceil { ", ceil_mode=True" } else { "" };
                format!("{}(kernel_size={}, stride={}, padding={}{ceil})", stringify!($name), pair(self.0.kernel), pair(self.0.stride.unwrap_or(self.0.kernel)), pair(self.0.padding))
            }
        })*
    };
}

pools! {
    /// The largest of each window; padding never wins.
    MaxPool2d, max_pool2d;
    /// The mean of each window; padding counts as zeros, as in PyTorch.
    AvgPool2d, avg_pool2d;
    /// The largest of each window of lines `[N, C, L]`.
    MaxPool1d, max_pool1d;
    /// The mean of each window of lines `[N, C, L]`; padding counts as zeros.
    AvgPool1d, avg_pool1d;
}

impl AvgPool2d {
    /// Whether the padding's zeros count (true).
    pub fn count_padding(mut self, count: bool) -> Self {
        self.0.count_padding = count;
        self
    }
}

/// Means over windows that are chosen so that the result has this size: `nn::AdaptiveAvgPool2d::new(1)` is the mean of a whole picture.
#[derive(Clone, Copy, Debug)]
pub struct AdaptiveAvgPool2d([usize; 2]);

impl AdaptiveAvgPool2d {
    /// To `size` rows and columns.
    pub fn new(size: impl Into<Pair>) -> Self {
        Self(size.into().0)
    }
}

impl AdaptiveAvgPool2d {
    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        input.adaptive_avg_pool2d(self.0)
    }
}

impl Module for AdaptiveAvgPool2d {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn describe(&self) -> String {
        format!("AdaptiveAvgPool2d(output_size={})", pair(self.0))
    }
}

/// The largest of windows that are chosen so that the result has this size.
#[derive(Clone, Copy, Debug)]
pub struct AdaptiveMaxPool2d([usize; 2]);

impl AdaptiveMaxPool2d {
    /// To `size` rows and columns.
    pub fn new(size: impl Into<Pair>) -> Self {
        Self(size.into().0)
    }

    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        input.adaptive_max_pool2d(self.0)
    }
}

impl Module for AdaptiveMaxPool2d {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn describe(&self) -> String {
        format!("AdaptiveMaxPool2d(output_size={})", pair(self.0))
    }
}
