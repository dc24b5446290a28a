//! Convolutions over one and two dimensions, and the transposed one. Called by users and by `ochre-nn`'s layers.
use super::{check_float, in_type_of, misfit, same_device};
use crate::autograd::record;
use crate::backend::{Conv, Reduce};
use crate::device::backend;
use crate::error::Result;
use crate::interrupt::OrPanic;
use crate::{Tensor, TensorError};

/// How a convolution moves over its input. One number is for both dimensions; the fields can be set one by one.
///
/// ```text
/// x.conv2d(&weight, Some(&bias), ConvOptions::default().padding(1).stride(2))
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConvOptions {
    /// Rows and columns from one window to the next; a 1-D convolution uses the second.
    pub stride: [usize; 2],
    /// Zeros on each side.
    pub padding: [usize; 2],
    /// Distance between the elements of a window.
    pub dilation: [usize; 2],
    /// Channels are cut into this many groups that do not see each other.
    pub groups: usize,
    /// Of a transposed convolution: rows and columns added at the end, where several sizes would be right.
    pub output_padding: [usize; 2],
}

impl Default for ConvOptions {
    fn default() -> Self {
        Self { stride: [1; 2], padding: [0; 2], dilation: [1; 2], groups: 1, output_padding: [0; 2] }
    }
}

impl ConvOptions {
    /// From one window to the next, in both dimensions.
    pub fn stride(self, stride: usize) -> Self {
        Self { stride: [stride; 2], ..self }
    }

    /// Zeros on each side, in both dimensions.
    pub fn padding(self, padding: usize) -> Self {
        Self { padding: [padding; 2], ..self }
    }

    /// Distance between a window's elements, in both dimensions.
    pub fn dilation(self, dilation: usize) -> Self {
        Self { dilation: [dilation; 2], ..self }
    }

    /// Groups of channels.
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Rows and columns added to the result of a transposed convolution.
    pub fn output_padding(self, padding: usize) -> Self {
        Self { output_padding: [padding; 2], ..self }
    }

    /// Only the second of each pair, for one dimension.
    fn flat(self) -> Self {
        let last = |pair: [usize; 2], neutral| [neutral, pair[1]];
        Self { stride: last(self.stride, 1), padding: last(self.padding, 0), dilation: last(self.dilation, 1), groups: self.groups, output_padding: last(self.output_padding, 0) }
    }

    fn conv(self) -> Conv {
        Conv { stride: self.stride, padding: self.padding, dilation: self.dilation, groups: self.groups }
    }
}

impl Tensor {
    /// `[N, C, L]` with `weight [O, C / groups, K]` and `bias [O]` gives `[N, O, L']`; `[C, L]` is one picture. A cross-correlation, as everywhere in this field.
    #[track_caller]
    pub fn conv1d(&self, weight: &Tensor, bias: Option<&Tensor>, options: ConvOptions) -> Tensor {
        let checked = checked_rank("conv1d", self, weight, 2);
        let y = checked.and_then(|()| {
            let y = conv("conv1d", &self.unsqueeze(-2), &weight.unsqueeze(-2), bias, options.flat())?;
            Ok(y.squeeze(-2))
        });
        y.or_panic()
    }

    /// `[N, C, H, W]` with `weight [O, C / groups, KH, KW]` and `bias [O]` gives `[N, O, H', W']`, where
    /// `H' = (H + 2 padding - dilation (KH - 1) - 1) / stride + 1`, rounded down; `[C, H, W]` is one picture.
    #[track_caller]
    pub fn conv2d(&self, weight: &Tensor, bias: Option<&Tensor>, options: ConvOptions) -> Tensor {
        self.try_conv2d(weight, bias, options).or_panic()
    }

    /// [`Tensor::conv2d`], with the error as a value.
    pub fn try_conv2d(&self, weight: &Tensor, bias: Option<&Tensor>, options: ConvOptions) -> Result<Tensor> {
        checked_rank("conv2d", self, weight, 3)?;
        conv("conv2d", self, weight, bias, options)
    }

