//! Errors of the functions that become vectors, and of conversions.
use super::*;
use crate::backend::{Draw, Unary};
use half::{bf16, f16};

/// The greatest error of `op` in f32 over `from..to`, in units in the last place of the right result.
fn worst(op: Unary, from: f32, to: f32, right: impl Fn(f64) -> f64) -> f64 {
    const POINTS: usize = 400_000;
    let points: Vec<f32> = (0..POINTS).map(|i| from + (to - from) * (i as f32 / POINTS as f32)).collect();
    let found = Cpu.unary(op, &Raw::cpu(points.clone().into(), &[POINTS])).expect("a result");
    let mut worst: f64 = 0.0;
    for (x, y) in points.iter().zip(values(&found)) {
        let right = right(f64::from(*x));
        if right.abs() < f64::from(f32::MIN_POSITIVE) || right.abs() > f64::from(f32::MAX) {
            continue;
        }
        let unit = f64::from(f32::from_bits((right as f32).abs().to_bits() + 1)) - f64::from((right as f32).abs());
        worst = worst.max((y - right).abs() / unit);
    }
    worst
}

#[test]
fn functions_are_within_their_stated_errors() {
    let fused = crate::cpu::level::reach() != crate::cpu::level::Reach::Base;
    let cases: [(&str, f64, f64); 12] = [
        ("exp", 1.5, worst(Unary::Exp, -87.0, 88.7, f64::exp)),
        ("exp near 0", 1.5, worst(Unary::Exp, -1.0, 1.0, f64::exp)),
        ("ln", 1.5, worst(Unary::Log, 1e-3, 20.0, f64::ln)),
        ("ln of large", 1.5, worst(Unary::Log, 1e10, 3e38, f64::ln)),
        ("tanh", 2.5, worst(Unary::Tanh, -10.0, 10.0, f64::tanh)),
        ("tanh near 0", 2.5, worst(Unary::Tanh, -0.7, 0.7, f64::tanh)),
        ("erf", 1.5, worst(Unary::Erf, -5.0, 5.0, crate::cpu::math::erf64)),
        ("erf near 0", if fused { 1.5 } else { 2.0 }, worst(Unary::Erf, -1.0, 1.0, crate::cpu::math::erf64)),
        ("sigmoid", 3.0, worst(Unary::Sigmoid, -80.0, 30.0, |x| 1.0 / (1.0 + (-x).exp()))),
        ("sqrt", 0.5001, worst(Unary::Sqrt, 0.0, 1e6, f64::sqrt)),
        ("rsqrt", 1.5, worst(Unary::Rsqrt, 1e-6, 1e3, |x| 1.0 / x.sqrt())),
        ("softplus", 3.0, worst(Unary::Softplus, -20.0, 20.0, |x| x.max(0.0) + (-x.abs()).exp().ln_1p())),
    ];
    let broken: Vec<String> = cases.iter().filter(|(_, most, found)| found > most).map(|(name, most, found)| format!("{name}: {found:.2} of {most}")).collect();
    assert!(broken.is_empty(), "{}", broken.join(", "));
}

#[test]
fn functions_at_the_edges() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let x = raw(&[nan, inf, -inf, 0.0, -0.0, 1e-42, 200.0, -200.0], &[8], DType::F32);
    let of = |op: Unary| values(&Cpu.unary(op, &x).expect("a result"));
    let same = |found: Vec<f64>, expected: [f64; 8]| {
        found.iter().zip(expected).for_each(|(f, e)| assert!(*f == e || (f.is_nan() && e.is_nan()) || (f - e).abs() < 1e-4, "{found:?}, not {expected:?}"));
    };
    same(of(Unary::Exp), [nan, inf, 0.0, 1.0, 1.0, 1.0, inf, 0.0]);
    same(of(Unary::Log), [nan, inf, nan, -inf, -inf, f64::from(1e-42f32).ln(), 200f64.ln(), nan]);
    same(of(Unary::Tanh), [nan, 1.0, -1.0, 0.0, 0.0, 0.0, 1.0, -1.0]);
    same(of(Unary::Erf), [nan, 1.0, -1.0, 0.0, 0.0, 0.0, 1.0, -1.0]);
    same(of(Unary::Sigmoid), [nan, 1.0, 0.0, 0.5, 0.5, 0.5, 1.0, 0.0]);
    same(of(Unary::Softplus), [nan, inf, 0.0, 2f64.ln(), 2f64.ln(), 2f64.ln(), 200.0, 0.0]);
    let tiny = values(&Cpu.unary(Unary::Exp, &raw(&[-100.0], &[1], DType::F32)).expect("exp"))[0];
    assert!((tiny / (-100f64).exp() - 1.0).abs() < 0.02, "below the normal range: {tiny:e}");
}

#[test]
fn the_error_function_in_f64() {
    // Abramowitz and Stegun, table 7.1.
    for (x, y) in [(0.1, 0.112_462_916_0), (0.5, 0.520_499_877_8), (1.0, 0.842_700_792_9), (2.0, 0.995_322_265_0), (3.0, 0.999_977_909_5)] {
        let found = crate::cpu::math::erf64(x);
        assert!((found - y).abs() < 1e-10, "erf({x}) = {found}");
        assert_eq!(crate::cpu::math::erf64(-x), -found);
    }
}

