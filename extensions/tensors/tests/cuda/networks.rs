//! Products, convolutions, windows, normalisation, losses and optimisers.
use crate::both::{Dice, FLOATS, both};
use ochre_tensors::backend::{AdamW, Conv, Pool, Scaling, Sgd};
use ochre_tensors::{DType, Layout};

pub const CASES: &[(&str, fn())] = &[
    ("matmul", matmul),
    ("convolution", convolution),
    ("pooling", pooling),
    ("interpolate", interpolate),
    ("softmax", softmax),
    ("layer norm", layer_norm),
    ("batch norm", batch_norm),
    ("cross entropy", cross_entropy),
    ("sgd", sgd),
    ("adamw", adamw),
];

fn matmul() {
    let mut dice = Dice::new(20);
    for dtype in FLOATS {
        for (batch, m, k, n) in [(vec![], 1, 1, 1), (vec![], 5, 7, 3), (vec![], 64, 16, 64), (vec![], 65, 33, 70), (vec![3], 9, 17, 5), (vec![2, 3], 4, 6, 8), (vec![], 4, 0, 3), (vec![], 1, 100, 130), (vec![], 130, 5, 1)] {
            let (a, b) = ([batch.as_slice(), &[m, k]].concat(), [batch.as_slice(), &[k, n]].concat());
            for _ in 0..3 {
                let (a, b) = (dice.any(&a, dtype), dice.any(&b, dtype));
                both("matmul", 20.0, &[&a, &b], |backend, x| Ok(vec![backend.matmul(&x[0], &x[1])?]));
            }
        }
        // Transposed operands, and one that repeats.
        let (a, b) = (dice.plain(&[20, 30], dtype), dice.plain(&[40, 20], dtype));
        let turned = |rows: usize, columns: usize| Layout { shape: [columns, rows].as_slice().into(), strides: [1, columns].as_slice().into(), offset: 0 };
        let (at, bt) = (a.with_layout(turned(20, 30)), b.with_layout(turned(40, 20)));
        both("matmul of transposed", 20.0, &[&at, &bt], |backend, x| Ok(vec![backend.matmul(&x[0], &x[1])?]));
        let many = dice.plain(&[6, 20, 20], dtype);
        let one = a.with_layout(Layout { shape: [6, 20, 30].as_slice().into(), strides: [0, 30, 1].as_slice().into(), offset: 0 });
        both("matmul of many with one", 20.0, &[&many, &one], |backend, x| Ok(vec![backend.matmul(&x[0], &x[1])?]));
    }
}

fn convolution() {
    let mut dice = Dice::new(21);
    let plain = Conv { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 };
    let cases = [
        ([2, 3, 8, 8], [4, 3, 3, 3], Conv { padding: [1, 1], ..plain }),
        ([1, 1, 5, 6], [1, 1, 1, 1], plain),
        ([2, 4, 9, 7], [6, 4, 3, 2], Conv { stride: [2, 3], ..plain }),
        ([3, 4, 8, 8], [8, 2, 3, 3], Conv { padding: [1, 1], groups: 2, ..plain }),
        ([1, 4, 5, 6], [6, 2, 2, 3], Conv { groups: 2, ..plain }),
        ([2, 6, 7, 7], [6, 1, 3, 3], Conv { padding: [1, 1], groups: 6, ..plain }),
        ([1, 2, 9, 9], [3, 2, 3, 3], Conv { padding: [2, 2], dilation: [2, 2], ..plain }),
        ([2, 3, 1, 20], [5, 3, 1, 4], Conv { stride: [1, 2], padding: [0, 1], ..plain }),
        ([2, 3, 11, 11], [4, 3, 5, 5], Conv { stride: [4, 4], padding: [2, 2], ..plain }),
    ];
    for (x, w, conv) in cases {
        let out = |d: usize| (x[2 + d] + 2 * conv.padding[d] - conv.dilation[d] * (w[2 + d] - 1) - 1) / conv.stride[d] + 1;
        let y = [x[0], w[0], out(0), out(1)];
        for dtype in FLOATS {
            let (xs, ws, bias, dy) = (dice.any(&x, dtype), dice.any(&w, dtype), dice.plain(&[w[0]], dtype), dice.any(&y, dtype));
            both("conv", 60.0, &[&xs, &ws], |b, t| Ok(vec![b.conv(&t[0], &t[1], None, conv)?]));
            both("conv with bias", 60.0, &[&xs, &ws, &bias], |b, t| Ok(vec![b.conv(&t[0], &t[1], Some(&t[2]), conv)?]));
            both("conv backward input", 60.0, &[&dy, &ws], |b, t| Ok(vec![b.conv_backward_input(&t[0], &t[1], &x, conv)?]));
            both("conv backward weight", 100.0, &[&dy, &xs], |b, t| Ok(vec![b.conv_backward_weight(&t[0], &t[1], &w, conv)?]));
            // Row-major gradients are not copied: a group of one picture is a view into it.
            let twice = dice.plain(&[2 * y[0], y[1], y[2], y[3]], dtype);
            let dy = twice.with_layout(Layout { offset: y.iter().product(), ..Layout::contiguous(&y) });
            both("conv backward input", 60.0, &[&dy, &ws], |b, t| Ok(vec![b.conv_backward_input(&t[0], &t[1], &x, conv)?]));
            both("conv backward weight", 100.0, &[&dy, &xs], |b, t| Ok(vec![b.conv_backward_weight(&t[0], &t[1], &w, conv)?]));
        }
    }
}

