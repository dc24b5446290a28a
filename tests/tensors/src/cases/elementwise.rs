//! Operations on single elements, operators and comparisons.
use crate::case::*;
use ochre_tensors::{DType, Tensor};

/// All of them.
pub fn cases() -> Vec<Case> {
    [functions(), kinks(), pairs(), judgements(), types(), borders()].concat()
}

const SHAPE: [usize; 2] = [3, 4];

fn functions() -> Vec<Case> {
    let any = || [floats(&SHAPE)];
    let above = || [positive(&SHAPE)];
    let inside = || [between(&SHAPE, -0.9, 0.9)];
    vec![
        smooth("exp", &any(), |x| vec![x[0].exp()], "a.exp()"),
        smooth("expm1", &any(), |x| vec![x[0].expm1()], "a.expm1()"),
        smooth("log", &above(), |x| vec![x[0].log()], "a.log()"),
        smooth("log1p", &above(), |x| vec![x[0].log1p()], "a.log1p()"),
        smooth("log2", &above(), |x| vec![x[0].log2()], "a.log2()"),
        smooth("log10", &above(), |x| vec![x[0].log10()], "a.log10()"),
        smooth("sqrt", &above(), |x| vec![x[0].sqrt()], "a.sqrt()"),
        smooth("rsqrt", &above(), |x| vec![x[0].rsqrt()], "a.rsqrt()"),
        smooth("square", &any(), |x| vec![x[0].square()], "a.square()"),
        smooth("reciprocal", &above(), |x| vec![x[0].reciprocal()], "a.reciprocal()").looser(2.0),
        smooth("sin", &any(), |x| vec![x[0].sin()], "a.sin()"),
        smooth("cos", &any(), |x| vec![x[0].cos()], "a.cos()"),
        smooth("tan", &inside(), |x| vec![x[0].tan()], "a.tan()").looser(2.0),
        smooth("asin", &inside(), |x| vec![x[0].asin()], "a.asin()").looser(2.0),
        smooth("acos", &inside(), |x| vec![x[0].acos()], "a.acos()").looser(2.0),
        smooth("atan", &any(), |x| vec![x[0].atan()], "a.atan()"),
        smooth("sinh", &any(), |x| vec![x[0].sinh()], "a.sinh()"),
        smooth("cosh", &any(), |x| vec![x[0].cosh()], "a.cosh()"),
        smooth("tanh", &any(), |x| vec![x[0].tanh()], "a.tanh()"),
        smooth("erf", &any(), |x| vec![x[0].erf()], "a.erf()"),
        smooth("sigmoid", &any(), |x| vec![x[0].sigmoid()], "a.sigmoid()"),
        smooth("sigmoid far out", &[between(&SHAPE, -90.0, 90.0)], |x| vec![x[0].sigmoid()], "a.sigmoid()"),
        smooth("gelu", &any(), |x| vec![x[0].gelu()], "F.gelu(a)"),
        smooth("gelu_tanh", &any(), |x| vec![x[0].gelu_tanh()], "F.gelu(a, approximate='tanh')"),
        smooth("silu", &any(), |x| vec![x[0].silu()], "F.silu(a)"),
        smooth("softplus", &any(), |x| vec![x[0].softplus()], "torch.log1p(a.exp())").looser(2.0),
        smooth("softplus far out", &[between(&SHAPE, -90.0, 90.0)], |x| vec![x[0].softplus()], "torch.logaddexp(a, a * 0)").looser(2.0),
        smooth("neg", &any(), |x| vec![-&x[0], x[0].neg()], "-a, a.neg()"),
        smooth("elu", &[away(&SHAPE)], |x| vec![x[0].elu(1.3)], "F.elu(a, 1.3)"),
        smooth("pow", &above(), |x| vec![x[0].pow(2.5), x[0].pow(-1.5), x[0].pow(2.0), x[0].pow(0.5), x[0].pow(3.0)], "a ** 2.5, a ** -1.5, a ** 2.0, a ** 0.5, a ** 3.0").looser(4.0),
        smooth("pow of negative", &any(), |x| vec![x[0].pow(3.0), x[0].pow(1.0), x[0].pow(0.0)], "a ** 3.0, a ** 1.0, a ** 0.0").looser(4.0),
        smooth("affine", &any(), |x| vec![x[0].affine(2.5, -0.75)], "a * 2.5 - 0.75"),
    ]
}

