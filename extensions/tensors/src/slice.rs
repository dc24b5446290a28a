//! Python's `x[1:3, ..., -1]` as `x.slice(s![1..3, Slice::Rest, -1])`: in cells `ochre::s!` and `ochre::Slice`.
use crate::autograd::record;
use crate::device::backend;
use crate::error::Result;
use crate::interrupt::OrPanic;
use crate::layout::Layout;
use crate::views::{part, place, write_part};
use crate::{Operand, Raw, Tensor, TensorError};
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// What is taken of one dimension. Negative places count from the end; ranges that go too far end where the dimension ends, as in Python.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slice {
    /// One place; the dimension is gone.
    At(i64),
    /// From `start` to before `end`, each `step`-th (1 or more).
    Range { start: Option<i64>, end: Option<i64>, step: usize },
    /// A new dimension of size 1.
    New,
    /// Python's `...`: all of as many dimensions as there are left.
    Rest,
}

impl Slice {
    /// All of a dimension.
    pub const ALL: Self = Self::Range { start: None, end: None, step: 1 };

    /// Each `step`-th of a range.
    #[must_use]
    pub fn step(self, by: usize) -> Self {
        match self {
            Self::Range { start, end, step } => Self::Range { start, end, step: step * by },
            other => other,
        }
    }
}

impl From<RangeFull> for Slice {
    fn from(_: RangeFull) -> Self {
        Self::ALL
    }
}

macro_rules! ranges {
    ($($type:ty),*) => {
        $(impl From<$type> for Slice {
            fn from(place: $type) -> Self {
                Self::At(place as i64)
            }
        }
        impl From<Range<$type>> for Slice {
            fn from(range: Range<$type>) -> Self {
                Self::Range { start: Some(range.start as i64), end: Some(range.end as i64), step: 1 }
            }
        }
        impl From<RangeInclusive<$type>> for Slice {
            fn from(range: RangeInclusive<$type>) -> Self {
                let last = *range.end() as i64;
                Self::Range { start: Some(*range.start() as i64), end: (last != -1).then_some(last + 1), step: 1 }
            }
        }
        impl From<RangeFrom<$type>> for Slice {
            fn from(range: RangeFrom<$type>) -> Self {
                Self::Range { start: Some(range.start as i64), end: None, step: 1 }
            }
        }
        impl From<RangeTo<$type>> for Slice {
            fn from(range: RangeTo<$type>) -> Self {
                Self::Range { start: None, end: Some(range.end as i64), step: 1 }
            }
        }
        impl From<RangeToInclusive<$type>> for Slice {
            fn from(range: RangeToInclusive<$type>) -> Self {
                let last = range.end as i64;
                Self::Range { start: None, end: (last != -1).then_some(last + 1), step: 1 }
            }
        })*
    };
}
ranges!(i32, i64, usize);

/// The argument of `Tensor::slice`: `ochre::s![0, 1..3, .., Slice::Rest, -1]`.
#[macro_export]
macro_rules! s {
    ($($part:expr),* $(,)?) => {
        &[$($crate::Slice::from($part)),*]
    };
}

impl Tensor {
    /// A part: one `Slice` for each dimension from the first on, those left out are taken whole. `x.slice(ochre::s![0, 1..3, ..])`
    #[track_caller]
    pub fn slice(&self, parts: &[Slice]) -> Tensor {
        self.try_slice(parts).or_panic()
    }

    /// As `slice`, giving an error instead of panicking.
    pub fn try_slice(&self, parts: &[Slice]) -> Result<Tensor> {
        let steps = plan("slice", self.shape(), parts)?;
        let layout = view(&steps, self.layout());
        Ok(part("slice", self, layout, move |layout| view(&steps, layout)))
    }

    /// A copy in which a part (see `slice`) is replaced by `source`, which is broadcast to it.
    #[track_caller]
    pub fn slice_assign<'a>(&self, parts: &[Slice], source: impl Into<Operand<'a>>) -> Tensor {
        slice_assign(self, parts, source.into()).or_panic()
    }
}

/// What is done with a layout, in order.
#[derive(Clone, Copy)]
enum Step {
    Take(usize, usize),
    Narrow { dim: usize, start: usize, len: usize, step: usize },
    New(usize),
}

fn view(steps: &[Step], layout: &Layout) -> Layout {
    steps.iter().fold(layout.clone(), |layout, step| match *step {
        Step::Take(dim, index) => layout.take(dim, index),
        Step::Narrow { dim, start, len, step } => layout.narrow(dim, start, len, step),
        Step::New(dim) => layout.unsqueeze(dim),
    })
}

fn plan(operation: &'static str, shape: &[usize], parts: &[Slice]) -> Result<Vec<Step>> {
    let named = parts.iter().filter(|part| matches!(part, Slice::At(_) | Slice::Range { .. })).count();
    let rests = parts.iter().filter(|part| matches!(part, Slice::Rest)).count();
    if named > shape.len() || rests > 1 {
        let problem = if rests > 1 { "`Slice::Rest` can stand once".to_owned() } else { format!("{named} parts of a tensor of shape {shape:?}, which has {} dimensions", shape.len()) };
        return Err(TensorError::Shape { operation, problem });
    }
    // `dim` counts dimensions of the view so far, `of` those of the tensor.
    let (mut steps, mut dim, mut of) = (Vec::with_capacity(parts.len()), 0, 0);
    for part in parts {
        match *part {
            Slice::At(index) => {
                steps.push(Step::Take(dim, place(operation, index, of, shape)?));
                of += 1;
            }
            Slice::Range { step: 0, .. } => return Err(TensorError::Shape { operation, problem: "a step of 0".to_owned() }),
            Slice::Range { start, end, step } => {
                let size = shape[of] as i64;
                let clip = |place: i64| (if place < 0 { place + size } else { place }).clamp(0, size) as usize;
                let (start, end) = (start.map_or(0, clip), end.map_or(size as usize, clip));
                steps.push(Step::Narrow { dim, start, len: end.saturating_sub(start).div_ceil(step), step });
                (dim, of) = (dim + 1, of + 1);
            }
            Slice::New => {
                steps.push(Step::New(dim));
                dim += 1;
            }
            Slice::Rest => (dim, of) = (dim + shape.len() - named, of + shape.len() - named),
        }
    }
    Ok(steps)
}

fn slice_assign(x: &Tensor, parts: &[Slice], source: Operand) -> Result<Tensor> {
    let steps = plan("slice_assign", x.shape(), parts)?;
    let target = view(&steps, x.layout());
    let source = match source {
        Operand::Tensor(source) => source.try_to_dtype(x.dtype())?,
        Operand::Scalar(scalar) => Tensor::from_raw(scalar.raw(x.dtype(), x.device())?),
    };
    if source.device() != x.device() {
        return Err(TensorError::Devices { operation: "slice_assign", left: x.device(), right: source.device() });
    }
    let mut whole = backend(x.device())?.copy(&x.raw())?;
    let set = source.raw().expand("slice_assign", &target.shape)?;
    write_part(&mut whole, &set, &|layout| view(&steps, layout))?;
    Ok(record("slice_assign", &[x, &source], whole, || {
        move |dy: &Raw, wants: &[bool]| {
            let part = dy.with_layout(view(&steps, &dy.layout));
            let mut rest = None;
            if wants[0] {
                let mut left = backend(dy.device())?.copy(dy)?;
                let zeros = part.constant(0.0)?.expand("slice_assign", part.shape())?;
                write_part(&mut left, &zeros, &|layout| view(&steps, layout))?;
                rest = Some(left);
            }
            Ok(vec![rest, wants[1].then_some(part)])
        }
    }))
}