    /// The transposed convolution (the gradient of a convolution with the same weight): `weight [C, O / groups, K]`.
    #[track_caller]
    pub fn conv_transpose1d(&self, weight: &Tensor, bias: Option<&Tensor>, options: ConvOptions) -> Tensor {
        let checked = checked_rank("conv_transpose1d", self, weight, 2);
        let y = checked.and_then(|()| {
            let y = conv_transpose("conv_transpose1d", &self.unsqueeze(-2), &weight.unsqueeze(-2), bias, options.flat())?;
            Ok(y.squeeze(-2))
        });
        y.or_panic()
    }

    /// The transposed convolution: `[N, C, H, W]` with `weight [C, O / groups, KH, KW]` gives `[N, O, H', W']`, where
    /// `H' = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1`.
    #[track_caller]
    pub fn conv_transpose2d(&self, weight: &Tensor, bias: Option<&Tensor>, options: ConvOptions) -> Tensor {
        let checked = checked_rank("conv_transpose2d", self, weight, 3);
        checked.and_then(|()| conv_transpose("conv_transpose2d", self, weight, bias, options)).or_panic()
    }
}

fn checked_rank(operation: &'static str, x: &Tensor, weight: &Tensor, picture: usize) -> Result<()> {
    if (x.rank() == picture || x.rank() == picture + 1) && weight.rank() == picture + 1 {
        return Ok(());
    }
    let (all, one) = (picture + 1, picture);
    Err(misfit(operation, format!("input {:?} has to have {all} dimensions (or {one}, for one picture) and weight {:?} has to have {all}", x.shape(), weight.shape())))
}

/// Of `[N, C, H, W]` or `[C, H, W]`.
fn conv(operation: &'static str, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, options: ConvOptions) -> Result<Tensor> {
    if x.rank() == 3 {
        return Ok(conv(operation, &x.unsqueeze(0), weight, bias, options)?.squeeze(0));
    }
    check_arguments(operation, x, weight, bias, options)?;
    let (channels, out, groups) = (x.shape()[1], weight.shape()[0], options.groups);
    if channels != weight.shape()[1] * groups || out % groups != 0 {
        return Err(channels_misfit(operation, x, weight, groups, "[out, in / groups, …]"));
    }
    check_bias(operation, bias, out)?;
    for i in 0..2 {
        let window = options.dilation[i] * (weight.shape()[i + 2].max(1) - 1) + 1;
        if x.shape()[i + 2] + 2 * options.padding[i] < window {
            return Err(misfit(operation, format!("weight {:?} with dilation {:?} is larger than input {:?} with padding {:?}", weight.shape(), options.dilation, x.shape(), options.padding)));
        }
    }
    let weight = in_type_of(weight, x);
    let bias = bias.map(|bias| in_type_of(bias, x));
    let (device, how) = (backend(x.device())?, options.conv());
    let (input, kernel) = (x.raw(), weight.raw());
    let y = device.conv(&input, &kernel, bias.as_ref().map(Tensor::raw).as_ref(), how)?;
    let mut inputs = vec![x, &weight];
    inputs.extend(&bias);
    Ok(record(operation, &inputs, y, || {
        move |dy, wanted| {
            let dx = wanted[0].then(|| device.conv_backward_input(dy, &kernel, input.shape(), how)).transpose()?;
            let dw = wanted[1].then(|| device.conv_backward_weight(dy, &input, kernel.shape(), how)).transpose()?;
            let mut gradients = vec![dx, dw];
            if let Some(bias) = wanted.get(2) {
                gradients.push(bias.then(|| device.reduce(Reduce::Sum, dy, &[0, 2, 3])).transpose()?);
            }
            Ok(gradients)
        }
    }))
}

