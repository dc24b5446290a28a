//! Element-wise operations, copies, reductions, sorting, indices, random numbers.
use crate::both::{ALL, Dice, FLOATS, INTEGERS, both, cpu, gpu, moved, of, same, values};
use ochre_tensors::backend::{Binary, Compare, Draw, Reduce, Unary};
use ochre_tensors::{Buffer, DType, Device, Layout, Tensor};

pub const CASES: &[(&str, fn())] = &[
    ("unary", unary),
    ("unary of odd numbers", odd_numbers),
    ("unary backward", unary_backward),
    ("binary", binary),
    ("compare and select", compare_and_select),
    ("cast", cast),
    ("copies", copies),
    ("fill", fill),
    ("reduce", reduce),
    ("reduce large", reduce_large),
    ("arg reduce", arg_reduce),
    ("cumsum", cumsum),
    ("sort", sort),
    ("gather and scatter", gather_and_scatter),
    ("index out of range", index_out_of_range),
    ("negative indices", negative_indices),
    ("random", random),
];

const UNARY: &[Unary] = &[
    Unary::Neg, Unary::Abs, Unary::Sign, Unary::Not, Unary::Exp, Unary::Expm1, Unary::Log, Unary::Log1p, Unary::Log2, Unary::Log10, Unary::Sqrt, Unary::Rsqrt,
    Unary::Square, Unary::Recip, Unary::Sin, Unary::Cos, Unary::Tan, Unary::Asin, Unary::Acos, Unary::Atan, Unary::Sinh, Unary::Cosh, Unary::Tanh, Unary::Erf,
    Unary::Floor, Unary::Ceil, Unary::Round, Unary::Trunc, Unary::Sigmoid, Unary::Relu, Unary::Gelu, Unary::GeluTanh, Unary::Silu, Unary::Softplus,
    Unary::LeakyRelu(0.1), Unary::Elu(1.5), Unary::Affine(2.0, -1.0), Unary::Affine(0.5, 0.25), Unary::DivBy(3.0), Unary::DivInto(3.0), Unary::Pow(2.0), Unary::Pow(3.0),
    Unary::Pow(0.5), Unary::Pow(1.7), Unary::Clamp(-1.0, 1.0), Unary::IsNan, Unary::IsInf, Unary::IsFinite,
];

fn unary() {
    let mut dice = Dice::new(1);
    for &op in UNARY {
        for dtype in ALL {
            for _ in 0..3 {
                let x = { let shape = dice.shape(4, 7); dice.any(&shape, dtype) };
                both(&format!("{op:?}"), 4.0, &[&x], |b, x| Ok(vec![b.unary(op, &x[0])?]));
            }
        }
    }
    // Ends of tensors that are no whole packs.
    for len in [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 255, 1023, 1025, 4099] {
        for dtype in FLOATS {
            let x = dice.plain(&[len], dtype);
            both("relu", 1.0, &[&x], |b, x| Ok(vec![b.unary(Unary::Relu, &x[0])?]));
            let x = dice.plain(&[len + 1], dtype);
            let part = x.with_layout(Layout { offset: 1, ..Layout::contiguous(&[len]) });
            both("exp", 4.0, &[&part], |b, x| Ok(vec![b.unary(Unary::Exp, &x[0])?]));
        }
    }
}

fn odd_numbers() {
    let odd = [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, 1e30, -1e30, 1e-30, 88.0, -88.0, 120.0, 1e5];
    for dtype in [DType::F32, DType::F64] {
        let x = of(&odd, &[odd.len()], dtype);
        for &op in UNARY {
            // Of 1e30 and the like a sine is the library's own.
            if matches!(op, Unary::Sin | Unary::Cos | Unary::Tan) {
                continue;
            }
            both(&format!("{op:?} of odd numbers"), 4.0, &[&x], |b, x| Ok(vec![b.unary(op, &x[0])?]));
        }
        let n = odd.len();
        let pairs = Layout::contiguous(&[n, n]);
        let left = x.with_layout(Layout { strides: [1, 0].as_slice().into(), ..pairs.clone() });
        let right = x.with_layout(Layout { strides: [0, 1].as_slice().into(), ..pairs });
        for op in [Binary::Add, Binary::Sub, Binary::Mul, Binary::Div, Binary::Max, Binary::Min, Binary::Atan2] {
            both(&format!("{op:?} of odd numbers"), 4.0, &[&left, &right], |b, x| Ok(vec![b.binary(op, &x[0], &x[1])?]));
        }
        for op in [Compare::Eq, Compare::Ne, Compare::Lt, Compare::Le, Compare::Gt, Compare::Ge] {
            both(&format!("{op:?} of odd numbers"), 0.0, &[&left, &right], |b, x| Ok(vec![b.compare(op, &x[0], &x[1])?]));
        }
        for op in [Reduce::Sum, Reduce::Prod, Reduce::Max, Reduce::Min, Reduce::Mean, Reduce::Any, Reduce::All] {
            both(&format!("{op:?} of odd numbers"), 4.0, &[&x], |b, x| Ok(vec![b.reduce(op, &x[0], &[0])?]));
        }
        for max in [false, true] {
            both("arg of odd numbers", 0.0, &[&x], |b, x| Ok(vec![b.arg_reduce(max, &x[0], 0)?]));
            both("sort of odd numbers", 0.0, &[&x], |b, x| b.sort(&x[0], 0, max).map(|(v, i)| vec![v, i]));
        }
        for to in ALL {
            both(&format!("cast of odd numbers to {to}"), 0.0, &[&x], |b, x| Ok(vec![b.cast(&x[0], to)?]));
        }
    }
}

