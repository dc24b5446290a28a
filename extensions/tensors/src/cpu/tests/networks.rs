//! Normalisation, softmax, pooling, scaling, losses and optimisers against their formulas in f64; gradients against slopes.
use super::*;
use crate::backend::{AdamW, Pool, Scaling, Sgd};

/// Slopes of `sum(f(x) * dy)` in f64.
fn slopes(x: &Raw, dy: &[f64], f: impl Fn(&Raw) -> Raw) -> Vec<f64> {
    let h = 1e-5;
    let total = |v: &[f64]| values(&f(&raw(v, x.shape(), DType::F64))).iter().zip(dy).map(|(y, d)| y * d).sum::<f64>();
    let point = values(x);
    (0..point.len())
        .map(|i| {
            let (mut up, mut down) = (point.clone(), point.clone());
            up[i] += h;
            down[i] -= h;
            (total(&up) - total(&down)) / (2.0 * h)
        })
        .collect()
}

/// Values in f32 agree with those in f64, which are exact enough.
fn agrees(name: &str, f: impl Fn(DType) -> Raw) {
    let exact = values(&f(DType::F64));
    close(&format!("{name} in f32"), &f(DType::F32), &exact, 2e-5);
    close(&format!("{name} in bf16"), &f(DType::BF16), &exact, 6e-2);
}

fn cast(x: &Raw, dtype: DType) -> Raw {
    // What bf16 can hold, so that all types see the same numbers.
    Cpu.cast(&Cpu.cast(x, DType::BF16).expect("a cast"), dtype).expect("a cast")
}

#[test]
fn softmax_along_any_dimension() {
    let mut dice = Dice::new(50);
    for (shape, dim) in [(vec![7, 33], 1), (vec![5, 9, 4], 1), (vec![6, 5], 0), (vec![3], 0), (vec![40, 1000], 1), (vec![2, 3, 50], 2), (vec![3, 0], 1)] {
        let x = dice.reals(&shape, DType::F64);
        for log in [false, true] {
            let all = places(&shape);
            let line = |p: &[usize]| -> f64 { (0..shape[dim]).map(|i| at(&x, &[&p[..dim], &[i], &p[dim + 1..]].concat()).exp()).sum() };
            let expected: Vec<f64> = if all.len() > 5000 { Vec::new() } else { all.iter().map(|p| if log { at(&x, p) - line(p).ln() } else { at(&x, p).exp() / line(p) }).collect() };
            let y = Cpu.softmax(&x, dim, log).expect("softmax");
            if !expected.is_empty() {
                close("softmax", &y, &expected, 1e-12);
            }
            agrees("softmax", |dtype| Cpu.softmax(&cast(&x, dtype), dim, log).expect("softmax"));
            if x.len() <= 200 {
                let dy = dice.reals(&shape, DType::F64);
                let expected = slopes(&x, &values(&dy), |x| Cpu.softmax(x, dim, log).expect("softmax"));
                close("softmax backward", &Cpu.softmax_backward(&y, &dy, dim, log).expect("gradient"), &expected, 1e-7);
            }
        }
    }
    let far = raw(&[1e4, 1e4 - 1.0, -1e4], &[3], DType::F32);
    close("far away", &Cpu.softmax(&far, 0, false).expect("softmax"), &[1.0 / (1.0 + (-1f64).exp()), 1.0 / (1.0 + 1f64.exp()), 0.0], 1e-6);
}