fn pooling() {
    let mut dice = Dice::new(22);
    let plain = Pool { kernel: [2, 2], stride: [2, 2], padding: [0, 0], count_padding: true };
    let pools = [
        plain,
        Pool { kernel: [3, 3], padding: [1, 1], ..plain },
        Pool { kernel: [3, 2], stride: [1, 1], padding: [1, 0], count_padding: false },
        Pool { kernel: [3, 3], stride: [1, 2], padding: [1, 1], count_padding: false },
        Pool { kernel: [7, 6], stride: [1, 1], ..plain },
    ];
    for pool in pools {
        for dtype in FLOATS {
            let x = dice.any(&[2, 3, 7, 6], dtype);
            both(&format!("max pool {pool:?}"), 0.0, &[&x], |b, t| b.max_pool(&t[0], pool).map(|(y, places)| vec![y, places]));
            both(&format!("max pool backward {pool:?}"), 8.0, &[&x], |b, t| {
                let (y, places) = b.max_pool(&t[0], pool)?;
                Ok(vec![b.max_pool_backward(&y, &places, &[2, 3, 7, 6])?])
            });
            both(&format!("avg pool {pool:?}"), 4.0, &[&x], |b, t| Ok(vec![b.avg_pool(&t[0], pool)?]));
            both(&format!("avg pool backward {pool:?}"), 8.0, &[&x], |b, t| {
                let y = b.avg_pool(&t[0], pool)?;
                Ok(vec![b.avg_pool_backward(&y, &[2, 3, 7, 6], pool)?])
            });
        }
    }
}

fn interpolate() {
    let mut dice = Dice::new(23);
    for scaling in [Scaling::Nearest, Scaling::Bilinear { align_corners: false }, Scaling::Bilinear { align_corners: true }] {
        for (from, to) in [([4, 6], [8, 12]), ([8, 8], [3, 5]), ([5, 5], [5, 5]), ([1, 3], [4, 1])] {
            for dtype in FLOATS {
                let (x, dy) = (dice.any(&[2, 3, from[0], from[1]], dtype), dice.any(&[2, 3, to[0], to[1]], dtype));
                both(&format!("{scaling:?} to {to:?}"), 8.0, &[&x], |b, t| Ok(vec![b.interpolate(&t[0], to, scaling)?]));
                both(&format!("{scaling:?} backward"), 16.0, &[&dy], |b, t| Ok(vec![b.interpolate_backward(&t[0], &[2, 3, from[0], from[1]], scaling)?]));
            }
        }
    }
}

fn softmax() {
    let mut dice = Dice::new(24);
    for dtype in FLOATS {
        for (shape, dim) in [(vec![7, 33], 1), (vec![5, 9, 4], 1), (vec![6, 5], 0), (vec![3], 0), (vec![3, 1000], 1), (vec![2, 3000], 1), (vec![4, 64], 1), (vec![0, 3], 1)] {
            for log in [false, true] {
                let (x, dy) = (dice.any(&shape, dtype), dice.any(&shape, dtype));
                both("softmax", 8.0, &[&x], |b, t| Ok(vec![b.softmax(&t[0], dim, log)?]));
                both("softmax backward", 60.0, &[&x, &dy], |b, t| {
                    let y = b.softmax(&t[0], dim, log)?;
                    Ok(vec![b.softmax_backward(&y, &t[1], dim, log)?])
                });
            }
        }
    }
}

fn layer_norm() {
    let mut dice = Dice::new(25);
    for dtype in FLOATS {
        for (shape, width) in [(vec![4, 6], 6), (vec![3, 37], 37), (vec![2, 3, 8], 24), (vec![200, 48], 48), (vec![2, 2000], 2000)] {
            let (x, dy, w, bias) = (dice.any(&shape, dtype), dice.any(&shape, dtype), dice.plain(&[width], dtype), dice.plain(&[width], dtype));
            both("layer norm", 30.0, &[&x, &w, &bias], |b, t| b.layer_norm(&t[0], width, Some(&t[1]), Some(&t[2]), 1e-5).map(|(y, m, r)| vec![y, m, r]));
            both("layer norm without weights", 30.0, &[&x], |b, t| b.layer_norm(&t[0], width, None, None, 1e-5).map(|(y, m, r)| vec![y, m, r]));
            both("layer norm backward", 200.0, &[&x, &dy, &w], |b, t| {
                let (_, mean, rstd) = b.layer_norm(&t[0], width, Some(&t[2]), None, 1e-2)?;
                b.layer_norm_backward(&t[0], &t[1], width, Some(&t[2]), &mean, &rstd).map(|(dx, dw, db)| vec![dx, dw, db])
            });
        }
    }
}

