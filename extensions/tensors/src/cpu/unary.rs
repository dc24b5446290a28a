//! Formulas of operations on one element, and their blocks.
use super::access::{Piece, undefined};
use super::element;
use super::level::{self, Job, Level};
use super::math::{CALM, Library, Real};
use super::number::{Number, Wide};
use crate::backend::Unary;
use crate::error::Result;
use crate::{DType, Raw};

/// Why f32 and f64 differ from i64 here.
pub trait UnaryBlock: Wide {
    fn block(op: Unary, from: &[Self], to: &mut [Self], is_bool: bool);
    fn tests(op: Unary, from: &[Self], to: &mut [bool]);
    fn knows(op: Unary, dtype: DType) -> bool;
}

/// See [`crate::backend::Backend::unary`].
pub fn unary(op: Unary, x: &Raw) -> Result<Raw> {
    let name = op.name();
    each_dtype!(x.dtype, T => {
        if !<<T as Number>::Wide as UnaryBlock>::knows(op, x.dtype) {
            return Err(undefined(name, x.dtype));
        }
        if matches!(op, Unary::IsNan | Unary::IsInf | Unary::IsFinite) {
            return element::test::<T, 1>(name, [x], |[from], to| on_slice(from, to, |from, to| UnaryBlock::tests(op, from, to)));
        }
        element::map::<T, 1>(name, [x], |[from], to| on_slice(from, to, |from, to| UnaryBlock::block(op, from, to, x.dtype == DType::Bool)))
    })
}

/// A piece that is one number is computed once.
fn on_slice<W: Wide, U: Copy>(from: Piece<'_, W>, to: &mut [U], compute: impl Fn(&[W], &mut [U])) {
    match from {
        Piece::Slice(from) => compute(from, to),
        Piece::Splat(x) => {
            compute(&[x], &mut to[..1]);
            let first = to[0];
            to.fill(first);
        }
    }
}

macro_rules! real_blocks {
    ($($t:ty),*) => {$(
        impl UnaryBlock for $t {
            fn block(op: Unary, from: &[Self], to: &mut [Self], _: bool) {
                level::run(Block { op, from, to });
            }
            fn tests(op: Unary, from: &[Self], to: &mut [bool]) {
                level::run(Tests { op, from, to });
            }
            fn knows(op: Unary, _: DType) -> bool {
                op != Unary::Not
            }
        }
    )*};
}
real_blocks!(f32, f64);

struct Block<'a, W> {
    op: Unary,
    from: &'a [W],
    to: &'a mut [W],
}

impl<W: Real> Job for Block<'_, W> {
    type Out = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { op, from, to } = self;
        let c = |x: f64| W::from_f64(x);
        macro_rules! each {
            ($x:ident => $y:expr) => {
                for (to, from) in to.iter_mut().zip(from) {
                    let $x = *from;
                    *to = $y;
                }
            };
        }
        let (zero, one, half) = (W::ZERO, W::ONE, c(0.5));
        match op {
            Unary::Neg => each!(x => -x),
            Unary::Abs => each!(x => x.abs()),
            Unary::Sign => each!(x => if x > zero { one } else if x < zero { -one } else { zero }),
            Unary::Exp => {
                // Looked at first: in a block that is in the cache that takes less time than care for each.
                let calm = c(CALM);
                if from.iter().fold(true, |all, x| all & (x.abs() <= calm)) {
                    each!(x => x.exp_calm::<L>());
                } else {
                    each!(x => x.exp::<L>());
                }
            }
            Unary::Log => each!(x => x.ln::<L>()),
            Unary::Sqrt => each!(x => x.sqrt()),
            Unary::Rsqrt => each!(x => one / x.sqrt()),
            Unary::Square => each!(x => x * x),
            Unary::Recip => each!(x => one / x),
            Unary::Tanh => each!(x => x.tanh::<L>()),
            Unary::Erf => each!(x => x.erf::<L>()),
            Unary::Floor => each!(x => x.floor()),
            Unary::Ceil => each!(x => x.ceil()),
            Unary::Round => each!(x => x.round_even()),
            Unary::Trunc => each!(x => x.trunc()),
            Unary::Sigmoid => each!(x => x.sigmoid::<L>()),
            Unary::Relu => each!(x => if x <= zero { zero } else { x }),
            Unary::Gelu => each!(x => x * x.normal::<L>()[0]),
            Unary::GeluTanh => {
                let (a, b) = (c((2.0 / std::f64::consts::PI).sqrt()), c(0.044715));
                each!(x => half * x * (one + (a * (b * x * x).fma::<L>(x, x)).tanh::<L>()));
            }
            Unary::Silu => each!(x => x / (one + (-x).exp::<L>())),
            // ln(1 + exp(x)) = max(x, 0) + ln(1 + exp(-|x|)); ln(1 + e) as e does below the rounding of 1.
            Unary::Softplus => each!(x => {
                let e = (-x.abs()).exp::<L>();
                let u = one + e;
                let ln = if u == one { e } else { u.ln::<L>() * e / (u - one) };
                (if x < zero { zero } else { x }) + ln
            }),
            Unary::LeakyRelu(slope) => {
                let s = c(slope);
                each!(x => if x > zero { x } else { x * s });
            }
            Unary::Elu(alpha) => {
                let a = c(alpha);
                each!(x => if x > zero { x } else { a * x.library(Library::Expm1) });
            }
            Unary::Affine(a, b) => {
                let (a, b) = (c(a), c(b));
                if b == zero {
                    each!(x => x * a);
                } else if a == one {
                    each!(x => x + b);
                } else {
                    each!(x => x * a + b);
                }
            }
            Unary::DivBy(a) => {
                let a = c(a);
                each!(x => x / a);
            }
            Unary::DivInto(a) => {
                let a = c(a);
                each!(x => a / x);
            }
            Unary::Pow(e) if e == 2.0 => each!(x => x * x),
            Unary::Pow(e) if e == 3.0 => each!(x => x * x * x),
            Unary::Pow(e) if e == 1.0 => each!(x => x),
            Unary::Pow(e) if e == 0.0 => to.fill(one),
            Unary::Pow(e) if e == -1.0 => each!(x => one / x),
            // Not the same at -inf and -0.
            Unary::Pow(e) if e == 0.5 => each!(x => if x <= W::LOWEST { W::HIGHEST } else { x.sqrt().abs() }),
            Unary::Pow(e) => {
                let e = c(e);
                each!(x => x.powf(e));
            }
            Unary::Clamp(low, high) => {
                let (low, high) = (c(low), c(high));
                each!(x => {
                    let x = if x < low { low } else { x };
                    if x > high { high } else { x }
                });
            }
            Unary::Expm1 => each!(x => x.library(Library::Expm1)),
            Unary::Log1p => each!(x => x.library(Library::Log1p)),
            Unary::Log2 => each!(x => x.library(Library::Log2)),
            Unary::Log10 => each!(x => x.library(Library::Log10)),
            Unary::Sin => each!(x => x.library(Library::Sin)),
            Unary::Cos => each!(x => x.library(Library::Cos)),
            Unary::Tan => each!(x => x.library(Library::Tan)),
            Unary::Asin => each!(x => x.library(Library::Asin)),
            Unary::Acos => each!(x => x.library(Library::Acos)),
            Unary::Atan => each!(x => x.library(Library::Atan)),
            Unary::Sinh => each!(x => x.library(Library::Sinh)),
            Unary::Cosh => each!(x => x.library(Library::Cosh)),
            Unary::Not | Unary::IsNan | Unary::IsInf | Unary::IsFinite => unreachable!("not of this kind"),
        }
    }
}

