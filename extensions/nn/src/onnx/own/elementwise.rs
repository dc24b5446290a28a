//! Operators on each element by itself, and on pairs that are broadcast.
use super::call::{Call, Operator, not_done};
use super::file::{Attribute, Result, element_type};
use ochre_tensors::{DType, Tensor};

// Closures and no `Tensor::relu`: a pointer to a method that tells its caller makes rustc hide the method itself in the dylib that cells link.
type One = fn(&Tensor) -> Tensor;
type Two = fn(&Tensor, &Tensor) -> Tensor;

/// Those that this file has.
pub fn find(name: &str) -> Option<Operator> {
    macro_rules! each {
        ($function:expr) => {{
            fn run(call: &Call) -> Result<Vec<Tensor>> {
                let function: One = $function;
                Ok(vec![function(call.input(0)?)])
            }
            run
        }};
    }
    macro_rules! both {
        ($function:expr) => {{
            fn run(call: &Call) -> Result<Vec<Tensor>> {
                let function: Two = $function;
                Ok(vec![function(call.input(0)?, call.input(1)?)])
            }
            run
        }};
    }
    // Of any number of inputs, from the first on.
    macro_rules! many {
        ($function:expr) => {{
            fn run(call: &Call) -> Result<Vec<Tensor>> {
                let function: Two = $function;
                let mut all = call.all().into_iter();
                let first = all.next().ok_or("it has no input")?.clone();
                Ok(vec![all.fold(first, |a, b| function(&a, b))])
            }
            run
        }};
    }
    Some(match name {
        "Abs" => each!(|x| x.abs()),
        "Acos" => each!(|x| x.acos()),
        "Acosh" => each!(|x| (x + (x.square() - 1.0).sqrt()).log()),
        "Add" => both!(|a, b| a + b),
        "And" => both!(|a, b| a.logical_and(b)),
        "Asin" => each!(|x| x.asin()),
        "Asinh" => each!(|x| (x.abs() + (x.square() + 1.0).sqrt()).log() * x.sign()),
        "Atan" => each!(|x| x.atan()),
        "Atanh" => each!(|x| (x.log1p() - (-x).log1p()) * 0.5),
        "Cast" => cast,
        "CastLike" => both!(|a, b| a.to_dtype(b.dtype())),
        "Ceil" => each!(|x| x.ceil()),
        "Celu" => celu,
        "Clip" => clip,
        "Cos" => each!(|x| x.cos()),
        "Cosh" => each!(|x| x.cosh()),
        "Div" => both!(divided),
        "Dropout" => dropout,
        "Elu" => |call| Ok(vec![call.input(0)?.elu(call.float("alpha", 1.0))]),
        "Equal" => both!(|a, b| a.eq(b)),
        "Erf" => each!(|x| x.erf()),
        "Exp" => each!(|x| x.exp()),
        "Floor" => each!(|x| x.floor()),
        "Gelu" => gelu,
        "Greater" => both!(|a, b| a.gt(b)),
        "GreaterOrEqual" => both!(|a, b| a.ge(b)),
        "HardSigmoid" => |call| Ok(vec![call.input(0)?.affine(call.float("alpha", 0.2), call.float("beta", 0.5)).clamp(0.0, 1.0)]),
        "HardSwish" => each!(|x| x * x.affine(1.0 / 6.0, 0.5).clamp(0.0, 1.0)),
        "Identity" => each!(|x| x.clone()),
        "IsInf" => is_inf,
        "IsNaN" => each!(|x| x.is_nan()),
        "LeakyRelu" => |call| Ok(vec![call.input(0)?.leaky_relu(call.float("alpha", 0.01))]),
        "Less" => both!(|a, b| a.lt(b)),
        "LessOrEqual" => both!(|a, b| a.le(b)),
        "Log" => each!(|x| x.log()),
        "Max" => many!(|a, b| a.maximum(b)),
        "Mean" => |call| {
            let all = call.all();
            let first = (*all.first().ok_or("it has no input")?).clone();
            Ok(vec![all[1..].iter().fold(first, |a, b| &a + *b) / all.len() as f64])
        },
        "Min" => many!(|a, b| a.minimum(b)),
        "Mish" => each!(|x| x * x.softplus().tanh()),
        "Mod" => modulo,
        "Mul" => both!(|a, b| a * b),
        "Neg" => each!(|x| -x),
        "Not" => each!(|x| x.logical_not()),
        "Or" => both!(|a, b| a.logical_or(b)),
        "PRelu" => prelu,
        "Pow" => both!(|a, b| if a.dtype() == b.dtype() { a.pow_tensor(b) } else { power(a, b) }),
        "Reciprocal" => each!(|x| x.reciprocal()),
        "Relu" => each!(|x| x.relu()),
        "Round" => each!(|x| x.round()),
        "Selu" => selu,
        "Sigmoid" => each!(|x| x.sigmoid()),
        "Sign" => each!(|x| x.sign()),
        "Sin" => each!(|x| x.sin()),
        "Sinh" => each!(|x| x.sinh()),
        "Softplus" => each!(|x| x.softplus()),
        "Softsign" => each!(|x| x / &(x.abs() + 1.0)),
        "Sqrt" => each!(|x| x.sqrt()),
        "Sub" => both!(|a, b| a - b),
        "Sum" => many!(|a, b| a + b),
        "Swish" => |call| call.input(0).map(|x| vec![x * (x * call.float("alpha", 1.0)).sigmoid()]),
        "Tan" => each!(|x| x.tan()),
        "Tanh" => each!(|x| x.tanh()),
        "ThresholdedRelu" => |call| {
            let x = call.input(0)?;
            Ok(vec![x.masked_fill(&x.le(call.float("alpha", 1.0)), 0.0)])
        },
        "Where" => |call| Ok(vec![Tensor::where_cond(call.input(0)?, call.input(1)?, call.input(2)?)]),
        "Xor" => both!(|a, b| a.logical_xor(b)),
        _ => return None,
    })
}