#[test]
fn every_half_survives_and_rounds_as_half_does() {
    let all: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
    let wide = values(&Cpu.cast(&Raw::cpu(all.clone().into(), &[65536]), DType::F32).expect("a cast"));
    let brains: Vec<bf16> = (0..=u16::MAX).map(bf16::from_bits).collect();
    let wide_brains = values(&Cpu.cast(&Raw::cpu(brains.clone().into(), &[65536]), DType::F32).expect("a cast"));
    for i in 0..65536 {
        assert!(wide[i] == all[i].to_f64() || all[i].is_nan() && wide[i].is_nan(), "f16 {i:#x}");
        assert!(wide_brains[i] == brains[i].to_f64() || brains[i].is_nan() && wide_brains[i].is_nan(), "bf16 {i:#x}");
    }
    let mut dice = Dice::new(7);
    let any: Vec<f32> = (0..300_000).map(|i| if i % 2 == 0 { f32::from_bits(dice.next() as u32) } else { (dice.real() * 70_000.0) as f32 }).collect();
    let x = Raw::cpu(any.clone().into(), &[any.len()]);
    let (halves, brains) = (values(&Cpu.cast(&x, DType::F16).expect("a cast")), values(&Cpu.cast(&x, DType::BF16).expect("a cast")));
    for (i, x) in any.iter().enumerate() {
        let (h, b) = (f16::from_f32(*x).to_f64(), bf16::from_f32(*x).to_f64());
        assert!(halves[i] == h || h.is_nan() && halves[i].is_nan(), "{x} as f16: {}, not {h}", halves[i]);
        assert!(brains[i] == b || b.is_nan() && brains[i].is_nan(), "{x} as bf16: {}, not {b}", brains[i]);
    }
}

#[test]
fn casts_are_as_rusts() {
    let x = [f64::NAN, f64::INFINITY, -1.5, 300.7, 1e19, 0.0, -0.4];
    for from in [DType::F32, DType::F64] {
        let x = raw(&x, &[7], from);
        let cast = |dtype| values(&Cpu.cast(&x, dtype).expect("a cast"));
        assert_eq!(cast(DType::U8), [0.0, 255.0, 0.0, 255.0, 255.0, 0.0, 0.0]);
        assert_eq!(cast(DType::I32), [0.0, f64::from(i32::MAX), -1.0, 300.0, f64::from(i32::MAX), 0.0, 0.0]);
        assert_eq!(cast(DType::I64), [0.0, i64::MAX as f64, -1.0, 300.0, i64::MAX as f64, 0.0, 0.0]);
        assert_eq!(cast(DType::Bool), [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0]);
    }
    let whole = Raw::cpu(vec![-1i64, 256, 1 << 40, i64::MIN].into(), &[4]);
    assert_eq!(values(&Cpu.cast(&whole, DType::U8).expect("a cast")), [255.0, 0.0, 0.0, 0.0]);
    assert_eq!(values(&Cpu.cast(&whole, DType::I32).expect("a cast")), [-1.0, 256.0, 0.0, 0.0]);
}

#[test]
fn philox_gives_the_published_numbers() {
    // kat_vectors of Random123 1.14.
    let cases = [
        ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        ([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0], [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
    ];
    for (counter, key, bits) in cases {
        assert_eq!(crate::cpu::random::philox(counter.map(|c| [c; 3]), key), bits.map(|b| [b; 3]));
    }
}

#[test]
fn random_numbers_are_those_of_their_place_and_fit_their_distribution() {
    const COUNT: usize = 200_000;
    let moments = |x: &[f64]| {
        let mean = x.iter().sum::<f64>() / COUNT as f64;
        (mean, x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / COUNT as f64)
    };
    for dtype in [DType::F32, DType::F64] {
        let uniform = Draw::Uniform { low: -1.0, high: 3.0 };
        let x = values(&Cpu.random(&[COUNT], dtype, uniform, 7, 100).expect("rand"));
        let (mean, variance) = moments(&x);
        assert!((mean - 1.0).abs() < 0.02 && (variance - 16.0 / 12.0).abs() < 0.02, "{mean} {variance}");
        assert!(x.iter().all(|x| (-1.0..3.0).contains(x)));
        // Element i + 4 of counter c is element i of counter c + 1.
        assert_eq!(values(&Cpu.random(&[COUNT - 4], dtype, uniform, 7, 101).expect("rand")), x[4..]);
        let (mean, variance) = moments(&values(&Cpu.random(&[COUNT], dtype, Draw::Normal { mean: 2.0, std: 3.0 }, 7, 0).expect("randn")));
        assert!((mean - 2.0).abs() < 0.03 && (variance - 9.0).abs() < 0.15, "{mean} {variance}");
    }
    let whole = values(&Cpu.random(&[COUNT], DType::I64, Draw::Integers { low: -2, high: 3 }, 1, 0).expect("randint"));
    for value in -2..3 {
        let share = whole.iter().filter(|x| **x == f64::from(value)).count() as f64 / COUNT as f64;
        assert!((share - 0.2).abs() < 0.01, "{value}: {share}");
    }
    let coins = values(&Cpu.random(&[COUNT], DType::Bool, Draw::Bernoulli { p: 0.3 }, 1, 0).expect("bernoulli"));
    assert!((coins.iter().sum::<f64>() / COUNT as f64 - 0.3).abs() < 0.01);
    assert!(values(&Cpu.random(&[1000], DType::Bool, Draw::Bernoulli { p: 1.0 }, 1, 0).expect("bernoulli")).iter().all(|x| *x == 1.0));
}
