//! Tensors made of nothing: their values, types and random numbers.
//!
//! - "After `manual_seed` the same random numbers come again."
use ochre_tensors::{DType, Device, Tensor, manual_seed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All tests of this program draw from one generator: those that seed it take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn values_are_what_the_name_says() {
    assert_eq!(Tensor::zeros(&[2, 3]).to_vec::<f32>(), [0.0; 6]);
    assert_eq!(Tensor::ones(&[2]).to_vec::<f32>(), [1.0; 2]);
    assert_eq!(Tensor::full(&[2], 1.5).to_vec::<f32>(), [1.5; 2]);
    assert_eq!(Tensor::eye(3).to_vec::<f32>(), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    assert_eq!(Tensor::linspace(0.0, 1.0, 5).to_vec::<f32>(), [0.0, 0.25, 0.5, 0.75, 1.0]);
    assert_eq!(Tensor::logspace(0.0, 2.0, 3, 10.0).to_vec::<f32>(), [1.0, 10.0, 100.0]);
    assert_eq!(Tensor::arange(0, 5, 2).to_vec::<i64>(), [0, 2, 4]);
    assert_eq!(Tensor::arange(1.0, 2.0, 0.5).to_vec::<f32>(), [1.0, 1.5]);
    assert_eq!(Tensor::from_slice(&[1u8, 2]).dtype(), DType::U8);
    assert_eq!(Tensor::scalar(2.5).shape(), &[] as &[usize]);
    let like = Tensor::zeros_on(&[2, 2], DType::F64, &Device::Cpu);
    assert_eq!((like.ones_like().dtype(), like.full_like(3.0).to_vec::<f64>()), (DType::F64, vec![3.0; 4]));
}

#[test]
fn every_type_can_be_made() {
    for dtype in [DType::Bool, DType::U8, DType::I32, DType::I64, DType::F16, DType::BF16, DType::F32, DType::F64] {
        let ones = Tensor::ones_on(&[3], dtype, &Device::Cpu);
        assert_eq!((ones.dtype(), ones.to_dtype(DType::F64).to_vec::<f64>()), (dtype, vec![1.0; 3]));
        assert_eq!(Tensor::zeros_on(&[0], dtype, &Device::Cpu).len(), 0);
    }
}

#[test]
fn random_numbers_have_their_distribution() {
    let _turn = turn();
    manual_seed(1);
    let count = 200_000;
    let uniform = Tensor::rand(&[count]);
    assert!(uniform.min().item() >= 0.0 && uniform.max().item() < 1.0);
    assert!((uniform.mean().item() - 0.5).abs() < 0.005 && (uniform.var().item() - 1.0 / 12.0).abs() < 0.002);
    let normal = Tensor::randn(&[count]);
    assert!(normal.mean().item().abs() < 0.015 && (normal.std().item() - 1.0).abs() < 0.015);
    let fourth = normal.square().square().mean().item();
    assert!((fourth - 3.0).abs() < 0.15, "a normal distribution's fourth moment is 3, not {fourth}");
    let whole = Tensor::randint(-3, 4, &[count]);
    let counts = (&whole + 3).bincount(7).to_vec::<i64>();
    assert!(counts.len() == 7 && counts.iter().all(|&c| (c as f64 - count as f64 / 7.0).abs() < 1000.0), "{counts:?}");
    let coins = Tensor::bernoulli(0.25, &[count]).to_dtype(DType::F32).mean().item();
    assert!((coins - 0.25).abs() < 0.006, "{coins}");
    let order = Tensor::randperm(1000);
    assert_eq!(order.sort(0, false).0.to_vec::<i64>(), (0..1000).collect::<Vec<i64>>());
    assert_ne!(order.to_vec::<i64>(), (0..1000).collect::<Vec<i64>>());
}

#[test]
fn choices_are_made_by_weight() {
    let _turn = turn();
    manual_seed(3);
    let weights = Tensor::from_slice(&[1.0f32, 0.0, 3.0, 4.0]);
    let counts = weights.multinomial(80_000, true).bincount(4).to_vec::<i64>();
    // Five standard deviations.
    assert!(counts[1] == 0 && [(0, 0.125), (2, 0.375), (3, 0.5)].iter().all(|&(i, share)| (counts[i] as f64 / 8e4 - share).abs() < 0.009), "{counts:?}");
    // Without replacement: no place twice, and the first follows the weights.
    let rows = weights.unsqueeze(0).expand(&[20_000, 4]).multinomial(3, false);
    assert_eq!(rows.shape(), [20_000, 3]);
    assert_eq!(rows.sort(1, false).0.unique().to_vec::<i64>(), [0, 2, 3]);
    assert!(rows.to_vec2::<i64>().iter().all(|row| row.iter().collect::<std::collections::BTreeSet<_>>().len() == 3));
    let first = rows.select(1, 0).bincount(4).to_vec::<i64>();
    assert!((first[3] as f64 / 2e4 - 0.5).abs() < 0.018, "{first:?}");
    assert_eq!(Tensor::zeros(&[0, 4]).multinomial(2, true).shape(), [0, 2]);
    for (wrong, count) in [(Tensor::from_slice(&[1.0f32, -1.0]), 1), (Tensor::from_slice(&[1.0f32, 0.0]), 2), (Tensor::from_slice(&[f32::NAN, 1.0]), 1)] {
        let said = std::panic::catch_unwind(|| wrong.multinomial(count, false)).unwrap_err();
        assert!(said.downcast_ref::<String>().unwrap().starts_with("multinomial: weights have to be"));
    }
}

#[test]
fn a_seed_gives_the_same_numbers_and_the_next_call_others() {
    let _turn = turn();
    let draw = || [Tensor::rand(&[7]).to_vec::<f32>(), Tensor::randn(&[7]).to_vec::<f32>()];
    manual_seed(42);
    let (first, second) = (draw(), draw());
    manual_seed(42);
    assert_eq!(draw(), first);
    assert_ne!(first, second);
    manual_seed(43);
    assert_ne!(draw(), first);
}
