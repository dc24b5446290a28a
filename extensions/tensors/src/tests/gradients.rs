//! The engine: what is recorded, added up, undone and freed. Each operation's gradient is compared with finite differences in `tests/`.
use super::{counted, panics};
use crate::autograd::record;
use crate::{DType, Tensor, clip_grad_norm, no_grad};

#[test]
fn gradients_add_up_over_uses_and_calls() {
    let x = counted(&[3]).requires_grad();
    let y = (&x * &x + &x).sum();
    y.backward();
    assert_eq!(x.grad().unwrap().to_vec::<f32>(), [1.0, 3.0, 5.0]);
    (&x * 2.0).sum().backward();
    x.accumulate_grad(&Tensor::from_slice(&[1_i64, 1, 1]));
    assert_eq!(x.grad().unwrap().to_vec::<f32>(), [4.0, 6.0, 8.0]);
    x.zero_grad();
    assert!(x.grad().is_none());
}

#[test]
fn broadcasting_is_undone() {
    let (column, row, one) = (counted(&[2, 1]).requires_grad(), counted(&[3]).requires_grad(), Tensor::scalar(2.0).requires_grad());
    ((&column * &row) * &one).sum().backward();
    assert_eq!((column.grad().unwrap().shape().to_vec(), column.grad().unwrap().to_vec::<f32>()), (vec![2, 1], vec![6.0, 6.0]));
    assert_eq!(row.grad().unwrap().to_vec::<f32>(), [2.0, 2.0, 2.0]);
    assert_eq!((one.grad().unwrap().rank(), one.grad().unwrap().item()), (0, 3.0));
}

#[test]
fn gradients_have_the_type_of_what_they_belong_to() {
    let (x, w) = (counted(&[2]).requires_grad(), Tensor::from_slice(&[1.0_f64, 2.0]).requires_grad());
    let y = x.to_dtype(DType::BF16).to_dtype(DType::F64) * &w;
    y.sum().backward();
    assert_eq!((x.grad().unwrap().dtype(), w.grad().unwrap().dtype()), (DType::F32, DType::F64));
    assert_eq!(x.grad().unwrap().to_vec::<f32>(), [1.0, 2.0]);
}

#[test]
fn nothing_is_recorded_where_nothing_is_wanted() {
    let x = counted(&[2]).requires_grad();
    assert!(!no_grad(|| (&x * 2.0).tracks_gradients()));
    assert!(!(x.detach() * 2.0).tracks_gradients());
    assert!(!x.gt(0).tracks_gradients());
    let after = std::panic::catch_unwind(|| no_grad(|| panic!("within")));
    assert!(after.is_err() && (&x * 2.0).tracks_gradients(), "a panic within no_grad leaves recording on");
    let message = panics(|| {
        counted(&[]).backward();
        counted(&[])
    });
    assert!(message.starts_with("backward: of a tensor that no gradient flows to"), "{message}");
    assert!(panics(|| Tensor::from_slice(&[1_i64]).requires_grad()).starts_with("requires_grad is not defined for i64: only floats"));
}

#[test]
fn a_graph_runs_once_unless_it_is_kept() {
    let x = counted(&[2]).requires_grad();
    let y = (&x * &x).sum();
    y.backward_retaining();
    y.backward();
    assert_eq!(x.grad().unwrap().to_vec::<f32>(), [0.0, 4.0]);
    assert_eq!(y.try_backward().unwrap_err().to_string(), "backward: the graph of `sum` was freed by an earlier backward; use `backward_retaining` the first time");
    assert!((&x * 1.0).try_backward().unwrap_err().to_string().contains("shape [2]"));
    (&x * 3.0).backward_with(&Tensor::from_slice(&[1.0_f32, 10.0]));
    assert_eq!(x.grad().unwrap().to_vec::<f32>(), [3.0, 34.0]);
}

