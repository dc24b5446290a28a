//! What a case is: an operation, its inputs, and PyTorch's words for it.
use crate::random::Random;
use ochre_tensors::{DType, Device, Tensor};

/// Which numbers an input holds. Floats have the element type that is being tested.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Values {
    /// Floats in [low, high).
    Between(f64, f64),
    /// Floats in [-2, 2] that are at least 0.1 from every whole number: away from the kinks of `relu`, `abs`, `floor`, `clamp`.
    Away,
    /// Floats, all different by at least 0.05, in [-2, 2]: no maximum changes its place under a small difference.
    Distinct,
    /// Rows (along the last dimension) of positive floats whose sum is 1.
    Shares,
    /// Integers in low..high of this type.
    Integers(i64, i64, DType),
    /// True for about two thirds.
    Mask,
}

/// One argument.
#[derive(Clone, Debug)]
pub struct Input {
    pub shape: Vec<usize>,
    pub values: Values,
}

/// What is checked of a case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Values in every float type, and gradients.
    Smooth,
    /// As `Smooth`, in fewer types and without finite differences.
    Large,
    /// Values in every float type; there is no gradient.
    Values,
    /// Values, once: no input is of floats, or the result depends on the type.
    Exact,
}

/// An operation with inputs.
#[derive(Clone)]
pub struct Case {
    /// The operation's name, then what is special: `conv2d groups`.
    pub name: &'static str,
    pub kind: Kind,
    pub inputs: Vec<Input>,
    pub ours: fn(&[Tensor]) -> Vec<Tensor>,
    /// A Python expression over `a`, `b`, `c` … with `torch`, `F` and `math`; a tuple for several results.
    pub torch: &'static str,
    /// How many times the tolerance of its type is allowed.
    pub looser: f64,
}

impl Case {
    /// The method or function that it is a case of.
    pub fn operation(&self) -> &'static str {
        self.name.split(' ').next().unwrap_or(self.name)
    }

    /// Its inputs in an element type, without history.
    pub fn tensors(&self, float: DType, device: &Device) -> Vec<Tensor> {
        let mut random = Random::named(self.name);
        self.inputs.iter().map(|input| input.tensor(&mut random).pipe(|t| if t.dtype().is_float() { t.to_dtype(float) } else { t }).to_device(device)).collect()
    }

    /// With more room for rounding.
    pub fn looser(mut self, times: f64) -> Self {
        self.looser = times;
        self
    }
}

impl Input {
    /// In f64 where it is of floats.
    fn tensor(&self, random: &mut Random) -> Tensor {
        let count: usize = self.shape.iter().product();
        let floats = |values: Vec<f64>| Tensor::from_vec(values, &self.shape);
        match self.values {
            Values::Between(low, high) => floats((0..count).map(|_| random.between(low, high)).collect()),
            Values::Away => floats((0..count).map(|_| random.integer(-2, 2) as f64 + random.between(0.1, 0.9)).collect()),
            Values::Distinct => {
                let step = 4.0 / count.max(1) as f64;
                assert!(step >= 0.05, "too many distinct values: {:?}", self.shape);
                floats(random.permutation(count).into_iter().map(|place| -2.0 + step * (place as f64 + 0.5)).collect())
            }
            Values::Shares => {
                let width = self.shape.last().copied().unwrap_or(1).max(1);
                let mut values: Vec<f64> = (0..count).map(|_| random.between(0.1, 1.0)).collect();
                for row in values.chunks_mut(width) {
                    let sum: f64 = row.iter().sum();
                    row.iter_mut().for_each(|v| *v /= sum);
                }
                floats(values)
            }
            Values::Integers(low, high, dtype) => Tensor::from_vec((0..count).map(|_| random.integer(low, high)).collect::<Vec<i64>>(), &self.shape).to_dtype(dtype),
            Values::Mask => Tensor::from_vec((0..count).map(|_| random.below(3) > 0).collect::<Vec<bool>>(), &self.shape),
        }
    }
}

/// `value.pipe(f)` for `f(value)`, where a chain reads better.
trait Pipe: Sized {
    fn pipe<R>(self, f: impl FnOnce(Self) -> R) -> R {
        f(self)
    }
}
impl<T> Pipe for T {}

// --- words for the tables --------------------------------------------------------------------------

/// A case with gradients and one result.
pub fn smooth(name: &'static str, inputs: &[Input], ours: fn(&[Tensor]) -> Vec<Tensor>, torch: &'static str) -> Case {
    Case { name, kind: Kind::Smooth, inputs: inputs.to_vec(), ours, torch, looser: 1.0 }
}

/// A case without gradients, of floats.
pub fn values(name: &'static str, inputs: &[Input], ours: fn(&[Tensor]) -> Vec<Tensor>, torch: &'static str) -> Case {
    Case { kind: Kind::Values, ..smooth(name, inputs, ours, torch) }
}

/// A case that is checked once, exactly.
pub fn exact(name: &'static str, inputs: &[Input], ours: fn(&[Tensor]) -> Vec<Tensor>, torch: &'static str) -> Case {
    Case { kind: Kind::Exact, ..smooth(name, inputs, ours, torch) }
}

/// Floats in [-2, 2).
pub fn floats(shape: &[usize]) -> Input {
    between(shape, -2.0, 2.0)
}

/// Floats in [low, high).
pub fn between(shape: &[usize], low: f64, high: f64) -> Input {
    Input { shape: shape.to_vec(), values: Values::Between(low, high) }
}

/// Floats in [0.5, 2).
pub fn positive(shape: &[usize]) -> Input {
    between(shape, 0.5, 2.0)
}

/// [`Values::Away`].
pub fn away(shape: &[usize]) -> Input {
    Input { shape: shape.to_vec(), values: Values::Away }
}

/// [`Values::Distinct`].
pub fn distinct(shape: &[usize]) -> Input {
    Input { shape: shape.to_vec(), values: Values::Distinct }
}

/// [`Values::Shares`].
pub fn shares(shape: &[usize]) -> Input {
    Input { shape: shape.to_vec(), values: Values::Shares }
}

/// i64 in low..high.
pub fn integers(shape: &[usize], low: i64, high: i64) -> Input {
    Input { shape: shape.to_vec(), values: Values::Integers(low, high, DType::I64) }
}

/// Integers of another type.
pub fn integers_of(shape: &[usize], low: i64, high: i64, dtype: DType) -> Input {
    Input { shape: shape.to_vec(), values: Values::Integers(low, high, dtype) }
}

/// A mask.
pub fn mask(shape: &[usize]) -> Input {
    Input { shape: shape.to_vec(), values: Values::Mask }
}