#[test]
fn layer_norm_and_its_gradients() {
    let mut dice = Dice::new(51);
    for (rows, width) in [(4, 6), (3, 37), (1, 5), (70, 3)] {
        let x = dice.reals(&[rows, width], DType::F64);
        let (w, b, dy) = (dice.reals(&[width], DType::F64), dice.reals(&[width], DType::F64), dice.reals(&[rows, width], DType::F64));
        let norm = |x: &Raw, w: Option<&Raw>, b: Option<&Raw>| Cpu.layer_norm(x, width, w, b, 1e-5).expect("layer_norm");
        let (y, mean, rstd) = norm(&x, Some(&w), Some(&b));
        let (xs, ws, bs) = (values(&x), values(&w), values(&b));
        let expected: Vec<f64> = xs
            .chunks(width)
            .flat_map(|row| {
                let mean = row.iter().sum::<f64>() / width as f64;
                let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
                row.iter().zip(ws.iter().zip(&bs)).map(move |(x, (w, b))| (x - mean) / (variance + 1e-5).sqrt() * w + b).collect::<Vec<_>>()
            })
            .collect();
        close("layer_norm", &y, &expected, 1e-12);
        agrees("layer_norm", |dtype| Cpu.layer_norm(&cast(&x, dtype), width, Some(&cast(&w, dtype)), None, 1e-2).expect("layer_norm").0);
        let (dx, dw, db) = Cpu.layer_norm_backward(&x, &dy, width, Some(&w), &mean, &rstd).expect("gradients");
        close("dx", &dx, &slopes(&x, &values(&dy), |x| norm(x, Some(&w), Some(&b)).0), 1e-6);
        close("dw", &dw, &slopes(&w, &values(&dy), |w| norm(&x, Some(w), Some(&b)).0), 1e-6);
        close("db", &db, &slopes(&b, &values(&dy), |b| norm(&x, Some(&w), Some(b)).0), 1e-6);
    }
}

#[test]
fn batch_norm_and_its_gradients() {
    let mut dice = Dice::new(52);
    for shape in [vec![3, 4, 5, 5], vec![9, 3], vec![2, 3, 40], vec![4, 2, 1, 3]] {
        let c = shape[1];
        let x = dice.reals(&shape, DType::F64);
        let (w, b, dy) = (dice.reals(&[c], DType::F64), dice.reals(&[c], DType::F64), dice.reals(&shape, DType::F64));
        let given = (dice.reals(&[c], DType::F64), Cpu.unary(crate::backend::Unary::Exp, &dice.reals(&[c], DType::F64)).expect("exp"));
        for statistics in [None, Some((&given.0, &given.1))] {
            let norm = |x: &Raw, w: &Raw, b: &Raw| Cpu.batch_norm(x, Some(w), Some(b), statistics, 1e-5).expect("batch_norm");
            let (y, mean, rstd) = norm(&x, &w, &b);
            let all = places(&shape);
            let channel = |of: usize| all.iter().filter(move |p| p[1] == of).map(|p| at(&x, p)).collect::<Vec<_>>();
            let moments: Vec<(f64, f64)> = (0..c)
                .map(|c| match statistics {
                    Some((mean, variance)) => (at(mean, &[c]), at(variance, &[c])),
                    None => {
                        let x = channel(c);
                        let mean = x.iter().sum::<f64>() / x.len() as f64;
                        (mean, x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64)
                    }
                })
                .collect();
            let expected: Vec<f64> = all.iter().map(|p| (at(&x, p) - moments[p[1]].0) / (moments[p[1]].1 + 1e-5).sqrt() * at(&w, &[p[1]]) + at(&b, &[p[1]])).collect();
            close("batch_norm", &y, &expected, 1e-11);
            let (dx, dw, db) = Cpu.batch_norm_backward(&x, &dy, Some(&w), &mean, &rstd, statistics.is_none()).expect("gradients");
            close("dx", &dx, &slopes(&x, &values(&dy), |x| norm(x, &w, &b).0), 1e-6);
            close("dw", &dw, &slopes(&w, &values(&dy), |w| norm(&x, w, &b).0), 1e-6);
            close("db", &db, &slopes(&b, &values(&dy), |b| norm(&x, &w, b).0), 1e-6);
        }
        agrees("batch_norm", |dtype| Cpu.batch_norm(&cast(&x, dtype), None, Some(&cast(&b, dtype)), None, 1e-2).expect("batch_norm").0);
    }
    // A mean far from 0 does not cost the variance its digits.
    let x: Vec<f64> = (0..20_000).map(|i| 1000.0 + f64::from(i % 2)).collect();
    let (_, mean, rstd) = Cpu.batch_norm(&raw(&x, &[2, 1, 10_000], DType::F32), None, None, None, 0.0).expect("batch_norm");
    close("mean", &mean, &[1000.5], 1e-6);
    close("1 / standard deviation", &rstd, &[2.0], 1e-4);
}

