//! Operations on elements.
use super::*;
use crate::backend::{Binary, Compare, Unary};

fn binary_reference(op: Binary, x: f64, y: f64) -> f64 {
    match op {
        Binary::Add => x + y,
        Binary::Sub => x - y,
        Binary::Mul => x * y,
        Binary::Div => x / y,
        Binary::Max => if x.is_nan() || x > y { x } else { y },
        Binary::Min => if x.is_nan() || x < y { x } else { y },
        Binary::Pow => x.powf(y),
        Binary::Remainder => x - y * (x / y).floor(),
        Binary::Atan2 => x.atan2(y),
        Binary::And => (x as i64 & y as i64) as f64,
        Binary::Or => (x as i64 | y as i64) as f64,
        Binary::Xor => (x as i64 ^ y as i64) as f64,
    }
}

/// What a number is in a type of integers.
fn wrapped(x: f64, dtype: DType) -> f64 {
    match dtype {
        DType::Bool => f64::from(u8::from(x != 0.0)),
        DType::U8 => f64::from(x as i64 as u8),
        DType::I32 => f64::from(x as i64 as i32),
        _ => x,
    }
}

#[test]
fn binary_operations_on_any_strides_and_types() {
    let mut dice = Dice::new(1);
    let ops = [Binary::Add, Binary::Sub, Binary::Mul, Binary::Max, Binary::Min, Binary::Div, Binary::Remainder, Binary::Atan2, Binary::And, Binary::Or, Binary::Xor];
    for round in 0..600 {
        let shape = dice.shape(4, 9);
        let (op, dtype) = (dice.one_of(&ops), dice.one_of(&ALL));
        let (a, b) = (dice.tensor(&shape, dtype), dice.tensor(&shape, dtype));
        let divides = matches!(op, Binary::Div | Binary::Remainder);
        let (x, y) = (values(&a), values(&b));
        if divides && y.contains(&0.0) {
            continue;
        }
        let found = Cpu.binary(op, &a, &b);
        let defined = match op {
            Binary::And | Binary::Or | Binary::Xor => !dtype.is_float(),
            Binary::Atan2 => dtype.is_float(),
            _ => true,
        };
        assert_eq!(found.is_ok(), defined, "{op:?} of {dtype}");
        let Ok(found) = found else { continue };
        let expected: Vec<f64> = x
            .iter()
            .zip(&y)
            .map(|(x, y)| {
                let z = binary_reference(op, *x, *y);
                if dtype.is_float() { z } else { wrapped(if op == Binary::Div { z.trunc() } else { z }, dtype) }
            })
            .collect();
        assert_eq!((found.shape(), found.dtype), (shape.as_slice(), dtype));
        close(&format!("round {round}: {op:?} of {dtype} {shape:?}"), &found, &expected, precision(dtype));
    }
}

#[test]
fn long_rows_scalars_and_columns_meet() {
    let mut dice = Dice::new(2);
    for shape in [vec![70_000], vec![3, 40_000], vec![300, 500], vec![2000, 37]] {
        let full = dice.reals(&shape, DType::F32);
        let last = *shape.last().expect("a dimension");
        let row = dice.reals(&[last], DType::F32);
        let strides = |of: &[usize]| Layout { shape: shape.as_slice().into(), strides: of.into(), offset: 0 };
        let mut of_row = vec![0; shape.len()];
        of_row[shape.len() - 1] = 1;
        let row = row.with_layout(strides(&of_row));
        let scalar = raw(&[0.5], &[1], DType::F32).with_layout(strides(&vec![0; shape.len()]));
        for other in [row, scalar] {
            for (a, b) in [(&full, &other), (&other, &full)] {
                let expected: Vec<f64> = values(a).iter().zip(values(b)).map(|(x, y)| x - y).collect();
                close(&format!("{shape:?}"), &Cpu.binary(Binary::Sub, a, b).expect("sub"), &expected, 1e-6);
            }
        }
    }
}

#[test]
fn comparisons_and_choices() {
    let mut dice = Dice::new(3);
    let ops = [Compare::Eq, Compare::Ne, Compare::Lt, Compare::Le, Compare::Gt, Compare::Ge];
    for _ in 0..300 {
        let shape = dice.shape(4, 9);
        let (op, dtype) = (dice.one_of(&ops), dice.one_of(&ALL));
        let (a, b) = (dice.tensor(&shape, dtype), dice.tensor(&shape, dtype));
        let mask = Cpu.compare(op, &a, &b).expect("a comparison");
        let holds = |x: &f64, y: &f64| match op {
            Compare::Eq => x == y,
            Compare::Ne => x != y,
            Compare::Lt => x < y,
            Compare::Le => x <= y,
            Compare::Gt => x > y,
            Compare::Ge => x >= y,
        };
        let (x, y) = (values(&a), values(&b));
        let expected: Vec<f64> = x.iter().zip(&y).map(|(x, y)| f64::from(u8::from(holds(x, y)))).collect();
        assert_eq!(mask.dtype, DType::Bool);
        close(&format!("{op:?} of {dtype}"), &mask, &expected, 0.0);
        let any_mask = dice.tensor(&shape, DType::Bool);
        let chosen: Vec<f64> = values(&any_mask).iter().zip(x.iter().zip(&y)).map(|(m, (x, y))| if *m != 0.0 { *x } else { *y }).collect();
        close("where", &Cpu.select(&any_mask, &a, &b).expect("where"), &chosen, 0.0);
    }
}