#[test]
fn parts_and_turns_pass_gradients_on() {
    let x = counted(&[2, 3]).requires_grad();
    let weights = Tensor::from_slice(&[1.0_f32, 10.0, 100.0]);
    let y = (x.t().narrow(0, 1, 2).reshape(&[-1]).slice(crate::s![1..]) * &weights).sum();
    y.backward();
    assert_eq!(x.grad().unwrap().to_vec::<f32>(), [0.0, 0.0, 10.0, 0.0, 1.0, 100.0]);
    x.zero_grad();
    let joined = Tensor::cat(&[&x.select(0, 0), &x.slice(crate::s![1, 0..1])], 0);
    (joined.flip(&[0]) * counted(&[4])).sum().backward();
    assert_eq!(x.grad().unwrap().to_vec::<f32>(), [3.0, 2.0, 1.0, 0.0, 0.0, 0.0]);
}

#[test]
fn a_long_chain_neither_overflows_the_stack_nor_keeps_values() {
    let x = Tensor::scalar(1.0).requires_grad();
    let mut y = x.clone();
    for _ in 0..200_000 {
        y = &y + 0.0;
    }
    y.backward();
    assert_eq!(x.grad().unwrap().item(), 1.0);
    let mut unused = x.clone();
    for _ in 0..200_000 {
        unused = &unused * 1.0;
    }
    drop(unused);
}

#[test]
fn extremes_share_and_zeros_do_not_poison() {
    let x = Tensor::from_slice(&[2.0_f64, 5.0, 5.0]).requires_grad();
    x.max().backward();
    assert_eq!(x.grad().unwrap().to_vec::<f64>(), [0.0, 0.5, 0.5]);
    x.zero_grad();
    x.maximum(&Tensor::scalar(5.0).to_dtype(DType::F64)).sum().backward();
    assert_eq!(x.grad().unwrap().to_vec::<f64>(), [0.0, 0.5, 0.5]);
    let zeros = Tensor::from_slice(&[0.0_f64, 2.0, 3.0]).requires_grad();
    zeros.prod().backward();
    assert_eq!(zeros.grad().unwrap().to_vec::<f64>(), [6.0, 0.0, 0.0]);
    zeros.zero_grad();
    (zeros.sub(&zeros).norm() + zeros.mul(0.0).std()).backward();
    assert_eq!(zeros.grad().unwrap().to_vec::<f64>(), [0.0; 3]);
}

#[test]
fn clipping_scales_all_gradients_by_one_factor() {
    let (a, b) = (counted(&[1]).requires_grad(), counted(&[1]).requires_grad());
    (&a * 3.0 + &b * 4.0).sum().backward();
    assert_eq!(clip_grad_norm(&[&a, &b], 1.0), 5.0);
    assert!((a.grad().unwrap().item() - 0.6).abs() < 1e-5 && (b.grad().unwrap().item() - 0.8).abs() < 1e-5);
    assert!((clip_grad_norm(&[&a, &b], 2.0) - 1.0).abs() < 1e-5);
    assert!((a.grad().unwrap().item() - 0.6).abs() < 1e-5);
}

#[test]
fn a_changed_parameter_does_not_change_a_recorded_graph() {
    let w = Tensor::from_slice(&[2.0_f32]).requires_grad();
    let x = Tensor::from_slice(&[3.0_f32]).requires_grad();
    let y = (&w * &x).sum();
    w.assign(&Tensor::scalar(100.0));
    y.backward();
    assert_eq!(x.grad().unwrap().item(), 2.0);
    let y = &w * 1.0;
    assert!(std::panic::catch_unwind(|| y.assign(&Tensor::scalar(1.0))).is_err(), "a computed tensor is not assigned to");
}

#[test]
fn only_wanted_gradients_are_asked_for() {
    let (a, b) = (counted(&[2]).requires_grad(), counted(&[2]));
    let y = record("test", &[&a, &b], a.raw(), || {
        |dy: &crate::Raw, wants: &[bool]| {
            assert_eq!(wants, [true, false]);
            Ok(vec![Some(dy.clone()), None])
        }
    });
    y.sum().backward();
    assert_eq!(a.grad().unwrap().to_vec::<f32>(), [1.0, 1.0]);
}

#[test]
fn threads_share_tensors() {
    let w = counted(&[2]).requires_grad();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (&w * 2.0).sum().backward());
        }
    });
    assert_eq!(w.grad().unwrap().to_vec::<f32>(), [8.0, 8.0]);
}
