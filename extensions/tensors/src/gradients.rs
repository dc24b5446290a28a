//! Gradients of element-wise operations, put together of others where a device has no pass of its own for them.
use crate::backend::{Binary, Compare, Unary};
use crate::device::backend;
use crate::error::Result;
use crate::raw::Raw;
use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LN_10, PI};

/// Gradient of `op` from the result's and what `op.gradient_from()` says.
pub(crate) fn unary(op: Unary, saved: &Raw, dy: &Raw) -> Result<Raw> {
    match backend(dy.device())?.unary_backward(op, saved, dy)? {
        Some(gradient) => Ok(gradient),
        None => composed(op, saved, dy),
    }
}

fn composed(op: Unary, s: &Raw, dy: &Raw) -> Result<Raw> {
    match op {
        Unary::Neg => dy.neg(),
        Unary::Affine(a, _) => dy.affine(a, -0.0),
        Unary::DivBy(a) => dy.unary(Unary::DivBy(a)),
        Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round | Unary::Trunc => dy.full_like(0.0),
        Unary::Abs => dy.mul(&s.unary(Unary::Sign)?),
        Unary::Exp => dy.mul(s),
        Unary::Expm1 => dy.mul(&s.affine(1.0, 1.0)?),
        Unary::Log => dy.div(s),
        Unary::Log1p => dy.div(&s.affine(1.0, 1.0)?),
        Unary::Log2 => dy.div(&s.affine(LN_2, -0.0)?),
        Unary::Log10 => dy.div(&s.affine(LN_10, -0.0)?),
        Unary::Sqrt => dy.div(&s.affine(2.0, 0.0)?),
        Unary::Rsqrt => dy.mul(&s.unary(Unary::Pow(3.0))?.affine(-0.5, -0.0)?),
        Unary::Square => dy.mul(&s.affine(2.0, -0.0)?),
        Unary::Recip => dy.mul(&s.unary(Unary::Square)?.neg()?),
        Unary::DivInto(a) => dy.mul(&s.unary(Unary::Pow(-2.0))?.affine(-a, -0.0)?),
        Unary::Pow(0.0) => dy.full_like(0.0),
        Unary::Pow(p) => dy.mul(&s.unary(Unary::Pow(p - 1.0))?.affine(p, -0.0)?),
        Unary::Clamp(low, high) => {
            let inside = s.compare(Compare::Ge, &s.constant(low)?)?.binary(Binary::And, &s.compare(Compare::Le, &s.constant(high)?)?)?;
            keep(dy, &inside)
        }
        Unary::Not | Unary::IsNan | Unary::IsInf | Unary::IsFinite => dy.full_like(0.0),
        _ if is_activation(op) => activation(op, s, dy),
        _ => trigonometric(op, s, dy),
    }
}

fn trigonometric(op: Unary, s: &Raw, dy: &Raw) -> Result<Raw> {
    match op {
        Unary::Sin => dy.mul(&s.unary(Unary::Cos)?),
        Unary::Cos => dy.mul(&s.unary(Unary::Sin)?.neg()?),
        Unary::Tan => dy.mul(&s.unary(Unary::Square)?.affine(1.0, 1.0)?),
        Unary::Asin => dy.mul(&s.unary(Unary::Square)?.affine(-1.0, 1.0)?.unary(Unary::Rsqrt)?),
        Unary::Acos => dy.mul(&s.unary(Unary::Square)?.affine(-1.0, 1.0)?.unary(Unary::Rsqrt)?.neg()?),
        Unary::Atan => dy.div(&s.unary(Unary::Square)?.affine(1.0, 1.0)?),
        Unary::Sinh => dy.mul(&s.unary(Unary::Cosh)?),
        Unary::Cosh => dy.mul(&s.unary(Unary::Sinh)?),
        Unary::Tanh => dy.mul(&s.unary(Unary::Square)?.affine(-1.0, 1.0)?),
        // d erf(x)/dx = 2/sqrt(pi) exp(-x^2)
        _ => dy.mul(&s.unary(Unary::Square)?.neg()?.unary(Unary::Exp)?.affine(FRAC_2_SQRT_PI, 0.0)?),
    }
}

fn is_activation(op: Unary) -> bool {
    use Unary::{Elu, Gelu, GeluTanh, LeakyRelu, Relu, Sigmoid, Silu, Softplus};
    matches!(op, Sigmoid | Relu | Gelu | GeluTanh | Silu | Softplus | LeakyRelu(_) | Elu(_))
}