#[test]
fn nan_is_kept_by_maximum_clamp_and_relu() {
    let nan = f64::NAN;
    for dtype in FLOATS {
        let a = raw(&[nan, 1.0, nan, 3.0, f64::INFINITY], &[5], dtype);
        let b = raw(&[1.0, nan, nan, 2.0, f64::NEG_INFINITY], &[5], dtype);
        close("max", &Cpu.binary(Binary::Max, &a, &b).expect("max"), &[nan, nan, nan, 3.0, f64::INFINITY], 0.0);
        close("min", &Cpu.binary(Binary::Min, &a, &b).expect("min"), &[nan, nan, nan, 2.0, f64::NEG_INFINITY], 0.0);
        close("clamp", &Cpu.unary(Unary::Clamp(0.0, 2.0), &a).expect("clamp"), &[nan, 1.0, nan, 2.0, 2.0], 0.0);
        close("relu", &Cpu.unary(Unary::Relu, &b).expect("relu"), &[1.0, nan, nan, 2.0, 0.0], 0.0);
        close("isnan", &Cpu.unary(Unary::IsNan, &a).expect("isnan"), &[1.0, 0.0, 1.0, 0.0, 0.0], 0.0);
        close("isinf", &Cpu.unary(Unary::IsInf, &a).expect("isinf"), &[0.0, 0.0, 0.0, 0.0, 1.0], 0.0);
        close("isfinite", &Cpu.unary(Unary::IsFinite, &a).expect("isfinite"), &[0.0, 1.0, 0.0, 1.0, 0.0], 0.0);
    }
}

fn unary_reference(op: Unary, x: f64) -> f64 {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    match op {
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Sign => if x == 0.0 { 0.0 } else { x.signum() },
        Unary::Exp => x.exp(),
        Unary::Expm1 => x.exp_m1(),
        Unary::Log => x.ln(),
        Unary::Log1p => x.ln_1p(),
        Unary::Log2 => x.log2(),
        Unary::Log10 => x.log10(),
        Unary::Sqrt => x.sqrt(),
        Unary::Rsqrt => 1.0 / x.sqrt(),
        Unary::Square => x * x,
        Unary::Recip => 1.0 / x,
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Tan => x.tan(),
        Unary::Asin => x.asin(),
        Unary::Acos => x.acos(),
        Unary::Atan => x.atan(),
        Unary::Sinh => x.sinh(),
        Unary::Cosh => x.cosh(),
        Unary::Tanh => x.tanh(),
        Unary::Erf => super::super::math::erf64(x),
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Round => x.round_ties_even(),
        Unary::Trunc => x.trunc(),
        Unary::Sigmoid => sigmoid(x),
        Unary::Relu => x.max(0.0),
        Unary::Gelu => 0.5 * x * (1.0 + super::super::math::erf64(x / 2f64.sqrt())),
        Unary::GeluTanh => 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh()),
        Unary::Silu => x * sigmoid(x),
        Unary::Softplus => x.exp().ln_1p(),
        Unary::LeakyRelu(s) => if x > 0.0 { x } else { s * x },
        Unary::Elu(a) => if x > 0.0 { x } else { a * x.exp_m1() },
        Unary::Affine(a, b) => x * a + b,
        Unary::DivBy(a) => x / a,
        Unary::DivInto(a) => a / x,
        Unary::Pow(e) => x.powf(e),
        Unary::Clamp(low, high) => x.max(low).min(high),
        Unary::Not | Unary::IsNan | Unary::IsInf | Unary::IsFinite => unreachable!("tested elsewhere"),
    }
}

