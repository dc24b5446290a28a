//! Products of matrices and convolutions, with their gradients.
use super::*;
use crate::backend::Conv;

#[test]
fn products_of_any_sizes_strides_and_types() {
    let mut dice = Dice::new(40);
    for round in 0..150 {
        let (m, k, n) = (dice.within(0, 40), dice.within(0, 40), dice.within(0, 110));
        let stack: Vec<usize> = (0..dice.within(0, 2)).map(|_| dice.within(1, 3)).collect();
        let dtype = dice.one_of(&FLOATS);
        let a = dice.tensor(&[stack.as_slice(), &[m, k]].concat(), dtype);
        let b = dice.tensor(&[stack.as_slice(), &[k, n]].concat(), dtype);
        let found = Cpu.matmul(&a, &b).expect("a product");
        let shape = [stack.as_slice(), &[m, n]].concat();
        let expected: Vec<f64> = places(&shape)
            .iter()
            .map(|p| {
                let (batch, i, j) = (&p[..stack.len()], p[stack.len()], p[stack.len() + 1]);
                (0..k).map(|l| at(&a, &[batch, &[i, l]].concat()) * at(&b, &[batch, &[l, j]].concat())).sum()
            })
            .collect();
        assert_eq!(found.shape(), shape);
        close(&format!("round {round}: {m} x {k} x {n} of {dtype}"), &found, &expected, precision(dtype) * 4.0);
    }
}

#[test]
fn large_products_on_all_threads() {
    let mut dice = Dice::new(41);
    for (m, k, n, turned) in [(300, 600, 500, false), (1, 3000, 700, false), (700, 900, 1, false), (130, 700, 260, true), (5, 2000, 300, true)] {
        let a = dice.reals(&[m, k], DType::F32);
        let b = if turned { dice.reals(&[n, k], DType::F32) } else { dice.reals(&[k, n], DType::F32) };
        let strides = if turned { [1, k] } else { [n, 1] };
        let b = b.with_layout(Layout { shape: [k, n].as_slice().into(), strides: strides.as_slice().into(), offset: 0 });
        let (x, y) = (values(&a), values(&b));
        let mut expected = vec![0.0; m * n];
        for i in 0..m {
            for l in 0..k {
                (0..n).for_each(|j| expected[i * n + j] += x[i * k + l] * y[l * n + j]);
            }
        }
        close(&format!("{m} x {k} x {n}"), &Cpu.matmul(&a, &b).expect("a product"), &expected, 1e-4);
    }
}

struct Case {
    x: Vec<usize>,
    w: Vec<usize>,
    conv: Conv,
    out: [usize; 2],
}

fn case(dice: &mut Dice, largest: usize) -> Case {
    let groups = dice.one_of(&[1, 1, 1, 2, 3]);
    let (n, cg, og) = (dice.within(1, 5), dice.within(1, largest), dice.within(1, largest));
    let kernel = [dice.within(1, 4), dice.within(1, 4)];
    let conv = Conv { stride: [dice.within(1, 3), dice.within(1, 3)], padding: [dice.within(0, 3), dice.within(0, 3)], dilation: [dice.within(1, 2), dice.within(1, 2)], groups };
    let conv = if dice.next() % 2 == 0 { Conv { stride: [1, 1], ..conv } } else { conv };
    let reach = [0, 1].map(|d| conv.dilation[d] * (kernel[d] - 1) + 1);
    let size = [0, 1].map(|d| dice.within(1, 12).max(reach[d].saturating_sub(2 * conv.padding[d])));
    let out = [0, 1].map(|d| (size[d] + 2 * conv.padding[d] - reach[d]) / conv.stride[d] + 1);
    Case { x: vec![n, groups * cg, size[0], size[1]], w: vec![groups * og, cg, kernel[0], kernel[1]], conv, out }
}

/// Calls with each pair of an element of the result and one of the picture, and the weight between them.
fn each_pair(case: &Case, mut visit: impl FnMut(usize, usize, usize)) {
    let (x, w, conv) = (&case.x, &case.w, &case.conv);
    let per_group = w[0] / conv.groups;
    for p in places(&[x[0], w[0], case.out[0], case.out[1], w[1], w[2], w[3]]) {
        let [n, o, oy, ox, c, ky, kx] = p[..] else { unreachable!() };
        let y = (oy * conv.stride[0] + ky * conv.dilation[0]).checked_sub(conv.padding[0]).filter(|y| *y < x[2]);
        let column = (ox * conv.stride[1] + kx * conv.dilation[1]).checked_sub(conv.padding[1]).filter(|x_| *x_ < x[3]);
        if let (Some(y), Some(column)) = (y, column) {
            let channel = o / per_group * w[1] + c;
            let result = ((n * w[0] + o) * case.out[0] + oy) * case.out[1] + ox;
            visit(result, ((n * x[1] + channel) * x[2] + y) * x[3] + column, ((o * w[1] + c) * w[2] + ky) * w[3] + kx);
        }
    }
}