fn activation(op: Unary, s: &Raw, dy: &Raw) -> Result<Raw> {
    let positive = || s.compare(Compare::Gt, &s.constant(0.0)?);
    match op {
        Unary::Relu => keep(dy, &positive()?),
        Unary::LeakyRelu(slope) => dy.select(&positive()?, &dy.affine(slope, -0.0)?),
        Unary::Elu(a) => dy.select(&positive()?, &dy.mul(&s.unary(Unary::Exp)?.affine(a, 0.0)?)?),
        // y (1 - y)
        Unary::Sigmoid => dy.mul(&s.sub(&s.unary(Unary::Square)?)?),
        Unary::Softplus => dy.mul(&s.unary(Unary::Sigmoid)?),
        // sigma + x sigma (1 - sigma)
        Unary::Silu => {
            let sigma = s.unary(Unary::Sigmoid)?;
            dy.mul(&s.mul(&sigma.affine(-1.0, 1.0)?)?.affine(1.0, 1.0)?.mul(&sigma)?)
        }
        // Phi(x) + x phi(x)
        Unary::Gelu => {
            let cumulative = s.affine(0.5_f64.sqrt(), 0.0)?.unary(Unary::Erf)?.affine(0.5, 0.5)?;
            let density = s.unary(Unary::Square)?.affine(-0.5, 0.0)?.unary(Unary::Exp)?.affine(1.0 / (2.0 * PI).sqrt(), 0.0)?;
            dy.mul(&cumulative.add(&s.mul(&density)?)?)
        }
        // t = tanh(u), u = k (x + c x^3): (1 + t) / 2 + x (1 - t^2) u' / 2
        _ => {
            let (k, c) = ((2.0 / PI).sqrt(), 0.044_715);
            let square = s.unary(Unary::Square)?;
            let t = s.mul(&square.affine(k * c, k)?)?.unary(Unary::Tanh)?;
            let slope = square.affine(3.0 * k * c, k)?.mul(&t.unary(Unary::Square)?.affine(-0.5, 0.5)?)?;
            dy.mul(&s.mul(&slope)?.add(&t.affine(0.5, 0.5)?)?)
        }
    }
}

/// `dy` where `mask` holds, else 0.
pub(crate) fn keep(dy: &Raw, mask: &Raw) -> Result<Raw> {
    dy.select(mask, &dy.constant(0.0)?)
}

/// What a binary operation keeps for its gradients: the operands and the result, of one type.
pub(crate) struct Kept {
    pub a: Option<Raw>,
    pub b: Option<Raw>,
    pub y: Option<Raw>,
}

/// What the gradients of `op` need, if those of `a` and `b` are wanted (`wants`).
pub(crate) fn kept(op: Binary, wants: [bool; 2], a: &Raw, b: &Raw, y: &Raw) -> Kept {
    let [wa, wb] = wants;
    let (a_too, b_too, y_too) = match op {
        Binary::Add | Binary::Sub => (false, false, false),
        Binary::Mul => (wb, wa, false),
        Binary::Div => (false, wa || wb, wb),
        Binary::Pow => (true, true, wb),
        _ => (true, true, false),
    };
    let hold = |raw: &Raw, held: bool| held.then(|| raw.clone());
    Kept { a: hold(a, a_too), b: hold(b, b_too), y: hold(y, y_too) }
}

/// Gradients of `a` and `b`, of the result's shape; a value that was not kept gives none.
pub(crate) fn binary(op: Binary, kept: &Kept, dy: &Raw, wants: &[bool]) -> Result<Vec<Option<Raw>>> {
    let (wa, wb) = (wants[0], wants[1]);
    let when = |wanted: bool, gradient: &dyn Fn() -> Result<Raw>| wanted.then(gradient).transpose();
    if let Binary::Add | Binary::Sub = op {
        let other = when(wb, &|| if op == Binary::Add { Ok(dy.clone()) } else { dy.neg() })?;
        return Ok(vec![wa.then(|| dy.clone()), other]);
    }
    let (a, b, y) = (kept.a.as_ref().unwrap_or(dy), kept.b.as_ref().unwrap_or(dy), kept.y.as_ref().unwrap_or(dy));
    Ok(match op {
        Binary::Mul => vec![when(wa, &|| dy.mul(b))?, when(wb, &|| dy.mul(a))?],
        Binary::Div => {
            let da = dy.div(b)?;
            let db = when(wb, &|| da.mul(y)?.neg())?;
            vec![wa.then_some(da), db]
        }
        Binary::Max | Binary::Min => {
            // Where both are equal each gets half, as in PyTorch.
            let (wins, equal) = (if op == Binary::Max { Compare::Gt } else { Compare::Lt }, a.compare(Compare::Eq, b)?);
            let half = keep(&dy.affine(0.5, -0.0)?, &equal)?;
            vec![when(wa, &|| dy.select(&a.compare(wins, b)?, &half))?, when(wb, &|| dy.select(&b.compare(wins, a)?, &half))?]
        }
        Binary::Pow => vec![when(wa, &|| power_base(a, b, dy))?, when(wb, &|| power_exponent(a, b, y, dy))?],
        // a - b floor(a / b)
        Binary::Remainder => vec![wa.then(|| dy.clone()), when(wb, &|| dy.mul(&a.div(b)?.unary(Unary::Floor)?.neg()?))?],
        Binary::Atan2 => {
            let scaled = dy.div(&a.unary(Unary::Square)?.add(&b.unary(Unary::Square)?)?)?;
            vec![when(wa, &|| scaled.mul(b))?, when(wb, &|| scaled.mul(a)?.neg())?]
        }
        _ => vec![None, None],
    })
}

/// `b a^(b - 1)`, 0 where b is 0.
fn power_base(a: &Raw, b: &Raw, dy: &Raw) -> Result<Raw> {
    let slope = b.mul(&a.binary(Binary::Pow, &b.affine(1.0, -1.0)?)?)?;
    dy.mul(&slope.constant(0.0)?.select(&b.compare(Compare::Eq, &b.constant(0.0)?)?, &slope)?)
}

/// `a^b ln a`, 0 where a is 0 and b is not negative.
fn power_exponent(a: &Raw, b: &Raw, y: &Raw, dy: &Raw) -> Result<Raw> {
    let zero = a.constant(0.0)?;
    let flat = a.compare(Compare::Eq, &zero)?.binary(Binary::And, &b.compare(Compare::Ge, &zero)?)?;
    dy.mul(&zero.select(&flat, &y.mul(&a.unary(Unary::Log)?)?)?)
}
