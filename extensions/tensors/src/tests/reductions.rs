//! Reductions, running sums, order.
use super::{counted, panics};
use crate::{DType, Tensor};

#[test]
fn sums_over_all_one_and_some() {
    let x = counted(&[2, 3]);
    assert_eq!((x.sum().rank(), x.sum().item(), x.mean().item()), (0, 15.0, 2.5));
    assert_eq!(x.sum_dim(-1).to_vec::<f32>(), [3.0, 12.0]);
    assert_eq!(x.sum_dims(&[0], true).shape(), [1, 3]);
    assert_eq!(x.mean_dims(&[0, -1], false).item(), 2.5);
    assert_eq!((x.max().item(), x.min().item(), x.prod_dim(0).to_vec::<f32>()), (5.0, 0.0, vec![0.0, 4.0, 10.0]));
    assert_eq!((x.gt(4).any().item(), x.gt(4).all().item(), x.count_nonzero().item()), (1.0, 0.0, 5.0));
    assert_eq!(counted(&[0, 3]).sum_dim(0).to_vec::<f32>(), [0.0; 3]);
    assert_eq!((counted(&[0]).sum().item(), counted(&[0]).prod().item()), (0.0, 1.0));
    assert!(counted(&[0]).mean().item().is_nan());
    assert_eq!((Tensor::scalar(4.0).sum().item(), Tensor::scalar(4.0).mean_dim(-1).item()), (4.0, 4.0));
    assert_eq!(panics(|| counted(&[0]).max()), "max: of nothing: shape [0] over dimensions [0]");
    assert_eq!(panics(|| counted(&[2, 2]).sum_dims(&[1, -1], false)), "sum: dimensions [1, -1] of shape [2, 2] name one twice");
}

#[test]
fn moments_norms_and_running_sums() {
    let x = Tensor::from_slice(&[1.0_f64, 2.0, 4.0, 9.0]);
    assert!((x.var().item() - 12.666_666_666_666_666).abs() < 1e-12);
    assert!((x.std().item().powi(2) - x.var_dim(0).item()).abs() < 1e-12);
    assert_eq!(x.var_dims(&[], 0, true).shape(), [1]);
    assert!(Tensor::from_slice(&[1.0_f64]).var().item().is_nan());
    assert_eq!((Tensor::from_slice(&[3.0_f32, -4.0]).norm().item(), x.norm_dims(f64::INFINITY, &[], false).item()), (5.0, 9.0));
    assert_eq!(x.norm_dims(1.0, &[0], true).to_vec::<f64>(), [16.0]);
    // In halves the squares would be infinite.
    assert_eq!(Tensor::from_slice(&[300.0_f32, 400.0]).to_dtype(DType::F16).norm().item(), 500.0);
    assert_eq!(counted(&[2, 2]).cumsum(0).to_vec::<f32>(), [0.0, 1.0, 2.0, 4.0]);
    assert_eq!(Tensor::from_slice(&[true, true]).cumsum(0).to_vec::<i64>(), [1, 2]);
    let large = Tensor::from_slice(&[1000.0_f32, 1000.0]);
    assert!((large.logsumexp(0).item() - (1000.0 + 2.0_f64.ln())).abs() < 1e-3);
    assert_eq!(Tensor::from_slice(&[f32::NEG_INFINITY; 2]).logsumexp(0).item(), f64::NEG_INFINITY);
}

#[test]
fn order() {
    let x = Tensor::from_vec(vec![3.0_f32, 1.0, 2.0, 4.0, 6.0, 5.0], &[2, 3]);
    assert_eq!(x.argmax(-1).to_vec::<i64>(), [0, 1]);
    assert_eq!(x.argmin(0).to_vec::<i64>(), [0, 0, 0]);
    let (values, places) = x.max_dim(1);
    assert_eq!((values.to_vec::<f32>(), places.to_vec::<i64>()), (vec![3.0, 6.0], vec![0, 1]));
    let (values, places) = x.sort(1, true);
    assert_eq!((values.to_vec::<f32>(), places.to_vec::<i64>()), (vec![3.0, 2.0, 1.0, 6.0, 5.0, 4.0], vec![0, 2, 1, 1, 2, 0]));
    let (values, places) = x.topk(2, -1);
    assert_eq!((values.to_vec::<f32>(), places.to_vec::<i64>()), (vec![3.0, 2.0, 6.0, 5.0], vec![0, 2, 1, 2]));
    assert_eq!(x.median_dim(1).0.to_vec::<f32>(), [2.0, 5.0]);
    assert_eq!(x.quantile(0.25, 1).to_vec::<f32>(), [1.5, 4.5]);
    assert_eq!(Tensor::from_slice(&[3_i64, 1, 3, 2, 1]).unique().to_vec::<i64>(), [1, 2, 3]);
    assert_eq!(panics(|| counted(&[2]).topk(3, 0).0), "topk: 3 of dimension 0 of shape [2], which has 2 places");
}
