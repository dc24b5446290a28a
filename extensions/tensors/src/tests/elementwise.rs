//! Promotion, numbers beside tensors, broadcasting, masks, creation.
use super::{counted, panics};
use crate::{DType, Tensor};

#[test]
fn numbers_take_the_tensors_type() {
    let (float, double) = (counted(&[2]), counted(&[2]).to_dtype(DType::F64));
    let (integer, truth) = (Tensor::from_slice(&[1_i64, 2]), Tensor::from_slice(&[true, false]));
    let small = Tensor::from_slice(&[1_u8, 2]);
    for (result, dtype) in [
        (&float + 1, DType::F32),
        (1.5_f64 * &double, DType::F64),
        (float.to_dtype(DType::BF16) * 2.0_f32, DType::BF16),
        (&integer + 1, DType::I64),
        (&integer * 0.5, DType::F32),
        (&small + 1_i64, DType::U8),
        (&truth + 1, DType::I64),
        (&truth * 1.0, DType::F32),
        (&integer / 2, DType::F32),
        (&integer / &integer, DType::F32),
        (&float * &double, DType::F64),
        (&integer + &float, DType::F32),
        (&small + &integer, DType::I64),
        (float.to_dtype(DType::F16) + float.to_dtype(DType::BF16), DType::F32),
        (&truth + &truth, DType::Bool),
        // A number in a tensor yields to one that has dimensions, unless it is of a higher kind.
        (float.to_dtype(DType::BF16) * Tensor::scalar(2.0), DType::BF16),
        (&integer * Tensor::scalar(2.0), DType::F32),
        (Tensor::scalar(2) + &small, DType::U8),
        (Tensor::scalar(2) + Tensor::scalar(2.0), DType::F32),
        (integer.exp(), DType::F32),
        (integer.abs(), DType::I64),
        (integer.pow(2.0), DType::I64),
        (integer.pow(0.5), DType::F32),
        (integer.sum(), DType::I64),
        (small.sum(), DType::I64),
        (integer.mean(), DType::F32),
        (small.max(), DType::U8),
    ] {
        assert_eq!(result.dtype(), dtype, "{result}");
    }
}

#[test]
fn scalars_on_either_side() {
    let x = Tensor::from_slice(&[1.0_f32, 2.0, 4.0]);
    assert_eq!((2.0 - &x).to_vec::<f32>(), [1.0, 0.0, -2.0]);
    assert_eq!((&x - 2).to_vec::<f32>(), [-1.0, 0.0, 2.0]);
    assert_eq!((8 / &x).to_vec::<f32>(), [8.0, 4.0, 2.0]);
    // A division, not a product with the inverse, which would give 0.99999994.
    assert_eq!((Tensor::from_slice(&[49.0_f32]) / 49.0).item(), 1.0);
    assert_eq!((-&x).to_vec::<f32>(), [-1.0, -2.0, -4.0]);
    assert_eq!((&x % 3).to_vec::<f32>(), [1.0, 2.0, 1.0]);
    assert_eq!((Tensor::from_slice(&[-7_i64, 7]) % 3).to_vec::<i64>(), [2, 1]);
    assert_eq!(Tensor::from_slice(&[-7_i64, 7]).floor_divide(2).to_vec::<i64>(), [-4, 3]);
    assert_eq!((Tensor::from_slice(&[i64::MAX - 1]) + 1).to_vec::<i64>(), [i64::MAX]);
    assert!((Tensor::from_slice(&[-0.0_f32]) * 1.0).to_vec::<f32>()[0].is_sign_negative());
    let mut sum = x.clone();
    sum += &x;
    sum *= 2.0;
    assert_eq!((sum.to_vec::<f32>(), x.to_vec::<f32>()), (vec![4.0, 8.0, 16.0], vec![1.0, 2.0, 4.0]));
}

#[test]
fn shapes_are_broadcast() {
    let (column, row) = (counted(&[2, 1]), counted(&[3]));
    assert_eq!((&column + &row).to_vec::<f32>(), [0.0, 1.0, 2.0, 1.0, 2.0, 3.0]);
    assert_eq!((counted(&[0, 1]) * counted(&[4])).shape(), [0, 4]);
    assert_eq!((Tensor::scalar(1.0) + Tensor::scalar(2.0)).rank(), 0);
    assert_eq!((column.expand(&[2, 3]).t() - row.unsqueeze(1)).shape(), [3, 2]);
    let message = panics(|| counted(&[2, 3]) + counted(&[4]));
    assert_eq!(message, "add: shapes [2, 3] and [4] do not go together: dimension -1 is 3 and 4 (one must be 1, or both the same)");
}

