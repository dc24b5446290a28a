//! Convolution layers over one and two dimensions, and the transposed one.
use super::precision::heavy;
use super::{Pair, by_fan_in, pair, python};
use crate::module::Module;
use crate::slot::Slot;
use ochre_tensors::Tensor;
use ochre_tensors::functional::ConvOptions;

/// What the three layers have in common.
struct Kernel {
    weight: Slot,
    bias: Option<Slot>,
    channels: [usize; 2],
    size: [usize; 2],
    options: ConvOptions,
    /// 1 or 2
    dimensions: usize,
    transposed: bool,
}

impl Kernel {
    #[track_caller]
    fn new(channels: [usize; 2], size: [usize; 2], dimensions: usize, transposed: bool) -> Self {
        let mut new = Self { weight: Slot::buffer(&Tensor::zeros(&[0])), bias: None, channels, size, options: ConvOptions::default(), dimensions, transposed };
        new.draw(true);
        new
    }

    /// Draws weight and bias; the inputs of one output decide how far.
    fn draw(&mut self, bias: bool) {
        let (from, to) = (self.channels[0], self.channels[1]);
        let groups = self.options.groups;
        let lead = if self.transposed { [from, to / groups] } else { [to, from / groups] };
        let shape: Vec<usize> = lead.iter().chain(&self.size[2 - self.dimensions..]).copied().collect();
        // PyTorch counts the second dimension for a transposed one too.
        let fan_in = shape[1..].iter().product();
        self.weight = Slot::parameter(&by_fan_in(&shape, fan_in));
        self.bias = bias.then(|| Slot::parameter(&by_fan_in(&[to], fan_in)));
    }

    #[track_caller]
    fn groups(&mut self, layer: &str, groups: usize) {
        let [from, to] = self.channels;
        if groups == 0 || from % groups != 0 || to % groups != 0 {
            panic!("{layer}: {from} input and {to} output channels cannot be cut into {groups} groups");
        }
        self.options.groups = groups;
        self.draw(self.bias.is_some());
    }

    fn set_bias(&mut self, bias: bool) {
        if bias && self.bias.is_none() {
            self.draw(true);
        } else if !bias {
            self.bias = None;
        }
    }

    fn tensors(&self) -> (Tensor, Option<Tensor>) {
        (heavy(&self.weight.get()), self.bias.as_ref().map(|b| heavy(&b.get())))
    }

    fn slots(&self) -> Vec<(&'static str, &Slot)> {
        std::iter::once(("weight", &self.weight)).chain(self.bias.as_ref().map(|b| ("bias", b))).collect()
    }

    fn describe(&self, layer: &str) -> String {
        let [from, to] = self.channels;
        let o = &self.options;
        let sized = |p: [usize; 2]| if self.dimensions == 2 { pair(p) } else { format!("({},)", p[1]) };
        let mut text = format!("{layer}({from}, {to}, kernel_size={}, stride={}", sized(self.size), sized(o.stride));
        for (name, value, usual) in [("padding", o.padding, [0; 2]), ("dilation", o.dilation, [1; 2]), ("output_padding", o.output_padding, [0; 2])] {
            if value[2 - self.dimensions..] != usual[2 - self.dimensions..] {
                text += &format!(", {name}={}", sized(value));
            }
        }
        if o.groups != 1 {
            text += &format!(", groups={}", o.groups);
        }
        if self.bias.is_none() {
            text += &format!(", bias={}", python(false));
        }
        text + ")"
    }
}

macro_rules! builder {
    ($layer:ident, $name:literal) => {
        impl $layer {
            /// Steps from one window to the next (1).
            pub fn stride(mut self, stride: impl Into<Pair>) -> Self {
                self.0.options.stride = stride.into().0;
                self
            }

            /// Zeros on each side (0).
            pub fn padding(mut self, padding: impl Into<Pair>) -> Self {
                self.0.options.padding = padding.into().0;
                self
            }

            /// Distance between the elements of a window (1).
            pub fn dilation(mut self, dilation: impl Into<Pair>) -> Self {
                self.0.options.dilation = dilation.into().0;
                self
            }

            /// Groups of channels that do not see each other (1). Draws the weights anew, for their shape is another one.
            ///
            /// # Panics
            /// The channels cannot be cut into so many.
            #[track_caller]
            pub fn groups(mut self, groups: usize) -> Self {
                self.0.groups($name, groups);
                self
            }

            /// With (the default) or without a bias.
            pub fn bias(mut self, bias: bool) -> Self {
                self.0.set_bias(bias);
                self
            }

            /// The weight.
            pub fn weight(&self) -> Tensor {
                self.0.weight.get()
            }
        }
    };
}