fn kinks() -> Vec<Case> {
    let off = || [away(&SHAPE)];
    vec![
        smooth("abs", &off(), |x| vec![x[0].abs()], "a.abs()"),
        smooth("relu", &off(), |x| vec![x[0].relu()], "a.relu()"),
        smooth("leaky_relu", &off(), |x| vec![x[0].leaky_relu(0.1)], "F.leaky_relu(a, 0.1)"),
        smooth("sign", &off(), |x| vec![x[0].sign() * &x[0]], "a.sign() * a"),
        smooth("floor", &off(), |x| vec![x[0].floor() * &x[0]], "a.floor() * a"),
        smooth("ceil", &off(), |x| vec![x[0].ceil() * &x[0]], "a.ceil() * a"),
        smooth("trunc", &off(), |x| vec![x[0].trunc() * &x[0]], "a.trunc() * a"),
        values("round", &[between(&[40], -20.0, 20.0)], |x| vec![x[0].round(), (&x[0] * 0.0 + 2.5).round(), (&x[0] * 0.0 + 3.5).round()], "a.round(), (a * 0 + 2.5).round(), (a * 0 + 3.5).round()"),
        smooth("round gradient", &[between(&SHAPE, 0.1, 0.4)], |x| vec![x[0].round() + &x[0]], "a.round() + a"),
        smooth("clamp", &off(), |x| vec![x[0].clamp(-1.0, 1.0)], "a.clamp(-1, 1)"),
        smooth("clamp_min", &off(), |x| vec![x[0].clamp_min(-1.0)], "a.clamp(min=-1)"),
        smooth("clamp_max", &off(), |x| vec![x[0].clamp_max(1.0)], "a.clamp(max=1)"),
    ]
}

fn pairs() -> Vec<Case> {
    let two = || [floats(&SHAPE), floats(&SHAPE)];
    let wide = || [floats(&[2, 1, 4]), floats(&[3, 1])];
    let over = || [floats(&SHAPE), positive(&[4])];
    vec![
        smooth("add", &two(), |x| vec![&x[0] + &x[1]], "a + b"),
        smooth("add broadcast", &wide(), |x| vec![x[0].add(&x[1])], "a + b").looser(2.0),
        smooth("add itself", &[floats(&SHAPE)], |x| vec![&x[0] + &x[0]], "a + a"),
        smooth("add numbers", &[floats(&SHAPE)], |x| vec![&x[0] + 1.5, 2 + &x[0], x[0].add(0.25)], "a + 1.5, 2 + a, a + 0.25"),
        smooth("sub", &two(), |x| vec![&x[0] - &x[1]], "a - b"),
        smooth("sub broadcast", &wide(), |x| vec![x[0].sub(&x[1])], "a - b").looser(2.0),
        smooth("sub numbers", &[floats(&SHAPE)], |x| vec![&x[0] - 1.5, 2.0 - &x[0]], "a - 1.5, 2.0 - a"),
        smooth("mul", &two(), |x| vec![&x[0] * &x[1]], "a * b"),
        smooth("mul broadcast", &wide(), |x| vec![x[0].mul(&x[1])], "a * b").looser(4.0),
        smooth("mul numbers", &[floats(&SHAPE)], |x| vec![&x[0] * 1.5, 3.0 * &x[0]], "a * 1.5, 3.0 * a"),
        smooth("mul by a scalar tensor", &[floats(&SHAPE), floats(&[])], |x| vec![&x[0] * &x[1]], "a * b").looser(4.0),
        smooth("div", &over(), |x| vec![&x[0] / &x[1]], "a / b").looser(4.0),
        smooth("div numbers", &[positive(&SHAPE)], |x| vec![&x[0] / 1.5, 3.0 / &x[0], x[0].div(3)], "a / 1.5, 3.0 / a, a / 3").looser(2.0),
        smooth("maximum", &[distinct(&[8]), floats(&[3, 8])], |x| vec![x[0].maximum(&x[1])], "torch.maximum(a, b)"),
        smooth("minimum", &[distinct(&[8]), floats(&[3, 8])], |x| vec![x[0].minimum(&x[1])], "torch.minimum(a, b)"),
        values("maximum equal", &[floats(&SHAPE)], |x| vec![x[0].maximum(&x[0]), x[0].minimum(&x[0])], "torch.maximum(a, a), torch.minimum(a, a)"),
        smooth("pow_tensor", &[positive(&SHAPE), floats(&[4])], |x| vec![x[0].pow_tensor(&x[1])], "a ** b").looser(8.0),
        smooth("remainder", &[away(&SHAPE), between(&[4], 2.5, 2.9)], |x| vec![x[0].remainder(&x[1])], "torch.remainder(a, b)").looser(2.0),
        values("remainder negative divisor", &[floats(&SHAPE)], |x| vec![x[0].remainder(-0.75), &x[0] % 0.5], "torch.remainder(a, -0.75), a % 0.5").looser(2.0),
        smooth("atan2", &[floats(&SHAPE), away(&SHAPE)], |x| vec![x[0].atan2(&x[1])], "torch.atan2(a, b)").looser(4.0),
        values("floor_divide", &[floats(&SHAPE), positive(&[4])], |x| vec![x[0].floor_divide(&x[1]), x[0].floor_divide(0.7)], "torch.floor_divide(a, b), torch.floor_divide(a, 0.7)"),
        smooth("where_cond", &[floats(&SHAPE), floats(&[4]), mask(&[3, 1])], |x| vec![Tensor::where_cond(&x[2], &x[0], &x[1])], "torch.where(c, a, b)").looser(2.0),
        smooth("masked_fill", &[floats(&SHAPE), mask(&[4])], |x| vec![x[0].masked_fill(&x[1], 7.0)], "a.masked_fill(b, 7.0)"),
    ]
}

