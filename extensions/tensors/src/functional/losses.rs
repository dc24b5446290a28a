//! Losses: how far predictions are from what was wanted, as one number to minimise. Formulas and defaults are PyTorch's; unlike there,
//! prediction and target have to have one shape (broadcasting them is nearly always a mistake).
use super::{check_float, in_type_of, misfit, same_device};
use crate::autograd::record;
use crate::device::backend;
use crate::error::Result;
use crate::interrupt::OrPanic;
use crate::{DType, Device, Tensor, TensorError};

/// How the losses of single elements (or rows) become the result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reduction {
    #[default]
    Mean,
    Sum,
    /// Nothing is done: one loss for each.
    None,
    /// The sum divided by the size of the first dimension.
    BatchMean,
}

impl Reduction {
    fn apply(self, losses: Tensor) -> Tensor {
        match self {
            Self::Mean => losses.mean(),
            Self::Sum => losses.sum(),
            Self::None => losses,
            Self::BatchMean => {
                let count = losses.shape().first().copied().unwrap_or(1);
                &losses.sum() * (1.0 / count as f64)
            }
        }
    }
}

/// What [`cross_entropy_with`] does otherwise than [`cross_entropy`].
#[derive(Clone, Default)]
pub struct CrossEntropy {
    pub reduction: Reduction,
    /// This much of the target is spread over all classes: 0 to 1.
    pub smoothing: f64,
    /// How much each class counts, `[C]`; a mean is divided by the sum of the weights.
    pub weight: Option<Tensor>,
    /// Rows of this class do not count.
    pub ignore: Option<i64>,
}

/// The mean of `-log softmax(logits)[target]`: logits `[N, C]` (or `[C]`, or `[N, C, …]`) and targets that are classes (integers, `[N]`, or `[]`, or
/// `[N, …]`) or probabilities (floats of the shape of the logits). The loss of f16 and bf16 is f32.
#[track_caller]
pub fn cross_entropy(logits: &Tensor, target: &Tensor) -> Tensor {
    entropy("cross_entropy", logits, target, &CrossEntropy::default()).or_panic()
}

/// [`cross_entropy`] with weights, smoothing, classes that do not count, or another reduction.
#[track_caller]
pub fn cross_entropy_with(logits: &Tensor, target: &Tensor, options: &CrossEntropy) -> Tensor {
    entropy("cross_entropy", logits, target, options).or_panic()
}

/// The mean of `-x[target]` for logarithms of probabilities `[N, C]` (or `[C]`, or `[N, C, …]`), as `log_softmax` gives them.
#[track_caller]
pub fn nll_loss(log_probabilities: &Tensor, target: &Tensor) -> Tensor {
    let operation = "nll_loss";
    check_classes(operation, log_probabilities, target).or_panic();
    let rows = Rows::of(log_probabilities, target);
    check_range(operation, &rows.classes, rows.logits.shape()[1], None).or_panic();
    picked(&rows).mean()
}

/// The mean of `(x - y)²`.
#[track_caller]
pub fn mse(x: &Tensor, y: &Tensor) -> Tensor {
    mse_with(x, y, Reduction::Mean)
}

/// [`mse`] with another reduction.
#[track_caller]
pub fn mse_with(x: &Tensor, y: &Tensor, reduction: Reduction) -> Tensor {
    check_pair("mse", x, y).or_panic();
    reduction.apply((x - y).square())
}

/// The mean of `|x - y|`.
#[track_caller]
pub fn l1(x: &Tensor, y: &Tensor) -> Tensor {
    l1_with(x, y, Reduction::Mean)
}

/// [`l1`] with another reduction.
#[track_caller]
pub fn l1_with(x: &Tensor, y: &Tensor, reduction: Reduction) -> Tensor {
    check_pair("l1", x, y).or_panic();
    reduction.apply((x - y).abs())
}