/// Convolution over one dimension: `[N, inputs, L]` to `[N, outputs, L']`. Weight `[outputs, inputs / groups, size]`.
pub struct Conv1d(Kernel);

impl Conv1d {
    /// With windows of `size`, stride 1, no padding, a bias.
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize, size: usize) -> Self {
        Self(Kernel::new([inputs, outputs], [1, size], 1, false))
    }
}

builder!(Conv1d, "Conv1d");

impl Conv1d {
    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        let (weight, bias) = self.0.tensors();
        let output = heavy(input).conv1d(&weight, bias.as_ref(), self.0.options);
        super::traced(self, &output);
        output
    }
}

impl Module for Conv1d {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn slots(&self) -> Vec<(&'static str, &Slot)> {
        self.0.slots()
    }

    fn describe(&self) -> String {
        self.0.describe("Conv1d")
    }
}

/// Convolution over pictures: `[N, inputs, H, W]` to `[N, outputs, H', W']`. Weight `[outputs, inputs / groups, height, width]`.
pub struct Conv2d(Kernel);

impl Conv2d {
    /// With windows of `size` (`3` or `[3, 5]`), stride 1, no padding, a bias: `Conv2d::new(3, 64, 3).padding(1).bias(false)`.
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize, size: impl Into<Pair>) -> Self {
        Self(Kernel::new([inputs, outputs], size.into().0, 2, false))
    }
}

builder!(Conv2d, "Conv2d");

impl Conv2d {
    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        let (weight, bias) = self.0.tensors();
        let output = heavy(input).conv2d(&weight, bias.as_ref(), self.0.options);
        super::traced(self, &output);
        output
    }
}

impl Module for Conv2d {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn slots(&self) -> Vec<(&'static str, &Slot)> {
        self.0.slots()
    }

    fn describe(&self) -> String {
        self.0.describe("Conv2d")
    }
}

/// Transposed convolution over one dimension: `[N, inputs, L]` to `[N, outputs, L']`. Weight `[inputs, outputs / groups, size]`.
pub struct ConvTranspose1d(Kernel);

impl ConvTranspose1d {
    /// With windows of `size`, stride 1, no padding, a bias.
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize, size: usize) -> Self {
        Self(Kernel::new([inputs, outputs], [1, size], 1, true))
    }

    /// Places added at the end, where several lengths would be right.
    pub fn output_padding(mut self, padding: usize) -> Self {
        self.0.options.output_padding = [0, padding];
        self
    }

    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        let (weight, bias) = self.0.tensors();
        let output = heavy(input).conv_transpose1d(&weight, bias.as_ref(), self.0.options);
        super::traced(self, &output);
        output
    }
}

builder!(ConvTranspose1d, "ConvTranspose1d");

impl Module for ConvTranspose1d {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn slots(&self) -> Vec<(&'static str, &Slot)> {
        self.0.slots()
    }

    fn describe(&self) -> String {
        self.0.describe("ConvTranspose1d")
    }
}

/// Transposed convolution over pictures (upwards, in decoders). Weight `[inputs, outputs / groups, height, width]`.
pub struct ConvTranspose2d(Kernel);

impl ConvTranspose2d {
    /// With windows of `size`, stride 1, no padding, a bias.
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize, size: impl Into<Pair>) -> Self {
        Self(Kernel::new([inputs, outputs], size.into().0, 2, true))
    }

    /// Rows and columns added at the end, where several sizes would be right.
    pub fn output_padding(mut self, padding: impl Into<Pair>) -> Self {
        self.0.options.output_padding = padding.into().0;
        self
    }
}

builder!(ConvTranspose2d, "ConvTranspose2d");

impl ConvTranspose2d {
    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        let (weight, bias) = self.0.tensors();
        let output = heavy(input).conv_transpose2d(&weight, bias.as_ref(), self.0.options);
        super::traced(self, &output);
        output
    }
}

impl Module for ConvTranspose2d {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn slots(&self) -> Vec<(&'static str, &Slot)> {
        self.0.slots()
    }

    fn describe(&self) -> String {
        self.0.describe("ConvTranspose2d")
    }
}