const UNARIES: [Unary; 44] = [
    Unary::Neg, Unary::Abs, Unary::Sign, Unary::Exp, Unary::Expm1, Unary::Log, Unary::Log1p, Unary::Log2, Unary::Log10, Unary::Sqrt,
    Unary::Rsqrt, Unary::Square, Unary::Recip, Unary::Sin, Unary::Cos, Unary::Tan, Unary::Asin, Unary::Acos, Unary::Atan, Unary::Sinh,
    Unary::Cosh, Unary::Tanh, Unary::Erf, Unary::Floor, Unary::Ceil, Unary::Round, Unary::Trunc, Unary::Sigmoid, Unary::Relu, Unary::Gelu,
    Unary::GeluTanh, Unary::Silu, Unary::Softplus, Unary::LeakyRelu(0.1), Unary::Elu(1.5), Unary::Affine(2.0, -1.0), Unary::Affine(0.5, 0.0),
    Unary::DivBy(3.0), Unary::DivInto(2.0), Unary::Pow(2.0), Unary::Pow(3.0), Unary::Pow(0.5), Unary::Pow(-1.5), Unary::Clamp(-0.5, 0.75),
];

#[test]
fn functions_of_floats_on_any_strides() {
    let mut dice = Dice::new(4);
    for op in UNARIES {
        for dtype in FLOATS {
            let shape = dice.shape(3, 20);
            let x = dice.tensor(&shape, dtype);
            let expected: Vec<f64> = values(&x).iter().map(|x| unary_reference(op, *x)).collect();
            let found = Cpu.unary(op, &x).expect("defined for floats");
            close(&format!("{op:?} of {dtype} {shape:?}"), &found, &expected, precision(dtype).max(1e-14) * 2.0);
        }
    }
}

#[test]
fn functions_of_integers() {
    let mut dice = Dice::new(5);
    let ops = [Unary::Neg, Unary::Abs, Unary::Sign, Unary::Square, Unary::Floor, Unary::Round, Unary::Relu, Unary::Affine(3.0, -2.0), Unary::Pow(2.0), Unary::Clamp(-1.0, 2.0)];
    for op in ops {
        for dtype in [DType::U8, DType::I32, DType::I64] {
            let shape = dice.shape(3, 12);
            let x = dice.tensor(&shape, dtype);
            let expected: Vec<f64> = values(&x).iter().map(|x| wrapped(unary_reference(op, *x), dtype)).collect();
            close(&format!("{op:?} of {dtype}"), &Cpu.unary(op, &x).expect("defined"), &expected, 0.0);
        }
    }
    assert!(Cpu.unary(Unary::Exp, &raw(&[1.0], &[1], DType::I32)).is_err());
    assert!(Cpu.unary(Unary::Not, &raw(&[1.0], &[1], DType::F32)).is_err());
    close("not", &Cpu.unary(Unary::Not, &raw(&[1.0, 0.0], &[2], DType::Bool)).expect("not"), &[0.0, 1.0], 0.0);
    close("not", &Cpu.unary(Unary::Not, &raw(&[1.0, 0.0], &[2], DType::U8)).expect("not"), &[254.0, 255.0], 0.0);
}

#[test]
fn gradients_in_one_pass_are_slopes() {
    let ops = [
        Unary::Relu, Unary::LeakyRelu(0.2), Unary::Elu(1.3), Unary::Sigmoid, Unary::Tanh, Unary::Gelu, Unary::GeluTanh, Unary::Silu,
        Unary::Softplus, Unary::Exp, Unary::Log, Unary::Sqrt, Unary::Square, Unary::Clamp(-0.5, 0.9),
    ];
    let mut dice = Dice::new(6);
    for op in ops {
        let positive = matches!(op, Unary::Log | Unary::Sqrt);
        let points: Vec<f64> = (0..200).map(|_| dice.real()).map(|x| if positive { x.abs() + 0.1 } else { x }).collect();
        // Away from corners.
        let points: Vec<f64> = points.into_iter().filter(|x| x.abs() > 1e-3 && (x + 0.5).abs() > 1e-3 && (x - 0.9).abs() > 1e-3).collect();
        let dy: Vec<f64> = points.iter().map(|_| dice.real()).collect();
        let h = 1e-6;
        let slopes: Vec<f64> = points.iter().zip(&dy).map(|(x, dy)| dy * (unary_reference(op, x + h) - unary_reference(op, x - h)) / (2.0 * h)).collect();
        for (dtype, tolerance) in [(DType::F64, 1e-8), (DType::F32, 1e-5), (DType::BF16, 5e-2), (DType::F16, 1e-2)] {
            let x = raw(&points, &[points.len()], dtype);
            let saved = match op.gradient_from() {
                crate::backend::Saved::Output => Cpu.unary(op, &x).expect("a result"),
                _ => x,
            };
            let dy = raw(&dy, &[dy.len()], dtype);
            let found = Cpu.unary_backward(op, &saved, &dy).expect("a gradient").expect("in one pass");
            close(&format!("gradient of {op:?} in {dtype}"), &found, &slopes, tolerance);
        }
    }
}
