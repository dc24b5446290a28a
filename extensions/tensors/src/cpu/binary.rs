//! Formulas of operations and comparisons on two elements, and their blocks.
use super::access::{BLOCK, Piece, undefined};
use super::element;
use super::level::{self, Job, Level};
use super::math::Real;
use super::number::{Number, Wide};
use crate::backend::{Binary, Compare};
use crate::error::Result;
use crate::Raw;

/// Why f32 and f64 differ from i64 here.
pub trait BinaryBlock: Wide {
    fn block(op: Binary, a: &Piece<'_, Self>, b: &Piece<'_, Self>, to: &mut [Self]);
    fn knows(op: Binary) -> bool;
}

/// See [`crate::backend::Backend::binary`].
pub fn binary(op: Binary, a: &Raw, b: &Raw) -> Result<Raw> {
    let name = op.name();
    each_dtype!(a.dtype, T => {
        if !<<T as Number>::Wide as BinaryBlock>::knows(op) {
            return Err(undefined(name, a.dtype));
        }
        element::map::<T, 2>(name, [a, b], |[a, b], to| BinaryBlock::block(op, &a, &b, to))
    })
}

/// See [`crate::backend::Backend::compare`].
pub fn compare(op: Compare, a: &Raw, b: &Raw) -> Result<Raw> {
    each_dtype!(a.dtype, T => {
        element::test::<T, 2>(op.name(), [a, b], |[a, b], to| level::run(Comparison { op, a: &a, b: &b, to }))
    })
}

/// A loop over two pieces, for each combination of slice and single number.
macro_rules! each {
    ($a:expr, $b:expr, $to:expr, $x:ident, $y:ident => $z:expr) => {
        match ($a, $b) {
            (Piece::Slice(a), Piece::Slice(b)) => {
                for ((to, a), b) in $to.iter_mut().zip(*a).zip(*b) {
                    let ($x, $y) = (*a, *b);
                    *to = $z;
                }
            }
            (Piece::Slice(a), Piece::Splat(b)) => {
                let $y = *b;
                for (to, a) in $to.iter_mut().zip(*a) {
                    let $x = *a;
                    *to = $z;
                }
            }
            (Piece::Splat(a), Piece::Slice(b)) => {
                let $x = *a;
                for (to, b) in $to.iter_mut().zip(*b) {
                    let $y = *b;
                    *to = $z;
                }
            }
            (Piece::Splat(a), Piece::Splat(b)) => {
                let ($x, $y) = (*a, *b);
                let z = $z;
                $to.fill(z);
            }
        }
    };
}

struct Block<'a, W> {
    op: Binary,
    a: &'a Piece<'a, W>,
    b: &'a Piece<'a, W>,
    to: &'a mut [W],
}

impl<W: Real> Job for Block<'_, W> {
    type Out = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { op, a, b, to } = self;
        match op {
            Binary::Add => each!(a, b, to, x, y => x + y),
            Binary::Sub => each!(a, b, to, x, y => x - y),
            Binary::Mul => each!(a, b, to, x, y => x * y),
            Binary::Div => each!(a, b, to, x, y => x / y),
            Binary::Max => each!(a, b, to, x, y => if x > y || x != x { x } else { y }),
            Binary::Min => each!(a, b, to, x, y => if x < y || x != x { x } else { y }),
            Binary::Pow => each!(a, b, to, x, y => x.powf(y)),
            Binary::Remainder => each!(a, b, to, x, y => x.remainder(y)),
            Binary::Atan2 => each!(a, b, to, x, y => x.atan2(y)),
            Binary::And | Binary::Or | Binary::Xor => unreachable!("not of this kind"),
        }
    }
}

macro_rules! real_blocks {
    ($($t:ty),*) => {$(
        impl BinaryBlock for $t {
            fn block(op: Binary, a: &Piece<'_, Self>, b: &Piece<'_, Self>, to: &mut [Self]) {
                level::run(Block { op, a, b, to });
            }
            fn knows(op: Binary) -> bool {
                !matches!(op, Binary::And | Binary::Or | Binary::Xor)
            }
        }
    )*};
}
real_blocks!(f32, f64);

impl BinaryBlock for i64 {
    fn block(op: Binary, a: &Piece<'_, Self>, b: &Piece<'_, Self>, to: &mut [Self]) {
        let mut scratch = [0; BLOCK];
        match op {
            Binary::Add => each!(a, b, to, x, y => x.wrapping_add(y)),
            Binary::Sub => each!(a, b, to, x, y => x.wrapping_sub(y)),
            Binary::Mul => each!(a, b, to, x, y => x.wrapping_mul(y)),
            Binary::Max => each!(a, b, to, x, y => x.max(y)),
            Binary::Min => each!(a, b, to, x, y => x.min(y)),
            Binary::And => each!(a, b, to, x, y => x & y),
            Binary::Or => each!(a, b, to, x, y => x | y),
            Binary::Xor => each!(a, b, to, x, y => x ^ y),
            Binary::Div | Binary::Remainder | Binary::Pow | Binary::Atan2 => {
                let len = to.len();
                let b = b.slice(len, &mut scratch);
                each!(a, &Piece::Slice(b), to, x, y => slow(op, x, y));
            }
        }
    }

    fn knows(op: Binary) -> bool {
        op != Binary::Atan2
    }
}

/// Integers one at a time. A divisor of 0 was refused above; what comes out for it here is 0.
fn slow(op: Binary, x: i64, y: i64) -> i64 {
    match op {
        _ if y == 0 && op != Binary::Pow => 0,
        Binary::Div => x.wrapping_div(y),
        Binary::Remainder => {
            let r = x.wrapping_rem(y);
            if r != 0 && (r < 0) != (y < 0) { r + y } else { r }
        }
        // As PyTorch: a negative power is 0 but of 1 and -1.
        _ if y < 0 => match x {
            1 => 1,
            -1 => if y % 2 == 0 { 1 } else { -1 },
            _ => 0,
        },
        _ => power(x, y as u64),
    }
}

/// By squaring; wraps.
fn power(mut x: i64, mut e: u64) -> i64 {
    let mut y = 1i64;
    while e > 0 {
        if e & 1 == 1 {
            y = y.wrapping_mul(x);
        }
        x = x.wrapping_mul(x);
        e >>= 1;
    }
    y
}

struct Comparison<'a, W> {
    op: Compare,
    a: &'a Piece<'a, W>,
    b: &'a Piece<'a, W>,
    to: &'a mut [bool],
}

impl<W: Wide> Job for Comparison<'_, W> {
    type Out = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { op, a, b, to } = self;
        match op {
            Compare::Eq => each!(a, b, to, x, y => x == y),
            Compare::Ne => each!(a, b, to, x, y => x != y),
            Compare::Lt => each!(a, b, to, x, y => x < y),
            Compare::Le => each!(a, b, to, x, y => x <= y),
            Compare::Gt => each!(a, b, to, x, y => x > y),
            Compare::Ge => each!(a, b, to, x, y => x >= y),
        }
    }
}
