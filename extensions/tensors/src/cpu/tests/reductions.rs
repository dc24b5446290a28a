//! Reductions.
use super::*;
use crate::backend::Reduce;

#[test]
fn reductions_over_any_dimensions_strides_and_types() {
    let mut dice = Dice::new(30);
    let ops = [Reduce::Sum, Reduce::Prod, Reduce::Max, Reduce::Min, Reduce::Mean, Reduce::Any, Reduce::All];
    for round in 0..500 {
        let (shape, op, dtype) = (dice.shape(5, 6), dice.one_of(&ops), dice.one_of(&ALL));
        let dims: Vec<usize> = (0..shape.len()).filter(|_| dice.next() % 2 == 0).collect();
        let x = dice.tensor(&shape, dtype);
        if (matches!(op, Reduce::Max | Reduce::Min) && shape.contains(&0)) || (op == Reduce::Prod && dtype.size() == 2) {
            continue;
        }
        let found = Cpu.reduce(op, &x, &dims);
        if op == Reduce::Mean && !dtype.is_float() {
            assert!(found.is_err());
            continue;
        }
        let found = found.expect("a reduction");
        let kept: Vec<usize> = (0..shape.len()).filter(|d| !dims.contains(d)).collect();
        let kept_shape: Vec<usize> = kept.iter().map(|d| shape[*d]).collect();
        let all: Vec<(Vec<usize>, f64)> = places(&shape).into_iter().map(|p| (kept.iter().map(|d| p[*d]).collect(), at(&x, &p))).collect();
        let expected: Vec<f64> = places(&kept_shape).iter().map(|place| folded(op, all.iter().filter(|(p, _)| p == place).map(|(_, x)| *x))).collect();
        assert_eq!(found.shape(), kept_shape);
        let adds = matches!(op, Reduce::Sum | Reduce::Prod);
        let expected_dtype = match op {
            Reduce::Any | Reduce::All => DType::Bool,
            _ if adds && !dtype.is_float() => DType::I64,
            _ => dtype,
        };
        assert_eq!(found.dtype, expected_dtype);
        close(&format!("round {round}: {op:?} of {dtype} {shape:?} over {dims:?}"), &found, &expected, precision(dtype) * 4.0);
    }
}

fn folded(op: Reduce, x: impl Iterator<Item = f64>) -> f64 {
    let x: Vec<f64> = x.collect();
    match op {
        Reduce::Sum => x.iter().sum(),
        Reduce::Prod => x.iter().product(),
        Reduce::Max => x.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Reduce::Min => x.iter().copied().fold(f64::INFINITY, f64::min),
        Reduce::Mean => x.iter().sum::<f64>() / x.len() as f64,
        Reduce::Any => f64::from(u8::from(x.iter().any(|x| *x != 0.0))),
        Reduce::All => f64::from(u8::from(x.iter().all(|x| *x != 0.0))),
    }
}

#[test]
fn long_and_wide_sums_stay_exact() {
    let mut dice = Dice::new(31);
    // Added one after the other in f32, 3 million times 0.1 is off by 1%.
    let tenth = Cpu.full(&[3_000_000], DType::F32, 0.1).expect("full");
    let sum = values(&Cpu.reduce(Reduce::Sum, &tenth, &[0]).expect("sum"))[0];
    assert!((sum / (3e6 * f64::from(0.1f32)) - 1.0).abs() < 1e-6, "{sum}");
    for shape in [[200_000, 3], [1500, 300], [3, 100_000], [70, 2000]] {
        let x = dice.reals(&shape, DType::F32);
        let all = values(&x);
        let rows: Vec<f64> = all.chunks(shape[1]).map(|row| row.iter().sum()).collect();
        let columns: Vec<f64> = (0..shape[1]).map(|c| all.iter().skip(c).step_by(shape[1]).sum()).collect();
        close("columns", &Cpu.reduce(Reduce::Sum, &x, &[0]).expect("sum"), &columns, 2e-5);
        close("rows", &Cpu.reduce(Reduce::Sum, &x, &[1]).expect("sum"), &rows, 2e-5);
        close("all", &Cpu.reduce(Reduce::Mean, &x, &[0, 1]).expect("mean"), &[all.iter().sum::<f64>() / all.len() as f64], 1e-6);
    }
    let x = dice.reals(&[5, 30, 40, 7], DType::F32);
    let channels: Vec<f64> = (0..30).map(|c| places(&[5, 40, 7]).iter().map(|p| at(&x, &[p[0], c, p[1], p[2]])).sum()).collect();
    close("channels", &Cpu.reduce(Reduce::Sum, &x, &[0, 2, 3]).expect("sum"), &channels, 1e-5);
}

#[test]
fn nan_decides_extremes() {
    let nan = f64::NAN;
    for (len, place) in [(5, 3), (100, 99), (5000, 17), (200_000, 150_000)] {
        let mut x = vec![1.0; len];
        x[place] = nan;
        x[place - 1] = f64::INFINITY;
        let x = raw(&x, &[len], DType::F32);
        close("max", &Cpu.reduce(Reduce::Max, &x, &[0]).expect("max"), &[nan], 0.0);
        close("min", &Cpu.reduce(Reduce::Min, &x, &[0]).expect("min"), &[nan], 0.0);
        close("argmax", &Cpu.arg_reduce(true, &x, 0).expect("argmax"), &[place as f64], 0.0);
        close("argmin", &Cpu.arg_reduce(false, &x, 0).expect("argmin"), &[place as f64], 0.0);
    }
}

#[test]
fn places_of_extremes_and_running_sums() {
    let mut dice = Dice::new(32);
    for _ in 0..200 {
        let shape: Vec<usize> = (0..dice.within(1, 4)).map(|_| dice.within(1, 7)).collect();
        let dim = dice.within(0, shape.len() - 1);
        let dtype = dice.one_of(&ALL);
        let x = dice.tensor(&shape, dtype);
        for max in [true, false] {
            let found = Cpu.arg_reduce(max, &x, dim).expect("a place");
            for place in places(found.shape()) {
                let line: Vec<f64> = (0..shape[dim]).map(|i| at(&x, &[&place[..dim], &[i], &place[dim..]].concat())).collect();
                let best = if max { line.iter().copied().fold(f64::MIN, f64::max) } else { line.iter().copied().fold(f64::MAX, f64::min) };
                assert_eq!(Some(at(&found, &place) as usize), line.iter().position(|x| *x == best), "the first one");
            }
        }
        if dtype.size() == 2 {
            continue;
        }
        let found = Cpu.cumsum(&x, dim).expect("cumsum");
        let expected: Vec<f64> = places(&shape).iter().map(|p| (0..=p[dim]).map(|i| at(&x, &[&p[..dim], &[i], &p[dim + 1..]].concat())).sum()).collect();
        close("cumsum", &found, &expected, precision(dtype) * 4.0);
    }
}