/// The mean of `d² / 2` where `d = |x - y| < 1`, and of `d - 1 / 2` elsewhere.
#[track_caller]
pub fn smooth_l1(x: &Tensor, y: &Tensor) -> Tensor {
    smooth_l1_with(x, y, 1.0, Reduction::Mean)
}

/// [`smooth_l1`], of `d² / (2 beta)` below `beta` and `d - beta / 2` from there on.
#[track_caller]
pub fn smooth_l1_with(x: &Tensor, y: &Tensor, beta: f64, reduction: Reduction) -> Tensor {
    check_pair("smooth_l1", x, y).or_panic();
    if beta <= 0.0 {
        return reduction.apply((x - y).abs());
    }
    reduction.apply(&rounded_distance(x, y, beta) * (1.0 / beta))
}

/// The mean of `d² / 2` where `d = |x - y| < delta`, and of `delta (d - delta / 2)` elsewhere.
#[track_caller]
pub fn huber(x: &Tensor, y: &Tensor, delta: f64) -> Tensor {
    check_pair("huber", x, y).or_panic();
    rounded_distance(x, y, delta).mean()
}

/// The mean of `-(y log s + (1 - y) log(1 - s))` for `s = sigmoid(logits)`, exact for large logits.
#[track_caller]
pub fn bce_with_logits(logits: &Tensor, target: &Tensor) -> Tensor {
    bce_with_logits_with(logits, target, None, Reduction::Mean)
}

/// [`bce_with_logits`]; `positive` (which broadcasts) is how much more a target of 1 counts.
#[track_caller]
pub fn bce_with_logits_with(logits: &Tensor, target: &Tensor, positive: Option<&Tensor>, reduction: Reduction) -> Tensor {
    check_pair("bce_with_logits", logits, target).or_panic();
    let target = &in_type_of(target, logits);
    // log(1 + exp(x)) loses nothing on either side; the form with `x y` does.
    let mut missed = target * &(-logits).softplus();
    if let Some(positive) = positive {
        missed = &missed * &in_type_of(positive, logits);
    }
    let wrong = &(-target + 1.0) * &logits.softplus();
    reduction.apply(&missed + &wrong)
}

/// The mean of `-(y log p + (1 - y) log(1 - p))` for probabilities `p`; logarithms are at least -100. `bce_with_logits` is more exact.
#[track_caller]
pub fn binary_cross_entropy(probabilities: &Tensor, target: &Tensor) -> Tensor {
    check_pair("binary_cross_entropy", probabilities, target).or_panic();
    let target = &in_type_of(target, probabilities);
    let log = |p: &Tensor| p.log().clamp(-100.0, f64::INFINITY);
    let (ones, zeros) = (target * &log(probabilities), &(-target + 1.0) * &log(&(-probabilities + 1.0)));
    -(&ones + &zeros).mean()
}

/// The mean of `y (log y - x)` for logarithms `x`, 0 where `y` is. (The divergence itself is with `Reduction::BatchMean` of [`kl_div_with`].)
#[track_caller]
pub fn kl_div(log_probabilities: &Tensor, target: &Tensor) -> Tensor {
    kl_div_with(log_probabilities, target, Reduction::Mean)
}

/// [`kl_div`] with another reduction.
#[track_caller]
pub fn kl_div_with(log_probabilities: &Tensor, target: &Tensor, reduction: Reduction) -> Tensor {
    check_pair("kl_div", log_probabilities, target).or_panic();
    let target = &in_type_of(target, log_probabilities);
    let nothing = target.le(0.0);
    // The logarithm of 1 where there is nothing, so that neither value nor gradient is NaN.
    let entropy = target * &target.masked_fill(&nothing, 1.0).log();
    reduction.apply(&entropy - &(target * log_probabilities))
}

/// `d² / 2` below `limit`, `limit (d - limit / 2)` from there on.
fn rounded_distance(x: &Tensor, y: &Tensor, limit: f64) -> Tensor {
    let distance = (x - y).abs();
    let square = &distance.square() * 0.5;
    let line = &(&distance - 0.5 * limit) * limit;
    Tensor::where_cond(&distance.lt(limit), &square, &line)
}