fn batch_norm() {
    let mut dice = Dice::new(26);
    for dtype in FLOATS {
        for shape in [vec![8, 3, 4, 4], vec![16, 5], vec![4, 2, 7], vec![6, 4, 50, 48], vec![2, 3, 1, 1]] {
            let c = shape[1];
            let (x, dy, w, bias, mean) = (dice.plain(&shape, dtype), dice.any(&shape, dtype), dice.plain(&[c], dtype), dice.plain(&[c], dtype), dice.plain(&[c], DType::F32));
            let variance = crate::both::of(&vec![0.7; c], &[c], DType::F32);
            both("batch norm", 30.0, &[&x, &w, &bias], |b, t| b.batch_norm(&t[0], Some(&t[1]), Some(&t[2]), None, 1e-5).map(|(y, m, r)| vec![y, m, r]));
            both("batch norm with statistics", 30.0, &[&x, &w, &mean, &variance], |b, t| {
                let (mean, variance) = if dtype == DType::F64 { (b.cast(&t[2], DType::F64)?, b.cast(&t[3], DType::F64)?) } else { (t[2].clone(), t[3].clone()) };
                b.batch_norm(&t[0], Some(&t[1]), None, Some((&mean, &variance)), 1e-5).map(|(y, m, r)| vec![y, m, r])
            });
            for batch in [false, true] {
                both("batch norm backward", 300.0, &[&x, &dy, &w], |b, t| {
                    let (_, mean, rstd) = b.batch_norm(&t[0], Some(&t[2]), None, None, 1e-1)?;
                    b.batch_norm_backward(&t[0], &t[1], Some(&t[2]), &mean, &rstd, batch).map(|(dx, dw, db)| vec![dx, dw, db])
                });
            }
        }
    }
}

fn cross_entropy() {
    let mut dice = Dice::new(27);
    for dtype in FLOATS {
        for (rows, classes) in [(5, 10), (1, 1), (33, 7), (3, 1000), (0, 4)] {
            let (x, y) = (dice.any(&[rows, classes], dtype), dice.indices(&[rows], classes));
            let dy = dice.plain(&[rows], if dtype == DType::F64 { DType::F64 } else { DType::F32 });
            for smoothing in [0.0, 0.1] {
                both("cross entropy", 8.0, &[&x, &y], |b, t| Ok(vec![b.cross_entropy(&t[0], &t[1], smoothing)?]));
                both("cross entropy backward", 8.0, &[&x, &y, &dy], |b, t| Ok(vec![b.cross_entropy_backward(&t[0], &t[1], &t[2], smoothing)?]));
            }
        }
    }
}

fn sgd() {
    let mut dice = Dice::new(28);
    for (dtype, gradient) in [(DType::F32, DType::F32), (DType::F64, DType::F64), (DType::F32, DType::BF16), (DType::BF16, DType::BF16)] {
        for (momentum, nesterov, first) in [(0.0, false, false), (0.9, false, true), (0.9, true, false), (0.5, true, true)] {
            let (p, g, m) = (dice.plain(&[1500], dtype), dice.any(&[1500], gradient), dice.plain(&[1500], dtype));
            let step = Sgd { rate: 0.1, momentum, decay: 0.01, nesterov, first };
            both(&format!("{step:?}"), 8.0, &[&p, &g, &m], |b, t| {
                // Copies, for the CPU's tensors are the caller's.
                let (mut p, mut m) = (b.copy(&t[0])?, b.copy(&t[2])?);
                b.sgd(&mut p, &t[1], (momentum > 0.0).then_some(&mut m), step)?;
                Ok(vec![p, m])
            });
        }
    }
}

fn adamw() {
    let mut dice = Dice::new(29);
    for (dtype, gradient) in [(DType::F32, DType::F32), (DType::F64, DType::F64), (DType::F32, DType::BF16), (DType::F32, DType::F16)] {
        for step in [1, 2, 1000] {
            let (p, g, m, root) = (dice.plain(&[1025], dtype), dice.any(&[1025], gradient), dice.plain(&[1025], dtype), dice.plain(&[1025], dtype));
            let step = AdamW { rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.05, step };
            both(&format!("{step:?}"), 30.0, &[&p, &g, &m, &root], |b, t| {
                let (mut p, mut m, mut v) = (b.copy(&t[0])?, b.copy(&t[2])?, b.binary(ochre_tensors::backend::Binary::Mul, &t[3], &t[3])?);
                b.adamw(&mut p, &t[1], &mut m, &mut v, step)?;
                Ok(vec![p, m, v])
            });
        }
    }
}
