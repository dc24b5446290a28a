//! Gradients of operations on one element, in one pass: what is hot in training.
use super::access::{BLOCK, Piece};
use super::element;
use super::level::{self, Job, Level};
use super::math::Real;
use crate::backend::Unary;
use crate::error::Result;
use crate::Raw;

/// See [`crate::backend::Backend::unary_backward`]. None for what is put together of other operations as well.
pub fn unary_backward(op: Unary, saved: &Raw, dy: &Raw) -> Result<Option<Raw>> {
    use Unary::{Clamp, Elu, Exp, Gelu, GeluTanh, LeakyRelu, Log, Relu, Sigmoid, Silu, Softplus, Sqrt, Square, Tanh};
    let known = matches!(op, Relu | LeakyRelu(_) | Elu(_) | Sigmoid | Tanh | Gelu | GeluTanh | Silu | Softplus | Exp | Log | Sqrt | Square | Clamp(..));
    if !known || saved.dtype != dy.dtype || !dy.dtype.is_float() || saved.shape() != dy.shape() {
        return Ok(None);
    }
    each_dtype!(dy.dtype, T => T::unary_backward(op, saved, dy)).map(Some)
}

/// Element types, of which only floats have gradients.
trait Differentiable: super::number::Number {
    fn unary_backward(op: Unary, saved: &Raw, dy: &Raw) -> Result<Raw>;
}

macro_rules! differentiable {
    ($($t:ty),*) => {$(
        impl Differentiable for $t {
            fn unary_backward(op: Unary, saved: &Raw, dy: &Raw) -> Result<Raw> {
                element::map::<$t, 2>(op.name(), [saved, dy], |[saved, dy], to| {
                    let mut scratch = [[Default::default(); BLOCK]; 2];
                    let [a, b] = &mut scratch;
                    let len = to.len();
                    block(op, saved, dy, to, (&mut a[..], &mut b[..]), len);
                })
            }
        }
    )*};
}
differentiable!(half::f16, half::bf16, f32, f64);

macro_rules! not_differentiable {
    ($($t:ty),*) => {$(
        impl Differentiable for $t {
            fn unary_backward(op: Unary, _: &Raw, dy: &Raw) -> Result<Raw> {
                Err(super::access::undefined(op.name(), dy.dtype))
            }
        }
    )*};
}
not_differentiable!(bool, u8, i32, i64);

/// Written out where a piece is one number, which is rare.
fn block<W: Real>(op: Unary, saved: Piece<'_, W>, dy: Piece<'_, W>, to: &mut [W], (a, b): (&mut [W], &mut [W]), len: usize) {
    let s = written(saved, a, len);
    let dy = written(dy, b, len);
    level::run(Block { op, s, dy, to });
}

fn written<'a, W: Real>(piece: Piece<'a, W>, scratch: &'a mut [W], len: usize) -> &'a [W] {
    match piece {
        Piece::Slice(slice) => slice,
        Piece::Splat(x) => {
            scratch[..len].fill(x);
            &scratch[..len]
        }
    }
}

struct Block<'a, W> {
    op: Unary,
    s: &'a [W],
    dy: &'a [W],
    to: &'a mut [W],
}

impl<W: Real> Job for Block<'_, W> {
    type Out = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { op, s, dy, to } = self;
        let c = |x: f64| W::from_f64(x);
        let (zero, one, half) = (W::ZERO, W::ONE, c(0.5));
        macro_rules! each {
            ($s:ident, $dy:ident => $dx:expr) => {
                for ((to, s), dy) in to.iter_mut().zip(s).zip(dy) {
                    let ($s, $dy) = (*s, *dy);
                    *to = $dx;
                }
            };
        }
        match op {
            Unary::Relu => each!(y, dy => if y > zero { dy } else { zero }),
            Unary::LeakyRelu(slope) => {
                let slope = c(slope);
                each!(x, dy => if x > zero { dy } else { dy * slope });
            }
            Unary::Elu(alpha) => {
                let alpha = c(alpha);
                each!(x, dy => if x > zero { dy } else { dy * alpha * x.exp::<L>() });
            }
            Unary::Sigmoid => each!(y, dy => dy * (y - y * y)),
            Unary::Tanh => each!(y, dy => dy * (one - y * y)),
            Unary::Exp => each!(y, dy => dy * y),
            Unary::Sqrt => each!(y, dy => dy / (y + y)),
            Unary::Log => each!(x, dy => dy / x),
            Unary::Square => each!(x, dy => dy * (x + x)),
            Unary::Softplus => each!(x, dy => dy * x.sigmoid::<L>()),
            Unary::Silu => each!(x, dy => {
                let sigma = x.sigmoid::<L>();
                dy * sigma * (x * (one - sigma) + one)
            }),
            // Phi(x) + x phi(x)
            Unary::Gelu => {
                let density = c(1.0 / std::f64::consts::TAU.sqrt());
                each!(x, dy => {
                    let [cumulative, e] = x.normal::<L>();
                    dy * (x * density).fma::<L>(e, cumulative)
                });
            }
            Unary::GeluTanh => {
                let k = (2.0 / std::f64::consts::PI).sqrt();
                let (k, kc, kc3) = (c(k), c(k * 0.044715), c(3.0 * k * 0.044715));
                each!(x, dy => {
                    let square = x * x;
                    let t = (x * (kc * square + k)).tanh::<L>();
                    dy * (half * (one + t) + half * x * (one - t * t) * (kc3 * square + k))
                });
            }
            Unary::Clamp(low, high) => {
                let (low, high) = (c(low), c(high));
                each!(x, dy => if x >= low && x <= high { dy } else { zero });
            }
            _ => unreachable!("`unary_backward` has asked"),
        }
    }
}