fn check_pair(operation: &'static str, x: &Tensor, y: &Tensor) -> Result<()> {
    check_float(operation, x)?;
    same_device(operation, x, &[Some(y)])?;
    if x.shape() == y.shape() {
        return Ok(());
    }
    Err(misfit(operation, format!("prediction {:?} and target {:?} have different shapes; `.reshape`, `.squeeze` or `.expand` one of them", x.shape(), y.shape())))
}

/// `[N, C]` and `[N]` of any of the allowed shapes.
struct Rows {
    logits: Tensor,
    classes: Tensor,
    /// Of the losses.
    shape: Vec<i64>,
}

impl Rows {
    fn of(logits: &Tensor, target: &Tensor) -> Self {
        let shape = target.shape().iter().map(|&size| size as i64).collect();
        let classes = target.to_dtype(DType::I64).reshape(&[-1]);
        let logits = match logits.rank() {
            1 => logits.unsqueeze(0),
            2 => logits.clone(),
            _ => class_last(logits),
        };
        Self { logits, classes, shape }
    }
}

/// `[N, C, …]` as rows `[N …, C]`.
fn class_last(x: &Tensor) -> Tensor {
    let order: Vec<i64> = [0].into_iter().chain(2..x.rank() as i64).chain([1]).collect();
    x.permute(&order).reshape(&[-1, x.shape()[1] as i64])
}

/// `-x[target]` for each row.
fn picked(rows: &Rows) -> Tensor {
    (-&rows.logits.gather(1, &rows.classes.unsqueeze(1))).reshape(&rows.shape)
}

fn check_classes(operation: &'static str, logits: &Tensor, target: &Tensor) -> Result<()> {
    check_float(operation, logits)?;
    same_device(operation, logits, &[Some(target)])?;
    if !matches!(target.dtype(), DType::U8 | DType::I32 | DType::I64) {
        return Err(TensorError::DType { operation, dtype: target.dtype(), hint: ": classes are integers; convert with `.to_dtype(DType::I64)`" });
    }
    let (logits_shape, target_shape) = (logits.shape(), target.shape());
    let fits = match logits_shape.len() {
        0 => false,
        1 => target_shape.is_empty(),
        _ => target_shape.first() == logits_shape.first() && target_shape[1..] == logits_shape[2..],
    };
    if !fits {
        return Err(misfit(operation, format!("logits {logits_shape:?} and classes {target_shape:?}: classes have to have the shape of the logits without dimension 1")));
    }
    Ok(())
}

/// Devices other than the CPU would have to be waited for; they check their own.
fn check_range(operation: &'static str, classes: &Tensor, count: usize, ignore: Option<i64>) -> Result<()> {
    if classes.device() != Device::Cpu || classes.is_empty() {
        return Ok(());
    }
    let values = classes.to_vec::<i64>();
    match values.iter().find(|&&class| Some(class) != ignore && !(0..count as i64).contains(&class)) {
        None => Ok(()),
        Some(class) => Err(misfit(operation, format!("class {class} is not one of the {count} that the logits have (0 to {})", count as i64 - 1))),
    }
}

fn entropy(operation: &'static str, logits: &Tensor, target: &Tensor, options: &CrossEntropy) -> Result<Tensor> {
    if !(0.0..=1.0).contains(&options.smoothing) {
        return Err(misfit(operation, format!("smoothing is from 0 to 1, not {}", options.smoothing)));
    }
    if target.dtype().is_float() {
        return entropy_of_probabilities(operation, logits, target, options);
    }
    check_classes(operation, logits, target)?;
    let rows = Rows::of(logits, target);
    let count = rows.logits.shape()[1];
    check_range(operation, &rows.classes, count, options.ignore)?;
    if options.weight.is_some() || options.ignore.is_some() {
        return weighted(operation, &rows, options);
    }
    let device = backend(logits.device())?;
    let (raw, classes, smoothing) = (rows.logits.raw(), rows.classes.raw(), options.smoothing);
    let losses = device.cross_entropy(&raw, &classes, smoothing)?;
    let losses = record(operation, &[&rows.logits], losses, || {
        move |dy, _| Ok(vec![Some(device.cross_entropy_backward(&raw, &classes, dy, smoothing)?)])
    });
    Ok(options.reduction.apply(losses.reshape(&rows.shape)))
}