#[test]
fn pooling_and_its_gradients() {
    let mut dice = Dice::new(53);
    for round in 0..60 {
        let kernel = [dice.within(1, 3), dice.within(1, 3)];
        let padding = kernel.map(|k| dice.within(0, k / 2));
        let pool = Pool { kernel, stride: [dice.within(1, 3), dice.within(1, 3)], padding, count_padding: round % 2 == 0 };
        let pool = if round % 5 == 0 { Pool { kernel: [2, 2], stride: [2, 2], padding: [0, 0], ..pool } } else { pool };
        let shape = [dice.within(1, 3), dice.within(1, 3), dice.within(3, 9), dice.within(3, 9)];
        let x = dice.reals(&shape, DType::F64);
        let (max, places_of) = Cpu.max_pool(&x, pool).expect("max_pool");
        let mean = Cpu.avg_pool(&x, pool).expect("avg_pool");
        for p in places(max.shape()) {
            let seen: Vec<(usize, f64)> = places(&pool.kernel)
                .iter()
                .filter_map(|k| {
                    let y = (p[2] * pool.stride[0] + k[0]).checked_sub(pool.padding[0]).filter(|y| *y < shape[2])?;
                    let c = (p[3] * pool.stride[1] + k[1]).checked_sub(pool.padding[1]).filter(|c| *c < shape[3])?;
                    Some((y * shape[3] + c, at(&x, &[p[0], p[1], y, c])))
                })
                .collect();
            let best = seen.iter().map(|s| s.1).fold(f64::NEG_INFINITY, f64::max);
            assert_eq!(at(&max, &p), best);
            assert_eq!(seen.iter().find(|s| s.1 == best).map(|s| s.0 as f64), Some(at(&places_of, &p)));
            let count = if pool.count_padding { pool.kernel[0] * pool.kernel[1] } else { seen.len() };
            assert!((at(&mean, &p) - seen.iter().map(|s| s.1).sum::<f64>() / count as f64).abs() < 1e-12, "round {round}");
        }
        let dy = dice.reals(max.shape(), DType::F64);
        let found = Cpu.max_pool_backward(&dy, &places_of, &shape).expect("gradient");
        close("max_pool backward", &found, &slopes(&x, &values(&dy), |x| Cpu.max_pool(x, pool).expect("max_pool").0), 1e-7);
        let found = Cpu.avg_pool_backward(&dy, &shape, pool).expect("gradient");
        close("avg_pool backward", &found, &slopes(&x, &values(&dy), |x| Cpu.avg_pool(x, pool).expect("avg_pool")), 1e-7);
    }
    let nan = raw(&[1.0, f64::NAN, 3.0, 2.0], &[1, 1, 2, 2], DType::F32);
    let pool = Pool { kernel: [2, 2], stride: [2, 2], padding: [0, 0], count_padding: true };
    let (max, place) = Cpu.max_pool(&nan, pool).expect("max_pool");
    close("NaN wins", &max, &[f64::NAN], 0.0);
    close("its place", &place, &[1.0], 0.0);
}