fn judgements() -> Vec<Case> {
    let two = || [integers(&SHAPE, -2, 3), integers(&[4], -2, 3)];
    vec![
        exact("eq", &two(), |x| vec![x[0].eq(&x[1]), x[0].eq(1)], "a == b, a == 1"),
        exact("ne", &two(), |x| vec![x[0].ne(&x[1]), x[0].ne(1)], "a != b, a != 1"),
        exact("lt", &two(), |x| vec![x[0].lt(&x[1]), x[0].lt(0.5)], "a < b, a < 0.5"),
        exact("le", &two(), |x| vec![x[0].le(&x[1]), x[0].le(1)], "a <= b, a <= 1"),
        exact("gt", &two(), |x| vec![x[0].gt(&x[1]), x[0].gt(-0.5)], "a > b, a > -0.5"),
        exact("ge", &two(), |x| vec![x[0].ge(&x[1]), x[0].ge(1)], "a >= b, a >= 1"),
        values("lt floats", &[floats(&SHAPE), floats(&SHAPE)], |x| vec![x[0].lt(&x[1]), x[0].gt(&x[1]), x[0].ge(&x[0]), x[0].ne(&x[0])], "a < b, a > b, a >= a, a != a"),
        exact("logical_and", &[mask(&SHAPE), mask(&[4])], |x| vec![x[0].logical_and(&x[1]), &x[0] & &x[1]], "a & b, a & b"),
        exact("logical_or", &[mask(&SHAPE), mask(&[4])], |x| vec![x[0].logical_or(&x[1]), &x[0] | &x[1]], "a | b, a | b"),
        exact("logical_xor", &[mask(&SHAPE), mask(&[4])], |x| vec![x[0].logical_xor(&x[1]), &x[0] ^ &x[1]], "a ^ b, a ^ b"),
        exact("logical_not", &[mask(&SHAPE), integers(&SHAPE, -1, 2)], |x| vec![x[0].logical_not(), x[1].logical_not()], "~a, b.logical_not()"),
        exact("logical_and integers", &two(), |x| vec![x[0].logical_and(&x[1])], "torch.logical_and(a, b)"),
        values("isclose", &[floats(&SHAPE)], |x| vec![x[0].isclose(&(&x[0] + 1e-3), 0.0, 2e-3)], "torch.ones_like(a, dtype=torch.bool)"),
    ]
}