fn unary_backward() {
    let mut dice = Dice::new(2);
    for &op in UNARY {
        for dtype in FLOATS {
            let (saved, dy) = { let shape = dice.shape(3, 9); (dice.any(&shape, dtype), dice.any(&shape, dtype)) };
            let (on_cpu, on_gpu) = (cpu().unary_backward(op, &saved, &dy), gpu().unary_backward(op, &moved(&saved), &moved(&dy)));
            // Where a device has no pass of its own, the caller puts it together.
            if let (Ok(Some(a)), Ok(Some(b))) = (on_cpu, on_gpu) {
                same(&format!("gradient of {op:?}"), &a, &b, 8.0);
            }
        }
    }
}

fn binary() {
    let mut dice = Dice::new(3);
    let operations = [
        Binary::Add, Binary::Sub, Binary::Mul, Binary::Div, Binary::Max, Binary::Min, Binary::Pow, Binary::Remainder, Binary::Atan2, Binary::And, Binary::Or, Binary::Xor,
    ];
    for op in operations {
        for dtype in ALL {
            for _ in 0..5 {
                let (x, y) = { let shape = dice.shape(4, 8); (dice.any(&shape, dtype), dice.any(&shape, dtype)) };
                // A remainder jumps where its operands are all but multiples of each other.
                let factor = if op == Binary::Remainder { 2000.0 } else { 8.0 };
                both(&format!("{op:?}"), factor, &[&x, &y], |b, x| Ok(vec![b.binary(op, &x[0], &x[1])?]));
            }
        }
    }
    for shape in [vec![64, 128], vec![3, 5, 16], vec![2, 3, 4, 5], vec![1000]] {
        for dtype in FLOATS {
            let (x, mut row) = (dice.plain(&shape, dtype), dice.plain(&shape[shape.len() - 1..], dtype));
            let mut strides = vec![0; shape.len()];
            strides[shape.len() - 1] = 1;
            row = row.with_layout(Layout { shape: shape.as_slice().into(), strides: strides.as_slice().into(), offset: 0 });
            both("a row added", 1.0, &[&x, &row], |b, x| Ok(vec![b.binary(Binary::Add, &x[0], &x[1])?]));
        }
    }
}

fn compare_and_select() {
    let mut dice = Dice::new(4);
    for dtype in ALL {
        for op in [Compare::Eq, Compare::Ne, Compare::Lt, Compare::Le, Compare::Gt, Compare::Ge] {
            let (x, y) = { let shape = dice.shape(3, 9); (dice.any(&shape, dtype), dice.any(&shape, dtype)) };
            both(&format!("{op:?}"), 0.0, &[&x, &y], |b, x| Ok(vec![b.compare(op, &x[0], &x[1])?]));
            let mask = dice.any(x.shape(), DType::Bool);
            both("select", 0.0, &[&mask, &x, &y], |b, x| Ok(vec![b.select(&x[0], &x[1], &x[2])?]));
        }
    }
}

fn cast() {
    let mut dice = Dice::new(5);
    for from in ALL {
        for to in ALL {
            for _ in 0..3 {
                let x = { let shape = dice.shape(3, 9); dice.any(&shape, from) };
                both(&format!("cast to {to}"), 0.0, &[&x], |b, x| Ok(vec![b.cast(&x[0], to)?]));
            }
        }
    }
}