#[test]
fn comparisons_and_masks() {
    let x = counted(&[4]);
    assert_eq!(x.gt(1).to_vec::<bool>(), [false, false, true, true]);
    assert_eq!(x.le(&Tensor::scalar(1.0)).to_vec::<bool>(), [true, true, false, false]);
    assert_eq!((x.gt(0) & x.lt(3)).to_vec::<bool>(), [false, true, true, false]);
    assert_eq!((!x.eq(2.0)).to_vec::<bool>(), [true, true, false, true]);
    let small = Tensor::from_slice(&[5_u8, 200]);
    assert_eq!((&small + -3).to_vec::<u8>(), [2, 197]);
    assert_eq!((small.gt(-3).all().item(), small.lt(300).all().item(), small.gt(&Tensor::scalar(-3)).all().item()), (1.0, 1.0, 1.0));
    assert_eq!(Tensor::from_slice(&[1_i64, 2]).lt(1.5).to_vec::<bool>(), [true, false]);
    assert_eq!(Tensor::where_cond(&x.gt(1), &x, &Tensor::scalar(-1.0)).to_vec::<f32>(), [-1.0, -1.0, 2.0, 3.0]);
    assert_eq!(x.masked_fill(&x.lt(2), 9.0).to_vec::<f32>(), [9.0, 9.0, 2.0, 3.0]);
    assert_eq!(x.clamp(1.0, 2.0).to_vec::<f32>(), [1.0, 1.0, 2.0, 2.0]);
    assert_eq!(Tensor::from_slice(&[1_i64, 5]).clamp(2.0, 3.0).to_vec::<i64>(), [2, 3]);
    assert_eq!(x.maximum(1.5).to_vec::<f32>(), [1.5, 1.5, 2.0, 3.0]);
    let odd = Tensor::from_slice(&[f32::NAN, f32::INFINITY, 1.0]);
    assert!(odd.allclose(&odd, 1e-5, 1e-8) && !odd.allclose(&(&odd * 2.0), 1e-5, 1e-8) && !odd.equal(&odd));
    assert_eq!((odd.is_nan() ^ odd.is_inf()).to_vec::<bool>(), [true, true, false]);
    assert_eq!(panics(|| counted(&[2]) & counted(&[2])), "and is not defined for f32; it takes bool; `.logical_and(…)` and the like take numbers");
    assert_eq!(panics(|| Tensor::from_slice(&[1]) % 0), "remainder: integers are divided by 0");
}

#[test]
fn created_tensors() {
    assert_eq!(Tensor::arange(0, 5, 2).to_vec::<i64>(), [0, 2, 4]);
    assert_eq!(Tensor::arange(5, 0, -2).to_vec::<i64>(), [5, 3, 1]);
    assert_eq!(Tensor::arange(0.0, 1.0, 0.25).to_vec::<f32>(), [0.0, 0.25, 0.5, 0.75]);
    assert_eq!(Tensor::linspace(-1.0, 1.0, 5).to_vec::<f32>(), [-1.0, -0.5, 0.0, 0.5, 1.0]);
    assert_eq!(Tensor::linspace(2.0, 3.0, 1).to_vec::<f32>(), [2.0]);
    assert_eq!(Tensor::eye(2).to_vec::<f32>(), [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(Tensor::full(&[2], 3).to_vec::<i64>(), [3, 3]);
    assert_eq!(Tensor::full(&[1], true).dtype(), DType::Bool);
    assert_eq!(Tensor::try_from_vec(vec![1.0_f32; 5], &[2, 3]).unwrap_err().to_string(), "from_vec: 5 elements do not fill shape [2, 3], which takes 6");
    assert!(Tensor::try_zeros_on(&[usize::MAX, 2], DType::F32, &crate::Device::Cpu).is_err());
}

#[test]
fn random_numbers_follow_the_seed_and_do_not_repeat() {
    // The generator is the process's: other tests draw between, so only what one draw gives can be compared.
    let lone = |seed: u64| {
        let backend = crate::backend(crate::Device::Cpu).unwrap();
        crate::Tensor::from_raw(backend.random(&[100], DType::F32, crate::backend::Draw::Normal { mean: 0.0, std: 1.0 }, seed, 0).unwrap()).to_vec::<f32>()
    };
    assert_eq!(lone(1), lone(1));
    assert_ne!(lone(1), lone(2));
    assert_ne!(Tensor::randn(&[8]).to_vec::<f32>(), Tensor::randn(&[8]).to_vec::<f32>());
    let mut order = Tensor::randperm(100).to_vec::<i64>();
    order.sort_unstable();
    assert_eq!(order, (0..100).collect::<Vec<_>>());
    let drawn = Tensor::randint(-2, 3, &[1000]);
    assert_eq!((drawn.min().item(), drawn.max().item()), (-2.0, 2.0));
    let (mean, std) = (Tensor::randn(&[100_000]).mean().item(), Tensor::randn(&[100_000]).std().item());
    assert!(mean.abs() < 0.02 && (std - 1.0).abs() < 0.02, "{mean} {std}");
}

#[test]
fn what_rust_counts_with_stands_beside_tensors() {
    let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 6.0]);
    assert_eq!((x.sum() / x.len()).item(), 3.0);
    assert_eq!((&x * 2_u32 - 1_u64).to_vec::<f32>(), [1.0, 3.0, 5.0, 11.0]);
    assert_eq!(x.gt(2_usize).to_vec::<bool>(), [false, false, true, true]);
    let mut y = Tensor::arange(0, 3, 1);
    y += 5_usize;
    assert_eq!((y.dtype(), y.to_vec::<i64>()), (DType::I64, vec![5, 6, 7]));
    assert_eq!(crate::Scalar::from(u64::MAX), crate::Scalar::Float(u64::MAX as f64), "what i64 cannot hold is a float");
}