fn types() -> Vec<Case> {
    let whole = |dtype: DType| integers_of(&SHAPE, 0, 100, dtype);
    vec![
        smooth("to_dtype", &[floats(&SHAPE)], |x| vec![x[0].to_dtype(DType::F64) * 2.0], "a.double() * 2.0"),
        exact("to_dtype integers", &[integers(&SHAPE, -300, 300)], |x| [DType::Bool, DType::U8, DType::I32, DType::F32].map(|d| x[0].to_dtype(d)).to_vec(), "a.bool(), a.byte(), a.int(), a.float()"),
        exact("to_dtype truncates", &[between(&SHAPE, -100.0, 100.0)], |x| vec![x[0].to_dtype(DType::I64), x[0].to_dtype(DType::I32), x[0].to_dtype(DType::Bool)], "a.long(), a.int(), a.bool()"),
        exact("to_f32", &[integers(&SHAPE, -300, 300)], |x| vec![x[0].to_f32()], "a.float()"),
        exact("add integers", &[whole(DType::I32), whole(DType::U8), mask(&SHAPE)], |x| vec![&x[0] + &x[1], &x[1] + &x[1], &x[1] + &x[2], &x[0] + 3, &x[2] + 1], "a + b, b + b, b + c, a + 3, c + 1"),
        exact("mul integers", &[whole(DType::I64), whole(DType::I32)], |x| vec![&x[0] * &x[1], &x[1] * 2, &x[1] * 0.5], "a * b, b * 2, b * 0.5"),
        exact("div integers", &[integers(&SHAPE, -8, 9)], |x| vec![&x[0] / 2, &x[0] / 4.0], "a / 2, a / 4.0"),
        exact("floor_divide integers", &[integers(&SHAPE, -20, 20), integers(&[4], 1, 6)], |x| vec![x[0].floor_divide(&x[1]), x[0].floor_divide(-3), x[0].remainder(&x[1]), &x[0] % -3], "a // b, a // -3, a % b, a % -3"),
        exact("pow integers", &[integers(&SHAPE, -5, 6)], |x| vec![x[0].pow(2.0), x[0].pow(3.0)], "a ** 2, a ** 3"),
        exact("abs integers", &[integers(&SHAPE, -5, 6)], |x| vec![x[0].abs(), x[0].sign(), -&x[0], x[0].square()], "a.abs(), a.sign(), -a, a.square()"),
        exact("clamp integers", &[integers(&SHAPE, -5, 6)], |x| vec![x[0].clamp(-2.0, 3.0)], "a.clamp(-2, 3)"),
        exact("maximum integers", &[integers(&SHAPE, -5, 6), whole(DType::I32)], |x| vec![x[0].maximum(&x[1]), x[0].minimum(&x[1])], "torch.maximum(a, b), torch.minimum(a, b)"),
    ]
}

/// NaN, infinities and zeros, made of what is given: `a / 0`.
fn borders() -> Vec<Case> {
    let odd = || [integers(&[3, 5], -1, 2)];
    fn made(x: &Tensor) -> Tensor {
        &x.to_dtype(DType::F32) / &(x * 0).to_dtype(DType::F32)
    }
    vec![
        exact("is_nan", &odd(), |x| vec![made(&x[0]).is_nan(), x[0].is_nan()], "(a / 0).isnan(), a.isnan()"),
        exact("is_inf", &odd(), |x| vec![made(&x[0]).is_inf()], "(a / 0).isinf()"),
        exact("is_finite", &odd(), |x| vec![made(&x[0]).is_finite()], "(a / 0).isfinite()"),
        exact(
            "relu of NaN",
            &odd(),
            |x| {
                let x = made(&x[0]);
                vec![x.relu(), x.clamp(-1.0, 1.0), x.abs(), x.sign(), -&x, x.floor(), x.sigmoid(), x.tanh(), x.exp()]
            },
            "(lambda x: (x.relu(), x.clamp(-1, 1), x.abs(), x.sign(), -x, x.floor(), x.sigmoid(), x.tanh(), x.exp()))(a / 0)",
        ),
        exact(
            "maximum of NaN",
            &odd(),
            |x| {
                let (nan, zero) = (made(&x[0]), x[0].to_dtype(DType::F32));
                vec![nan.maximum(&zero), zero.minimum(&nan), nan.eq(&nan), nan.lt(&zero), nan.ne(&nan)]
            },
            "(lambda x, y: (torch.maximum(x, y), torch.minimum(y, x), x == x, x < y, x != x))(a / 0, a.float())",
        ),
        exact(
            "softmax of infinities",
            &[integers(&[2, 4], 0, 2)],
            |x| {
                let x = x[0].to_dtype(DType::F32).log();
                vec![x.softmax(0).is_nan(), x.masked_fill(&x.is_inf(), -1e30).softmax(-1).sum_dim(-1).round()]
            },
            "(lambda x: (x.softmax(0).isnan(), x.masked_fill(x.isinf(), -1e30).softmax(-1).sum(-1).round()))(a.float().log())",
        ),
    ]
}