/// Of `[N, C, H, W]` or `[C, H, W]`: the gradient of a convolution whose input is this one's result.
fn conv_transpose(operation: &'static str, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, options: ConvOptions) -> Result<Tensor> {
    if x.rank() == 3 {
        return Ok(conv_transpose(operation, &x.unsqueeze(0), weight, bias, options)?.squeeze(0));
    }
    check_arguments(operation, x, weight, bias, options)?;
    let (channels, groups) = (x.shape()[1], options.groups);
    if channels != weight.shape()[0] || channels % groups != 0 {
        return Err(channels_misfit(operation, x, weight, groups, "[in, out / groups, …]"));
    }
    let out = weight.shape()[1] * groups;
    check_bias(operation, bias, out)?;
    let mut shape = vec![x.shape()[0], out];
    for i in 0..2 {
        let (stride, padding, dilation) = (options.stride[i], options.padding[i], options.dilation[i]);
        let full = x.shape()[i + 2].saturating_sub(1) * stride + dilation * (weight.shape()[i + 2].max(1) - 1) + options.output_padding[i] + 1;
        let late = options.output_padding[i] >= stride.max(dilation);
        let size = full.checked_sub(2 * padding).filter(|size| *size > 0 && !late).ok_or_else(|| {
            misfit(operation, format!("input {:?} and weight {:?} with {options:?} leave nothing, or output_padding is not smaller than stride or dilation", x.shape(), weight.shape()))
        })?;
        shape.push(size);
    }
    let beyond = [0, 1].map(|i| options.output_padding[i] / options.stride[i]);
    if beyond != [0, 0] {
        // The padding of the result is as wide as a stride (the dilation allows it): a convolution of that result would give more than the input. With
        // zeros at its end the input is what it would give, and they add nothing.
        let output_padding = [0, 1].map(|i| options.output_padding[i] % options.stride[i]);
        let wider = x.pad(&[0, beyond[1] as i64, 0, beyond[0] as i64], 0.0);
        return conv_transpose(operation, &wider, weight, bias, ConvOptions { output_padding, ..options });
    }
    let weight = in_type_of(weight, x);
    let (device, how) = (backend(x.device())?, options.conv());
    let (input, kernel) = (x.raw(), weight.raw());
    let y = device.conv_backward_input(&input, &kernel, &shape, how)?;
    let y = record(operation, &[x, &weight], y, || {
        move |dy, wanted| {
            let dx = wanted[0].then(|| device.conv(dy, &kernel, None, how)).transpose()?;
            let dw = wanted[1].then(|| device.conv_backward_weight(&input, dy, kernel.shape(), how)).transpose()?;
            Ok(vec![dx, dw])
        }
    });
    Ok(match bias {
        Some(bias) => &y + &in_type_of(bias, &y).reshape(&[1, out as i64, 1, 1]),
        None => y,
    })
}

/// What both kinds ask of types, devices and options.
fn check_arguments(operation: &'static str, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, options: ConvOptions) -> Result<()> {
    check_float(operation, x)?;
    check_float(operation, weight)?;
    same_device(operation, x, &[Some(weight), bias])?;
    if options.groups == 0 || options.stride.contains(&0) || options.dilation.contains(&0) {
        return Err(misfit(operation, format!("groups, stride and dilation have to be at least 1: {options:?}")));
    }
    if weight.is_empty() {
        return Err(misfit(operation, format!("weight {:?} has no elements", weight.shape())));
    }
    Ok(())
}

fn check_bias(operation: &'static str, bias: Option<&Tensor>, out: usize) -> Result<()> {
    match bias {
        Some(bias) if bias.shape() != [out] => Err(misfit(operation, format!("bias {:?} has to be [{out}], one number for each channel of the result", bias.shape()))),
        _ => Ok(()),
    }
}

fn channels_misfit(operation: &'static str, x: &Tensor, weight: &Tensor, groups: usize, meant: &str) -> TensorError {
    misfit(operation, format!("input {:?} and weight {:?} (meant as {meant}) do not fit in {groups} group(s): the channels (dimension 1 of the input) have to be those of the weight, and be divisible by groups", x.shape(), weight.shape()))
}