/// f32 for f16 and bf16, whose three digits are too few for a loss.
fn widened(x: &Tensor) -> Tensor {
    x.to_dtype(x.dtype().promote(DType::F32))
}

/// With weights of classes or classes that do not count: from what single operations give.
fn weighted(operation: &'static str, rows: &Rows, options: &CrossEntropy) -> Result<Tensor> {
    let count = rows.logits.shape()[1];
    let logarithms = widened(&rows.logits).log_softmax(-1);
    let ignored = options.ignore.map(|class| rows.classes.eq(class));
    let classes = match &ignored {
        Some(ignored) => rows.classes.masked_fill(ignored, 0.0),
        None => rows.classes.clone(),
    };
    let mut shares = match &options.weight {
        Some(weight) if weight.shape() != [count] => return Err(misfit(operation, format!("weight {:?} has to be [{count}], one number for each class", weight.shape()))),
        Some(weight) => in_type_of(weight, &logarithms).index_select(0, &classes),
        None => Tensor::ones_on(&[classes.len()], logarithms.dtype(), &logarithms.device()),
    };
    if let Some(ignored) = &ignored {
        shares = shares.masked_fill(ignored, 0.0);
    }
    let plain = -&logarithms.gather(1, &classes.unsqueeze(1)).squeeze(1);
    let mut losses = &plain * &shares;
    if options.smoothing > 0.0 {
        let spread = match &options.weight {
            Some(weight) => -(&logarithms * &in_type_of(weight, &logarithms)).sum_dim(-1),
            None => -logarithms.sum_dim(-1),
        };
        let spread = match &ignored {
            Some(ignored) => spread.masked_fill(ignored, 0.0),
            None => spread,
        };
        losses = &(&losses * (1.0 - options.smoothing)) + &(&spread * (options.smoothing / count as f64));
    }
    Ok(match options.reduction {
        Reduction::Mean => &losses.sum() / &shares.sum(),
        Reduction::None => losses.reshape(&rows.shape),
        other => other.apply(losses),
    })
}

/// `-sum(y log softmax(x))` over the classes; the mean is over the rows.
fn entropy_of_probabilities(operation: &'static str, logits: &Tensor, target: &Tensor, options: &CrossEntropy) -> Result<Tensor> {
    check_pair(operation, logits, target)?;
    if logits.rank() == 0 || options.ignore.is_some() {
        return Err(misfit(operation, format!("logits {:?} need a dimension of classes, and targets that are probabilities cannot be ignored by class", logits.shape())));
    }
    let (rows, shape) = match logits.rank() {
        1 => ((logits.unsqueeze(0), target.unsqueeze(0)), Vec::new()),
        2 => ((logits.clone(), target.clone()), vec![logits.shape()[0] as i64]),
        _ => ((class_last(logits), class_last(target)), logits.shape().iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, &size)| size as i64).collect()),
    };
    let (logits, target) = (widened(&rows.0), rows.1);
    let smooth = &(&in_type_of(&target, &logits) * (1.0 - options.smoothing)) + options.smoothing / logits.shape()[1] as f64;
    let mut parts = &smooth * &logits.log_softmax(-1);
    if let Some(weight) = &options.weight {
        parts = &parts * &in_type_of(weight, &logits);
    }
    Ok(options.reduction.apply((-&parts.sum_dim(-1)).reshape(&shape)))
}