fn check(dice: &mut Dice, case: &Case, dtype: DType, name: &str) {
    let out_shape = [case.x[0], case.w[0], case.out[0], case.out[1]];
    let (x, w) = (dice.tensor(&case.x, dtype), dice.tensor(&case.w, dtype));
    let (bias, dy) = (dice.tensor(&[case.w[0]], dtype), dice.tensor(&out_shape, dtype));
    let (xs, ws, bs, dys) = (values(&x), values(&w), values(&bias), values(&dy));
    let (mut y, mut dx, mut dw) = (vec![0.0; dys.len()], vec![0.0; xs.len()], vec![0.0; ws.len()]);
    each_pair(case, |r, i, k| {
        y[r] += xs[i] * ws[k];
        dx[i] += dys[r] * ws[k];
        dw[k] += dys[r] * xs[i];
    });
    let tolerance = precision(dtype) * 8.0;
    close(&format!("{name}: forward"), &Cpu.conv(&x, &w, None, case.conv).expect("conv"), &y, tolerance);
    let plane = case.out[0] * case.out[1];
    let with_bias: Vec<f64> = y.iter().enumerate().map(|(i, y)| y + bs[i / plane % case.w[0]]).collect();
    close(&format!("{name}: with bias"), &Cpu.conv(&x, &w, Some(&bias), case.conv).expect("conv"), &with_bias, tolerance);
    close(&format!("{name}: gradient of x"), &Cpu.conv_backward_input(&dy, &w, &case.x, case.conv).expect("gradient"), &dx, tolerance);
    close(&format!("{name}: gradient of w"), &Cpu.conv_backward_weight(&dy, &x, &case.w, case.conv).expect("gradient"), &dw, tolerance);
}

#[test]
fn convolutions_of_any_kind() {
    let mut dice = Dice::new(42);
    for round in 0..150 {
        let case = case(&mut dice, 4);
        let dtype = dice.one_of(&FLOATS);
        check(&mut dice, &case, dtype, &format!("round {round}: {:?} by {:?}, {:?}, {dtype}", case.x, case.w, case.conv));
    }
}

#[test]
fn convolutions_as_networks_for_small_pictures_have_them() {
    let mut dice = Dice::new(43);
    let plain = Conv { stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1 };
    let half = Conv { stride: [2, 2], ..plain };
    let one = Conv { padding: [0, 0], ..plain };
    let cases: [([usize; 4], [usize; 4], Conv, [usize; 2]); 8] = [
        ([9, 3, 32, 32], [16, 3, 3, 3], plain, [32, 32]),
        ([9, 20, 16, 16], [24, 20, 3, 3], plain, [16, 16]),
        ([17, 40, 8, 8], [30, 40, 3, 3], plain, [8, 8]),
        ([33, 70, 4, 4], [50, 70, 3, 3], plain, [4, 4]),
        ([9, 16, 16, 16], [32, 16, 3, 3], half, [8, 8]),
        ([9, 16, 16, 16], [32, 16, 1, 1], one, [16, 16]),
        ([1, 16, 40, 40], [32, 16, 3, 3], plain, [40, 40]),
        ([8, 32, 10, 10], [32, 1, 3, 3], Conv { groups: 32, ..plain }, [10, 10]),
    ];
    for (x, w, conv, out) in cases {
        check(&mut dice, &Case { x: x.to_vec(), w: w.to_vec(), conv, out }, DType::F32, &format!("{x:?} by {w:?}"));
    }
}

#[test]
fn empty_products_and_convolutions() {
    let conv = Conv { stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1 };
    let (x, w) = (raw(&[], &[0, 3, 4, 4], DType::F32), raw(&[1.0; 54], &[2, 3, 3, 3], DType::F32));
    let y = Cpu.conv(&x, &w, None, conv).expect("conv");
    assert_eq!(y.shape(), [0, 2, 4, 4]);
    assert_eq!(Cpu.conv_backward_input(&y, &w, &[0, 3, 4, 4], conv).expect("gradient").len(), 0);
    close("gradient of w", &Cpu.conv_backward_weight(&y, &x, &[2, 3, 3, 3], conv).expect("gradient"), &[0.0; 54], 0.0);
}

#[test]
fn winograds_sums_are_the_plain_ones() {
    use crate::cpu::patches::Frame;
    let mut dice = Dice::new(44);
    for (n, c, o, size, padding) in [(3, 5, 7, [8, 12], 1), (2, 20, 24, [10, 7], 1), (5, 3, 4, [4, 4], 0), (40, 2, 3, [5, 6], 2)] {
        let conv = Conv { stride: [1, 1], padding: [padding; 2], dilation: [1, 1], groups: 1 };
        let (x, w, bias) = (dice.reals(&[n, c, size[0], size[1]], DType::F64), dice.reals(&[o, c, 3, 3], DType::F64), dice.reals(&[o], DType::F64));
        let plain = values(&Cpu.conv(&x, &w, Some(&bias), conv).expect("conv"));
        let out = size.map(|length| length + 2 * padding - 2);
        let frame = Frame { n, c, size, kernel: [3, 3], out, stride: [1, 1], dilation: [1, 1], padding: [padding as isize; 2] };
        let [x, w, bias] = [&x, &w, &bias].map(values);
        let exact = crate::cpu::winograd::correlate("conv2d", &x, &w, Some(&bias), o, &frame).expect("conv");
        close("in f64", &raw(&exact, &[exact.len()], DType::F64), &plain, 1e-11);
        let [x, w, bias] = [x, w, bias].map(|v| v.iter().map(|x| *x as f32).collect::<Vec<f32>>());
        let rounded = crate::cpu::winograd::correlate("conv2d", &x, &w, Some(&bias), o, &frame).expect("conv");
        let largest = plain.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
        let worst = rounded.iter().zip(&plain).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-5 * largest, "an error of {worst:e} with results up to {largest}");
    }
}