fn copies() {
    let mut dice = Dice::new(6);
    for dtype in ALL {
        for _ in 0..12 {
            let x = { let shape = dice.shape(5, 6); dice.any(&shape, dtype) };
            both("copy", 0.0, &[&x], |b, x| Ok(vec![b.copy(&x[0])?]));
        }
        // Transposed matrices, one and many, of sizes around a tile.
        for (batch, rows, columns) in [(1, 33, 65), (3, 32, 32), (2, 5, 70), (4, 1, 9), (2, 64, 3)] {
            let x = dice.plain(&[batch, rows, columns], dtype);
            let turned = Layout { shape: [batch, columns, rows].as_slice().into(), strides: [rows * columns, 1, columns].as_slice().into(), offset: 0 };
            both("transposed copy", 0.0, &[&x.with_layout(turned)], |b, x| Ok(vec![b.copy(&x[0])?]));
        }
        let (base, part) = (dice.plain(&[4, 6, 8], dtype), dice.any(&[4, 3, 8], dtype));
        both("copy into", 0.0, &[&base, &part], |b, x| {
            let mut to = b.copy(&x[0])?.with_layout(Layout { shape: [4, 3, 8].as_slice().into(), strides: [48, 8, 1].as_slice().into(), offset: 16 });
            b.copy_into(&mut to, &x[1])?;
            Ok(vec![to.with_layout(Layout::contiguous(&[4, 6, 8]))])
        });
    }
}

fn fill() {
    for dtype in ALL {
        for value in [0.0, 1.0, 3.0, -2.0, 0.1] {
            for len in [0, 1, 7, 16, 1001] {
                both("full", 0.0, &[], |b, _| Ok(vec![b.full(&[len], dtype, value)?]));
            }
        }
    }
}

const REDUCTIONS: [Reduce; 7] = [Reduce::Sum, Reduce::Prod, Reduce::Max, Reduce::Min, Reduce::Mean, Reduce::Any, Reduce::All];

fn reduce() {
    let mut dice = Dice::new(7);
    for op in REDUCTIONS {
        for dtype in ALL {
            for _ in 0..8 {
                let x = { let shape = dice.shape(4, 7); dice.any(&shape, dtype) };
                let dims: Vec<usize> = (0..x.shape().len()).filter(|_| dice.next() % 2 == 0).collect();
                let nothing = dims.iter().any(|&d| x.shape()[d] == 0) && matches!(op, Reduce::Max | Reduce::Min);
                if !nothing {
                    both(&format!("{op:?} over {dims:?}"), 8.0, &[&x], |b, x| Ok(vec![b.reduce(op, &x[0], &dims)?]));
                }
            }
        }
    }
}

/// Sizes at which work is cut into parts, by rows and by columns.
fn reduce_large() {
    let mut dice = Dice::new(8);
    for (shape, dims) in [(vec![40_000], vec![0]), (vec![3, 20_000], vec![1]), (vec![3000, 40], vec![0]), (vec![200, 300], vec![1]), (vec![8, 16, 300], vec![0, 2])] {
        for dtype in [DType::F32, DType::BF16, DType::I64] {
            let x = dice.plain(&shape, dtype);
            for op in [Reduce::Sum, Reduce::Max, Reduce::Mean] {
                // Sums of thousands of numbers of either sign.
                both(&format!("{op:?} over {dims:?}"), 200.0, &[&x], |b, x| Ok(vec![b.reduce(op, &x[0], &dims)?]));
            }
        }
    }
}

fn arg_reduce() {
    let mut dice = Dice::new(9);
    for dtype in ALL {
        for _ in 0..10 {
            let shape: Vec<usize> = (0..dice.within(1, 3)).map(|_| dice.within(1, 50)).collect();
            let (x, dim) = (dice.any(&shape, dtype), dice.within(0, shape.len() - 1));
            for max in [false, true] {
                both(&format!("arg {max} over {dim}"), 0.0, &[&x], |b, x| Ok(vec![b.arg_reduce(max, &x[0], dim)?]));
            }
        }
    }
}

fn cumsum() {
    let mut dice = Dice::new(10);
    for dtype in ALL {
        for shape in [vec![700], vec![3, 5], vec![4, 300, 2], vec![0, 3], vec![256]] {
            for dim in 0..shape.len() {
                let x = dice.any(&shape, dtype);
                both(&format!("cumsum over {dim}"), 60.0, &[&x], |b, x| Ok(vec![b.cumsum(&x[0], dim)?]));
            }
        }
    }
}

