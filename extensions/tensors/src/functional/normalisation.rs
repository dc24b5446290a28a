//! Normalisation over rows, channels and groups. Layers keep the weights and the running statistics; here are the formulas.
use super::{check_float, in_type_of, misfit, same_device};
use crate::autograd::record;
use crate::device::backend;
use crate::error::Result;
use crate::interrupt::OrPanic;
use crate::{Raw, Tensor};

impl Tensor {
    /// `(x - mean) / sqrt(variance + epsilon) * weight + bias` over the last dimensions together, whose sizes are `normalized`; the variance is
    /// divided by the count. `weight` and `bias` have the shape `normalized`.
    #[track_caller]
    pub fn layer_norm(&self, normalized: &[usize], weight: Option<&Tensor>, bias: Option<&Tensor>, epsilon: f64) -> Tensor {
        layer_norm("layer_norm", self, normalized, weight, bias, epsilon).or_panic()
    }

    /// `x / sqrt(mean(x²) + epsilon) * weight` over the last dimensions together.
    #[track_caller]
    pub fn rms_norm(&self, normalized: &[usize], weight: Option<&Tensor>, epsilon: f64) -> Tensor {
        check_normalized("rms_norm", self, normalized, weight, None).or_panic();
        let dims: Vec<i64> = (1..=normalized.len() as i64).map(|dim| -dim).collect();
        let y = self * &(&self.square().mean_dims(&dims, true) + epsilon).rsqrt();
        match weight {
            Some(weight) => &y * &in_type_of(weight, self),
            None => y,
        }
    }

    /// Of `[N, C, …]`, over all dimensions but the second: by the batch's own mean and variance, or by the given ones (`[C]` each, as they were
    /// gathered in training). `weight` and `bias` are `[C]`.
    #[track_caller]
    pub fn batch_norm(&self, weight: Option<&Tensor>, bias: Option<&Tensor>, statistics: Option<(&Tensor, &Tensor)>, epsilon: f64) -> Tensor {
        batch_norm(self, weight, bias, statistics, epsilon).or_panic().0
    }

    /// [`Tensor::batch_norm`] in training: also the batch's mean and variance (divided by the count) per channel, without gradients, in f32 (f64
    /// for f64). A layer keeps a running average of them, of the variance times `count / (count - 1)`.
    #[track_caller]
    pub fn batch_norm_with_statistics(&self, weight: Option<&Tensor>, bias: Option<&Tensor>, epsilon: f64) -> (Tensor, Tensor, Tensor) {
        let (y, mean, rstd) = batch_norm(self, weight, bias, None, epsilon).or_panic();
        let variance = &Tensor::from_raw(rstd).pow(-2.0) - epsilon;
        // Rounding may leave a constant channel a hair below nothing.
        (y, Tensor::from_raw(mean), variance.clamp(0.0, f64::INFINITY))
    }

    /// Of `[N, C, …]`, whose channels are cut into `groups`: each group of each picture by its own mean and variance. `weight` and `bias` are `[C]`.
    #[track_caller]
    pub fn group_norm(&self, groups: usize, weight: Option<&Tensor>, bias: Option<&Tensor>, epsilon: f64) -> Tensor {
        group_norm("group_norm", self, groups, weight, bias, epsilon).or_panic()
    }

    /// [`Tensor::group_norm`] with each channel as a group.
    #[track_caller]
    pub fn instance_norm(&self, weight: Option<&Tensor>, bias: Option<&Tensor>, epsilon: f64) -> Tensor {
        check_channels("instance_norm", self, weight, bias).and_then(|channels| group_norm("instance_norm", self, channels, weight, bias, epsilon)).or_panic()
    }

    /// Divided by its p-norm along a dimension, which counts as at least `epsilon`: rows of length 1.
    #[track_caller]
    pub fn normalize(&self, p: f64, dim: i64, epsilon: f64) -> Tensor {
        check_float("normalize", self).or_panic();
        let norm = if p == 2.0 { self.square().sum_dims(&[dim], true).sqrt() } else { self.abs().pow(p).sum_dims(&[dim], true).pow(1.0 / p) };
        self / &norm.clamp(epsilon, f64::INFINITY)
    }
}

fn layer_norm(operation: &'static str, x: &Tensor, normalized: &[usize], weight: Option<&Tensor>, bias: Option<&Tensor>, epsilon: f64) -> Result<Tensor> {
    check_normalized(operation, x, normalized, weight, bias)?;
    let width: usize = normalized.iter().product();
    let flat = |tensor: Option<&Tensor>| tensor.map(|t| in_type_of(t, x).reshape(&[width as i64]));
    let (weight, bias) = (flat(weight), flat(bias));
    let device = backend(x.device())?;
    let (input, scale) = (x.raw(), weight.as_ref().map(Tensor::raw));
    let (y, mean, rstd) = device.layer_norm(&input, width, scale.as_ref(), bias.as_ref().map(Tensor::raw).as_ref(), epsilon)?;
    let places = Places::of(&weight, &bias);
    Ok(record(operation, &places.inputs(x, &weight, &bias), y, || {
        move |dy, _| Ok(places.gradients(device.layer_norm_backward(&input, dy, width, scale.as_ref(), &mean, &rstd)?))
    }))
}