#[test]
fn scaling_and_its_gradient() {
    let mut dice = Dice::new(54);
    let row = raw(&[0.0, 1.0, 2.0, 3.0], &[1, 1, 1, 4], DType::F32);
    let scaled = |size, scaling| values(&Cpu.interpolate(&row, [1, size], scaling).expect("interpolate"));
    assert_eq!(scaled(8, Scaling::Nearest), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    assert_eq!(scaled(3, Scaling::Nearest), [0.0, 1.0, 2.0]);
    assert_eq!(scaled(8, Scaling::Bilinear { align_corners: false }), [0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0]);
    assert_eq!(scaled(7, Scaling::Bilinear { align_corners: true }), [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]);
    for scaling in [Scaling::Nearest, Scaling::Bilinear { align_corners: false }, Scaling::Bilinear { align_corners: true }] {
        for size in [[7, 3], [2, 9], [1, 1]] {
            let x = dice.reals(&[2, 2, 4, 5], DType::F64);
            let dy = dice.reals(&[2, 2, size[0], size[1]], DType::F64);
            let found = Cpu.interpolate_backward(&dy, &[2, 2, 4, 5], scaling).expect("gradient");
            close("interpolate backward", &found, &slopes(&x, &values(&dy), |x| Cpu.interpolate(x, size, scaling).expect("interpolate")), 1e-7);
        }
    }
}

#[test]
fn cross_entropy_and_its_gradient() {
    let mut dice = Dice::new(55);
    for smoothing in [0.0, 0.1] {
        let (rows, n) = (6, 21);
        let x = dice.reals(&[rows, n], DType::F64);
        let classes: Vec<i64> = (0..rows).map(|_| dice.within(0, n - 1) as i64).collect();
        let classes = Raw::cpu(classes.into(), &[rows]);
        let expected: Vec<f64> = (0..rows)
            .map(|r| {
                let row: Vec<f64> = (0..n).map(|c| at(&x, &[r, c])).collect();
                let total = row.iter().map(|x| x.exp()).sum::<f64>().ln();
                let class = at(&classes, &[r]) as usize;
                (1.0 - smoothing) * (total - row[class]) + smoothing * row.iter().map(|x| total - x).sum::<f64>() / n as f64
            })
            .collect();
        close("cross_entropy", &Cpu.cross_entropy(&x, &classes, smoothing).expect("a loss"), &expected, 1e-12);
        agrees("cross_entropy", |dtype| Cpu.cross_entropy(&cast(&x, dtype), &classes, smoothing).expect("a loss"));
        let dy = dice.reals(&[rows], DType::F64);
        let found = Cpu.cross_entropy_backward(&x, &classes, &dy, smoothing).expect("gradient");
        close("its gradient", &found, &slopes(&x, &values(&dy), |x| Cpu.cross_entropy(x, &classes, smoothing).expect("a loss")), 1e-7);
    }
}

#[test]
fn optimisers_step_as_their_formulas() {
    let mut dice = Dice::new(56);
    for len in [5, 70_000] {
        for dtype in [DType::F64, DType::F32, DType::BF16] {
            let tolerance = precision(dtype) * 4.0;
            let p0 = dice.reals(&[len], dtype);
            let other_owner = p0.clone();
            let (mut p, mut m) = (p0.clone(), dice.reals(&[len], dtype));
            let mut pe = values(&p);
            let mut me = vec![0.0; len];
            for step in 0..3 {
                let g = dice.reals(&[len], DType::F32);
                let sgd = Sgd { rate: 0.1, momentum: 0.9, decay: 0.01, nesterov: true, first: step == 0 };
                for (i, g) in values(&g).iter().enumerate() {
                    let g = g + 0.01 * pe[i];
                    me[i] = if step == 0 { g } else { 0.9 * me[i] + g };
                    pe[i] -= 0.1 * (g + 0.9 * me[i]);
                }
                Cpu.sgd(&mut p, &g, Some(&mut m), sgd).expect("a step");
                if dtype == DType::BF16 {
                    (pe, me) = (values(&p), values(&m));
                }
            }
            close("sgd", &p, &pe, tolerance);
            close("the other owner's copy", &other_owner, &values(&p0), 0.0);
            let (mut p, mut first, mut second) = (p0.clone(), Cpu.full(&[len], dtype, 0.0).expect("full"), Cpu.full(&[len], dtype, 0.0).expect("full"));
            let mut state: Vec<[f64; 3]> = values(&p).iter().map(|p| [*p, 0.0, 0.0]).collect();
            for step in 1..4u64 {
                let g = dice.reals(&[len], DType::F32);
                let adamw = AdamW { rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.1, step };
                for ([p, m, v], g) in state.iter_mut().zip(values(&g)) {
                    *p *= 1.0 - 0.01 * 0.1;
                    *m = 0.9 * *m + 0.1 * g;
                    *v = 0.999 * *v + 0.001 * g * g;
                    let n = step as i32;
                    *p -= 0.01 / (1.0 - 0.9f64.powi(n)) * *m / (v.sqrt() / (1.0 - 0.999f64.powi(n)).sqrt() + 1e-8);
                }
                Cpu.adamw(&mut p, &g, &mut first, &mut second, adamw).expect("a step");
                if dtype == DType::BF16 {
                    let (p, m, v) = (values(&p), values(&first), values(&second));
                    state = (0..len).map(|i| [p[i], m[i], v[i]]).collect();
                }
            }
            close("adamw", &p, &state.iter().map(|s| s[0]).collect::<Vec<_>>(), tolerance);
        }
    }
}