fn sort() {
    let mut dice = Dice::new(11);
    for dtype in ALL {
        for shape in [vec![1], vec![17], vec![3, 40], vec![40, 3], vec![2, 5, 6], vec![0, 4], vec![2500]] {
            for dim in 0..shape.len() {
                let x = dice.any(&shape, dtype);
                for descending in [false, true] {
                    both(&format!("sort over {dim}"), 0.0, &[&x], |b, x| b.sort(&x[0], dim, descending).map(|(v, i)| vec![v, i]));
                }
            }
        }
    }
}

fn gather_and_scatter() {
    let mut dice = Dice::new(12);
    for dtype in ALL {
        for _ in 0..6 {
            let shape: Vec<usize> = (0..dice.within(1, 3)).map(|_| dice.within(1, 8)).collect();
            let dim = dice.within(0, shape.len() - 1);
            let mut wanted = shape.clone();
            wanted[dim] = dice.within(1, 12);
            let (x, index, src) = (dice.any(&shape, dtype), dice.indices(&wanted, shape[dim]), dice.any(&wanted, dtype));
            both("gather", 0.0, &[&x, &index], |b, x| Ok(vec![b.gather(&x[0], dim, &x[1])?]));
            both("scatter_add", 8.0, &[&x, &index, &src], |b, x| Ok(vec![b.scatter_add(&x[0], dim, &x[1], &x[2])?]));
            let line = dice.indices(&[wanted[dim]], shape[dim]);
            both("index_select", 0.0, &[&x, &line], |b, x| Ok(vec![b.index_select(&x[0], dim, &x[1])?]));
            both("index_add", 8.0, &[&x, &line, &src], |b, x| Ok(vec![b.index_add(&x[0], dim, &x[1], &x[2])?]));
        }
    }
}

/// The device says so when values are read next, and goes on.
fn index_out_of_range() {
    let x = moved(&of(&[1.0, 2.0, 3.0], &[3], DType::F32));
    let index = gpu().upload(Buffer::from(vec![0i64, 7]), &[2]).expect("an upload");
    let wrong = gpu().index_select(&x, 0, &index).expect("it is found later");
    let error = gpu().download(&wrong).map(|_| ()).expect_err("7 is not below 3").to_string();
    assert!(error.contains("out of range"), "{error}");
    assert_eq!(values(&x), [1.0, 2.0, 3.0]);
    let index = gpu().upload(Buffer::from(vec![-4i64]), &[1]).expect("an upload");
    let wrong = gpu().index_select(&x, 0, &index).expect("it is found later");
    gpu().download(&wrong).map(|_| ()).expect_err("-4 is not one of three from the end");
}

/// SEMANTICS.md: "**A negative index counts from the end, on the CPU and on a GPU.**"
fn negative_indices() {
    let (x, on) = (Tensor::from_slice(&[1.0_f32, 2.0, 3.0]), Device::Cuda(0));
    let index = Tensor::from_slice(&[-1_i64, 0, -3]);
    let source = Tensor::from_slice(&[10.0_f32, 20.0, 30.0]);
    let all = |x: &Tensor, index: &Tensor, source: &Tensor| -> Vec<Vec<f32>> {
        let results = [x.index_select(0, index), x.gather(0, index), x.scatter_add(0, index, source), x.scatter(0, index, source), x.index_add(0, index, source)];
        results.iter().map(|y| y.to_vec()).collect()
    };
    let there = all(&x.to_device(&on), &index.to_device(&on), &source.to_device(&on));
    assert_eq!(all(&x, &index, &source), there);
    assert_eq!(there[0], [3.0, 1.0, 1.0]);
}

fn random() {
    let draws = [
        Draw::Uniform { low: -1.0, high: 3.0 },
        Draw::Normal { mean: 0.5, std: 2.0 },
        Draw::Integers { low: -3, high: 12 },
        Draw::Integers { low: i64::MIN / 2, high: i64::MAX / 2 },
        Draw::Bernoulli { p: 0.3 },
    ];
    for draw in draws {
        for dtype in FLOATS.into_iter().chain(INTEGERS).chain([DType::Bool]) {
            for len in [0, 1, 5, 1000] {
                let exact = matches!(draw, Draw::Normal { .. });
                both(&format!("{draw:?} {dtype}"), if exact { 1.0 } else { 0.0 }, &[], |b, _| Ok(vec![b.random(&[len], dtype, draw, 0x1234_5678_9abc, 1 << 33)?]));
            }
        }
    }
}