struct Tests<'a, W> {
    op: Unary,
    from: &'a [W],
    to: &'a mut [bool],
}

impl<W: Real> Job for Tests<'_, W> {
    type Out = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let pairs = self.to.iter_mut().zip(self.from);
        match self.op {
            Unary::IsNan => pairs.for_each(|(to, x)| *to = x.is_nan()),
            Unary::IsInf => pairs.for_each(|(to, x)| *to = x.abs() == W::HIGHEST),
            _ => pairs.for_each(|(to, x)| *to = x.is_finite()),
        }
    }
}

impl UnaryBlock for i64 {
    fn block(op: Unary, from: &[Self], to: &mut [Self], is_bool: bool) {
        macro_rules! each {
            ($x:ident => $y:expr) => {
                to.iter_mut().zip(from).for_each(|(to, from)| {
                    let $x = *from;
                    *to = $y;
                })
            };
        }
        match op {
            Unary::Neg => each!(x => x.wrapping_neg()),
            Unary::Abs => each!(x => x.wrapping_abs()),
            Unary::Sign => each!(x => x.signum()),
            Unary::Not if is_bool => each!(x => i64::from(x == 0)),
            Unary::Not => each!(x => !x),
            Unary::Square => each!(x => x.wrapping_mul(x)),
            Unary::Relu => each!(x => x.max(0)),
            Unary::Affine(a, b) if a.fract() == 0.0 && b.fract() == 0.0 => {
                let (a, b) = (a as i64, b as i64);
                each!(x => x.wrapping_mul(a).wrapping_add(b));
            }
            Unary::Affine(a, b) => each!(x => (x as f64 * a + b) as i64),
            Unary::Pow(e) => {
                let e = e as u32;
                each!(x => x.wrapping_pow(e));
            }
            Unary::Clamp(low, high) => {
                let (low, high) = (low as i64, high as i64);
                each!(x => x.max(low).min(high));
            }
            _ => to.copy_from_slice(from),
        }
    }

    fn tests(op: Unary, _: &[Self], to: &mut [bool]) {
        to.fill(op == Unary::IsFinite);
    }

    fn knows(op: Unary, dtype: DType) -> bool {
        match op {
            Unary::Not | Unary::IsNan | Unary::IsInf | Unary::IsFinite => true,
            Unary::Abs | Unary::Sign | Unary::Square | Unary::Floor | Unary::Ceil | Unary::Round | Unary::Trunc => true,
            Unary::Neg | Unary::Relu | Unary::Affine(..) | Unary::Clamp(..) => dtype != DType::Bool,
            Unary::Pow(e) => dtype != DType::Bool && e >= 0.0 && e.fract() == 0.0,
            _ => false,
        }
    }
}