/// Of whole numbers without the fraction, as C does it.
fn divided(a: &Tensor, b: &Tensor) -> Tensor {
    if a.dtype().is_float() {
        return a / b;
    }
    (a.to_dtype(DType::F64) / b.to_dtype(DType::F64)).trunc().to_dtype(a.dtype())
}

/// The type of the base stays.
fn power(a: &Tensor, b: &Tensor) -> Tensor {
    a.to_dtype(DType::F64).pow_tensor(&b.to_dtype(DType::F64)).to_dtype(a.dtype())
}

/// With the sign of the divisor, or of what is divided (`fmod`).
fn modulo(call: &Call) -> Result<Vec<Tensor>> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    if !call.flag("fmod") {
        return Ok(vec![a.remainder(b)]);
    }
    let (wide, by) = (a.to_dtype(DType::F64), b.to_dtype(DType::F64));
    Ok(vec![(&wide - &((&wide / &by).trunc() * &by)).to_dtype(a.dtype())])
}

/// Before version 7 a list of slopes was one for each channel.
fn prelu(call: &Call) -> Result<Vec<Tensor>> {
    let (x, mut slope) = (call.input(0)?, call.input(1)?.clone());
    if call.version < 7 && slope.rank() == 1 && x.rank() > 2 {
        let mut shape = vec![1; x.rank()];
        shape[1] = slope.len() as i64;
        slope = slope.reshape(&shape);
    }
    Ok(vec![Tensor::where_cond(&x.lt(0.0), &(x * &slope), x)])
}

fn cast(call: &Call) -> Result<Vec<Tensor>> {
    let number = call.int("to", 0);
    let dtype = element_type(number).ok_or_else(|| not_done(&format!("a cast to type {number}")))?;
    Ok(vec![call.input(0)?.to_dtype(dtype)])
}

fn celu(call: &Call) -> Result<Vec<Tensor>> {
    let (x, alpha) = (call.input(0)?, call.float("alpha", 1.0));
    Ok(vec![x.clamp_min(0.0) + ((x / alpha).expm1() * alpha).clamp_max(0.0)])
}

fn selu(call: &Call) -> Result<Vec<Tensor>> {
    let (alpha, gamma) = (call.float("alpha", 1.67326319217681884765625), call.float("gamma", 1.05070102214813232421875));
    Ok(vec![call.input(0)?.elu(alpha) * gamma])
}

fn gelu(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    Ok(vec![if call.text("approximate", "none") == "tanh" { x.gelu_tanh() } else { x.gelu() }])
}

/// Bounds are inputs since version 11.
fn clip(call: &Call) -> Result<Vec<Tensor>> {
    let mut x = call.input(0)?.clone();
    match call.maybe(1) {
        Some(low) => x = x.maximum(low),
        None => if let Some(Attribute::Float(low)) = call.attribute("min") {
            x = x.clamp_min(f64::from(*low));
        },
    }
    match call.maybe(2) {
        Some(high) => x = x.minimum(high),
        None => if let Some(Attribute::Float(high)) = call.attribute("max") {
            x = x.clamp_max(f64::from(*high));
        },
    }
    Ok(vec![x])
}

fn is_inf(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let (up, down) = (call.int("detect_positive", 1) != 0, call.int("detect_negative", 1) != 0);
    let found = x.is_inf();
    Ok(vec![match (up, down) {
        (true, true) => found,
        (true, false) => found.logical_and(&x.gt(0.0)),
        (false, true) => found.logical_and(&x.lt(0.0)),
        (false, false) => found.logical_and(false),
    }])
}

/// In use it changes nothing.
fn dropout(call: &Call) -> Result<Vec<Tensor>> {
    let x = call.input(0)?;
    let drops = call.maybe(1).is_none_or(|ratio| ratio.item() != 0.0);
    if call.maybe(2).is_some_and(|training| training.item() != 0.0) && drops {
        return Err(not_done("a dropout that trains"));
    }
    Ok(vec![x.clone(), x.ones_like().to_dtype(DType::Bool)])
}