/// The result, the mean and 1 / standard deviation of each channel.
fn batch_norm(x: &Tensor, weight: Option<&Tensor>, bias: Option<&Tensor>, statistics: Option<(&Tensor, &Tensor)>, epsilon: f64) -> Result<(Tensor, Raw, Raw)> {
    let channels = check_channels("batch_norm", x, weight, bias)?;
    if let Some((mean, variance)) = statistics {
        same_device("batch_norm", x, &[Some(mean), Some(variance)])?;
        if mean.shape() != [channels] || variance.shape() != [channels] {
            return Err(misfit("batch_norm", format!("mean {:?} and variance {:?} have to be [{channels}], one number for each channel of {:?}", mean.shape(), variance.shape(), x.shape())));
        }
    } else if x.len() <= channels && !x.is_empty() {
        return Err(misfit("batch_norm", format!("{:?} has one value per channel, which has no variance: train with more than one, or evaluate", x.shape())));
    }
    let (weight, bias) = (weight.map(|t| in_type_of(t, x)), bias.map(|t| in_type_of(t, x)));
    let wide = if x.dtype() == crate::DType::F64 { crate::DType::F64 } else { crate::DType::F32 };
    let given = statistics.map(|(mean, variance)| -> Result<_> { Ok((mean.raw().cast(wide)?, variance.raw().cast(wide)?)) }).transpose()?;
    let device = backend(x.device())?;
    let (input, scale) = (x.raw(), weight.as_ref().map(Tensor::raw));
    let given_views = given.as_ref().map(|(mean, variance)| (mean, variance));
    let (y, mean, rstd) = device.batch_norm(&input, scale.as_ref(), bias.as_ref().map(Tensor::raw).as_ref(), given_views, epsilon)?;
    let places = Places::of(&weight, &bias);
    let (kept_mean, kept_rstd, batch) = (mean.clone(), rstd.clone(), statistics.is_none());
    let y = record("batch_norm", &places.inputs(x, &weight, &bias), y, || {
        move |dy, _| Ok(places.gradients(device.batch_norm_backward(&input, dy, scale.as_ref(), &kept_mean, &kept_rstd, batch)?))
    });
    Ok((y, mean, rstd))
}

/// As rows without weight, then the channels' weights.
fn group_norm(operation: &'static str, x: &Tensor, groups: usize, weight: Option<&Tensor>, bias: Option<&Tensor>, epsilon: f64) -> Result<Tensor> {
    let channels = check_channels(operation, x, weight, bias)?;
    if groups == 0 || channels % groups != 0 {
        return Err(misfit(operation, format!("{channels} channels of {:?} cannot be cut into {groups} groups of one size", x.shape())));
    }
    let rest: usize = x.shape()[2..].iter().product();
    let width = channels / groups * rest;
    let rows = x.reshape(&[x.shape()[0] as i64, groups as i64, width as i64]);
    let whole: Vec<i64> = x.shape().iter().map(|&size| size as i64).collect();
    let y = layer_norm(operation, &rows, &[width], None, None, epsilon)?.reshape(&whole);
    let mut column = vec![1i64; x.rank()];
    column[1] = channels as i64;
    let y = weight.map_or_else(|| y.clone(), |weight| &y * &in_type_of(weight, x).reshape(&column));
    Ok(bias.map_or_else(|| y.clone(), |bias| &y + &in_type_of(bias, x).reshape(&column)))
}

/// Which of weight and bias there are: the backends' gradients come for all three.
#[derive(Clone, Copy)]
struct Places {
    weight: bool,
    bias: bool,
}

impl Places {
    fn of(weight: &Option<Tensor>, bias: &Option<Tensor>) -> Self {
        Self { weight: weight.is_some(), bias: bias.is_some() }
    }

    fn inputs<'a>(self, x: &'a Tensor, weight: &'a Option<Tensor>, bias: &'a Option<Tensor>) -> Vec<&'a Tensor> {
        std::iter::once(x).chain(weight).chain(bias).collect()
    }

    fn gradients(self, (dx, dweight, dbias): (Raw, Raw, Raw)) -> Vec<Option<Raw>> {
        let mut gradients = vec![Some(dx)];
        gradients.extend(self.weight.then_some(Some(dweight)));
        gradients.extend(self.bias.then_some(Some(dbias)));
        gradients
    }
}

fn check_normalized(operation: &'static str, x: &Tensor, normalized: &[usize], weight: Option<&Tensor>, bias: Option<&Tensor>) -> Result<()> {
    check_float(operation, x)?;
    same_device(operation, x, &[weight, bias])?;
    if normalized.is_empty() || !x.shape().ends_with(normalized) {
        return Err(misfit(operation, format!("{:?} does not end with the sizes {normalized:?} that are to be normalised", x.shape())));
    }
    match [weight, bias].into_iter().flatten().find(|t| t.shape() != normalized) {
        None => Ok(()),
        Some(other) => Err(misfit(operation, format!("weight and bias have to be {normalized:?}, one is {:?}", other.shape()))),
    }
}

/// The number of channels.
fn check_channels(operation: &'static str, x: &Tensor, weight: Option<&Tensor>, bias: Option<&Tensor>) -> Result<usize> {
    check_float(operation, x)?;
    same_device(operation, x, &[weight, bias])?;
    if x.rank() < 2 {
        return Err(misfit(operation, format!("{:?} has to be [N, C, …]: pictures, then channels", x.shape())));
    }
    let channels = x.shape()[1];
    match [weight, bias].into_iter().flatten().find(|t| t.shape() != [channels]) {
        None => Ok(channels),
        Some(other) => Err(misfit(operation, format!("weight and bias have to be [{channels}], one number for each channel of {:?}; one is {:?}", x.shape(), other.shape()))),
    }
}
